use std::sync::Arc;

use crate::scalars::cast::{self, Context};
use crate::sql_error::SqlError;
use crate::store::catalog::Objects;
use crate::store::foreign_key::{ForeignKey, Reaction};
use crate::store::table::{Row, Table, UniqueIndex};
use crate::values::kind::Kind;
use crate::values::order::{Key, compare};
use crate::values::text_format::output;
use crate::values::value::Value;

/// A foreign key with both of its tables.
#[derive(Debug)]
pub(crate) struct Link {
    /// The OID of the constraint.
    pub(crate) id: u32,
    name: String,
    /// The referencing table, and the places of its columns.
    pub(crate) child: Arc<Table>,
    pub(crate) columns: Vec<usize>,
    /// The referenced table, and the places of its columns, in the same order.
    pub(crate) parent: Arc<Table>,
    pub(crate) referenced: Vec<usize>,
    /// The unique index of the referenced columns.
    pub(crate) index: UniqueIndex,
    is_full: bool,
    pub(crate) on_delete: Reaction,
    pub(crate) on_update: Reaction,
    /// The columns that ON DELETE SET NULL or SET DEFAULT sets.
    pub(crate) set_columns: Vec<usize>,
    pub(crate) is_deferrable: bool,
    pub(crate) is_deferred: bool,
}

/// How many of the values of a key are NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nulls {
    None,
    Some,
    All,
}

impl Link {
    /// The foreign key of this table. There is none where the catalogue lacks a part of it.
    pub(crate) fn new(objects: &Objects, child: &Arc<Table>, key: &ForeignKey) -> Option<Self> {
        let parent =
            if key.table == child.id { child } else { objects.tables.values().find(|table| table.id == key.table)? };
        let index = parent.unique_indexes().find(|index| index.id == key.index)?.clone();
        let columns = places(child, &key.columns)?;
        let set_columns = if key.set_columns.is_empty() { columns.clone() } else { places(child, &key.set_columns)? };
        Some(Self {
            id: key.id,
            name: key.name.clone(),
            child: Arc::clone(child),
            columns,
            parent: Arc::clone(parent),
            referenced: places(parent, &key.referenced)?,
            index,
            is_full: key.is_full,
            on_delete: key.on_delete,
            on_update: key.on_update,
            set_columns,
            is_deferrable: key.is_deferrable,
            is_deferred: key.is_deferred,
        })
    }

    /// The key that a referencing row has in the index of the referenced table. `None` where it references
    /// nothing.
    ///
    /// # Errors
    /// 23503 where MATCH FULL does not allow its NULLs.
    pub(crate) fn wanted(&self, row: &[Value]) -> Result<Option<Key>, SqlError> {
        match nulls(row, &self.columns) {
            Nulls::None => {}
            Nulls::Some if self.is_full => {
                let detail = "MATCH FULL does not allow mixing of null and nonnull key values.";
                return Err(self.of_child().with_detail(detail));
            }
            Nulls::Some | Nulls::All => return Ok(None),
        }
        let value = |place: &usize| {
            let at = self.referenced.iter().position(|referenced| referenced == place);
            at.and_then(|at| row.get(*self.columns.get(at)?)).cloned().unwrap_or(Value::Null)
        };
        Ok(Some(Key::new(self.index.columns.iter().map(value))))
    }

    /// Whether a referencing row has the key of this referenced row.
    pub(crate) fn references(&self, child: &[Value], parent: &[Value]) -> bool {
        self.columns.iter().zip(&self.referenced).all(|(column, referenced)| {
            match (child.get(*column), parent.get(*referenced)) {
                (Some(Value::Null) | None, _) | (_, Some(Value::Null) | None) => false,
                (Some(child), Some(parent)) => compare(child, parent).is_eq(),
            }
        })
    }

    /// Whether an update of a referencing row has to be looked at, one that its own transaction wrote before
    /// (`RI_FKey_fk_upd_check_required` of PostgreSQL's `src/backend/utils/adt/ri_triggers.c`).
    pub(crate) fn concerns_child(&self, old: &[Value], new: &[Value], is_own: bool) -> bool {
        match nulls(new, &self.columns) {
            Nulls::All => false,
            Nulls::Some => self.is_full,
            Nulls::None => is_own || !are_equal(old, new, &self.columns),
        }
    }

    /// Whether a referenced row that goes, or becomes another, may have been referenced by what it has no more
    /// (`RI_FKey_pk_upd_check_required`).
    pub(crate) fn concerns_parent(&self, old: &[Value], new: Option<&Row>) -> bool {
        nulls(old, &self.referenced) == Nulls::None && !new.is_some_and(|new| are_equal(old, new, &self.referenced))
    }

    /// The error of a row that references nothing that is there.
    pub(crate) fn missing(&self, row: &[Value]) -> SqlError {
        let key = shown(&self.child, &self.columns, row);
        self.of_child().with_detail(format!("Key {key} is not present in table \"{}\".", self.parent.name))
    }

    /// The error of a row that is still referenced.
    pub(crate) fn referenced(&self, row: &[Value]) -> SqlError {
        let (parent, child) = (&self.parent.name, &self.child.name);
        let text = format!(
            "update or delete on table \"{parent}\" violates foreign key constraint \"{}\" on table \"{child}\"",
            self.name
        );
        let key = shown(&self.parent, &self.referenced, row);
        self.violation(text).with_detail(format!("Key {key} is still referenced from table \"{child}\"."))
    }

    fn of_child(&self) -> SqlError {
        self.violation(format!(
            "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
            self.child.name, self.name
        ))
    }

    fn violation(&self, text: String) -> SqlError {
        let mut error = SqlError::new("23503", text);
        error.object.schema = Some(self.child.schema.clone());
        error.object.table = Some(self.child.name.clone());
        error.object.constraint = Some(self.name.clone());
        error
    }
}

/// How the values of a referencing column of one type are compared with those of a referenced one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// As values of one type.
    Same,
    /// PostgreSQL has a way, which the model does not.
    Unknown,
    /// Not at all.
    None,
}

/// How columns of these types are compared, as far as that is known here.
pub(crate) fn comparison(child: Kind, parent: Kind) -> Comparison {
    let is_integer = |kind| matches!(kind, Kind::Int2 | Kind::Int4 | Kind::Int8);
    let is_text = |kind| matches!(kind, Kind::Text | Kind::Varchar);
    let is_day = |kind| matches!(kind, Kind::Date | Kind::Timestamp | Kind::Timestamptz);
    let are_both = |is: fn(Kind) -> bool| is(child) && is(parent);
    if child == parent || are_both(is_integer) || are_both(is_text) {
        Comparison::Same
    } else if cast::find(child, parent, Context::Implicit).is_some() || are_both(is_day) {
        Comparison::Unknown
    } else {
        Comparison::None
    }
}

fn places(table: &Table, numbers: &[i16]) -> Option<Vec<usize>> {
    let place = |number: &i16| table.columns.iter().position(|column| column.number == *number);
    numbers.iter().map(place).collect()
}

fn nulls(row: &[Value], columns: &[usize]) -> Nulls {
    let count = columns.iter().filter(|column| matches!(row.get(**column), None | Some(Value::Null))).count();
    match count {
        0 => Nulls::None,
        count if count == columns.len() => Nulls::All,
        _ => Nulls::Some,
    }
}

fn are_equal(left: &[Value], right: &[Value], columns: &[usize]) -> bool {
    columns.iter().all(|column| match (left.get(*column), right.get(*column)) {
        (Some(left), Some(right)) => compare(left, right).is_eq(),
        _ => false,
    })
}

/// `(a, b)=(1, 2)`.
fn shown(table: &Table, columns: &[usize], row: &[Value]) -> String {
    let columns: Vec<_> = columns.iter().filter_map(|at| Some((table.columns.get(*at)?, row.get(*at)?))).collect();
    let names: Vec<_> = columns.iter().map(|(column, _)| column.name.as_str()).collect();
    let values = columns.iter().map(|(column, value)| match value {
        Value::Null => "null".to_owned(),
        value => output(value, column.kind).unwrap_or_default(),
    });
    format!("({})=({})", names.join(", "), values.collect::<Vec<_>>().join(", "))
}
