//! Foreign keys as they come and go with their tables.

use std::sync::Arc;

use sqlparser::ast::{
    ConstraintCharacteristics, ConstraintReferenceMatchKind, DeferrableInitial, ForeignKeyConstraint, Ident,
    ObjectName, ReferentialAction,
};

use crate::sql_error::SqlError;
use crate::store::ddl::Change;
use crate::store::ddl::names::{folded, free_name, parts};
use crate::store::foreign_key::{ForeignKey, Reaction};
use crate::store::link::{Comparison, comparison};
use crate::store::table::{Table, UniqueIndex};

/// A foreign key as a statement asks for it.
pub(crate) struct Asked<'s> {
    pub(crate) name: Option<String>,
    /// The referencing columns.
    pub(crate) columns: Vec<&'s Ident>,
    pub(crate) constraint: &'s ForeignKeyConstraint,
    /// Whether the rows of its table satisfy it for certain.
    pub(crate) is_valid: bool,
}

/// Adds a foreign key to a table, with the checks of `ATAddForeignKeyConstraint` in PostgreSQL's
/// `src/backend/commands/tablecmds.c`, in their order.
pub(crate) fn add(change: &mut Change<'_>, table: &mut Table, asked: &Asked<'_>) -> Result<(), SqlError> {
    let Asked { constraint, is_valid, .. } = *asked;
    let (is_deferrable, is_deferred) = deferral(constraint.characteristics.as_ref())?;
    let is_full = match constraint.match_kind {
        None | Some(ConstraintReferenceMatchKind::Simple) => false,
        Some(ConstraintReferenceMatchKind::Full) => true,
        Some(ConstraintReferenceMatchKind::Partial) => {
            // In PostgreSQL's own words.
            return Err(SqlError::new("0A000", "MATCH PARTIAL not yet implemented"));
        }
    };
    let name = new_name(change, table, asked)?;
    let found = referenced_table(change, table, &constraint.foreign_table)?;
    let parent = found.as_deref().unwrap_or(table);
    let columns = named_columns(table, asked.columns.iter().copied())?;
    let set_columns = named_columns(table, constraint.on_delete_columns.iter())?;
    if let Some(other) = set_columns.iter().find(|column| !columns.contains(column)) {
        let column = table.columns.get(*other).map_or("", |column| &column.name);
        let text = format!("column \"{column}\" referenced in ON DELETE SET action must be part of foreign key");
        return Err(SqlError::new("42P10", text));
    }
    let (referenced, index) = referenced_columns(parent, constraint)?;
    if columns.len() != referenced.len() {
        let text = "number of referencing and referenced columns for foreign key disagree";
        return Err(SqlError::new("42830", text));
    }
    check_types(&name, (table, &columns), (parent, &referenced))?;
    if (1..columns.len()).any(|at| columns.iter().take(at).any(|column| Some(column) == columns.get(at))) {
        return Err(SqlError::unsupported("a foreign key that has a column twice"));
    }
    let key = ForeignKey {
        id: change.objects.new_oid(),
        name,
        columns: numbers(table, &columns),
        table: parent.id,
        referenced: numbers(parent, &referenced),
        index,
        is_full,
        on_delete: action(constraint.on_delete),
        on_update: action(constraint.on_update),
        set_columns: numbers(table, &set_columns),
        is_deferrable,
        is_deferred,
        is_valid,
    };
    table.foreign_keys.push(key);
    Ok(())
}

fn deferral(characteristics: Option<&ConstraintCharacteristics>) -> Result<(bool, bool), SqlError> {
    let Some(given) = characteristics else { return Ok((false, false)) };
    if given.enforced == Some(false) {
        return Err(SqlError::unsupported("a constraint that is NOT ENFORCED"));
    }
    let is_deferred = given.initially == Some(DeferrableInitial::Deferred);
    if is_deferred && given.deferrable == Some(false) {
        return Err(SqlError::new("42601", "constraint declared INITIALLY DEFERRED must be DEFERRABLE"));
    }
    Ok((given.deferrable.unwrap_or(is_deferred), is_deferred))
}

/// ALTER CONSTRAINT.
pub(crate) fn alter(table: &mut Table, name: &str, given: ConstraintCharacteristics) -> Result<(), SqlError> {
    let (is_deferrable, is_deferred) = deferral(Some(&given))?;
    if !table.has_constraint(name) {
        let text = format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name);
        return Err(SqlError::new("42704", text));
    }
    let text = || format!("constraint \"{name}\" of relation \"{}\" is not a foreign key constraint", table.name);
    let key = table.foreign_keys.iter_mut().find(|key| key.name == name);
    let key = key.ok_or_else(|| SqlError::new("42809", text()))?;
    (key.is_deferrable, key.is_deferred) = (is_deferrable, is_deferred);
    Ok(())
}

/// The name that was given, or one that no constraint of the schema has.
fn new_name(change: &Change<'_>, table: &Table, asked: &Asked<'_>) -> Result<String, SqlError> {
    if let Some(name) = &asked.name {
        if table.has_constraint(name) {
            let text = format!("constraint \"{name}\" for relation \"{}\" already exists", table.name);
            return Err(SqlError::new("42710", text));
        }
        return Ok(name.clone());
    }
    let columns: Vec<_> = asked.columns.iter().map(|column| folded(column)).collect();
    let is_taken = |name: &str| {
        let mut others = change.objects.tables.values().filter(|other| other.schema == table.schema);
        table.has_constraint(name) || others.any(|other| other.has_constraint(name))
    };
    Ok(free_name(&table.name, &columns.join("_"), "fkey", is_taken))
}

/// The referenced table; `None` for the table itself, which the catalogue may not have yet.
fn referenced_table(change: &Change<'_>, table: &Table, name: &ObjectName) -> Result<Option<Arc<Table>>, SqlError> {
    let (schema, name) = parts(name)?;
    let is_own = |schema: &str| table.schema == schema && table.name == name;
    let in_schema = |schema: &String| match change.objects.tables.get(&(schema.clone(), name.clone())) {
        _ if is_own(schema) => Some(None),
        Some(found) => Some(Some(Arc::clone(found))),
        None => None,
    };
    let found = match &schema {
        Some(schema) => in_schema(schema),
        None => change.catalog.search_path.iter().find_map(in_schema),
    };
    found.ok_or_else(|| {
        let shown = schema.map_or(name.clone(), |schema| format!("{schema}.{name}"));
        SqlError::new("42P01", format!("relation \"{shown}\" does not exist"))
    })
}

fn named_columns<'n>(table: &Table, names: impl Iterator<Item = &'n Ident>) -> Result<Vec<usize>, SqlError> {
    let place = |name: &Ident| {
        let name = folded(name);
        table.column(&name).ok_or_else(|| {
            SqlError::new("42703", format!("column \"{name}\" referenced in foreign key constraint does not exist"))
        })
    };
    names.map(place).collect()
}

/// The referenced columns, and the OID of their unique index.
fn referenced_columns(parent: &Table, constraint: &ForeignKeyConstraint) -> Result<(Vec<usize>, u32), SqlError> {
    if constraint.referred_columns.is_empty() {
        let text = || format!("there is no primary key for referenced table \"{}\"", parent.name);
        let key = parent.primary_key.as_ref().ok_or_else(|| SqlError::new("42704", text()))?;
        return Ok((key.columns.clone(), key.id));
    }
    let columns = named_columns(parent, constraint.referred_columns.iter())?;
    let mut sorted = columns.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(SqlError::new("42830", "foreign key referenced-columns list must not contain duplicates"));
    }
    let has_them = |index: &&UniqueIndex| {
        let mut own = index.columns.clone();
        own.sort_unstable();
        own == sorted
    };
    let text = || format!("there is no unique constraint matching given keys for referenced table \"{}\"", parent.name);
    let index = parent.unique_indexes().find(has_them).ok_or_else(|| SqlError::new("42830", text()))?;
    Ok((columns, index.id))
}

fn check_types(name: &str, child: (&Table, &[usize]), parent: (&Table, &[usize])) -> Result<(), SqlError> {
    for (column, referenced) in child.1.iter().zip(parent.1) {
        let (Some(column), Some(referenced)) = (child.0.columns.get(*column), parent.0.columns.get(*referenced)) else {
            continue;
        };
        let (own, other) = (column.kind.name(), referenced.kind.name());
        match comparison(column.kind, referenced.kind) {
            Comparison::Same => {}
            Comparison::Unknown => {
                return Err(SqlError::unsupported(format!("a foreign key of {own} that references {other}")));
            }
            Comparison::None => {
                let text = format!("foreign key constraint \"{name}\" cannot be implemented");
                let detail = format!(
                    "Key columns \"{}\" and \"{}\" are of incompatible types: {own} and {other}.",
                    column.name, referenced.name
                );
                return Err(SqlError::new("42804", text).with_detail(detail));
            }
        }
    }
    Ok(())
}

fn numbers(table: &Table, places: &[usize]) -> Vec<i16> {
    places.iter().filter_map(|place| table.columns.get(*place)).map(|column| column.number).collect()
}

fn action(given: Option<ReferentialAction>) -> Reaction {
    match given {
        None | Some(ReferentialAction::NoAction) => Reaction::NoAction,
        Some(ReferentialAction::Restrict) => Reaction::Restrict,
        Some(ReferentialAction::Cascade) => Reaction::Cascade,
        Some(ReferentialAction::SetNull) => Reaction::SetNull,
        Some(ReferentialAction::SetDefault) => Reaction::SetDefault,
    }
}

/// A foreign key that depends on what is dropped.
struct Dependent {
    id: u32,
    /// The OIDs of its table and of the one that it references.
    table: u32,
    on: u32,
    name: String,
    shown: String,
}

/// Something that foreign keys may depend on, as messages name it.
pub(crate) struct Dropped<'d> {
    /// What is dropped: `table t`. `None` for several things.
    pub(crate) what: Option<String>,
    /// What each foreign key depends on.
    pub(crate) of: &'d dyn Fn(&ForeignKey) -> Option<String>,
    /// Tables that are dropped themselves.
    pub(crate) tables: &'d [u32],
    pub(crate) cascade: bool,
}

/// Refuses to drop what foreign keys depend on, or drops them too.
pub(crate) fn release(change: &mut Change<'_>, dropped: &Dropped<'_>) -> Result<(), SqlError> {
    let mut dependents: Vec<(Dependent, String)> = Vec::new();
    for table in change.objects.tables.values().filter(|table| !dropped.tables.contains(&table.id)) {
        for key in &table.foreign_keys {
            if let Some(on) = (dropped.of)(key) {
                let shown = format!("constraint {} on table {}", key.name, change.shown_name(table));
                let (name, dependent_on) = (key.name.clone(), key.table);
                dependents.push((Dependent { id: key.id, table: table.id, on: dependent_on, name, shown }, on));
            }
        }
    }
    // Those of the table that is named last come first.
    let rank = |table: u32| dropped.tables.iter().rev().position(|known| *known == table);
    dependents.sort_by_key(|(dependent, _)| (rank(dependent.on), dependent.id));
    if dependents.is_empty() {
        return Ok(());
    }
    if !dropped.cascade {
        let text = match &dropped.what {
            Some(what) => format!("cannot drop {what} because other objects depend on it"),
            None => "cannot drop desired object(s) because other objects depend on them".to_owned(),
        };
        let lines = dependents.iter().map(|(dependent, on)| format!("{} depends on {on}", dependent.shown));
        let error = SqlError::new("2BP01", text).with_detail(lines.collect::<Vec<_>>().join("\n"));
        return Err(error.with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
    }
    let lines: Vec<_> = dependents.iter().map(|(one, _)| format!("drop cascades to {}", one.shown)).collect();
    change.notices.push(match lines.as_slice() {
        [line] => SqlError::new("00000", line),
        lines => SqlError::new("00000", format!("drop cascades to {} other objects", lines.len()))
            .with_detail(lines.join("\n")),
    });
    for (Dependent { table, name, .. }, _) in dependents {
        let found = change.objects.tables.values_mut().find(|known| known.id == table);
        if let Some(found) = found {
            Arc::make_mut(found).foreign_keys.retain(|key| key.name != name);
        }
    }
    Ok(())
}

impl Change<'_> {
    /// The name of a table as messages show it: with its schema where the search path does not find it.
    pub(crate) fn shown_name(&self, table: &Table) -> String {
        let found = self.catalog.search_path.iter().find_map(|schema| {
            let key = (schema.clone(), table.name.clone());
            self.objects.tables.get(&key)
        });
        if found.is_some_and(|found| found.id == table.id) {
            table.name.clone()
        } else {
            format!("{}.{}", table.schema, table.name)
        }
    }
}
