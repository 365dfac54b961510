//! Reads, and then computes endlessly in the middle of its transaction.

use serde::de::IgnoredAny;
use tenet::params;

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<()> {
    tenet::query_opt::<i64>("SELECT value FROM counters WHERE id = $1", params![1])?;
    loop {
        std::hint::spin_loop();
    }
}
