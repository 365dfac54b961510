use std::error::Error;

use futures_util::future::BoxFuture;

use crate::clusters::Cluster;

/// What a deployment does in the database itself, as its administrator. Whoever has a driver
/// implements it.
pub trait Database: Send + Sync {
    /// Brings the tables up to date by one of the clusters, lets these IAM roles sign in as the
    /// function's role, and gives that role what the bundle's rules are granted. Gives who the
    /// database is, as a UUID.
    fn prepare<'a>(
        &'a self,
        cluster: &'a Cluster,
        role: &'a str,
        principals: &'a [String],
    ) -> BoxFuture<'a, Result<Prepared, Box<dyn Error + Send + Sync>>>;

    /// What waits in the outbox, as one of the clusters shows it.
    fn outbox<'a>(&'a self, cluster: &'a Cluster) -> BoxFuture<'a, Result<Outbox, Box<dyn Error + Send + Sync>>>;
}

/// A database that is ready for the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Who it is: a UUID.
    pub identity: String,
    /// What was changed in it, a line each.
    pub changes: Vec<String>,
}

/// Events that were committed and not yet delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// Those that the relay will offer.
    pub waiting: u64,
    /// Those that no bus takes.
    pub parked: u64,
    /// How old the oldest of those that wait is, in seconds.
    pub oldest_s: u64,
}
