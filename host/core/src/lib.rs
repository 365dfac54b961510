//! Tenet's vocabulary and ports.
//!
//! Everything the host says about a transaction it says in these words: a [`Request`]
//! names an operation and carries a payload; a rule answers it with a [`Verdict`]; an
//! [`Attempt`] is one try at the transaction around them, opened by [`Transactions`]; what
//! the request cost is a [`Receipt`]. The traits are the ports through which the
//! pipeline reaches the engine ([`Rules`]), the database ([`Transactions`], [`Outbox`], [`StoredAnswers`]: a [`Ledger`]), the event bus
//! ([`Publisher`]), sensitive fields ([`Vault`]) and time ([`Clock`]), and through which the engine reaches back
//! ([`HostCalls`]).
//!
//! What this crate must never know: wasmtime, AWS, a SQL driver, an async runtime. The
//! ports return boxed futures, and nothing here polls one but [`caught`], which polls what it is given. It opens nothing either, which
//! is also why the format of a bundle's index ([`bundle`]) lives here: whoever writes
//! it and whoever reads it share the type without sharing anything heavy.

mod bounded;
pub mod bundle;
mod caller_id;
mod catalog;
mod caught;
mod civil;
mod clock;
mod code;
mod decimal;
mod digest;
mod event;
mod fault;
mod grants;
mod hex;
mod host_settings;
mod keep;
mod key;
mod ledger;
mod limits;
mod measured;
mod members;
mod moment;
mod mutant;
mod number;
mod outbox;
mod policy;
mod probe;
mod publisher;
mod random;
mod receipt;
mod request;
mod rules;
mod source_key;
mod sql;
mod stored_answers;
mod trace;
mod transactions;
mod value;
mod vault;
mod verdict;

pub use bounded::{MAX_CODE, MAX_RECORD, MAX_TEXT, read_at_most, read_at_most_into, text_at_most};
pub use caller_id::CallerId;
pub use catalog::{Catalog, CatalogColumn, CatalogTable};
pub use caught::caught;
pub use civil::{date_text, days_of, moment_text};
pub use clock::{Clock, Timestamp};
pub use code::Code;
pub use decimal::{Decimal, DecimalError};
pub use digest::{Digest, DigestError};
pub use event::{Event, EventError, EventId, StagedEvent};
pub use fault::{Blame, Fault};
pub use grants::{Columns, Grant, GrantError, Grants, TableGrant, VaultGrant};
pub use hex::hex;
pub use host_settings::{HostSettings, ImpossibleSetting};
pub use keep::Keep;
pub use key::{IdempotencyKey, KeyError};
pub use ledger::Ledger;
pub use limits::{Limit, LimitExceeded, Limits};
pub use measured::Measured;
pub use members::Members;
pub use moment::Moment;
pub use mutant::Mutant;
pub use number::Number;
pub use outbox::{Outbox, Place};
pub use policy::Policy;
pub use probe::Probe;
pub use publisher::{Delivery, Publisher};
pub use random::Random;
pub use receipt::{Receipt, RuleReceipt};
pub use request::Request;
pub use rules::{Ended, HostCalls, LogLevel, Randomness, RuleCall, Rules, Stop};
pub use source_key::SourceKey;
pub use sql::{Outcome, SqlError, SqlState, Statement};
pub use stored_answers::StoredAnswers;
pub use trace::Trace;
pub use transactions::{Attempt, Claim, Mode, Ran, ReadCap, StoredAnswer, Transactions};
pub use value::{Column, ColumnValues, Interval, RowSet, Value, ValueType};
pub use vault::{Occasion, Vault, VaultCall, VaultError, VaultField, VaultRefusal, VaultVerb, Vaulted};
pub use verdict::{Rejection, Verdict};

/// A future that can be held behind a trait object and moved between threads.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
