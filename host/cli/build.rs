//! Says which folders are embedded, so that a file that is added to them is seen.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for folder in ["guest/sdk/src", "guest/macros/src", "guest/javascript/sdk", "wit/v1"] {
        println!("cargo::rerun-if-changed=../../{folder}");
    }
}
