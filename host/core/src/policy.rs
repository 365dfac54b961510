use crate::{Event, EventError, SqlError, VaultError, VaultField, VaultVerb};

/// The port to the policy: what each rule may do with the database and the bus.
pub trait Policy: Send + Sync {
    /// Whether a rule may send this statement. The error is what it is shown: of class 42, with
    /// the position in the text.
    fn statement(&self, rule: &str, sql: &str) -> Result<(), Box<SqlError>>;

    /// Whether a rule may publish this event.
    fn event(&self, rule: &str, event: &Event) -> Result<(), EventError>;

    /// Whether a rule may seal, or open, this column.
    fn vault(&self, rule: &str, verb: VaultVerb, field: &VaultField) -> Result<(), VaultError>;
}
