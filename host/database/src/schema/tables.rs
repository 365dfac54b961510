use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tenet_clock::monotonic;
use tenet_core::{Fault, SqlError, quote_identifier};
use tokio::time::timeout_at;
use tokio_postgres::types::{ToSql, Type};

use crate::connect::connection::{Connection, SEARCH_PATH};
use crate::connect::endpoint::Endpoint;
use crate::connect::hosts_schema::HOSTS_SCHEMA;
use crate::schema::inventory::granted;
use crate::statements::failure::{self, QueryFailure};

/// The timeout for each call.
const ASKING: Duration = Duration::from_secs(30);

/// The host's own tables, which requests write.
const HOSTS_TABLES: [&str; 3] = ["tenet.keys", "tenet.outbox", "tenet.follow_ups"];

/// At most this many rows are written in one transaction: Aurora DSQL takes 3,000.
const ROWS_AT_ONCE: usize = 1_000;

/// The columns in one call of `jsonb_build_object`, which takes 100 arguments.
const COLUMNS_AT_ONCE: usize = 50;

/// The tables of a test's own database and their rows. Rows are inserted, saved, restored and
/// compared as JSON that the database itself produces.
///
/// For a private PostgreSQL, where it disables in its own session the checks that would refuse rows
/// in the wrong order, and for a model of Aurora DSQL. What only PostgreSQL does says so.
///
/// Tables and columns may have any name. An alias in a statement is used where it cannot be a
/// column (`it.*`), and functions are called with their schema: one of the bundle's with the same
/// name would be the better match for a row of its table.
pub struct Tables {
    connection: Connection,
    is_dsql: bool,
    tables: Arc<BTreeMap<String, Table>>,
    sequences: Arc<[Sequence]>,
}

/// A sequence by its names.
struct Sequence {
    schema: String,
    name: String,
    /// Both, quoted for a statement.
    quoted: String,
}

/// One table.
#[derive(Clone, Debug, Default)]
struct Table {
    /// Its name, quoted for a statement.
    quoted: String,
    /// Its columns.
    columns: Vec<Column>,
    /// The columns of its primary key.
    key: Vec<String>,
}

/// One column.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// The type, in PostgreSQL's spelling.
    kind: String,
    is_generated: bool,
}

/// The rows of every table, and the positions of the sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    rows: BTreeMap<String, Vec<String>>,
    sequences: BTreeMap<String, (i64, bool)>,
}

impl Contents {
    /// The contents as text. Equal contents give equal text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`to_json`](Self::to_json) writes.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The rows of each table of the bundle that has any, each as a JSON object. Tables have the
    /// names under which they are granted.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &[String])> {
        let of_bundle = |(name, _): &(&String, _)| !HOSTS_TABLES.contains(&name.as_str());
        self.rows.iter().filter(of_bundle).map(|(name, rows)| (name.as_str(), rows.as_slice()))
    }
}

impl Tables {
    /// Creates a copy of a database of a PostgreSQL, which must have no sessions during that time. `endpoint`
    /// leads to a third database of the same server.
    pub async fn copy(endpoint: &Endpoint, of: &str, name: &str) -> Result<(), Fault> {
        let deadline = monotonic() + ASKING;
        let connection = endpoint.connect(deadline).await?;
        let copying = format!("CREATE DATABASE {} TEMPLATE {}", quote_identifier(name), quote_identifier(of));
        with_deadline(deadline, connection.client.batch_execute(&copying)).await
    }

    /// Reads the tables and sequences of a database that has the host's tables.
    pub async fn open(endpoint: &Endpoint) -> Result<Self, Fault> {
        let deadline = monotonic() + ASKING;
        let connection = endpoint.connect(deadline).await?;
        // The developer's own rows may have any length.
        connection.allowance().for_owner();
        let is_dsql = endpoint.is_dsql();
        let reading = async {
            let client = &connection.client;
            client.batch_execute(&session(is_dsql)).await?;
            let columns = "SELECT n.nspname::text, r.relname::text, a.attname::text, \
                 format_type(a.atttypid, a.atttypmod), a.attgenerated <> '' \
                 FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace \
                 JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
                 WHERE r.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
                 ORDER BY a.attnum";
            let keys = "SELECT n.nspname::text, r.relname::text, a.attname::text FROM pg_index i \
                 JOIN pg_class r ON r.oid = i.indrelid JOIN pg_namespace n ON n.oid = r.relnamespace \
                 JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = ANY (i.indkey) WHERE i.indisprimary";
            let sequences = "SELECT schemaname::text, sequencename::text FROM pg_sequences";
            let mut tables = BTreeMap::<_, Table>::new();
            for row in client.query_typed(columns, &[]).await? {
                let (schema, name): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
                let of_host = schema == HOSTS_SCHEMA && !HOSTS_TABLES.contains(&granted(schema, name).as_str());
                if of_host {
                    continue;
                }
                let table = tables.entry(granted(schema, name)).or_default();
                table.quoted = format!("{}.{}", quote_identifier(schema), quote_identifier(name));
                table.columns.push(Column {
                    name: row.try_get(2)?,
                    kind: row.try_get(3)?,
                    is_generated: row.try_get(4)?,
                });
            }
            for row in client.query_typed(keys, &[]).await? {
                if let Some(table) = tables.get_mut(&granted(row.try_get(0)?, row.try_get(1)?)) {
                    table.key.push(row.try_get(2)?);
                }
            }
            let mut named = Vec::new();
            for row in client.query_typed(sequences, &[]).await? {
                let (schema, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
                let quoted = format!("{}.{}", quote_identifier(&schema), quote_identifier(&name));
                named.push(Sequence { schema, name, quoted });
            }
            Ok((tables, named))
        };
        let (tables, sequences) = with_deadline(deadline, reading).await?;
        Ok(Self { connection, is_dsql, tables: Arc::new(tables), sequences: sequences.into() })
    }

    /// The same tables in another database, which has the same schema.
    pub async fn of(&self, endpoint: &Endpoint) -> Result<Self, Fault> {
        let deadline = Instant::now() + ASKING;
        let connection = endpoint.connect(deadline).await?;
        connection.allowance().for_owner();
        with_deadline(deadline, connection.client.batch_execute(&session(endpoint.is_dsql()))).await?;
        let (tables, sequences) = (Arc::clone(&self.tables), Arc::clone(&self.sequences));
        Ok(Self { connection, is_dsql: endpoint.is_dsql(), tables, sequences })
    }

    /// The names of the bundle's tables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str).filter(|name| !HOSTS_TABLES.contains(name))
    }

    /// The columns of a table's primary key; empty if it has none.
    pub fn key(&self, table: &str) -> &[String] {
        self.tables.get(table).map_or(&[], |table| &table.key)
    }

    /// The current rows of the tables.
    pub async fn contents(&self) -> Result<Contents, Fault> {
        let tables = self.tables.iter().map(|(name, table)| {
            let (name, row, of) = (literal(name), table.row(), &table.quoted);
            format!("SELECT {name}, {row}::text, NULL::bigint, NULL::bool FROM {of} AS it")
        });
        let sequences = self.sequences.iter().map(|sequence| {
            let Sequence { schema, name, quoted } = sequence;
            match self.is_dsql {
                true => format!(
                    "SELECT {}, NULL, coalesce(last_value, start_value), last_value IS NOT NULL FROM pg_sequences \
                     WHERE schemaname = {} AND sequencename = {}",
                    literal(quoted),
                    literal(schema),
                    literal(name)
                ),
                false => format!("SELECT {}, NULL, last_value, is_called FROM {quoted}", literal(quoted)),
            }
        });
        let all = tables.chain(sequences).collect::<Vec<_>>().join(" UNION ALL ");
        let reading = async {
            let mut contents = Contents::default();
            for row in self.connection.client.query_typed(&all, &[]).await? {
                let name: String = row.try_get(0)?;
                match row.try_get::<_, Option<String>>(1)? {
                    Some(json) => contents.rows.entry(name).or_default().push(json),
                    None => drop(contents.sequences.insert(name, (row.try_get(2)?, row.try_get(3)?))),
                }
            }
            contents.rows.values_mut().for_each(|rows| rows.sort());
            Ok(contents)
        };
        with_deadline(monotonic() + ASKING, reading).await
    }

    /// Makes the tables hold exactly these rows, and sets the sequences to these positions.
    pub async fn restore(&self, contents: &Contents) -> Result<(), Fault> {
        let deadline = monotonic() + ASKING;
        let deletes = self.tables.values().map(|table| format!("DELETE FROM {};", table.quoted));
        let sequences = contents
            .sequences
            .iter()
            .map(|(name, (value, called))| format!("SELECT pg_catalog.setval({}, {value}, {called});", literal(name)));
        let all: String = deletes.chain(sequences).collect();
        with_deadline(deadline, self.connection.client.batch_execute(&all)).await?;
        for (table, rows) in &contents.rows {
            for rows in rows.chunks(ROWS_AT_ONCE) {
                let rows = format!("[{}]", rows.join(","));
                if let Err(error) = self.insert(table, None, &rows).await? {
                    return Err(Fault::other(Some(error.sqlstate), format!("{table}: {}", error.message)));
                }
            }
        }
        Ok(())
    }

    /// Inserts rows, a JSON array of objects that give values to these columns. The other columns
    /// get their defaults. The inner error is the database's, or says that there is no such table.
    pub async fn give(&self, table: &str, columns: &[String], rows: &str) -> Result<Result<(), Box<SqlError>>, Fault> {
        self.insert(table, Some(columns), rows).await
    }

    async fn insert(
        &self,
        table: &str,
        columns: Option<&[String]>,
        rows: &str,
    ) -> Result<Result<(), Box<SqlError>>, Fault> {
        let Some(known) = self.tables.get(table) else { return Ok(Err(Box::new(no_table(table)))) };
        let written = |column: &&Column| match columns {
            Some(columns) => columns.contains(&column.name),
            None => !column.is_generated,
        };
        let written: Vec<&Column> = known.columns.iter().filter(written).collect();
        if let Some(unknown) =
            columns.and_then(|columns| columns.iter().find(|name| written.iter().all(|column| column.name != **name)))
        {
            return Ok(Err(Box::new(no_column(table, unknown))));
        }
        let names: Vec<String> = written.iter().map(|column| quote_identifier(&column.name)).collect();
        let names = names.join(", ");
        // SQL has no empty list of columns: without a list, a row has its defaults.
        let list = if names.is_empty() { String::new() } else { format!("({names})") };
        let of = &known.quoted;
        let sql = match self.is_dsql {
            true => {
                let values: Vec<String> = written.iter().map(|column| column.value("it.value")).collect();
                let values = values.join(", ");
                format!(
                    "INSERT INTO {of} {list} SELECT {values} FROM jsonb_array_elements($1::text::jsonb) AS it(value)"
                )
            }
            false => format!(
                "INSERT INTO {of} {list} OVERRIDING SYSTEM VALUE \
                 SELECT {names} FROM pg_catalog.jsonb_populate_recordset(NULL::{of}, $1::text::jsonb)"
            ),
        };
        self.ask(&sql, rows).await.map(|answered| answered.map(drop))
    }

    /// A row that is written by hand, an object with some columns of the table, in the form that
    /// the table stores: dates, numbers and the like in PostgreSQL's own form. On PostgreSQL only.
    pub async fn normal(&self, table: &str, row: &str) -> Result<Result<String, Box<SqlError>>, Fault> {
        let Some(known) = self.tables.get(table) else { return Ok(Err(Box::new(no_table(table)))) };
        let sql = format!(
            "SELECT pg_catalog.to_jsonb(pg_catalog.jsonb_populate_record(NULL::{}, $1::text::jsonb))::text",
            known.quoted
        );
        self.ask(&sql, row).await.map(|answered| answered.map(|text| text.unwrap_or_default()))
    }

    /// Whether a session of a PostgreSQL waits for another transaction: for its row, or for a key that it may still
    /// insert. Short-lived locks do not count.
    pub async fn is_blocked(&self) -> Result<bool, Fault> {
        let sql = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted \
             AND locktype IN ('transactionid', 'tuple', 'spectoken') AND datname = current_database()";
        let asking = async { self.connection.client.query_typed(sql, &[]).await };
        let rows = with_deadline(monotonic() + ASKING, asking).await?;
        Ok(rows.first().is_some_and(|row| row.try_get::<_, i64>(0).is_ok_and(|waiting| waiting > 0)))
    }

    /// Terminates every other session of a database of PostgreSQL.
    pub async fn end_others(&self) -> Result<(), Fault> {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        // Repeats the query instead of using the function's own wait, which polls every 100 ms.
        let ending = async {
            while !self.connection.client.query_typed(sql, &[]).await?.is_empty() {}
            Ok(())
        };
        with_deadline(monotonic() + ASKING, ending).await
    }

    async fn ask(&self, sql: &str, json: &str) -> Result<Result<Option<String>, Box<SqlError>>, Fault> {
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&json, Type::TEXT)];
        let asking = self.connection.client.query_typed(sql, &parameters);
        match timeout_at((monotonic() + ASKING).into(), asking).await {
            Err(_) => Err(failure::late()),
            Ok(Ok(rows)) => Ok(Ok(rows.first().and_then(|row| row.try_get(0).ok()))),
            Ok(Err(error)) => {
                let fault = QueryFailure::of_statement(self.connection.query_error(error)).fault;
                fault.sql_error().cloned().map(|error| Err(Box::new(error))).ok_or(fault)
            }
        }
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").field("tables", &self.tables.keys()).finish_non_exhaustive()
    }
}

async fn with_deadline<T>(
    deadline: Instant,
    asking: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Fault> {
    let asked = timeout_at(deadline.into(), asking).await.map_err(|_| failure::late())?;
    asked.map_err(|error| Fault::other(None, failure::describe(&error)))
}

/// The statements that set up a session of it.
fn session(is_dsql: bool) -> String {
    let checks = if is_dsql { "" } else { "SET session_replication_role = replica; " };
    format!("{SEARCH_PATH}; {checks}SET TIME ZONE 'UTC'")
}

impl Table {
    /// The expression of a row `it` as JSON, as `to_jsonb` makes it, which takes no rows on DSQL.
    fn row(&self) -> String {
        let member = |column: &Column| format!("{}, it.{}", literal(&column.name), quote_identifier(&column.name));
        let objects = self.columns.chunks(COLUMNS_AT_ONCE).map(|columns| {
            let members: Vec<String> = columns.iter().map(member).collect();
            format!("pg_catalog.jsonb_build_object({})", members.join(", "))
        });
        let objects: Vec<String> = objects.collect();
        if objects.is_empty() { "'{}'::jsonb".to_owned() } else { format!("({})", objects.join(" || ")) }
    }
}

impl Column {
    /// The expression of its value in the JSON object `row`, as `jsonb_populate_record` makes it.
    fn value(&self, row: &str) -> String {
        let (name, kind) = (literal(&self.name), &self.kind);
        match kind.as_str() {
            "json" | "jsonb" => format!("nullif({row} -> {name}, 'null'::jsonb)::{kind}"),
            _ => format!("({row} ->> {name})::{kind}"),
        }
    }
}

fn no_column(table: &str, column: &str) -> SqlError {
    SqlError::new(
        tenet_core::SqlState::new("42703").unwrap_or(tenet_core::SqlState::SYNTAX_ERROR),
        format!("column \"{column}\" of relation \"{table}\" does not exist"),
    )
}

fn no_table(table: &str) -> SqlError {
    SqlError::new(
        tenet_core::SqlState::new("42P01").unwrap_or(tenet_core::SqlState::SYNTAX_ERROR),
        format!("there is no table {table}"),
    )
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
