//! Cancels a follow-up, and rejects after that if it is asked to.

use serde::{Deserialize, Serialize};
use tenet::operations;

#[derive(Deserialize)]
pub(crate) struct Input {
    follow_up: String,
    #[serde(default)]
    reject: bool,
}

#[derive(Serialize)]
pub(crate) struct Output {
    cancelled: bool,
}

pub(crate) fn run(Input { follow_up, reject }: Input) -> tenet::Result<Output> {
    let cancelled = operations::cancel(&follow_up)?;
    if reject {
        tenet::reject!("not-cancelled", "the cancellation ends with the transaction");
    }
    Ok(Output { cancelled })
}
