use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use tenet_core::{Fault, SqlError};
use tokio::time::timeout_at;

use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::failure::{self, Failure, Trouble};

/// The longest that opening it and each question may take.
const ASKING: Duration = Duration::from_secs(30);

/// What there is in a database, for whoever checks rules against it before they are shipped.
pub struct Catalog {
    connection: Connection,
    tables: BTreeMap<String, BTreeSet<String>>,
    sequences: BTreeSet<String>,
}

impl Catalog {
    /// Reads it. Tables and sequences go by the names under which they are granted: without
    /// their schema where that is `public`.
    pub async fn read(endpoint: &Endpoint) -> Result<Self, Fault> {
        let deadline = Instant::now() + ASKING;
        let connection = endpoint.connect(deadline).await?;
        let reading = async {
            let columns =
                "SELECT table_schema::text, table_name::text, column_name::text FROM information_schema.columns";
            let sequences = "SELECT sequence_schema::text, sequence_name::text FROM information_schema.sequences";
            let client = &connection.client;
            let (mut tables, mut named) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeSet::new());
            for row in client.query_typed(columns, &[]).await? {
                tables.entry(granted(row.try_get(0)?, row.try_get(1)?)).or_default().insert(row.try_get(2)?);
            }
            for row in client.query_typed(sequences, &[]).await? {
                named.insert(granted(row.try_get(0)?, row.try_get(1)?));
            }
            Ok((tables, named))
        };
        let read = timeout_at(deadline.into(), reading).await.map_err(|_| failure::late())?;
        let (tables, sequences) =
            read.map_err(|error: tokio_postgres::Error| Fault::unavailable(failure::describe(&error)))?;
        Ok(Self { connection, tables, sequences })
    }

    /// The columns of a table, if it is there.
    pub fn columns(&self, table: &str) -> Option<&BTreeSet<String>> {
        self.tables.get(table)
    }

    /// Whether a sequence is there.
    pub fn has_sequence(&self, name: &str) -> bool {
        self.sequences.contains(name)
    }

    /// Whether the database could run a statement: what it names is there, and the types of its
    /// parameters and columns fit. It is not run. The inner error is the database's.
    pub async fn prepare(&self, sql: &str) -> Result<Result<(), SqlError>, Fault> {
        let preparing = self.connection.client.prepare(sql);
        match timeout_at((Instant::now() + ASKING).into(), preparing).await {
            Err(_) => Err(failure::late()),
            Ok(Ok(_)) => Ok(Ok(())),
            Ok(Err(error)) => {
                let fault = Failure::of_statement(Trouble::Driver(error)).fault;
                fault.sql_error().cloned().map(Err).ok_or(fault)
            }
        }
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("tables", &self.tables.keys()).finish_non_exhaustive()
    }
}

/// The name under which a table or a sequence is granted.
pub(crate) fn granted(schema: &str, name: &str) -> String {
    if schema == "public" { name.to_owned() } else { format!("{schema}.{name}") }
}
