use std::sync::Arc;

use crate::{Event, EventError, SqlError, VaultError, VaultField, VaultVerb};

/// The port to the policy: what each rule may do with the database and the bus.
pub trait Policy: Send + Sync {
    /// What is sent when a rule sends this statement: the same, as it was understood. The error is
    /// what the rule is shown instead: of class 42, with the position in its text.
    fn statement(&self, rule: &str, sql: &str) -> Result<Arc<str>, Box<SqlError>>;

    /// What a rule is shown of an error of the database's about a statement that it sent: without
    /// what may hold a value that it may not read, and with the position in its own text.
    fn shown(&self, rule: &str, sql: &str, error: SqlError) -> SqlError;

    /// Whether a rule may publish this event.
    fn event(&self, rule: &str, event: &Event) -> Result<(), EventError>;

    /// Whether a rule may seal, or open, this column.
    fn vault(&self, rule: &str, verb: VaultVerb, field: &VaultField) -> Result<(), VaultError>;
}
