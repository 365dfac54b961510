//! The ledger on Aurora DSQL and PostgreSQL.
//!
//! [`Database`] implements the three ports of a `tenet_core::Ledger`: transactions that leave
//! exactly one answer under a key. It keeps a bounded number of connections, each used by one
//! attempt at a time, and pipelines messages that belong together in one flight. So an attempt of k
//! sequential statements takes k + 1 round trips until its verdict is committed, and k + 2 if the
//! first statement may write: that statement waits for the answer to BEGIN, because after a failed
//! BEGIN it would commit by itself.
//!
//! An [`Endpoint`] says where and how to connect: a plain PostgreSQL, or a [`Dsql`] cluster by TLS
//! with a token signed for each connection, or a server that a [`Connector`] reaches. Everything else is the same for every server that
//! speaks PostgreSQL's protocol. The host's statements use nothing that Aurora DSQL lacks: no
//! savepoints, no SET except of the search path, no serial columns. [`Schema`]
//! applies the steps of the host's tables and of a bundle's. [`Inventory`] and [`Tables`] are for
//! the harness: the objects of a database, and the rows of a test's private PostgreSQL. They use
//! features that DSQL lacks only on such a private PostgreSQL.
//!
//! A cluster has an endpoint in each of two regions. Each endpoint has a circuit breaker. While the
//! home endpoint is unreachable, attempts use the other.
//!
//! This crate must never know about rules and how they run, about events beyond the rows that hold
//! them, nor why a transaction runs or whether it is retried. The driver's types stay inside: an
//! error becomes a `tenet_core::Fault`, a result a `tenet_core::RowSet`. A URL may hold a password,
//! a token is a password, and values may hold anything, so none of them is ever logged or put into
//! an error.

mod admin;
mod connect;
mod database;
mod failover;
mod schema;
mod statements;
mod transaction;

pub use admin::administrator::{Administrator, Waiting};
pub use admin::follow_up_list::{LISTED as LISTED_FOLLOW_UPS, WaitingFollowUp};
pub use admin::parked::ParkedEvent;
pub use connect::connection_lifetimes::ConnectionLifetimes;
pub use connect::connector::{ByteStream, Connector, ServerKind};
pub use connect::dsql::Dsql;
pub use connect::endpoint::Endpoint;
pub use connect::endpoint_error::EndpointError;
pub use database::Database;
pub use failover::guarded_endpoint::METRICS;
pub use schema::inventory::{ColumnDefault, Inventory};
pub use schema::tables::{Contents, Tables};
pub use schema::{Planned, Schema, SchemaError, Standing};
