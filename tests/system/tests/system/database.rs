//! The ledger on a real PostgreSQL, used as the pipeline uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tenet_core::{
    AnswerWaits, Attempt, Blame, CallerId, Claim, ColumnValues, Decimal, Digest, Event, EventId, Fault, IdempotencyKey,
    Interval, Limit, Limits, Mode, Outbox, Outcome, Progress, ReadCap, Staged, StagedEvent, Statement, StoredAnswer,
    Timestamp, Trace, Transactions, Value,
};
use tenet_database::{Database, Endpoint, Schema};

use crate::support;
use tenet_test_support::{Harm, Relay};

fn waits() -> AnswerWaits {
    AnswerWaits::new(&Limits::default())
}

const CAP: ReadCap = ReadCap { rows: 1000, bytes: 1 << 20 };
const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

fn ledger(url: &str) -> Database {
    Database::new(Endpoint::parse(url).unwrap(), 8)
}

/// A deadline that no passing test reaches.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

fn claim(mode: Mode) -> Claim {
    Claim {
        operation: "test".into(),
        caller: CallerId::ANONYMOUS,
        mode,
        follow_up: None,
        now: NOW,
        region: "us-east-1".into(),
        deadline: later(),
        elsewhere: false,
        probes_session: false,
        round_trips: Arc::new(AtomicU32::new(0)),
    }
}

pub(crate) fn write(text: &str) -> Claim {
    claim(Mode::Write { key: key(text), digest: digest() })
}

fn digest() -> Digest {
    Digest::of("{}").unwrap()
}

fn sql(text: &str, parameters: &[Value]) -> Vec<Statement> {
    vec![Statement::new(text, parameters.to_vec())]
}

async fn run(attempt: &mut Box<dyn Attempt>, statements: Vec<Statement>) -> Vec<Outcome> {
    match attempt.run(statements, CAP, &waits()).await {
        Ok(Progress::Continue(outcomes)) => outcomes,
        other => panic!("{other:?}"),
    }
}

async fn fault(attempt: &mut Box<dyn Attempt>, statements: Vec<Statement>) -> Fault {
    match attempt.run(statements, CAP, &waits()).await {
        Err(fault) => fault,
        other => panic!("{other:?}"),
    }
}

fn answer(accepted: bool, body: &str) -> StoredAnswer {
    StoredAnswer { accepted, body: body.into(), digest: digest(), now: NOW }
}

/// The answer stored under a key, as the next attempt finds it.
async fn stored(ledger: &Database, text: &str) -> Option<StoredAnswer> {
    match ledger.open(write(text)).roll_back().await.unwrap() {
        Progress::Answered(answer) => Some(answer),
        Progress::Continue(()) => None,
    }
}

async fn items() -> support::database::Database {
    let database = support::database().await;
    database
        .execute("create table items (id int primary key, n int not null); insert into items values (1, 0), (2, 0)")
        .await;
    database
}

fn increment(id: i32) -> Vec<Statement> {
    sql("UPDATE public.items SET n = n + 1 WHERE id = $1", &[Value::Int4(id)])
}

fn events(events: Vec<StagedEvent>) -> Staged {
    Staged { events, follow_ups: Vec::new() }
}

fn staged(text: &str, ordinal: u32) -> StagedEvent {
    StagedEvent {
        id: EventId::derive("test", CallerId::ANONYMOUS, &key(text), NOW, ordinal),
        operation: "test".into(),
        caller: CallerId::ANONYMOUS,
        key: key(text),
        ordinal,
        event: Event { source: "s".into(), detail_type: "T".into(), detail: format!("{{\"amount\":{ordinal}.50}}") },
        region: "us-east-1".into(),
        at: NOW,
        trace: Trace::w3c("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01").filter(|_| ordinal % 2 == 1),
    }
}

#[tokio::test]
async fn every_kind_of_value_comes_back_as_it_went_and_so_does_null() {
    let database = support::database().await;
    let ledger = ledger(database.url());
    let mut attempt = ledger.open(claim(Mode::Read));
    let decimal = |text: &str| Decimal::parse(text).unwrap();
    let longest = format!("-{}.{}", "9".repeat(131_072), "7".repeat(16_383));
    let day = 86_400_000_000;
    let span = Interval { months: -14, days: 3, microseconds: -1 };
    let cases: Vec<(&str, Vec<Value>, ColumnValues)> = vec![
        ("boolean", vec![Value::Bool(true)], ColumnValues::Bool(vec![true, false])),
        ("smallint", vec![Value::Int2(i16::MIN)], ColumnValues::Int2(vec![i16::MIN, 0])),
        ("integer", vec![Value::Int4(i32::MIN)], ColumnValues::Int4(vec![i32::MIN, 0])),
        ("bigint", vec![Value::Int8(i64::MIN)], ColumnValues::Int8(vec![i64::MIN, 0])),
        ("float8", vec![Value::Float8(-0.1)], ColumnValues::Float8(vec![-0.1, 0.0])),
        ("real", vec![Value::Float8(0.5)], ColumnValues::Float8(vec![0.5, 0.0])),
        (
            "numeric",
            vec![Value::Numeric(decimal("100.50"))],
            ColumnValues::Numeric(vec![decimal("100.50"), decimal("0")]),
        ),
        (
            "numeric",
            vec![Value::Numeric(decimal(&longest))],
            ColumnValues::Numeric(vec![decimal(&longest), decimal("0")]),
        ),
        (
            "numeric",
            vec![Value::Numeric(decimal("-0.000"))],
            ColumnValues::Numeric(vec![decimal("0.000"), decimal("0")]),
        ),
        ("text", vec![Value::Text("ü\u{1f600}".into())], ColumnValues::Text(vec!["ü\u{1f600}".into(), String::new()])),
        ("varchar(3)", vec![Value::Text("abc".into())], ColumnValues::Text(vec!["abc".into(), String::new()])),
        ("char(3)", vec![Value::Text("ab".into())], ColumnValues::Text(vec!["ab ".into(), String::new()])),
        ("bytea", vec![Value::Bytea(vec![0, 255])], ColumnValues::Bytea(vec![vec![0, 255], vec![]])),
        ("uuid", vec![Value::Uuid([7; 16])], ColumnValues::Uuid(vec![[7; 16], [0; 16]])),
        ("date", vec![Value::Date(-1)], ColumnValues::Date(vec![-1, 0])),
        ("date", vec![Value::Date(i32::MAX)], ColumnValues::Date(vec![i32::MAX, 0])),
        ("time", vec![Value::Time(day - 1)], ColumnValues::Time(vec![day - 1, 0])),
        ("timestamp", vec![Value::Timestamp(-1)], ColumnValues::Timestamp(vec![-1, 0])),
        ("timestamp", vec![Value::Timestamp(i64::MIN)], ColumnValues::Timestamp(vec![i64::MIN, 0])),
        ("timestamptz", vec![Value::Timestamptz(NOW.0)], ColumnValues::Timestamptz(vec![NOW.0, 0])),
        ("interval", vec![Value::Interval(span)], ColumnValues::Interval(vec![span, Interval::default()])),
        (
            "jsonb",
            vec![Value::Json("{\"a\": 1.50}".into())],
            ColumnValues::Json(vec!["{\"a\": 1.50}".into(), String::new()]),
        ),
        ("json", vec![Value::Json("[1]".into())], ColumnValues::Json(vec!["[1]".into(), String::new()])),
    ];
    for (kind, mut parameters, expected) in cases {
        parameters.push(Value::Null(None));
        let statement =
            sql(&format!("SELECT CAST($1 AS {kind}) AS v UNION ALL SELECT CAST($2 AS {kind})"), &parameters);
        let outcome = run(&mut attempt, statement).await.remove(0);
        let column = &outcome.rows.columns[0];
        assert_eq!((column.name.as_str(), &column.values), ("v", &expected), "{kind}");
        assert_eq!((outcome.rows.rows, outcome.affected, column.nulls.as_slice()), (2, 2, &[1][..]), "{kind}");
    }
    assert_eq!(attempt.roll_back().await.unwrap(), Progress::Continue(()));
}

#[tokio::test]
async fn dates_count_from_1970_as_the_database_counts_them() {
    let database = support::database().await;
    let ledger = ledger(database.url());
    let mut attempt = ledger.open(claim(Mode::Read));
    let text = "SELECT DATE '1970-01-02', TIMESTAMP '1970-01-01 00:00:01', TIMESTAMPTZ '1970-01-01 01:00:00+01', \
                DATE 'infinity', TIMESTAMP '-infinity'";
    let columns = run(&mut attempt, sql(text, &[])).await.remove(0).rows.columns;
    let values: Vec<_> = columns.into_iter().map(|column| column.values).collect();
    assert_eq!(
        values,
        [
            ColumnValues::Date(vec![1]),
            ColumnValues::Timestamp(vec![1_000_000]),
            ColumnValues::Timestamptz(vec![0]),
            ColumnValues::Date(vec![i32::MAX]),
            ColumnValues::Timestamp(vec![i64::MIN]),
        ]
    );
}

#[tokio::test]
async fn columns_are_given_also_without_rows() {
    let database = items().await;
    let ledger = ledger(database.url());
    for _ in 0..2 {
        let mut attempt = ledger.open(write("k"));
        let rows =
            run(&mut attempt, sql("SELECT id, n AS count FROM public.items WHERE id = $1", &[Value::Int4(9)])).await;
        let columns: Vec<_> =
            rows[0].rows.columns.iter().map(|column| (column.name.as_str(), &column.values)).collect();
        assert_eq!(columns, [("id", &ColumnValues::Int4(vec![])), ("count", &ColumnValues::Int4(vec![]))]);
        let deleted = run(&mut attempt, sql("DELETE FROM public.items WHERE id = 9 RETURNING n", &[])).await.remove(0);
        assert_eq!((deleted.affected, deleted.rows.columns[0].name.as_str()), (0, "n"));
        assert_eq!(attempt.roll_back().await.unwrap(), Progress::Continue(()));
    }
}

#[tokio::test]
async fn what_a_rule_cannot_read_is_an_error_that_names_the_column() {
    let database = support::database().await;
    let ledger = ledger(database.url());
    for text in [
        "SELECT 'NaN'::numeric AS odd",
        "SELECT TIMETZ '10:00+01' AS odd",
        "SELECT ARRAY[1] AS odd",
        "SELECT ARRAY[1] AS odd WHERE false",
    ] {
        let mut attempt = ledger.open(write("k"));
        let fault = fault(&mut attempt, sql(text, &[])).await;
        let error = fault.sql_error().unwrap();
        assert_eq!((error.sqlstate.as_str(), error.column.as_deref()), ("0A000", Some("odd")), "{error}");
    }
}

#[tokio::test]
async fn three_sequential_reads_and_the_commit_cost_four_round_trips() {
    let database = items().await;
    let relay = Relay::start(database.url()).await;
    let ledger = ledger(relay.url());
    ledger.warm(later()).await.unwrap();
    relay.reset();
    for text in ["first", "second"] {
        let claim = write(text);
        let counted = Arc::clone(&claim.round_trips);
        let mut attempt = ledger.open(claim);
        for id in [1, 2, 9] {
            run(&mut attempt, sql("SELECT n FROM public.items WHERE id = $1", &[Value::Int4(id)])).await;
        }
        assert_eq!(
            attempt.accept("{}".into(), events(vec![staged(text, 0), staged(text, 1)])).await.unwrap(),
            Progress::Continue(())
        );
        assert_eq!((relay.round_trips(), counted.load(Ordering::Relaxed)), (4, 4), "{text}");
        relay.reset();
    }
}

#[tokio::test]
async fn a_first_statement_that_writes_costs_one_more() {
    let database = items().await;
    let relay = Relay::start(database.url()).await;
    let ledger = ledger(relay.url());
    ledger.warm(later()).await.unwrap();
    relay.reset();
    let claim = write("k");
    let counted = Arc::clone(&claim.round_trips);
    let mut attempt = ledger.open(claim);
    assert_eq!(run(&mut attempt, increment(1)).await[0].affected, 1);
    assert_eq!(attempt.accept("{}".into(), Staged::default()).await.unwrap(), Progress::Continue(()));
    assert_eq!((relay.round_trips(), counted.load(Ordering::Relaxed)), (3, 3));
    assert_eq!(database.count("select n from items where id = 1").await, 1);
}

#[tokio::test]
async fn begin_and_a_first_statement_that_writes_have_a_timeout_each() {
    let database = items().await;
    let relay = Relay::start(database.url()).await;
    let ledger = Database::new(Endpoint::parse(relay.url()).unwrap(), 1).with_statement_timeout(Duration::from_secs(3));
    ledger.warm(later()).await.unwrap();
    let delay = Harm::DelayAnswer(Duration::from_secs(2));
    relay.harm_once("BEGIN", delay);
    relay.harm_once("UPDATE", delay);
    let mut attempt = ledger.open(write("k"));
    assert_eq!(run(&mut attempt, increment(1)).await[0].affected, 1);
    assert_eq!(relay.harms().values().sum::<u64>(), 2, "{:?}", relay.harms());
    assert_eq!(attempt.accept("{}".into(), Staged::default()).await.unwrap(), Progress::Continue(()));
}

/// A flight of a new session in which the set-up and a statement fail, and in which an answer is found.
#[tokio::test]
async fn a_session_whose_set_up_failed_is_not_used_again_whatever_else_its_first_flight_did() {
    let database = items().await;
    let direct = ledger(database.url());
    assert_eq!(
        direct.open(write("known")).accept("{}".into(), Staged::default()).await.unwrap(),
        Progress::Continue(())
    );

    let relay = Relay::start(database.url()).await;
    let ledger = Database::new(Endpoint::parse(relay.url()).unwrap(), 1);
    ledger.warm(later()).await.unwrap();
    relay.harm_once("SET search_path", Harm::ALTERED);
    relay.harm_once("SELECT n FROM", Harm::CHANGED);
    let mut attempt = ledger.open(write("known"));
    let ran = attempt.run(sql("SELECT n FROM public.items", &[]), CAP, &waits()).await;
    assert!(matches!(ran, Ok(Progress::Answered(_))), "{ran:?}");
    drop(attempt);
    assert_eq!(relay.harms().values().sum::<u64>(), 2, "{:?}", relay.harms());

    let mut next = ledger.open(write("next"));
    run(&mut next, sql("SELECT n FROM public.items", &[])).await;
    assert_eq!(next.accept("{}".into(), Staged::default()).await.unwrap(), Progress::Continue(()));
}

#[tokio::test]
async fn a_batch_costs_one_round_trip_and_names_the_statement_that_failed() {
    let database = items().await;
    let ledger = ledger(database.url());
    let claim = write("k");
    let counted = Arc::clone(&claim.round_trips);
    let mut attempt = ledger.open(claim);
    run(&mut attempt, sql("SELECT 1", &[])).await;
    let batch = [increment(1), increment(2), sql("SELECT sum(n) AS total FROM public.items", &[])].concat();
    let outcomes = run(&mut attempt, batch).await;
    assert_eq!(outcomes[2].rows.columns[0].values, ColumnValues::Int8(vec![2]));
    assert_eq!(counted.load(Ordering::Relaxed), 2);
    let batch = [increment(1), sql("INSERT INTO public.items VALUES (1, 1)", &[]), increment(2)].concat();
    let fault = fault(&mut attempt, batch).await;
    let error = fault.sql_error().unwrap();
    assert_eq!((error.sqlstate.as_str(), error.constraint.as_deref()), ("23505", Some("items_pkey")));
    assert!(error.details.contains(&("statement".into(), "1".into())), "{:?}", error.details);
}

#[tokio::test]
async fn a_failed_batch_says_what_was_read_before() {
    let database = items().await;
    let ledger = ledger(database.url());
    for begun in [false, true] {
        let mut attempt = ledger.open(write("k"));
        if begun {
            run(&mut attempt, sql("SELECT 1", &[])).await;
        }
        let rows = sql("SELECT n FROM public.items UNION ALL SELECT 7", &[]);
        let batch = [rows, sql("SELECT 1 / 0", &[]), sql("SELECT 1", &[])].concat();
        let read = fault(&mut attempt, batch).await.read();
        // Two items and the 7, of at least eight bytes each.
        assert_eq!((read.rows, read.bytes), (3, 24));
    }
}

#[tokio::test]
async fn begin_refused_leaves_nothing_of_a_first_statement() {
    let database = items().await;
    let relay = Relay::start(database.url()).await;
    let ledger = ledger(relay.url());
    for statement in [increment(1), sql("SELECT n FROM public.items", &[])] {
        relay.harm_once("BEGIN", Harm::UNAVAILABLE);
        let mut attempt = ledger.open(write("k"));
        let fault = fault(&mut attempt, statement).await;
        assert!(fault.is_conflict(), "{fault}");
    }
    assert_eq!(database.count("select sum(n) from items").await, 0);
    // Also without any statement, and the connection stays usable.
    relay.harm_once("BEGIN", Harm::UNAVAILABLE);
    assert!(ledger.open(write("k")).accept("{}".into(), Staged::default()).await.unwrap_err().is_conflict());
    assert_eq!(ledger.open(write("k")).accept("{}".into(), Staged::default()).await.unwrap(), Progress::Continue(()));
}

#[tokio::test]
async fn of_two_attempts_under_one_key_one_commits_and_the_other_finds_its_answer() {
    let database = items().await;
    let ledger = ledger(database.url());
    let (mut a, mut b) = (ledger.open(write("k")), ledger.open(write("k")));
    run(&mut a, increment(1)).await;
    run(&mut b, increment(2)).await;
    assert_eq!(a.accept("first".into(), events(vec![staged("k", 0)])).await.unwrap(), Progress::Continue(()));
    let fault = b.accept("second".into(), Staged::default()).await.unwrap_err();
    assert!(fault.is_conflict(), "{fault}");

    let first = Progress::Answered(answer(true, "first"));
    let mut again = ledger.open(write("k"));
    assert_eq!(again.run(increment(2), CAP, &waits()).await.unwrap(), Progress::Answered(answer(true, "first")));
    // Whatever else the attempt meets, the result of the lookup decides.
    let mut again = ledger.open(write("k"));
    let fails = sql("SELECT 1 / 0", &[]);
    assert_eq!(again.run(fails, CAP, &waits()).await.unwrap(), Progress::Answered(answer(true, "first")));
    assert_eq!(ledger.open(write("k")).accept("x".into(), Staged::default()).await.unwrap(), first);
    assert_eq!(ledger.open(write("k")).reject("x".into(), None).await.unwrap(), first);
    assert_eq!(stored(&ledger, "k").await, Some(answer(true, "first")));
    assert_eq!(database.text("select string_agg(n::text, ',' order by id) from items").await, "1,0");
}

#[tokio::test]
async fn a_rejection_is_stored_and_undoes_what_was_written() {
    let database = items().await;
    let ledger = ledger(database.url());
    let mut wrote = ledger.open(write("wrote"));
    run(&mut wrote, increment(1)).await;
    assert_eq!(wrote.reject("no".into(), None).await.unwrap(), Progress::Continue(()));
    let mut read = ledger.open(write("read"));
    run(&mut read, sql("SELECT n FROM public.items", &[])).await;
    assert_eq!(read.reject("no".into(), None).await.unwrap(), Progress::Continue(()));
    assert_eq!(ledger.open(write("neither")).reject("no".into(), None).await.unwrap(), Progress::Continue(()));
    let mut failed = ledger.open(write("failed"));
    run(&mut failed, increment(1)).await;
    fault(&mut failed, sql("INSERT INTO public.items VALUES (1, 1)", &[])).await;
    assert_eq!(failed.reject("no".into(), None).await.unwrap(), Progress::Continue(()));

    for text in ["wrote", "read", "neither", "failed"] {
        assert_eq!(stored(&ledger, text).await, Some(answer(false, "no")), "{text}");
    }
    assert_eq!(database.count("select sum(n) from items").await, 0);
}

#[tokio::test]
async fn a_key_that_has_an_answer_gives_it_to_any_number_of_rejections_on_one_connection() {
    let database = support::database().await;
    let ledger = Database::new(Endpoint::parse(database.url()).unwrap(), 1);
    let reject = || ledger.open(write("k")).reject("{\"code\":\"no\"}".into(), None);
    assert_eq!(reject().await.unwrap(), Progress::Continue(()));
    // More answers than the driver reads at once: an unread answer must not block the next one.
    for _ in 0..100 {
        assert_eq!(reject().await.unwrap(), Progress::Answered(answer(false, "{\"code\":\"no\"}")));
    }
}

#[tokio::test]
async fn a_rollback_refused_never_lets_a_rejection_commit_what_was_written() {
    let database = items().await;
    let relay = Relay::start(database.url()).await;
    let ledger = ledger(relay.url());
    let mut attempt = ledger.open(write("k"));
    run(&mut attempt, increment(1)).await;
    relay.harm_once("ROLLBACK", Harm::UNAVAILABLE);
    assert!(attempt.reject("no".into(), None).await.unwrap_err().is_conflict());
    assert_eq!(stored(&ledger, "k").await, None);

    let mut attempt = ledger.open(write("k"));
    run(&mut attempt, sql("SELECT n FROM public.items", &[])).await;
    relay.harm_once("ROLLBACK", Harm::UNAVAILABLE);
    assert!(attempt.reject("no".into(), None).await.unwrap_err().commit_unknown());
    assert_eq!(database.count("select sum(n) from items").await, 0);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_until_the_key_is_asked_again() {
    let database = items().await;
    let relay = Relay::start(database.url()).await;
    let ledger = ledger(relay.url());
    relay.harm_once("COMMIT", Harm::CutAfter);
    let mut attempt = ledger.open(write("done"));
    run(&mut attempt, increment(1)).await;
    let fault = attempt.accept("yes".into(), events(vec![staged("done", 0)])).await.unwrap_err();
    assert!(fault.commit_unknown() && !fault.is_conflict(), "{fault}");
    assert_eq!(stored(&ledger, "done").await, Some(answer(true, "yes")));
    assert_eq!(ledger.staged("test", CallerId::ANONYMOUS, &key("done"), later()).await.unwrap(), [staged("done", 0)]);

    relay.harm_once("COMMIT", Harm::CutBefore);
    let mut attempt = ledger.open(write("not done"));
    run(&mut attempt, increment(1)).await;
    assert!(attempt.accept("yes".into(), Staged::default()).await.unwrap_err().commit_unknown());
    assert_eq!(stored(&ledger, "not done").await, None);

    // DSQL's `XX000 server unavailable` in response to COMMIT proves nothing.
    relay.harm_once("COMMIT", Harm::CommitDoubted { done: false });
    let mut attempt = ledger.open(write("open"));
    run(&mut attempt, increment(1)).await;
    assert!(attempt.accept("yes".into(), Staged::default()).await.unwrap_err().commit_unknown());
    // A conflict does.
    relay.harm_once("COMMIT", Harm::CommitRefused);
    let mut attempt = ledger.open(write("conflict"));
    run(&mut attempt, increment(1)).await;
    assert!(attempt.accept("yes".into(), Staged::default()).await.unwrap_err().is_conflict());
    assert_eq!(database.count("select n from items where id = 1").await, 1);
}

#[tokio::test]
async fn after_an_error_that_was_shown_nothing_can_be_accepted() {
    let database = items().await;
    let ledger = ledger(database.url());
    for fails in
        ["INSERT INTO public.items VALUES (1, 1)", "SELECT 'NaN'::numeric", "SELECT $1::int", "SELEKT", "SELECT '\0'"]
    {
        let mut attempt = ledger.open(write("k"));
        run(&mut attempt, increment(1)).await;
        let shown = fault(&mut attempt, sql(fails, &[])).await;
        assert!(shown.sql_error().is_some(), "{fails}: {shown}");
        let refused = fault(&mut attempt, increment(1)).await;
        assert_eq!(refused.sqlstate().unwrap().as_str(), "25P02");
        let refused = attempt.accept("yes".into(), events(vec![staged("k", 0)])).await.unwrap_err();
        assert_eq!(refused.sqlstate().unwrap().as_str(), "25P02");
        assert!(!refused.is_conflict() && !refused.commit_unknown());
    }
    assert_eq!(stored(&ledger, "k").await, None);
    assert_eq!(database.count("select sum(n) from items").await, 0);
}

#[tokio::test]
async fn a_constraint_that_is_checked_at_commit_is_an_error_of_the_rule() {
    let database = items().await;
    database
        .execute("create table late (id int unique deferrable initially deferred); insert into late values (1)")
        .await;
    let ledger = ledger(database.url());
    let mut attempt = ledger.open(write("k"));
    run(&mut attempt, sql("INSERT INTO public.late VALUES (1)", &[])).await;
    let fault = attempt.accept("{}".into(), events(vec![staged("k", 0)])).await.unwrap_err();
    assert_eq!(fault.sql_error().unwrap().sqlstate.as_str(), "23505");
    assert_eq!(stored(&ledger, "k").await, None);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn a_conflict_of_two_writers_is_one_and_the_connection_lives_on() {
    let database = items().await;
    let ledger = ledger(database.url());
    let (mut a, mut b) = (ledger.open(write("a")), ledger.open(write("b")));
    run(&mut a, sql("SELECT n FROM public.items WHERE id = 1", &[])).await;
    run(&mut b, sql("SELECT n FROM public.items WHERE id = 1", &[])).await;
    run(&mut a, increment(1)).await;
    assert_eq!(a.accept("{}".into(), Staged::default()).await.unwrap(), Progress::Continue(()));
    let fault = fault(&mut b, increment(1)).await;
    assert!(fault.is_conflict(), "{fault}");
    assert_eq!(fault.sqlstate().unwrap().as_str(), "40001");
    assert!(b.accept("{}".into(), Staged::default()).await.is_err());
    let connections =
        "select count(*) from pg_stat_activity where application_name = 'tenet' and datname = current_database()";
    assert_eq!(database.count(connections).await, 2);
}

#[tokio::test]
async fn events_are_in_the_outbox_until_they_are_forgotten() {
    let database = support::database().await;
    let ledger = ledger(database.url());
    let events: Vec<_> = (0..120).map(|ordinal| staged("k", ordinal)).collect();
    assert_eq!(
        ledger.open(write("k")).accept("{}".into(), self::events(events.clone())).await.unwrap(),
        Progress::Continue(())
    );
    assert_eq!(ledger.staged("test", CallerId::ANONYMOUS, &key("k"), later()).await.unwrap(), events);
    assert_eq!(ledger.staged("test", CallerId::ANONYMOUS, &key("other"), later()).await.unwrap(), []);

    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    ledger.forget(&ids[..119], later()).await.unwrap();
    assert_eq!(ledger.staged("test", CallerId::ANONYMOUS, &key("k"), later()).await.unwrap(), events[119..]);
    ledger.forget(&ids, later()).await.unwrap();
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn a_parked_event_is_kept_with_its_first_reason_and_given_to_nobody_until_it_is_released() {
    let database = support::database().await;
    let ledger = ledger(database.url());
    let events: Vec<_> = (0..3).map(|ordinal| staged("k", ordinal)).collect();
    assert_eq!(
        ledger.open(write("k")).accept("{}".into(), self::events(events.clone())).await.unwrap(),
        Progress::Continue(())
    );
    let parked = [(events[1].id, format!("ü\0{}", "x".repeat(600))), (events[2].id, "no".to_owned())];
    ledger.park(&parked, later()).await.unwrap();
    ledger.park(&[(events[1].id, "again".to_owned())], later()).await.unwrap();
    let before = Timestamp(NOW.micros() + 1);
    assert_eq!(ledger.left(before, None, later()).await.unwrap(), events[..1]);
    assert_eq!(ledger.staged("test", CallerId::ANONYMOUS, &key("k"), later()).await.unwrap(), events[..1]);
    assert_eq!(ledger.parked(later()).await.unwrap(), 2);
    let listed = ledger.parked_events(later()).await.unwrap();
    let event = listed.iter().find(|event| event.id == events[1].id).unwrap();
    assert_eq!((event.operation.as_str(), event.at), ("test", NOW));
    assert_eq!(event.reason, format!("ü{}", "x".repeat(499)));

    assert!(ledger.release(events[1].id, later()).await.unwrap());
    assert!(!ledger.release(events[1].id, later()).await.unwrap());
    assert!(!ledger.release(events[0].id, later()).await.unwrap(), "it never was parked");
    assert_eq!(ledger.parked(later()).await.unwrap(), 1);
    assert_eq!(ledger.staged("test", CallerId::ANONYMOUS, &key("k"), later()).await.unwrap(), events[..2]);
}

#[tokio::test]
async fn reading_stops_at_the_cap_over_all_statements_of_a_run() {
    let database = support::database().await;
    let ledger = ledger(database.url());
    let mut attempt = ledger.open(claim(Mode::Read));
    let six = sql("SELECT i FROM generate_series(1, 6) AS s(i)", &[]);
    let capped = |rows, bytes| ReadCap { rows, bytes };
    assert!(matches!(attempt.run(six.clone(), capped(6, 48), &waits()).await, Ok(Progress::Continue(_))));
    let fault = attempt.run([six.clone(), six.clone()].concat(), capped(10, 1000), &waits()).await.unwrap_err();
    let exceeded = fault.limit_exceeded().unwrap();
    assert_eq!((exceeded.limit, exceeded.allowed, exceeded.used), (Limit::RowsRead, Some(10), Some(11)));
    let mut attempt = ledger.open(claim(Mode::Read));
    let fault = attempt.run(six, capped(10, 47), &waits()).await.unwrap_err();
    assert_eq!(fault.limit_exceeded().unwrap().limit, Limit::BytesRead);
}

/// Texts that PostgreSQL refuses with an error of class 54.
#[tokio::test]
async fn a_statement_that_is_more_than_the_database_takes_is_blamed_on_the_rule() {
    let database = items().await;
    let ledger = ledger(database.url());
    for (code, text) in [
        ("54001", format!("SELECT {}x FROM generate_series(1, 2) x", "- ".repeat(8_000))),
        ("54011", format!("SELECT ROW(1{})", ", 1".repeat(1_664))),
        ("54023", format!("SELECT json_build_array(1{})", ", 1".repeat(100))),
    ] {
        let mut attempt = ledger.open(write(code));
        let fault = fault(&mut attempt, sql(&text, &[])).await;
        assert!(fault.message().contains(code), "{fault}");
        assert_eq!(fault.limit_exceeded().map(|exceeded| exceeded.limit.name()), Some("statement"), "{fault}");
        assert_eq!(fault.blame(), Blame::Rule, "{fault}");
    }
}

#[tokio::test]
async fn time_that_runs_out_behind_a_lock_is_a_deadline_and_the_locks_go() {
    let database = items().await;
    let ledger = ledger(database.url());
    let mut holder = ledger.open(write("holder"));
    run(&mut holder, increment(1)).await;
    let mut waiter = ledger.open(Claim { deadline: Instant::now() + Duration::from_millis(300), ..write("waiter") });
    let statements = [increment(2), increment(1)].concat();
    let fault = fault(&mut waiter, statements).await;
    assert!(fault.is_deadline() && !fault.commit_unknown(), "{fault}");
    drop(holder);
    let mut next = ledger.open(write("next"));
    // In the waiter's order: its session may still be open, and must not deadlock.
    run(&mut next, [increment(2), increment(1)].concat()).await;
    assert_eq!(next.accept("{}".into(), Staged::default()).await.unwrap(), Progress::Continue(()));
    assert_eq!(database.text("select string_agg(n::text, ',' order by id) from items").await, "1,1");
}

#[tokio::test]
async fn a_read_only_attempt_leaves_nothing_and_cannot_write() {
    let database = items().await;
    let ledger = ledger(database.url());
    let mut attempt = ledger.open(claim(Mode::Read));
    run(&mut attempt, sql("SELECT n FROM public.items", &[])).await;
    assert_eq!(attempt.accept("{}".into(), Staged::default()).await.unwrap(), Progress::Continue(()));
    let mut attempt = ledger.open(claim(Mode::Read));
    let refused = fault(&mut attempt, increment(1)).await;
    assert_eq!(refused.sqlstate().unwrap().as_str(), "25006");
    assert_eq!(database.count("select count(*) from tenet.keys").await, 0);
    assert_eq!(database.count("select sum(n) from items").await, 0);
}

#[tokio::test]
async fn a_connection_that_died_while_idle_costs_at_most_one_attempt() {
    let database = items().await;
    let ledger = ledger(database.url());
    ledger.warm(later()).await.unwrap();
    let killed = database
        .count(
            "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity \
             where application_name = 'tenet' and datname = current_database()",
        )
        .await;
    assert_eq!(killed, 1);
    let mut attempt = ledger.open(write("k"));
    if let Err(fault) = attempt.run(increment(1), CAP, &waits()).await {
        assert!(fault.is_conflict(), "{fault}");
        attempt = ledger.open(write("k"));
        run(&mut attempt, increment(1)).await;
    }
    assert_eq!(attempt.accept("{}".into(), Staged::default()).await.unwrap(), Progress::Continue(()));
}

#[tokio::test]
async fn no_more_connections_are_opened_than_allowed() {
    let database = items().await;
    let ledger = Database::new(Endpoint::parse(database.url()).unwrap(), 1);
    let mut only = ledger.open(write("only"));
    run(&mut only, increment(1)).await;
    let mut waits = ledger.open(Claim { deadline: Instant::now() + Duration::from_millis(100), ..write("waits") });
    assert!(fault(&mut waits, increment(2)).await.is_deadline());
    only.roll_back().await.unwrap();
    let mut next = ledger.open(write("next"));
    run(&mut next, increment(2)).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_unavailable() {
    let database = support::database().await;
    let nowhere = format!("{}_nowhere", database.url());
    for url in [nowhere.as_str(), "postgres://app:hunter2@127.0.0.1:1/x"] {
        let mut attempt = ledger(url).open(write("k"));
        let fault = fault(&mut attempt, increment(1)).await;
        assert!(fault.is_unavailable() && !format!("{fault:#}").contains("hunter2"), "{fault}");
        assert!(Schema::apply(&Endpoint::parse(url).unwrap(), &[], later()).await.unwrap_err().is_unavailable());
    }
}

#[tokio::test]
async fn a_schema_that_was_never_applied_is_nobodys_conflict() {
    let database = support::empty_database().await;
    let fault = ledger(database.url()).open(write("k")).accept("{}".into(), Staged::default()).await.unwrap_err();
    assert!(!fault.is_conflict() && !fault.commit_unknown() && fault.sql_error().is_none(), "{fault}");
    assert!(format!("{fault:#}").contains("tenet.keys"), "{fault:#}");
}

#[tokio::test]
async fn a_schema_is_applied_twice_and_from_several_places_at_once_without_harm() {
    let database = support::empty_database().await;
    let endpoint = Endpoint::parse(database.url()).unwrap();
    // Not written to be applied twice, so the second apply has to notice it.
    let steps = [("0001_things".to_owned(), "CREATE TABLE things (id int PRIMARY KEY)".to_owned())];
    let (a, b, c) = tokio::join!(
        Schema::apply(&endpoint, &steps, later()),
        Schema::apply(&endpoint, &steps, later()),
        Schema::apply(&endpoint, &steps, later()),
    );
    let again = Schema::apply(&endpoint, &steps, later()).await;
    for applied in [a, b, c, again] {
        assert_eq!(applied.unwrap(), 10);
    }
    assert_eq!(database.count("select count(*) from tenet.steps").await, 10);
    let ledger = ledger(database.url());
    assert_eq!(ledger.open(write("k")).accept("{}".into(), Staged::default()).await.unwrap(), Progress::Continue(()));
}

#[tokio::test]
async fn a_step_that_was_edited_is_refused_by_name_before_anything_is_applied() {
    let database = support::empty_database().await;
    let endpoint = Endpoint::parse(database.url()).unwrap();
    let step = |name: &str, sql: &str| (name.to_owned(), sql.to_owned());
    let first = step("0001_things", "CREATE TABLE things (id int PRIMARY KEY)");
    Schema::apply(&endpoint, &[first], later()).await.unwrap();
    let new = step("0000_more", "CREATE TABLE more (id int PRIMARY KEY)");
    let edited = step("0001_things", "CREATE TABLE things (id bigint PRIMARY KEY)");
    let error = Schema::apply(&endpoint, &[new, edited], later()).await.unwrap_err();
    assert_eq!(error.changed_step(), Some("bundle/0001_things"));
    assert!(error.to_string().contains("bundle/0001_things"), "{error}");
    assert_eq!(database.count("select count(*) from pg_tables where tablename = 'more'").await, 0);

    let broken = step("0002_broken", "CREATE TABEL x (id int)");
    let error = Schema::apply(&endpoint, &[broken], later()).await.unwrap_err();
    assert!(error.to_string().contains("bundle/0002_broken") && error.changed_step().is_none(), "{error}");
}
