//! The ledger on Aurora DSQL and PostgreSQL.
//!
//! [`Database`] implements the three ports of a `tenet_core::Ledger`: transactions that leave exactly
//! one answer under a key. It keeps a bounded number of connections, each for one attempt
//! at a time, and sends what belongs together in one flight, so that an attempt of k
//! sequential statements waits k + 1 times for the database until its verdict is
//! committed (k + 2 where the first statement may write: had BEGIN failed, such a
//! statement behind it would commit by itself).
//!
//! Where to connect and how is an [`Endpoint`]: a plain PostgreSQL, or a [`Dsql`] cluster
//! by TLS with a token signed for each connection. Everything after that is the same for
//! every server that speaks PostgreSQL's protocol. No statement of the host relies on
//! what Aurora DSQL lacks: no savepoints, no SET but of the search path, no serial columns, no foreign keys.
//! [`Schema`] brings the tables of the host and those of a bundle up to date, step by
//! step. [`Inventory`] and [`Tables`] are the harness's: what a database has, and the rows of a
//! test's own private PostgreSQL, for which alone they ask what DSQL has not.
//!
//! A cluster has an endpoint in each of two regions. A breaker watches over each way there, and
//! while the one at home is out of reach attempts take the other.
//!
//! What this crate must never know: rules and how they run, events beyond the rows that
//! hold them, why a transaction is wanted or whether it is tried again. The driver's
//! types never leave it: an error is a `tenet_core::Fault`, a result a
//! `tenet_core::RowSet`. A URL may hold a password, a token is one, and values may
//! hold anything, so none of them is ever logged or put into an error.

mod admin;
mod connect;
mod database;
mod failover;
mod schema;
mod statements;
mod transaction;

pub use admin::administrator::{Administrator, Waiting};
pub use admin::parked::ParkedEvent;
pub use connect::connection_lifetimes::ConnectionLifetimes;
pub use connect::dsql::Dsql;
pub use connect::endpoint::Endpoint;
pub use connect::endpoint_error::EndpointError;
pub use database::Database;
pub use failover::guarded_endpoint::METRICS;
pub use schema::inventory::{ColumnDefault, Inventory};
pub use schema::tables::{Contents, Tables};
pub use schema::{Planned, Schema, SchemaError, Standing};
