//! Nothing but a list of dependencies: what the harness and the tests switch on in crates that the
//! function uses too.
//!
//! Cargo compiles a crate once for each set of its features. A build of a part of the workspace
//! together with this crate (`cargo test -p tenet-core -p tenet-features`) has the same sets as a
//! build of the whole, except wasmtime's compiler. So the tests' `bootstrap` shares what is compiled
//! already, and so does the documentation, for which cargo looks at no dependencies of tests. A
//! release is built without it.
