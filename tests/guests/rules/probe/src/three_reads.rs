//! Reads three times, one after the other.

use serde::de::IgnoredAny;
use tenet::params;

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<[i32; 3]> {
    Ok([
        tenet::query_one("SELECT 1", params![])?,
        tenet::query_one("SELECT 2", params![])?,
        tenet::query_one("SELECT 3", params![])?,
    ])
}
