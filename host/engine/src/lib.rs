//! The engine: runs rules, which are WebAssembly components, and nothing else.
//!
//! Its job is to reduce wasmtime to what Tenet needs. An [`Engine`] is one set of
//! settings, a pool of instances and a clock that ticks. A [`Library`] is the rules of
//! one bundle, checked against the bundle's index before anything in them is believed,
//! and linked once; it is the port `Rules` of tenet-core. Each call gets a store and an
//! instance of its own that nobody has used before and nobody will use again, runs under
//! limits, and ends in one of the ways that `Ended` lists. With the feature `compile`, a
//! [`Compiler`] makes the files that a library loads; hosts are built without it. For a harness it
//! keeps compiled functions in a file.
//! [`Library::describe`] asks a rule what it takes and gives, which is done when a bundle
//! is built and never for a request.
//!
//! What a rule may ask of the host is written in `wit/`, one folder a major version, and
//! each has one module here that turns its types into the host's vocabulary. Types of WIT
//! never leave this crate, and of wasmtime's none but for the benchmarks, which compare the
//! engine with less than itself and have a feature, `bare`, for it.
//!
//! Languages that bring a runtime import WASI 0.2 to start. It is linked, and everything in it
//! is denied or frozen.
//!
//! What it must never know: databases, events and their buses, attempts, retries, grants.
//! A host call goes to whoever implements `HostCalls`, which may answer or stop the
//! guest; why it was stopped is not told here.

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
