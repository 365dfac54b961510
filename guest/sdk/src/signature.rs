use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// A type that can be a rule's input: one that serde can deserialise, that owns its data and that
/// has a JSON Schema.
///
/// ```
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Booking {
///     show: String,
///     seat: Option<i32>,
/// }
///
/// fn is_input<T: tenet::Input>() {}
/// is_input::<Booking>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a rule's input",
    label = "cannot be read from a payload",
    note = "derive `serde::Deserialize` and `schemars::JsonSchema` for it, and let it own what it holds: \
            `String` and not `&str`"
)]
pub trait Input: DeserializeOwned + JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema> Input for T {}

/// A type that can be a rule's output: one that serde can serialise and that has a JSON Schema.
///
/// ```
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Booked {
///     seat: i32,
/// }
///
/// fn is_output<T: tenet::Output>() {}
/// is_output::<Booked>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a rule's output",
    label = "cannot be written as JSON",
    note = "derive `serde::Serialize` and `schemars::JsonSchema` for it"
)]
pub trait Output: Serialize + JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema> Output for T {}

/// What a rule returns: a [`Result`] of its output.
#[diagnostic::on_unimplemented(
    message = "a rule returns `tenet::Result<Output>`, and not `{Self}`",
    label = "not a `tenet::Result`"
)]
pub trait Returned {
    /// The output.
    type Output: Output;

    /// Converts it to the `Result` that it is.
    fn into_result(self) -> Result<Self::Output>;
}

impl<T: Output> Returned for Result<T, Error> {
    type Output = T;

    fn into_result(self) -> Result<T> {
        self
    }
}
