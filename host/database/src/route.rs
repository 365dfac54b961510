use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tenet_core::{ColumnValues, Fault};
use tokio::time::timeout_at;
use tracing::warn;

use crate::columns::Tally;
use crate::failure::{self, Failure};
use crate::flight::launch;
use crate::identity;
use crate::pool::Lease;
use crate::query::Query;
use crate::side::Side;

/// The ways to one database: its endpoint in the host's own region and, where there is one,
/// the peer's.
///
/// An attempt stays on the way that it began on. Which one that is does not matter to what
/// comes of it: both lead to one database, whose key rows settle what an attempt on one way
/// has left open for the next on another. That they do is not believed but read: where there
/// are two ways, neither is used before the database behind it has shown its identity.
pub(crate) struct Route {
    home: Arc<Side>,
    peer: Option<Arc<Side>>,
    /// Who the database is.
    identity: OnceLock<[u8; 16]>,
}

impl Route {
    pub(crate) fn new(home: Arc<Side>, peer: Option<Arc<Side>>, identity: Option<[u8; 16]>) -> Self {
        let known = OnceLock::new();
        if let Some(identity) = identity {
            // It is empty.
            let _ = known.set(identity);
        }
        Self { home, peer, identity: known }
    }

    /// Lends a connection of the first endpoint that gives one. Home comes first as soon as it
    /// may be tried.
    pub(crate) async fn check_out(&self, deadline: Instant) -> Result<Lease, Fault> {
        let Some(peer) = &self.peer else { return self.home.check_out(deadline, deadline).await };
        let now = Instant::now();
        // What is left when home has taken its time has to be enough for the peer.
        let half = now + deadline.saturating_duration_since(now) / 2;
        let at_home = match self.home.check_out(half, deadline).await {
            Ok(lease) => self.verified(&self.home, lease, deadline).await,
            Err(fault) => Err(fault),
        };
        match at_home {
            Err(fault) if fault.is_unavailable() || fault.is_deadline() => {
                let lease = match peer.check_out(deadline, deadline).await {
                    Err(also) if also.is_shut() => return Err(fault),
                    lease => lease?,
                };
                self.verified(peer, lease, deadline).await
            }
            at_home => at_home,
        }
    }

    /// Opens a connection to each endpoint and compares who they are. Of what is out of reach
    /// the first fault is given, after the others have been tried.
    pub(crate) async fn warm(&self, deadline: Instant) -> Result<(), Fault> {
        let warm = async |side: &Arc<Side>| {
            let lease = side.check_out(deadline, deadline).await?;
            let lease = if self.peer.is_some() { self.verified(side, lease, deadline).await? } else { lease };
            lease.give_back();
            Ok::<_, Fault>(())
        };
        let home = warm(&self.home).await;
        let peer = match &self.peer {
            Some(peer) => warm(peer).await,
            None => Ok(()),
        };
        match (home, peer) {
            // Another database is worse than one that is out of reach.
            (Err(home), Err(peer)) if home.is_unavailable() && !peer.is_unavailable() => Err(peer),
            (home, peer) => home.and(peer),
        }
    }

    pub(crate) async fn close(&self, deadline: Instant) {
        self.home.pool.close(deadline).await;
        if let Some(peer) = &self.peer {
            peer.pool.close(deadline).await;
        }
    }

    /// The same connection, once the database behind it is known to be the one that is meant.
    async fn verified(&self, side: &Side, lease: Lease, deadline: Instant) -> Result<Lease, Fault> {
        if side.is_verified() {
            return Ok(lease);
        }
        let shown = async {
            let mut query = Query::plain(lease.connection(), identity::read()?);
            launch(query.messages(), &std::sync::atomic::AtomicU32::new(0)).await;
            let outcome = query.outcome(&mut Tally::unlimited()).await;
            outcome.map_err(|trouble| Failure::of_host(trouble, "the database's identity could not be read").fault)
        };
        let shown = match timeout_at(deadline.into(), shown).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(fault)) => {
                lease.lost();
                return Err(fault);
            }
            Err(_) => {
                lease.timed_out();
                return Err(failure::late());
            }
        };
        let shown = match shown.rows.columns.into_iter().next().map(|column| column.values) {
            Some(ColumnValues::Uuid(ids)) => ids.into_iter().next(),
            _ => None,
        };
        let Some(shown) = shown else {
            lease.give_back();
            return Err(Fault::other(None, "the database has no identity: its schema is not applied"));
        };
        // Home shows who is meant, unless that was said.
        let is_home = std::ptr::eq(side, &*self.home);
        let known = if is_home { Some(self.identity.get_or_init(|| shown)) } else { self.identity.get() };
        match known {
            Some(known) if *known == shown => {
                side.verify();
                Ok(lease)
            }
            Some(_) => {
                let endpoint = side.pool.name();
                lease.give_back();
                warn!(endpoint, "an endpoint leads to another database and is not used");
                Err(Fault::other(None, format!("{endpoint} leads to another database than the one that is meant")))
            }
            None => {
                lease.give_back();
                Err(Fault::unavailable("the peer's endpoint cannot be used before home's was seen once"))
            }
        }
    }
}
