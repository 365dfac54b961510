//! Panics.

use serde::de::IgnoredAny;

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<()> {
    panic!("a panic on demand")
}
