use std::sync::Arc;

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnOption, DropBehavior, Ident, Owner,
    RenameTableNameKind, TableConstraint,
};

use crate::sql_error::SqlError;
use crate::store::ddl::Change;
use crate::store::ddl::create_table::{all_folded, column_type};
use crate::store::ddl::foreign_keys::{self, Asked, Dropped};
use crate::store::ddl::names::{folded, parts};
use crate::store::foreign_key::ForeignKey;
use crate::store::job::Work;
use crate::store::table::{Column, Table};

pub(crate) fn alter(change: &mut Change<'_>, alter: &AlterTable) -> Result<(), SqlError> {
    let is_validation = matches!(alter.operations.as_slice(), [AlterTableOperation::ValidateConstraint { .. }]);
    if alter.r#async != is_validation || alter.only {
        return Err(SqlError::unsupported("this form of ALTER TABLE"));
    }
    let (schema, name) = parts(&alter.name)?;
    let Some(found) = change.catalog.table(schema.as_deref(), &name).cloned() else {
        if alter.if_exists {
            change.notice("00000", format!("relation \"{name}\" does not exist, skipping"));
            return Ok(());
        }
        let shown = schema.map_or(name.clone(), |schema| format!("{schema}.{name}"));
        return Err(SqlError::new("42P01", format!("relation \"{shown}\" does not exist")));
    };
    let mut table = found.as_ref().clone();
    for operation in &alter.operations {
        operate(change, &mut table, operation)?;
    }
    change.objects.tables.remove(&(found.schema.clone(), found.name.clone()));
    change.objects.tables.insert((table.schema.clone(), table.name.clone()), Arc::new(table));
    change.has_changed = true;
    Ok(())
}

fn operate(change: &mut Change<'_>, table: &mut Table, operation: &AlterTableOperation) -> Result<(), SqlError> {
    match operation {
        AlterTableOperation::AddColumn { if_not_exists, column_def, .. } => {
            let name = folded(&column_def.name);
            let is_plain = |option: &ColumnOption| matches!(option, ColumnOption::Null | ColumnOption::Storage(_));
            if !column_def.options.iter().all(|option| is_plain(&option.option)) {
                return Err(SqlError::new("0A000", "ALTER TABLE ADD COLUMN with constraint not supported"));
            }
            let (kind, modifier) = column_type(&column_def.data_type)?;
            if table.column(&name).is_some() {
                let text = format!("column \"{name}\" of relation \"{}\" already exists", table.name);
                if *if_not_exists {
                    change.notice("42701", format!("{text}, skipping"));
                    return Ok(());
                }
                return Err(SqlError::new("42701", text));
            }
            table.last_number += 1;
            let (number, default) = (table.last_number, None);
            let column =
                Column { name, number, kind, modifier, is_not_null: false, default, generated: None, identity: None };
            table.columns.push(column);
            Ok(())
        }
        AlterTableOperation::DropColumn { column_names, if_exists, drop_behavior, .. } => all_folded(column_names)
            .iter()
            .try_for_each(|name| drop_column(change, table, name, *if_exists, is_cascade(drop_behavior.as_ref()))),
        AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
            let (place, new) = (place_of(table, old_column_name)?, folded(new_column_name));
            if table.column(&new).is_some() {
                let text = format!("column \"{new}\" of relation \"{}\" already exists", table.name);
                return Err(SqlError::new("42701", text));
            }
            if !table.checks.is_empty() || table.columns.iter().any(|column| column.generated.is_some()) {
                return Err(SqlError::unsupported("RENAME COLUMN in a table with expressions"));
            }
            if let Some(column) = table.columns.get_mut(place) {
                column.name = new;
            }
            Ok(())
        }
        AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
        } => {
            let (_, name) = parts(name)?;
            if change.objects.has_relation(&table.schema, &name) {
                return Err(SqlError::new("42P07", format!("relation \"{name}\" already exists")));
            }
            table.name = name;
            Ok(())
        }
        AlterTableOperation::AlterColumn { column_name, op } => alter_column(table, column_name, op),
        AlterTableOperation::DropConstraint { if_exists, name, drop_behavior } => {
            drop_constraint(change, table, &folded(name), *if_exists, is_cascade(drop_behavior.as_ref()))
        }
        AlterTableOperation::AddConstraint { constraint: TableConstraint::UniqueUsingIndex(using), .. } => {
            let name = folded(&using.index_name);
            if table.indexes.iter().any(|index| index.name == name && index.is_unique && !index.is_valid) {
                return Err(SqlError::new("55000", format!("index \"{name}\" is not valid")));
            }
            if table.indexes.iter().any(|index| index.name == name) {
                return Err(SqlError::new("42809", format!("\"{name}\" is not a unique index")));
            }
            let constraint = change.objects.new_oid();
            let index = table.uniques.iter_mut().find(|index| index.name == name);
            let index = index.ok_or_else(|| SqlError::new("42704", format!("index \"{name}\" does not exist")))?;
            if index.constraint.is_some() {
                return Err(SqlError::new(
                    "55000",
                    format!("index \"{name}\" is already associated with a constraint"),
                ));
            }
            index.constraint = Some(constraint);
            if let Some(given) = &using.name {
                index.name = folded(given);
            }
            Ok(())
        }
        AlterTableOperation::AddConstraint { constraint: TableConstraint::ForeignKey(constraint), not_valid: true } => {
            let (name, columns) = (constraint.name.as_ref().map(folded), constraint.columns.iter().collect());
            foreign_keys::add(change, table, &Asked { name, columns, constraint, is_valid: false })
        }
        AlterTableOperation::AlterConstraint { name, characteristics } => {
            foreign_keys::alter(table, &folded(name), *characteristics)
        }
        AlterTableOperation::ValidateConstraint { name } => validate(change, table, &folded(name)),
        AlterTableOperation::OwnerTo { new_owner: Owner::Ident(owner) } => {
            let owner = folded(owner);
            if !change.objects.roles.contains_key(&owner) {
                return Err(SqlError::new("42704", format!("role \"{owner}\" does not exist")));
            }
            table.owner = owner;
            Ok(())
        }
        other => Err(SqlError::unsupported(format!("ALTER TABLE {other}"))),
    }
}

fn alter_column(table: &mut Table, name: &Ident, operation: &AlterColumnOperation) -> Result<(), SqlError> {
    let place = place_of(table, name)?;
    let is_primary = table.primary_key.as_ref().is_some_and(|key| key.columns.contains(&place));
    let Some(column) = table.columns.get_mut(place) else { return Ok(()) };
    match operation {
        AlterColumnOperation::SetDefault { value } => column.default = Some(value.clone()),
        AlterColumnOperation::DropDefault => column.default = None,
        AlterColumnOperation::DropNotNull if is_primary => {
            return Err(SqlError::new("42P16", format!("column \"{}\" is in a primary key", column.name)));
        }
        AlterColumnOperation::DropNotNull if column.identity.is_some() => {
            let text = format!("column \"{}\" of relation \"{}\" is an identity column", column.name, table.name);
            return Err(SqlError::new("42601", text));
        }
        AlterColumnOperation::DropNotNull => column.is_not_null = false,
        AlterColumnOperation::SetStorage { .. } => {}
        other => return Err(SqlError::unsupported(format!("ALTER COLUMN {other}"))),
    }
    Ok(())
}

fn is_cascade(behavior: Option<&DropBehavior>) -> bool {
    behavior == Some(&DropBehavior::Cascade)
}

/// VALIDATE CONSTRAINT, which is done in the background.
fn validate(change: &mut Change<'_>, table: &Table, name: &str) -> Result<(), SqlError> {
    let known = table.foreign_keys.iter().map(|key| (key.id, &key.name));
    let mut known = known.chain(table.checks.iter().map(|check| (check.id, &check.name)));
    let id = match known.find(|(_, known)| *known == name) {
        Some((id, _)) => id,
        None if table.has_constraint(name) => {
            let text = format!(
                "constraint \"{name}\" of relation \"{}\" is not a foreign key or check constraint",
                table.name
            );
            return Err(SqlError::new("42809", text));
        }
        None => {
            let text = format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name);
            return Err(SqlError::new("42704", text));
        }
    };
    change.job = Some((table.id, Work::Validation(id)));
    Ok(())
}

/// Refuses to drop a part of a table that foreign keys depend on, or drops them too.
fn release(
    change: &mut Change<'_>,
    table: &mut Table,
    what: String,
    on: &str,
    is_part: impl Fn(&ForeignKey) -> bool,
    cascade: bool,
) -> Result<(), SqlError> {
    let id = table.id;
    let of = |key: &ForeignKey| (key.table == id && is_part(key)).then(|| on.to_owned());
    // What was changed of the table so far has to be known, and so has what goes with it.
    change.objects.tables.insert((table.schema.clone(), table.name.clone()), Arc::new(table.clone()));
    let dropped = Dropped { what: Some(what), of: &of, tables: &[], cascade };
    foreign_keys::release(change, &dropped)?;
    if let Some(left) = change.objects.tables.values().find(|known| known.id == id) {
        table.foreign_keys.clone_from(&left.foreign_keys);
    }
    Ok(())
}

fn drop_column(
    change: &mut Change<'_>,
    table: &mut Table,
    name: &str,
    if_exists: bool,
    cascade: bool,
) -> Result<(), SqlError> {
    let Some(place) = table.column(name) else {
        let text = format!("column \"{name}\" of relation \"{}\" does not exist", table.name);
        if if_exists {
            change.notice("00000", format!("{text}, skipping"));
            return Ok(());
        }
        return Err(SqlError::new("42703", text));
    };
    if table.primary_key.as_ref().is_some_and(|key| key.columns.contains(&place)) {
        return Err(SqlError::new("0A000", format!("cannot drop primary key column {name}")));
    }
    // A constraint on the column goes with it. One that reads others too would have to stay.
    if !table.checks.is_empty() || table.columns.iter().any(|column| column.generated.is_some()) {
        return Err(SqlError::unsupported("DROP COLUMN in a table with expressions"));
    }
    let number = table.columns.get(place).map(|column| column.number);
    table.foreign_keys.retain(|key| !number.is_some_and(|number| key.columns.contains(&number)));
    let what = format!("column {name} of table {}", change.shown_name(table));
    let is_referenced = |key: &ForeignKey| number.is_some_and(|number| key.referenced.contains(&number));
    release(change, table, what.clone(), &what, is_referenced, cascade)?;
    let is_owned =
        |owner: Option<(u32, i16)>| owner.is_some_and(|owner| Some(owner.1) == number && owner.0 == table.id);
    change.objects.sequences.retain(|_, sequence| !is_owned(sequence.owned_by));
    table.uniques.retain(|index| !index.columns.contains(&place));
    table.indexes.retain(|index| !index.columns.contains(&place));
    table.columns.remove(place);
    let moved = |columns: &mut Vec<usize>| {
        columns.iter_mut().filter(|column| **column > place).for_each(|column| *column -= 1);
    };
    table.primary_key.iter_mut().chain(&mut table.uniques).for_each(|index| moved(&mut index.columns));
    table.indexes.iter_mut().for_each(|index| moved(&mut index.columns));
    Ok(())
}

fn drop_constraint(
    change: &mut Change<'_>,
    table: &mut Table,
    name: &str,
    if_exists: bool,
    cascade: bool,
) -> Result<(), SqlError> {
    if table.primary_key.as_ref().is_some_and(|key| key.name == name) {
        return Err(SqlError::new("0A000", "unsupported ALTER TABLE DROP CONSTRAINT statement"));
    }
    if !table.has_constraint(name) {
        let text = format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name);
        if if_exists {
            change.notice("00000", format!("{text}, skipping"));
            return Ok(());
        }
        return Err(SqlError::new("42704", text));
    }
    if let Some(id) =
        table.uniques.iter().find(|index| index.constraint.is_some() && index.name == name).map(|index| index.id)
    {
        let what = format!("constraint {name} on table {}", change.shown_name(table));
        release(change, table, what, &format!("index {name}"), |key| key.index == id, cascade)?;
    }
    table.checks.retain(|check| check.name != name);
    table.foreign_keys.retain(|key| key.name != name);
    table.uniques.retain(|index| index.constraint.is_none() || index.name != name);
    Ok(())
}

fn place_of(table: &Table, name: &Ident) -> Result<usize, SqlError> {
    let name = folded(name);
    table.column(&name).ok_or_else(|| {
        SqlError::new("42703", format!("column \"{name}\" of relation \"{}\" does not exist", table.name))
    })
}
