//! One of the two databases that are compared.

use std::fmt;

use anyhow::Context as _;
use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// A connection to one of them.
pub struct Side {
    client: Client,
}

/// The result of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded.
    Rows {
        /// The types of its parameters, by their numbers.
        parameters: Vec<u32>,
        /// The names and types of its columns.
        columns: Vec<(String, u32)>,
        /// The rows, as they are sent in binary.
        rows: Vec<Vec<Option<Vec<u8>>>>,
        /// The number of its command tag.
        affected: u64,
    },
    /// It failed.
    Error {
        /// The code.
        sqlstate: String,
        /// The message, which is shown but need not be equal.
        message: String,
        /// The detail, the hint, and the schema, the table, the column and the constraint that it is about.
        about: Vec<Option<String>>,
    },
}

/// A value as it was received.
struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A parameter as it is sent.
#[derive(Clone, Debug)]
pub struct Parameter(pub Option<Vec<u8>>);

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match &self.0 {
            Some(bytes) => {
                out.extend_from_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

impl Side {
    /// The database behind a connection.
    pub(crate) fn of(client: Client) -> Self {
        Self { client }
    }

    /// Connects to a PostgreSQL.
    pub async fn postgres(config: &Config) -> anyhow::Result<Self> {
        let (client, connection) = config.connect(NoTls).await.context("PostgreSQL cannot be reached")?;
        tokio::spawn(connection);
        Ok(Self { client })
    }

    /// Runs a statement without parameters, by the simple protocol. Returns the SQLSTATE of its
    /// error, and its message.
    pub async fn command(&self, sql: &str) -> Result<usize, (String, String)> {
        let messages = self.client.simple_query(sql).await.map_err(|error| shown(&error))?;
        Ok(messages.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count())
    }

    /// Prepares a statement and runs it.
    pub async fn run(&self, sql: &str, parameters: &[Parameter]) -> Outcome {
        match self.rows(sql, parameters).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let (sqlstate, message) = shown(&error);
                let about = error.as_db_error().map_or_else(Vec::new, |error| {
                    let fields = [error.detail(), error.hint(), error.schema(), error.table(), error.column()];
                    fields.into_iter().chain([error.constraint()]).map(|field| field.map(str::to_owned)).collect()
                });
                Outcome::Error { sqlstate, message, about }
            }
        }
    }

    async fn rows(&self, sql: &str, parameters: &[Parameter]) -> Result<Outcome, tokio_postgres::Error> {
        let statement = self.client.prepare(sql).await?;
        let given: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|one| one as &(dyn ToSql + Sync)).collect();
        if statement.columns().is_empty() {
            let affected = self.client.execute(&statement, &given).await?;
            let parameters = statement.params().iter().map(Type::oid).collect();
            return Ok(Outcome::Rows { parameters, columns: Vec::new(), rows: Vec::new(), affected });
        }
        let found = self.client.query(&statement, &given).await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            let values = (0..row.len()).map(|at| row.try_get::<_, Raw>(at).map(|raw| raw.0));
            rows.push(values.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Outcome::Rows {
            parameters: statement.params().iter().map(Type::oid).collect(),
            columns: statement
                .columns()
                .iter()
                .map(|column| (column.name().to_owned(), column.type_().oid()))
                .collect(),
            affected: found.len() as u64,
            rows,
        })
    }
}

fn shown(error: &tokio_postgres::Error) -> (String, String) {
    match error.as_db_error() {
        Some(error) => (error.code().code().to_owned(), error.message().to_owned()),
        None => ("lost".to_owned(), format!("{error:?}")),
    }
}

impl Outcome {
    /// The same outcome without the digits after the point that its numbers are shown with. Where
    /// one of several equal numbers is chosen, either may be.
    pub(crate) fn without_scales(mut self) -> Self {
        if let Self::Rows { columns, rows, .. } = &mut self {
            for row in rows {
                for ((_, kind), value) in columns.iter().zip(row) {
                    // Digits, weight and sign have two bytes each, and so has the scale after them.
                    if *kind == Type::NUMERIC.oid()
                        && let Some(scale) = value.as_mut().and_then(|bytes| bytes.get_mut(6..8))
                    {
                        scale.fill(0);
                    }
                    if *kind == Type::JSONB.oid() {
                        *value = value.take().map(|json| plain_numbers(&json));
                    }
                }
            }
        }
        self
    }

    /// Whether both are the same. The order of rows counts only if the statement has one.
    pub fn agrees(&self, other: &Self, ordered: bool) -> bool {
        match (self, other) {
            (Self::Error { sqlstate: left, .. }, Self::Error { sqlstate: right, .. }) => left == right,
            (
                Self::Rows { parameters, columns, rows, affected },
                Self::Rows {
                    parameters: other_parameters,
                    columns: other_columns,
                    rows: other_rows,
                    affected: other_affected,
                },
            ) => {
                let sorted = |rows: &[Vec<Option<Vec<u8>>>]| {
                    let mut rows = rows.to_vec();
                    if !ordered {
                        rows.sort();
                    }
                    rows
                };
                parameters == other_parameters
                    && columns == other_columns
                    && affected == other_affected
                    && sorted(rows) == sorted(other_rows)
            }
            _ => false,
        }
    }

    /// Whether both are the same, the words of errors included.
    pub fn agrees_in_words(&self, other: &Self, ordered: bool) -> bool {
        match (self, other) {
            (Self::Error { .. }, Self::Error { .. }) => self == other,
            _ => self.agrees(other, ordered),
        }
    }

    /// Whether the model refused what it does not know.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Error { sqlstate, message, .. } if sqlstate == "0A000" && message.contains("this model"))
    }

    /// Whether it is an error with this code.
    pub fn is_sqlstate(&self, code: &str) -> bool {
        matches!(self, Self::Error { sqlstate, .. } if sqlstate == code)
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error { .. })
    }
}

/// JSON with its numbers without the zeros at the end of their fractions.
fn plain_numbers(json: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(json.len());
    let (mut in_string, mut is_escaped) = (false, false);
    // Where the fraction of a number begins.
    let mut fraction = None;
    for byte in json.iter().copied() {
        if let Some(start) = fraction
            && !byte.is_ascii_digit()
        {
            let kept = plain.iter().rposition(|kept| *kept != b'0').unwrap_or(start);
            plain.truncate(if kept == start { start } else { kept + 1 });
            fraction = None;
        }
        match byte {
            b'"' if !is_escaped => in_string = !in_string,
            b'.' if !in_string => fraction = Some(plain.len()),
            _ => {}
        }
        is_escaped = in_string && byte == b'\\' && !is_escaped;
        plain.push(byte);
    }
    if let Some(start) = fraction {
        let kept = plain.iter().rposition(|kept| *kept != b'0').unwrap_or(start);
        plain.truncate(if kept == start { start } else { kept + 1 });
    }
    plain
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { sqlstate, message, about } => {
                write!(f, "{sqlstate} {message}")?;
                about.iter().flatten().try_for_each(|field| write!(f, "; {field}"))
            }
            Self::Rows { parameters, columns, rows, affected } => {
                write!(f, "{affected} rows, parameters {parameters:?}, columns {columns:?}")?;
                for row in rows.iter().take(12) {
                    let values: Vec<_> = row
                        .iter()
                        .map(|value| match value {
                            None => "NULL".to_owned(),
                            Some(bytes) => match std::str::from_utf8(bytes) {
                                Ok(text) if text.chars().all(|c| !c.is_control()) => format!("{text:?}"),
                                _ => format!("{bytes:02x?}"),
                            },
                        })
                        .collect();
                    write!(f, "\n    {}", values.join(" | "))?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_json_lose_the_zeros_that_say_nothing() {
        for (json, plain) in [
            (r#"[true, 1.50000000]"#, "[true, 1.5]"),
            (r#"{"a.00": 2.00, "b": "3.00\"4.00"}"#, r#"{"a.00": 2, "b": "3.00\"4.00"}"#),
            ("1.10", "1.1"),
            ("100", "100"),
            ("-0.00", "-0"),
        ] {
            assert_eq!(String::from_utf8(plain_numbers(json.as_bytes())).unwrap(), plain);
        }
    }
}
