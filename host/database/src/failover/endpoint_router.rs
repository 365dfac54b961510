use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tenet_clock::monotonic;
use tenet_core::{Code, ColumnValues, Fault};
use tracing::warn;

use crate::connect::identity;
use crate::connect::pool::{Permit, Permits, PooledConnection};
use crate::failover::guarded_endpoint::{GuardedEndpoint, WhileProbed};
use crate::statements::answer_timeout::AnswerTimeout;
use crate::statements::columns::Tally;
use crate::statements::failure::{ConnectionState, QueryFailure};
use crate::statements::flight::send_pipelined;
use crate::statements::query::Query;

/// The endpoints of one database: the one in the host's own region and, if there is one, the
/// peer's.
///
/// An attempt stays on the endpoint where it began. The result does not depend on which one that
/// is: both lead to one database, whose key rows decide what an attempt through one endpoint has
/// left open for the next through the other. This is verified: if there are two endpoints, each is
/// used only after the database behind it has shown its identity.
pub(crate) struct EndpointRouter {
    home: Arc<GuardedEndpoint>,
    peer: Option<Arc<GuardedEndpoint>>,
    permits: Permits,
    /// The identity of the database.
    identity: OnceLock<[u8; 16]>,
}

impl EndpointRouter {
    pub(crate) fn new(
        home: Arc<GuardedEndpoint>,
        peer: Option<Arc<GuardedEndpoint>>,
        permits: Permits,
        identity: Option<[u8; 16]>,
    ) -> Self {
        let known = OnceLock::new();
        if let Some(identity) = identity {
            // It is empty, so this cannot fail.
            let _ = known.set(identity);
        }
        Self { home, peer, permits, identity: known }
    }

    /// Lends a connection of the first endpoint that provides one. Home comes first as soon as it
    /// may be tried, except for an attempt that asks for `elsewhere`.
    ///
    /// It waits for a permit before it tries either endpoint: a lack of free connections is no
    /// reason to leave a region.
    pub(crate) async fn check_out(&self, timeout: AnswerTimeout, elsewhere: bool) -> Result<PooledConnection, Fault> {
        let permit = self.permits.acquire(timeout.deadline).await?;
        let Some(peer) = &self.peer else { return self.home.check_out(permit, timeout, WhileProbed::Wait).await };
        let (first, second) = if elsewhere { (peer, &self.home) } else { (&self.home, peer) };
        let now = monotonic();
        // The first gets half of the time, so that enough is left for the second.
        let half = AnswerTimeout { deadline: now + timeout.deadline.saturating_duration_since(now) / 2, ..timeout };
        let fault = match self.lend(first, Permit::clone(&permit), half).await {
            // If the peer leads to another database, home is still usable.
            Err(fault) if elsewhere || fault.is_unavailable() || fault.is_deadline() => fault,
            lent => return lent,
        };
        match self.lend(second, permit, timeout).await {
            // The one that is tried again sooner.
            Err(also) if fault.is_shut() && also.rest() < fault.rest() && also.is_shut() => Err(also),
            Err(also) if also.is_shut() => Err(fault),
            lent => lent,
        }
    }

    /// Opens a connection to each endpoint and compares their identities. Tries all endpoints, then
    /// returns the first fault.
    pub(crate) async fn warm(&self, timeout: AnswerTimeout) -> Result<(), Fault> {
        let warm = async |guarded: &Arc<GuardedEndpoint>| {
            let permit = self.permits.acquire(timeout.deadline).await?;
            let lease = match &self.peer {
                Some(_) => self.lend(guarded, permit, timeout).await?,
                None => guarded.check_out(permit, timeout, WhileProbed::Wait).await?,
            };
            lease.give_back();
            Ok::<_, Fault>(())
        };
        let home = warm(&self.home).await;
        let peer = match &self.peer {
            Some(peer) => warm(peer).await,
            None => Ok(()),
        };
        match (home, peer) {
            // A wrong database is a worse error than an unreachable one.
            (Err(home), Err(peer)) if home.is_unavailable() && !peer.is_unavailable() => Err(peer),
            (home, peer) => home.and(peer),
        }
    }

    /// Whether one of the endpoints has answered a moment ago, or answers now on a connection that no request uses.
    pub(crate) async fn answers(&self, deadline: Instant) -> bool {
        // The same division as in `check_out`.
        let now = monotonic();
        let half = now + deadline.saturating_duration_since(now) / 2;
        match &self.peer {
            None => self.home.answers(deadline).await,
            Some(peer) => self.home.answers(half).await || peer.is_verified() && peer.answers(deadline).await,
        }
    }

    pub(crate) async fn close(&self, deadline: Instant) {
        self.permits.close(deadline).await;
        self.home.pool.close(deadline).await;
        if let Some(peer) = &self.peer {
            peer.pool.close(deadline).await;
        }
    }

    /// Lends a connection of one of two endpoints.
    async fn lend(
        &self,
        guarded: &Arc<GuardedEndpoint>,
        permit: Permit,
        timeout: AnswerTimeout,
    ) -> Result<PooledConnection, Fault> {
        let lease = guarded.check_out(permit, timeout, WhileProbed::Leave).await?;
        self.verified(guarded, lease, timeout).await
    }

    /// The same connection, after the identity of the database behind it was verified.
    async fn verified(
        &self,
        guarded: &GuardedEndpoint,
        lease: PooledConnection,
        timeout: AnswerTimeout,
    ) -> Result<PooledConnection, Fault> {
        if guarded.is_verified() {
            return Ok(lease);
        }
        let shown = async {
            let mut query = Query::plain(lease.connection(), identity::read().map_err(QueryFailure::before_sending)?);
            send_pipelined(lease.connection(), query.messages(), &std::sync::atomic::AtomicU32::new(0)).await;
            let outcome = query.outcome(&mut Tally::unlimited()).await;
            outcome.map_err(|error| QueryFailure::of_host(error, "the database's identity could not be read"))
        };
        let shown = match timeout.wait(shown).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(QueryFailure { fault, left })) => {
                match left {
                    ConnectionState::Lost => lease.lost(),
                    ConnectionState::Stuck => lease.discard("the rest of its answers is not needed"),
                    // The server has answered, and there was no transaction.
                    ConnectionState::Aborted | ConnectionState::Open => lease.give_back(),
                }
                return Err(fault);
            }
            Err(silence) => {
                lease.silent(silence);
                return Err(silence.fault());
            }
        };
        let shown = match shown.rows.columns.into_iter().next().map(|column| column.values) {
            Some(ColumnValues::Uuid(ids)) => ids.into_iter().next(),
            _ => None,
        };
        let Some(shown) = shown else {
            lease.give_back();
            let text = "the database has no identity: its schema is not applied";
            return Err(Fault::other(None, text).with_code(Code::DatabaseSchema));
        };
        // Home defines the expected identity, unless it is configured.
        let is_home = std::ptr::eq(guarded, &*self.home);
        let known = if is_home { Some(self.identity.get_or_init(|| shown)) } else { self.identity.get() };
        match known {
            Some(known) if *known == shown => {
                guarded.verify();
                Ok(lease)
            }
            Some(_) => {
                let endpoint = guarded.pool.name();
                lease.give_back();
                warn!(endpoint, "an endpoint leads to another database and is not used");
                Err(Fault::other(None, format!("{endpoint} leads to another database than the expected one")))
            }
            None => {
                lease.give_back();
                Err(Fault::unavailable("the peer's endpoint cannot be used before home's was seen once"))
            }
        }
    }
}
