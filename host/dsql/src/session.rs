//! A client's connection: PostgreSQL's protocol, version 3
//! (<https://www.postgresql.org/docs/16/protocol.html>), and the state of its session.

mod answer;
mod block;
mod bounded_dialect;
pub(crate) mod connection;
pub(crate) mod ending;
pub(crate) mod endpoint;
mod extended;
pub(crate) mod failure;
mod message;
mod nesting;
mod prepared;
mod reader;
mod refusal;
mod replies;
mod result_format;
mod schema_change;
mod set_constraints;
mod settings;
mod simple;
mod startup;
mod state;
mod statement;
mod syntax;
mod transaction_block;
