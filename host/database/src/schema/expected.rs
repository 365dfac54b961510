//! The granted tables as the bundle expects them, compared with those of a database.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenet_core::bundle::{Index, Operation, Rule};
use tenet_core::{Catalog, Code, ColumnValues, Fault, Grants, Outcome, TableGrant, Value};
use tracing::{error, warn};

use crate::connect::connection::Connection;
use crate::schema::inventory::granted;
use crate::statements::failure::{ConnectionState, QueryError, QueryFailure};
use crate::statements::parameter::Encoded;
use crate::statements::query::Query;

/// The columns of all tables and views with certain names, in any schema. Every role may read these
/// tables of PostgreSQL's, including their rows about tables on which it has no rights.
const COLUMNS: &str = "SELECT n.nspname::text, r.relname::text, a.attname::text, \
     pg_catalog.format_type(a.atttypid, a.atttypmod) \
     FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
     WHERE r.relkind IN ('r', 'p', 'v') AND r.relname = ANY (pg_catalog.string_to_array($1, '*'))";

/// A character that no table's name contains.
const SEPARATOR: &str = "*";

/// The tables of a bundle, and the differences last found in the database.
///
/// Only granted columns count: a step may drop another column while a bundle that was built with it
/// is still served.
#[derive(Default)]
pub(crate) struct Expected {
    catalog: Catalog,
    /// The grants of all rules, and those of each operation.
    of_rules: Grants,
    of_operations: BTreeMap<String, Grants>,
    differences: Mutex<Vec<Difference>>,
}

/// One difference of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    table: String,
    /// The column, its type in the bundle, and its type in the database if it exists there. `None`
    /// if the table is missing.
    column: Option<(String, String, Option<String>)>,
}

impl Expected {
    /// The tables of this bundle.
    pub(crate) fn of(index: &Index) -> Self {
        let granted = |rules: &mut dyn Iterator<Item = &Rule>| {
            let mut grants = Grants::default();
            rules.for_each(|rule| grants.add(rule.grants.clone()));
            grants
        };
        let of_operation = |operation: &Operation| {
            let mut rules = operation.rules.iter().filter_map(|rule| index.rule(rule));
            (operation.name.clone(), granted(&mut rules))
        };
        Self {
            catalog: index.catalog.clone(),
            of_rules: granted(&mut index.rules.iter()),
            of_operations: index.operations.iter().map(of_operation).collect(),
            differences: Mutex::default(),
        }
    }

    /// The query that checks the tables, to send with a rule's next statements. There is one only
    /// on a new connection, and as long as a difference was found.
    pub(crate) fn look_by<'c>(&self, connection: &'c Connection) -> Result<Option<Query<'c>>, Fault> {
        if !connection.is_new() && self.differences().is_empty() {
            return Ok(None);
        }
        Ok(self.look()?.map(|look| Query::plain(connection, look)))
    }

    /// The query that checks the tables, if there are any.
    pub(crate) fn look(&self) -> Result<Option<Encoded>, Fault> {
        if self.catalog.tables.is_empty() {
            return Ok(None);
        }
        let names: Vec<_> = self.catalog.tables.keys().map(|name| name.rsplit('.').next().unwrap_or(name)).collect();
        Encoded::of_host(COLUMNS, vec![Value::Text(names.join(SEPARATOR))]).map(Some)
    }

    /// Records the result of a check of the tables.
    pub(crate) fn looked(&self, found: Result<Outcome, QueryError>) {
        let found = match found.map_err(|error| QueryFailure::of_host(error, "the tables could not be looked at")) {
            Ok(found) => found,
            // The previous result stays. The rest of the flight reports a lost connection.
            Err(QueryFailure { left: ConnectionState::Lost, .. }) => return,
            Err(QueryFailure { fault, .. }) => {
                warn!(fault = format!("{fault:#}"), "the database's tables are not known");
                return;
            }
        };
        let differences = self.compared(&columns(found));
        let mut known = self.differences();
        for difference in differences.iter().filter(|difference| !known.contains(difference)) {
            error!(
                error_code = Code::SchemaDiffers.as_str(),
                "{difference}; `tenet schema apply` applies the pending steps"
            );
        }
        if differences.is_empty() && !known.is_empty() {
            warn!("the database has the bundle's tables now");
        }
        *known = differences;
    }

    /// Fails if a table differs, or with an `operation`, if a table of that operation does.
    pub(crate) fn check(&self, operation: Option<&str>) -> Result<(), Fault> {
        let concerns = |difference: &&Difference| {
            operation.is_none_or(|name| self.of_operations.get(name).is_some_and(|grants| difference.concerns(grants)))
        };
        match self.differences().iter().find(concerns) {
            None => Ok(()),
            Some(difference) => Err(Fault::other(None, difference.to_string()).with_code(Code::SchemaDiffers)),
        }
    }

    /// The differences of tables that have these columns with these types.
    fn compared(&self, found: &BTreeMap<String, BTreeMap<String, String>>) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (table, expected) in &self.catalog.tables {
            let Some(found) = found.get(table) else {
                differences.push(Difference { table: table.clone(), column: None });
                continue;
            };
            for column in &expected.columns {
                let kind = found.get(&column.name);
                if !kind.is_some_and(|kind| fits(&column.kind, kind)) {
                    let column = (column.name.clone(), column.kind.clone(), kind.cloned());
                    differences.push(Difference { table: table.clone(), column: Some(column) });
                }
            }
        }
        differences.retain(|difference| difference.concerns(&self.of_rules));
        differences
    }

    fn differences(&self) -> MutexGuard<'_, Vec<Difference>> {
        self.differences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a column of the type `found` is what a step of the schema made of `expected`, both in
/// PostgreSQL's spelling.
///
/// If a step gives a type no size, DSQL gives it a default size: `numeric` is `numeric(18,6)`
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-postgresql-compatibility-supported-data-types.html>).
fn fits(expected: &str, found: &str) -> bool {
    expected == found
        || !expected.contains('(')
            && found.split_once('(').is_some_and(|(before, rest)| {
                rest.split_once(')').is_some_and(|(_, after)| expected == format!("{before}{after}"))
            })
}

/// Maps the name under which a table is granted to the types of its columns.
fn columns(found: Outcome) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut tables = BTreeMap::<_, BTreeMap<_, _>>::new();
    let mut texts = found.rows.columns.into_iter().map(|column| match column.values {
        ColumnValues::Text(texts) => texts,
        _ => Vec::new(),
    });
    let mut next = || texts.next().unwrap_or_default();
    let (schemas, names, columns, kinds) = (next(), next(), next(), next());
    for ((schema, name), (column, kind)) in schemas.iter().zip(&names).zip(columns.into_iter().zip(kinds)) {
        tables.entry(granted(schema, name)).or_default().insert(column, kind);
    }
    tables
}

impl Difference {
    /// Whether these grants include it.
    fn concerns(&self, grants: &Grants) -> bool {
        let (table, vault) = (grants.tables.get(&self.table), grants.vault.get(&self.table));
        let Some((column, ..)) = &self.column else { return table.is_some() || vault.is_some() };
        let granted =
            |grant: &TableGrant| [&grant.select, &grant.insert, &grant.update].iter().any(|all| all.has(column));
        table.is_some_and(granted)
            || vault.is_some_and(|grant| grant.seal.contains(column) || grant.open.contains(column))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, column } = self;
        match column {
            None => write!(f, "the database has no table {table}, which the bundle was built for"),
            Some((column, expected, None)) => {
                write!(f, "the table {table} of the database has no column {column}, which is {expected} in the bundle")
            }
            Some((column, expected, Some(found))) => {
                write!(
                    f,
                    "the column {column} of the database's table {table} is {found}, and {expected} in the bundle"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_fits_with_the_size_that_the_server_gives_it_and_with_no_other() {
        for (expected, found) in [
            ("numeric", "numeric(18,6)"),
            ("numeric(12,2)", "numeric(12,2)"),
            ("timestamp with time zone", "timestamp(6) with time zone"),
            ("text", "text"),
        ] {
            assert!(fits(expected, found), "{expected} {found}");
        }
        for (expected, found) in [
            ("numeric(12,2)", "numeric"),
            ("numeric(12,2)", "numeric(18,6)"),
            ("timestamp with time zone", "timestamp(6) without time zone"),
            ("integer", "bigint"),
            ("text", "character varying(64)"),
        ] {
            assert!(!fits(expected, found), "{expected} {found}");
        }
    }
}
