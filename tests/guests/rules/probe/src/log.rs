//! Logs one line.

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Input {
    message: Option<String>,
}

pub(crate) fn run(input: Input) -> tenet::Result<()> {
    tenet::log::info!("{}", input.message.as_deref().unwrap_or("a line on demand"));
    Ok(())
}
