//! The system catalogue as tables, with the columns that those who look into it read.
//!
//! The types of PostgreSQL's that the model does not have are near ones: `"char"` and `regtype` are
//! `text`, `int2vector` is `smallint[]`, and `pg_node_tree` is the text of its expression.

mod constraints;
mod relations;
mod roles;
mod sequences;

use crate::store::transaction::Transaction;
use crate::values::kind::Kind;
use crate::values::value::Value;

/// A table of the system's own schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SystemTable {
    PgAttrdef,
    PgAttribute,
    PgClass,
    PgConstraint,
    PgDepend,
    PgIndex,
    PgNamespace,
    PgRoles,
    PgSequences,
    PgTables,
    IamPgRoleMappings,
    Jobs,
}

const TABLES: [(&str, &str, SystemTable); 12] = [
    ("pg_catalog", "pg_attrdef", SystemTable::PgAttrdef),
    ("pg_catalog", "pg_attribute", SystemTable::PgAttribute),
    ("pg_catalog", "pg_class", SystemTable::PgClass),
    ("pg_catalog", "pg_constraint", SystemTable::PgConstraint),
    ("pg_catalog", "pg_depend", SystemTable::PgDepend),
    ("pg_catalog", "pg_index", SystemTable::PgIndex),
    ("pg_catalog", "pg_namespace", SystemTable::PgNamespace),
    ("pg_catalog", "pg_roles", SystemTable::PgRoles),
    ("pg_catalog", "pg_sequences", SystemTable::PgSequences),
    ("pg_catalog", "pg_tables", SystemTable::PgTables),
    ("sys", "iam_pg_role_mappings", SystemTable::IamPgRoleMappings),
    ("sys", "jobs", SystemTable::Jobs),
];

/// The OID of `pg_class` in itself.
const PG_CLASS: u32 = 1259;

/// The names and types of a system table's columns.
type Columns = &'static [(&'static str, Kind)];

/// The system table with this name. Those of `pg_catalog` need no schema before them.
pub(crate) fn table(schema: Option<&str>, name: &str) -> Option<SystemTable> {
    let schema = schema.unwrap_or("pg_catalog");
    TABLES.iter().find(|table| table.0 == schema && table.1 == name).map(|table| table.2)
}

impl SystemTable {
    pub(crate) fn columns(self) -> Columns {
        match self {
            Self::PgAttrdef => relations::ATTRDEF,
            Self::PgAttribute => relations::ATTRIBUTE,
            Self::PgClass => relations::CLASS,
            Self::PgConstraint => constraints::CONSTRAINT,
            Self::PgDepend => constraints::DEPEND,
            Self::PgIndex => constraints::INDEX,
            Self::PgNamespace => relations::NAMESPACE,
            Self::PgRoles => roles::ROLES,
            Self::PgSequences => sequences::SEQUENCES,
            Self::PgTables => relations::TABLES,
            Self::IamPgRoleMappings => roles::MAPPINGS,
            Self::Jobs => sequences::JOBS,
        }
    }

    /// Its rows, as a transaction sees the catalogue.
    pub(crate) fn rows(self, transaction: &Transaction) -> Vec<Vec<Value>> {
        let objects = &transaction.catalog().objects;
        match self {
            Self::PgAttrdef => relations::attrdef(objects),
            Self::PgAttribute => relations::attribute(objects),
            Self::PgClass => relations::class(objects),
            Self::PgConstraint => constraints::constraint(objects),
            // It would be of expressions in indexes, which the model does not have.
            Self::PgDepend => Vec::new(),
            Self::PgIndex => constraints::index(objects),
            Self::PgNamespace => relations::namespace(objects),
            Self::PgRoles => roles::roles(objects),
            Self::PgSequences => sequences::sequences(objects, transaction),
            Self::PgTables => relations::tables(objects),
            Self::IamPgRoleMappings => roles::mappings(objects),
            Self::Jobs => sequences::jobs(objects, transaction),
        }
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn numbers(numbers: impl IntoIterator<Item = i16>) -> Value {
    Value::Array(numbers.into_iter().map(Value::Int2).collect())
}
