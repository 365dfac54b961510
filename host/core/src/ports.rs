//! The ports: what the host needs from a database, an engine, a bus, a vault and a clock.

pub(crate) mod answer_waits;
pub(crate) mod clock;
pub(crate) mod follow_ups;
pub(crate) mod ledger;
pub(crate) mod outbox;
pub(crate) mod policy;
pub(crate) mod probe;
pub(crate) mod publisher;
pub(crate) mod rules;
pub(crate) mod stored_answers;
pub(crate) mod transactions;
pub(crate) mod vault;
