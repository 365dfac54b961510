//! Opening, identifying, pooling and closing connections.

pub(crate) mod connection;
pub(crate) mod connection_lifetimes;
pub(crate) mod connector;
pub(crate) mod dsql;
pub(crate) mod endpoint;
pub(crate) mod endpoint_error;
pub(crate) mod hosts_schema;
pub(crate) mod identity;
pub(crate) mod message_gate;
pub(crate) mod plain;
pub(crate) mod pool;
pub(crate) mod socket;
pub(crate) mod tls;
pub(crate) mod token;
