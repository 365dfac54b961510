//! Calls the host a million times.

use serde::de::IgnoredAny;

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<()> {
    for _ in 0..1_000_000 {
        tenet::log::debug!("again");
    }
    Ok(())
}
