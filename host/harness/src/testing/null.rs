//! How a test file writes that a column is NULL: TOML has no word for it.

use toml_edit::{InlineTable, Value};

use super::json::Json;

/// The one member of the table that stands for it: `{ null = true }`.
const NULL: &str = "null";

/// Whether a column that is written like this is NULL.
pub(crate) fn is_null(written: &Json) -> bool {
    matches!(written, Json::Object(members) if matches!(members.as_slice(), [(name, Json::Bool(true))] if name == NULL))
}

/// NULL, as it is written.
pub(crate) fn written() -> Value {
    Value::InlineTable(InlineTable::from_iter([(NULL, true)]))
}
