use std::time::Duration;

/// The limits of Aurora DSQL
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>). A test may lower
/// them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Rows that one transaction may change or lock.
    pub rows: usize,
    /// Bytes of the rows that one transaction writes.
    pub bytes: usize,
    /// The age at which a transaction fails.
    pub transaction_age: Duration,
    /// Bytes of rows that one statement may hold.
    pub memory: usize,
    /// The age at which a session ends.
    pub session_age: Duration,
    /// Open connections of one endpoint.
    pub connections: usize,
    /// New connections a second of one endpoint, on the average.
    pub connection_rate: u32,
    /// New connections of one endpoint at once.
    pub connection_burst: u32,
    /// Bytes of one message of a client.
    pub message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 3_000,
            bytes: 10 << 20,
            transaction_age: Duration::from_secs(300),
            memory: 128 << 20,
            session_age: Duration::from_secs(3_600),
            connections: 10_000,
            connection_rate: 100,
            connection_burst: 1_000,
            message: 10 << 20,
        }
    }
}
