use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use tenet_core::Outcome;
use tokio_postgres::{Error, RowStream, Statement};

use crate::connect::connection::{Connection, Text};
use crate::statements::columns::{Columns, Tally};
use crate::statements::failure::QueryError;
use crate::statements::flight::{Message, Pipelined};
use crate::statements::parameter::Encoded;

/// A statement in flight, and the description of its columns if that is not cached.
///
/// The driver gives a result's columns only with its rows. A statement that may return no rows is
/// therefore described in the same flight as its first run on a connection.
pub(crate) struct Query<'c> {
    connection: &'c Connection,
    rows: Message<'c, Result<RowStream, Error>>,
    description: Description<'c>,
    only_reads: bool,
}

enum Description<'c> {
    Unwanted,
    Known(Statement),
    Asked(Text, Message<'c, Result<Statement, Error>>),
}

impl<'c> Query<'c> {
    /// A statement whose columns are returned even without rows.
    pub(crate) fn described(connection: &'c Connection, statement: Encoded) -> Self {
        let description = if !may_give_rows(&statement.sql) {
            Description::Unwanted
        } else {
            match connection.described(&statement) {
                Ok(known) => Description::Known(known),
                Err(text) => {
                    let kinds: Vec<_> = statement.parameters.iter().map(|(_, kind)| kind.clone()).collect();
                    let sql = Arc::clone(&statement.sql);
                    let asked = async move { connection.client.prepare_typed(&sql, &kinds).await };
                    Description::Asked(text, Message::new(asked))
                }
            }
        };
        Self { description, ..Self::plain(connection, statement) }
    }

    /// A statement of the host's own, which knows its columns.
    pub(crate) fn plain(connection: &'c Connection, statement: Encoded) -> Self {
        let Encoded { sql, parameters, only_reads } = statement;
        let rows = Message::new(async move { connection.client.query_typed_raw(&sql, parameters).await });
        Self { connection, rows, description: Description::Unwanted, only_reads }
    }

    /// The messages to send for it, in order.
    pub(crate) fn messages(&mut self) -> impl Iterator<Item = &mut dyn Pipelined> + Send {
        let description = match &mut self.description {
            Description::Asked(_, message) => Some(message as &mut dyn Pipelined),
            Description::Unwanted | Description::Known(_) => None,
        };
        std::iter::once(&mut self.rows as &mut dyn Pipelined).chain(description)
    }

    /// Waits for the rows and reads them all.
    pub(crate) async fn outcome(self, tally: &mut Tally) -> Result<Outcome, QueryError> {
        let failed = |error| self.connection.query_error(error);
        let mut stream = pin!(self.rows.answer().await.map_err(failed)?);
        let mut columns = None;
        while let Some(row) = stream.next().await {
            let row = row.map_err(failed)?;
            let columns = match &mut columns {
                Some(columns) => columns,
                none => none.insert(Columns::new(row.columns()).map_err(QueryError::Unreadable)?),
            };
            columns.push(&row, tally)?;
        }
        let affected = stream.rows_affected().unwrap_or_default();
        let description = match self.description {
            Description::Unwanted => None,
            Description::Known(known) => Some(known),
            Description::Asked(text, message) => {
                let description = message.answer().await.map_err(failed)?;
                self.connection.remember(text, description.clone());
                Some(description)
            }
        };
        if columns.is_none()
            && let Some(description) = description
        {
            columns = Some(Columns::new(description.columns()).map_err(QueryError::Unreadable)?);
        }
        let written = if self.only_reads { 0 } else { affected };
        Ok(Outcome { rows: columns.map(Columns::finish).unwrap_or_default(), affected, written })
    }
}

/// Whether describing a statement is useful: a write without RETURNING returns no rows.
fn may_give_rows(sql: &str) -> bool {
    let first = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let writes = ["INSERT", "UPDATE", "DELETE"].iter().any(|verb| first.eq_ignore_ascii_case(verb));
    !writes || sql.to_ascii_uppercase().contains("RETURNING")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_writes_give_no_rows() {
        for sql in [
            "SELECT 1",
            "-- x\nINSERT INTO t VALUES (1)",
            "insert into t values (1) returning id",
            "WITH x AS (SELECT 1) SELECT 1",
        ] {
            assert!(may_give_rows(sql), "{sql}");
        }
        for sql in ["INSERT INTO t VALUES (1)", "\n update t SET a = 1", "DELETE FROM t"] {
            assert!(!may_give_rows(sql), "{sql}");
        }
    }
}
