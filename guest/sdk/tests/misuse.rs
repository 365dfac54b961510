//! What the compiler says to who misuses the SDK. Each file in `wrong` differs from
//! `right.rs` by one thing.
//!
//! What is said is written anew by `TRYBUILD=overwrite cargo test --test misuse`; read it
//! then as one who meets it for the first time.

#[test]
fn every_misuse_is_told_in_plain_words() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/rules/right.rs");
    cases.compile_fail("tests/rules/wrong/*.rs");
}
