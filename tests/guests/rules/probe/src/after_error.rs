//! Fails a statement, runs another, and rejects with the SQLSTATE that it got.

use serde::de::IgnoredAny;
use tenet::params;

use crate::swallow::FAILS;

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<()> {
    let first = tenet::execute(FAILS, params![]);
    let Err(second) = tenet::query::<i32>("SELECT 1", params![]) else {
        return Err(tenet::Error::bug("a spent transaction ran another statement"));
    };
    let code = |error: &tenet::Error| error.sqlstate().unwrap_or("none").to_owned();
    let first = first.as_ref().err().map(code);
    Err(tenet::reject(code(&second), "the transaction is spent").with_detail("first", first.unwrap_or_default()))
}
