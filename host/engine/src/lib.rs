//! The engine: runs rules, which are WebAssembly components.
//!
//! It reduces wasmtime to what Tenet needs. An [`Engine`] is one set of settings, a pool of
//! instances and a ticker. A [`Library`] holds the rules of one bundle, checked against the
//! bundle's index before anything in them is trusted, and linked once; it implements the port
//! `Rules` of tenet-core. Each call gets a fresh store and instance, runs under limits, and ends in
//! one of the ways that `Ended` lists. With the feature `compile`, a [`Compiler`] makes the files
//! that a library loads; hosts are built without it. For development it caches compiled functions
//! in a file.
//! [`Library::describe`] asks a rule for its input and output schemas. This happens when a bundle
//! is built, never for a request.
//!
//! The host functions are defined in `wit/`, one folder per major version. Each has one module here
//! that converts its types to the host's. Types of WIT never leave this crate, and types of
//! wasmtime leave it only with the feature `bare`, for benchmarks that measure wasmtime alone.
//!
//! Languages with a runtime import WASI 0.2 to start. It is linked, but every capability is denied
//! or frozen.
//!
//! The crate must not know about databases, events and their buses, attempts, retries, or grants. A
//! host call goes to the implementation of `HostCalls`, which may answer it or stop the guest; the
//! engine does not learn why it was stopped.

#[cfg(feature = "compile")]
mod bounds;
mod call;
mod checked;
#[cfg(feature = "compile")]
mod compiler;
mod cpu_timer;
mod deny_all_calls;
mod describe;
mod ended;
mod engine;
mod first_call;
#[cfg(feature = "compile")]
mod function_cache;
mod guest_stop;
mod library;
mod limiter;
mod load_error;
mod settings;
mod ticker;
mod v1;
mod wasi;

#[cfg(feature = "bare")]
pub use checked::bare;
#[cfg(feature = "compile")]
pub use compiler::{CompileError, Compiler};
pub use describe::DescribeError;
pub use engine::{Engine, EngineError};
pub use library::Library;
pub use load_error::LoadError;
pub use settings::{OWN_TARGET, TARGETS};
