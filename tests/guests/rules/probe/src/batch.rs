//! Writes two counters and counts them, all in one batch.

use serde::Serialize;
use serde::de::IgnoredAny;
use tenet::{Batch, params};

#[derive(Serialize)]
pub(crate) struct Output {
    affected: u64,
    counted: Vec<i64>,
}

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<Output> {
    let insert = "INSERT INTO counters (id, value) VALUES ($1, $2)";
    let mut outcomes = Batch::new()
        .add(insert, params![1, 10_i64])
        .add(insert, params![2, 20_i64])
        .add("SELECT count(*) FROM counters", params![])
        .run()?;
    let counted = outcomes.pop().map_or(Ok(Vec::new()), |outcome| outcome.rows())?;
    Ok(Output { affected: outcomes.iter().map(|outcome| outcome.affected()).sum(), counted })
}
