use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{Either, join_all, select};
use tenet_core::{
    Blame, CallerId, Claim, Clock, Code, Delivery, Digest, EventId, Fault, FollowUp, IdempotencyKey, Ledger, Mode,
    Mutant, Policy, Probe, Publisher, Receipt, Request, Rules, Staged, StagedEvent, StoredAnswer, Vault, caught, hex,
};
use tracing::Span;

use crate::admission::{Admission, InBackground, Place, Refused, User};
use crate::answer::Problem;
use crate::arrival::random_seed;
use crate::attempt_runner::{AttemptFailure, AttemptOutcome, AttemptRunner, Interrupted, MissingResource};
use crate::batcher::Batcher;
use crate::commit_doubt::CommitDoubt;
use crate::in_span::in_span;
use crate::no_vault::NoVault;
use crate::presence::Presence;
use crate::rule_breaker::{RuleBreaker, RulePasses};
use crate::selection::{Keyed, Selected};
use crate::summary::{self, Published, Summary};
use crate::{Answer, Backoff, FollowUpObserver, Operations, Seeds, Status};
use tenet_core::Random;

/// Time reserved before a deadline for removing events from the outbox.
const FORGETTING: Duration = Duration::from_millis(500);

/// The message to a caller if the database is unreachable or does not respond.
const AWAY: &str = "The database cannot be reached, or does not answer. Nothing was changed.";

/// The message to a caller whose time ran out.
const NO_TIME: &str = "There was not enough time. Nothing was changed.";

/// The message to a caller if COMMIT may have succeeded.
const IN_DOUBT: &str = "The outcome is unknown. Retry with the same key to learn it.";

/// When to retry an undecided request if nothing more is known: the least delay, and the most jitter added to it.
const SOON: Duration = Duration::from_secs(1);
const ALONE: (Duration, Duration) = (SOON, Duration::ZERO);

/// The same if many callers get this answer at once: jitter keeps them from retrying together.
const TOGETHER: (Duration, Duration) = (SOON, Duration::from_secs(2));

/// The same if an operator has to act first.
const BY_PEOPLE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// The most concurrent calls of the bus.
const BUS_CALLS: usize = 16;

/// What happened to an event that was offered to the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventFate {
    /// The bus accepted it.
    Taken,
    /// The bus refused it permanently, and it is parked.
    Parked,
    /// It stays in the outbox for the relay.
    Left,
}

/// An event that the bus has accepted or refused, and that is still in the outbox.
#[derive(Clone)]
enum Settled {
    Taken(EventId),
    Refused(EventId, String),
}

/// A host: the operations of a bundle with a database, an engine, a bus and a clock.
pub struct Pipeline {
    operations: Arc<Operations>,
    pub(crate) ledger: Ledger,
    rules: Arc<dyn Rules>,
    policy: Arc<dyn Policy>,
    vault: Arc<dyn Vault>,
    publisher: Arc<dyn Publisher>,
    pub(crate) clock: Arc<dyn Clock>,
    backoff: Backoff,
    breaker: RuleBreaker,
    admission: Admission,
    /// Events to be offered to the bus.
    events: Batcher<StagedEvent, Delivery>,
    /// Events to be removed from the outbox or parked.
    settled: Batcher<Settled, EventFate>,
    pub(crate) observer: Option<Arc<dyn FollowUpObserver>>,
    pub(crate) seeds: Seeds,
    /// Whether the host has received a request.
    in_use: AtomicBool,
}

/// A request that has been answered.
#[derive(Debug)]
pub struct Handled {
    /// The response to the caller.
    pub answer: Answer,
    /// What it cost.
    pub receipt: Receipt,
    /// What follows: pass its [follow-ups](Pending::take_follow_ups) to [`Pipeline::follow`], and the rest to
    /// [`Pipeline::publish`].
    pub pending: Option<Pending>,
    /// Why the request failed or was given up, if it was. For the log and for a rule's author, never for the caller.
    pub reason: Option<String>,
}

/// What follows a transaction that is certainly committed.
#[derive(Debug)]
pub struct Pending {
    operation: String,
    caller: CallerId,
    key: IdempotencyKey,
    /// Absent after a commit whose answer was lost: then only the outbox has them.
    events: Option<Vec<StagedEvent>>,
    /// Those that are due at once. None after a commit whose answer was lost: then the relay runs them.
    follow_ups: Vec<FollowUp>,
    /// Logged when this is dropped. A request that is still being decided has none.
    summary: Option<Summary>,
}

impl Pending {
    /// The operations that follow at once, which nothing runs but the relay if this is not used.
    pub fn take_follow_ups(&mut self) -> Vec<FollowUp> {
        std::mem::take(&mut self.follow_ups)
    }
}

/// The state shared by all attempts of a request.
struct RequestContext<'a> {
    request: &'a Request,
    operation: &'a Selected,
    caller: CallerId,
    digest: Digest,
    mode: Mode,
    key_is_given: bool,
    doubt: &'a CommitDoubt,
    round_trips: Arc<AtomicU32>,
    started: Instant,
    presence: &'a Presence,
}

impl Pipeline {
    /// Builds a host.
    pub fn new(
        operations: Operations,
        ledger: Ledger,
        rules: Arc<dyn Rules>,
        policy: Arc<dyn Policy>,
        publisher: Arc<dyn Publisher>,
        clock: Arc<dyn Clock>,
        backoff: Backoff,
    ) -> Self {
        let (failures, rest) = operations.breaker;
        let admission = Admission::new(operations.connections, Arc::clone(&clock));
        Self {
            operations: Arc::new(operations),
            ledger,
            rules,
            policy,
            vault: Arc::new(NoVault),
            publisher,
            clock,
            backoff,
            breaker: RuleBreaker::new(failures, rest),
            admission,
            events: Batcher::new(BUS_CALLS),
            settled: Batcher::new(1),
            observer: None,
            seeds: Arc::new(random_seed),
            in_use: AtomicBool::new(false),
        }
    }

    /// Adds a vault. Without one nothing can be sealed or opened.
    #[must_use]
    pub fn with_vault(self, vault: Arc<dyn Vault>) -> Self {
        Self { vault, ..self }
    }

    /// Sets the number of requests that are decided concurrently. The default is the bundle's `connections`. The ledger
    /// needs a connection, and the engine an instance, for each.
    #[must_use]
    pub fn with_concurrency(self, requests: u32) -> Self {
        let admission = Admission::new(requests, Arc::clone(&self.clock));
        Self { admission, ..self }
    }

    /// Has the follow-ups observed that this host runs by itself.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn FollowUpObserver>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Takes the seeds of follow-ups from elsewhere than from the machine.
    #[must_use]
    pub fn with_seeds(self, seeds: Seeds) -> Self {
        Self { seeds, ..self }
    }

    /// How many requests are decided concurrently.
    pub(crate) fn concurrency(&self) -> usize {
        usize::try_from(self.operations.connections).unwrap_or(usize::MAX).max(1)
    }

    /// A place for optional work, such as a shadow, which needs a connection or an instance like a request: only while
    /// more than half of the places are free. Hold it until that work is over.
    pub fn spare_place(&self) -> Option<Place> {
        self.admission.spare()
    }

    /// Decides a request. Every outcome is an answer. The cause of a failure goes to the log under the reference that
    /// the caller receives.
    pub async fn handle(&self, request: Request) -> Handled {
        self.handle_under(request, None).await
    }

    /// Like `handle`, with a probe that observes the request.
    pub async fn handle_under(&self, request: Request, probe: Option<&dyn Probe>) -> Handled {
        self.handle_while(request, probe, &Presence::unknown()).await
    }

    /// Like `handle_under`, for a caller who may leave.
    pub async fn handle_while(&self, request: Request, probe: Option<&dyn Probe>, caller: &Presence) -> Handled {
        let is_first = !self.in_use.swap(true, Ordering::Relaxed);
        let operation = self.operations.select(&request.operation);
        let span = summary::span(operation.as_ref().ok().map(|operation| operation.name()), &request);
        let doubt = CommitDoubt::default();
        let mut handled = {
            let deciding = pin!(self.decide(&request, operation, (probe, caller), &span, &doubt));
            let deciding = async { caught(deciding).await.unwrap_or_else(|text| panicked(&request, &doubt, &text)) };
            in_span(&span, pin!(deciding)).await
        };
        let summary = Summary::new(span, is_first, &handled.answer, &handled.receipt);
        if let Some(pending) = &mut handled.pending {
            pending.summary = Some(summary);
        }
        handled
    }

    /// Whether the database can be reached and has Tenet's tables, so that requests can be decided. The error is for
    /// the log.
    ///
    /// A host whose connections are all in use is busy but ready, as long as the database answers.
    pub async fn ready(&self, deadline: Instant) -> Result<(), Fault> {
        match self.admission.enter_now() {
            Some(_place) => self.ledger.transactions.ready(deadline).await,
            None => self.ledger.transactions.ready_while_busy(deadline).await,
        }
    }

    /// Publishes the events of a committed transaction, and removes the accepted ones from the outbox. Returns how many
    /// are left for a relay, if that is known: after a commit whose answer was lost only the outbox knows, and it may
    /// be unreachable.
    ///
    /// Events of requests that publish at the same time share one call of the bus.
    pub async fn publish(&self, mut pending: Pending, deadline: Instant) -> Option<usize> {
        let summary = pending.summary.take();
        let span = summary.as_ref().map_or_else(Span::none, |summary| summary.span.clone());
        let publishing = async {
            let started = self.clock.instant();
            let published = self.publish_now(pending, deadline).await;
            Published { elapsed: Some(self.clock.instant() - started), ..published }
        };
        let publishing = async {
            caught(publishing).await.unwrap_or_else(|text| {
                tracing::error!(
                    reason = text,
                    "the host panicked while it published events; a relay will publish them"
                );
                Published { left: None, ..Published::default() }
            })
        };
        let published = in_span(&span, pin!(publishing)).await;
        if let Some(mut summary) = summary {
            summary.published = published;
        }
        published.left
    }

    /// Publishes several transactions. Their events are batched together.
    pub async fn publish_all(&self, pending: impl IntoIterator<Item = Pending>, deadline: Instant) {
        join_all(pending.into_iter().map(|pending| self.publish(pending, deadline))).await;
    }

    async fn publish_now(&self, pending: Pending, deadline: Instant) -> Published {
        let events = match pending.events {
            Some(events) => events,
            None => match self.staged(&pending, deadline).await {
                Ok(events) => events,
                Err(fault) => {
                    tracing::warn!(
                        fault = format!("{fault:#}"),
                        "the outbox could not be read after a commit whose answer was lost"
                    );
                    return Published { left: None, ..Published::default() };
                }
            },
        };
        if events.is_empty() {
            return Published::default();
        }
        let fates = self.deliver(events, deadline).await;
        let count = |what| fates.iter().filter(|fate| **fate == what).count();
        Published {
            taken: count(EventFate::Taken),
            parked: count(EventFate::Parked),
            left: Some(count(EventFate::Left)),
            elapsed: None,
        }
    }

    async fn staged(&self, pending: &Pending, deadline: Instant) -> Result<Vec<StagedEvent>, Fault> {
        let _place = self.in_background(deadline).await?;
        self.ledger.outbox.staged(&pending.operation, pending.caller, &pending.key, deadline).await
    }

    /// A place for the host's own database work.
    pub(crate) async fn in_background(&self, deadline: Instant) -> Result<InBackground<'_>, Fault> {
        let place = self.admission.enter_in_background(deadline).await;
        place.map_err(|refused| Fault::deadline(refused.to_string()))
    }

    /// Offers events to the bus, removes the accepted ones from the outbox, and parks those refused permanently. Events
    /// of several callers are batched together.
    pub(crate) async fn deliver(&self, events: Vec<StagedEvent>, deadline: Instant) -> Vec<EventFate> {
        let mut fates = vec![EventFate::Left; events.len()];
        // An accepted event that stays in the outbox is published again. So a slow bus must leave time to remove
        // events.
        let left = deadline.saturating_duration_since(self.clock.instant());
        let until = deadline - FORGETTING.min(left / 3);
        let names: Vec<_> = events.iter().map(|event| (event.id, event.operation.clone())).collect();
        let offer = |events: Arc<[StagedEvent]>| async move { self.publisher.publish(&events, until).await };
        let Some(deliveries) = self.events.send(events, &*self.clock, until, offer).await else {
            tracing::warn!(events = names.len(), "events stay in the outbox: the bus took too long");
            return fates;
        };
        let (mut places, mut settled) = (Vec::new(), Vec::new());
        for (place, ((id, operation), delivery)) in names.into_iter().zip(deliveries).enumerate() {
            match delivery {
                Delivery::Later(_) if Mutant::EventsForgotten.is_alive() => settled.push(Settled::Taken(id)),
                Delivery::Taken => settled.push(Settled::Taken(id)),
                Delivery::Later(reason) => {
                    tracing::warn!(event = %id, reason, "event stays in the outbox");
                    continue;
                }
                Delivery::Refused(reason) => {
                    tracing::error!(event = %id, operation, reason, "event refused for good");
                    settled.push(Settled::Refused(id, reason));
                }
            }
            places.push(place);
        }
        if settled.is_empty() {
            return fates;
        }
        let told: Vec<_> = settled.iter().map(Settled::unless_forgotten).collect();
        let settle = |settled: Arc<[Settled]>| async move { self.settle(&settled, deadline).await };
        let settled = self.settled.send(settled, &*self.clock, deadline, settle).await.unwrap_or(told);
        for (place, fate) in places.into_iter().zip(settled) {
            if let Some(slot) = fates.get_mut(place) {
                *slot = fate;
            }
        }
        fates
    }

    /// Updates the outbox for events that the bus has accepted or refused.
    async fn settle(&self, settled: &[Settled], deadline: Instant) -> Vec<EventFate> {
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for settled in settled {
            match settled {
                Settled::Taken(id) => taken.push(*id),
                Settled::Refused(id, reason) => refused.push((*id, reason.clone())),
            }
        }
        let done = async {
            let _place = self.in_background(deadline).await?;
            let forgotten = if taken.is_empty() { Ok(()) } else { self.ledger.outbox.forget(&taken, deadline).await };
            let parked = if refused.is_empty() { Ok(()) } else { self.ledger.outbox.park(&refused, deadline).await };
            Ok::<_, Fault>((forgotten, parked))
        };
        let (forgotten, parked) = match done.await {
            Ok(done) => done,
            Err(fault) => (Err(fault.clone()), Err(fault)),
        };
        if let Err(fault) = forgotten
            && !taken.is_empty()
        {
            tracing::warn!(
                fault = format!("{fault:#}"),
                "published events stay in the outbox and will be published again"
            );
        }
        let is_parked = parked.is_ok();
        if let Err(fault) = parked
            && !refused.is_empty()
        {
            tracing::warn!(
                fault = format!("{fault:#}"),
                "events that were refused for good are not parked and will be offered again"
            );
        }
        let fate = |settled: &Settled| match settled {
            Settled::Refused(..) if is_parked => EventFate::Parked,
            settled => settled.unless_forgotten(),
        };
        settled.iter().map(fate).collect()
    }

    async fn decide(
        &self,
        request: &Request,
        operation: Result<&Selected, String>,
        (probe, presence): (Option<&dyn Probe>, &Presence),
        span: &Span,
        doubt: &CommitDoubt,
    ) -> Handled {
        let started = self.clock.instant();
        let refuse = |answer| Handled {
            answer,
            receipt: Receipt { elapsed: self.clock.instant() - started, ..Receipt::default() },
            pending: None,
            reason: None,
        };
        let operation = match operation {
            Ok(operation) => operation,
            Err(message) => return refuse(Answer::invalid(&message)),
        };
        if let Err(message) = operation.admit(request) {
            return refuse(Answer::forbidden(message));
        }
        let Keyed { mode, digest, is_given } = match operation.keyed(request) {
            Ok(keyed) => keyed,
            Err(message) => return refuse(Answer::invalid(&message)),
        };
        if let Mode::Write { key, .. } = &mode {
            summary::record_key(span, key);
            doubt.set_key(key, is_given);
        }
        let round_trips = Arc::new(AtomicU32::new(0));
        let caller = request.scope();
        let context = RequestContext {
            request,
            operation,
            caller,
            digest,
            mode,
            key_is_given: is_given,
            doubt,
            round_trips,
            started,
            presence,
        };
        let half = started + request.deadline.saturating_duration_since(started) / 2;
        let user = User::Party(operation.name().into(), caller);
        let entered = match select(pin!(self.admission.enter(user, half)), pin!(presence.left())).await {
            Either::Left((entered, _)) => entered,
            Either::Right(_) => Err(Refused::Left),
        };
        let queued = self.clock.instant() - started;
        let _place = match entered {
            Ok(place) => place,
            Err(refused) => {
                let mut handled = refuse(context.overloaded(refused));
                handled.receipt.queued = queued;
                return handled;
            }
        };
        let mut handled = self.attempts(&context, probe, span).await;
        handled.receipt.queued = queued;
        handled
    }

    async fn attempts(&self, context: &RequestContext<'_>, probe: Option<&dyn Probe>, around: &Span) -> Handled {
        let request = context.request;
        let passes = self.breaker.passes(context.caller, context.digest);
        let suspended = self.suspended(context, &passes);
        let runner = AttemptRunner {
            rules: self.rules.as_ref(),
            policy: &self.policy,
            vault: &self.vault,
            passes: &passes,
            suspended,
            clock: &self.clock,
            operations: &self.operations,
            request,
            presence: context.presence,
            probe,
            key: context.key(),
            doubt: context.doubt,
            #[cfg(feature = "mutants")]
            publisher: self.publisher.as_ref(),
            #[cfg(feature = "mutants")]
            leftovers: std::sync::Mutex::default(),
            chain: &context.operation.rules,
        };
        let mut jitter = Random::new(&request.seed, "retry", 0);
        let mut receipt = Receipt::default();
        let mut lost = Vec::new();
        let mut why = None;
        let mut elsewhere = false;
        // Whether an attempt was lost because the database was unreachable or did not respond.
        let mut was_away = false;
        // Whether a statement of the last attempt was not answered while the database answered others.
        let mut was_slow = false;
        loop {
            receipt.attempts += 1;
            // Whether an earlier attempt may have committed.
            let unknown = context.doubt.may_be_committed();
            let span = tracing::info_span!("attempt", attempt = receipt.attempts);
            let attempt = self.ledger.transactions.open(context.claim(elsewhere, was_slow));
            let attempt = match probe {
                Some(probe) => probe.attempt(attempt),
                None => attempt,
            };
            let began = self.clock.instant();
            let outcome = in_span(&span, pin!(runner.run(attempt, &mut receipt))).await;
            let took = self.clock.instant() - began;
            let (answer, pending) = match outcome {
                AttemptOutcome::Committed { accepted, body, staged } => {
                    let status = if accepted { Status::Accepted } else { Status::Rejected };
                    (context.answer(status, body), context.pending(Some(staged)))
                }
                AttemptOutcome::Answered(stored) => context.stored(stored, unknown),
                AttemptOutcome::Failed(failure) => {
                    if let (Blame::Rule, Some(rule)) = (failure.blame, &failure.rule) {
                        if failure.costs(&receipt) {
                            passes.failed(rule, took, self.clock.dual_instant());
                        }
                        summary::tell_rule(&request.region, rule, failure.limit);
                    }
                    why = Some(format!("{}: {failure}", failure.code));
                    (context.failed(&failure, unknown, was_away), None)
                }
                AttemptOutcome::Again(ended) => {
                    let fault = &ended.fault;
                    let reason = summary::reason(fault);
                    let unknown = (unknown || fault.commit_unknown()) && !Mutant::DoubtForgotten.is_alive();
                    // If an endpoint did not respond, try the other one.
                    elsewhere ^= fault.commit_unknown() || fault.is_unavailable();
                    was_slow = fault.is_slow();
                    was_away |= fault.is_unavailable() && !was_slow;
                    receipt.unknown_commits += u32::from(fault.commit_unknown());
                    receipt.conflicts += u32::from(fault.is_conflict());
                    receipt.schema_conflicts += u32::from(reason == summary::SCHEMA_CHANGED);
                    lost.push(reason);
                    summary::record_lost(around, &lost);
                    let wait = self.backoff.after(receipt.attempts, jitter.number());
                    let again = receipt.attempts < self.backoff.attempts
                        && !fault.is_shut()
                        && self.has_time(request, wait)
                        && !context.presence.has_left();
                    tracing::info!(
                        fault = format!("{fault:#}"),
                        unknown,
                        again,
                        wait_us = wait.as_micros() as u64,
                        "attempt lost"
                    );
                    if again {
                        self.clock.sleep(wait).await;
                        continue;
                    }
                    why = Some(format!("{}: {fault:#}", fault.code().unwrap_or(Code::HostFailed)));
                    (context.given_up(&ended, unknown, receipt.attempts, self.clock.instant()), None)
                }
            };
            receipt.round_trips = context.round_trips.load(Ordering::Relaxed);
            receipt.elapsed = self.clock.instant() - context.started;
            return Handled { answer, receipt, pending, reason: why };
        }
    }

    /// The first rule of the operation that is certainly suspended: then the rules before it need not run.
    fn suspended<'a>(&self, context: &'a RequestContext<'_>, passes: &RulePasses<'_>) -> Option<&'a str> {
        let now = self.clock.dual_instant();
        context.operation.rules.iter().map(|rule| rule.name.as_str()).find(|rule| passes.is_suspended(rule, now))
    }

    fn has_time(&self, request: &Request, wait: Duration) -> bool {
        Mutant::WaitWithoutBound.is_alive() || self.clock.instant() + wait < request.deadline
    }
}

/// The answer to a request that made the host panic. It calls no port.
fn panicked(request: &Request, doubt: &CommitDoubt, text: &str) -> Handled {
    let reference = reference(request);
    let reason = format!("{}: the host panicked: {text}", Code::HostFailed);
    let (key, key_is_given) = doubt.key().cloned().unzip();
    let unknown = doubt.may_be_committed() && key.is_some();
    let error_code = Code::HostFailed.as_str();
    tracing::error!(reference, error_code, blame = ?Blame::Host, unknown, reason, "request failed");
    let (status, code, message) = match unknown {
        true => (Status::Unavailable, "outcome-unknown", IN_DOUBT.to_owned()),
        false => (Status::Failed, "failed", failed(&reference)),
    };
    let mut problem = Problem::new(code, &message);
    problem.key = key.as_ref().filter(|_| unknown).map(|key| key.as_str().into());
    problem.reference = Some(reference.as_str().into());
    let body = problem.body();
    let key_is_given = key_is_given.unwrap_or_default();
    let again_after = unknown.then_some(SOON);
    let answer = Answer { status, body, key, key_is_given, repeated: false, again_after };
    Handled { answer, receipt: Receipt::default(), pending: None, reason: Some(reason) }
}

fn failed(reference: &str) -> String {
    format!("The request failed and nothing was changed. The operator's log has more under {reference}.")
}

fn reference(request: &Request) -> String {
    hex(&Random::new(&request.seed, "reference", 0).bytes(8))
}

impl Settled {
    /// The fate of the event if the outbox could not be updated.
    fn unless_forgotten(&self) -> EventFate {
        match self {
            Self::Taken(_) => EventFate::Taken,
            Self::Refused(..) => EventFate::Left,
        }
    }
}

impl RequestContext<'_> {
    fn key(&self) -> Option<&IdempotencyKey> {
        match &self.mode {
            Mode::Write { key, .. } => Some(key),
            Mode::Read => None,
        }
    }

    fn claim(&self, elsewhere: bool, probes_session: bool) -> Claim {
        Claim {
            operation: self.operation.name().to_owned(),
            caller: self.caller,
            mode: self.mode.clone(),
            follow_up: self.request.follow_up.as_ref().map(|follow_up| follow_up.id),
            now: self.request.now,
            region: self.request.region.clone(),
            deadline: self.request.deadline,
            elsewhere,
            probes_session,
            round_trips: Arc::clone(&self.round_trips),
        }
    }

    fn answer(&self, status: Status, body: String) -> Answer {
        let (key, key_is_given) = (self.key().cloned(), self.key_is_given);
        Answer { status, body, key, key_is_given, repeated: false, again_after: None }
    }

    fn pending(&self, staged: Option<Staged>) -> Option<Pending> {
        let (events, mut follow_ups) = match staged {
            Some(Staged { events, follow_ups }) => (Some(events), follow_ups),
            None => (None, Vec::new()),
        };
        follow_ups.retain(|follow_up| follow_up.due <= self.request.now);
        if events.as_ref().is_some_and(Vec::is_empty) && follow_ups.is_empty() {
            return None;
        }
        let (operation, key) = (self.operation.name().to_owned(), self.key()?.clone());
        Some(Pending { operation, caller: self.caller, key, events, follow_ups, summary: None })
    }

    /// The answer that the key already has: from an earlier request, or from an attempt of this request whose commit
    /// succeeded although its answer was lost.
    fn stored(&self, stored: StoredAnswer, unknown: bool) -> (Answer, Option<Pending>) {
        let is_same = matches!(&self.mode, Mode::Write { digest, .. } if *digest == stored.digest);
        if !is_same && !Mutant::DigestIgnored.is_alive() {
            let message = "This idempotency key has an answer to another payload.";
            return (self.answer(Status::KeyReused, Problem::new("key-reused", message).body()), None);
        }
        let status = if stored.accepted { Status::Accepted } else { Status::Rejected };
        let pending = if unknown && stored.accepted { self.pending(None) } else { None };
        (Answer { repeated: !unknown, ..self.answer(status, stored.body) }, pending)
    }

    fn failed(&self, failure: &AttemptFailure, unknown: bool, was_away: bool) -> Answer {
        let reference = self.reference();
        if matches!(failure.missing, Some(MissingResource::Rule(_))) {
            tracing::warn!(reference, rule = failure.rule, "request for a suspended rule");
        } else if matches!(failure.missing, Some(MissingResource::Caller)) {
            tracing::info!(reference, rule = failure.rule, "request of a caller who has left");
        } else {
            let limit = failure.limit.as_ref();
            tracing::error!(
                reference,
                error_code = failure.code.as_str(),
                blame = ?failure.blame,
                rule = failure.rule,
                limit = limit.map(|exceeded| exceeded.limit.name()),
                allowed = limit.and_then(|exceeded| exceeded.allowed),
                used = limit.and_then(|exceeded| exceeded.used),
                reason = %failure,
                "request failed"
            );
        }
        if unknown {
            return self.in_doubt(&reference);
        }
        let suspended;
        let missing = match failure.missing {
            Some(MissingResource::Rule(rest)) => {
                let rule = failure.rule.as_deref().unwrap_or_default();
                suspended = format!("The rule {rule} keeps failing and is suspended for a while. Nothing was changed.");
                Some(("rule-out", suspended.as_str(), (rest, (rest / 4).max(SOON))))
            }
            // The time was spent on the unreachable database.
            Some(MissingResource::Time) if was_away => Some(("unavailable", AWAY, TOGETHER)),
            Some(MissingResource::Time | MissingResource::Caller) => Some(("out-of-time", NO_TIME, ALONE)),
            Some(MissingResource::Vault) => {
                Some(("vault-away", "The keys of sensitive fields cannot be reached. Nothing was changed.", TOGETHER))
            }
            Some(MissingResource::Tables) => Some((
                "schema-differs",
                "The database is not ready for this operation. Nothing was changed.",
                BY_PEOPLE,
            )),
            None => None,
        };
        if let Some((code, message, again)) = missing {
            return self.unavailable(code, message, &reference, again);
        }
        let message = failed(&reference);
        let mut problem = Problem::new("failed", &message);
        problem.reference = Some(reference.as_str().into());
        self.answer(Status::Failed, problem.body())
    }

    fn given_up(&self, ended: &Interrupted, unknown: bool, attempts: u32, now: Instant) -> Answer {
        let Interrupted { fault, rule, statement } = ended;
        let reference = self.reference();
        let elapsed_ms = u64::try_from((now - self.started).as_millis()).unwrap_or(u64::MAX);
        let error_code = fault.code().map(Code::as_str);
        tracing::error!(
            reference,
            error_code,
            rule,
            statement,
            attempts,
            elapsed_ms,
            reason = format!("{fault:#}"),
            "request given up"
        );
        if unknown {
            self.in_doubt(&reference)
        } else if fault.is_slow() {
            self.unavailable("out-of-time", NO_TIME, &reference, ALONE)
        } else if fault.is_unavailable() {
            let rest = fault.rest().unwrap_or_default().max(SOON);
            self.unavailable("unavailable", AWAY, &reference, (rest, (rest / 4).max(SOON)))
        } else {
            let message = "Other requests changed the same rows each time. Nothing was changed by this one.";
            self.unavailable("busy", message, &reference, TOGETHER)
        }
    }

    fn overloaded(&self, refused: Refused) -> Answer {
        let reference = self.reference();
        if refused == Refused::Left {
            tracing::info!(reference, "request of a caller who has left");
        } else {
            tracing::warn!(reference, reason = %refused, "request for which no connection was free");
        }
        let message = "There are more requests than can be decided now. Nothing was changed by this one.";
        self.unavailable("overloaded", message, &reference, TOGETHER)
    }

    fn in_doubt(&self, reference: &str) -> Answer {
        self.unavailable("outcome-unknown", IN_DOUBT, reference, ALONE)
    }

    /// A retry is worth its while after `least`. Up to `spread` of jitter is added.
    fn unavailable(&self, code: &str, message: &str, reference: &str, (least, spread): (Duration, Duration)) -> Answer {
        let again = match self.key() {
            Some(_) if !message.contains("Retry with") => " Retry with the same key.",
            _ => "",
        };
        let message = format!("{message}{again}");
        let mut problem = Problem::new(code, &message);
        problem.key = self.key().map(|key| key.as_str().into());
        problem.reference = Some(reference.into());
        let chance = Random::new(&self.request.seed, "again", 0).number() as f64 / u64::MAX as f64;
        let again_after = Some(least + spread.mul_f64(chance));
        Answer { again_after, ..self.answer(Status::Unavailable, problem.body()) }
    }

    fn reference(&self) -> String {
        reference(self.request)
    }
}
