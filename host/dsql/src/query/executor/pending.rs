use crate::query::references::Trigger;
use crate::store::table::{Row, RowKey};

/// What a foreign key still has to do because a row has changed.
pub(crate) struct Pending<'e> {
    pub(crate) trigger: &'e Trigger,
    /// The row before the change; `None` for a new one.
    pub(crate) old: Option<Row>,
    /// The row after it, with its key; `None` for one that is deleted.
    pub(crate) new: Option<(RowKey, Row)>,
}
