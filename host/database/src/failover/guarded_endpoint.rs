use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tenet_clock::monotonic;
use tenet_core::{AnswerWaits, Fault, LimitExceeded, MetricSet, Mutant};
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::connect::pool::{Permit, Pool, PooledConnection};
use crate::failover::breaker::{Admission, Breaker, BreakerToken, Change};
use crate::statements::answer_timeout::{AnswerTimeout, Silence};

/// An answer of this age still shows that an endpoint can be reached.
const RECENT: Duration = Duration::from_secs(2);

/// All metric lines of this crate: one for each change of an endpoint's breaker.
pub const METRICS: [MetricSet; 1] = [MetricSet {
    name: "breaker",
    dimensions: &[&["endpoint"], &[]],
    metrics: &[("BreakerOpened", "Count"), ("BreakerClosed", "Count")],
    optional: None,
}];

/// One of the endpoints of a database: its connections and its breaker.
pub(crate) struct GuardedEndpoint {
    pub(crate) pool: Arc<Pool>,
    breaker: Mutex<Breaker>,
    /// Notified when the breaker changes its state.
    turned: Notify,
    /// The time of its last success.
    answered: Mutex<Option<Instant>>,
    /// Held while a sign of life is awaited: one is enough for all who wait.
    watched: tokio::sync::Mutex<()>,
    /// Whether its database was verified to be the expected one.
    verified: AtomicBool,
}

/// What to do while another request probes the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhileProbed {
    /// Wait for the probe's result.
    Wait,
    /// Use the other endpoint.
    Leave,
}

/// What an endpoint has done while one of its connections was silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// Nothing: the endpoint may be away.
    Nothing,
    /// It has answered on another connection: only one statement was slow, or one connection was lost.
    Answered,
}

/// A try at an endpoint. If it is dropped before it reports a result, it counts as cancelled.
pub(crate) struct BreakerGuard {
    guarded: Arc<GuardedEndpoint>,
    token: Option<BreakerToken>,
}

impl GuardedEndpoint {
    pub(crate) fn new(pool: Pool) -> Arc<Self> {
        Arc::new(Self {
            pool: Arc::new(pool),
            breaker: Mutex::default(),
            turned: Notify::new(),
            answered: Mutex::default(),
            watched: tokio::sync::Mutex::default(),
            verified: AtomicBool::new(false),
        })
    }

    /// Lends a connection, or fails if the breaker is open or no connection is available in time.
    pub(crate) async fn check_out(
        self: &Arc<Self>,
        permit: Permit,
        timeout: AnswerTimeout,
        while_probed: WhileProbed,
    ) -> Result<PooledConnection, Fault> {
        let shut = || {
            let rest = self.breaker().rest_left(self.pool.now());
            Fault::shut(rest, "the database could not be reached a moment ago, and is not tried again yet")
        };
        let token = loop {
            let mut turned = std::pin::pin!(self.turned.notified());
            // No change after this line is missed.
            turned.as_mut().enable();
            match (self.admit(), while_probed) {
                (Admission::Allowed(token), _) => break token,
                (Admission::Probed, WhileProbed::Wait) => {
                    timeout_at(timeout.deadline.into(), turned).await.map_err(|_| shut())?;
                }
                (Admission::Open, _) | (Admission::Probed, WhileProbed::Leave) => return Err(shut()),
            }
        };
        let guard = BreakerGuard { guarded: Arc::clone(self), token: Some(token) };
        Arc::clone(&self.pool).check_out(permit, guard, timeout).await
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.verified.load(Ordering::Acquire)
    }

    pub(crate) fn verify(&self) {
        self.verified.store(true, Ordering::Release);
    }

    /// Whether it has answered a moment ago, or answers now on a connection that no request uses.
    pub(crate) async fn answers(&self, deadline: Instant) -> bool {
        let now = monotonic();
        self.shows_life(now.checked_sub(RECENT).unwrap_or(now), deadline).await
    }

    /// Whether it has answered since then.
    fn has_answered_since(&self, began: Instant) -> bool {
        self.answered().is_some_and(|answered| answered >= began)
    }

    fn has_answered(&self) {
        *self.answered() = Some(monotonic());
    }

    fn answered(&self) -> MutexGuard<'_, Option<Instant>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has answered since then, or answers a small query on another connection by the deadline.
    async fn shows_life(&self, since: Instant, deadline: Instant) -> bool {
        let asked = async {
            let _one = self.watched.lock().await;
            self.has_answered_since(since) || self.ask(deadline).await.is_some()
        };
        timeout_at(deadline.into(), asked).await == Ok(true)
    }

    /// How long it takes to answer a small query on another connection, if it answers by the deadline.
    async fn small_query(&self, deadline: Instant) -> Option<Duration> {
        let asked = async {
            let _one = self.watched.lock().await;
            self.ask(deadline).await
        };
        timeout_at(deadline.into(), asked).await.ok().flatten()
    }

    async fn ask(&self, deadline: Instant) -> Option<Duration> {
        let took = self.pool.shows_life(deadline).await?;
        self.has_answered();
        Some(took)
    }

    fn admit(&self) -> Admission {
        let (admission, change) = self.breaker().admit(self.pool.now());
        self.turn(change);
        admission
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, change: Option<Change>) {
        let Some(change) = change else { return };
        self.turned.notify_waiters();
        let endpoint = self.pool.name();
        let is = |what: Change| u8::from(change == what);
        tracing::warn!(
            name: "breaker",
            message = "endpoint's breaker turns",
            endpoint,
            state = change.state(),
            BreakerOpened = is(Change::Opened),
            BreakerClosed = is(Change::Closed),
        );
    }
}

impl BreakerGuard {
    /// Whether it is the probe.
    pub(crate) fn is_probe(&self) -> bool {
        self.token.is_some_and(|token| token.is_probe())
    }

    /// The endpoint has answered a statement.
    pub(crate) fn heard(&self) {
        self.guarded.has_answered();
    }

    /// The endpoint has given an answer, and more is to come. That completes a probe: others need
    /// not wait for the rest of its transaction.
    pub(crate) fn answered(&mut self) {
        if self.is_probe() {
            self.succeed();
            if let Admission::Allowed(token) = self.guarded.admit() {
                self.token = Some(token);
            }
        }
    }

    /// Has the endpoint show that it still answers, unless it has answered since `watched`. Ends when that is known.
    pub(crate) async fn watch(&self, watched: Instant, deadline: Instant) {
        self.guarded.shows_life(watched, deadline).await;
    }

    /// Has the endpoint answer a small query, which shows whether it or a rule's statements took the rule's time for
    /// answers. Returns the limit if the statements did. `sent` is when the flight was sent that is not answered yet.
    pub(crate) async fn exceeded(
        &self,
        waits: &AnswerWaits,
        sent: Option<Instant>,
        deadline: Instant,
    ) -> Option<LimitExceeded> {
        let small = self.guarded.small_query(deadline).await;
        waits.examine(sent.map(|sent| monotonic() - sent), small)
    }

    /// Reports a success.
    pub(crate) fn succeeded(mut self) {
        self.guarded.has_answered();
        self.succeed();
    }

    /// Reports a failure: unreachable, lost or silent.
    pub(crate) fn failed(mut self) {
        if self.is_probe() && Mutant::ProbeHeld.is_alive() {
            self.token = None;
        }
        if let Some(token) = self.token.take() {
            let change = self.guarded.breaker().failed(token, self.guarded.pool.now(), fastrand::f64());
            self.guarded.turn(change);
        }
    }

    /// Reports that no answer came in time. It is a failure of the endpoint if it was long enough, and if the
    /// endpoint has not answered others in the meantime.
    pub(crate) fn silent(self, silence: Silence) -> Meanwhile {
        if self.guarded.has_answered_since(silence.watched()) {
            return Meanwhile::Answered;
        }
        if silence.is_endpoints() {
            self.failed();
        }
        Meanwhile::Nothing
    }

    fn succeed(&mut self) {
        if let Some(token) = self.token.take() {
            let change = self.guarded.breaker().succeeded(token);
            self.guarded.turn(change);
        }
    }
}

impl Drop for BreakerGuard {
    fn drop(&mut self) {
        if let Some(token) = self.token.take()
            && !Mutant::ProbeHeld.is_alive()
        {
            let change = self.guarded.breaker().gave_up(token, self.guarded.pool.now());
            self.guarded.turn(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::connection_lifetimes::ConnectionLifetimes;
    use crate::connect::endpoint::Endpoint;

    /// Enough failures to open a breaker.
    const MANY: usize = 20;

    fn guarded() -> Arc<GuardedEndpoint> {
        let endpoint = Endpoint::parse("postgres://app@127.0.0.1:1/none").unwrap();
        GuardedEndpoint::new(Pool::new(endpoint, ConnectionLifetimes::default()))
    }

    fn guard(guarded: &Arc<GuardedEndpoint>) -> BreakerGuard {
        let Admission::Allowed(token) = guarded.admit() else { panic!("it is not tried") };
        BreakerGuard { guarded: Arc::clone(guarded), token: Some(token) }
    }

    /// Tries that wait from now on, and a function that returns their silence.
    fn waits(guarded: &Arc<GuardedEndpoint>) -> (Vec<BreakerGuard>, impl Fn() -> Silence + use<>) {
        let (began, deadline) = (monotonic(), monotonic() + Duration::from_secs(3600));
        let timeout = AnswerTimeout { statement_timeout: Duration::ZERO, deadline };
        ((0..MANY).map(|_| guard(guarded)).collect(), move || timeout.silence_since(began))
    }

    #[test]
    fn statements_that_wait_for_one_row_say_nothing_of_an_endpoint_that_answers_others() {
        let guarded = guarded();
        let (tries, silence) = waits(&guarded);
        guard(&guarded).succeeded();
        assert!(tries.into_iter().all(|guard| guard.silent(silence()) == Meanwhile::Answered));
        assert!(matches!(guarded.admit(), Admission::Allowed(_)));
    }

    #[test]
    fn an_answer_at_the_beginning_of_a_wait_does_not_show_that_an_endpoint_still_answers() {
        let guarded = guarded();
        let deadline = monotonic() + Duration::from_secs(3600);
        let timeout = AnswerTimeout { statement_timeout: Duration::from_secs(5), deadline };
        let began = monotonic() - Duration::from_secs(6);
        let tries: Vec<_> = (0..MANY).map(|_| guard(&guarded)).collect();
        *guarded.answered() = Some(began + Duration::from_millis(100));
        assert!(tries.into_iter().all(|guard| guard.silent(timeout.silence_since(began)) == Meanwhile::Nothing));
        assert_eq!(guarded.admit(), Admission::Open);
    }

    #[test]
    fn an_endpoint_that_answers_nobody_while_they_wait_is_left_alone() {
        let guarded = guarded();
        guard(&guarded).succeeded();
        let (tries, silence) = waits(&guarded);
        assert!(tries.into_iter().all(|guard| guard.silent(silence()) == Meanwhile::Nothing));
        assert_eq!(guarded.admit(), Admission::Open);
    }
}
