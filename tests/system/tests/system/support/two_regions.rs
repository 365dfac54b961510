//! The real `bootstrap` of one region with both regions' endpoints of one database.

use std::time::Duration;

use lambda_simulator::FreezeMode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenet_core::bundle::{INDEX, Index};
use tenet_test_support::{Dsql, Terms, awaited};

use super::database::Database;
use super::eventbridge::Bus;
use super::host::{EAST, WEST};
use super::sandbox::{HANGS, Sandbox};
use crate::lambda::bootstrap;
use crate::observed::Log;

/// The east's function; everything ends when the value is dropped.
///
/// Accounts `a0`, `a1` ... and `b0`, `b1` ... have 1000.00 each, and may pay 500.00 a day.
pub(crate) struct TwoRegions {
    pub(crate) sandbox: Sandbox,
    pub(crate) log: Log,
    pub(crate) east: Dsql,
    pub(crate) west: Dsql,
    pub(crate) database: Database,
    pub(crate) bus: Bus,
    /// The number of requests sent so far.
    asked: usize,
    _folder: TempDir,
}

/// The number of accounts of each kind.
pub(crate) const ACCOUNTS: usize = 64;

impl TwoRegions {
    /// Starts it with or without access to the west, for this many concurrent invocations, with the
    /// changed example bundle.
    pub(crate) async fn start(peer: bool, at_once: usize, change: impl FnOnce(&mut Index)) -> Self {
        let (database, bus) = (super::database().await, Bus::create().await);
        let accounts = format!(
            "insert into accounts (id, balance, daily_ceiling, opened_at) \
             select kind || number, 1000, 500, now() from generate_series(0, {}) number, unnest(array['a', 'b']) kind",
            ACCOUNTS - 1
        );
        database.execute(&accounts).await;
        let (east, west) =
            (Dsql::start(database.url(), Terms::of(EAST)).await, Dsql::start(database.url(), Terms::of(WEST)).await);
        let (folder, mut index) = super::bundle::copy("rules");
        change(&mut index);
        std::fs::write(folder.path().join(INDEX), index.to_json()).unwrap();
        let authorities = folder.path().join("authorities.pem");
        std::fs::write(&authorities, [east.authority(), west.authority()].concat()).unwrap();
        let mut function = bootstrap(database.url(), bus.name());
        function
            .env_remove("TENET_DATABASE_URL")
            .env("TENET_BUNDLE", folder.path())
            .env("TENET_DSQL_ENDPOINT", east.endpoint())
            .env("TENET_DSQL_ADDRESS", "127.0.0.1")
            .env("TENET_DSQL_ROLE", "app")
            .env("TENET_DSQL_CA", &authorities);
        if peer {
            function
                .env("TENET_DSQL_PEER_ENDPOINT", west.endpoint())
                .env("TENET_DSQL_PEER_ADDRESS", "127.0.0.1")
                .env("TENET_DSQL_IDENTITY", database.text("select id::text from tenet.identity").await);
        }
        if at_once > 1 {
            function.env("AWS_LAMBDA_MAX_CONCURRENCY", at_once.to_string());
        }
        let log = Log::of(&mut function);
        // One response of several is no reason to freeze.
        let sandbox = Sandbox::start_in(FreezeMode::None, &mut function).await;
        Self { sandbox, log, east, west, database, bus, asked: 0, _folder: folder }
    }

    /// Sends an event with this timeout.
    pub(crate) async fn begin(&mut self, event: &Value, time: Duration) -> String {
        self.asked += 1;
        self.sandbox.begin(event.clone(), time).await
    }

    /// The response to an event with this timeout.
    pub(crate) async fn invoke(&mut self, event: &Value, time: Duration) -> Answer {
        let id = self.begin(event, time).await;
        self.answer(&id).await
    }

    /// The response to an invocation.
    pub(crate) async fn answer(&mut self, id: &str) -> Answer {
        Answer(self.sandbox.answer(id).await)
    }

    /// The final answer to an event: until it comes, the only allowed error is an unreachable
    /// database.
    pub(crate) async fn settle(&mut self, event: &Value) -> Answer {
        let settling = async {
            loop {
                let answer = self.invoke(event, HANGS).await;
                if answer.status() != 503 {
                    return answer;
                }
                assert_eq!(answer.changed(), Some(false), "{answer:?}");
            }
        };
        awaited(settling, || format!("there is no answer for good to {event}")).await
    }

    /// The summary line of each request, once all are over and their events are published.
    pub(crate) async fn over(&self) -> Vec<Value> {
        self.log.requests(self.asked).await
    }

    /// Checks that no log line reports a failed rule.
    pub(crate) fn blames_no_rule(&self) {
        let messages = ["rule failed", "a rule keeps failing and is suspended", "request for a suspended rule"];
        let failed = self.log.lines("request failed").into_iter().filter(|line| line["blame"] == "Rule");
        let blames: Vec<_> = messages.iter().flat_map(|message| self.log.lines(message)).chain(failed).collect();
        assert!(blames.is_empty(), "{blames:?}");
    }

    /// How often the breaker of this endpoint has opened.
    pub(crate) fn opened(&self, endpoint: &Dsql) -> usize {
        let lines = self.log.lines("endpoint's breaker turns");
        let is_it = |line: &Value| line["endpoint"].as_str().is_some_and(|name| name.starts_with(&endpoint.endpoint()));
        lines.iter().filter(|line| is_it(line) && line["state"] == "open").count()
    }
}

/// The response to a direct invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer(Value);

impl Answer {
    pub(crate) fn status(&self) -> u64 {
        self.0["statusCode"].as_u64().unwrap()
    }

    pub(crate) fn body(&self) -> &str {
        self.0["body"].as_str().unwrap()
    }

    /// Whether a non-final answer says that something may have changed.
    pub(crate) fn changed(&self) -> Option<bool> {
        let problem = self.problem();
        match (self.status(), problem["code"].as_str()?) {
            // The database did not respond for too long, or for all the time there was.
            (503, "unavailable" | "out-of-time") => Some(false),
            (503, "outcome-unknown") => Some(true),
            _ => None,
        }
    }

    /// The problem.
    pub(crate) fn problem(&self) -> Value {
        serde_json::from_str(self.body()).unwrap()
    }
}

/// A payment from one account to the one with the same number.
pub(crate) fn pay(id: &str, account: usize, amount: u32) -> Value {
    json!({
        "operation": "transfer", "transfer_id": id, "from": format!("a{account}"), "to": format!("b{account}"),
        "amount": amount,
    })
}

pub(crate) fn write(id: &str) -> Value {
    json!({ "operation": "write", "transaction_id": id, "amount": 100.5 })
}
