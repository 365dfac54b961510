//! The engine with real guests: limits, traps, isolation, and what it refuses to load.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tenet_core::bundle::{CompiledFor, File, Index};
use tenet_core::{
    BoxFuture, Ended, Event, EventError, EventId, HostCalls, Limit, LimitExceeded, Limits, LogLevel, Outcome, Request,
    RuleCall, Rules, SqlError, SqlState, Statement, Stop, Timestamp, Verdict,
};
use tenet_engine::{Compiler, Engine, Library, OWN_TARGET, TARGETS};
use tenet_schema::Schema;
use tokio::sync::{Notify, Semaphore};

use crate::support::bundle::bundle;

type Ran = Result<Result<Vec<Outcome>, SqlError>, Stop>;

/// Answers a guest's calls as a test requires.
struct Calls {
    answer: fn(&[Statement]) -> Ran,
    /// A statement waits for a permit.
    gate: Semaphore,
    entered: Notify,
    asked: Mutex<Vec<Statement>>,
    log: Mutex<Vec<(LogLevel, String)>>,
    random: Mutex<u8>,
}

impl Calls {
    fn new() -> Arc<Self> {
        Self::answering(|statements| Ok(Ok(vec![Outcome::default(); statements.len()])))
    }

    fn answering(answer: fn(&[Statement]) -> Ran) -> Arc<Self> {
        Self::gated(answer, Semaphore::MAX_PERMITS)
    }

    fn gated(answer: fn(&[Statement]) -> Ran, permits: usize) -> Arc<Self> {
        Arc::new(Self {
            answer,
            gate: Semaphore::new(permits),
            entered: Notify::new(),
            asked: Mutex::default(),
            log: Mutex::default(),
            random: Mutex::new(0),
        })
    }
}

impl HostCalls for Calls {
    fn run(&self, statements: Vec<Statement>) -> BoxFuture<'_, Ran> {
        Box::pin(async move {
            self.entered.notify_one();
            let _permit = self.gate.acquire().await.unwrap();
            let answer = (self.answer)(&statements);
            self.asked.lock().unwrap().extend(statements);
            answer
        })
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
        self.log.lock().unwrap().push((level, message));
        Ok(())
    }

    fn random(&self, _: tenet_core::Randomness, length: u32) -> Result<Vec<u8>, Stop> {
        let mut next = self.random.lock().unwrap();
        Ok((0..length)
            .map(|_| {
                *next = next.wrapping_add(1);
                *next
            })
            .collect())
    }

    fn key(&self) -> Option<&str> {
        Some("key-1")
    }
}

fn engine(slots: u32) -> Arc<Engine> {
    Engine::new(slots).unwrap()
}

fn library(slots: u32) -> Library {
    let (folder, index) = bundle("guests");
    Library::open(engine(slots), &folder, &index).unwrap()
}

fn request(payload: &str) -> Request {
    Request {
        operation: "probe".into(),
        key: None,
        source_key: None,
        payload: payload.into(),
        caller: Some("someone".into()),
        region: "us-east-1".into(),
        now: Timestamp(1_700_000_000_000_000),
        seed: [7; 32],
        deadline: Instant::now() + Duration::from_secs(60),
        trace: None,
        follow_up: None,
    }
}

async fn probe(library: &Library, behaviour: &str, limits: &Limits, calls: Arc<Calls>) -> RuleCall {
    // Only `big-output` reads the second member.
    library.call("probe", &request(&format!(r#"{{"do":"{behaviour}","bytes":100000}}"#)), limits, calls).await
}

/// How a behaviour of the probe ends under the given limits.
async fn ended(behaviour: &str, limits: Limits) -> Ended {
    probe(&library(1), behaviour, &limits, Calls::new()).await.ended
}

fn output(call: &RuleCall) -> &str {
    match &call.ended {
        Ended::Verdict(Verdict::Accept(output)) => output,
        other => panic!("not accepted: {other:?}"),
    }
}

fn exceeded(limit: Limit, allowed: u64, used: u64) -> Ended {
    Ended::Limit(LimitExceeded { limit, allowed: Some(allowed), used: Some(used) })
}

#[tokio::test]
async fn what_the_types_of_a_rule_take_is_what_their_schema_takes() {
    let (folder, index) = bundle("guests");
    let library = Library::open(engine(1), &folder, &index).unwrap();
    let schema = Schema::read(index.rule("typed").unwrap().input.as_ref().unwrap()).unwrap();
    let both = [
        r#"{}"#,
        r#"{"int2":-32768,"int4":2147483647,"int8":-9223372036854775808,"byte":255,"unsigned":18446744073709551615}"#,
        r#"{"int4":1.0,"int8":-0,"byte":2.55e2,"unsigned":-0.0}"#,
        r#"{"float":1,"yes":true,"text":"","letter":"\ud83d\ude00","list":[1,-1.0],"pair":[1,"a"],"by_name":{"a":1}}"#,
        r#"{"float":null,"yes":null,"kind":null,"shape":null,"strict":null,"moment":null,"anything":null}"#,
        r#"{"kind":"very-small","shape":{"is":"Square","side":3.0},"strict":{"one":1}}"#,
        r#"{"shape":{"is":"Circle","radius":1.50}}"#,
        r#"{"decimal":-100.50,"uuid":"0F5D8C1A-02b3-4c4d-9e5f-00a1b2c3d4e5","date":"2024-02-29","time":"23:59:59.999999"}"#,
        r#"{"timestamp":"2026-01-31T23:59:59","moment":"2026-01-31T23:59:59Z","interval":{"months":-1,"days":2}}"#,
        r#"{"moment":"2026-01-31t23:59:59.1234567z"}"#,
        r#"{"moment":"2026-01-31 23:59:59.123456789+05:30","anything":{"a":[1,{}]},"unknown":1}"#,
    ];
    let neither = [
        "[]",
        r#"{"int2":32768}"#,
        r#"{"int4":-2147483649}"#,
        r#"{"int8":9223372036854775808}"#,
        r#"{"byte":-1}"#,
        r#"{"unsigned":18446744073709551616}"#,
        r#"{"int4":1.5}"#,
        r#"{"int4":"1"}"#,
        r#"{"int4":true}"#,
        r#"{"int4":1e30}"#,
        r#"{"float":"1"}"#,
        r#"{"yes":1}"#,
        r#"{"text":1}"#,
        r#"{"letter":""}"#,
        r#"{"letter":"ab"}"#,
        r#"{"list":{}}"#,
        r#"{"list":[null]}"#,
        r#"{"pair":[1]}"#,
        r#"{"pair":[1,"a",2]}"#,
        r#"{"by_name":{"a":256}}"#,
        r#"{"kind":"Large"}"#,
        r#"{"kind":1}"#,
        r#"{"shape":{"is":"Triangle"}}"#,
        r#"{"shape":{"side":3}}"#,
        r#"{"shape":{"is":"Square"}}"#,
        r#"{"strict":{"one":1,"three":3}}"#,
        r#"{"strict":{"two":1}}"#,
        r#"{"decimal":"1"}"#,
        r#"{"uuid":"0f5d8c1a02b34c4d9e5f00a1b2c3d4e5"}"#,
        r#"{"date":"2026-02-29"}"#,
        r#"{"date":20260101}"#,
        r#"{"moment":"2026-01-31T23:59:59"}"#,
        r#"{"moment":"2026-01-31T23:59:60Z"}"#,
        r#"{"interval":{"weeks":1}}"#,
        r#"{"interval":{"days":2147483648}}"#,
    ];
    // PostgreSQL's own texts, which are not in RFC 3339.
    let only_types = [r#"{"date":"infinity"}"#, r#"{"date":"-0044-03-15"}"#, r#"{"moment":"-infinity"}"#];
    // A schema cannot express a time without a zone, nor the number of digits of a decimal.
    let only_schema = [r#"{"time":"noon"}"#, r#"{"timestamp":"2026-01-31"}"#, r#"{"decimal":1e200000}"#];
    let cases = [
        (both.as_slice(), true, true),
        (&neither, false, false),
        (&only_types, false, true),
        (&only_schema, true, false),
    ];
    for (payloads, fits, is_taken) in cases {
        for payload in payloads {
            let fit = schema.fit(payload);
            assert_eq!(fit.is_ok(), fits, "{payload}: {fit:?}");
            let given = fit.as_deref().unwrap_or(payload);
            let call = library.call("typed", &request(given), &Limits::default(), Calls::new()).await;
            let taken = matches!(call.ended, Ended::Verdict(Verdict::Accept(_)));
            assert_eq!(taken, is_taken, "{payload}: {:?}", call.ended);
            // A refused value always results in a rejection.
            assert!(matches!(call.ended, Ended::Verdict(_)), "{payload}: {:?}", call.ended);
        }
    }
}

#[tokio::test]
async fn a_loop_ends_at_the_cpu_limit_and_the_figures_are_told() {
    let call = probe(&library(1), "loop", &Limits { cpu_ms: 30, ..Limits::default() }, Calls::new()).await;
    let Ended::Limit(LimitExceeded { limit: Limit::Cpu, allowed: Some(30), used: Some(used) }) = call.ended else {
        panic!("{call:?}")
    };
    assert!(used > 30 && call.cpu >= Duration::from_millis(30), "{call:?}");
}

#[tokio::test]
async fn memory_ends_at_its_limit_and_the_peak_is_told() {
    let limits = Limits { memory_bytes: 8 << 20, ..Limits::default() };
    let call = probe(&library(1), "memory", &limits, Calls::new()).await;
    let Ended::Limit(LimitExceeded { limit: Limit::Memory, allowed: Some(allowed), used: Some(used) }) = call.ended
    else {
        panic!("{call:?}")
    };
    assert_eq!(allowed, 8 << 20);
    assert!(used > allowed && call.memory_bytes <= allowed && call.memory_bytes > 4 << 20, "{call:?}");
}

#[tokio::test]
async fn a_rule_whose_first_memory_is_too_much_does_not_start() {
    let limits = Limits { memory_bytes: 64 << 10, ..Limits::default() };
    assert!(matches!(
        ended("context", limits).await,
        Ended::Limit(LimitExceeded { limit: Limit::Memory, allowed: Some(65_536), used: Some(_) })
    ));
}

#[tokio::test]
async fn endless_recursion_ends_at_the_stack() {
    let stack = LimitExceeded { limit: Limit::Stack, allowed: None, used: None };
    assert_eq!(ended("recurse", Limits::default()).await, Ended::Limit(stack));
}

#[tokio::test]
async fn host_calls_are_counted() {
    let limits = Limits { host_calls: 100, ..Limits::default() };
    assert_eq!(ended("host-calls", limits).await, exceeded(Limit::HostCalls, 100, 101));
}

#[tokio::test]
async fn an_output_that_is_too_large_is_not_taken() {
    let limits = Limits { output_bytes: 1000, ..Limits::default() };
    let Ended::Limit(LimitExceeded { limit: Limit::OutputBytes, allowed: Some(1000), used: Some(used) }) =
        ended("big-output", limits).await
    else {
        panic!()
    };
    assert!(used > 1000);
    // So large that it is not even copied out of the guest.
    let limits = Limits {
        output_bytes: 1,
        bytes_sent: 1,
        event_bytes: 1,
        follow_up_bytes: 1,
        log_bytes: 1,
        ..Limits::default()
    };
    let uncopied = LimitExceeded { limit: Limit::OutputBytes, allowed: Some(1), used: None };
    assert_eq!(ended("big-output", limits).await, Ended::Limit(uncopied));
}

#[tokio::test]
async fn a_panic_is_a_trap_and_its_message_is_in_the_log() {
    let calls = Calls::new();
    let call = probe(&library(1), "panic", &Limits::default(), Arc::clone(&calls)).await;
    let Ended::Trap(text) = &call.ended else { panic!("{call:?}") };
    assert_eq!(text.matches("unreachable").count(), 1, "{text}");
    let log = calls.log.lock().unwrap();
    assert!(log.iter().any(|(level, line)| *level == LogLevel::Error && line.contains("a panic on demand")), "{log:?}");
}

#[tokio::test]
async fn a_broken_rule_is_told_apart_from_a_rejection() {
    assert!(matches!(ended("bug", Limits::default()).await, Ended::Bug(_)));
    let Ended::Bug(text) = ended("bad-json", Limits::default()).await else { panic!() };
    assert!(text.starts_with("the output is not JSON: "), "{text}");
}

#[tokio::test]
async fn a_rule_that_is_not_there_is_the_hosts_fault() {
    let call = library(1).call("missing", &request("{}"), &Limits::default(), Calls::new()).await;
    assert!(matches!(&call.ended, Ended::Host(text) if text.contains("missing")), "{call:?}");
}

#[tokio::test]
async fn nothing_is_kept_from_one_call_to_the_next() {
    let library = library(1);
    let first = probe(&library, "state", &Limits::default(), Calls::new()).await;
    probe(&library, "memory", &Limits::default(), Calls::new()).await;
    probe(&library, "panic", &Limits::default(), Calls::new()).await;
    let second = probe(&library, "state", &Limits::default(), Calls::new()).await;
    assert_eq!(output(&first), output(&second));
}

#[tokio::test]
async fn the_same_request_with_the_same_results_gives_the_same_bytes() {
    let library = library(2);
    for behaviour in ["context", "random"] {
        let first = probe(&library, behaviour, &Limits::default(), Calls::new()).await;
        let second = probe(&library, behaviour, &Limits::default(), Calls::new()).await;
        assert_eq!(output(&first), output(&second));
    }
}

#[tokio::test]
async fn a_rule_sees_its_request_and_the_random_sequence_it_was_given() {
    let library = library(1);
    let context = probe(&library, "context", &Limits::default(), Calls::new()).await;
    for part in ["probe", "us-east-1", "1700000000000000", "key-1", "someone"] {
        assert!(output(&context).contains(part), "{part}: {context:?}");
    }
    let random = probe(&library, "random", &Limits::default(), Calls::new()).await;
    assert!(output(&random).contains("0102030405060708"), "{random:?}");
}

#[tokio::test]
async fn waiting_for_the_database_is_not_computing() {
    let library = library(2);
    let parked = Calls::gated(|_| Ok(Ok(vec![Outcome::default()])), 0);
    let limits = Limits { cpu_ms: 200, ..Limits::default() };
    let waiting = async {
        let event = r#"{"do":"sql","sql":"select 1"}"#;
        library.call("probe", &request(event), &limits, Arc::clone(&parked) as Arc<dyn HostCalls>).await
    };
    // The other call computes for longer than the limit of the waiting one, and then lets it
    // continue.
    let computing = async {
        parked.entered.notified().await;
        let limits = Limits { cpu_ms: 300, ..Limits::default() };
        let call = probe(&library, "loop", &limits, Calls::new()).await;
        parked.gate.add_permits(1);
        call
    };
    let (waited, computed) = tokio::join!(waiting, computing);
    assert!(matches!(computed.ended, Ended::Limit(_)), "{computed:?}");
    output(&waited);
}

#[tokio::test]
async fn a_call_that_is_dropped_frees_what_it_shared_and_its_place() {
    let library = library(1);
    let calls = Calls::gated(|_| Ok(Ok(Vec::new())), 0);
    let parked = request(r#"{"do":"sql","sql":"select 1"}"#);
    let limits = Limits::default();
    tokio::select! {
        biased;
        call = library.call("probe", &parked, &limits, Arc::clone(&calls) as Arc<dyn HostCalls>) => panic!("{call:?}"),
        () = calls.entered.notified() => {}
    }
    assert_eq!(Arc::strong_count(&calls), 1);
    output(&probe(&library, "context", &Limits::default(), Calls::new()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_calls_than_slots_wait_for_their_turn_and_all_end() {
    let library = Arc::new(library(2));
    let calls: Vec<_> = (0..24)
        .map(|number| {
            let library = Arc::clone(&library);
            let behaviour = ["context", "sql", "panic", "recurse"][number % 4];
            tokio::spawn(async move {
                let payload = format!(r#"{{"do":"{behaviour}","sql":"select {number}"}}"#);
                library.call("probe", &request(&payload), &Limits::default(), Calls::new()).await.ended
            })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        let ended = call.await.unwrap();
        let right = match number % 4 {
            0 | 1 => matches!(ended, Ended::Verdict(_)),
            2 => matches!(ended, Ended::Trap(_)),
            _ => matches!(ended, Ended::Limit(_)),
        };
        assert!(right, "{number}: {ended:?}");
    }
}

#[tokio::test]
async fn a_host_call_that_says_stop_stops_the_guest() {
    let calls = Calls::answering(|_| Err(Stop));
    let event = request(r#"{"do":"sql","sql":"select 1"}"#);
    let call = library(1).call("probe", &event, &Limits::default(), Arc::clone(&calls) as Arc<dyn HostCalls>).await;
    assert_eq!(call.ended, Ended::Stopped);
    assert_eq!(calls.asked.lock().unwrap().len(), 1, "the guest does not go on");
}

#[tokio::test]
async fn statements_arrive_as_the_guest_wrote_them_and_errors_return_to_it() {
    let calls = Calls::answering(|_| Ok(Err(SqlError::new(SqlState::UNIQUE_VIOLATION, "there is one already"))));
    let event = request(r#"{"do":"sql","sql":"insert into t values (1)"}"#);
    let call = library(1).call("probe", &event, &Limits::default(), Arc::clone(&calls) as Arc<dyn HostCalls>).await;
    assert!(format!("{:?}", call.ended).contains("23505"), "{call:?}");
    let asked = calls.asked.lock().unwrap();
    assert_eq!((&*asked[0].sql, asked[0].parameters.len()), ("insert into t values (1)", 0));
}

/// The text of an error and its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

fn refusal(component: &[u8]) -> String {
    chain(&Compiler::new(OWN_TARGET).unwrap().compile(component).unwrap_err())
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A component with one more section.
fn with_section(component: &[u8], id: u8, content: &[u8]) -> Vec<u8> {
    [component, &[id, u8::try_from(content.len()).unwrap()], content].concat()
}

#[test]
fn what_is_no_component_is_refused_with_the_reason() {
    assert!(refusal(b"").contains("not WebAssembly"));
    assert!(refusal(b"\x7fELF\x02\x01\x01\0\0\0").contains("not WebAssembly"));
    assert!(refusal(b"(component)").contains("not WebAssembly"));
    assert!(refusal(&MODULE[..6]).contains("truncated"));
    assert!(refusal(MODULE).contains("core module"));
    assert!(refusal(b"\0asm\x0d\0\x02\0").contains("version"));
}

#[test]
fn truncated_and_random_bytes_are_refused_and_never_a_panic() {
    let (folder, index) = bundle("guests");
    let component = std::fs::read(folder.join(&index.rule("probe").unwrap().component.path)).unwrap();
    let compiler = Compiler::new(OWN_TARGET).unwrap();
    for part in 0..40 {
        let text = chain(&compiler.compile(&component[..component.len() * part / 40]).unwrap_err());
        assert!(!text.is_empty());
    }
    let mut state = 1_u64;
    for _ in 0..200 {
        let mut bytes = COMPONENT.to_vec();
        bytes.extend((0..64).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        }));
        assert!(refusal(&bytes).contains("truncated, damaged or not valid"));
    }
}

#[test]
fn a_component_of_another_world_is_refused_by_what_it_lacks_or_wants() {
    let empty = refusal(COMPONENT);
    assert!(empty.contains("tenet:rule@1.0.0") && empty.contains("does not export the function `evaluate`"), "{empty}");

    let instance_type = with_section(COMPONENT, 7, &[1, 0x42, 0]);
    let importing = |name: &str| {
        let import = [&[1, 0, u8::try_from(name.len()).unwrap()], name.as_bytes(), &[5, 0]].concat();
        refusal(&with_section(&instance_type, 10, &import))
    };
    for foreign in ["acme:files/disk@1.0.0", "wasi:http/types@0.2.0", "wasi:cli/environment@0.3.0"] {
        let refusal = importing(foreign);
        assert!(refusal.contains(&format!("{foreign}, which the host does not offer")), "{refusal}");
    }
    let wasi = importing("wasi:cli/environment@0.2.0");
    assert!(wasi.contains("does not export the function `evaluate`"), "{wasi}");

    // A module with a function `e` of no parameters, lifted and exported under both names.
    let module = with_section(MODULE, 1, &[1, 0x60, 0, 0]);
    let module = with_section(&module, 3, &[1, 0]);
    let module = with_section(&module, 7, &[1, 1, b'e', 0, 0]);
    let module = with_section(&module, 10, &[1, 2, 0, 0x0b]);
    let component = with_section(COMPONENT, 1, &module);
    let component = with_section(&component, 2, &[1, 0, 0, 0]);
    let component = with_section(&component, 6, &[1, 0, 0, 1, 0, 1, b'e']);
    let component = with_section(&component, 7, &[1, 0x40, 0, 1, 0]);
    let component = with_section(&component, 8, &[1, 0, 0, 0, 0, 0]);
    let half = refusal(&with_section(&component, 11, b"\x01\0\x08evaluate\x01\0\0"));
    assert!(half.contains("does not export the function `describe`"), "{half}");
    let typed = refusal(&with_section(&component, 11, b"\x02\0\x08evaluate\x01\0\0\0\x08describe\x01\0\0"));
    assert!(typed.contains("tenet:rule@1.0.0") && typed.contains("type-checking export"), "{typed}");
}

#[test]
fn code_for_the_other_target_is_made_here_and_refused_here_by_name() {
    let other = TARGETS.into_iter().find(|target| *target != OWN_TARGET).unwrap();
    let compiler = Compiler::new(other).unwrap();
    assert_eq!(compiler.target(), other);
    assert_ne!(compiler.fingerprint(), engine(1).fingerprint());

    let (folder, mut index) = bundle("guests");
    let component = std::fs::read(folder.join(&index.rule("veto").unwrap().component.path)).unwrap();
    let code = compiler.compile(&component).unwrap();
    // The code of both targets is an ELF file with the number of its machine.
    let machine = if other.starts_with("aarch64") { 183 } else { 62 };
    assert_eq!((&code[..4], u16::from_le_bytes([code[18], code[19]])), (b"\x7fELF".as_slice(), machine));

    let of_own = index.compiled_for.clone().unwrap();
    index.compiled_for = Some(CompiledFor { target: other.into(), engine: compiler.fingerprint() });
    let refused = Library::open(engine(1), &folder, &index).unwrap_err().to_string();
    assert!(refused.contains(other) && refused.contains(OWN_TARGET), "{refused}");

    // A manipulated index does not help.
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("veto.cwasm"), &code).unwrap();
    index.compiled_for = Some(of_own);
    index.rules.retain(|rule| rule.name == "veto");
    index.rules[0].compiled = Some(File { path: "veto.cwasm".into(), sha256: tenet_build::sha256(&code) });
    let refused = Library::open(engine(1), scratch.path(), &index).unwrap_err();
    assert_eq!((refused.rule_name(), refused.file()), (Some("veto"), Some("veto.cwasm")));
    assert!(chain(&refused).contains("not code for this engine"), "{}", chain(&refused));
}

#[test]
fn a_target_that_lambda_does_not_have_is_refused_by_name() {
    let refused = Compiler::new("riscv64gc-unknown-linux-gnu").unwrap_err().to_string();
    assert!(refused.contains("riscv64gc") && TARGETS.iter().all(|known| refused.contains(known)), "{refused}");
}

/// Copies the compiled rules of a bundle.
fn copy(folder: &Path, index: &Index) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in index.rules.iter().filter_map(|rule| rule.compiled.as_ref()) {
        let to = copy.path().join(&file.path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(folder.join(&file.path), to).unwrap();
    }
    copy
}

#[test]
fn a_file_with_one_bit_changed_is_refused_by_name() {
    let (folder, index) = bundle("guests");
    let copy = copy(&folder, &index);
    Library::open(engine(1), copy.path(), &index).unwrap();
    let file = index.rule("probe").unwrap().compiled.clone().unwrap();
    let path = copy.path().join(&file.path);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = Library::open(engine(1), copy.path(), &index).unwrap_err();
    assert_eq!((error.rule_name(), error.file()), (Some("probe"), Some(file.path.as_str())));
    assert!(error.to_string().contains(&file.path) && error.to_string().contains("`tenet build`"), "{error}");
}

#[test]
fn a_bundle_for_another_engine_or_target_is_refused() {
    let (folder, index) = bundle("guests");
    let mut other = index.clone();
    other.compiled_for.as_mut().unwrap().engine = "wasmtime-1".into();
    assert!(Library::open(engine(1), &folder, &other).unwrap_err().to_string().contains("wasmtime-1"));
    let mut other = index;
    other.compiled_for.as_mut().unwrap().target = "another".into();
    assert!(Library::open(engine(1), &folder, &other).unwrap_err().to_string().contains("another"));
}

#[tokio::test]
async fn a_library_of_components_behaves_as_one_of_a_bundle() {
    let (folder, index) = bundle("guests");
    let component = std::fs::read(folder.join(&index.rule("probe").unwrap().component.path)).unwrap();
    let compiler = Compiler::new(OWN_TARGET).unwrap();
    let compiled = Library::compile(engine(1), &compiler, [("probe", component.as_slice())]).unwrap();
    let (theirs, ours) = (
        probe(&library(1), "context", &Limits::default(), Calls::new()).await,
        probe(&compiled, "context", &Limits::default(), Calls::new()).await,
    );
    assert_eq!(output(&theirs), output(&ours));
}

#[tokio::test]
async fn a_rule_tells_its_types_where_it_was_built_to_and_is_shipped_without_them() {
    let (folder, index) = bundle("guests");
    let component = std::fs::read(tenet_build::describing(&folder, "veto")).unwrap();
    let compiler = Compiler::new(OWN_TARGET).unwrap();
    let asked = Library::compile(engine(1), &compiler, [("veto", component.as_slice())]).unwrap();
    let told: serde_json::Value = serde_json::from_str(&asked.describe("veto").await.unwrap()).unwrap();
    assert_eq!(told["input"]["properties"]["veto"]["type"], "boolean", "{told}");
    assert_eq!(told["output"]["required"], serde_json::json!(["second"]), "{told}");

    assert_eq!(library(1).describe("veto").await.unwrap(), "{}");
    let shipped = std::fs::metadata(folder.join(&index.rule("veto").unwrap().component.path)).unwrap().len();
    assert!(shipped < component.len() as u64, "{shipped}");
    assert!(asked.describe("nothing").await.unwrap_err().to_string().contains("there is no such rule"));
}
