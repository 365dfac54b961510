use crate::store::catalog::Objects;
use crate::store::ddl::columns_of;
use crate::store::system::{Columns, numbers, text};
use crate::store::table::Table;
use crate::values::kind::Kind;
use crate::values::value::Value;

pub(super) const CONSTRAINT: Columns = &[
    ("oid", Kind::Oid),
    ("conname", Kind::Name),
    ("connamespace", Kind::Oid),
    ("contype", Kind::Text),
    ("condeferrable", Kind::Bool),
    ("condeferred", Kind::Bool),
    ("convalidated", Kind::Bool),
    ("conrelid", Kind::Oid),
    ("conindid", Kind::Oid),
    ("confrelid", Kind::Oid),
    ("confupdtype", Kind::Text),
    ("confdeltype", Kind::Text),
    ("confmatchtype", Kind::Text),
    ("conkey", Kind::Array(&Kind::Int2)),
    ("confkey", Kind::Array(&Kind::Int2)),
    ("confdelsetcols", Kind::Array(&Kind::Int2)),
];

pub(super) const INDEX: Columns = &[
    ("indexrelid", Kind::Oid),
    ("indrelid", Kind::Oid),
    ("indnatts", Kind::Int2),
    ("indnkeyatts", Kind::Int2),
    ("indisunique", Kind::Bool),
    ("indnullsnotdistinct", Kind::Bool),
    ("indisprimary", Kind::Bool),
    ("indisvalid", Kind::Bool),
    ("indisready", Kind::Bool),
    ("indislive", Kind::Bool),
    ("indkey", Kind::Array(&Kind::Int2)),
];

pub(super) const DEPEND: Columns = &[
    ("classid", Kind::Oid),
    ("objid", Kind::Oid),
    ("objsubid", Kind::Int4),
    ("refclassid", Kind::Oid),
    ("refobjid", Kind::Oid),
    ("refobjsubid", Kind::Int4),
    ("deptype", Kind::Text),
];

pub(super) fn constraint(objects: &Objects) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for table in objects.tables.values() {
        let mut add = |id: u32, name: &str, kind: &str, index: u32, columns: Vec<usize>| {
            rows.push(vec![
                Value::Oid(id),
                text(name),
                objects.schema_id(&table.schema),
                text(kind),
                Value::Bool(false),
                Value::Bool(false),
                Value::Bool(true),
                Value::Oid(table.id),
                Value::Oid(index),
                Value::Oid(0),
                text(" "),
                text(" "),
                text(" "),
                numbers(numbers_of(table, &columns)),
                Value::Null,
                Value::Null,
            ]);
        };
        for index in table.unique_indexes() {
            let is_primary = table.primary_key.as_ref().is_some_and(|primary| primary.id == index.id);
            if let Some(id) = index.constraint {
                add(id, &index.name, if is_primary { "p" } else { "u" }, index.id, index.columns.clone());
            }
        }
        for check in &table.checks {
            let columns = columns_of(&check.expression);
            add(check.id, &check.name, "c", 0, columns.iter().filter_map(|name| table.column(name)).collect());
        }
        for key in &table.foreign_keys {
            let set_columns = key.set_columns.iter().copied();
            rows.push(vec![
                Value::Oid(key.id),
                text(&key.name),
                objects.schema_id(&table.schema),
                text("f"),
                Value::Bool(key.is_deferrable),
                Value::Bool(key.is_deferred),
                Value::Bool(key.is_valid),
                Value::Oid(table.id),
                Value::Oid(key.index),
                Value::Oid(key.table),
                text(key.on_update.letter()),
                text(key.on_delete.letter()),
                text(if key.is_full { "f" } else { "s" }),
                numbers(key.columns.iter().copied()),
                numbers(key.referenced.iter().copied()),
                if key.set_columns.is_empty() { Value::Null } else { numbers(set_columns) },
            ]);
        }
    }
    rows
}

pub(super) fn index(objects: &Objects) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for table in objects.tables.values() {
        let mut add =
            |id: u32, columns: &[usize], is_unique: bool, are_distinct: bool, is_primary: bool, is_valid: bool| {
                let count = Value::Int2(i16::try_from(columns.len()).unwrap_or(i16::MAX));
                rows.push(vec![
                    Value::Oid(id),
                    Value::Oid(table.id),
                    count.clone(),
                    count,
                    Value::Bool(is_unique),
                    Value::Bool(!are_distinct),
                    Value::Bool(is_primary),
                    Value::Bool(is_valid),
                    Value::Bool(true),
                    Value::Bool(true),
                    numbers(numbers_of(table, columns)),
                ]);
            };
        for index in table.unique_indexes() {
            let is_primary = table.primary_key.as_ref().is_some_and(|primary| primary.id == index.id);
            add(index.id, &index.columns, true, index.nulls_are_distinct, is_primary, true);
        }
        for index in &table.indexes {
            add(index.id, &index.columns, index.is_unique, index.nulls_are_distinct, false, index.is_valid);
        }
    }
    rows
}

/// The numbers of the columns at these positions.
fn numbers_of(table: &Table, columns: &[usize]) -> Vec<i16> {
    columns.iter().filter_map(|column| table.columns.get(*column)).map(|column| column.number).collect()
}
