//! The compiler's messages for misuses of the SDK. Each file in `wrong` differs from `right.rs` in
//! one point.
//!
//! `TRYBUILD=overwrite cargo test --test misuse` updates the expected messages; then check that
//! they help a new user.

#[test]
fn every_misuse_is_told_in_plain_words() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/rules/right.rs");
    cases.compile_fail("tests/rules/wrong/*.rs");
}
