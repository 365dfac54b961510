use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The tables that rules are granted, as the bundle's schema steps create them.
///
/// `tenet build` reads it from a private database and writes it into the index. The SQL policy
/// resolves names with it, and a host compares it with its database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Catalog {
    /// Keyed by the table's name in the grants: `NAME` for the schema `public`, or `SCHEMA.NAME`.
    pub tables: BTreeMap<String, CatalogTable>,
}

/// One table of a [`Catalog`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogTable {
    /// In the table's order.
    pub columns: Vec<CatalogColumn>,
    /// The columns of each constraint and each unique index, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constraints: BTreeMap<String, BTreeSet<String>>,
}

/// One column of a [`CatalogTable`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogColumn {
    /// Its name.
    pub name: String,
    /// Its type with modifiers, as PostgreSQL's `format_type` writes it: `numeric(20,2)`.
    #[serde(rename = "type")]
    pub kind: String,
}

impl CatalogTable {
    /// The names of the columns, in the table's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Whether there is a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.names().any(|name| name == column)
    }
}
