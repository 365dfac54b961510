use std::collections::BTreeMap;
use std::sync::Arc;

use sqlparser::ast::{ObjectName, ObjectType};

use crate::sql_error::SqlError;
use crate::store::ddl::Change;
use crate::store::ddl::foreign_keys::{self, Dropped};
use crate::store::ddl::names::{SYSTEM, parts};
use crate::store::foreign_key::ForeignKey;
use crate::store::table::Table;

/// DROP TABLE, INDEX, SEQUENCE, SCHEMA and ROLE.
pub(crate) fn drop(
    change: &mut Change<'_>,
    kind: ObjectType,
    if_exists: bool,
    names: &[ObjectName],
    cascade: bool,
) -> Result<(), SqlError> {
    if kind == ObjectType::Table {
        release_tables(change, names, cascade)?;
    }
    for name in names {
        let (schema, name) = parts(name)?;
        let schema = schema.as_deref();
        let dropped = match kind {
            ObjectType::Table => drop_table(change, schema, &name),
            ObjectType::Index => drop_index(change, schema, &name, cascade)?,
            ObjectType::Sequence => drop_sequence(change, schema, &name)?,
            ObjectType::Schema => drop_schema(change, &name, cascade)?,
            ObjectType::Role => drop_role(change, &name)?,
            ObjectType::Type => return Err(SqlError::new("0A000", "unsupported object in DROP statement")),
            other => return Err(SqlError::unsupported(format!("DROP {other}"))),
        };
        let (word, sqlstate) = match kind {
            ObjectType::Index => ("index", "42704"),
            ObjectType::Sequence => ("sequence", "42P01"),
            ObjectType::Schema => ("schema", "3F000"),
            ObjectType::Role => ("role", "42704"),
            _ => ("table", "42P01"),
        };
        if dropped {
            change.has_changed = true;
        } else if if_exists {
            change.notice("00000", format!("{word} \"{name}\" does not exist, skipping"));
        } else {
            return Err(SqlError::new(sqlstate, format!("{word} \"{name}\" does not exist")));
        }
    }
    Ok(())
}

fn drop_table(change: &mut Change<'_>, schema: Option<&str>, name: &str) -> bool {
    let Some(table) = change.catalog.table(schema, name).map(Arc::clone) else { return false };
    remove_table(change, &table);
    true
}

/// Refuses to drop tables that others reference, or drops those foreign keys.
fn release_tables(change: &mut Change<'_>, names: &[ObjectName], cascade: bool) -> Result<(), SqlError> {
    let mut found = Vec::new();
    for name in names {
        let (schema, name) = parts(name)?;
        match change.catalog.table(schema.as_deref(), &name) {
            Some(table) => found.push(Arc::clone(table)),
            // That it is not there is said first.
            None => return Ok(()),
        }
    }
    let tables: Vec<_> = found.iter().map(|table| table.id).collect();
    let shown: BTreeMap<_, _> =
        found.iter().map(|table| (table.id, format!("table {}", change.shown_name(table)))).collect();
    let of = |key: &ForeignKey| shown.get(&key.table).cloned();
    let what = if let [table] = tables.as_slice() { shown.get(table).cloned() } else { None };
    foreign_keys::release(change, &Dropped { what, of: &of, tables: &tables, cascade })
}

fn remove_table(change: &mut Change<'_>, table: &Table) {
    change.objects.tables.remove(&(table.schema.clone(), table.name.clone()));
    let is_owned = |owner: Option<(u32, i16)>| owner.is_some_and(|(owner, _)| owner == table.id);
    change.objects.sequences.retain(|_, sequence| !is_owned(sequence.owned_by));
}

fn drop_index(change: &mut Change<'_>, schema: Option<&str>, name: &str, cascade: bool) -> Result<bool, SqlError> {
    let is_in_sight = |table: &Table| match schema {
        Some(schema) => table.schema == schema,
        None => change.catalog.search_path.contains(&table.schema),
    };
    let found = change
        .objects
        .tables
        .values()
        .find(|table| is_in_sight(table) && table.index_names().any(|index| index == name));
    let Some(mut table) = found.map(|table| table.as_ref().clone()) else { return Ok(false) };
    let is_of_constraint = table.unique_indexes().any(|index| index.name == name && index.constraint.is_some());
    if is_of_constraint {
        let of_table = format!("constraint {name} on table {}", table.name);
        let error = SqlError::new("2BP01", format!("cannot drop index {name} because {of_table} requires it"));
        return Err(error.with_hint(format!("You can drop {of_table} instead.")));
    }
    if let Some(id) = table.uniques.iter().find(|index| index.name == name).map(|index| index.id) {
        let on = format!("index {name}");
        let of = |key: &ForeignKey| (key.index == id).then(|| on.clone());
        let what = Some(on.clone());
        foreign_keys::release(change, &Dropped { what, of: &of, tables: &[], cascade })?;
        let left = change.objects.tables.values().find(|known| known.id == table.id);
        table.foreign_keys = left.map(|left| left.foreign_keys.clone()).unwrap_or_default();
    }
    table.uniques.retain(|index| index.name != name);
    table.indexes.retain(|index| index.name != name);
    change.objects.tables.insert((table.schema.clone(), table.name.clone()), Arc::new(table));
    Ok(true)
}

fn drop_sequence(change: &mut Change<'_>, schema: Option<&str>, name: &str) -> Result<bool, SqlError> {
    let Some(sequence) = change.catalog.sequence(schema, name).map(Arc::clone) else { return Ok(false) };
    if let Some((table, number)) = sequence.owned_by {
        let table = change.catalog.table_by_id(table);
        let column = table.and_then(|table| table.columns.iter().find(|column| column.number == number));
        let (table, column) = (table.map_or("", |table| &table.name), column.map_or("", |column| &column.name));
        let of_table = format!("column {column} of table {table}");
        let error = SqlError::new("2BP01", format!("cannot drop sequence {name} because {of_table} requires it"));
        return Err(error.with_hint(format!("You can drop {of_table} instead.")));
    }
    change.objects.sequences.remove(&(sequence.schema.clone(), sequence.name.clone()));
    Ok(true)
}

fn drop_schema(change: &mut Change<'_>, name: &str, cascade: bool) -> Result<bool, SqlError> {
    if SYSTEM.contains(&name) || name == "public" {
        return Err(SqlError::new("0A000", "feature not supported on system entity"));
    }
    if !change.objects.schemas.contains_key(name) {
        return Ok(false);
    }
    let tables: Vec<_> = change.objects.tables.values().filter(|table| table.schema == name).cloned().collect();
    let has_sequences = change.objects.sequences.values().any(|sequence| sequence.schema == name);
    if !cascade && (!tables.is_empty() || has_sequences) {
        let text = format!("cannot drop schema {name} because other objects depend on it");
        let error = SqlError::new("2BP01", text);
        return Err(error.with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
    }
    let dropped: Vec<_> = tables.iter().map(|table| table.id).collect();
    for table in change.objects.tables.values_mut() {
        if table.foreign_keys.iter().any(|key| dropped.contains(&key.table)) {
            Arc::make_mut(table).foreign_keys.retain(|key| !dropped.contains(&key.table));
        }
    }
    tables.iter().for_each(|table| remove_table(change, table));
    change.objects.sequences.retain(|_, sequence| sequence.schema != name);
    change.objects.schemas.remove(name);
    Ok(true)
}

fn drop_role(change: &mut Change<'_>, name: &str) -> Result<bool, SqlError> {
    if change.objects.iam_mappings.keys().any(|(role, _)| role == name) {
        let text = format!("role \"{name}\" cannot be dropped because some objects depend on it");
        return Err(SqlError::new("2BP01", text));
    }
    Ok(change.objects.roles.remove(name).is_some())
}
