//! Tenet's types and ports.
//!
//! The types describe a transaction: a [`Request`] names an operation and carries a payload; a rule answers it with a
//! [`Verdict`]; an [`Attempt`] is one try at the transaction around them, opened by [`Transactions`]; a [`Receipt`]
//! lists what the request cost. The traits are the ports through which the pipeline reaches the engine ([`Rules`]), the
//! database ([`Transactions`], [`Outbox`], [`StoredAnswers`]: a [`Ledger`]), the event bus ([`Publisher`]), sensitive
//! fields ([`Vault`]) and time ([`Clock`]), and through which the engine calls back ([`HostCalls`]).
//!
//! This crate must not depend on wasmtime, AWS, a SQL driver, or an async runtime. The ports return boxed futures, and
//! only [`caught`] polls one: the one passed to it. The crate does no I/O. The format of a bundle's index ([`bundle`])
//! lives here so that its writers and readers share the type without heavy dependencies.

mod answer_retention;
mod backoff;
mod bounded;
pub mod bundle;
mod caught;
mod dual_instant;
mod errors;
mod grants;
mod hex;
mod host_settings;
mod limits;
mod members;
mod metric_set;
mod mutant;
mod obeyed;
mod ports;
mod request;
mod sql;

pub use answer_retention::AnswerRetention;
pub use backoff::Backoff;
pub use bounded::{MAX_CODE, MAX_RECORD, MAX_TEXT, read_at_most, read_at_most_into, text_at_most};
pub use caught::caught;
pub use dual_instant::DualInstant;
pub use errors::chain::error_chain;
pub use errors::code::Code;
pub use errors::fault::{Blame, Fault, RowsRead};
pub use grants::{Columns, Grant, GrantError, Grants, OperationGrant, TableGrant, VaultGrant};
pub use hex::{hex, unhex};
pub use host_settings::{HostSettings, ImpossibleSetting};
pub use limits::{Limit, LimitExceeded, Limits};
pub use members::Members;
pub use metric_set::MetricSet;
#[cfg(feature = "mutants")]
pub use mutant::Awake;
pub use mutant::Mutant;
pub use obeyed::is_obeyed;
pub use ports::answer_waits::AnswerWaits;
pub use ports::clock::{Clock, Timestamp};
pub use ports::follow_ups::{DueFollowUps, DuePage, FollowUpCounts, FollowUpPosition, FollowUps};
pub use ports::ledger::Ledger;
pub use ports::outbox::{Outbox, OutboxPosition};
pub use ports::policy::Policy;
pub use ports::probe::Probe;
pub use ports::publisher::{Delivery, Publisher};
pub use ports::rules::{Ended, HostCalls, LogLevel, Randomness, RuleCall, Rules, Stop};
pub use ports::stored_answers::StoredAnswers;
pub use ports::transactions::{Attempt, Claim, Mode, Progress, ReadCap, Staged, StoredAnswer, Transactions};
pub use ports::vault::{Occasion, Vault, VaultCall, VaultError, VaultField, VaultRefusal, VaultVerb, Vaulted};
pub use request::Request;
pub use request::caller_id::CallerId;
pub use request::digest::{Digest, DigestError};
pub use request::event::{Event, EventError, EventId, StagedEvent};
pub use request::follow_up::{Due, FollowUp, FollowUpId, OperationCall, Schedule, ScheduleError};
pub use request::key::{IdempotencyKey, KeyError};
pub use request::random::Random;
pub use request::receipt::{Receipt, RuleReceipt};
pub use request::source_key::SourceKey;
pub use request::trace::Trace;
pub use request::verdict::{Rejection, Verdict};
pub use sql::catalog::{Catalog, CatalogColumn, CatalogTable};
pub use sql::civil::{date_of, date_text, days_of, moment_text};
pub use sql::decimal::{Decimal, DecimalError};
pub use sql::identifier::quote_identifier;
pub use sql::number::Number;
pub use sql::value::{Column, ColumnValues, Interval, RowSet, Value, ValueType};
pub use sql::{Outcome, SqlError, SqlState, Statement};

/// A `Send` future behind a trait object.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
