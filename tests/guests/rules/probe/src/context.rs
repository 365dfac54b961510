//! Returns everything in the context.

use serde::Serialize;
use serde::de::IgnoredAny;
use tenet::context;

#[derive(Serialize)]
pub(crate) struct Output {
    operation: String,
    region: String,
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    now: i64,
    key: Option<String>,
    caller: Option<String>,
}

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<Output> {
    Ok(Output {
        operation: context::operation(),
        region: context::region(),
        now: context::now().micros(),
        key: context::key(),
        caller: context::caller(),
    })
}
