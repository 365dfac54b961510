use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use tenet_core::bundle::Index;
use tenet_core::{
    AnswerRetention, Attempt, BoxFuture, CallerId, Claim, DueFollowUps, DuePage, EventId, Fault, FollowUpCounts,
    FollowUpId, FollowUpPosition, FollowUps, IdempotencyKey, Outbox, OutboxPosition, Outcome, SqlState, StagedEvent,
    StoredAnswers, Timestamp, Transactions,
};

use crate::admin::follow_up_list::{self, WaitingFollowUp};
use crate::admin::parked::{self, ParkedEvent};
use crate::connect::connection_lifetimes::ConnectionLifetimes;
use crate::connect::endpoint::Endpoint;
use crate::connect::pool::{Permits, Pool};
use crate::failover::endpoint_router::EndpointRouter;
use crate::failover::guarded_endpoint::GuardedEndpoint;
use crate::schema::expected::Expected;
use crate::statements::answer_timeout::{AnswerTimeout, STATEMENT_TIMEOUT};
use crate::statements::columns::Tally;
use crate::statements::failure::{self, QueryError, QueryFailure};
use crate::statements::flight::send_pipelined;
use crate::statements::parameter::Encoded;
use crate::statements::query::Query;
use crate::transaction::Transaction;
use crate::transaction::{follow_ups, keys, outbox};

/// Events deleted or parked in one flight.
const EVENTS_A_FLIGHT: usize = 100;

/// One database: the ports `Transactions`, `Outbox`, `FollowUps` and `StoredAnswers`.
///
/// It needs a tokio runtime and keeps its connections open as long as it lives.
pub struct Database {
    route: Arc<EndpointRouter>,
    statement_timeout: Duration,
    expected: Arc<Expected>,
}

impl Database {
    /// A database on which it opens at most `max_connections` connections, and at least one. It opens none
    /// yet.
    pub fn new(endpoint: Endpoint, max_connections: u32) -> Self {
        Self::with_lifetimes(endpoint, max_connections, ConnectionLifetimes::default())
    }

    /// Like [`new`](Self::new) with other lifetimes of the connections, for tests.
    pub fn with_lifetimes(endpoint: Endpoint, max_connections: u32, lifetimes: ConnectionLifetimes) -> Self {
        let home = GuardedEndpoint::new(Pool::new(endpoint, lifetimes));
        Self::over(EndpointRouter::new(home, None, Permits::new(max_connections), None))
    }

    /// A database that is reached by the endpoint of the peer region while `home` is unreachable. At most
    /// `max_connections` are in use at the same time, over both.
    ///
    /// An endpoint is used only after the database behind it has shown the expected identity: this
    /// `identity`, or if there is none, that of the database behind `home`.
    pub fn with_peer(home: Endpoint, peer: Endpoint, identity: Option<[u8; 16]>, max_connections: u32) -> Self {
        let guarded = |endpoint| GuardedEndpoint::new(Pool::new(endpoint, ConnectionLifetimes::default()));
        Self::over(EndpointRouter::new(guarded(home), Some(guarded(peer)), Permits::new(max_connections), identity))
    }

    fn over(route: EndpointRouter) -> Self {
        Self { route: Arc::new(route), statement_timeout: STATEMENT_TIMEOUT, expected: Arc::default() }
    }

    /// The same with another timeout for one answer of the database. The default is 5 seconds. DSQL
    /// has no `statement_timeout` of its own.
    #[must_use]
    pub fn with_statement_timeout(self, statement_timeout: Duration) -> Self {
        Self { statement_timeout, ..self }
    }

    /// The same for the rules of a bundle. Attempts at an operation fail with
    /// [`Code::SchemaDiffers`](tenet_core::Code) while a table that its rules are granted differs
    /// from the one that the bundle was built for.
    #[must_use]
    pub fn for_bundle(self, index: &Index) -> Self {
        Self { expected: Arc::new(Expected::of(index)), ..self }
    }

    fn timeout(&self, deadline: Instant) -> AnswerTimeout {
        AnswerTimeout { statement_timeout: self.statement_timeout, deadline }
    }

    /// Opens a connection if there is none, so that the first request need not wait for it, and one
    /// to the peer if there is a peer. The error is either temporary ([`Fault::is_unavailable`],
    /// [`Fault::is_deadline`], [`Fault::is_conflict`]), or says that the database is not the
    /// expected one.
    pub async fn warm(&self, deadline: Instant) -> Result<(), Fault> {
        self.route.warm(self.timeout(deadline)).await
    }

    /// Waits for running work, starts no more, and terminates the sessions in order.
    pub async fn close(&self, deadline: Instant) {
        self.route.close(deadline).await;
    }

    /// The oldest parked events, up to 100.
    pub async fn parked_events(&self, deadline: Instant) -> Result<Vec<ParkedEvent>, Fault> {
        let mut events = Vec::new();
        for outcome in self.each(vec![parked::list()?], deadline).await? {
            let failed = |error| QueryFailure::of_host(error, "the parked events could not be read").fault;
            events.extend(parked::listed(outcome.map_err(failed)?.rows)?);
        }
        Ok(events)
    }

    /// Makes relays offer a parked event to the bus again. Returns whether it was parked.
    pub async fn release(&self, event: EventId, deadline: Instant) -> Result<bool, Fault> {
        let statements = vec![parked::release(&event)?];
        Ok(self.settle(statements, "the event could not be released", deadline).await? == 1)
    }

    /// The follow-ups that wait: up to 100 by the time at which they are due, and up to 100 that are parked.
    pub async fn waiting_follow_ups(&self, deadline: Instant) -> Result<Vec<WaitingFollowUp>, Fault> {
        self.list_follow_ups(follow_up_list::list()?, deadline).await
    }

    /// A follow-up, if it waits.
    pub async fn waiting_follow_up(&self, id: FollowUpId, deadline: Instant) -> Result<Option<WaitingFollowUp>, Fault> {
        Ok(self.list_follow_ups(vec![follow_up_list::one(id)?], deadline).await?.pop())
    }

    /// The others of the chain of a follow-up that waits: up to 100 that wait too.
    pub async fn others_of_chain(&self, id: FollowUpId, deadline: Instant) -> Result<Vec<WaitingFollowUp>, Fault> {
        self.list_follow_ups(vec![follow_up_list::others_of_chain(id)?], deadline).await
    }

    async fn list_follow_ups(&self, queries: Vec<Encoded>, deadline: Instant) -> Result<Vec<WaitingFollowUp>, Fault> {
        let mut listed = Vec::new();
        for outcome in self.follow_ups(queries, deadline).await? {
            listed.extend(follow_up_list::listed(outcome.rows)?);
        }
        Ok(listed)
    }

    /// Makes a follow-up that is parked or has failed due at `now`. Returns whether it was one of these.
    pub async fn release_follow_up(&self, id: FollowUpId, now: Timestamp, deadline: Instant) -> Result<bool, Fault> {
        let statements = vec![follow_up_list::release(id, now)?];
        Ok(self.settle(statements, "the follow-up could not be released", deadline).await? == 1)
    }

    /// The events that a query finds in the outbox.
    async fn outbox(&self, query: Encoded, deadline: Instant) -> Result<Vec<StagedEvent>, Fault> {
        let mut events = Vec::new();
        for outcome in self.each(vec![query], deadline).await? {
            let read = outcome.map_err(|error| QueryFailure::of_host(error, "the outbox could not be read").fault)?;
            events.extend(outbox::found(read.rows)?);
        }
        Ok(events)
    }

    /// Runs queries about the follow-ups in one flight.
    async fn follow_ups(&self, queries: Vec<Encoded>, deadline: Instant) -> Result<Vec<Outcome>, Fault> {
        let failed = |error| QueryFailure::of_host(error, "the follow-ups could not be read").fault;
        self.each(queries, deadline).await?.into_iter().map(|outcome| outcome.map_err(failed)).collect()
    }

    /// Settles rows in one flight, each in a transaction of its own, and returns how many rows it
    /// settled. On a conflict with a concurrent transaction on the same row, that transaction
    /// settles the row.
    async fn settle(&self, statements: Vec<Encoded>, failed: &str, deadline: Instant) -> Result<u64, Fault> {
        let mut settled = 0;
        for outcome in self.each(statements, deadline).await? {
            match outcome {
                Ok(outcome) => settled += outcome.affected,
                Err(QueryError::Driver(error))
                    if failure::code(&error) == Some(SqlState::SERIALIZATION_FAILURE.as_str()) => {}
                Err(error) => return Err(QueryFailure::of_host(error, failed).fault),
            }
        }
        Ok(settled)
    }

    /// Runs statements in one flight, each a transaction of its own.
    async fn each(
        &self,
        statements: Vec<Encoded>,
        deadline: Instant,
    ) -> Result<Vec<Result<Outcome, QueryError>>, Fault> {
        let timeout = self.timeout(deadline);
        let lease = self.route.check_out(timeout, false).await?;
        let flight = async {
            let mut queries: Vec<_> =
                statements.into_iter().map(|statement| Query::plain(lease.connection(), statement)).collect();
            // Not part of an attempt, so its round trips are not counted.
            send_pipelined(lease.connection(), queries.iter_mut().flat_map(Query::messages), &AtomicU32::new(0)).await;
            let mut outcomes = Vec::with_capacity(queries.len());
            for query in queries {
                outcomes.push(query.outcome(&mut Tally::unlimited()).await);
            }
            outcomes
        };
        let outcomes = match timeout.wait(flight).await {
            Ok(outcomes) => outcomes,
            Err(silence) => {
                lease.silent(silence);
                return Err(silence.fault());
            }
        };
        let broken = |outcome: &Result<_, QueryError>| match outcome {
            Err(QueryError::Driver(error)) => error.as_db_error().is_none(),
            Err(QueryError::TooLong(_)) => true,
            _ => false,
        };
        if outcomes.iter().any(broken) {
            lease.lost()
        } else {
            lease.give_back()
        }
        Ok(outcomes)
    }
}

impl Transactions for Database {
    fn open(&self, claim: Claim) -> Box<dyn Attempt> {
        let expected = Arc::clone(&self.expected);
        Box::new(Transaction::new(Arc::clone(&self.route), expected, self.statement_timeout, claim))
    }

    fn ready(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let look = self.expected.look()?;
            let looks = look.is_some();
            let mut statements = vec![keys::is_there()?];
            statements.extend(look);
            let mut outcomes = self.each(statements, deadline).await?;
            if looks && let Some(found) = outcomes.pop() {
                self.expected.looked(found);
            }
            for outcome in outcomes {
                outcome.map_err(|error| QueryFailure::of_host(error, "the table tenet.keys cannot be read").fault)?;
            }
            self.expected.check(None)
        })
    }

    fn ready_while_busy(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            match self.route.answers(deadline).await {
                true => self.expected.check(None),
                false => Err(Fault::unavailable("all connections are in use, and the database does not answer")),
            }
        })
    }
}

impl Outbox for Database {
    fn left<'a>(
        &'a self,
        before: Timestamp,
        after: Option<OutboxPosition>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<StagedEvent>, Fault>> {
        Box::pin(async move { self.outbox(outbox::read_left(before, after)?, deadline).await })
    }

    fn staged<'a>(
        &'a self,
        operation: &'a str,
        caller: CallerId,
        key: &'a IdempotencyKey,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<StagedEvent>, Fault>> {
        Box::pin(async move { self.outbox(outbox::read(operation, caller, key)?, deadline).await })
    }

    fn forget<'a>(&'a self, events: &'a [EventId], deadline: Instant) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            for events in events.chunks(EVENTS_A_FLIGHT) {
                let statements = events.iter().map(outbox::remove).collect::<Result<_, _>>()?;
                self.settle(statements, "an event could not be forgotten", deadline).await?;
            }
            Ok(())
        })
    }

    fn park<'a>(&'a self, events: &'a [(EventId, String)], deadline: Instant) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            for events in events.chunks(EVENTS_A_FLIGHT) {
                let statements = events.iter().map(parked::park).collect::<Result<_, _>>()?;
                self.settle(statements, "an event could not be parked", deadline).await?;
            }
            Ok(())
        })
    }

    fn parked(&self, deadline: Instant) -> BoxFuture<'_, Result<u64, Fault>> {
        Box::pin(async move {
            let mut count = 0;
            for outcome in self.each(vec![parked::count()?], deadline).await? {
                let failed = |error| QueryFailure::of_host(error, "the parked events could not be counted").fault;
                count = parked::counted(&outcome.map_err(failed)?.rows)?;
            }
            Ok(count)
        })
    }
}

impl StoredAnswers for Database {
    fn expire(&self, keep: AnswerRetention, deadline: Instant) -> BoxFuture<'_, Result<u64, Fault>> {
        Box::pin(async move {
            let statements = vec![keys::expire(true, keep.accepted)?, keys::expire(false, keep.rejected)?];
            self.settle(statements, "old keys could not be removed", deadline).await
        })
    }
}

impl FollowUps for Database {
    fn due<'a>(
        &'a self,
        which: DueFollowUps<'a>,
        after: Option<FollowUpPosition>,
        most: u32,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<DuePage, Fault>> {
        Box::pin(async move {
            let mut positions = Vec::new();
            for outcome in self.follow_ups(follow_ups::list(which, after, most)?, deadline).await? {
                positions.extend(follow_ups::listed(outcome.rows)?);
            }
            positions.sort_unstable();
            positions.truncate(most as usize);
            let Some(last) = positions.last().copied() else { return Ok(DuePage::default()) };
            let ids: Vec<_> = positions.into_iter().map(|(_, id)| id).collect();
            let mut page = DuePage { follow_ups: Vec::new(), last: Some(last) };
            for outcome in self.follow_ups(vec![follow_ups::read(&ids, which.now)?], deadline).await? {
                page.follow_ups.extend(follow_ups::found(outcome.rows)?);
            }
            Ok(page)
        })
    }

    fn postpone(
        &self,
        id: FollowUpId,
        failures: u32,
        due: Timestamp,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<bool, Fault>> {
        Box::pin(async move {
            let statements = vec![follow_ups::postpone(id, failures, due)?];
            Ok(self.settle(statements, "a follow-up could not be postponed", deadline).await? > 0)
        })
    }

    fn park<'a>(
        &'a self,
        id: FollowUpId,
        failures: u32,
        reason: &'a str,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(async move {
            let statements = vec![follow_ups::park(id, failures, reason)?];
            Ok(self.settle(statements, "a follow-up could not be parked", deadline).await? > 0)
        })
    }

    fn count(&self, now: Timestamp, deadline: Instant) -> BoxFuture<'_, Result<FollowUpCounts, Fault>> {
        Box::pin(async move {
            let mut counts = FollowUpCounts::default();
            for outcome in self.follow_ups(follow_ups::count(now)?, deadline).await? {
                follow_ups::add_counted(&mut counts, &outcome.rows, now)?;
            }
            Ok(counts)
        })
    }
}
