//! The SDK for Tenet rules.
//!
//! A rule is one function. It receives the caller's payload as a type of its own, reads and writes in a transaction
//! that the host begins and commits, and returns an output or an error: a rejection, which is an ordinary answer, or a
//! bug.
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
//! A rule runs in a fresh instance and may run several times for one request; only the attempt that commits has any
//! effect. It is a deterministic function of its request and of the results of its queries: the time and the random
//! numbers in [`context`] belong to the request.
//!
//! This crate must not depend on the host. They share only the contract in `wit/`. Conversions are separate from the
//! imports, which exist only in WebAssembly, so that everything except the calls themselves is tested natively.

// The attribute's expansion uses this crate's external name; tests inside the crate need it too.
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
pub mod operations;
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
/// SQL's `interval`: months, days and microseconds, kept separately. In JSON it is an object with the three.
///
/// ```
/// use tenet::{Interval, params};
///
/// let term = Interval { months: 1, days: -1, microseconds: 0 };
/// let params = params![term];
/// ```
pub use bindings::tenet::rule::types::Interval;
/// A parameter of a statement with its SQL type. [`params!`] creates them; use a variant directly if no Rust type maps
/// to the SQL type.
///
/// ```
/// use tenet::{Value, params};
///
/// assert_eq!(params!["a", 5_i64], [Value::Text("a".into()), Value::Int8(5)]);
/// ```
pub use bindings::tenet::rule::types::Value;
/// The SQL type of a NULL parameter.
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
/// The function takes one argument, its input, and returns a [`Result`] of its output. The input is any type that serde
/// deserialises from the payload; unknown members are ignored, and an invalid payload is answered with the rejection
/// `invalid-payload` and serde's message. A rule without input takes [`NoInput`]. The output is any type that serde
/// serialises. Both derive their JSON Schema with the crate `schemars`: the API's documentation of the rule is
/// generated from it, including the doc comments of types and fields.
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

/// The names used by the attribute's expansion.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::{Guest, Request, Verdict, export};
    pub use crate::evaluate::{Rule, rule};
}
