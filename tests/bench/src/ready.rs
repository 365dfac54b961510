use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tenet_core::{
    AnswerWaits, Attempt, BoxFuture, Claim, Column, ColumnValues, Decimal, Delivery, Event, EventError, EventId, Fault,
    HostCalls, IdempotencyKey, LogLevel, Outcome, Progress, Publisher, ReadCap, Request, RowSet, SqlError, StagedEvent,
    Statement, Stop, Timestamp, Transactions,
};

use crate::stock::Stock;

/// Ports that answer at once: every statement returns the same rows, every commit succeeds.
#[derive(Clone)]
pub struct Ready(Arc<Stock<RowSet>>);

/// This many accounts, as the statement of the rule `rows` returns them.
///
/// # Errors
/// Fails if a number is invalid.
pub fn rows(count: u32) -> anyhow::Result<RowSet> {
    let numbers = || 1..=i64::from(count);
    let balance = |n| Decimal::parse(&format!("{}.{:02}", n * 5 / 4, n * 5 % 4 * 25)).context("a balance");
    let hour = 3_600_000_000;
    let column = |name: &str, values| Column { name: name.to_owned(), values, nulls: Vec::new() };
    let owners: Vec<String> = numbers().map(|n| format!("owner {n}")).collect();
    let balances = numbers().map(balance).collect::<anyhow::Result<Vec<Decimal>>>()?;
    let texts = owners.iter().map(String::len).chain(balances.iter().map(|balance| balance.as_str().len()));
    Ok(RowSet {
        bytes: texts.sum::<usize>() as u64 + u64::from(count) * 17,
        columns: vec![
            column("id", ColumnValues::Int8(numbers().collect())),
            column("owner", ColumnValues::Text(owners)),
            column("balance", ColumnValues::Numeric(balances)),
            column("opened", ColumnValues::Timestamptz(numbers().map(|n| 1_769_817_600_000_000 + n * hour).collect())),
            column("active", ColumnValues::Bool(numbers().map(|n| n % 2 == 0).collect())),
        ],
        rows: count,
    })
}

/// A request for an operation of the tests' guests.
///
/// # Errors
/// Fails if the key is invalid.
pub fn request(operation: &str, payload: &str) -> anyhow::Result<Request> {
    Ok(Request {
        operation: operation.to_owned(),
        key: Some(IdempotencyKey::new("5e0b3e1c-benchmark")?),
        source_key: None,
        payload: payload.to_owned(),
        caller: None,
        region: "us-east-1".to_owned(),
        now: Timestamp(1_769_817_600_000_000),
        seed: [7; 32],
        deadline: Instant::now() + Duration::from_secs(86_400),
        trace: None,
        follow_up: None,
    })
}

impl Ready {
    /// Ports that return these rows.
    pub fn new(rows: RowSet) -> Self {
        Self(Arc::new(Stock::new(rows)))
    }

    /// Prepares copies for this many statements.
    pub fn fill(&self, statements: u32) {
        self.0.fill(statements);
    }

    fn outcomes(&self, statements: &[Statement]) -> Vec<Outcome> {
        let outcome = |_| {
            let rows = self.0.take();
            Outcome { affected: u64::from(rows.rows), written: 0, rows }
        };
        statements.iter().map(outcome).collect()
    }
}

impl HostCalls for Ready {
    fn run(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Result<Vec<Outcome>, SqlError>, Stop>> {
        Box::pin(async move { Ok(Ok(self.outcomes(&statements))) })
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

    fn log(&self, _: LogLevel, _: String) -> Result<(), Stop> {
        Ok(())
    }

    fn random(&self, _: tenet_core::Randomness, length: u32) -> Result<Vec<u8>, Stop> {
        Ok(vec![7; length as usize])
    }

    fn key(&self) -> Option<&str> {
        None
    }
}

impl Transactions for Ready {
    fn open(&self, _: Claim) -> Box<dyn Attempt> {
        Box::new(self.clone())
    }

    fn ready(&self, _: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn ready_while_busy(&self, _: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

impl Attempt for Ready {
    fn run<'a>(
        &'a mut self,
        statements: Vec<Statement>,
        _: ReadCap,
        _: &'a AnswerWaits,
    ) -> BoxFuture<'a, Result<Progress<Vec<Outcome>>, Fault>> {
        Box::pin(async move { Ok(Progress::Continue(self.outcomes(&statements))) })
    }

    fn accept(self: Box<Self>, _: String, _: tenet_core::Staged) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(async { Ok(Progress::Continue(())) })
    }

    fn reject(
        self: Box<Self>,
        _: String,
        _: Option<tenet_core::FollowUp>,
    ) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(async { Ok(Progress::Continue(())) })
    }

    fn roll_back(self: Box<Self>) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(async { Ok(Progress::Continue(())) })
    }
}

impl Publisher for Ready {
    fn publish<'a>(&'a self, events: &'a [StagedEvent], _: Instant) -> BoxFuture<'a, Vec<Delivery>> {
        Box::pin(async { events.iter().map(|_| Delivery::Taken).collect() })
    }
}
