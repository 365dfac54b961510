use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use tenet_clock::monotonic;
use tenet_core::{Catalog, CatalogColumn, Fault, SqlError};
use tokio::time::timeout_at;

use crate::connect::connection::{Connection, SEARCH_PATH};
use crate::connect::endpoint::Endpoint;
use crate::connect::hosts_schema::HOSTS_SCHEMA;
use crate::statements::failure::{self, QueryError, QueryFailure};

/// The timeout for opening it and for each query.
const ASKING: Duration = Duration::from_secs(30);

/// Tables, partitioned tables and views, each with its columns in their order.
const COLUMNS: &str = "SELECT n.nspname::text, r.relname::text, a.attname::text, \
     pg_catalog.format_type(a.atttypid, a.atttypmod) \
     FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
     LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
     WHERE r.relkind IN ('r', 'p', 'v') ORDER BY r.oid, a.attnum";

/// The columns of each constraint and each unique index. An expression that refers to the whole row
/// counts as all columns. 1259 is `pg_class`. NOT NULL constraints are left out, because only some versions name
/// them.
const CONSTRAINTS: &str = "SELECT n.nspname::text, r.relname::text, c.conname::text, a.attname::text \
     FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid = c.conrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
     LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
     AND (a.attnum = ANY (c.conkey) OR 0 = ANY (c.conkey)) \
     WHERE c.contype <> 'n' \
     UNION SELECT n.nspname::text, r.relname::text, i.relname::text, a.attname::text \
     FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
     JOIN pg_catalog.pg_class r ON r.oid = x.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
     LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
     AND (a.attnum = ANY (x.indkey) OR EXISTS (SELECT 1 FROM pg_catalog.pg_depend d \
     WHERE d.classid = 1259 AND d.objid = i.oid AND d.refclassid = 1259 AND d.refobjid = r.oid \
     AND d.refobjsubid IN (0, a.attnum))) \
     WHERE x.indisunique";

const DEFAULTS: &str = "SELECT n.nspname::text, r.relname::text, a.attname::text, \
     pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
     FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class r ON r.oid = d.adrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = d.adnum";

const SEQUENCES: &str = "SELECT n.nspname::text, r.relname::text FROM pg_catalog.pg_class r \
     JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace WHERE r.relkind = 'S'";

/// The objects of a database, to check rules against before they are deployed.
pub struct Inventory {
    connection: Connection,
    tables: Catalog,
    sequences: BTreeSet<String>,
    defaults: Vec<ColumnDefault>,
}

/// A column with a default for new rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDefault {
    /// The name under which the table is granted.
    pub table: String,
    /// The column.
    pub column: String,
    /// The expression, as PostgreSQL writes it.
    pub expression: String,
}

impl Inventory {
    /// Reads the objects of a database. Tables and sequences have the names under which they are
    /// granted: without their schema if that is `public`. Those of the database system and of the
    /// host are left out.
    pub async fn read(endpoint: &Endpoint) -> Result<Self, Fault> {
        let deadline = monotonic() + ASKING;
        let connection = endpoint.connect(deadline).await?;
        let reading = async {
            let client = &connection.client;
            // The spelling of a type depends on it.
            client.batch_execute(SEARCH_PATH).await?;
            let (mut tables, mut sequences) = (Catalog::default(), BTreeSet::new());
            for row in client.query_typed(COLUMNS, &[]).await? {
                let (schema, name) = (row.try_get(0)?, row.try_get(1)?);
                if is_foreign(schema) {
                    continue;
                }
                let table = tables.tables.entry(granted(schema, name)).or_default();
                if let (Some(name), Some(kind)) = (row.try_get(2)?, row.try_get(3)?) {
                    table.columns.push(CatalogColumn { name, kind });
                }
            }
            for row in client.query_typed(CONSTRAINTS, &[]).await? {
                let Some(table) = tables.tables.get_mut(&granted(row.try_get(0)?, row.try_get(1)?)) else { continue };
                let columns = table.constraints.entry(row.try_get(2)?).or_default();
                columns.extend(row.try_get::<_, Option<String>>(3)?);
            }
            for row in client.query_typed(SEQUENCES, &[]).await? {
                let (schema, name) = (row.try_get(0)?, row.try_get(1)?);
                if !is_foreign(schema) {
                    sequences.insert(granted(schema, name));
                }
            }
            let mut defaults = Vec::new();
            for row in client.query_typed(DEFAULTS, &[]).await? {
                let (schema, name) = (row.try_get(0)?, row.try_get(1)?);
                if let (false, Some(expression)) = (is_foreign(schema), row.try_get(3)?) {
                    defaults.push(ColumnDefault { table: granted(schema, name), column: row.try_get(2)?, expression });
                }
            }
            // Statements are prepared as their authors wrote them.
            client.batch_execute("RESET search_path").await?;
            Ok((tables, sequences, defaults))
        };
        let read = timeout_at(deadline.into(), reading).await.map_err(|_| failure::late())?;
        let (tables, sequences, defaults) =
            read.map_err(|error: tokio_postgres::Error| Fault::unavailable(failure::describe(&error)))?;
        Ok(Self { connection, tables, sequences, defaults })
    }

    /// Its tables and views.
    pub fn tables(&self) -> &Catalog {
        &self.tables
    }

    /// The names of its sequences.
    pub fn sequences(&self) -> &BTreeSet<String> {
        &self.sequences
    }

    /// The columns that have a default.
    pub fn defaults(&self) -> &[ColumnDefault] {
        &self.defaults
    }

    /// Whether the database could run a statement: the objects that it names exist, and the types
    /// of its parameters and columns match. The statement does not run. The inner error is the
    /// database's.
    pub async fn prepare(&self, sql: &str) -> Result<Result<(), SqlError>, Fault> {
        let preparing = self.connection.client.prepare(sql);
        match timeout_at((monotonic() + ASKING).into(), preparing).await {
            Err(_) => Err(failure::late()),
            Ok(Ok(_)) => Ok(Ok(())),
            Ok(Err(error)) => {
                let fault = QueryFailure::of_statement(QueryError::Driver(error)).fault;
                fault.sql_error().cloned().map(Err).ok_or(fault)
            }
        }
    }
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inventory").field("tables", &self.tables.tables.keys()).finish_non_exhaustive()
    }
}

/// Whether a schema belongs to the database system or the host.
fn is_foreign(schema: &str) -> bool {
    schema.starts_with("pg_") || matches!(schema, "information_schema" | HOSTS_SCHEMA)
}

/// The name under which a table or a sequence is granted.
pub(crate) fn granted(schema: &str, name: &str) -> String {
    if schema == "public" { name.to_owned() } else { format!("{schema}.{name}") }
}
