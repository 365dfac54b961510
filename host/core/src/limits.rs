use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::SqlState;

/// The limits of one call of one rule. A manifest sets those that differ from the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Milliseconds from the start of the call to its end, without waiting for the host.
    pub wall_ms: u64,
    /// Milliseconds of processor time: the guest's own, and the host's on its behalf.
    pub cpu_ms: u64,
    /// Milliseconds of waiting for the database's answers to the call's statements, in one attempt.
    pub database_ms: u64,
    /// Bytes of linear memory, over all memories.
    pub memory_bytes: u64,
    /// Entries of tables, over all tables.
    pub table_elements: u64,
    /// SQL statements.
    pub statements: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Bytes of values read, each of which counts at least 8.
    pub bytes_read: u64,
    /// Bytes of statements and their parameters sent.
    pub bytes_sent: u64,
    /// Rows inserted, updated and deleted.
    pub rows_written: u64,
    /// Bytes of the statements that wrote, and their parameters.
    pub bytes_written: u64,
    /// Events published.
    pub events: u64,
    /// Bytes of one event: source, detail-type and detail.
    pub event_bytes: u64,
    /// Operations scheduled.
    pub follow_ups: u64,
    /// Bytes of one of them: the operations, their payloads and the label.
    pub follow_up_bytes: u64,
    /// Lines logged.
    pub log_lines: u64,
    /// Bytes logged.
    pub log_bytes: u64,
    /// Bytes of the output, or of a rejection.
    pub output_bytes: u64,
    /// Calls of imported functions, of any kind.
    pub host_calls: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms: 10_000,
            cpu_ms: 250,
            // As long as a hundred statements take, the default of `statements`, if each takes a tenth of a second.
            database_ms: 10_000,
            memory_bytes: 64 << 20,
            table_elements: 20_000,
            statements: 100,
            rows_read: 10_000,
            bytes_read: 4 << 20,
            bytes_sent: 4 << 20,
            rows_written: 1_000,
            bytes_written: 4 << 20,
            events: 100,
            // EventBridge accepts less than 1 MB in one call of PutEvents
            // (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html);
            // the envelope and the host's own member need room.
            event_bytes: 200 << 10,
            follow_ups: 20,
            follow_up_bytes: 200 << 10,
            log_lines: 200,
            log_bytes: 64 << 10,
            // A stored answer is one column, and DSQL's columns end at 1 MiB
            // (https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html).
            output_bytes: 512 << 10,
            host_calls: 10_000,
        }
    }
}

impl Limits {
    /// The largest answer, event and follow-up that a host stores, in bytes, whatever the ceilings are: the host
    /// has to read back what it has stored, and reads no more than this at once. Lambda returns no answer of more
    /// than 6 MB (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
    pub const MOST_STORED: u64 = 6 << 20;

    /// Whether these can be ceilings; otherwise which of them is above [`Self::MOST_STORED`].
    pub fn check_ceilings(&self) -> Result<(), LimitExceeded> {
        let stored = [
            (Limit::OutputBytes, self.output_bytes),
            (Limit::EventBytes, self.event_bytes),
            (Limit::FollowUpBytes, self.follow_up_bytes),
        ];
        stored.into_iter().try_for_each(|(limit, ceiling)| limit.check(Self::MOST_STORED, ceiling))
    }

    /// The upper bounds on any rule's limits if `[ceilings]` in `tenet.toml` sets nothing else.
    pub fn ceilings() -> Self {
        Self {
            // A DSQL transaction ends after 300 seconds, by the page that `Limit::MOST_ROWS` names.
            wall_ms: 60_000,
            cpu_ms: 10_000,
            database_ms: 60_000,
            memory_bytes: 512 << 20,
            table_elements: 100_000,
            statements: 3_000,
            rows_read: 100_000,
            bytes_read: 64 << 20,
            bytes_sent: 16 << 20,
            rows_written: Limit::MOST_ROWS,
            bytes_written: Limit::MOST_BYTES,
            events: 1_000,
            event_bytes: 200 << 10,
            follow_ups: 500,
            // A payload is one column: see `output_bytes`.
            follow_up_bytes: 900 << 10,
            log_lines: 10_000,
            log_bytes: 1 << 20,
            output_bytes: 900 << 10,
            host_calls: 1_000_000,
        }
    }

    /// Each limit with its value, in the order of a manifest.
    pub fn each(&self) -> [(Limit, u64); 19] {
        [
            (Limit::Wall, self.wall_ms),
            (Limit::Cpu, self.cpu_ms),
            (Limit::Database, self.database_ms),
            (Limit::Memory, self.memory_bytes),
            (Limit::TableElements, self.table_elements),
            (Limit::Statements, self.statements),
            (Limit::RowsRead, self.rows_read),
            (Limit::BytesRead, self.bytes_read),
            (Limit::BytesSent, self.bytes_sent),
            (Limit::RowsWritten, self.rows_written),
            (Limit::BytesWritten, self.bytes_written),
            (Limit::Events, self.events),
            (Limit::EventBytes, self.event_bytes),
            (Limit::FollowUps, self.follow_ups),
            (Limit::FollowUpBytes, self.follow_up_bytes),
            (Limit::LogLines, self.log_lines),
            (Limit::LogBytes, self.log_bytes),
            (Limit::OutputBytes, self.output_bytes),
            (Limit::HostCalls, self.host_calls),
        ]
    }

    /// Sets the limit of this name. Returns false if there is none.
    pub fn set(&mut self, name: &str, value: u64) -> bool {
        let place = match name {
            "wall_ms" => &mut self.wall_ms,
            "cpu_ms" => &mut self.cpu_ms,
            "database_ms" => &mut self.database_ms,
            "memory_bytes" => &mut self.memory_bytes,
            "table_elements" => &mut self.table_elements,
            "statements" => &mut self.statements,
            "rows_read" => &mut self.rows_read,
            "bytes_read" => &mut self.bytes_read,
            "bytes_sent" => &mut self.bytes_sent,
            "rows_written" => &mut self.rows_written,
            "bytes_written" => &mut self.bytes_written,
            "events" => &mut self.events,
            "event_bytes" => &mut self.event_bytes,
            "follow_ups" => &mut self.follow_ups,
            "follow_up_bytes" => &mut self.follow_up_bytes,
            "log_lines" => &mut self.log_lines,
            "log_bytes" => &mut self.log_bytes,
            "output_bytes" => &mut self.output_bytes,
            "host_calls" => &mut self.host_calls,
            _ => return false,
        };
        *place = value;
        true
    }

    /// The limits that exceed those of `most`, each with the allowed value.
    pub fn above(&self, most: &Self) -> Vec<LimitExceeded> {
        let pairs = self.each().into_iter().zip(most.each());
        pairs.filter_map(|((limit, used), (_, allowed))| limit.check(allowed, used).err()).collect()
    }

    /// The wall time as a duration.
    pub fn wall(&self) -> Duration {
        Duration::from_millis(self.wall_ms)
    }

    /// The time for the database's answers as a duration.
    pub fn database(&self) -> Duration {
        Duration::from_millis(self.database_ms)
    }

    /// The processor time as a duration.
    pub fn cpu(&self) -> Duration {
        Duration::from_millis(self.cpu_ms)
    }
}

/// The name of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the field of `Limits` with the same name, or says itself")]
pub enum Limit {
    Wall,
    Cpu,
    Database,
    Memory,
    TableElements,
    Statements,
    RowsRead,
    BytesRead,
    BytesSent,
    RowsWritten,
    BytesWritten,
    Events,
    EventBytes,
    FollowUps,
    FollowUpBytes,
    LogLines,
    LogBytes,
    OutputBytes,
    HostCalls,
    /// The guest's call stack.
    Stack,
    /// The time until the database's answer to a statement: `statement_ms` of the host's settings.
    StatementTime,
    /// DSQL's limit on the rows that a transaction writes: [`Limit::MOST_ROWS`].
    TransactionRows,
    /// DSQL's limit on the bytes that it writes: [`Limit::MOST_BYTES`].
    TransactionBytes,
    /// DSQL's limit on its age, 300 seconds.
    TransactionAge,
    /// One of those three; the database does not say which.
    Transaction,
    /// The database's own limit on the memory of a query.
    QueryMemory,
    /// One of the database's own limits on what a statement is made of: its depth, its arguments, its columns.
    Statement,
}

/// An exceeded limit, with the allowed and the used amount in the limit's unit. The database's own
/// limits come without amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say themselves")]
pub struct LimitExceeded {
    pub limit: Limit,
    pub allowed: Option<u64>,
    pub used: Option<u64>,
}

impl Limit {
    /// All of them.
    const ALL: [Self; 27] = [
        Self::Wall,
        Self::Cpu,
        Self::Database,
        Self::Memory,
        Self::TableElements,
        Self::Statements,
        Self::RowsRead,
        Self::BytesRead,
        Self::BytesSent,
        Self::RowsWritten,
        Self::BytesWritten,
        Self::Events,
        Self::EventBytes,
        Self::FollowUps,
        Self::FollowUpBytes,
        Self::LogLines,
        Self::LogBytes,
        Self::OutputBytes,
        Self::HostCalls,
        Self::Stack,
        Self::StatementTime,
        Self::TransactionRows,
        Self::TransactionBytes,
        Self::TransactionAge,
        Self::Transaction,
        Self::QueryMemory,
        Self::Statement,
    ];

    /// The limit of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name() == name)
    }

    /// The name as it is written in a manifest and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall_ms",
            Self::Cpu => "cpu_ms",
            Self::Database => "database_ms",
            Self::Memory => "memory_bytes",
            Self::TableElements => "table_elements",
            Self::Statements => "statements",
            Self::RowsRead => "rows_read",
            Self::BytesRead => "bytes_read",
            Self::BytesSent => "bytes_sent",
            Self::RowsWritten => "rows_written",
            Self::BytesWritten => "bytes_written",
            Self::Events => "events",
            Self::EventBytes => "event_bytes",
            Self::FollowUps => "follow_ups",
            Self::FollowUpBytes => "follow_up_bytes",
            Self::LogLines => "log_lines",
            Self::LogBytes => "log_bytes",
            Self::OutputBytes => "output_bytes",
            Self::HostCalls => "host_calls",
            Self::Stack => "stack",
            Self::StatementTime => "statement_ms",
            Self::TransactionRows => "transaction_rows",
            Self::TransactionBytes => "transaction_bytes",
            Self::TransactionAge => "transaction_age",
            Self::Transaction => "transaction",
            Self::QueryMemory => "query_memory",
            Self::Statement => "statement",
        }
    }

    /// The most rows that one transaction inserts, updates and deletes
    /// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>).
    pub const MOST_ROWS: u64 = 3_000;

    /// The most bytes that one transaction changes, by the same page.
    pub const MOST_BYTES: u64 = 10 << 20;

    /// The database's own limit behind an error: 54000 for rows, bytes and age of a transaction,
    /// 53200 for a query's memory
    /// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>). Only the message says
    /// which of the three was exceeded: `transaction age limit of 300s exceeded`. All others of class 54
    /// are about the statement (<https://www.postgresql.org/docs/16/errcodes-appendix.html>), 54000 without
    /// a transaction in its message too: `number of array dimensions (7) exceeds the maximum allowed (6)`.
    pub fn of_error(sqlstate: SqlState, message: &str) -> Option<Self> {
        let says = |word: &str| message.split(|c: char| !c.is_alphabetic()).any(|part| part.eq_ignore_ascii_case(word));
        match sqlstate.as_str() {
            "53200" => Some(Self::QueryMemory),
            "54000" if !says("transaction") => Some(Self::Statement),
            "54000" if says("age") => Some(Self::TransactionAge),
            "54000" if says("row") || says("rows") => Some(Self::TransactionRows),
            "54000" if says("size") || says("bytes") => Some(Self::TransactionBytes),
            "54000" => Some(Self::Transaction),
            _ if sqlstate.class() == "54" => Some(Self::Statement),
            _ => None,
        }
    }

    /// Returns an error if `used` exceeds `allowed`.
    pub fn check(self, allowed: u64, used: u64) -> Result<(), LimitExceeded> {
        if used > allowed {
            Err(LimitExceeded { limit: self, allowed: Some(allowed), used: Some(used) })
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the limit {} was passed", self.limit.name())?;
        match (self.allowed, self.used) {
            (Some(allowed), Some(used)) => write!(f, ": {allowed} allowed, {used} used"),
            (Some(allowed), None) => write!(f, ": {allowed} allowed"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for LimitExceeded {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_set_by_its_name_and_told_when_it_is_above() {
        let mut limits = Limits::default();
        for (place, (limit, _)) in Limits::default().each().into_iter().enumerate() {
            assert!(limits.set(limit.name(), place as u64), "{}", limit.name());
        }
        assert_eq!(limits.each().map(|(_, value)| value), std::array::from_fn(|place| place as u64));
        assert!(!limits.set("stack", 1));
        let above = Limits { cpu_ms: 2, ..Limits::default() }.above(&Limits { cpu_ms: 1, ..Limits::default() });
        assert_eq!(above, [LimitExceeded { limit: Limit::Cpu, allowed: Some(1), used: Some(2) }]);
        assert_eq!(Limits::default().above(&Limits::ceilings()), []);
    }
}
