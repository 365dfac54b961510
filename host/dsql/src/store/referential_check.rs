use std::sync::Arc;

use crate::store::link::Link;
use crate::store::table::{Row, RowKey};

/// A question that a change of a row puts to a foreign key, now or at the end of the transaction.
#[derive(Debug)]
pub(crate) enum ReferentialCheck {
    /// Whether what this row references is there.
    Referencing { link: Arc<Link>, key: RowKey, row: Row },
    /// Whether this row, which is gone or has another key, is still referenced.
    Referenced { link: Arc<Link>, row: Row },
}

impl ReferentialCheck {
    pub(crate) fn link(&self) -> &Link {
        match self {
            Self::Referencing { link, .. } | Self::Referenced { link, .. } => link,
        }
    }
}
