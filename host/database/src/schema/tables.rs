use std::collections::BTreeMap;
use std::fmt;
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
const HOSTS_TABLES: [&str; 2] = ["tenet.keys", "tenet.outbox"];

/// The tables of a test's own database and their rows. Rows are inserted, saved, restored and
/// compared as JSON that PostgreSQL itself produces.
///
/// For a private PostgreSQL only: in its own session it disables the checks that would refuse rows
/// in the wrong order.
///
/// Tables and columns may have any name. An alias in a statement is used where it cannot be a
/// column (`it.*`), and functions are called with their schema: one of the bundle's with the same
/// name would be the better match for a row of its table.
pub struct Tables {
    connection: Connection,
    tables: BTreeMap<String, Table>,
    sequences: Vec<String>,
}

/// One table.
#[derive(Clone, Debug, Default)]
struct Table {
    /// Its name, quoted for a statement.
    quoted: String,
    /// The columns that can be given a value, quoted.
    columns: Vec<String>,
    /// The columns of its primary key.
    key: Vec<String>,
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
    /// Creates a copy of a database, which must have no sessions during that time. `endpoint` leads
    /// to a third database of the same server.
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
        let reading = async {
            let client = &connection.client;
            client.batch_execute(SEARCH_PATH).await?;
            client.batch_execute("SET session_replication_role = replica; SET TIME ZONE 'UTC'").await?;
            let columns = "SELECT c.table_schema::text, c.table_name::text, c.column_name::text, c.is_generated = 'NEVER' \
                 FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) \
                 WHERE t.table_type = 'BASE TABLE' AND c.table_schema NOT IN ('pg_catalog', 'information_schema') \
                 ORDER BY c.ordinal_position";
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
                if row.try_get(3)? {
                    table.columns.push(quote_identifier(row.try_get(2)?));
                }
            }
            for row in client.query_typed(keys, &[]).await? {
                if let Some(table) = tables.get_mut(&granted(row.try_get(0)?, row.try_get(1)?)) {
                    table.key.push(row.try_get(2)?);
                }
            }
            let mut named = Vec::new();
            for row in client.query_typed(sequences, &[]).await? {
                named.push(format!("{}.{}", quote_identifier(row.try_get(0)?), quote_identifier(row.try_get(1)?)));
            }
            Ok((tables, named))
        };
        let (tables, sequences) = with_deadline(deadline, reading).await?;
        Ok(Self { connection, tables, sequences })
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
            let (name, of) = (literal(name), &table.quoted);
            format!("SELECT {name}, pg_catalog.to_jsonb(it.*)::text, NULL::bigint, NULL::bool FROM {of} AS it")
        });
        let sequences = self
            .sequences
            .iter()
            .map(|name| format!("SELECT {}, NULL, last_value, is_called FROM {name}", literal(name)));
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
            let rows = format!("[{}]", rows.join(","));
            if let Err(error) = self.insert(table, None, &rows).await? {
                return Err(Fault::other(Some(error.sqlstate), error.message));
            }
        }
        Ok(())
    }

    /// Inserts rows, a JSON array of objects that give values to these columns. The other columns
    /// get their defaults. The inner error is the database's, or says that there is no such table.
    pub async fn give(&self, table: &str, columns: &[String], rows: &str) -> Result<Result<(), Box<SqlError>>, Fault> {
        let columns: Vec<String> = columns.iter().map(|column| quote_identifier(column)).collect();
        self.insert(table, Some(&columns), rows).await
    }

    async fn insert(
        &self,
        table: &str,
        columns: Option<&[String]>,
        rows: &str,
    ) -> Result<Result<(), Box<SqlError>>, Fault> {
        let Some(known) = self.tables.get(table) else { return Ok(Err(Box::new(no_table(table)))) };
        let columns = columns.unwrap_or(&known.columns).join(", ");
        // SQL has no empty list of columns: without a list, a row has its defaults.
        let list = if columns.is_empty() { String::new() } else { format!("({columns})") };
        let sql = format!(
            "INSERT INTO {of} {list} OVERRIDING SYSTEM VALUE \
             SELECT {columns} FROM pg_catalog.jsonb_populate_recordset(NULL::{of}, $1::text::jsonb)",
            of = known.quoted
        );
        self.ask(&sql, rows).await.map(|answered| answered.map(drop))
    }

    /// A row that is written by hand, an object with some columns of the table, in the form that
    /// the table stores: dates, numbers and the like in PostgreSQL's own form.
    pub async fn normal(&self, table: &str, row: &str) -> Result<Result<String, Box<SqlError>>, Fault> {
        let Some(known) = self.tables.get(table) else { return Ok(Err(Box::new(no_table(table)))) };
        let sql = format!(
            "SELECT pg_catalog.to_jsonb(pg_catalog.jsonb_populate_record(NULL::{}, $1::text::jsonb))::text",
            known.quoted
        );
        self.ask(&sql, row).await.map(|answered| answered.map(|text| text.unwrap_or_default()))
    }

    /// Whether a session waits for another transaction: for its row, or for a key that it may still
    /// insert. Short-lived locks do not count.
    pub async fn is_blocked(&self) -> Result<bool, Fault> {
        let sql = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted \
             AND locktype IN ('transactionid', 'tuple', 'spectoken') AND datname = current_database()";
        let asking = async { self.connection.client.query_typed(sql, &[]).await };
        let rows = with_deadline(monotonic() + ASKING, asking).await?;
        Ok(rows.first().is_some_and(|row| row.try_get::<_, i64>(0).is_ok_and(|waiting| waiting > 0)))
    }

    /// Terminates every other session of the database.
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

fn no_table(table: &str) -> SqlError {
    SqlError::new(
        tenet_core::SqlState::new("42P01").unwrap_or(tenet_core::SqlState::SYNTAX_ERROR),
        format!("there is no table {table}"),
    )
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
