use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tenet_core::{
    Blame, CallerId, Claim, Clock, Code, Delivery, Digest, EventId, Fault, IdempotencyKey, Ledger, Mode, Policy, Probe,
    Publisher, Receipt, Request, Rules, StagedEvent, StoredAnswer, Vault, caught, hex,
};
use tracing::Span;

use crate::admission::{Admission, InBackground, Place, Refused};
use crate::answer::Problem;
use crate::attempt_runner::{AttemptFailure, AttemptOutcome, AttemptRunner, Interrupted, MissingResource};
use crate::batcher::Batcher;
use crate::commit_doubt::CommitDoubt;
use crate::in_span::in_span;
use crate::no_vault::NoVault;
use crate::rule_breaker::{RuleBreaker, RulePasses};
use crate::selection::{Keyed, Selected};
use crate::summary::{self, Published, Summary};
use crate::{Answer, Backoff, Operations, Status};
use tenet_core::Random;

/// Kept of a deadline for taking events out of the outbox.
const FORGETTING: Duration = Duration::from_millis(500);

/// What a caller is told of a database that is away or silent.
const AWAY: &str = "The database cannot be reached, or does not answer. Nothing was changed.";

/// The message for a caller where COMMIT may have been carried out.
const IN_DOUBT: &str = "The outcome is not known. Ask again with the same key to learn it.";

/// After how long a request that could not be decided is worth another try, where nothing more is
/// known; and by how much more by chance.
const SOON: Duration = Duration::from_secs(1);
const ALONE: (Duration, Duration) = (SOON, Duration::ZERO);

/// The same where many are told so at once, who had better not come back together.
const TOGETHER: (Duration, Duration) = (SOON, Duration::from_secs(2));

/// And where people have to do something first.
const BY_PEOPLE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// Calls of the bus that are on their way at the same moment.
const BUS_CALLS: usize = 16;

/// What becomes of one event that the bus was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The bus has taken it.
    Taken,
    /// The bus refused it for good, and it is parked.
    Parked,
    /// It stays in the outbox for the relay.
    Left,
}

/// An event that the bus has settled and the outbox has not.
#[derive(Clone)]
enum Settled {
    Taken(EventId),
    Refused(EventId, String),
}

/// A host: a bundle's operations over a database, an engine, a bus and a clock.
pub struct Pipeline {
    operations: Operations,
    pub(crate) ledger: Ledger,
    rules: Arc<dyn Rules>,
    policy: Arc<dyn Policy>,
    vault: Arc<dyn Vault>,
    publisher: Arc<dyn Publisher>,
    pub(crate) clock: Arc<dyn Clock>,
    backoff: Backoff,
    breaker: RuleBreaker,
    admission: Admission,
    /// Events on their way to the bus.
    events: Batcher<StagedEvent, Delivery>,
    /// What is on its way out of the outbox.
    settled: Batcher<Settled, Fate>,
    /// Whether a request has come.
    in_use: AtomicBool,
}

/// A request that has been dealt with.
#[derive(Debug)]
pub struct Handled {
    /// What the caller is told.
    pub answer: Answer,
    /// What it cost.
    pub receipt: Receipt,
    /// What is left to be published; hand it to [`Pipeline::publish`].
    pub pending: Option<Pending>,
    /// Why it failed or was given up, where it was: for the log and for a rule's author, never
    /// for the caller.
    pub reason: Option<String>,
}

/// Events of a transaction that is certainly committed.
#[derive(Debug)]
pub struct Pending {
    operation: String,
    caller: CallerId,
    key: IdempotencyKey,
    /// Absent after a commit whose answer was lost: then only the outbox knows them.
    events: Option<Vec<StagedEvent>>,
    /// Told when this goes. A request that is being decided has none yet.
    summary: Option<Summary>,
}

/// A request on its way: what all its attempts share.
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
}

impl Pipeline {
    /// Puts a host together.
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
        let admission = Admission::new(operations.connections);
        Self {
            operations,
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
            in_use: AtomicBool::new(false),
        }
    }

    /// The same with a vault: without one nothing can be sealed or opened.
    #[must_use]
    pub fn with_vault(self, vault: Arc<dyn Vault>) -> Self {
        Self { vault, ..self }
    }

    /// The same with another number of requests that are decided at the same moment, which is that
    /// of the bundle's `connections` where nothing is said. The ledger has to have a connection for
    /// each, and the engine an instance.
    #[must_use]
    pub fn with_concurrency(self, requests: u32) -> Self {
        Self { admission: Admission::new(requests), ..self }
    }

    /// A place for work that may as well not be done, such as a shadow's, which wants a connection
    /// or an instance as a request does: only while more than half of the places are free. It is
    /// held until that work is over.
    pub fn spare_place(&self) -> Option<Place> {
        self.admission.spare()
    }

    /// Decides a request. Every ending is an answer; the reasons of a failure go to the
    /// log under the reference that the caller is given.
    pub async fn handle(&self, request: Request) -> Handled {
        self.handle_under(request, None).await
    }

    /// The same with somebody looking on.
    pub async fn handle_under(&self, request: Request, probe: Option<&dyn Probe>) -> Handled {
        let is_first = !self.in_use.swap(true, Ordering::Relaxed);
        let operation = self.operations.select(&request.operation);
        let span = summary::span(operation.as_ref().ok().map(|operation| operation.name()), &request);
        let doubt = CommitDoubt::default();
        let mut handled = {
            let deciding = pin!(self.decide(&request, operation, probe, &span, &doubt));
            let deciding = async { caught(deciding).await.unwrap_or_else(|text| panicked(&request, &doubt, &text)) };
            in_span(&span, pin!(deciding)).await
        };
        let summary = Summary::new(span, is_first, &handled.answer, &handled.receipt);
        if let Some(pending) = &mut handled.pending {
            pending.summary = Some(summary);
        }
        handled
    }

    /// Whether the database can be reached and has Tenet's tables, so that requests can be
    /// decided. The error is for the log.
    ///
    /// A host whose connections are all in use is busy, which is not to say that it is not ready: it
    /// is while requests come to their ends.
    pub async fn ready(&self, deadline: Instant) -> Result<(), Fault> {
        let now = self.clock.instant();
        let half = now + deadline.saturating_duration_since(now) / 2;
        let begun = self.admission.given();
        match self.admission.enter(&*self.clock, half).await {
            Ok(_place) => self.ledger.transactions.ready(deadline).await,
            Err(_) if self.admission.given() > begun => {
                tracing::info!("all connections are in use");
                Ok(())
            }
            Err(refused) => Err(Fault::unavailable(format!("{refused}, and no request came to its end meanwhile"))),
        }
    }

    /// Hands the events of a committed transaction to the bus and takes those it has
    /// taken out of the outbox. Gives the number of those that are a relay's work, where it is
    /// known: after a commit whose answer was lost only the outbox tells, and may be out of reach.
    ///
    /// Events of requests that publish at the same moment go in one call of the bus.
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
                tracing::error!(reason = text, "the host panicked while it published events, which a relay will do");
                Published { left: None, ..Published::default() }
            })
        };
        let published = in_span(&span, pin!(publishing)).await;
        if let Some(mut summary) = summary {
            summary.published = published;
        }
        published.left
    }

    /// The same for several transactions, whose events go together.
    pub async fn publish_all(&self, pending: impl IntoIterator<Item = Pending>, deadline: Instant) {
        join_all(pending.into_iter().map(|pending| self.publish(pending, deadline))).await;
    }

    async fn publish_now(&self, pending: Pending, deadline: Instant) -> Published {
        let events = match pending.events {
            Some(events) => events,
            None => match self.staged(&pending, deadline).await {
                Ok(events) => events,
                Err(fault) => {
                    tracing::warn!(%fault, "the outbox could not be read after a commit whose answer was lost");
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
            taken: count(Fate::Taken),
            parked: count(Fate::Parked),
            left: Some(count(Fate::Left)),
            elapsed: None,
        }
    }

    async fn staged(&self, pending: &Pending, deadline: Instant) -> Result<Vec<StagedEvent>, Fault> {
        let _place = self.in_background(deadline).await?;
        self.ledger.outbox.staged(&pending.operation, pending.caller, &pending.key, deadline).await
    }

    /// A place for a flight of the host's own.
    pub(crate) async fn in_background(&self, deadline: Instant) -> Result<InBackground<'_>, Fault> {
        let place = self.admission.enter_in_background(&*self.clock, deadline).await;
        place.map_err(|refused| Fault::deadline(refused.to_string()))
    }

    /// Offers events to the bus, takes those it has taken out of the outbox, and parks those it
    /// will never take. Events of several callers go together.
    pub(crate) async fn deliver(&self, events: Vec<StagedEvent>, deadline: Instant) -> Vec<Fate> {
        let mut fates = vec![Fate::Left; events.len()];
        // What was taken and not taken out is published again, so that a bus that takes its
        // time must not leave none for that.
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

    /// Takes out of the outbox what the bus has settled.
    async fn settle(&self, settled: &[Settled], deadline: Instant) -> Vec<Fate> {
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
            tracing::warn!(%fault, "published events stay in the outbox and will be published again");
        }
        let is_parked = parked.is_ok();
        if let Err(fault) = parked
            && !refused.is_empty()
        {
            tracing::warn!(%fault, "events that were refused for good are not parked and will be offered again");
        }
        let fate = |settled: &Settled| match settled {
            Settled::Refused(..) if is_parked => Fate::Parked,
            settled => settled.unless_forgotten(),
        };
        settled.iter().map(fate).collect()
    }

    async fn decide(
        &self,
        request: &Request,
        operation: Result<&Selected, String>,
        probe: Option<&dyn Probe>,
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
            doubt.of(key, is_given);
        }
        let round_trips = Arc::new(AtomicU32::new(0));
        let caller = CallerId::of(request.caller.as_deref());
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
        };
        let half = started + request.deadline.saturating_duration_since(started) / 2;
        let entered = self.admission.enter(&*self.clock, half).await;
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
        let resting = self.resting(context, &passes);
        let trial = AttemptRunner {
            rules: self.rules.as_ref(),
            policy: &self.policy,
            vault: &self.vault,
            passes: &passes,
            resting,
            clock: &self.clock,
            request,
            probe,
            key: context.key(),
            doubt: context.doubt,
            #[cfg(feature = "mutants")]
            publisher: self.publisher.as_ref(),
            chain: &context.operation.rules,
        };
        let mut jitter = Random::new(&request.seed, "retry", 0);
        let mut receipt = Receipt::default();
        let mut lost = Vec::new();
        let mut why = None;
        let mut elsewhere = false;
        // Whether an attempt was lost because the database was away or silent.
        let mut was_away = false;
        loop {
            receipt.attempts += 1;
            // Whether an earlier attempt may have committed without our knowing.
            let unknown = context.doubt.is_there();
            let span = tracing::info_span!("attempt", attempt = receipt.attempts);
            let attempt = self.ledger.transactions.open(context.claim(elsewhere));
            let attempt = match probe {
                Some(probe) => probe.attempt(attempt),
                None => attempt,
            };
            let over = in_span(&span, pin!(trial.run(attempt, &mut receipt))).await;
            let (answer, pending) = match over {
                AttemptOutcome::Committed { accepted, body, events } => {
                    let status = if accepted { Status::Accepted } else { Status::Rejected };
                    (context.answer(status, body), context.pending(Some(events)))
                }
                AttemptOutcome::Answered(stored) => context.stored(stored, unknown),
                AttemptOutcome::Failed(failure) => {
                    if let (Blame::Rule, Some(rule)) = (failure.blame, &failure.rule) {
                        if failure.costs(&receipt) {
                            passes.failed(rule, self.clock.moment());
                        }
                        summary::tell_rule(&request.region, rule, failure.limit);
                    }
                    why = Some(format!("{}: {failure}", failure.code));
                    (context.failed(&failure, unknown, was_away), None)
                }
                AttemptOutcome::Again(ended) => {
                    let fault = &ended.fault;
                    let reason = summary::reason(fault);
                    let unknown = unknown || fault.commit_unknown();
                    // Where an endpoint gave no answer the other one is the better choice.
                    elsewhere ^= fault.commit_unknown() || fault.is_unavailable();
                    was_away |= fault.is_unavailable();
                    receipt.unknown_commits += u32::from(fault.commit_unknown());
                    receipt.conflicts += u32::from(fault.is_conflict());
                    receipt.schema_conflicts += u32::from(reason == summary::SCHEMA_CHANGED);
                    lost.push(reason);
                    summary::record_lost(around, &lost);
                    let wait = self.backoff.after(receipt.attempts, &mut jitter);
                    let again =
                        receipt.attempts < self.backoff.attempts && !fault.is_shut() && self.has_time(request, wait);
                    tracing::info!(%fault, unknown, again, wait_us = wait.as_micros() as u64, "attempt lost");
                    if again {
                        self.clock.sleep(wait).await;
                        continue;
                    }
                    why = Some(format!("{}: {fault}", fault.code().unwrap_or(Code::HostFailed)));
                    (context.given_up(&ended, unknown, receipt.attempts, self.clock.instant()), None)
                }
            };
            receipt.round_trips = context.round_trips.load(Ordering::Relaxed);
            receipt.elapsed = self.clock.instant() - context.started;
            return Handled { answer, receipt, pending, reason: why };
        }
    }

    /// The first rule of the operation that certainly rests, so that others need not run for nothing.
    fn resting<'a>(&self, context: &'a RequestContext<'_>, passes: &RulePasses<'_>) -> Option<&'a str> {
        let now = self.clock.moment();
        context.operation.rules.iter().map(|rule| rule.name.as_str()).find(|rule| passes.rests(rule, now))
    }

    fn has_time(&self, request: &Request, wait: Duration) -> bool {
        self.clock.instant() + wait < request.deadline
    }
}

/// The answer to a request during which the host has panicked. It calls no port.
fn panicked(request: &Request, doubt: &CommitDoubt, text: &str) -> Handled {
    let reference = reference(request);
    let reason = format!("{}: the host panicked: {text}", Code::HostFailed);
    let (key, key_is_given) = doubt.key().cloned().unzip();
    let unknown = doubt.is_there() && key.is_some();
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
    /// What becomes of it where the outbox could not be told.
    fn unless_forgotten(&self) -> Fate {
        match self {
            Self::Taken(_) => Fate::Taken,
            Self::Refused(..) => Fate::Left,
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

    fn claim(&self, elsewhere: bool) -> Claim {
        Claim {
            operation: self.operation.name().to_owned(),
            caller: self.caller,
            mode: self.mode.clone(),
            now: self.request.now,
            region: self.request.region.clone(),
            deadline: self.request.deadline,
            elsewhere,
            round_trips: Arc::clone(&self.round_trips),
        }
    }

    fn answer(&self, status: Status, body: String) -> Answer {
        let (key, key_is_given) = (self.key().cloned(), self.key_is_given);
        Answer { status, body, key, key_is_given, repeated: false, again_after: None }
    }

    fn pending(&self, events: Option<Vec<StagedEvent>>) -> Option<Pending> {
        if events.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
        let (operation, key) = (self.operation.name().to_owned(), self.key()?.clone());
        Some(Pending { operation, caller: self.caller, key, events, summary: None })
    }

    /// The answer that the key has already: of an earlier request, or of an attempt of
    /// this one whose commit stood although its answer was lost.
    fn stored(&self, stored: StoredAnswer, unknown: bool) -> (Answer, Option<Pending>) {
        if !matches!(&self.mode, Mode::Write { digest, .. } if *digest == stored.digest) {
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
            tracing::warn!(reference, rule = failure.rule, "request for a rule that is taken out");
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
        let resting;
        let missing = match failure.missing {
            Some(MissingResource::Rule(rest)) => {
                let rule = failure.rule.as_deref().unwrap_or_default();
                resting = format!(
                    "The rule {rule} keeps failing and is not run for a while. This request has changed nothing."
                );
                Some(("rule-out", resting.as_str(), (rest, (rest / 4).max(SOON))))
            }
            // That is what the time went for.
            Some(MissingResource::Time) if was_away => Some(("unavailable", AWAY, TOGETHER)),
            Some(MissingResource::Time) => {
                Some(("out-of-time", "There was not enough time. Nothing was changed.", ALONE))
            }
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
        tracing::error!(reference, error_code, rule, statement, attempts, elapsed_ms, reason = %fault, "request given up");
        if unknown {
            self.in_doubt(&reference)
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
        tracing::warn!(reference, reason = %refused, "request for which no connection was free");
        let message = "There are more requests than can be decided just now. Nothing was changed by this one.";
        self.unavailable("overloaded", message, &reference, TOGETHER)
    }

    fn in_doubt(&self, reference: &str) -> Answer {
        self.unavailable("outcome-unknown", IN_DOUBT, reference, ALONE)
    }

    /// `least` is how long asking again is certainly of no use, and up to `spread` comes on top of it by chance.
    fn unavailable(&self, code: &str, message: &str, reference: &str, (least, spread): (Duration, Duration)) -> Answer {
        let again = match self.key() {
            Some(_) if !message.contains("Ask again") => " Ask again with the same key.",
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
