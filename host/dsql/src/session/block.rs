use std::time::Duration;

use crate::session::settings::Settings;
use crate::store::transaction::Transaction;

/// Where a session stands with its transactions.
#[derive(Debug)]
pub(crate) enum Block {
    Idle,
    Open(Box<Open>),
    /// A transaction that was begun explicitly has failed; it has still to be ended.
    Failed,
}

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) transaction: Transaction,
    /// Begun by BEGIN, rather than by a statement outside a transaction.
    pub(crate) is_explicit: bool,
    pub(crate) is_read_only: bool,
    /// `now()`: microseconds since 2000-01-01.
    pub(crate) started: i64,
    /// On the clock of ages.
    pub(crate) since: Duration,
    pub(crate) has_ddl: bool,
    pub(crate) has_dml: bool,
    /// The parameters to go back to.
    pub(crate) before: Settings,
    /// The parameters to keep, which are those without what SET LOCAL set.
    pub(crate) kept: Settings,
}
