use std::sync::Arc;

use crate::{Event, EventError, ScheduleError, SqlError, VaultError, VaultField, VaultVerb};

/// The port to the policy: what each rule may do with the database and the event bus.
pub trait Policy: Send + Sync {
    /// The canonical text to send for a rule's statement. The error, of class 42 and with the
    /// position in the rule's text, is shown to the rule instead.
    fn statement(&self, rule: &str, sql: &str) -> Result<Arc<str>, Box<SqlError>>;

    /// The database's error about a rule's statement in the form that the rule may see: without
    /// parts that may hold a value that the rule may not read, and with the position in the rule's
    /// text.
    fn shown(&self, rule: &str, sql: &str, error: SqlError) -> SqlError;

    /// Whether a rule may publish this event.
    fn event(&self, rule: &str, event: &Event) -> Result<(), EventError>;

    /// Whether a rule may schedule this operation.
    fn schedule(&self, rule: &str, operation: &str) -> Result<(), ScheduleError>;

    /// Whether a rule may seal, or open, this column.
    fn vault(&self, rule: &str, verb: VaultVerb, field: &VaultField) -> Result<(), VaultError>;
}
