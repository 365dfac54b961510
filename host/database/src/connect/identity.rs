//! The identity of a database: a random UUID that it got when its schema was applied.

use tenet_core::Fault;

use crate::connect::connection::Connection;
use crate::statements::parameter::Encoded;

const READ: &str = "SELECT id FROM tenet.identity";

/// Reads the identity.
pub(crate) fn read() -> Result<Encoded, Fault> {
    Encoded::of_host(READ, Vec::new())
}

/// Whether the server answers when the identity is read. An error that it reports is an answer too.
pub(crate) async fn is_answered(connection: &Connection) -> bool {
    match connection.client.simple_query(READ).await {
        Ok(_) => true,
        Err(error) => error.as_db_error().is_some(),
    }
}
