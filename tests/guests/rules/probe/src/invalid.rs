//! Sends an invalid number, ignores the error and accepts.

use serde::de::IgnoredAny;
use tenet::{Value, params};

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<&'static str> {
    let outcome = tenet::execute("SELECT $1", params![Value::Numeric("no number".to_owned())]);
    Ok(if outcome.is_err() { "swallowed" } else { "nothing to swallow" })
}
