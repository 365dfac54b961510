use std::sync::Arc;

use sqlparser::ast::CreateIndex;

use crate::sql_error::SqlError;
use crate::store::ddl::Change;
use crate::store::ddl::create_table::{INDEXES, check_key, key_columns};
use crate::store::ddl::names::{folded, parts};
use crate::store::job::Work;
use crate::store::table::Index;

/// CREATE INDEX ASYNC: the index is there at once, and is built in the background.
pub(crate) fn create(change: &mut Change<'_>, create: &CreateIndex) -> Result<(), SqlError> {
    let refused = |text: &str| Err(SqlError::new("0A000", text));
    if create.concurrently {
        return refused("CONCURRENTLY not supported for CREATE INDEX");
    }
    if create.using.is_some() {
        return refused("USING not supported for CREATE INDEX");
    }
    if create.columns.iter().any(|column| column.column.options.sort.is_some()) {
        return refused("ASC and DESC not supported for CREATE INDEX");
    }
    if !create.r#async {
        return refused("unsupported mode. please use CREATE INDEX ASYNC.");
    }
    if create.predicate.is_some() || !create.include.is_empty() || !create.with.is_empty() {
        return Err(SqlError::unsupported("an index with WHERE, INCLUDE or WITH"));
    }
    let (schema, name) = parts(&create.table_name)?;
    let shown = schema.as_ref().map_or(name.clone(), |schema| format!("{schema}.{name}"));
    let table = change.catalog.table(schema.as_deref(), &name).cloned();
    let table = table.ok_or_else(|| SqlError::new("42P01", format!("relation \"{shown}\" does not exist")))?;
    let names = key_columns(&create.columns)?;
    let place = |name: &String| {
        table.column(name).ok_or_else(|| SqlError::new("42703", format!("column \"{name}\" does not exist")))
    };
    let columns = names.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    check_key(&table, &columns)?;
    let name = match &create.name {
        Some(name) => match name.0.as_slice() {
            [name] => name.as_ident().map(folded),
            _ => return Err(SqlError::new("42601", "syntax error at or near \".\"")),
        },
        None => None,
    };
    let name = match name {
        Some(name) if change.objects.has_relation(&table.schema, &name) => {
            if create.if_not_exists {
                change.notice("42P07", format!("relation \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::new("42P07", format!("relation \"{name}\" already exists")));
        }
        Some(name) => name,
        None => change.objects.free_relation_name(&table.schema, &table.name, &names.join("_"), "idx"),
    };
    if table.index_names().count() >= INDEXES {
        return Err(SqlError::new("54000", format!("more than {INDEXES} indexes per table are not allowed")));
    }
    let id = change.objects.new_oid();
    let nulls_are_distinct = create.nulls_distinct != Some(false);
    let mut table = table.as_ref().clone();
    table.indexes.push(Index { id, name, columns, is_unique: create.unique, is_valid: false, nulls_are_distinct });
    change.job = Some((table.id, Work::Index(id)));
    change.objects.tables.insert((table.schema.clone(), table.name.clone()), Arc::new(table));
    change.has_changed = true;
    Ok(())
}
