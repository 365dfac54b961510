//! A database that does not respond. Waiting for it is charged to the endpoint, never to a rule, and the attempt is
//! repeated while time is left.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenet_core::bundle::Index;
use tenet_test_support::{Dsql, Harm, awaited};
use tokio::time::sleep;

use crate::sources::batch;
use crate::support::host::event_id;
use crate::support::sandbox::HANGS;
use crate::support::two_regions::{ACCOUNTS, Answer, TwoRegions, pay, write};

/// The timeout of an invocation in the deployment templates.
const TIME: Duration = Duration::from_secs(30);

/// The first statement of a transfer writes; the second round trip of its rules begins with the other statement.
const FIRST: &str = r#"INSERT INTO "public"."daily_totals""#;
const SECOND: &str = "UPDATE";

const SILENCE: Harm = Harm::Silence { done: false };
const HOLD: Harm = Harm::Hold { done: false };

/// Sets these timeouts, in milliseconds, in the bundle.
fn times(statement_ms: u64, wall_ms: u64) -> impl FnOnce(&mut Index) {
    move |index| {
        index.host.statement_ms = statement_ms;
        index.host.relay_grace_s = 1;
        for rule in &mut index.rules {
            rule.limits.wall_ms = wall_ms;
        }
    }
}

async fn rows(world: &TwoRegions, id: &str) -> (i64, i64) {
    let ledger = world.database.count(&format!("select count(*) from ledger where transfer_id = '{id}'")).await;
    let keys = world.database.count(&format!("select count(*) from tenet.keys where key = '{id}'")).await;
    (ledger, keys)
}

#[tokio::test]
async fn silence_in_a_second_statement_ends_in_an_accept_at_the_peer_and_opens_the_breaker() {
    let mut world = TwoRegions::start(true, 5, |_| {}).await;
    (0..5).for_each(|_| world.east.harm_once(SECOND, SILENCE));
    let started = Instant::now();
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(world.begin(&pay(&format!("t-{number}"), number, 1), TIME).await);
    }
    world.east.until_harmed(5).await;
    world.east.silence();
    for id in ids {
        let answer = world.answer(&id).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
    }
    assert!(started.elapsed() < TIME, "{:?}", started.elapsed());
    for line in world.over().await {
        assert_eq!(line["attempts"], 2, "{line}");
    }
    for number in 0..5 {
        assert_eq!(rows(&world, &format!("t-{number}")).await, (1, 1));
    }
    // Once more for each probe during the silence.
    assert!(world.opened(&world.east) > 0, "{}", world.log.text());
    assert_eq!(world.opened(&world.west), 0, "{}", world.log.text());
    world.blames_no_rule();

    // After its silence, the home endpoint serves again.
    world.east.speak();
    world.east.reset();
    let asking = async {
        for number in 5.. {
            assert_eq!(world.invoke(&pay(&format!("t-{number}"), 0, 1), TIME).await.status(), 200);
            if world.east.statements() > 0 {
                return;
            }
        }
    };
    awaited(asking, || "home does not serve again".to_owned()).await;
}

#[tokio::test]
async fn a_silence_that_ends_in_time_ends_in_an_accept_where_there_is_no_peer() {
    let mut world = TwoRegions::start(false, 1, |_| {}).await;
    world.east.harm_once(SECOND, HOLD);
    let id = world.begin(&pay("t", 0, 1), TIME).await;
    world.east.until_harmed(1).await;
    sleep(Duration::from_secs(15)).await;
    world.east.speak();
    let answer = world.answer(&id).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(rows(&world, "t").await, (1, 1));
    world.blames_no_rule();
}

#[tokio::test]
async fn a_silence_that_does_not_end_is_a_503_with_the_key_and_asked_again_the_answer() {
    let mut world = TwoRegions::start(false, 1, |_| {}).await;
    world.east.harm_once(SECOND, HOLD);
    let answer = world.invoke(&pay("t", 0, 1), Duration::from_secs(8)).await;
    assert_eq!((answer.changed(), &answer.problem()["key"]), (Some(false), &json!("t")), "{answer:?}");
    world.east.speak();
    let answer = world.settle(&pay("t", 0, 1)).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(rows(&world, "t").await, (1, 1));
    world.blames_no_rule();
    assert_eq!(world.settle(&pay("t", 0, 1)).await, answer);
}

#[tokio::test]
async fn a_silence_that_is_short_costs_nothing_but_its_time() {
    let mut world = TwoRegions::start(true, 1, times(5000, 200)).await;
    world.east.harm_once(SECOND, HOLD);
    let id = world.begin(&pay("t", 0, 1), TIME).await;
    world.east.until_harmed(1).await;
    // Longer than a rule's timeout, and shorter than a statement's.
    sleep(Duration::from_secs(1)).await;
    world.east.speak();
    assert_eq!(world.answer(&id).await.status(), 200);
    assert_eq!(world.over().await[0]["attempts"], 1);
    assert_eq!(rows(&world, "t").await, (1, 1));
    world.blames_no_rule();
}

#[tokio::test]
async fn twenty_silences_with_no_verdict_between_them_take_no_rule_out() {
    let mut world = TwoRegions::start(false, 1, times(200, 100)).await;
    // More than there will be attempts.
    (0..100).for_each(|_| world.east.harm_once(SECOND, SILENCE));
    let mut asked = 0;
    while world.east.harms().values().sum::<u64>() < 20 {
        // Enough for three attempts, so that the breaker does not open: another rule has its verdict then.
        let answer = world.invoke(&pay(&format!("t-{asked}"), asked, 1), Duration::from_millis(900)).await;
        assert_eq!(answer.changed(), Some(false), "{answer:?}");
        asked += 1;
        assert_eq!(world.invoke(&json!({ "operation": "read" }), TIME).await.status(), 200);
    }
    world.east.spare();
    for number in 0..asked {
        let id = format!("t-{number}");
        assert_eq!(world.settle(&pay(&id, number, 1)).await.status(), 200);
        assert_eq!(rows(&world, &id).await, (1, 1));
    }
    world.blames_no_rule();
    assert_eq!(world.opened(&world.east), 0, "{}", world.log.text());
}

#[tokio::test]
async fn a_batch_that_meets_silence_goes_to_the_peer_and_none_of_it_goes_back() {
    let world = TwoRegions::start(true, 1, times(300, 200)).await;
    world.east.harm_once(r#"INSERT INTO "public"."transactions""#, HOLD);
    let messages: Vec<_> = (0..8).map(|number| (format!("m-{number}"), write(&format!("w-{number}")))).collect();
    let messages: Vec<_> = messages.iter().map(|(id, event)| (id.as_str(), "", event.to_string())).collect();
    let id = world.sandbox.begin(batch("orders", &messages), TIME).await;
    world.east.until_harmed(1).await;
    let answer = world.sandbox.answer(&id).await;
    assert_eq!(answer["batchItemFailures"], json!([]), "{answer}");
    assert_eq!(world.database.count("select count(*) from transactions").await, 8);
    world.blames_no_rule();
}

#[tokio::test]
async fn one_locked_row_is_no_fault_of_an_endpoint_that_answers_others() {
    let mut world = TwoRegions::start(false, 8, |_| {}).await;
    let holder = world.database.connect().await;
    holder.batch_execute("begin; select * from accounts where id = 'a0' for update").await.unwrap();
    // More than enough to open a breaker, each with time for one wait and not for a meaningful second one.
    let ids: Vec<_> = (0..6).map(|number| format!("locked-{number}")).collect();
    let mut begun = Vec::new();
    for id in &ids {
        begun.push(world.begin(&pay(id, 0, 1), Duration::from_secs(6)).await);
    }
    world.database.until_waiting(6).await;
    assert_eq!(world.invoke(&pay("free", 1, 1), TIME).await.status(), 200);
    for id in begun {
        let answer = world.answer(&id).await;
        assert_eq!((answer.status(), answer.changed()), (503, Some(false)), "{answer:?}");
    }
    assert_eq!(world.opened(&world.east), 0, "{}", world.log.text());
    assert_eq!(world.invoke(&pay("free-too", 2, 1), TIME).await.status(), 200);
    holder.batch_execute("rollback").await.unwrap();
    for id in &ids {
        assert_eq!(world.settle(&pay(id, 0, 1)).await.status(), 200);
        assert_eq!(rows(&world, id).await, (1, 1));
    }
}

#[tokio::test]
async fn a_batch_keeps_time_to_publish_what_it_has_committed() {
    let world = TwoRegions::start(false, 1, |_| {}).await;
    let holder = world.database.connect().await;
    holder.batch_execute("begin; select * from accounts where id = 'a0' for update").await.unwrap();
    let (locked, free) = (pay("locked", 0, 1).to_string(), pay("free", 1, 1).to_string());
    let messages = batch("orders", &[("m-1", "", locked), ("m-2", "", free)]);
    let id = world.sandbox.begin(messages, Duration::from_secs(8)).await;
    let answer = world.sandbox.answer(&id).await;
    assert_eq!(answer["batchItemFailures"], json!([{ "itemIdentifier": "m-1" }]), "{answer}");
    let events = world.bus.receive(1).await;
    assert!(events[0].contains("\"free\""), "{events:?}");
    holder.batch_execute("rollback").await.unwrap();
}

#[tokio::test]
async fn a_silent_rollback_is_the_endpoints_and_no_conflict() {
    let mut world = TwoRegions::start(true, 1, times(500, 30_000)).await;
    world.west.reset();
    world.east.harm_once("ROLLBACK", SILENCE);
    let answer = world.invoke(&pay("t", 0, 600), TIME).await;
    assert_eq!(answer.status(), 422, "{answer:?}");
    let line = &world.over().await[0];
    assert_eq!((&line["attempts"], &line["Conflicts"]), (&json!(2), &json!(0)), "{line}");
    // An unreachable endpoint makes the host switch; a conflict does not.
    assert!(world.west.statements() > 0, "{line}");
    assert_eq!(rows(&world, "t").await, (0, 1));
}

/// Where a silence begins.
#[derive(Clone, Copy, Debug)]
enum Begins {
    /// A connection is accepted, and nothing is sent on it.
    Connecting,
    /// TLS is established, and the login is not answered.
    SigningIn,
    /// At the statement with this beginning, which the server does or does not execute.
    At(&'static str, bool),
}

/// The request during which a silence begins, and its final answer.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// A transfer that is accepted.
    Paid,
    /// A transfer that a rule rejects after a write.
    TooMuch,
    /// A transfer that is rejected before its first statement.
    Wrong,
    /// A read.
    Read,
}

impl Asked {
    fn event(self, id: &str, account: usize) -> Value {
        match self {
            Self::Paid => pay(id, account, 1),
            Self::TooMuch => pay(id, account, 600),
            Self::Wrong => pay(id, account, 0),
            Self::Read => json!({ "operation": "read" }),
        }
    }

    fn status(self) -> u64 {
        match self {
            Self::Paid | Self::Read => 200,
            Self::TooMuch | Self::Wrong => 422,
        }
    }
}

/// Each place, and whether a request that runs out of time there may have changed something.
const PLACES: [(Asked, Begins, Option<bool>); 18] = [
    (Asked::Paid, Begins::Connecting, AWAY),
    (Asked::Paid, Begins::SigningIn, AWAY),
    (Asked::Paid, Begins::At("BEGIN", false), AWAY),
    (Asked::Paid, Begins::At("BEGIN", true), AWAY),
    (Asked::Paid, Begins::At(LOOK_UP, false), AWAY),
    (Asked::Paid, Begins::At(FIRST, false), AWAY),
    (Asked::Paid, Begins::At(SECOND, false), AWAY),
    (Asked::Paid, Begins::At(SECOND, true), AWAY),
    (Asked::Paid, Begins::At("INSERT INTO tenet.keys", false), IN_DOUBT),
    (Asked::Paid, Begins::At("COMMIT", false), IN_DOUBT),
    (Asked::Paid, Begins::At("COMMIT", true), IN_DOUBT),
    (Asked::Paid, Begins::At(CLEAN_UP, false), None),
    (Asked::TooMuch, Begins::At("ROLLBACK", false), AWAY),
    (Asked::TooMuch, Begins::At("COMMIT", false), IN_DOUBT),
    (Asked::TooMuch, Begins::At("COMMIT", true), IN_DOUBT),
    (Asked::Wrong, Begins::At(LOOK_UP, false), IN_DOUBT),
    (Asked::Read, Begins::At("BEGIN", false), AWAY),
    (Asked::Read, Begins::At(r#"SELECT "pg_catalog"."count""#, true), AWAY),
];

const AWAY: Option<bool> = Some(false);
const IN_DOUBT: Option<bool> = Some(true);

const LOOK_UP: &str = "SELECT accepted";
const CLEAN_UP: &str = "DELETE FROM tenet.outbox";

/// The extent of a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Connection,
    Endpoint,
}

/// Arranges that the silence begins there, for the next request. Returns whether it can.
async fn fall_silent(east: &Dsql, begins: Begins, reach: Reach) -> bool {
    match (begins, reach) {
        (Begins::Connecting | Begins::SigningIn, Reach::Connection) => return false,
        (Begins::At(statement, done), Reach::Connection) => east.harm_once(statement, Harm::Silence { done }),
        (Begins::At(statement, done), Reach::Endpoint) => east.harm_once(statement, Harm::Hold { done }),
        (Begins::Connecting | Begins::SigningIn, Reach::Endpoint) => {
            if matches!(begins, Begins::Connecting) {
                east.silence()
            } else {
                east.silence_log_ins()
            }
            east.cut();
            east.alone().await;
        }
    }
    true
}

/// A request that met a silence, and its key.
struct Met<'a> {
    asked: Asked,
    key: &'a str,
    /// Whether it may have changed something if it runs out of time; none if it has its answer already.
    changed: Option<bool>,
}

/// Waits until the home endpoint alone has answered: then its breaker is closed and has no failure counted.
async fn home_serves(world: &mut TwoRegions) {
    let asking = async {
        loop {
            world.east.reset();
            world.west.reset();
            let answer = world.invoke(&json!({ "operation": "read" }), TIME).await;
            if answer.status() == 200 && world.east.statements() > 0 && world.west.statements() == 0 {
                return;
            }
        }
    };
    awaited(asking, || "home does not serve".to_owned()).await;
}

/// The most requests that are sent until one meets the intended silence.
const MEETS: usize = 20;

/// Lets a silence of this extent begin at every place, for a request with this timeout, and repeats the request
/// afterwards. `judge` checks the first answer.
///
/// A busy machine can cause a silence before that place. Then the intended silence is not met, and another request is
/// made for it; the answer to the first one has to hold all the same.
async fn at_every_place(world: &mut TwoRegions, reach: Reach, time: Duration, judge: impl Fn(&Answer, &Met<'_>)) {
    let mut paid = 0;
    let met = |east: &Dsql| east.harms().values().sum::<u64>() + u64::from(east.knocks());
    for (number, (asked, begins, changed)) in PLACES.into_iter().enumerate() {
        for id in (0..).map(|of_it| format!("t-{number}-{of_it}")).take(MEETS + 1) {
            assert!(!id.ends_with(&format!("-{MEETS}")), "the silence at {begins:?} was not met by {asked:?}");
            let event = asked.event(&id, number);
            home_serves(world).await;
            let before = met(&world.east);
            if !fall_silent(&world.east, begins, reach).await {
                break;
            }
            let first = world.invoke(&event, time).await;
            let place = format!("{asked:?} {begins:?}: {first:?}");
            // Also wait for its events: their cleanup happens after the response.
            world.over().await;
            let is_met = met(&world.east) > before;
            if is_met {
                judge(&first, &Met { asked, key: &id, changed });
            }
            world.east.spare();
            world.east.speak();

            let again = world.settle(&event).await;
            assert_eq!(again.status(), asked.status(), "{place} and then {again:?}");
            if first.status() != 503 {
                assert_eq!(first, again, "{place}");
            }
            assert_eq!(world.settle(&event).await, again, "{place}");
            let accepted = i64::from(matches!(asked, Asked::Paid));
            let stored = i64::from(!matches!(asked, Asked::Read));
            assert_eq!(rows(world, &id).await, (accepted, stored), "{place}");
            paid += usize::try_from(accepted).unwrap();
            if is_met {
                break;
            }
        }
    }
    assert!(paid > 5 && PLACES.len() <= ACCOUNTS);
    world.blames_no_rule();
    let wrong = "select count(*) from accounts where balance <> 1000 \
                 + (select coalesce(sum(amount), 0) from ledger where payee = accounts.id) \
                 - (select coalesce(sum(amount), 0) from ledger where payer = accounts.id)";
    assert_eq!(world.database.count(wrong).await, 0);
    // What was not cleaned up, or is unknown to the host, is left to the relay.
    let relayed = async {
        while world.database.count("select count(*) from tenet.outbox").await > 0 {
            world.sandbox.invoke(json!({ "tenet": "relay" })).await;
        }
    };
    awaited(relayed, || "events are left in the outbox".to_owned()).await;
    let arrived = world.bus.receive(paid).await;
    assert_eq!(arrived.iter().map(|event| event_id(event)).collect::<HashSet<_>>().len(), paid, "{arrived:?}");
}

fn is_for_good(answer: &Answer, met: &Met<'_>) {
    assert_eq!(answer.status(), met.asked.status(), "{answer:?}");
}

#[tokio::test]
async fn whatever_is_silent_at_home_the_peer_answers() {
    let mut world = TwoRegions::start(true, 1, times(300, 200)).await;
    at_every_place(&mut world, Reach::Endpoint, HANGS, is_for_good).await;
}

#[tokio::test]
async fn whichever_connection_is_silent_another_one_answers() {
    let mut world = TwoRegions::start(false, 1, times(300, 1000)).await;
    at_every_place(&mut world, Reach::Connection, HANGS, is_for_good).await;
}

#[tokio::test]
async fn whatever_is_silent_where_there_is_no_peer_is_a_503_with_the_key_for_as_long() {
    let mut world = TwoRegions::start(false, 1, times(300, 200)).await;
    let time = Duration::from_millis(1200);
    at_every_place(&mut world, Reach::Endpoint, time, |answer, met| {
        if met.changed.is_none() {
            return is_for_good(answer, met);
        }
        let key = if matches!(met.asked, Asked::Read) { Value::Null } else { json!(met.key) };
        assert_eq!((answer.changed(), &answer.problem()["key"]), (met.changed, &key), "{answer:?}");
    })
    .await;
}
