use std::sync::Arc;
use std::time::{Duration, Instant};

use tenet_core::bundle::Rule;
use tenet_core::{
    BoxFuture, Event, EventError, EventId, HostCalls, LogLevel, Outcome, Request, Rules, SqlError, Statement, Stop,
    Timestamp,
};

/// Calls a rule once with nothing in its hands, in the init phase: what only the first call
/// pays, such as the memory of an instance, is then paid before a caller waits.
///
/// A rule can do nothing without a host call, and the first one stops it.
pub(crate) async fn throw_away(rules: &dyn Rules, rule: &Rule) {
    let request = Request {
        operation: String::new(),
        key: None,
        source_key: None,
        payload: "{}".to_owned(),
        caller: None,
        region: String::new(),
        trace: None,
        now: Timestamp(0),
        seed: [0; 32],
        deadline: Instant::now() + Duration::from_secs(1),
    };
    let call = rules.call(&rule.name, &request, &rule.limits, Arc::new(Nothing)).await;
    tracing::debug!(rule = rule.name, cpu_us = call.cpu.as_micros() as u64, "first call thrown away");
}

/// A host that does nothing.
struct Nothing;

impl HostCalls for Nothing {
    fn run(&self, _: Vec<Statement>) -> BoxFuture<'_, Result<Result<Vec<Outcome>, SqlError>, Stop>> {
        Box::pin(async { Err(Stop) })
    }

    fn refuse(&self, _: SqlError) -> Result<SqlError, Stop> {
        Err(Stop)
    }

    fn publish(&self, _: Event) -> Result<Result<EventId, EventError>, Stop> {
        Err(Stop)
    }

    fn log(&self, _: LogLevel, _: String) -> Result<(), Stop> {
        Err(Stop)
    }

    fn random(&self, _: u32) -> Result<Vec<u8>, Stop> {
        Err(Stop)
    }

    fn key(&self) -> Option<&str> {
        None
    }
}
