//! Wrong or hostile guests, and what each must not achieve. A guest is a file in
//! `tests/guests/raw`, or a behaviour of the probe.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tenet_core::{
    BoxFuture, Ended, Event, EventError, EventId, HostCalls, Limit, Limits, LogLevel, Outcome, Policy, Request,
    RuleCall, Rules, SqlError, Statement, Stop, Timestamp, VaultError, VaultField, VaultVerb, Verdict,
};
use tenet_engine::{Compiler, Engine, Library, OWN_TARGET};
use tenet_events::Buses;
use tenet_pipeline::Status;

use crate::support::host::{EAST, Host, Regions};
use crate::support::{self, raw};

/// Allows every host call and records the log.
#[derive(Default)]
pub(crate) struct Willing {
    log: Mutex<Vec<(LogLevel, String)>>,
    statements: Mutex<usize>,
}

impl Willing {
    /// The logged lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }
}

impl HostCalls for Willing {
    fn run(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Result<Vec<Outcome>, SqlError>, Stop>> {
        *self.statements.lock().unwrap() += statements.len();
        Box::pin(std::future::ready(Ok(Ok(vec![Outcome::default(); statements.len()]))))
    }

    fn refuse(&self, error: SqlError) -> Result<SqlError, Stop> {
        Ok(error)
    }

    fn publish(&self, _: Event) -> Result<Result<EventId, EventError>, Stop> {
        Ok(Err(EventError::read_only()))
    }

    fn schedule(
        &self,
        _: tenet_core::Schedule,
    ) -> Result<Result<tenet_core::FollowUpId, tenet_core::ScheduleError>, Stop> {
        Ok(Err(tenet_core::ScheduleError::read_only()))
    }

    fn cancel(
        &self,
        _: tenet_core::FollowUpId,
    ) -> BoxFuture<'_, Result<Result<bool, tenet_core::ScheduleError>, Stop>> {
        Box::pin(std::future::ready(Ok(Err(tenet_core::ScheduleError::read_only()))))
    }

    fn vault(&self, _: tenet_core::VaultCall) -> BoxFuture<'_, Result<tenet_core::Vaulted, Stop>> {
        Box::pin(std::future::ready(Err(Stop)))
    }

    fn log(&self, level: LogLevel, message: String) -> Result<(), Stop> {
        let mut log = self.log.lock().unwrap();
        // As the pipeline does after a limit is exceeded.
        if log.len() == 100 {
            return Err(Stop);
        }
        log.push((level, message));
        Ok(())
    }

    fn random(&self, _: tenet_core::Randomness, length: u32) -> Result<Vec<u8>, Stop> {
        Ok((0..length).map(|byte| byte as u8).collect())
    }

    fn key(&self) -> Option<&str> {
        None
    }
}

/// Guests by name, on an engine with one slot for all.
struct Guests(Library);

impl Guests {
    fn new(names: &[&str]) -> Self {
        let components: Vec<_> = names.iter().map(|name| (*name, raw::component(name))).collect();
        let components = components.iter().map(|(name, bytes)| (*name, bytes.as_slice()));
        let compiler = Compiler::new(OWN_TARGET).unwrap();
        Self(Library::compile(Engine::new(1).unwrap(), &compiler, components).unwrap())
    }

    async fn call(&self, name: &str) -> (RuleCall, Arc<Willing>) {
        let willing = Arc::new(Willing::default());
        let request = Request {
            operation: name.into(),
            key: None,
            source_key: None,
            payload: "{}".into(),
            caller: None,
            region: EAST.into(),
            now: Timestamp(1_700_000_000_000_000),
            seed: [7; 32],
            deadline: Instant::now() + Duration::from_secs(60),
            trace: None,
            follow_up: None,
        };
        let calls = Arc::clone(&willing) as Arc<dyn HostCalls>;
        let limits = Limits { cpu_ms: 1_000, ..Limits::default() };
        (self.0.call(name, &request, &limits, calls).await, willing)
    }
}

/// Each guest with the limit that ends it.
const LIMITED: &[(&str, Limit)] = &[
    ("never-ends", Limit::Cpu),
    ("recursion", Limit::Stack),
    ("memory-bomb", Limit::Memory),
    ("table-bomb", Limit::TableElements),
    ("giant-argument", Limit::BytesSent),
    ("giant-result", Limit::OutputBytes),
    ("asks-for-ever", Limit::HostCalls),
    ("wasi-asks-for-ever", Limit::Cpu),
];

/// Guests that violate the component model, or trap.
const TRAPPED: &[&str] = &[
    "lying-argument",
    "lying-list",
    "crooked-list",
    "lying-result",
    "crooked-text",
    "writes-and-traps",
    "wasi-exits",
    "wasi-hoards",
];

/// Guests that a host call stops.
const STOPPED: &[&str] = &["logs-for-ever", "publishes-for-ever", "wasi-prints-for-ever"];

/// Harmless guests that try to distinguish one call from another.
const CURIOUS: &[&str] = &["remembers", "wasi-asks"];

#[test]
fn every_guest_is_bound_to_a_test() {
    let limited = LIMITED.iter().map(|(name, _)| *name);
    let bound: BTreeSet<&str> = limited.chain(TRAPPED.iter().chain(STOPPED).chain(CURIOUS).copied()).collect();
    let names = raw::names();
    assert_eq!(bound.into_iter().collect::<Vec<_>>(), names);
}

#[tokio::test]
async fn what_takes_too_much_is_ended_by_the_limit_that_it_passed() {
    let names: Vec<&str> = LIMITED.iter().map(|(name, _)| *name).collect();
    let guests = Guests::new(&names);
    for (name, limit) in LIMITED {
        let (call, _) = guests.call(name).await;
        assert!(matches!(&call.ended, Ended::Limit(exceeded) if exceeded.limit == *limit), "{name}: {:?}", call.ended);
        assert!(call.memory_bytes <= Limits::default().memory_bytes, "{name}: {}", call.memory_bytes);
    }
}

#[tokio::test]
async fn what_lies_to_the_host_traps_and_is_the_rules_own_fault() {
    let guests = Guests::new(TRAPPED);
    for name in TRAPPED {
        let (call, _) = guests.call(name).await;
        assert!(matches!(&call.ended, Ended::Trap(_)), "{name}: {:?}", call.ended);
    }
}

#[tokio::test]
async fn nothing_of_a_call_is_left_for_the_next_one() {
    let guests = Guests::new(&["remembers", "writes-and-traps"]);
    for turn in 0..50 {
        let (call, _) = guests.call("remembers").await;
        assert_eq!(call.ended, Ended::Verdict(Verdict::Accept("0".into())), "{turn}");
        guests.call("writes-and-traps").await;
    }
}

#[tokio::test]
async fn wasi_tells_nothing_of_the_machine_and_no_time_passes_in_it() {
    let guests = Guests::new(&["wasi-asks"]);
    let started = Instant::now();
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let (call, willing) = guests.call("wasi-asks").await;
        let Ended::Verdict(Verdict::Accept(text)) = call.ended else { panic!("{:?}", call.ended) };
        seen.insert(text);
        let log = willing.log.lock().unwrap().clone();
        let line = |text: &str| (LogLevel::Info, text.to_owned());
        assert_eq!(log, [line("first"), line("second, with no end")]);
    }
    assert!(started.elapsed() < Duration::from_secs(3600), "it waited for the day that it asked for");
    assert_eq!(seen.len(), 1, "{seen:?}");
    let text = seen.pop_first().unwrap();
    let bytes: Vec<u8> =
        (1..text.len() - 1).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!((number(0), number(8), number(16) as u32), (0, 1_700_000_000, 0), "the request's moment, standing");
    // The request's random bytes, starting from the first in each of its parts.
    assert_eq!(number(24), u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7]));
    assert_eq!(&bytes[48..60], [0; 12], "no variables, arguments and folders");
    assert_eq!(bytes[60], 1, "a socket");
}

#[tokio::test]
async fn a_hostile_rule_costs_its_own_request_and_nothing_else() {
    let database = support::database().await;
    let names: Vec<&str> =
        LIMITED.iter().map(|(name, _)| *name).chain(TRAPPED.iter().chain(STOPPED).copied()).collect();
    let (folder, index) = raw::bundle(&names);
    let buses = Buses::new([EAST]).unwrap();
    let at_bus = buses.subscribe(EAST, r#"{"source":[{"prefix":""}]}"#).unwrap();
    let hostile = Host::of(database.url(), EAST, &buses, folder.path(), &index);
    let honest = Host::start("guests", database.url(), EAST, &buses);
    database.execute("insert into counters values (1, 0)").await;
    for (number, name) in names.iter().enumerate() {
        let handled = hostile.invoke(&json!({ "operation": name, "idempotency_key": name }).to_string()).await;
        assert_eq!(handled.answer.status, Status::Failed, "{name}: {}", handled.answer.body);
        assert!(handled.answer.body.contains("nothing was changed"), "{name}: {}", handled.answer.body);
        assert_eq!(database.count("select count(*) from tenet.keys where operation <> 'probe'").await, 0, "{name}");
        assert_eq!(database.count("select count(*) from counters where id = 4711").await, 0, "{name}");
        let next = json!({ "operation": "probe", "idempotency_key": number.to_string(), "do": "increment", "id": 1 });
        let handled = honest.invoke(&next.to_string()).await;
        assert_eq!(handled.answer.status, Status::Accepted, "after {name}: {}", handled.answer.body);
    }
    assert_eq!(database.count("select value from counters where id = 1").await, i64::try_from(names.len()).unwrap());
    let events = at_bus.received();
    assert!(events.iter().all(|event| event.contains("Incremented")) && events.len() == names.len(), "{events:?}");
}

/// A policy with a bug that a certain text triggers.
struct Buggy;

impl Policy for Buggy {
    fn statement(&self, _: &str, sql: &str) -> Result<Arc<str>, Box<SqlError>> {
        assert!(!sql.contains("bug"), "a bug");
        Ok(sql.replace("counters", "public.counters").into())
    }

    fn shown(&self, _: &str, _: &str, error: SqlError) -> SqlError {
        error
    }

    fn event(&self, _: &str, event: &Event) -> Result<(), EventError> {
        assert_ne!(event.source, "bug");
        Ok(())
    }

    fn schedule(&self, _: &str, _: &str) -> Result<(), tenet_core::ScheduleError> {
        Ok(())
    }

    fn vault(&self, _: &str, _: VaultVerb, _: &VaultField) -> Result<(), VaultError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_of_the_host_ends_the_request_that_it_worked_for_alone() {
    let database = support::database().await;
    let buses = Buses::new([EAST]).unwrap();
    let host = Host::held_to(Arc::new(Buggy), "guests", database.url(), EAST, &buses);
    database.execute("insert into counters values (1, 0)").await;
    // Far more than there are connections, instances and places: each is released.
    for round in 0..40 {
        // Polled by one task, like the messages of a batch: an uncaught panic would end both.
        let bad = json!({ "operation": "probe", "idempotency_key": "bad", "do": "sql", "sql": "SELECT 'bug'" });
        let good = json!({ "operation": "probe", "idempotency_key": round.to_string(), "do": "increment", "id": 1 });
        let (bad, good) = (bad.to_string(), good.to_string());
        let (bad, good) = tokio::join!(host.invoke(&bad), host.invoke(&good));
        assert_eq!(bad.answer.status, Status::Failed, "{}", bad.answer.body);
        assert!(bad.answer.body.contains("nothing was changed"), "{}", bad.answer.body);
        assert!(bad.reason.is_some_and(|reason| reason.contains("a bug")));
        assert_eq!(good.answer.status, Status::Accepted, "{}", good.answer.body);
    }
    assert_eq!(database.count("select value from counters where id = 1").await, 40);
    assert_eq!(database.count("select count(*) from tenet.keys where key = 'bad'").await, 0);
}

#[tokio::test]
async fn what_the_host_reads_for_a_rule_counts_as_the_rules_computing() {
    let database = support::database().await;
    let host = Host::start("guests", database.url(), EAST, &Buses::new([EAST]).unwrap());
    // As much as a rule may send, and far more than it may compute.
    let dear = json!({ "operation": "probe-read", "do": "dear", "statements": 90, "numbers": 20_000 });
    let handled = host.invoke(&dear.to_string()).await;
    assert_eq!(handled.answer.status, Status::Failed, "{}", handled.answer.body);
    let reason = handled.reason.unwrap();
    assert!(reason.contains("rule probe: the limit cpu_ms was passed: 250 allowed, "), "{reason}");
    let used: u64 = reason.rsplit(", ").next().unwrap().strip_suffix(" used").unwrap().parse().unwrap();
    let receipt = &handled.receipt.rules[0];
    assert!(used > 250 && receipt.cpu > Duration::from_millis(250), "{reason}: {receipt:?}");
    assert!((1..90).contains(&receipt.statements), "{receipt:?}");
}

/// Disguised statements that end or leave a transaction.
fn disguises() -> Vec<String> {
    let endings = [
        "COMMIT",
        "ROLLBACK",
        "END",
        "ABORT",
        "BEGIN",
        "SAVEPOINT s",
        "RELEASE s",
        "COMMIT AND CHAIN",
        "PREPARE TRANSACTION 'x'",
        "SET LOCAL role = 'postgres'",
        "RESET ALL",
        "DISCARD ALL",
        "DO $$ BEGIN COMMIT; END $$",
    ];
    let dresses: [fn(&str) -> String; 9] = [
        |sql| sql.to_owned(),
        |sql| sql.to_lowercase(),
        |sql| format!("/* SELECT */ {sql} --"),
        |sql| format!("\t\n{sql};"),
        |sql| format!("SELECT 1; {sql}"),
        |sql| format!("SELECT '' /* ' */; {sql} /* ' */"),
        |sql| format!("SELECT $a$ $b$ $a$ ;{sql} --$b$"),
        |sql| format!("SELECT E'\\\\'; {sql} --'"),
        |sql| format!("WITH x AS ({sql}) SELECT 1"),
    ];
    endings.iter().flat_map(|ending| dresses.map(|dress| dress(ending))).collect()
}

#[tokio::test]
async fn no_disguise_ends_a_transaction_or_leaves_it() {
    let database = support::database().await;
    let disguises = disguises();
    assert!(disguises.len() > 100);
    let mut regions = Regions::start("guests", database.url());
    for (number, sql) in disguises.into_iter().enumerate() {
        // A rule that fails this often would be suspended.
        if number % 10 == 0 {
            regions = Regions::start("guests", database.url());
        }
        let event = json!({ "operation": "probe", "idempotency_key": "k", "do": "swallow", "sql": sql });
        let handled = regions.east.invoke(&event.to_string()).await;
        // The rule wrote a row before it and accepts after it.
        assert_eq!(handled.answer.status, Status::Failed, "{sql}: {}", handled.answer.body);
        assert_eq!(
            database.count("select (select count(*) from counters) + (select count(*) from tenet.keys)").await,
            0,
            "{sql}"
        );
    }
}

#[tokio::test]
async fn tables_of_others_of_the_host_and_of_the_database_are_out_of_reach() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    let keys = "select count(*) from tenet.keys";
    for sql in [
        "SELECT balance FROM accounts",
        "SELECT answer FROM tenet.keys",
        "INSERT INTO tenet.keys (operation, caller, key) VALUES ('probe', '', 'x')",
        "DELETE FROM tenet.outbox",
        "DELETE FROM tenet.follow_ups",
        "UPDATE tenet.outbox SET parked = NULL",
        "WITH gone AS (DELETE FROM tenet.keys RETURNING key) SELECT count(*) FROM gone",
        "SELECT id FROM tenet.identity",
        "SELECT rolname FROM pg_roles",
        "SELECT passwd FROM pg_catalog.pg_shadow",
        "SELECT table_name FROM information_schema.tables",
        "SELECT count(*) FROM counters, pg_stat_activity",
        "SELECT id FROM counters WHERE EXISTS (SELECT 1 FROM ledger)",
        "INSERT INTO counters SELECT 1, count(*) FROM transactions",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT current_setting('data_directory')",
        "SELECT set_config('role', 'postgres', false)",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_sleep(60)",
        "SELECT 'tenet.keys'::regclass",
    ] {
        let event = json!({ "operation": "probe", "idempotency_key": "k", "do": "sql", "sql": sql });
        let handled = regions.east.invoke(&event.to_string()).await;
        // The rule turns the error into a bug of its own.
        assert_eq!(handled.answer.status, Status::Failed, "{sql}: {}", handled.answer.body);
        assert_eq!(handled.receipt.rules[0].rows_read, 0, "{sql}");
        assert_eq!(database.count(keys).await, 0, "{sql}");
    }
}
