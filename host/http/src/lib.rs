//! The HTTP interface of a bundle's operations, without a server.
//!
//! An [`Api`] is created from a bundle's index and routes requests: it answers some itself (the list of operations, the
//! OpenAPI document, unknown paths), and turns `POST /operations/NAME` into an
//! [`Invocation`](tenet_pipeline::Invocation), the same as for a direct invocation. The pipeline's answer becomes a
//! [`Reply`]: the rule's output, or problem details (RFC 9457). [`openapi()`] writes the document when a bundle is
//! built.
//!
//! The function receives requests from API Gateway and the harness from a socket; both convert them to a [`Request`],
//! which only this crate interprets. It must not know sockets, Lambda's events, an async runtime, or the ports behind
//! the pipeline. It reads one file, the bundle's document, when it is created. The caller's identity comes from the
//! authoriser, never from a request.

mod api;
mod key_header;
mod open_error;
mod openapi;
mod path;
mod problem_details;
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
