use std::sync::Arc;

use sqlparser::ast::Expr;

use crate::store::foreign_key::ForeignKey;
use crate::values::jsonb::Jsonb;
use crate::values::kind::{Kind, Modifier};
use crate::values::order::Key;
use crate::values::value::Value;

/// A row: a value for each column of its table.
pub(crate) type Row = Arc<[Value]>;

/// What a row is stored under: its primary key, or a number where its table has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey(pub(crate) Arc<Key>);

/// A table of the catalogue.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Its OID.
    pub(crate) id: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) columns: Vec<Column>,
    /// The greatest number that a column has or had.
    pub(crate) last_number: i16,
    pub(crate) primary_key: Option<UniqueIndex>,
    /// The other unique indexes that are enforced, of constraints and of CREATE UNIQUE INDEX.
    pub(crate) uniques: Vec<UniqueIndex>,
    /// The indexes that enforce nothing: those that are not unique, and those that are not valid.
    pub(crate) indexes: Vec<Index>,
    pub(crate) checks: Vec<Check>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its `attnum`: never used again in this table.
    pub(crate) number: i16,
    pub(crate) kind: Kind,
    pub(crate) modifier: Modifier,
    pub(crate) is_not_null: bool,
    pub(crate) default: Option<Expr>,
    /// GENERATED ALWAYS AS (...) STORED.
    pub(crate) generated: Option<Expr>,
    pub(crate) identity: Option<Identity>,
}

/// A column whose default is the next number of a sequence.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// GENERATED ALWAYS rather than BY DEFAULT.
    pub(crate) is_always: bool,
    /// The OID of its sequence.
    pub(crate) sequence: u32,
}

/// An index that no two rows share a key of.
#[derive(Clone, Debug)]
pub(crate) struct UniqueIndex {
    /// Its OID.
    pub(crate) id: u32,
    pub(crate) name: String,
    /// The positions of its columns in the table.
    pub(crate) columns: Vec<usize>,
    /// Whether a constraint stands on it: ON CONFLICT ON CONSTRAINT finds it then.
    pub(crate) constraint: Option<u32>,
    pub(crate) nulls_are_distinct: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// Its OID.
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) columns: Vec<usize>,
    pub(crate) is_unique: bool,
    pub(crate) is_valid: bool,
    pub(crate) nulls_are_distinct: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// Its OID.
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) expression: Expr,
}

impl Table {
    /// The unique indexes that are enforced, the primary key first.
    pub(crate) fn unique_indexes(&self) -> impl Iterator<Item = &UniqueIndex> {
        self.primary_key.iter().chain(&self.uniques)
    }

    /// The names of all its indexes.
    pub(crate) fn index_names(&self) -> impl Iterator<Item = &str> {
        let unique = self.unique_indexes().map(|index| index.name.as_str());
        unique.chain(self.indexes.iter().map(|index| index.name.as_str()))
    }

    /// Whether a constraint has this name.
    pub(crate) fn has_constraint(&self, name: &str) -> bool {
        self.checks.iter().any(|check| check.name == name)
            || self.foreign_keys.iter().any(|key| key.name == name)
            || self.unique_indexes().any(|index| index.constraint.is_some() && index.name == name)
    }

    /// The position of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

impl UniqueIndex {
    /// The row's entry. `None` where a NULL keeps it from being equal to any other.
    pub(crate) fn key(&self, row: &[Value]) -> Option<Key> {
        let key = self.raw_key(row);
        (!key.has_null() || !self.nulls_are_distinct).then_some(key)
    }

    /// The values of its columns.
    pub(crate) fn raw_key(&self, row: &[Value]) -> Key {
        Key::new(self.columns.iter().map(|column| row.get(*column).cloned().unwrap_or(Value::Null)))
    }
}

impl Value {
    /// About how many bytes of a transaction's limit it takes.
    pub(crate) fn stored_size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 1,
            Self::Int2(_) => 2,
            Self::Int4(_) | Self::Oid(_) | Self::Date(_) => 4,
            Self::Int8(_) | Self::Float8(_) | Self::Time(_) | Self::Timestamp(_) => 8,
            Self::Numeric(_) | Self::Uuid(_) | Self::Interval(_) => 16,
            Self::Text(text) | Self::Bpchar(text) | Self::Json(text) => text.len(),
            Self::Bytea(bytes) => bytes.len(),
            Self::Jsonb(value) => value.stored_size(),
            Self::Array(values) | Self::Record(values) => values.iter().map(Self::stored_size).sum(),
        }
    }
}

impl Jsonb {
    fn stored_size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 4,
            Self::Number(_) => 16,
            Self::String(text) => 4 + text.len(),
            Self::Array(values) => 4 + values.iter().map(Self::stored_size).sum::<usize>(),
            Self::Object(members) => {
                4 + members.iter().map(|(key, value)| key.len() + value.stored_size()).sum::<usize>()
            }
        }
    }
}
