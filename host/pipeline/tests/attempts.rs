//! The pipeline over scripted ports: the outcome of a request when the database, a rule or the bus
//! fails.
#![expect(clippy::unwrap_used, reason = "a test ends where it panics")]

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join;
use tenet_core::bundle::{CONTRACT, Caller, File, Index, Operation, Rule, VERSION};
use tenet_core::*;
use tenet_pipeline::{Backoff, METRICS, Operations, Pipeline, Relayed, Status};

/// A bug of the host in one of its ports. It strikes once, at the first call of that port.
#[derive(Clone, Default)]
struct Bug(Arc<Mutex<Option<&'static str>>>);

impl Bug {
    fn at(&self, place: &'static str) {
        *self.0.lock().unwrap() = Some(place);
    }

    /// Moves a bug from the first place to the second.
    fn moves(&self, from: &str, to: &'static str) {
        let mut bug = self.0.lock().unwrap();
        if *bug == Some(from) {
            *bug = Some(to);
        }
    }

    fn met_at(&self, place: &str) {
        let is_here = self.0.lock().unwrap().take_if(|bug| *bug == place).is_some();
        assert!(!is_here, "a bug at {place}");
    }
}

/// Answers kept in memory, and faults to return instead, in order.
#[derive(Default)]
struct Memory {
    answers: Mutex<HashMap<String, StoredAnswer>>,
    outbox: Mutex<Vec<StagedEvent>>,
    parked: Mutex<Vec<(EventId, String)>>,
    follow_ups: Mutex<Vec<FollowUp>>,
    /// Those that are parked, with the reason.
    parked_follow_ups: Mutex<Vec<(FollowUpId, String)>>,
    /// Follow-ups that another host ends between the look for what is due and the read of it.
    ended_while_read: Mutex<Vec<FollowUpId>>,
    /// How many expired answers there are. Two are removed at a time.
    old: Mutex<u64>,
    on_run: Mutex<VecDeque<Fault>>,
    on_end: Mutex<VecDeque<(Fault, bool)>>,
    on_left: Mutex<VecDeque<Fault>>,
    on_staged: Mutex<VecDeque<Fault>>,
    on_park: Mutex<VecDeque<Fault>>,
    opened: AtomicUsize,
    /// For each attempt, whether it was to use the other endpoint.
    elsewhere: Mutex<Vec<bool>>,
    probes_session: Mutex<Vec<bool>>,
    rolled_back: AtomicUsize,
    /// Whether the database does not answer while all connections are in use.
    is_away: AtomicBool,
    bug: Bug,
}

struct MemoryLedger(Arc<Memory>);

struct MemoryAttempt {
    memory: Arc<Memory>,
    claim: Claim,
    looked_up: bool,
}

impl MemoryAttempt {
    fn key(&self) -> Option<(String, Digest)> {
        let Claim { operation, caller, .. } = &self.claim;
        match &self.claim.mode {
            Mode::Write { key, digest } => Some((format!("{operation} {caller} {}", key.as_str()), *digest)),
            Mode::Read => None,
        }
    }

    fn look_up(&mut self) -> Option<StoredAnswer> {
        if std::mem::replace(&mut self.looked_up, true) {
            return None;
        }
        self.memory.answers.lock().unwrap().get(&self.key()?.0).cloned()
    }

    fn end(mut self, accepted: bool, body: String, staged: Staged) -> Result<Progress<()>, Fault> {
        self.memory.bug.met_at("commit");
        if let Some(stored) = self.look_up() {
            return Ok(Progress::Answered(stored));
        }
        let fault = self.memory.on_end.lock().unwrap().pop_front();
        let commits = fault.as_ref().is_none_or(|(_, commits)| *commits);
        if let (true, Some((key, digest))) = (commits, self.key()) {
            let stored = StoredAnswer { accepted, body, digest, now: self.claim.now };
            self.memory.answers.lock().unwrap().insert(key, stored);
            self.memory.outbox.lock().unwrap().extend(staged.events);
            let mut follow_ups = self.memory.follow_ups.lock().unwrap();
            follow_ups.retain(|follow_up| Some(follow_up.id) != self.claim.follow_up);
            follow_ups.extend(staged.follow_ups);
        }
        self.memory.bug.met_at("committed");
        self.memory.bug.moves("armed by the commit", "clock");
        fault.map_or(Ok(Progress::Continue(())), |(fault, _)| Err(fault))
    }
}

impl Transactions for MemoryLedger {
    fn open(&self, claim: Claim) -> Box<dyn Attempt> {
        self.0.bug.met_at("open");
        self.0.opened.fetch_add(1, Ordering::SeqCst);
        self.0.elsewhere.lock().unwrap().push(claim.elsewhere);
        self.0.probes_session.lock().unwrap().push(claim.probes_session);
        Box::new(MemoryAttempt { memory: Arc::clone(&self.0), claim, looked_up: false })
    }

    fn ready(&self, _: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn ready_while_busy(&self, _: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async {
            match self.0.is_away.load(Ordering::SeqCst) {
                true => Err(Fault::unavailable("away")),
                false => Ok(()),
            }
        })
    }
}

impl Outbox for MemoryLedger {
    fn staged<'a>(
        &'a self,
        _: &'a str,
        _: CallerId,
        _: &'a IdempotencyKey,
        _: Instant,
    ) -> BoxFuture<'a, Result<Vec<StagedEvent>, Fault>> {
        Box::pin(async {
            match self.0.on_staged.lock().unwrap().pop_front() {
                Some(fault) => Err(fault),
                None => Ok(self.0.outbox.lock().unwrap().clone()),
            }
        })
    }

    fn left<'a>(
        &'a self,
        before: Timestamp,
        after: Option<OutboxPosition>,
        _: Instant,
    ) -> BoxFuture<'a, Result<Vec<StagedEvent>, Fault>> {
        if let Some(fault) = self.0.on_left.lock().unwrap().pop_front() {
            return Box::pin(async { Err(fault) });
        }
        let mut left = self.0.outbox.lock().unwrap().clone();
        left.sort_by_key(|event| (event.at, event.id));
        let parked = self.0.parked.lock().unwrap();
        left.retain(|event| event.at < before && after.is_none_or(|after| (event.at, event.id) > after));
        left.retain(|event| parked.iter().all(|(id, _)| *id != event.id));
        left.truncate(2);
        Box::pin(async { Ok(left) })
    }

    fn forget<'a>(&'a self, events: &'a [EventId], _: Instant) -> BoxFuture<'a, Result<(), Fault>> {
        self.0.outbox.lock().unwrap().retain(|event| !events.contains(&event.id));
        Box::pin(async { Ok(()) })
    }

    fn park<'a>(&'a self, events: &'a [(EventId, String)], _: Instant) -> BoxFuture<'a, Result<(), Fault>> {
        match self.0.on_park.lock().unwrap().pop_front() {
            Some(fault) => return Box::pin(async { Err(fault) }),
            None => self.0.parked.lock().unwrap().extend_from_slice(events),
        }
        Box::pin(async { Ok(()) })
    }

    fn parked(&self, _: Instant) -> BoxFuture<'_, Result<u64, Fault>> {
        let parked = self.0.parked.lock().unwrap().len() as u64;
        Box::pin(async move { Ok(parked) })
    }
}

impl StoredAnswers for MemoryLedger {
    fn expire(&self, _: AnswerRetention, _: Instant) -> BoxFuture<'_, Result<u64, Fault>> {
        let mut old = self.0.old.lock().unwrap();
        let expired = (*old).min(2);
        *old -= expired;
        Box::pin(async move { Ok(expired) })
    }
}

impl FollowUps for MemoryLedger {
    fn due<'a>(
        &'a self,
        which: DueFollowUps<'a>,
        after: Option<FollowUpPosition>,
        most: u32,
        _: Instant,
    ) -> BoxFuture<'a, Result<DuePage, Fault>> {
        let parked = self.0.parked_follow_ups.lock().unwrap();
        let mut due = self.0.follow_ups.lock().unwrap().clone();
        due.sort_by_key(|one| (one.due, one.id));
        due.retain(|one| one.due <= which.now && (one.region == which.region || one.due <= which.of_others));
        due.retain(|one| after.is_none_or(|after| (one.due, one.id) > after));
        due.retain(|one| parked.iter().all(|(id, _)| *id != one.id));
        due.truncate(most as usize);
        let last = due.last().map(|last| (last.due, last.id));
        // Other hosts end some before they are read.
        let ended = std::mem::take(&mut *self.0.ended_while_read.lock().unwrap());
        due.retain(|one| !ended.contains(&one.id));
        self.0.follow_ups.lock().unwrap().retain(|one| !ended.contains(&one.id));
        Box::pin(async move { Ok(DuePage { follow_ups: due, last }) })
    }

    fn postpone(
        &self,
        id: FollowUpId,
        failures: u32,
        due: Timestamp,
        _: Instant,
    ) -> BoxFuture<'_, Result<bool, Fault>> {
        let mut follow_ups = self.0.follow_ups.lock().unwrap();
        let found = follow_ups.iter_mut().find(|one| one.id == id && one.failures == failures);
        let is_noted = found.map(|one| (one.failures, one.due) = (failures + 1, due)).is_some();
        Box::pin(async move { Ok(is_noted) })
    }

    fn park<'a>(
        &'a self,
        id: FollowUpId,
        failures: u32,
        reason: &'a str,
        _: Instant,
    ) -> BoxFuture<'a, Result<bool, Fault>> {
        let mut follow_ups = self.0.follow_ups.lock().unwrap();
        let found = follow_ups.iter_mut().find(|one| one.id == id && one.failures == failures);
        let is_parked = found.map(|one| one.failures += 1).is_some();
        if is_parked {
            self.0.parked_follow_ups.lock().unwrap().push((id, reason.to_owned()));
        }
        Box::pin(async move { Ok(is_parked) })
    }

    fn count(&self, now: Timestamp, _: Instant) -> BoxFuture<'_, Result<FollowUpCounts, Fault>> {
        let parked = self.0.parked_follow_ups.lock().unwrap();
        let follow_ups = self.0.follow_ups.lock().unwrap();
        let due = follow_ups.iter().filter(|one| one.due <= now && parked.iter().all(|(id, _)| *id != one.id));
        let counts = FollowUpCounts { due: due.count() as u64, parked: parked.len() as u64, lag_s: 0 };
        Box::pin(async move { Ok(counts) })
    }
}

impl Attempt for MemoryAttempt {
    fn run<'a>(
        &'a mut self,
        statements: Vec<Statement>,
        _: ReadCap,
        _: &'a AnswerWaits,
    ) -> BoxFuture<'a, Result<Progress<Vec<Outcome>>, Fault>> {
        Box::pin(async move {
            self.memory.bug.met_at("run");
            if let Some(stored) = self.look_up() {
                return Ok(Progress::Answered(stored));
            }
            if statements.iter().any(|statement| &*statement.sql == "hang") {
                std::future::pending::<()>().await;
            }
            match self.memory.on_run.lock().unwrap().pop_front() {
                Some(fault) => Err(fault),
                None => Ok(Progress::Continue(vec![Outcome::default(); statements.len()])),
            }
        })
    }

    fn accept(self: Box<Self>, output: String, staged: Staged) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(async { self.end(true, output, staged) })
    }

    fn reject(
        self: Box<Self>,
        body: String,
        follow_up: Option<FollowUp>,
    ) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        let follow_ups = follow_up.into_iter().collect();
        Box::pin(async { self.end(false, body, Staged { events: Vec::new(), follow_ups }) })
    }

    fn roll_back(mut self: Box<Self>) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        self.memory.rolled_back.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            self.memory.bug.met_at("roll back");
            Ok(self.look_up().map_or(Progress::Continue(()), Progress::Answered))
        })
    }
}

/// Rules written as async functions.
struct Scripted<F>(F);

impl<F> Rules for Scripted<F>
where
    F: Fn(String, Arc<dyn HostCalls>) -> BoxFuture<'static, Ended> + Send + Sync,
{
    fn call<'a>(
        &'a self,
        rule: &'a str,
        _: &'a Request,
        _: &'a Limits,
        calls: Arc<dyn HostCalls>,
    ) -> BoxFuture<'a, RuleCall> {
        let ended = (self.0)(rule.to_owned(), calls);
        Box::pin(async { RuleCall { ended: ended.await, cpu: Duration::ZERO, memory_bytes: 0, fuel: None } })
    }
}

/// A bus that accepts everything except what it is configured to leave.
#[derive(Default)]
struct Bus {
    seen: Mutex<Vec<StagedEvent>>,
    deliveries: Mutex<VecDeque<Delivery>>,
    /// The deadline of each call.
    until: Mutex<Vec<Instant>>,
    bug: Bug,
}

struct BusPublisher(Arc<Bus>);

impl Publisher for BusPublisher {
    fn publish<'a>(&'a self, events: &'a [StagedEvent], deadline: Instant) -> BoxFuture<'a, Vec<Delivery>> {
        self.0.bug.met_at("publish");
        self.0.until.lock().unwrap().push(deadline);
        self.0.seen.lock().unwrap().extend(events.iter().cloned());
        let mut script = self.0.deliveries.lock().unwrap();
        let deliveries = events.iter().map(|_| script.pop_front().unwrap_or(Delivery::Taken)).collect();
        Box::pin(async { deliveries })
    }
}

/// A clock on which short waits end at once and advance the time.
#[derive(Clone, Default)]
struct Virtual {
    slept: Arc<Mutex<Duration>>,
    /// The time of day, in microseconds.
    now: Arc<AtomicI64>,
    bug: Bug,
}

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn instant(&self) -> Instant {
        self.bug.met_at("clock");
        Instant::now() + *self.slept.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        // Back-offs end at once. A rule's hour of wall time never ends.
        if duration < Duration::from_secs(60) {
            let clock = self.clone();
            Box::pin(async move {
                // First let everything run that can run without time passing.
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                *clock.slept.lock().unwrap() += duration;
            })
        } else {
            Box::pin(std::future::pending())
        }
    }
}

/// A policy that allows everything except what names itself as forbidden.
struct Anything;

impl Policy for Anything {
    fn statement(&self, rule: &str, sql: &str) -> Result<Arc<str>, Box<SqlError>> {
        match sql.contains("forbidden") {
            true => Err(Box::new(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("not by {rule}")))),
            false => Ok(sql.into()),
        }
    }

    fn shown(&self, _: &str, _: &str, error: SqlError) -> SqlError {
        error
    }

    fn event(&self, _: &str, event: &Event) -> Result<(), EventError> {
        if event.source == "forbidden" { Err(EventError::not_granted(event)) } else { Ok(()) }
    }

    fn schedule(&self, _: &str, operation: &str) -> Result<(), ScheduleError> {
        if operation == "forbidden" { Err(ScheduleError::not_granted(operation)) } else { Ok(()) }
    }

    fn vault(&self, _: &str, verb: VaultVerb, field: &VaultField) -> Result<(), VaultError> {
        if field.table == "forbidden" { Err(VaultError::not_granted(verb, field)) } else { Ok(()) }
    }
}

struct Host {
    memory: Arc<Memory>,
    bus: Arc<Bus>,
    clock: Virtual,
    bug: Bug,
    pipeline: Pipeline,
}

fn host<F>(rules: F) -> Host
where
    F: Fn(String, Arc<dyn HostCalls>) -> BoxFuture<'static, Ended> + Send + Sync + 'static,
{
    host_with(rules, Limits { wall_ms: 3_600_000, ..Limits::default() })
}

fn host_with<F>(rules: F, limits: Limits) -> Host
where
    F: Fn(String, Arc<dyn HostCalls>) -> BoxFuture<'static, Ended> + Send + Sync + 'static,
{
    listen();
    let rule = |name: &str| Rule {
        name: name.into(),
        description: String::new(),
        component: File { path: format!("{name}.wasm"), sha256: String::new() },
        compiled: None,
        limits: limits.clone(),
        grants: tenet_core::Grants::default(),
        input: serde_json::from_str(r#"{"properties":{"count":{"type":"integer","minimum":1}}}"#).unwrap(),
        output: None,
    };
    let operation = |name: &str, rules: &[&str], read_only| Operation {
        name: name.into(),
        rules: rules.iter().map(|rule| (*rule).into()).collect(),
        key: None,
        read_only,
        callers: (name == "closed").then(|| vec![Caller("ann".into())]),
        events: vec![],
        ..tenet_core::bundle::Operation::default()
    };
    let index = Index {
        version: VERSION,
        contract: CONTRACT.into(),
        contract_sha256: tenet_core::bundle::contract_digest(),
        sources: String::new(),
        compiled_for: None,
        host: tenet_core::HostSettings::default(),
        ceilings: tenet_core::Limits::ceilings(),
        bootstrap: None,
        operations: vec![
            operation("one", &["first"], false),
            operation("two", &["first", "second"], false),
            operation("read", &["first"], true),
            operation("closed", &["first"], false),
        ],
        rules: vec![rule("first"), rule("second")],
        schema: vec![],
        catalog: Catalog::default(),
        openapi: None,
        api: tenet_core::bundle::Api::default(),
    };
    let bug = Bug::default();
    let memory = Arc::new(Memory { bug: bug.clone(), ..Memory::default() });
    let bus = Arc::new(Bus { bug: bug.clone(), ..Bus::default() });
    let clock = Virtual { bug: bug.clone(), ..Virtual::default() };
    let pipeline = Pipeline::new(
        Operations::new(&index).unwrap(),
        Arc::new(MemoryLedger(Arc::clone(&memory))).into(),
        Arc::new(Scripted(rules)),
        Arc::new(Anything),
        Arc::new(BusPublisher(Arc::clone(&bus))),
        Arc::new(clock.clone()),
        Backoff { attempts: 4, ..Backoff::default() },
    );
    Host { memory, bus, clock, bug, pipeline }
}

fn request(operation: &str, key: &str) -> Request {
    Request {
        operation: operation.into(),
        key: IdempotencyKey::new(key).ok(),
        source_key: None,
        payload: r#"{"amount":100.50}"#.into(),
        caller: None,
        region: "us-east-1".into(),
        now: Timestamp(7),
        seed: [9; 32],
        deadline: Instant::now() + Duration::from_secs(7200),
        trace: None,
        follow_up: None,
    }
}

fn accept(output: &str) -> Ended {
    Ended::Verdict(Verdict::Accept(output.into()))
}

fn reject(code: &str) -> Ended {
    Ended::Verdict(Verdict::Reject(Rejection { code: code.into(), message: "no".into(), details: vec![] }))
}

fn statement(sql: &str) -> Vec<Statement> {
    vec![Statement::new(sql, vec![])]
}

fn event() -> Event {
    Event { source: "s".into(), detail_type: "t".into(), detail: "{}".into() }
}

fn conflict() -> Fault {
    Fault::conflict(Some(SqlState::SERIALIZATION_FAILURE), "change conflicts with another transaction (OC000)")
}

fn shown() -> Fault {
    Fault::sql(SqlError::new(SqlState::UNIQUE_VIOLATION, "duplicate key"))
}

/// Publishes one event, runs one statement, accepts.
fn writer(_: String, calls: Arc<dyn HostCalls>) -> BoxFuture<'static, Ended> {
    Box::pin(async move {
        if calls.publish(event()).is_err() || calls.run(statement("w")).await.is_err() {
            return Ended::Stopped;
        }
        accept("{\"ok\":true}")
    })
}

#[tokio::test]
async fn a_conflict_is_run_again_and_leaves_one_answer_and_one_event() {
    let host = host(writer);
    host.memory.on_run.lock().unwrap().push_back(conflict());
    host.memory.on_end.lock().unwrap().push_back((conflict(), false));
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!((handled.answer.status, handled.receipt.attempts), (Status::Accepted, 3));
    assert_eq!(host.pipeline.publish(handled.pending.unwrap(), Instant::now()).await, Some(0));
    let seen = host.bus.seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].id,
        EventId::derive("one", CallerId::ANONYMOUS, &IdempotencyKey::new("k").unwrap(), Timestamp(7), 0)
    );
    assert!(host.memory.outbox.lock().unwrap().is_empty());
}

/// Does what the key says: rejects, fails with a bug, panics, or writes.
#[expect(clippy::panic, reason = "that is what it is for")]
fn obliging(rule: String, calls: Arc<dyn HostCalls>) -> BoxFuture<'static, Ended> {
    match calls.key() {
        Some("rejects") => Box::pin(async { reject("no") }),
        Some("breaks") => Box::pin(async { Ended::Bug("a bug of its own".into()) }),
        Some("panics") => panic!("a bug at rule"),
        _ => writer(rule, calls),
    }
}

#[tokio::test]
async fn a_bug_of_the_host_ends_the_request_that_met_it_and_no_other() {
    // Where the bug is, the key of the request that meets it, and whether that request may be
    // committed.
    let cases = [
        ("rule", "panics", false),
        ("open", "k", false),
        ("run", "k", false),
        ("roll back", "breaks", false),
        ("clock", "k", false),
        ("commit", "k", true),
        ("commit", "rejects", true),
        ("committed", "k", true),
        ("committed", "rejects", true),
    ];
    for (place, key, in_doubt) in cases {
        let host = host(obliging);
        // More rounds than there are places: each place is released.
        for round in 0..40 {
            host.bug.at(place);
            let request_of = |key: &str| {
                request("one", &format!("{key}{}", if key == "k" { round.to_string() } else { String::new() }))
            };
            // One task polls both, as it does with the messages of a batch.
            let (bad, good) = join(
                host.pipeline.handle(request_of(key)),
                host.pipeline.handle(request("one", &format!("good {round}"))),
            )
            .await;
            assert_eq!((good.answer.status, good.answer.repeated), (Status::Accepted, false), "{place}");
            let problem = bad.answer.problem().unwrap();
            let reference = problem.reference.clone().unwrap();
            if in_doubt {
                assert_eq!((bad.answer.status, &*problem.code), (Status::Unavailable, "outcome-unknown"), "{place}");
                assert_eq!(problem.key.as_deref(), request_of(key).key.as_ref().map(IdempotencyKey::as_str));
            } else {
                assert_eq!((bad.answer.status, &*problem.code), (Status::Failed, "failed"), "{place}");
                assert!(problem.message.contains("nothing was changed"), "{place}: {}", problem.message);
            }
            assert!(!bad.answer.body.contains("bug"), "{}", bad.answer.body);
            assert!(bad.pending.is_none());
            let told = logged();
            let told = told.lines().find(|line| line.contains("ERROR") && line.contains(&*reference)).unwrap();
            assert!(told.contains(&format!("the host panicked: a bug at {place}")), "{told}");
            if key == "k" || in_doubt {
                let again = host.pipeline.handle(request_of(key)).await.answer;
                let wanted = if key == "k" { Status::Accepted } else { Status::Rejected };
                assert_eq!((again.status, again.repeated), (wanted, place == "committed"), "{place}");
            }
            host.memory.answers.lock().unwrap().clear();
            LOG.with_borrow_mut(Vec::clear);
        }
    }
}

#[tokio::test]
async fn a_bug_behind_the_commit_leaves_the_outcome_to_the_key() {
    let host = host(obliging);
    host.bug.at("armed by the commit");
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!(handled.answer.problem().unwrap().code, "outcome-unknown");
    let again = host.pipeline.handle(request("one", "k")).await.answer;
    assert_eq!((again.status, again.repeated), (Status::Accepted, true));
    // The staged events of the transaction are left for a relay.
    assert_eq!(host.memory.outbox.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bug_in_publishing_leaves_the_events_of_its_own_request_to_a_relay() {
    let host = host(writer);
    let first = host.pipeline.handle(request("one", "a")).await.pending.unwrap();
    let second = host.pipeline.handle(request("one", "b")).await.pending.unwrap();
    host.bug.at("publish");
    let soon = || Instant::now() + Duration::from_secs(30);
    let published = join(host.pipeline.publish(first, soon()), host.pipeline.publish(second, soon())).await;
    assert_eq!(published, (None, Some(0)));
    assert!(logged().contains("the host panicked while it published events"), "{}", logged());
    assert_eq!(host.memory.outbox.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_host_whose_places_are_all_taken_is_ready_while_the_database_answers() {
    let mut host = host(|_, _| Box::pin(std::future::pending()));
    host.pipeline = host.pipeline.with_concurrency(1);
    let until = Instant::now() + Duration::from_secs(20);
    let mut request = pin!(host.pipeline.handle(request("one", "a")));
    assert!(request.as_mut().now_or_never().is_none());
    host.pipeline.ready(until).await.unwrap();
    host.memory.is_away.store(true, Ordering::SeqCst);
    assert!(host.pipeline.ready(until).await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn conflicts_without_end_become_a_503_that_has_the_key_and_changed_nothing() {
    let host = host(writer);
    host.memory.on_end.lock().unwrap().extend((0..4).map(|_| (conflict(), false)));
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!((handled.answer.status, handled.receipt.attempts), (Status::Unavailable, 4));
    assert!(handled.answer.body.contains("\"key\":\"k\"") && handled.answer.body.contains("busy"));
    assert!(host.memory.answers.lock().unwrap().is_empty() && handled.pending.is_none());
}

#[tokio::test]
async fn a_lost_answer_to_commit_is_settled_by_the_key_and_published_from_the_outbox() {
    let host = host(writer);
    host.memory.on_end.lock().unwrap().push_back((Fault::unknown_commit("connection lost"), true));
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!((handled.answer.status, handled.answer.repeated), (Status::Accepted, false));
    assert_eq!(host.pipeline.publish(handled.pending.unwrap(), Instant::now()).await, Some(0));
    assert_eq!(host.bus.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_commit_that_did_not_happen_is_made_by_the_next_attempt() {
    let host = host(writer);
    host.memory.on_end.lock().unwrap().push_back((Fault::unknown_commit("connection lost"), false));
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!((handled.answer.status, handled.receipt.attempts), (Status::Accepted, 2));
}

#[tokio::test]
async fn an_outcome_that_stays_unknown_claims_nothing() {
    // The first commit's answer is lost, then the rule fails: the first attempt may still commit.
    let calls = AtomicUsize::new(0);
    let host = host(move |rule, host| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => writer(rule, host),
        _ => Box::pin(std::future::ready(Ended::Bug("broken now".into()))),
    });
    host.memory.on_end.lock().unwrap().push_back((Fault::unknown_commit("connection lost"), false));
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!(handled.answer.status, Status::Unavailable);
    assert!(handled.answer.body.contains("outcome-unknown") && !handled.answer.body.contains("Nothing was changed"));
}

#[tokio::test]
async fn a_rejection_is_stored_and_given_again_although_the_rule_would_now_accept() {
    let calls = AtomicUsize::new(0);
    let host = host(move |rule, host| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Box::pin(std::future::ready(reject("not-today"))),
        _ => writer(rule, host),
    });
    let first = host.pipeline.handle(request("one", "k")).await.answer;
    let second = host.pipeline.handle(request("one", "k")).await.answer;
    assert_eq!((first.status, first.repeated), (Status::Rejected, false));
    assert_eq!((second.status, second.repeated), (Status::Rejected, true));
    assert_eq!(first.body, second.body);
    assert!(host.bus.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_stored_answer_wins_over_a_rule_that_breaks_before_its_first_statement() {
    let calls = AtomicUsize::new(0);
    let host = host(move |rule, host| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => writer(rule, host),
        _ => Box::pin(std::future::ready(Ended::Trap("unreachable".into()))),
    });
    let first = host.pipeline.handle(request("one", "k")).await.answer;
    let second = host.pipeline.handle(request("one", "k")).await.answer;
    assert_eq!((second.status, second.body, second.repeated), (Status::Accepted, first.body, true));
}

#[tokio::test]
async fn the_same_key_with_another_payload_is_refused_and_another_spelling_is_not() {
    let host = host(writer);
    host.pipeline.handle(request("one", "k")).await;
    let same = Request { payload: "{ \"amount\": 1.005e2 }".into(), ..request("one", "k") };
    assert_eq!(host.pipeline.handle(same).await.answer.status, Status::Accepted);
    let other = Request { payload: r#"{"amount":100.51}"#.into(), ..request("one", "k") };
    let answer = host.pipeline.handle(other).await.answer;
    assert_eq!((answer.status.code(), answer.repeated), (409, false));
}

#[tokio::test]
async fn accepting_after_a_swallowed_error_is_a_failure_that_names_the_statement() {
    let host = host(|_, calls| {
        Box::pin(async move {
            assert!(calls.run(statement("fails")).await.unwrap().is_err());
            let refused = calls.run(statement("more")).await.unwrap().unwrap_err();
            assert_eq!(refused.sqlstate, SqlState::IN_FAILED_TRANSACTION);
            accept("{}")
        })
    });
    host.memory.on_run.lock().unwrap().push_back(shown());
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!(handled.answer.status, Status::Failed);
    assert_eq!(host.memory.rolled_back.load(Ordering::SeqCst), 1);
    assert!(host.memory.answers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_statement_that_cannot_be_sent_spends_the_transaction_like_one_that_failed() {
    let host = host(|_, calls| {
        Box::pin(async move {
            let shown = calls.refuse(SqlError::new(SqlState::INVALID_TEXT, "parameter $1")).unwrap();
            assert_eq!(shown.sqlstate, SqlState::INVALID_TEXT);
            let again = calls.refuse(SqlError::new(SqlState::INVALID_TEXT, "parameter $1")).unwrap();
            assert_eq!(again.sqlstate, SqlState::IN_FAILED_TRANSACTION);
            let sent = calls.run(statement("more")).await.unwrap().unwrap_err();
            assert_eq!(sent.sqlstate, SqlState::IN_FAILED_TRANSACTION);
            accept("{}")
        })
    });
    assert_eq!(host.pipeline.handle(request("one", "k")).await.answer.status, Status::Failed);
    assert!(host.memory.answers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_rejection_after_an_error_is_stored() {
    let host = host(|_, calls| {
        Box::pin(async move {
            let error = calls.run(statement("fails")).await.unwrap().unwrap_err();
            reject(error.sqlstate.as_str())
        })
    });
    host.memory.on_run.lock().unwrap().push_back(shown());
    let answer = host.pipeline.handle(request("one", "k")).await.answer;
    assert_eq!(answer.body, r#"{"code":"23505","message":"no"}"#);
    assert_eq!(host.memory.answers.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_error_of_the_database_counts_as_bytes_read() {
    let fails = |_: String, calls: Arc<dyn HostCalls>| -> BoxFuture<'static, Ended> {
        Box::pin(async move {
            match calls.run(statement("fails")).await {
                Ok(result) => reject(result.unwrap_err().sqlstate.as_str()),
                Err(Stop) => Ended::Stopped,
            }
        })
    };
    let mut error = SqlError::new(SqlState::UNIQUE_VIOLATION, "x".repeat(1000));
    error.constraint = Some("y".repeat(100));
    error.details.push(("detail".to_owned(), "z".repeat(94)));
    for (most, status) in [(1200, Status::Rejected), (1199, Status::Failed)] {
        let host = host_with(fails, Limits { bytes_read: most, ..Limits::default() });
        host.memory.on_run.lock().unwrap().push_back(Fault::sql(error.clone()));
        let handled = host.pipeline.handle(request("one", "k")).await;
        assert_eq!((handled.answer.status, handled.receipt.bytes_read), (status, 1200));
        let limit = "the limit bytes_read was passed: 1199 allowed, 1200 used";
        assert_eq!(handled.reason.is_some_and(|reason| reason.contains(limit)), status == Status::Failed);
    }
}

#[tokio::test]
async fn what_a_failed_batch_has_read_counts() {
    let read = RowsRead { rows: 3, bytes: 40 };
    let error = SqlError::new(SqlState::UNIQUE_VIOLATION, "duplicate key");
    let error_bytes = error.bytes();
    let limit = LimitExceeded { limit: Limit::RowsRead, allowed: Some(10), used: Some(11) };
    for (fault, bytes, status) in [
        (Fault::sql(error), 40 + error_bytes, Status::Rejected),
        (Fault::limit(limit), 40, Status::Failed),
        (Fault::other(None, "odd"), 40, Status::Failed),
    ] {
        let host = host(|_, calls| {
            Box::pin(async move {
                match calls.run(statement("fails")).await {
                    Ok(result) => reject(result.unwrap_err().sqlstate.as_str()),
                    Err(Stop) => Ended::Stopped,
                }
            })
        });
        host.memory.on_run.lock().unwrap().push_back(fault.with_read(read));
        let handled = host.pipeline.handle(request("one", "k")).await;
        let receipt = &handled.receipt;
        assert_eq!((handled.answer.status, receipt.rows_read, receipt.bytes_read), (status, 3, bytes));
        // What the limit says was used does not count it twice.
        assert!(handled.reason.is_none_or(|reason| !reason.contains("used") || reason.contains("11 used")));
    }
}

#[tokio::test]
async fn a_failure_tells_the_caller_a_reference_and_nothing_else() {
    for ended in [
        Ended::Bug("secret 4711".into()),
        Ended::Trap("secret 4711".into()),
        Ended::Host("secret 4711".into()),
        Ended::Limit(LimitExceeded { limit: Limit::Cpu, allowed: Some(4711), used: Some(4712) }),
    ] {
        let host = host(move |_, _| Box::pin(std::future::ready(ended.clone())));
        let answer = host.pipeline.handle(request("one", "k")).await.answer;
        assert_eq!(answer.status, Status::Failed);
        assert!(!answer.body.contains("4711"), "{}", answer.body);
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["reference"].as_str().map(str::len), Some(16));
    }
}

#[tokio::test]
async fn the_first_rejection_ends_the_chain_and_the_last_output_is_the_answer() {
    let host = host(|rule, _| Box::pin(std::future::ready(if rule == "first" { accept("1") } else { accept("2") })));
    assert_eq!(host.pipeline.handle(request("two", "k")).await.answer.body, "2");
    let ran = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ran);
    let host = host_of(move |rule| {
        seen.lock().unwrap().push(rule);
        reject("no")
    });
    assert_eq!(host.pipeline.handle(request("two", "k")).await.answer.status, Status::Rejected);
    assert_eq!(*ran.lock().unwrap(), ["first"]);
}

fn host_of(rule: impl Fn(String) -> Ended + Send + Sync + 'static) -> Host {
    host(move |name, _| Box::pin(std::future::ready(rule(name))))
}

#[tokio::test]
async fn a_read_only_operation_has_no_key_and_may_not_publish() {
    let host = host(|_, calls| {
        Box::pin(async move {
            assert_eq!(calls.key(), None);
            assert!(calls.publish(event()).unwrap().is_err());
            accept("0")
        })
    });
    let handled = host.pipeline.handle(request("read", "ignored")).await;
    assert_eq!((handled.answer.status, handled.answer.key), (Status::Accepted, None));
    assert!(handled.pending.is_none() && host.memory.answers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_limit_that_the_host_counts_ends_the_attempt() {
    let tight = Limits {
        wall_ms: 3_600_000,
        statements: 1,
        events: 1,
        event_bytes: 10,
        log_lines: 1,
        log_bytes: 10,
        bytes_sent: 20,
        ..Limits::default()
    };
    type Script = fn(Arc<dyn HostCalls>) -> BoxFuture<'static, Result<(), Stop>>;
    let scripts: [Script; 5] = [
        |calls| Box::pin(async move { calls.run([statement("a"), statement("b")].concat()).await.map(drop) }),
        |calls| Box::pin(async move { calls.run(statement(&"x".repeat(21))).await.map(drop) }),
        |calls| Box::pin(async move { calls.publish(event()).and_then(|_| calls.publish(event())).map(drop) }),
        |calls| Box::pin(async move { calls.publish(Event { detail: "{\"a\":123456}".into(), ..event() }).map(drop) }),
        |calls| Box::pin(async move { calls.log(LogLevel::Info, "eleven bytes".into()) }),
    ];
    for script in scripts {
        let host = host_with(
            move |_, calls| {
                Box::pin(async move {
                    assert_eq!(script(calls).await, Err(Stop));
                    // A guest cannot override it: the host's reason decides.
                    accept("{}")
                })
            },
            tight.clone(),
        );
        assert_eq!(host.pipeline.handle(request("one", "k")).await.answer.status, Status::Failed);
        assert!(host.memory.answers.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_rule_that_waits_past_its_wall_time_is_stopped() {
    let limits = Limits { wall_ms: 1000, ..Limits::default() };
    let host = host_with(|_, _| Box::pin(std::future::pending()), limits.clone());
    assert_eq!(host.pipeline.handle(request("one", "k")).await.answer.status, Status::Failed);
    // Waiting for the database is not charged to the rule: only the caller's deadline ends it.
    let hangs = |_: String, calls: Arc<dyn HostCalls>| -> BoxFuture<'static, Ended> {
        Box::pin(async move {
            let _ = calls.run(statement("hang")).await;
            accept("{}")
        })
    };
    let host = host_with(hangs, limits);
    let asked = Request { deadline: Instant::now() + Duration::from_secs(50), ..request("one", "k") };
    let answer = host.pipeline.handle(asked).await.answer;
    assert!(answer.status == Status::Unavailable && answer.body.contains("out-of-time"), "{answer:?}");
    assert_eq!(rule_failures(), 1, "of the rule that took its time itself");
}

/// How many failures were blamed on rules.
fn rule_failures() -> usize {
    logged().lines().filter(|line| line.contains("RuleFailures=1")).count()
}

#[tokio::test]
async fn a_silent_database_is_asked_again_elsewhere_and_blamed_on_no_rule() {
    let host = host(writer);
    let silent = || Fault::unavailable("the database gave no answer within 5000 ms");
    host.memory.on_run.lock().unwrap().extend([silent(), silent()]);
    host.memory.on_end.lock().unwrap().push_back((Fault::unknown_commit("no answer"), false));
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!((handled.answer.status, handled.receipt.attempts), (Status::Accepted, 4));
    assert_eq!(*host.memory.elsewhere.lock().unwrap(), [false, true, false, true]);
    // A conflict says nothing about the endpoint.
    host.memory.on_run.lock().unwrap().push_back(conflict());
    host.pipeline.handle(request("one", "l")).await;
    assert_eq!(host.memory.elsewhere.lock().unwrap()[4..], [false, false]);
    // Nor are rules blamed for a database that does not respond.
    for number in 0..HostSettings::default().rule_failures {
        host.memory.on_run.lock().unwrap().extend((0..4).map(|_| silent()));
        let answer = host.pipeline.handle(request("one", &format!("m{number}"))).await.answer;
        assert!(answer.status == Status::Unavailable && answer.body.contains("unavailable"), "{answer:?}");
    }
    assert_eq!(host.pipeline.handle(request("one", "n")).await.answer.status, Status::Accepted);
    assert_eq!(rule_failures(), 0);
}

#[tokio::test]
async fn a_slow_statement_is_tried_once_more_on_a_session_that_has_to_answer_and_then_its_rules_fault() {
    let host = host(writer);
    let slow = || Fault::slow("a statement was not answered");
    let exceeded = LimitExceeded { limit: Limit::StatementTime, allowed: Some(5000), used: Some(5000) };
    host.memory.on_run.lock().unwrap().extend([slow(), Fault::limit(exceeded)]);
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!((handled.answer.status, handled.receipt.attempts), (Status::Failed, 2));
    assert!(handled.reason.unwrap().starts_with("T0503: rule "));
    assert_eq!(rule_failures(), 1);
    // Only the attempt right after it.
    host.memory.on_run.lock().unwrap().extend([slow(), conflict()]);
    assert_eq!(host.pipeline.handle(request("one", "l")).await.answer.status, Status::Accepted);
    assert_eq!(*host.memory.probes_session.lock().unwrap(), [false, true, false, true, false]);
    // A caller whose time is over learns that, and not that the database is away.
    host.memory.on_run.lock().unwrap().extend((0..10).map(|_| slow()));
    let answer = host.pipeline.handle(request("one", "m")).await.answer;
    assert_eq!(answer.status, Status::Unavailable);
    assert!(answer.body.contains("out-of-time"), "{answer:?}");
    assert_eq!(rule_failures(), 1);
}

/// The remaining suspension plus up to a quarter of it as jitter, so that callers do not retry
/// together.
#[tokio::test]
async fn who_cannot_be_answered_is_told_when_it_is_of_use_to_ask_again() {
    let host = host(writer);
    let rest = Duration::from_secs(20);
    host.memory.on_run.lock().unwrap().push_back(Fault::shut(rest, "it is not tried again yet"));
    let after = host.pipeline.handle(request("one", "k")).await.answer.again_after.unwrap();
    assert!(after >= rest && after <= rest + rest / 4, "{after:?}");
    // If nothing is known the delay is short.
    host.memory.on_run.lock().unwrap().extend((0..100).map(|_| conflict()));
    let after = host.pipeline.handle(request("one", "l")).await.answer.again_after.unwrap();
    assert!((1..=3).contains(&after.as_secs()), "{after:?}");
    host.memory.on_run.lock().unwrap().clear();
    // An answered request has no retry delay.
    assert_eq!(host.pipeline.handle(request("one", "m")).await.answer.again_after, None);
}

#[tokio::test]
async fn requests_wait_for_their_turn_in_order_and_too_late_is_told_in_time() {
    let (open, opened) = tokio::sync::watch::channel(false);
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (count, highest) = (Arc::clone(&running), Arc::clone(&most));
    let host = host(move |_, calls| {
        let (mut opened, count, highest) = (opened.clone(), Arc::clone(&count), Arc::clone(&highest));
        Box::pin(async move {
            highest.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            if calls.run(statement("w")).await.is_err() {
                return Ended::Stopped;
            }
            opened.wait_for(|open| *open).await.unwrap();
            count.fetch_sub(1, Ordering::SeqCst);
            accept("{}")
        })
    });
    let places = HostSettings::default().connections as usize;
    let all = futures_util::future::join_all((0..64).map(|number| {
        let pipeline = &host.pipeline;
        async move { pipeline.handle(request("two", &format!("k{number}"))).await }
    }));
    let late = async {
        // A request with little time gets its answer in time while all places are taken.
        let soon = Request { deadline: Instant::now() + Duration::from_secs(50), ..request("two", "late") };
        let handled = host.pipeline.handle(soon).await;
        open.send(true).unwrap();
        handled
    };
    let (all, late) = tokio::join!(all, late);
    assert!(all.iter().all(|handled| handled.answer.status == Status::Accepted));
    // One is left to requests of other rules.
    assert_eq!(most.load(Ordering::SeqCst), places - 1);
    assert_eq!((late.answer.status, late.receipt.attempts), (Status::Unavailable, 0));
    let body = &late.answer.body;
    assert!(body.contains("overloaded") && body.contains("\"key\":\"late\""), "{body}");
    assert!(late.receipt.queued > Duration::ZERO);
    assert!(logged().contains("status=503"));
}

#[tokio::test]
async fn a_request_that_is_given_up_while_it_waits_or_runs_leaves_its_place() {
    let host = host(|_, calls| {
        Box::pin(async move {
            let _ = calls.run(statement("hang")).await;
            accept("{}")
        })
    });
    let places = HostSettings::default().connections;
    for round in 0..2 {
        let hang = (0..places * 2).map(|number| host.pipeline.handle(request("one", &format!("{round} {number}"))));
        let hang = futures_util::future::join_all(hang.map(Box::pin));
        let given_up = tokio::time::timeout(Duration::from_millis(10), hang).await;
        assert!(given_up.is_err());
    }
    assert!(host.pipeline.spare_place().is_some());
    host.pipeline.ready(Instant::now() + Duration::from_secs(7200)).await.unwrap();
}

#[tokio::test]
async fn an_event_that_the_bus_leaves_stays_in_the_outbox() {
    let host = host(|_, calls| {
        Box::pin(async move {
            for _ in 0..3 {
                calls.publish(event()).unwrap().unwrap();
            }
            accept("{}")
        })
    });
    let script = [Delivery::Taken, Delivery::Later("throttled".into()), Delivery::Refused("malformed".into())];
    host.bus.deliveries.lock().unwrap().extend(script);
    let handled = host.pipeline.handle(request("one", "k")).await;
    // The refused event is parked, so it is not left for a relay.
    assert_eq!(host.pipeline.publish(handled.pending.unwrap(), Instant::now()).await, Some(1));
    let left: Vec<_> = host.memory.outbox.lock().unwrap().iter().map(|event| (event.ordinal, event.id)).collect();
    assert_eq!(left.iter().map(|(ordinal, _)| *ordinal).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(*host.memory.parked.lock().unwrap(), [(left[1].1, "malformed".to_owned())]);
    let line = requests().remove(0);
    assert!(line.contains("EventsPublished=1 EventsLeft=1 EventsParked=1"), "{line}");
}

#[tokio::test]
async fn events_of_a_batch_go_to_the_bus_in_one_call_and_each_request_tells_of_its_own() {
    let host = host(writer);
    let mut pending = Vec::new();
    for number in 0..10 {
        pending.extend(host.pipeline.handle(request("one", &format!("k{number}"))).await.pending);
    }
    host.bus.deliveries.lock().unwrap().push_back(Delivery::Later("throttled".into()));
    host.pipeline.publish_all(pending, Instant::now() + Duration::from_secs(7200)).await;
    assert_eq!(host.bus.until.lock().unwrap().len(), 1, "calls of the bus");
    assert_eq!(host.memory.outbox.lock().unwrap().len(), 1);
    let left = requests().iter().filter(|line| line.contains("EventsPublished=0 EventsLeft=1")).count();
    assert_eq!((requests().len(), left), (10, 1));
}

#[tokio::test]
async fn what_is_left_is_not_known_where_the_outbox_cannot_be_read() {
    let host = host(writer);
    host.memory.on_end.lock().unwrap().push_back((Fault::unknown_commit("no answer"), true));
    let pending = host.pipeline.handle(request("one", "k")).await.pending.unwrap();
    host.memory.on_staged.lock().unwrap().push_back(Fault::unavailable("away"));
    assert_eq!(host.pipeline.publish(pending, Instant::now() + Duration::from_secs(7200)).await, None);
    let line = requests().remove(0);
    assert!(line.contains("EventsUnknown=1") && !line.contains("EventsLeft"), "{line}");
    assert_eq!(host.memory.outbox.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bus_that_takes_all_its_time_leaves_some_for_taking_events_out_of_the_outbox() {
    let host = host(writer);
    for time in [Duration::from_secs(60), Duration::from_millis(300)] {
        let pending = host.pipeline.handle(request("one", &format!("{time:?}"))).await.pending.unwrap();
        let deadline = Instant::now() + time;
        host.pipeline.publish(pending, deadline).await;
        let until = host.bus.until.lock().unwrap().pop().unwrap();
        let kept = deadline - until;
        assert!(kept > Duration::ZERO && kept < time / 2, "{kept:?} of {time:?}");
    }
}

#[tokio::test]
async fn unknown_operations_and_bad_payloads_never_open_an_attempt() {
    let host = host(writer);
    let unknown = host.pipeline.handle(request("nothing", "k")).await.answer;
    assert_eq!(unknown.status.code(), 400);
    assert!(unknown.body.contains("one, two, read"));
    let broken = Request { payload: "{".into(), ..request("one", "k") };
    assert_eq!(host.pipeline.handle(broken).await.answer.status.code(), 400);
    assert_eq!(host.memory.opened.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_operation_with_callers_is_closed_to_everybody_else_before_anything_is_tried() {
    let host = host(writer);
    for (caller, status) in [(None, 403), (Some("bob"), 403), (Some("ann"), 200)] {
        assert_eq!(host.memory.opened.load(Ordering::SeqCst), 0);
        let asked = Request { caller: caller.map(str::to_owned), ..request("closed", "k") };
        assert_eq!(host.pipeline.handle(asked).await.answer.status.code(), status, "{caller:?}");
    }
    assert_eq!(host.memory.opened.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_rule_sees_the_same_randomness_on_every_attempt_and_its_own_in_a_chain() {
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&drawn);
    let host = host(move |_, calls| {
        seen.lock().unwrap().push(calls.random(tenet_core::Randomness::Rule, 16).unwrap());
        Box::pin(std::future::ready(accept("{}")))
    });
    host.memory.on_end.lock().unwrap().push_back((conflict(), false));
    host.pipeline.handle(request("two", "k")).await;
    let drawn = drawn.lock().unwrap();
    assert_eq!(drawn.len(), 4);
    assert!(drawn[0] == drawn[2] && drawn[1] == drawn[3] && drawn[0] != drawn[1]);
}

thread_local! {
    /// What this thread, and so this test, has logged.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Logs everything from the first test on: the first use of a callsite, with or without a
/// subscriber, decides for the whole process whether it is enabled.
fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(|| Log)
            .init();
    });
}

/// What this test has logged so far.
fn logged() -> String {
    LOG.with_borrow(|log| String::from_utf8(log.clone()).unwrap())
}

/// The summary lines of requests.
fn requests() -> Vec<String> {
    logged().lines().filter(|line| line.contains("request over")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_request_has_one_line_that_counts_all_that_is_measured() {
    let host = host(writer);
    host.bus.deliveries.lock().unwrap().extend([Delivery::Later("throttled".into())]);
    let lost = [(Fault::unknown_commit("connection lost"), false), (conflict(), false)];
    host.memory.on_end.lock().unwrap().extend(lost);
    let pending = host.pipeline.handle(request("one", "a")).await.pending.unwrap();
    assert!(requests().is_empty(), "its events are not published yet");
    assert_eq!(host.pipeline.publish(pending, Instant::now()).await, Some(1));
    host.memory.on_end.lock().unwrap().extend((0..4).map(|_| (conflict(), false)));
    host.pipeline.handle(request("one", "b")).await;
    drop(host.pipeline.handle(request("one", "c")).await.pending);
    host.pipeline.handle(request("one", "c")).await;

    let lines = requests();
    let counts = [
        "attempts=3 Requests=1 Conflicts=1 UnknownCommits=1 ColdStarts=1 EventsPublished=0 EventsLeft=1 EventsParked=0 Unavailable=0",
        "attempts=4 Requests=1 Conflicts=4 UnknownCommits=0 ColdStarts=0 EventsPublished=0 EventsLeft=0 Unavailable=1",
        "attempts=1 Requests=1 Conflicts=0 status=200 repeated=false",
        "attempts=1 Requests=1 Conflicts=0 status=200 repeated=true",
    ];
    assert_eq!(lines.len(), counts.len(), "{lines:?}");
    let measured = METRICS.iter().find(|measured| measured.name == "request").unwrap();
    for (line, counts) in lines.iter().zip(counts) {
        for count in counts.split(' ') {
            assert!(line.contains(&format!(" {count}")), "{count} is missing from {line}");
        }
        for (metric, _) in measured.metrics {
            assert_eq!(line.matches(&format!(" {metric}=")).count(), 1, "{metric}: {line}");
        }
        for dimension in measured.dimensions.iter().copied().flatten() {
            assert!(line.contains(&format!("{dimension}=\"")), "{dimension}: {line}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_names_rule_statement_attempts_and_time_and_a_changed_schema_is_told_apart() {
    let host = host(writer);
    let changed = Fault::conflict(
        Some(SqlState::SERIALIZATION_FAILURE),
        "schema has been updated by another transaction, please retry: (OC001)",
    );
    host.memory.on_run.lock().unwrap().extend([changed.clone(), conflict(), changed.clone(), changed]);
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!(handled.answer.status, Status::Unavailable);
    assert_eq!((handled.receipt.conflicts, handled.receipt.schema_conflicts), (4, 3));
    let text = logged();
    let line = text.lines().find(|line| line.contains("request given up")).unwrap();
    for part in ["rule=\"first\"", "statement=1", "attempts=4", "elapsed_ms=", "OC001"] {
        assert!(line.contains(part), "{part} is missing from {line}");
    }
    assert!(requests().iter().any(|line| line.contains(" SchemaConflicts=3 ")), "{text}");
}

#[tokio::test]
async fn a_trace_travels_with_the_event_and_changes_nothing_else() {
    let traced = |header: &str| Request { trace: Trace::x_ray(header), ..request("one", "k") };
    let host = host(writer);
    let first = host.pipeline.handle(traced("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")).await;
    let again = host.pipeline.handle(traced("Root=1-65a1b2c3-bd862e3fe1be46a994272793")).await;
    assert_eq!((again.answer.body, again.answer.repeated), (first.answer.body, true));
    host.pipeline.publish(first.pending.unwrap(), Instant::now()).await;
    let seen = host.bus.seen.lock().unwrap();
    let [event] = &seen[..] else { unreachable!("one event: {seen:?}") };
    assert_eq!(event.trace.unwrap().to_string(), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
    assert_eq!(
        event.id,
        EventId::derive("one", CallerId::ANONYMOUS, &IdempotencyKey::new("k").unwrap(), Timestamp(7), 0)
    );
    assert!(!event.detail_for("us-east-1").contains("5759e988"));
}

#[tokio::test]
async fn spans_tell_what_happened_and_never_what_was_in_it() {
    let host = host(|_, calls| {
        Box::pin(async move {
            calls.log(LogLevel::Info, "a line of the rule's own".into()).unwrap();
            let parameters = vec![Value::Text("secret-row-value".into())];
            match calls.run(vec![Statement::new("insert", parameters)]).await {
                Ok(Err(error)) => reject(error.sqlstate.as_str()),
                _ => Ended::Stopped,
            }
        })
    });
    host.memory.on_run.lock().unwrap().extend([conflict(), shown()]);
    let payload = r#"{"card":"secret-payload"}"#.into();
    let trace = Trace::w3c("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
    host.pipeline.handle(Request { payload, trace, ..request("one", "secret-key") }).await;
    host.pipeline.handle(request("secret-operation", "secret-key")).await;

    let text = logged();
    for secret in ["secret-row-value", "secret-payload", "secret-key", "secret-operation"] {
        assert!(!text.contains(secret), "{text}");
    }
    let parts = [
        "request{operation=\"one\"",
        "trace=\"1-5759e988-bd862e3fe1be46a994272793\"",
        "key=\"",
        "lost=\"OC000\"",
        "code=\"23505\"",
        "attempt{attempt=2}",
        "rule{rule=\"first\"",
        "statement{statement=1",
        "sqlstate=\"40001\"",
        "sqlstate=\"23505\"",
        "status=422",
        "attempts=2",
        "statements=2",
        "request{operation=\"unknown\"",
        "status=400",
    ];
    for part in parts {
        assert!(text.contains(part), "{part} is missing from {text}");
    }
    // The lines logged by the lost attempt were discarded.
    assert_eq!(text.matches("a line of the rule's own").count(), 1);
}

/// Puts events into the outbox, one for each time in seconds.
fn leave(host: &Host, moments: &[i64]) -> Vec<EventId> {
    let key = IdempotencyKey::new("k").unwrap();
    let staged = |seconds: &i64| {
        let at = Timestamp(seconds * 1_000_000);
        StagedEvent {
            id: EventId::derive("one", CallerId::ANONYMOUS, &key, at, 0),
            operation: "one".into(),
            caller: CallerId::ANONYMOUS,
            key: key.clone(),
            ordinal: 0,
            event: event(),
            region: "us-west-2".into(),
            at,
            trace: None,
        }
    };
    let events: Vec<_> = moments.iter().map(staged).collect();
    let ids = events.iter().map(|event| event.id).collect();
    host.memory.outbox.lock().unwrap().extend(events);
    ids
}

/// The time is 0 on these hosts' clock; a relay takes everything older than 10 seconds.
async fn relay(host: &Host) -> Result<Relayed, Fault> {
    relay_until(host, Instant::now() + Duration::from_secs(7200)).await
}

async fn relay_until(host: &Host, deadline: Instant) -> Result<Relayed, Fault> {
    let keep = HostSettings::default().answer_retention();
    host.pipeline.relay("us-east-1", Duration::from_secs(10), keep, deadline).await
}

/// A turn of a relay that found nothing.
fn turn() -> Relayed {
    Relayed { follow_ups: Some(FollowUpCounts::default()), ..Relayed::default() }
}

fn seen(host: &Host) -> Vec<EventId> {
    host.bus.seen.lock().unwrap().iter().map(|event| event.id).collect()
}

fn left(host: &Host) -> Vec<EventId> {
    host.memory.outbox.lock().unwrap().iter().map(|event| event.id).collect()
}

#[tokio::test]
async fn the_relay_delivers_what_is_older_than_its_grace_oldest_first_and_tells_how_old_that_was() {
    let host = host(writer);
    let ids = leave(&host, &[-20, -9, -300, -100, -10, -11]);
    let relayed = relay(&host).await.unwrap();
    assert_eq!(relayed, Relayed { delivered: 4, lag_s: 300, complete: true, ..turn() });
    assert_eq!(seen(&host), [ids[2], ids[3], ids[0], ids[5]]);
    assert_eq!(left(&host), [ids[1], ids[4]]);
    assert_eq!(relay(&host).await.unwrap(), Relayed { complete: true, ..turn() });
}

#[tokio::test]
async fn events_that_are_refused_for_good_keep_no_others_back_however_many_they_are() {
    let host = host(writer);
    let ids = leave(&host, &[-90, -80, -70, -60, -50, -40]);
    let refusals = (0..5).map(|_| Delivery::Refused("too large".into()));
    host.bus.deliveries.lock().unwrap().extend(refusals);
    let relayed = relay(&host).await.unwrap();
    let parked = Relayed { parked: 5, parked_now: 5, ..turn() };
    assert_eq!(relayed, Relayed { delivered: 1, lag_s: 90, complete: true, ..parked });
    assert_eq!(left(&host), ids[..5]);
    assert_eq!(host.memory.parked.lock().unwrap()[0], (ids[0], "too large".to_owned()));
    let log = logged();
    let line = log.lines().find(|line| line.contains("relay over")).unwrap();
    assert!(
        line.contains("EventsRelayed=1 EventsWaiting=0 EventsParked=5 EventsParkedNow=5 KeysExpired=0 Lag=90"),
        "{line}"
    );
    let counted = log.lines().find(|line| line.contains("follow-ups counted")).unwrap();
    for (name, line) in [("relay", line), ("follow-ups", counted)] {
        let measured = METRICS.iter().find(|measured| measured.name == name).unwrap();
        assert!(measured.metrics.iter().all(|(metric, _)| line.contains(&format!(" {metric}="))), "{line}");
    }
    // They are not offered again, cause no lag, and are counted as long as they exist.
    assert_eq!(relay(&host).await.unwrap(), Relayed { complete: true, parked_now: 5, ..turn() });
    assert_eq!(seen(&host).len(), 6);
}

#[tokio::test]
async fn what_is_refused_and_cannot_be_parked_is_offered_again() {
    let host = host(writer);
    let ids = leave(&host, &[-90]);
    host.bus.deliveries.lock().unwrap().extend([Delivery::Refused("no".into()), Delivery::Refused("no".into())]);
    host.memory.on_park.lock().unwrap().push_back(conflict());
    assert_eq!(relay(&host).await.unwrap(), Relayed { left: 1, lag_s: 90, ..turn() });
    assert_eq!(relay(&host).await.unwrap().parked, 1);
    assert_eq!(seen(&host), [ids[0], ids[0]]);
}

#[tokio::test]
async fn old_answers_go_with_the_relay_for_as_long_as_there_are_any_and_there_is_time() {
    let host = host(writer);
    *host.memory.old.lock().unwrap() = 5;
    assert_eq!(relay_until(&host, Instant::now()).await.unwrap().keys_expired, 0);
    assert_eq!(relay(&host).await.unwrap().keys_expired, 5);
    assert!(logged().contains("KeysExpired=5"));
}

#[tokio::test]
async fn a_bus_that_takes_nothing_ends_the_relay_and_one_that_is_slow_does_not() {
    let host = host(writer);
    let ids = leave(&host, &[-90, -80, -70, -60]);
    let later = || Delivery::Later("not reached".into());
    host.bus.deliveries.lock().unwrap().extend([later(), Delivery::Taken, later(), later()]);
    let relayed = relay(&host).await.unwrap();
    assert_eq!(relayed, Relayed { delivered: 1, left: 3, lag_s: 90, ..turn() });
    host.bus.deliveries.lock().unwrap().extend([later(), later()]);
    assert_eq!(relay(&host).await.unwrap(), Relayed { left: 2, lag_s: 90, ..turn() });
    assert_eq!(left(&host), [ids[0], ids[2], ids[3]]);
    assert_eq!(relay(&host).await.unwrap().delivered, 3);
}

#[tokio::test]
async fn a_relay_without_time_or_outbox_claims_nothing() {
    let host = host(writer);
    leave(&host, &[-90, -80, -70]);
    let late = relay_until(&host, Instant::now()).await.unwrap();
    assert_eq!((late, seen(&host).len()), (turn(), 0));
    host.memory.on_left.lock().unwrap().push_back(conflict());
    assert!(relay(&host).await.is_err());
    assert_eq!(left(&host).len(), 3);
}

#[tokio::test]
async fn a_statement_that_is_not_granted_never_leaves_and_spends_the_transaction() {
    let host = host(|_, calls| {
        Box::pin(async move {
            let error = match calls.run([statement("w"), statement("forbidden")].concat()).await {
                Ok(Err(error)) => error,
                other => panic!("{other:?}"),
            };
            assert_eq!((error.sqlstate, error.message.as_str()), (SqlState::INSUFFICIENT_PRIVILEGE, "not by first"));
            assert_eq!(error.details, [("statement".to_owned(), "1".to_owned())]);
            let Ok(Err(after)) = calls.run(statement("w")).await else { panic!() };
            assert_eq!(after.sqlstate, SqlState::IN_FAILED_TRANSACTION);
            assert!(after.message.starts_with("statement 2 failed with SQLSTATE 42501"), "{}", after.message);
            accept("{}")
        })
    });
    // Not even the first of the two statements was sent.
    host.memory.on_run.lock().unwrap().push_back(conflict());
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!((handled.answer.status, handled.receipt.attempts), (Status::Failed, 1));
    assert_eq!(host.memory.on_run.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_that_is_not_granted_is_not_staged() {
    let host = host(|_, calls| {
        Box::pin(async move {
            let forbidden = Event { source: "forbidden".into(), ..event() };
            let Ok(Err(error)) = calls.publish(forbidden) else { panic!() };
            assert!(
                error.to_string().starts_with("publishing \"t\" of \"forbidden\" is not granted to this rule: add it")
            );
            accept("{}")
        })
    });
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!(handled.answer.status, Status::Accepted);
    assert!(handled.pending.is_none());
}

#[tokio::test]
async fn a_rule_that_keeps_failing_at_a_cost_is_taken_out_and_others_go_on() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let host = host(move |rule, _| {
        let ended = match rule.as_str() {
            "second" => {
                counted.fetch_add(1, Ordering::SeqCst);
                out_of_time()
            }
            _ => accept("{}"),
        };
        Box::pin(std::future::ready(ended))
    });
    let failures = HostSettings::default().rule_failures as usize;
    for number in 0..failures {
        let handled = host.pipeline.handle(counted_request("two", number)).await;
        assert_eq!(handled.answer.status, Status::Failed);
    }
    let handled = host.pipeline.handle(request("two", "more")).await;
    assert_eq!(handled.answer.status, Status::Unavailable);
    let body = &handled.answer.body;
    assert!(
        body.contains("rule-out") && body.contains("The rule second keeps failing") && body.contains("\"more\""),
        "{body}"
    );
    let (after, rest) = (handled.answer.again_after.unwrap(), HostSettings::default().rule_rest_s);
    assert!((rest / 2..=rest * 5 / 4).contains(&after.as_secs()), "{after:?} of {rest} s");
    assert_eq!(calls.load(Ordering::SeqCst), failures, "it is not run any more");
    // A key that has an answer still gets it.
    let stored = StoredAnswer {
        accepted: true,
        body: "{\"was\":1}".into(),
        digest: Digest::of(&request("two", "old").payload).unwrap(),
        now: Timestamp(0),
    };
    host.memory.answers.lock().unwrap().insert(format!("two {} old", CallerId::ANONYMOUS), stored);
    let handled = host.pipeline.handle(request("two", "old")).await;
    assert_eq!((handled.answer.status, handled.answer.body.as_str()), (Status::Accepted, "{\"was\":1}"));
    assert!(handled.answer.repeated);
    assert_eq!(host.pipeline.handle(request("one", "k")).await.answer.status, Status::Accepted);
    // Requests of another caller are not suspended.
    let other = Request { caller: Some("bob".into()), ..request("two", "bob's") };
    assert_eq!(host.pipeline.handle(other).await.answer.status, Status::Failed);
    assert_eq!(calls.load(Ordering::SeqCst), failures + 1);
}

#[tokio::test]
async fn one_callers_payloads_take_a_rule_from_no_other_request() {
    let failing = Arc::new(AtomicUsize::new(0));
    let fails = Arc::clone(&failing);
    let host = host_failing(move || match fails.load(Ordering::SeqCst) {
        0 => Ended::Trap("unreachable".into()),
        _ => out_of_time(),
    });
    // Cheap failures do not count, however many payloads there are.
    for number in 0..100 {
        let answer = host.pipeline.handle(counted_request("one", number)).await.answer;
        assert_eq!(answer.status, Status::Failed);
    }
    // A costly payload that is repeated suspends itself.
    failing.store(1, Ordering::SeqCst);
    let poison = |key: &str| Request { payload: r#"{"count":7}"#.into(), ..request("one", key) };
    for number in 0..HostSettings::default().rule_failures {
        let answer = host.pipeline.handle(poison(&number.to_string())).await.answer;
        assert_eq!(answer.status, Status::Failed);
    }
    assert_eq!(host.pipeline.handle(poison("more")).await.answer.status, Status::Unavailable);
    assert_eq!(host.pipeline.handle(request("one", "other")).await.answer.status, Status::Failed, "it is run");
}

#[tokio::test]
async fn a_payload_that_the_schema_refuses_is_rejected_unrun_and_integers_arrive_plain() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&seen);
    let host = host(move |_, _| {
        counts.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { accept("{}") })
    });
    let with = |payload: &str, key: &str| Request { payload: payload.into(), ..request("one", key) };
    for (payload, path, why) in [
        (r#"{"count":-5}"#, "/count", "/count is less than 1"),
        (r#"{"count":"5"}"#, "/count", "/count is not an integer"),
    ] {
        let handled = host.pipeline.handle(with(payload, payload)).await;
        assert_eq!((handled.answer.status, handled.receipt.statements), (Status::Rejected, 0));
        let problem = handled.answer.problem().unwrap();
        assert_eq!((&*problem.code, &problem.details["path"]), ("invalid-payload", &path.into()));
        assert_eq!(problem.message, format!("the payload does not fit: {why}"));
        // It is stored like any other answer.
        assert!(host.pipeline.handle(with(payload, payload)).await.answer.repeated);
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    assert_eq!(host.pipeline.handle(with(r#"{"count":5.0}"#, "k")).await.answer.status, Status::Accepted);
    // Equal numbers are the same request.
    assert!(host.pipeline.handle(with(r#"{"count":5}"#, "k")).await.answer.repeated);
}

/// A host whose rules end in this way.
fn host_failing(ends: impl Fn() -> Ended + Send + Sync + 'static) -> Host {
    host(move |_, _| Box::pin(std::future::ready(ends())))
}

/// A rule used up all of its processor time.
fn out_of_time() -> Ended {
    Ended::Limit(LimitExceeded { limit: Limit::Cpu, allowed: Some(100), used: Some(101) })
}

/// A request unlike any other.
fn counted_request(operation: &str, number: usize) -> Request {
    Request { payload: format!(r#"{{"count":{}}}"#, number + 1), ..request(operation, &number.to_string()) }
}

#[tokio::test]
async fn the_trial_of_a_rule_is_spent_by_a_request_that_runs_it_and_by_no_other() {
    let (mended, rejects) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (is_mended, first_rejects) = (Arc::clone(&mended), Arc::clone(&rejects));
    let host = host(move |rule, _| {
        let ended = match rule.as_str() {
            "first" if first_rejects.load(Ordering::SeqCst) == 1 => reject("limit"),
            "second" if is_mended.load(Ordering::SeqCst) == 0 => out_of_time(),
            _ => accept("{}"),
        };
        Box::pin(std::future::ready(ended))
    });
    let ask = async |key: &str| host.pipeline.handle(request("two", key)).await.answer;
    for number in 0..HostSettings::default().rule_failures as usize {
        let answer = host.pipeline.handle(counted_request("two", number)).await.answer;
        assert_eq!(answer.status, Status::Failed);
    }
    assert_eq!(ask("out").await.status, Status::Unavailable);
    mended.store(1, Ordering::SeqCst);
    *host.clock.slept.lock().unwrap() += Duration::from_secs(HostSettings::default().rule_rest_s);
    // A request that an earlier rule rejects does not run this rule.
    rejects.store(1, Ordering::SeqCst);
    assert_eq!(ask("rejected").await.status, Status::Rejected);
    rejects.store(0, Ordering::SeqCst);
    // Nor does a conflict take the trial away from its request.
    host.memory.on_end.lock().unwrap().push_back((conflict(), false));
    assert_eq!(ask("tried").await.status, Status::Accepted);
    assert_eq!(ask("back").await.status, Status::Accepted);
}

/// A vault that records the occasions of its calls, and is unreachable if configured so.
#[derive(Default)]
struct Remembers {
    asked: Mutex<Vec<(VaultCall, [u8; 32])>>,
    is_away: bool,
}

impl Vault for Remembers {
    fn ask<'a>(&'a self, call: &'a VaultCall, occasion: Occasion<'a>) -> BoxFuture<'a, Result<Vaulted, Fault>> {
        self.asked.lock().unwrap().push((call.clone(), occasion.salt));
        let told = if self.is_away { Err(Fault::vault("away")) } else { Ok(Ok(call.bytes.clone())) };
        Box::pin(std::future::ready(told))
    }
}

fn call(verb: VaultVerb, table: &str, bytes: usize) -> VaultCall {
    let field = VaultField { table: table.into(), column: "iban".into(), row_key: "ann".into() };
    VaultCall { verb, field, bytes: vec![7; bytes] }
}

#[tokio::test]
async fn each_value_that_is_sealed_has_a_salt_of_its_own_which_is_the_same_on_each_attempt() {
    let mut host = host(|_, calls| {
        Box::pin(async move {
            for _ in 0..2 {
                calls.vault(call(VaultVerb::Seal, "accounts", 1)).await.unwrap().unwrap();
                calls.vault(call(VaultVerb::Open, "accounts", 1)).await.unwrap().unwrap();
            }
            accept("{}")
        })
    });
    let vault = Arc::new(Remembers::default());
    host.pipeline = host.pipeline.with_vault(Arc::clone(&vault) as Arc<dyn Vault>);
    host.memory.on_end.lock().unwrap().push_back((conflict(), false));
    let handled = host.pipeline.handle(request("two", "k")).await;
    assert_eq!((handled.answer.status, handled.receipt.attempts), (Status::Accepted, 2));
    let asked = vault.asked.lock().unwrap();
    let salts: Vec<_> = asked.iter().filter(|(call, _)| call.verb == VaultVerb::Seal).map(|(_, salt)| *salt).collect();
    // Two rules with two calls each, in two attempts.
    assert_eq!(salts.len(), 8);
    assert_eq!(salts[..4], salts[4..]);
    for (place, salt) in salts[..4].iter().enumerate() {
        assert!(!salts[..place].contains(salt), "{place}");
    }
}

#[tokio::test]
async fn what_the_vault_may_not_do_it_is_not_asked_and_when_it_is_away_nothing_is_changed() {
    let mut host = host(|_, calls| {
        Box::pin(async move {
            let refused = async |call| calls.vault(call).await.unwrap().unwrap_err().refusal;
            assert_eq!(refused(call(VaultVerb::Seal, "forbidden", 1)).await, VaultRefusal::NotGranted);
            assert_eq!(
                refused(call(VaultVerb::Seal, "accounts", VaultCall::MAX_VALUE + 1)).await,
                VaultRefusal::Unusable
            );
            match calls.vault(call(VaultVerb::Seal, "accounts", 1)).await {
                Err(Stop) => Ended::Stopped,
                Ok(_) => accept("{}"),
            }
        })
    });
    let vault = Arc::new(Remembers { is_away: true, ..Remembers::default() });
    host.pipeline = host.pipeline.with_vault(Arc::clone(&vault) as Arc<dyn Vault>);
    let handled = host.pipeline.handle(request("one", "k")).await;
    assert_eq!((handled.answer.status, handled.receipt.attempts), (Status::Unavailable, 1));
    assert_eq!(handled.answer.problem().unwrap().code, "vault-away");
    assert_eq!(vault.asked.lock().unwrap().len(), 1);
    assert!(host.memory.answers.lock().unwrap().is_empty());
    assert_eq!(host.memory.rolled_back.load(Ordering::SeqCst), 1);
}

fn next(operation: &str) -> OperationCall {
    OperationCall { operation: operation.into(), payload: r#"{"amount":1.50}"#.into() }
}

fn schedule(operation: &str, due: Due) -> Schedule {
    Schedule { call: next(operation), due, on_rejection: None, on_failure: None, label: None }
}

/// A call of `two` with a member that the schema bounds.
fn counted(count: i32) -> OperationCall {
    OperationCall { operation: "two".into(), payload: format!("{{\"count\":{count}}}") }
}

fn follow_ups(host: &Host) -> Vec<FollowUp> {
    host.memory.follow_ups.lock().unwrap().clone()
}

/// A rule of `one` that schedules this; every other request of it ends as the follow-up.
fn scheduler(
    what: Schedule,
    follow_up: impl Fn() -> Ended + Clone + Send + Sync + 'static,
) -> impl Fn(String, Arc<dyn HostCalls>) -> BoxFuture<'static, Ended> + Send + Sync + 'static {
    move |_, calls| {
        let (what, follow_up) = (what.clone(), follow_up.clone());
        Box::pin(async move {
            if calls.key() != Some("k") {
                // Which looks the key up.
                return if calls.run(statement("w")).await.is_err() { Ended::Stopped } else { follow_up() };
            }
            match calls.schedule(what) {
                Ok(Ok(id)) => accept(&format!("\"{id}\"")),
                Ok(Err(error)) => Ended::Bug(error.to_string()),
                Err(Stop) => Ended::Stopped,
            }
        })
    }
}

#[tokio::test]
async fn what_is_scheduled_is_of_the_commit_and_has_one_id_on_every_attempt() {
    let host = host(|_, calls| {
        Box::pin(async move {
            let scheduled = calls.schedule(schedule("two", Due::After(Duration::from_secs(60))));
            if calls.run(statement("w")).await.is_err() {
                return Ended::Stopped;
            }
            accept(&format!("\"{}\"", scheduled.unwrap().unwrap()))
        })
    });
    host.memory.on_run.lock().unwrap().push_back(conflict());
    let asked = Request { caller: Some("ann".into()), ..request("one", "k") };
    let handled = host.pipeline.handle(asked).await;
    assert_eq!((handled.answer.status, handled.receipt.attempts, handled.receipt.follow_ups), (Status::Accepted, 2, 1));
    let [follow_up] = &follow_ups(&host)[..] else { panic!("{:?}", follow_ups(&host)) };
    assert_eq!(handled.answer.body, format!("\"{}\"", follow_up.id));
    assert_eq!((follow_up.due, follow_up.caller.as_deref()), (Timestamp(60_000_007), Some("ann")));
    assert_eq!((follow_up.chain, follow_up.parent, follow_up.failures), (follow_up.id, None, 0));
    // It is not due at once, so nothing is left to do.
    assert!(handled.pending.is_none());
}

#[tokio::test]
async fn a_request_that_is_rejected_schedules_nothing_and_one_that_only_reads_may_not() {
    let rejects = host(|_, calls| {
        let scheduled = calls.schedule(schedule("two", Due::AtOnce));
        Box::pin(async move {
            scheduled.unwrap().unwrap();
            reject("no")
        })
    });
    let handled = rejects.pipeline.handle(request("one", "k")).await;
    assert_eq!((handled.answer.status, handled.pending.is_none()), (Status::Rejected, true));
    assert_eq!(follow_ups(&rejects), []);
    for (operation, what, says) in [
        ("read", schedule("two", Due::AtOnce), "read-only"),
        ("one", schedule("forbidden", Due::AtOnce), "not granted"),
        ("one", Schedule { on_failure: Some(next("forbidden")), ..schedule("two", Due::AtOnce) }, "not granted"),
        ("one", schedule("two", Due::After(Duration::MAX)), "days"),
        ("one", Schedule { call: counted(0), ..schedule("two", Due::AtOnce) }, "\"two\" does not fit: /count is less"),
        ("one", Schedule { on_rejection: Some(counted(0)), ..schedule("two", Due::AtOnce) }, "does not fit"),
    ] {
        let host = host(move |_, calls| {
            let refused = calls.schedule(what.clone()).unwrap().unwrap_err().to_string();
            Box::pin(async move { Ended::Bug(refused) })
        });
        let handled = host.pipeline.handle(request(operation, "k")).await;
        assert!(handled.reason.as_ref().unwrap().contains(says), "{handled:?}");
    }
}

#[tokio::test]
async fn a_follow_up_runs_once_under_its_own_key_for_the_caller_who_began() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let host = host(scheduler(schedule("closed", Due::AtOnce), move || {
        notes.lock().unwrap().push(());
        accept("{\"done\":true}")
    }));
    let asked = Request { caller: Some("bob".into()), ..request("one", "k") };
    let mut pending = host.pipeline.handle(asked).await.pending.unwrap();
    let [follow_up] = &pending.take_follow_ups()[..] else { panic!() };
    let later = Instant::now() + Duration::from_secs(7200);
    // Bob may not use the operation himself, and a rule may schedule it for him.
    for _ in 0..2 {
        let followed = host.pipeline.follow(vec![follow_up.clone()], "us-west-2", later).await;
        assert_eq!((followed.ended, followed.rejected, followed.left), (1, 0, 0));
    }
    assert_eq!((seen.lock().unwrap().len(), follow_ups(&host).len()), (1, 0));
    let stored = host.memory.answers.lock().unwrap();
    let scope = CallerId::of_follow_up(Some("bob"));
    assert_eq!(stored[&format!("closed {scope} {}", follow_up.id)].body, "{\"done\":true}");
}

#[tokio::test]
async fn a_follow_up_that_is_rejected_has_ended_with_what_undoes_it() {
    let what = Schedule { on_rejection: Some(next("two")), label: Some("a".into()), ..schedule("one", Due::AtOnce) };
    let host = host(scheduler(what, || reject("no")));
    let mut pending = host.pipeline.handle(request("one", "k")).await.pending.unwrap();
    let first = pending.take_follow_ups().remove(0);
    let later = Instant::now() + Duration::from_secs(7200);
    // What undoes it follows in the same invocation, and ends there too.
    let followed = host.pipeline.follow(vec![first.clone()], "us-east-1", later).await;
    assert_eq!((followed.ended, followed.rejected), (2, 2));
    assert_eq!(follow_ups(&host), []);
    let undone = first.after_rejection(Timestamp(0), "us-east-1").unwrap();
    let stored = host.memory.answers.lock().unwrap();
    assert!(stored.contains_key(&format!("two {} {}", undone.scope(), undone.id)), "{:?}", stored.keys());
}

/// Runs what keeps failing until it is given up, and returns the pauses between its runs in minutes.
async fn until_given_up(host: &Host) -> Vec<i64> {
    let mut pauses = Vec::new();
    loop {
        let relayed = relay(host).await.unwrap();
        if relayed.follow_ups_given_up > 0 {
            return pauses;
        }
        assert_eq!(relayed.follow_ups_failed, 1, "{relayed:?}");
        let due = follow_ups(host).remove(0).due.micros();
        // It is not due yet.
        assert_eq!(relay(host).await.unwrap(), Relayed { complete: true, ..turn() });
        pauses.push((due - host.clock.now.swap(due, Ordering::SeqCst)) / 60_000_000);
    }
}

const PAUSES: [i64; 7] = [1, 2, 4, 8, 16, 32, 60];

#[tokio::test]
async fn one_that_fails_is_run_again_after_growing_pauses_and_is_parked_in_the_end() {
    let host = host(scheduler(schedule("one", Due::AtOnce), || Ended::Bug("broken".into())));
    host.clock.now.store(7, Ordering::SeqCst);
    drop(host.pipeline.handle(request("one", "k")).await);
    assert_eq!(until_given_up(&host).await, PAUSES);
    let parked = host.memory.parked_follow_ups.lock().unwrap().clone();
    assert!(matches!(&parked[..], [(id, reason)] if *id == follow_ups(&host)[0].id && reason.contains("broken")));
    let relayed = relay(&host).await.unwrap();
    assert_eq!(
        relayed,
        Relayed {
            complete: true,
            follow_ups: Some(FollowUpCounts { parked: 1, ..FollowUpCounts::default() }),
            ..turn()
        }
    );
}

#[tokio::test]
async fn one_that_is_given_up_and_has_something_to_follow_ends_with_it_and_cannot_run_any_more() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let what = Schedule { on_failure: Some(next("two")), ..schedule("one", Due::AtOnce) };
    let host = host(scheduler(what, move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ended::Bug("broken".into())
    }));
    host.clock.now.store(7, Ordering::SeqCst);
    drop(host.pipeline.handle(request("one", "k")).await);
    let first = follow_ups(&host).remove(0);
    assert_eq!(until_given_up(&host).await, PAUSES);
    let [undoes] = &follow_ups(&host)[..] else { panic!("{:?}", follow_ups(&host)) };
    assert_eq!((undoes.call.operation.as_str(), undoes.parent, undoes.chain), ("two", Some(first.id), first.id));
    assert!(host.memory.parked_follow_ups.lock().unwrap().is_empty());
    // Another host that still has it finds its answer.
    let before = runs.load(Ordering::SeqCst);
    let later = Instant::now() + Duration::from_secs(7200);
    let followed = host.pipeline.follow(vec![first], "us-west-2", later).await;
    assert_eq!((followed.ended, followed.rejected, runs.load(Ordering::SeqCst)), (1, 1, before));
}

#[tokio::test]
async fn a_chain_that_does_not_end_is_left_to_the_relay() {
    let host = host(|_, calls| {
        let scheduled = calls.schedule(schedule("one", Due::AtOnce));
        Box::pin(async move {
            scheduled.unwrap().unwrap();
            accept("{}")
        })
    });
    let mut pending = host.pipeline.handle(request("one", "k")).await.pending.unwrap();
    let later = Instant::now() + Duration::from_secs(7200);
    let followed = host.pipeline.follow(pending.take_follow_ups(), "us-east-1", later).await;
    assert_eq!((followed.ended, followed.left, follow_ups(&host).len()), (16, 1, 1));
}

#[tokio::test]
async fn what_another_region_has_committed_is_left_to_it_for_two_turns() {
    let host = host(scheduler(schedule("two", Due::AtOnce), || accept("{}")));
    let asked = Request { region: "us-west-2".into(), ..request("one", "k") };
    drop(host.pipeline.handle(asked).await);
    for (now, followed) in [(100_000_000, 0), (120_000_006, 0), (120_000_007, 1)] {
        host.clock.now.store(now, Ordering::SeqCst);
        assert_eq!(relay(&host).await.unwrap().followed, followed, "{now}");
    }
}

/// Schedules one that is due at once, and changes it as another version of the bundle would have written it.
async fn written(host: &Host, change: impl Fn(&mut FollowUp)) {
    host.clock.now.store(7, Ordering::SeqCst);
    drop(host.pipeline.handle(request("one", "k")).await);
    host.memory.follow_ups.lock().unwrap().iter_mut().for_each(change);
}

/// While one region has a new version of the bundle and the other has not, or after an operation has changed.
#[tokio::test]
async fn what_this_version_cannot_run_waits_for_another_one_and_is_parked_in_the_end() {
    type Change = fn(&mut FollowUp);
    let changes: [(Change, &str); 3] = [
        (|one| one.call.operation = "unknown".into(), "There is no operation \"unknown\""),
        (|one| one.call.operation = "read".into(), "only reads"),
        (
            |one| one.call = counted(0),
            "T0507: rule first: the payload of an operation that follows does not fit: /count",
        ),
    ];
    for (change, reason) in changes {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let host = host(scheduler(schedule("two", Due::AtOnce), move || {
            counted.fetch_add(1, Ordering::SeqCst);
            accept("{}")
        }));
        written(&host, change).await;
        assert_eq!(until_given_up(&host).await, PAUSES, "{reason}");
        let parked = host.memory.parked_follow_ups.lock().unwrap().clone();
        assert!(matches!(&parked[..], [(_, why)] if why.contains(reason)), "{parked:?}");
        assert_eq!(runs.load(Ordering::SeqCst), 0);
        assert!(logged().contains("follow-up failed"));
    }
}

#[tokio::test]
async fn one_that_needs_more_time_than_there_is_fails_and_one_that_had_little_is_left() {
    let host = host(|_, calls| {
        Box::pin(async move {
            if calls.key() == Some("k") {
                calls.schedule(schedule("two", Due::AtOnce)).unwrap().unwrap();
                return accept("{}");
            }
            std::future::pending().await
        })
    });
    written(&host, |_| ()).await;
    let now = Instant::now() + *host.clock.slept.lock().unwrap();
    let little = relay_until(&host, now + Duration::from_secs(4)).await.unwrap();
    assert_eq!((little.follow_ups_failed, follow_ups(&host)[0].failures), (0, 0), "{little:?}");
    // What it took is not missing at the end of the turn, to count what there is.
    assert_eq!(little.follow_ups, Some(FollowUpCounts { due: 1, ..FollowUpCounts::default() }));
    let relayed = relay(&host).await.unwrap();
    assert_eq!((relayed.follow_ups_failed, follow_ups(&host)[0].failures), (1, 1), "{relayed:?}");
}

#[tokio::test]
async fn a_page_that_others_have_emptied_ends_no_turn() {
    let host = host(scheduler(schedule("two", Due::AtOnce), || accept("{}")));
    host.clock.now.store(7, Ordering::SeqCst);
    for number in 0..30 {
        let mut request = request("one", "k");
        request.caller = Some(number.to_string());
        drop(host.pipeline.handle(request).await);
    }
    let mut all = follow_ups(&host);
    all.sort_by_key(|one| (one.due, one.id));
    host.memory.ended_while_read.lock().unwrap().extend(all[..20].iter().map(|one| one.id));
    assert_eq!((relay(&host).await.unwrap().followed, follow_ups(&host).len()), (10, 0));
}

/// Two hosts have read it, and the other one, or an operator, was first.
#[tokio::test]
async fn a_failure_that_is_not_this_host_s_to_note_changes_and_counts_nothing() {
    for follows in [None, Some(next("two"))] {
        let what = Schedule { on_failure: follows, ..schedule("one", Due::AtOnce) };
        let host = host(scheduler(what, || Ended::Bug("broken".into())));
        written(&host, |one| one.failures = 7).await;
        let stale = follow_ups(&host).remove(0);
        // It is released.
        host.memory.follow_ups.lock().unwrap()[0].failures = 0;
        let later = Instant::now() + Duration::from_secs(7200);
        let followed = host.pipeline.follow(vec![stale.clone()], "us-east-1", later).await;
        match stale.on_failure {
            None => {
                assert_eq!((followed.given_up, followed.failed, followed.left), (0, 0, 1));
                assert!(host.memory.parked_follow_ups.lock().unwrap().is_empty());
                assert_eq!(follow_ups(&host)[0].failures, 0);
            }
            // Its end is one transaction: the first to commit it wins, and the second finds its answer.
            Some(_) => {
                assert_eq!((followed.given_up, followed.failed), (1, 1), "{followed:?}");
                let again = host.pipeline.follow(vec![stale], "us-east-1", later).await;
                assert_eq!((again.given_up, again.ended, again.rejected), (0, 1, 1));
            }
        }
    }
}
