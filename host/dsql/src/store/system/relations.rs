use crate::store::catalog::Objects;
use crate::store::system::{Columns, text};
use crate::store::table::Table;
use crate::values::kind::Kind;
use crate::values::value::Value;

pub(super) const NAMESPACE: Columns = &[("oid", Kind::Oid), ("nspname", Kind::Name), ("nspowner", Kind::Oid)];

pub(super) const CLASS: Columns = &[
    ("oid", Kind::Oid),
    ("relname", Kind::Name),
    ("relnamespace", Kind::Oid),
    ("relowner", Kind::Oid),
    ("relhasindex", Kind::Bool),
    ("relpersistence", Kind::Text),
    ("relkind", Kind::Text),
    ("relnatts", Kind::Int2),
    ("relchecks", Kind::Int2),
];

pub(super) const ATTRIBUTE: Columns = &[
    ("attrelid", Kind::Oid),
    ("attname", Kind::Name),
    ("atttypid", Kind::Oid),
    ("attlen", Kind::Int2),
    ("attnum", Kind::Int2),
    ("atttypmod", Kind::Int4),
    ("attnotnull", Kind::Bool),
    ("atthasdef", Kind::Bool),
    ("attidentity", Kind::Text),
    ("attgenerated", Kind::Text),
    ("attisdropped", Kind::Bool),
];

pub(super) const ATTRDEF: Columns =
    &[("oid", Kind::Oid), ("adrelid", Kind::Oid), ("adnum", Kind::Int2), ("adbin", Kind::Text)];

pub(super) const TABLES: Columns =
    &[("schemaname", Kind::Name), ("tablename", Kind::Name), ("tableowner", Kind::Name), ("hasindexes", Kind::Bool)];

pub(super) fn namespace(objects: &Objects) -> Vec<Vec<Value>> {
    let row = |(name, schema): (&String, &crate::store::catalog::Schema)| {
        vec![Value::Oid(schema.id), text(name), objects.role_id(&schema.owner)]
    };
    objects.schemas.iter().map(row).collect()
}

pub(super) fn class(objects: &Objects) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    let mut add =
        |id: u32, name: &str, (schema, owner): (&str, &str), kind: &str, columns: usize, of: Option<&Table>| {
            rows.push(vec![
                Value::Oid(id),
                text(name),
                objects.schema_id(schema),
                objects.role_id(owner),
                Value::Bool(of.is_some_and(|table| table.index_names().next().is_some())),
                text("p"),
                text(kind),
                Value::Int2(i16::try_from(columns).unwrap_or(i16::MAX)),
                Value::Int2(of.map_or(0, |table| i16::try_from(table.checks.len()).unwrap_or(i16::MAX))),
            ]);
        };
    for table in objects.tables.values() {
        let place = (table.schema.as_str(), table.owner.as_str());
        // Dropped columns keep their numbers.
        add(table.id, &table.name, place, "r", usize::try_from(table.last_number).unwrap_or(0), Some(table));
        for index in table.unique_indexes() {
            add(index.id, &index.name, place, "i", index.columns.len(), None);
        }
        for index in &table.indexes {
            add(index.id, &index.name, place, "i", index.columns.len(), None);
        }
    }
    for sequence in objects.sequences.values() {
        add(sequence.id, &sequence.name, (&sequence.schema, &sequence.owner), "S", 3, None);
    }
    rows
}

pub(super) fn attribute(objects: &Objects) -> Vec<Vec<Value>> {
    let row = |(table, column): (&Table, &crate::store::table::Column)| {
        let identity = match &column.identity {
            Some(identity) if identity.is_always => "a",
            Some(_) => "d",
            None => "",
        };
        vec![
            Value::Oid(table.id),
            text(&column.name),
            Value::Oid(column.kind.oid()),
            Value::Int2(column.kind.size()),
            Value::Int2(column.number),
            Value::Int4(column.modifier),
            Value::Bool(column.is_not_null),
            Value::Bool(column.default.is_some() || column.generated.is_some()),
            text(identity),
            text(if column.generated.is_some() { "s" } else { "" }),
            Value::Bool(false),
        ]
    };
    columns(objects).map(row).collect()
}

pub(super) fn attrdef(objects: &Objects) -> Vec<Vec<Value>> {
    let row = |(table, column): (&Table, &crate::store::table::Column)| {
        let expression = column.default.as_ref().or(column.generated.as_ref())?;
        // Nothing refers to a default by its number: that of the table will do.
        let (id, text) = (Value::Oid(table.id), text(&expression.to_string()));
        Some(vec![id, Value::Oid(table.id), Value::Int2(column.number), text])
    };
    columns(objects).filter_map(row).collect()
}

pub(super) fn tables(objects: &Objects) -> Vec<Vec<Value>> {
    let row = |table: &std::sync::Arc<Table>| {
        let has_indexes = table.index_names().next().is_some();
        vec![text(&table.schema), text(&table.name), text(&table.owner), Value::Bool(has_indexes)]
    };
    objects.tables.values().map(row).collect()
}

fn columns(objects: &Objects) -> impl Iterator<Item = (&Table, &crate::store::table::Column)> {
    objects.tables.values().flat_map(|table| table.columns.iter().map(|column| (table.as_ref(), column)))
}

impl Objects {
    pub(super) fn schema_id(&self, name: &str) -> Value {
        Value::Oid(self.schemas.get(name).map_or(0, |schema| schema.id))
    }

    pub(super) fn role_id(&self, name: &str) -> Value {
        Value::Oid(self.roles.get(name).map_or(0, |role| role.id))
    }
}
