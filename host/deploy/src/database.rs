use std::error::Error;

use futures_util::future::BoxFuture;

use crate::clusters::Cluster;

/// The port to the deployment's database, used as its administrator. It is implemented by a crate
/// with a driver.
pub trait Database: Send + Sync {
    /// Succeeds if the name by which a cluster is reached resolves.
    fn resolves<'a>(&'a self, cluster: &'a Cluster) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>>;

    /// Updates the tables through one of the clusters, lets these IAM roles sign in as the
    /// function's role, and grants that role what the bundle's rules are granted. Returns the
    /// database's identity, a UUID.
    fn prepare<'a>(
        &'a self,
        cluster: &'a Cluster,
        role: &'a str,
        principals: &'a [String],
    ) -> BoxFuture<'a, Result<Prepared, Box<dyn Error + Send + Sync>>>;

    /// What [`Self::prepare`] would change through one of the clusters. Nothing is changed.
    fn pending<'a>(
        &'a self,
        cluster: &'a Cluster,
        role: &'a str,
        principals: &'a [String],
    ) -> BoxFuture<'a, Result<Pending, Box<dyn Error + Send + Sync>>>;

    /// The state of the outbox, seen through one of the clusters.
    fn outbox<'a>(&'a self, cluster: &'a Cluster) -> BoxFuture<'a, Result<Outbox, Box<dyn Error + Send + Sync>>>;
}

/// A database that is ready for the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its identity: a UUID.
    pub identity: String,
    /// The changes that were made, one line each.
    pub changes: Vec<String>,
}

/// What a database lacks of the bundle's schema and of its grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// The names of the steps that are not applied.
    pub to_do: Vec<String>,
    /// The names of those that were applied with another text, which a deploy refuses.
    pub changed: Vec<String>,
    /// The statements that create the function's role, let IAM roles sign in as it, and grant it what it lacks.
    pub grants: Vec<String>,
}

/// Committed events that are not delivered yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// Events that the relay will publish.
    pub waiting: u64,
    /// Events that every bus refuses.
    pub parked: u64,
    /// The age of the oldest waiting event, in seconds.
    pub oldest_s: u64,
}
