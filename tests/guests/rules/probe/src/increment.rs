//! Reads a counter, writes it back incremented, and returns it.

use serde::{Deserialize, Serialize};
use tenet::params;

#[derive(Deserialize)]
pub(crate) struct Input {
    id: i32,
}

#[derive(Serialize)]
pub(crate) struct Output {
    id: i32,
    value: i64,
}

pub(crate) fn run(Input { id }: Input) -> tenet::Result<Output> {
    let Some(value) = tenet::query_opt::<i64>("SELECT value FROM counters WHERE id = $1", params![id])? else {
        tenet::reject!("no-counter", "there is no counter {id}");
    };
    let counter = Output { id, value: value + 1 };
    tenet::execute("UPDATE counters SET value = $2 WHERE id = $1", params![id, counter.value])?;
    tenet::publish("probe", "Incremented", &counter)?;
    Ok(counter)
}
