//! The rules of the example bundle, tested with the tests of a crate.

#[test]
fn rules() {
    tenet_harness::run("../../guest/rules").unwrap().assert_passed();
}
