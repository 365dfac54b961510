//! Draws twice from the request's random sequence, and a UUID.

use serde::Serialize;
use serde::de::IgnoredAny;
use tenet::{Uuid, context};

#[derive(Serialize)]
pub(crate) struct Output {
    first: String,
    second: String,
    uuid: Uuid,
}

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<Output> {
    let draw = || context::random(16).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Output { first: draw(), second: draw(), uuid: context::uuid() })
}
