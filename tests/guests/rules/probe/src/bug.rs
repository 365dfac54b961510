//! Returns an error that is not a rejection.

use serde::de::IgnoredAny;

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<()> {
    Err(tenet::Error::bug("a bug on demand"))
}
