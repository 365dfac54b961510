//! What a Tenet rule is written with.
//!
//! A rule is one function. It gets the caller's payload as a type of its own, reads and
//! writes in a transaction that the host began and will commit, and answers with an
//! output or with an error: a rejection, which is an ordinary answer, or a bug.
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use tenet::{Decimal, params};
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Deposit {
//!     account: i64,
//!     amount: Decimal,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Balance {
//!     balance: Decimal,
//! }
//!
//! #[tenet::rule]
//! fn deposit(input: Deposit) -> tenet::Result<Balance> {
//!     input.amount.fits(10, 2)?;
//!     let sql = "UPDATE accounts SET balance = balance + $2 WHERE id = $1 RETURNING balance";
//!     let Some(balance) = tenet::query_opt(sql, params![input.account, input.amount])? else {
//!         tenet::reject!("no-account", "there is no account {}", input.account);
//!     };
//!     Ok(Balance { balance })
//! }
//! ```
//!
//! A rule runs in a fresh instance and may run several times for one request; only the
//! attempt that commits leaves anything behind. It is a deterministic function of its
//! request and of what its queries return: the clock and the randomness of [`context`]
//! are the request's own.
//!
//! What this crate must never know: the host. Both know the contract in `wit/` and share
//! nothing else. Conversions are kept apart from the imports, which exist in WebAssembly
//! only, so that everything but the calls themselves is tested natively.

// The attribute names this crate from outside; inside it, in tests, the name is needed too.
#[cfg(test)]
extern crate self as tenet;

#[cfg(all(target_arch = "wasm32", feature = "allocator"))]
mod allocator;
mod batch;
#[doc(hidden)]
#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::allow_attributes_without_reason,
    reason = "written by wit-bindgen"
)]
pub mod bindings;
pub mod context;
mod database;
mod decimal;
mod describe;
mod error;
mod evaluate;
mod events;
mod interval;
mod json;
pub mod log;
mod no_input;
#[cfg(target_arch = "wasm32")]
mod panic;
mod params;
mod place;
mod row;
mod sendable;
mod signature;
mod text;
mod time;
mod uuid;
pub mod vault;

pub use batch::{Batch, Outcome};
/// A span of time, SQL's `interval`: months, days and microseconds, each apart. In JSON an object of the three.
///
/// ```
/// use tenet::{Interval, params};
///
/// let term = Interval { months: 1, days: -1, microseconds: 0 };
/// let params = params![term];
/// ```
pub use bindings::tenet::rule::types::Interval;
/// One parameter of a statement with its SQL type. [`params!`] makes them; a rule names a case where no type of Rust
/// says what it means.
///
/// ```
/// use tenet::{Value, params};
///
/// assert_eq!(params!["a", 5_i64], [Value::Text("a".into()), Value::Int8(5)]);
/// ```
pub use bindings::tenet::rule::types::Value;
/// The SQL type of a parameter that is NULL.
///
/// ```
/// use tenet::{Value, ValueType, params};
///
/// let by: Option<String> = None;
/// assert_eq!(params![by], [Value::Null(Some(ValueType::Text))]);
/// ```
pub use bindings::tenet::rule::types::ValueType;
pub use database::{execute, query, query_one, query_opt};
pub use decimal::{Decimal, DecimalError};
pub use error::{Error, Result, reject};
pub use events::publish;
pub use json::Json;
pub use no_input::NoInput;
pub use params::ToValue;
pub use signature::{Input, Output};
pub use text::TextError;
pub use time::{Date, Time, Timestamp, TimestampTz};
pub use uuid::Uuid;

/// Makes a function the rule of its crate.
///
/// The function takes one argument, its input, and returns [`Result`] of its output.
/// The input is any type that serde deserialises from the payload; members that it does
/// not have are ignored, and a payload that does not fit is answered with the rejection
/// `invalid-payload` and serde's message. A rule that needs none takes [`NoInput`]. The
/// output is any type that serde serialises. Both tell their JSON Schema by the derive of
/// the crate `schemars`: what callers of an API read about the rule is made of it, the
/// doc comments of types and fields included.
///
/// ```
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Deserialize, JsonSchema)]
/// struct Input {
///     name: String,
/// }
///
/// #[derive(Serialize, JsonSchema)]
/// struct Output {
///     greeting: String,
/// }
///
/// #[tenet::rule]
/// fn greet(input: Input) -> tenet::Result<Output> {
///     Ok(Output { greeting: format!("Hello, {}", input.name) })
/// }
/// ```
///
/// A crate holds one rule. Two do not compile:
///
/// ```compile_fail,E0428
/// # use tenet::NoInput;
/// mod one {
///     #[tenet::rule]
///     fn first(_: super::NoInput) -> tenet::Result<()> { Ok(()) }
/// }
/// mod two {
///     #[tenet::rule]
///     fn second(_: super::NoInput) -> tenet::Result<()> { Ok(()) }
/// }
/// # fn main() {}
/// ```
pub use tenet_macros::rule;

/// What the attribute's expansion names.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::{Guest, Request, Verdict, export};
    pub use crate::evaluate::{Rule, rule};
}
