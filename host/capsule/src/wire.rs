//! The core types as a capsule stores them: copies that serialize to JSON without rounding.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenet_core::{
    Decimal, Due, EventId, FollowUpId, Interval, Limit, LimitExceeded, OperationCall, SqlState, Timestamp, unhex,
};

use crate::CapsuleError;

/// A statement with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say themselves")]
pub struct Statement {
    pub sql: String,
    pub parameters: Vec<Value>,
}

/// A parameter: [`tenet_core::Value`], with strings where JSON is not exact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the variant of `tenet_core::Value` with the same name")]
pub enum Value {
    /// NULL of the type that the statement expects.
    Null,
    /// NULL of a type.
    NullOf(ValueType),
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    /// Rust's decimal form, which parses to the same number.
    Float8(String),
    Numeric(String),
    Text(String),
    /// Hexadecimal.
    Bytea(String),
    Uuid(String),
    Date(i32),
    Time(i64),
    Timestamp(i64),
    Timestamptz(i64),
    /// Months, days and microseconds.
    Interval(i32, i32, i64),
    Json(String),
}

/// The type of a NULL: [`tenet_core::ValueType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the variant of `Value` with the same name")]
pub enum ValueType {
    Bool,
    Int2,
    Int4,
    Int8,
    Float8,
    Numeric,
    Text,
    Bytea,
    Uuid,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Json,
}

/// What a statement did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `tenet_core::Outcome` and its rows")]
pub struct Outcome {
    pub columns: Vec<Column>,
    pub rows: u32,
    pub bytes: u64,
    pub affected: u64,
    pub written: u64,
}

/// A column of its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `tenet_core::Column`")]
pub struct Column {
    pub name: String,
    pub values: Values,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<u32>,
}

/// The values of a column, in the forms of [`Value`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the variant of `Value` with the same name")]
pub enum Values {
    Bool(Vec<bool>),
    Int2(Vec<i16>),
    Int4(Vec<i32>),
    Int8(Vec<i64>),
    Float8(Vec<String>),
    Numeric(Vec<String>),
    Text(Vec<String>),
    Bytea(Vec<String>),
    Uuid(Vec<String>),
    Date(Vec<i32>),
    Time(Vec<i64>),
    Timestamp(Vec<i64>),
    Timestamptz(Vec<i64>),
    Interval(Vec<(i32, i32, i64)>),
    Json(Vec<String>),
}

/// An error of a statement, as the rule received it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `tenet_core::SqlError`")]
pub struct SqlError {
    pub sqlstate: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
}

/// Why the database failed: [`tenet_core::Fault`], by its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "each variant is the constructor of `tenet_core::Fault` with the same name")]
pub enum RecordedFault {
    Conflict { sqlstate: Option<String>, message: String },
    UnknownCommit { message: String },
    Sql(SqlError),
    Limit { limit: String, allowed: Option<u64>, used: Option<u64> },
    Unavailable { sqlstate: Option<String>, shut: bool, message: String },
    Deadline { message: String },
    Other { sqlstate: Option<String>, message: String },
}

/// An event that a rule published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `tenet_core::Event`")]
pub struct Event {
    pub source: String,
    pub detail_type: String,
    pub detail: String,
}

/// What a rule asked for when it scheduled an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `tenet_core::Schedule`")]
pub struct Schedule {
    pub call: OperationCall,
    pub due: ScheduledDue,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_rejection: Option<OperationCall>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OperationCall>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// When it is due: [`tenet_core::Due`], in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the variants are those of `tenet_core::Due`")]
pub enum ScheduledDue {
    AtOnce,
    After(u64),
    At(i64),
}

/// A follow-up: [`tenet_core::FollowUp`], without its trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `tenet_core::FollowUp`")]
pub struct FollowUp {
    pub id: String,
    pub call: OperationCall,
    pub due: i64,
    pub caller: Option<String>,
    pub chain: String,
    pub parent: Option<String>,
    pub on_rejection: Option<OperationCall>,
    pub on_failure: Option<OperationCall>,
    pub label: Option<String>,
    pub region: String,
    pub failures: u32,
}

/// A rule's call of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `tenet_core::VaultCall` and its field")]
pub struct VaultCall {
    /// `seal` or `open`.
    pub verb: String,
    pub table: String,
    pub column: String,
    pub row_key: String,
    /// Hexadecimal.
    pub bytes: String,
}

/// The vault's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RecordedVault {
    /// The bytes, hexadecimal.
    Gave(String),
    /// A refusal.
    #[expect(missing_docs, reason = "the fields are those of `tenet_core::VaultError`")]
    Refused { code: String, message: String },
    /// None: the keys were unreachable, and the attempt ended.
    Nothing,
}

/// The answer that the key already had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `tenet_core::StoredAnswer`")]
pub struct Stored {
    pub accepted: bool,
    pub body: String,
    /// Hexadecimal.
    pub digest: String,
    pub now: i64,
}

impl From<&tenet_core::VaultCall> for VaultCall {
    fn from(call: &tenet_core::VaultCall) -> Self {
        let tenet_core::VaultField { table, column, row_key } = call.field.clone();
        Self { verb: call.verb.name().to_owned(), table, column, row_key, bytes: tenet_core::hex(&call.bytes) }
    }
}

impl RecordedVault {
    pub(crate) fn of<E>(told: &Result<tenet_core::Vaulted, E>) -> Self {
        match told {
            Ok(Ok(bytes)) => Self::Gave(tenet_core::hex(bytes)),
            Ok(Err(error)) => Self::Refused { code: error.refusal.code().to_owned(), message: error.message.clone() },
            Err(_) => Self::Nothing,
        }
    }

    /// Converts it back; none if there was no result.
    pub(crate) fn to_core(&self) -> Result<Option<tenet_core::Vaulted>, CapsuleError> {
        Ok(match self {
            Self::Gave(bytes) => {
                let bytes = unhex(bytes);
                Some(Ok(bytes.ok_or_else(|| CapsuleError::new("what the vault gave is not hexadecimal"))?))
            }
            Self::Refused { code, message } => {
                let refusal = tenet_core::VaultRefusal::of_code(code);
                let refusal =
                    refusal.ok_or_else(|| CapsuleError::new("the vault refused for a reason that is none"))?;
                Some(Err(tenet_core::VaultError { refusal, message: message.clone() }))
            }
            Self::Nothing => None,
        })
    }
}

/// Without any value: it is for people.
impl std::fmt::Display for VaultCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}.{}", self.verb, self.table, self.column)
    }
}

impl From<&tenet_core::Statement> for Statement {
    fn from(statement: &tenet_core::Statement) -> Self {
        Self {
            sql: statement.sql.as_ref().to_owned(),
            parameters: statement.parameters.iter().map(Value::from).collect(),
        }
    }
}

impl From<&tenet_core::Value> for Value {
    fn from(value: &tenet_core::Value) -> Self {
        match value {
            tenet_core::Value::Null(None) => Self::Null,
            tenet_core::Value::Null(Some(of)) => Self::NullOf((*of).into()),
            tenet_core::Value::Bool(value) => Self::Bool(*value),
            tenet_core::Value::Int2(value) => Self::Int2(*value),
            tenet_core::Value::Int4(value) => Self::Int4(*value),
            tenet_core::Value::Int8(value) => Self::Int8(*value),
            tenet_core::Value::Float8(value) => Self::Float8(value.to_string()),
            tenet_core::Value::Numeric(value) => Self::Numeric(value.as_str().to_owned()),
            tenet_core::Value::Text(value) => Self::Text(value.clone()),
            tenet_core::Value::Bytea(value) => Self::Bytea(tenet_core::hex(value)),
            tenet_core::Value::Uuid(value) => Self::Uuid(uuid(value)),
            tenet_core::Value::Date(value) => Self::Date(*value),
            tenet_core::Value::Time(value) => Self::Time(*value),
            tenet_core::Value::Timestamp(value) => Self::Timestamp(*value),
            tenet_core::Value::Timestamptz(value) => Self::Timestamptz(*value),
            tenet_core::Value::Interval(value) => Self::Interval(value.months, value.days, value.microseconds),
            tenet_core::Value::Json(value) => Self::Json(value.clone()),
        }
    }
}

impl From<tenet_core::ValueType> for ValueType {
    fn from(of: tenet_core::ValueType) -> Self {
        use tenet_core::ValueType as Theirs;
        match of {
            Theirs::Bool => Self::Bool,
            Theirs::Int2 => Self::Int2,
            Theirs::Int4 => Self::Int4,
            Theirs::Int8 => Self::Int8,
            Theirs::Float8 => Self::Float8,
            Theirs::Numeric => Self::Numeric,
            Theirs::Text => Self::Text,
            Theirs::Bytea => Self::Bytea,
            Theirs::Uuid => Self::Uuid,
            Theirs::Date => Self::Date,
            Theirs::Time => Self::Time,
            Theirs::Timestamp => Self::Timestamp,
            Theirs::Timestamptz => Self::Timestamptz,
            Theirs::Interval => Self::Interval,
            Theirs::Json => Self::Json,
        }
    }
}

impl From<&tenet_core::Outcome> for Outcome {
    fn from(outcome: &tenet_core::Outcome) -> Self {
        let tenet_core::Outcome { rows, affected, written } = outcome;
        let columns = rows.columns.iter().map(Column::from).collect();
        Self { columns, rows: rows.rows, bytes: rows.bytes, affected: *affected, written: *written }
    }
}

impl From<&tenet_core::Column> for Column {
    fn from(column: &tenet_core::Column) -> Self {
        use tenet_core::ColumnValues as Theirs;
        let values = match &column.values {
            Theirs::Bool(all) => Values::Bool(all.clone()),
            Theirs::Int2(all) => Values::Int2(all.clone()),
            Theirs::Int4(all) => Values::Int4(all.clone()),
            Theirs::Int8(all) => Values::Int8(all.clone()),
            Theirs::Float8(all) => Values::Float8(all.iter().map(ToString::to_string).collect()),
            Theirs::Numeric(all) => Values::Numeric(all.iter().map(|value| value.as_str().to_owned()).collect()),
            Theirs::Text(all) => Values::Text(all.clone()),
            Theirs::Bytea(all) => Values::Bytea(all.iter().map(|value| tenet_core::hex(value)).collect()),
            Theirs::Uuid(all) => Values::Uuid(all.iter().map(uuid).collect()),
            Theirs::Date(all) => Values::Date(all.clone()),
            Theirs::Time(all) => Values::Time(all.clone()),
            Theirs::Timestamp(all) => Values::Timestamp(all.clone()),
            Theirs::Timestamptz(all) => Values::Timestamptz(all.clone()),
            Theirs::Interval(all) => {
                Values::Interval(all.iter().map(|value| (value.months, value.days, value.microseconds)).collect())
            }
            Theirs::Json(all) => Values::Json(all.clone()),
        };
        Self { name: column.name.clone(), values, nulls: column.nulls.clone() }
    }
}

impl Outcome {
    pub(crate) fn to_core(&self) -> Result<tenet_core::Outcome, CapsuleError> {
        let columns = self.columns.iter().map(|column| column.to_core(self.rows)).collect::<Result<_, _>>()?;
        let rows = tenet_core::RowSet { columns, rows: self.rows, bytes: self.bytes };
        Ok(tenet_core::Outcome { rows, affected: self.affected, written: self.written })
    }

    /// The value of a column in a row, for people; none if it is NULL.
    pub fn text(&self, column: usize, row: u32) -> Option<String> {
        let column = self.columns.get(column)?;
        if column.nulls.contains(&row) {
            return None;
        }
        column.values.text(usize::try_from(row).ok()?)
    }
}

impl Column {
    fn to_core(&self, rows: u32) -> Result<tenet_core::Column, CapsuleError> {
        use tenet_core::ColumnValues as Theirs;
        let bad = || CapsuleError::new(format!("the column {} holds a value that is none of its type", self.name));
        fn all<T, U>(values: &[T], read: impl Fn(&T) -> Option<U>) -> Option<Vec<U>> {
            values.iter().map(read).collect()
        }
        let values = match &self.values {
            Values::Bool(all) => Theirs::Bool(all.clone()),
            Values::Int2(all) => Theirs::Int2(all.clone()),
            Values::Int4(all) => Theirs::Int4(all.clone()),
            Values::Int8(all) => Theirs::Int8(all.clone()),
            Values::Float8(texts) => Theirs::Float8(all(texts, |text| text.parse().ok()).ok_or_else(bad)?),
            Values::Numeric(texts) => {
                // The entry of a NULL row is a zero.
                Theirs::Numeric(all(texts, |text| Decimal::parse(text).ok()).ok_or_else(bad)?)
            }
            Values::Text(all) => Theirs::Text(all.clone()),
            Values::Bytea(texts) => Theirs::Bytea(all(texts, |text| unhex(text)).ok_or_else(bad)?),
            Values::Uuid(texts) => Theirs::Uuid(all(texts, |text| from_uuid(text)).ok_or_else(bad)?),
            Values::Date(all) => Theirs::Date(all.clone()),
            Values::Time(all) => Theirs::Time(all.clone()),
            Values::Timestamp(all) => Theirs::Timestamp(all.clone()),
            Values::Timestamptz(all) => Theirs::Timestamptz(all.clone()),
            Values::Interval(all) => Theirs::Interval(
                all.iter().map(|&(months, days, microseconds)| Interval { months, days, microseconds }).collect(),
            ),
            Values::Json(all) => Theirs::Json(all.clone()),
        };
        let is_whole = u32::try_from(self.values.len()).is_ok_and(|length| length == rows)
            && self.nulls.is_sorted()
            && self.nulls.iter().all(|null| *null < rows);
        if !is_whole {
            return Err(CapsuleError::new(format!("the column {} does not have {rows} rows", self.name)));
        }
        Ok(tenet_core::Column { name: self.name.clone(), values, nulls: self.nulls.clone() })
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Bool(all) => all.len(),
            Self::Int2(all) => all.len(),
            Self::Int4(all) | Self::Date(all) => all.len(),
            Self::Int8(all) | Self::Time(all) | Self::Timestamp(all) | Self::Timestamptz(all) => all.len(),
            Self::Float8(all)
            | Self::Numeric(all)
            | Self::Text(all)
            | Self::Bytea(all)
            | Self::Uuid(all)
            | Self::Json(all) => all.len(),
            Self::Interval(all) => all.len(),
        }
    }

    fn text(&self, row: usize) -> Option<String> {
        let text = match self {
            Self::Bool(all) => all.get(row)?.to_string(),
            Self::Int2(all) => all.get(row)?.to_string(),
            Self::Int4(all) => all.get(row)?.to_string(),
            Self::Int8(all) => all.get(row)?.to_string(),
            Self::Date(all) => date(*all.get(row)?),
            Self::Time(all) => time(*all.get(row)?),
            Self::Timestamp(all) => moment(*all.get(row)?),
            Self::Timestamptz(all) => moment(*all.get(row)?) + "Z",
            Self::Float8(all) | Self::Numeric(all) | Self::Bytea(all) | Self::Uuid(all) | Self::Json(all) => {
                all.get(row)?.clone()
            }
            Self::Text(all) => format!("{:?}", all.get(row)?),
            Self::Interval(all) => format!("{:?}", all.get(row)?),
        };
        Some(text)
    }

    /// An empty list of values of the same type.
    pub(crate) fn none(&self) -> Self {
        match self {
            Self::Bool(_) => Self::Bool(Vec::new()),
            Self::Int2(_) => Self::Int2(Vec::new()),
            Self::Int4(_) => Self::Int4(Vec::new()),
            Self::Int8(_) => Self::Int8(Vec::new()),
            Self::Float8(_) => Self::Float8(Vec::new()),
            Self::Numeric(_) => Self::Numeric(Vec::new()),
            Self::Text(_) => Self::Text(Vec::new()),
            Self::Bytea(_) => Self::Bytea(Vec::new()),
            Self::Uuid(_) => Self::Uuid(Vec::new()),
            Self::Date(_) => Self::Date(Vec::new()),
            Self::Time(_) => Self::Time(Vec::new()),
            Self::Timestamp(_) => Self::Timestamp(Vec::new()),
            Self::Timestamptz(_) => Self::Timestamptz(Vec::new()),
            Self::Interval(_) => Self::Interval(Vec::new()),
            Self::Json(_) => Self::Json(Vec::new()),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::NullOf(of) => write!(f, "NULL::{}", format!("{of:?}").to_lowercase()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int2(value) => write!(f, "{value}"),
            Self::Int4(value) => write!(f, "{value}"),
            Self::Int8(value) => write!(f, "{value}"),
            Self::Date(days) => f.write_str(&date(*days)),
            Self::Time(micros) => f.write_str(&time(*micros)),
            Self::Timestamp(micros) => f.write_str(&moment(*micros)),
            Self::Timestamptz(micros) => write!(f, "{}Z", moment(*micros)),
            Self::Float8(value) | Self::Numeric(value) | Self::Bytea(value) | Self::Uuid(value) | Self::Json(value) => {
                f.write_str(value)
            }
            Self::Text(value) => write!(f, "{value:?}"),
            Self::Interval(months, days, microseconds) => write!(f, "{months} mon {days} d {microseconds} us"),
        }
    }
}

impl From<&tenet_core::SqlError> for SqlError {
    fn from(error: &tenet_core::SqlError) -> Self {
        let tenet_core::SqlError { sqlstate, message, constraint, table, column, details } = error.clone();
        Self { sqlstate: sqlstate.to_string(), message, constraint, table, column, details }
    }
}

impl SqlError {
    pub(crate) fn to_core(&self) -> Result<tenet_core::SqlError, CapsuleError> {
        let Self { sqlstate, message, constraint, table, column, details } = self.clone();
        Ok(tenet_core::SqlError { sqlstate: state(&sqlstate)?, message, constraint, table, column, details })
    }
}

impl From<&tenet_core::Fault> for RecordedFault {
    fn from(fault: &tenet_core::Fault) -> Self {
        let sqlstate = fault.sqlstate().map(|sqlstate| sqlstate.to_string());
        let message = fault.message();
        if let Some(error) = fault.sql_error() {
            Self::Sql(error.into())
        } else if let Some(LimitExceeded { limit, allowed, used }) = fault.limit_exceeded().copied() {
            Self::Limit { limit: limit.name().to_owned(), allowed, used }
        } else if fault.is_conflict() {
            Self::Conflict { sqlstate, message }
        } else if fault.commit_unknown() {
            Self::UnknownCommit { message }
        } else if fault.is_unavailable() {
            Self::Unavailable { sqlstate, shut: fault.is_shut(), message }
        } else if fault.is_deadline() {
            Self::Deadline { message }
        } else {
            Self::Other { sqlstate, message }
        }
    }
}

impl RecordedFault {
    pub(crate) fn to_core(&self) -> Result<tenet_core::Fault, CapsuleError> {
        let optional = |sqlstate: &Option<String>| sqlstate.as_deref().map(state).transpose();
        Ok(match self {
            Self::Conflict { sqlstate, message } => tenet_core::Fault::conflict(optional(sqlstate)?, message),
            Self::UnknownCommit { message } => tenet_core::Fault::unknown_commit(message),
            Self::Sql(error) => tenet_core::Fault::sql(error.to_core()?),
            Self::Limit { limit, allowed, used } => {
                let named = Limit::named(limit);
                let limit = named.ok_or_else(|| CapsuleError::new(format!("there is no limit {limit}")))?;
                tenet_core::Fault::limit(LimitExceeded { limit, allowed: *allowed, used: *used })
            }
            Self::Unavailable { shut: true, message, .. } => tenet_core::Fault::shut(Duration::ZERO, message),
            Self::Unavailable { sqlstate: Some(sqlstate), message, .. } => {
                tenet_core::Fault::refused(state(sqlstate)?, message)
            }
            Self::Unavailable { message, .. } => tenet_core::Fault::unavailable(message),
            Self::Deadline { message } => tenet_core::Fault::deadline(message),
            Self::Other { sqlstate, message } => tenet_core::Fault::other(optional(sqlstate)?, message),
        })
    }
}

impl From<&tenet_core::Event> for Event {
    fn from(event: &tenet_core::Event) -> Self {
        let tenet_core::Event { source, detail_type, detail } = event.clone();
        Self { source, detail_type, detail }
    }
}

impl From<&tenet_core::Schedule> for Schedule {
    fn from(schedule: &tenet_core::Schedule) -> Self {
        let tenet_core::Schedule { call, due, on_rejection, on_failure, label } = schedule.clone();
        let due = match due {
            Due::AtOnce => ScheduledDue::AtOnce,
            Due::After(span) => ScheduledDue::After(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
            Due::At(moment) => ScheduledDue::At(moment.micros()),
        };
        Self { call, due, on_rejection, on_failure, label }
    }
}

/// The call, what follows its ends, and when: `release {"id":1} after 60000000 us`.
impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { call, due, on_rejection, on_failure, label } = self;
        write!(f, "{} {}", call.operation, call.payload)?;
        match due {
            ScheduledDue::AtOnce => {}
            ScheduledDue::After(micros) => write!(f, " after {micros} us")?,
            ScheduledDue::At(micros) => write!(f, " at {}Z", moment(*micros))?,
        }
        for (when, call) in [("on rejection", on_rejection), ("on failure", on_failure)] {
            if let Some(OperationCall { operation, payload }) = call {
                write!(f, ", {when} {operation} {payload}")?;
            }
        }
        label.as_ref().map_or(Ok(()), |label| write!(f, " ({label})"))
    }
}

impl From<&tenet_core::FollowUp> for FollowUp {
    fn from(follow_up: &tenet_core::FollowUp) -> Self {
        let tenet_core::FollowUp {
            id,
            call,
            due,
            caller,
            chain,
            parent,
            on_rejection,
            on_failure,
            label,
            region,
            trace: _,
            failures,
        } = follow_up.clone();
        let (id, chain, parent) = (id.to_string(), chain.to_string(), parent.map(|parent| parent.to_string()));
        let due = due.micros();
        Self { id, call, due, caller, chain, parent, on_rejection, on_failure, label, region, failures }
    }
}

impl FollowUp {
    pub(crate) fn to_core(&self) -> Result<tenet_core::FollowUp, CapsuleError> {
        let id = |text: &String| {
            FollowUpId::parse(text)
                .ok_or_else(|| CapsuleError::new("the capsule has an id of a follow-up that is none"))
        };
        let Self { call, caller, on_rejection, on_failure, label, region, failures, .. } = self.clone();
        Ok(tenet_core::FollowUp {
            id: id(&self.id)?,
            call,
            due: Timestamp(self.due),
            caller,
            chain: id(&self.chain)?,
            parent: self.parent.as_ref().map(id).transpose()?,
            on_rejection,
            on_failure,
            label,
            region,
            trace: None,
            failures,
        })
    }
}

impl From<&tenet_core::StoredAnswer> for Stored {
    fn from(stored: &tenet_core::StoredAnswer) -> Self {
        let tenet_core::StoredAnswer { accepted, body, digest, now } = stored;
        let digest = tenet_core::hex(digest.as_bytes());
        Self { accepted: *accepted, body: body.clone(), digest, now: now.micros() }
    }
}

impl Stored {
    pub(crate) fn to_core(&self) -> Result<tenet_core::StoredAnswer, CapsuleError> {
        let digest = unhex(&self.digest).and_then(|bytes| bytes.try_into().ok());
        let digest = digest.ok_or_else(|| CapsuleError::new("a digest has 64 hexadecimal digits"))?;
        Ok(tenet_core::StoredAnswer {
            accepted: self.accepted,
            body: self.body.clone(),
            digest: tenet_core::Digest::from_bytes(digest),
            now: tenet_core::Timestamp(self.now),
        })
    }
}

/// The largest and smallest values are SQL's infinities.
fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        days => tenet_core::date_text(i64::from(days)),
    }
}

fn moment(micros: i64) -> String {
    match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        micros => tenet_core::moment_text(micros),
    }
}

fn time(micros: i64) -> String {
    let text = tenet_core::moment_text(micros);
    text.split_once('T').map(|(_, time)| time.to_owned()).unwrap_or(text)
}

fn state(text: &str) -> Result<SqlState, CapsuleError> {
    SqlState::new(text).ok_or_else(|| CapsuleError::new(format!("{text:?} is no SQLSTATE")))
}

/// With hyphens, as in the contract. Event ids are UUIDs too.
fn uuid(bytes: &[u8; 16]) -> String {
    EventId::from_bytes(*bytes).to_string()
}

fn from_uuid(text: &str) -> Option<[u8; 16]> {
    EventId::parse(text).map(|id| *id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: tenet_core::ColumnValues, nulls: &[u32]) -> tenet_core::Column {
        tenet_core::Column { name: "c".into(), values, nulls: nulls.to_vec() }
    }

    #[test]
    fn rows_come_back_as_they_were() {
        use tenet_core::ColumnValues as Of;
        let numeric = |text| Decimal::parse(text).unwrap();
        let columns = vec![
            column(Of::Bool(vec![true, false]), &[]),
            column(Of::Int2(vec![i16::MIN, 0]), &[1]),
            column(Of::Int4(vec![i32::MIN, 7]), &[]),
            column(Of::Int8(vec![i64::MIN, i64::MAX]), &[]),
            column(Of::Float8(vec![0.1 + 0.2, f64::NEG_INFINITY]), &[]),
            column(Of::Numeric(vec![numeric("100.50"), numeric("0")]), &[1]),
            column(Of::Text(vec!["\u{0}\"ü".into(), String::new()]), &[]),
            column(Of::Bytea(vec![vec![0, 255], vec![]]), &[]),
            column(Of::Uuid(vec![[7; 16], [0; 16]]), &[1]),
            column(Of::Date(vec![i32::MAX, -1]), &[]),
            column(Of::Time(vec![1, 2]), &[]),
            column(Of::Timestamp(vec![1, 2]), &[]),
            column(Of::Timestamptz(vec![1, 2]), &[]),
            column(Of::Interval(vec![Interval { months: 1, days: -2, microseconds: 3 }; 2]), &[]),
            column(Of::Json(vec!["{\"a\":100.50}".into(), "null".into()]), &[]),
        ];
        let outcome =
            tenet_core::Outcome { rows: tenet_core::RowSet { columns, rows: 2, bytes: 99 }, affected: 2, written: 1 };
        let text = serde_json::to_string(&Outcome::from(&outcome)).unwrap();
        let back: Outcome = serde_json::from_str(&text).unwrap();
        assert_eq!(back.to_core().unwrap(), outcome);
        assert_eq!(back.text(5, 0).as_deref(), Some("100.50"));
        assert_eq!(back.text(5, 1), None);
    }

    #[test]
    fn a_column_that_lacks_rows_is_refused() {
        let rows = |text: &str| serde_json::from_str::<Outcome>(text).unwrap().to_core();
        let of =
            |values: &str| format!("{{\"columns\":[{values}],\"rows\":1,\"bytes\":0,\"affected\":1,\"written\":0}}");
        assert!(rows(&of("{\"name\":\"a\",\"values\":{\"int4\":[1]}}")).is_ok());
        for bad in [
            "{\"name\":\"a\",\"values\":{\"int4\":[1,2]}}",
            "{\"name\":\"a\",\"values\":{\"int4\":[1]},\"nulls\":[1]}",
            "{\"name\":\"a\",\"values\":{\"uuid\":[\"no\"]}}",
            "{\"name\":\"a\",\"values\":{\"numeric\":[\"NaN\"]}}",
        ] {
            assert!(rows(&of(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn faults_mean_the_same_when_they_come_back() {
        let sqlstate = SqlState::SERIALIZATION_FAILURE;
        let exceeded = LimitExceeded { limit: Limit::Stack, allowed: None, used: Some(7) };
        for fault in [
            tenet_core::Fault::conflict(Some(sqlstate), "again"),
            tenet_core::Fault::conflict(None, "again"),
            tenet_core::Fault::unknown_commit("lost"),
            tenet_core::Fault::sql(tenet_core::SqlError::new(SqlState::UNIQUE_VIOLATION, "twice")),
            tenet_core::Fault::limit(exceeded),
            tenet_core::Fault::unavailable("gone"),
            tenet_core::Fault::refused(sqlstate, "later"),
            tenet_core::Fault::shut(Duration::ZERO, "open"),
            tenet_core::Fault::deadline("late"),
            tenet_core::Fault::other(Some(sqlstate), "odd"),
        ] {
            let text = serde_json::to_string(&RecordedFault::from(&fault)).unwrap();
            let back = serde_json::from_str::<RecordedFault>(&text).unwrap().to_core().unwrap();
            assert_eq!(format!("{back:?}"), format!("{fault:?}"));
        }
    }
}
