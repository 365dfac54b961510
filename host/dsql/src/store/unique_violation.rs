use crate::sql_error::SqlError;
use crate::store::table::{Column, Table, UniqueIndex};
use crate::values::order::Key;
use crate::values::text_format::output;
use crate::values::value::Value;

/// The error of a row whose key another row has, in the words of PostgreSQL
/// (`src/backend/access/nbtree/nbtinsert.c`).
pub(crate) fn unique_violation(table: &Table, index: &UniqueIndex, key: &Key) -> SqlError {
    let text = format!("duplicate key value violates unique constraint \"{}\"", index.name);
    let detail = format!("Key {} already exists.", shown_key(table, index, key));
    let mut error = SqlError::new("23505", text).with_detail(detail);
    error.object.schema = Some(table.schema.clone());
    error.object.table = Some(table.name.clone());
    error.object.constraint = Some(index.name.clone());
    error
}

/// `(a, b)=(1, 2)`.
pub(crate) fn shown_key(table: &Table, index: &UniqueIndex, key: &Key) -> String {
    let columns: Vec<_> = index.columns.iter().filter_map(|column| table.columns.get(*column)).collect();
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let shown = |(value, column): (&Value, &&Column)| match value {
        Value::Null => "null".to_owned(),
        value => output(value, column.kind).unwrap_or_default(),
    };
    let values: Vec<_> = key.values().iter().zip(&columns).map(shown).collect();
    format!("({})=({})", names.join(", "), values.join(", "))
}
