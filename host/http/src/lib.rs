//! The HTTP interface of a bundle's operations, without a server.
//!
//! An [`Api`] is made of a bundle's index and takes requests apart: what it can answer
//! itself (the list of operations, the OpenAPI document, a path that is not there) it
//! answers; a request to `POST /operations/NAME` becomes an
//! [`Invocation`](tenet_pipeline::Invocation), the very one that a direct invocation would
//! have been. What the pipeline answers to it leaves as a [`Reply`]: the rule's output, or
//! problem details as RFC 9457 has them. [`openapi()`] writes the document, when a bundle
//! is built.
//!
//! The function gets its requests from API Gateway and the harness from a socket; both
//! make a [`Request`] of them, which is read here and nowhere else. What this crate must never know: sockets,
//! Lambda's events, an async runtime, the ports behind the pipeline. It reads one file, the
//! bundle's document, when it is made. Who calls is told by whoever has the authoriser's
//! word, and never read from a request.

mod api;
mod key_header;
mod open_error;
mod openapi;
mod path;
mod problem;
mod receipt;
mod reply;
mod request;
mod trace;

pub use api::{Api, Route};
pub use key_header::IDEMPOTENCY_KEY;
pub use open_error::OpenError;
pub use openapi::{DescriptionError, openapi};
pub use path::Path;
pub use receipt::wants_receipt;
pub use reply::Reply;
pub use request::Request;
pub use trace::trace;
