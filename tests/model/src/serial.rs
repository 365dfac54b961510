//! Generated transactions, run one after the other on both.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use anyhow::bail;
use fastrand::Rng;

use crate::changes::change;
use crate::queries::{FLAT, Queries};
use crate::schema::{STATEMENTS, TABLES};
use crate::side::{Outcome, Side};

/// How many statements are run before both databases are made anew.
const STATEMENTS_A_ROUND: u64 = 500;

/// A run of generated transactions.
pub struct Serial {
    /// Decides all statements.
    pub seed: u64,
    /// How many statements are run.
    pub statements: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct SerialReport {
    /// Statements that ran on both.
    pub statements: u64,
    /// Those that failed on both, with the same code.
    pub failed: u64,
    /// Changes of several rows that failed on both, on another row first and so with another error.
    pub unordered: u64,
    /// Those that the model refused to run. They are not compared.
    pub unsupported: u64,
    /// How often each was the reason.
    pub refusals: BTreeMap<String, u64>,
    /// The first differences.
    pub differences: Vec<Difference>,
}

/// A statement with two outcomes.
#[derive(Debug)]
pub struct Difference {
    /// The seed of the round.
    pub seed: u64,
    /// The statement.
    pub sql: String,
    /// On PostgreSQL.
    pub postgres: Outcome,
    /// On the model.
    pub model: Outcome,
}

/// Makes one side ready: a session with an empty database.
pub trait Fresh {
    /// A session with an empty database.
    fn fresh(&mut self) -> impl Future<Output = anyhow::Result<Side>>;
}

impl Serial {
    /// Runs the transactions. Stops at the first rounds with differences.
    pub async fn run(&self, postgres: &mut impl Fresh, model: &mut impl Fresh) -> anyhow::Result<SerialReport> {
        let mut report = SerialReport::default();
        let mut seed = self.seed;
        while report.statements + report.unsupported < self.statements && report.differences.len() < 20 {
            let (postgres, model) = (postgres.fresh().await?, model.fresh().await?);
            for statement in STATEMENTS {
                if let Err((sqlstate, message)) = postgres.command(&statement.replace(" ASYNC", "")).await {
                    bail!("PostgreSQL: {statement}: {sqlstate} {message}");
                }
                if let Err((sqlstate, message)) = model.command(statement).await {
                    bail!("the model: {statement}: {sqlstate} {message}");
                }
            }
            self.round(seed, &postgres, &model, &mut report).await?;
            seed += 1;
        }
        Ok(report)
    }

    async fn round(&self, seed: u64, postgres: &Side, model: &Side, report: &mut SerialReport) -> anyhow::Result<()> {
        let mut rng = Rng::with_seed(seed);
        let mut count = 0;
        while count < STATEMENTS_A_ROUND {
            let in_transaction = rng.bool();
            if in_transaction {
                both(postgres, model, "BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
            }
            let mut is_astray = false;
            for _ in 0..if in_transaction { rng.u64(1..5) } else { 1 } {
                let sql = if rng.u8(..5) < 2 { change(&mut rng) } else { Queries::query(&mut rng) };
                count += 1;
                let ordered = is_ordered(&sql);
                let (expected, found) = (postgres.run(&sql, &[]).await, model.run(&sql, &[]).await);
                // Equal numbers that are shown with different digits have no order among themselves.
                let agree = || match ordered || chooses_among_equals(&sql) {
                    false => expected.agrees(&found, false),
                    true => {
                        let (expected, found) = (expected.clone().without_scales(), found.clone().without_scales());
                        expected.agrees(&found, ordered)
                    }
                };
                if found.is_unsupported() {
                    // The transaction has failed in the model alone.
                    report.unsupported += 1;
                    if let Outcome::Error { message, .. } = &found {
                        *report.refusals.entry(message.clone()).or_default() += 1;
                    }
                    if in_transaction {
                        is_astray = true;
                        break;
                    }
                    if expected.is_error() || !writes(&sql) {
                        continue;
                    }
                    // The databases differ from here on.
                    return Ok(());
                }
                report.statements += 1;
                // Which of several errors is found first is not compared there.
                let both_refuse = expected.is_error() && found.is_error();
                let is_flat = both_refuse && sql.starts_with(FLAT);
                // Two rows fail for two reasons, and neither database says which row is first.
                let is_unordered = both_refuse && changes_rows(&sql) && !agree();
                if is_unordered {
                    report.unordered += 1;
                } else if !agree() && !is_flat {
                    report.differences.push(Difference { seed, sql, postgres: expected, model: found });
                    if in_transaction {
                        both(postgres, model, "ROLLBACK").await?;
                    }
                    return Ok(());
                }
                if expected.is_error() {
                    report.failed += 1;
                    break;
                }
            }
            if in_transaction {
                let end = if is_astray || rng.u8(..4) == 0 { "ROLLBACK" } else { "COMMIT" };
                both(postgres, model, end).await?;
            }
            if rng.u8(..8) == 0 {
                for table in TABLES {
                    let sql = format!("SELECT * FROM {}", table.name);
                    let (expected, found) = (postgres.run(&sql, &[]).await, model.run(&sql, &[]).await);
                    if !expected.agrees(&found, false) {
                        report.differences.push(Difference { seed, sql, postgres: expected, model: found });
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether the order of the rows is certain: by an ORDER BY that is not within parentheses.
fn is_ordered(sql: &str) -> bool {
    let mut depth = 0;
    let mut last = false;
    for (at, c) in sql.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ' ' if depth == 0 && sql.get(at..).is_some_and(|rest| rest.starts_with(" ORDER BY ")) => last = true,
            _ => {}
        }
    }
    last && !writes(sql)
}

/// Whether it may return one of several equal numbers, which may be shown with different digits.
fn chooses_among_equals(sql: &str) -> bool {
    let words = ["DISTINCT", "GROUP BY", "UNION", "INTERSECT", "EXCEPT", "LIMIT", "OFFSET", "FETCH", "max(", "min("];
    words.iter().any(|word| sql.contains(word))
}

fn writes(sql: &str) -> bool {
    ["INSERT", "UPDATE", "DELETE"].iter().any(|word| sql.starts_with(word))
}

/// Whether it may change several rows that are there, in the order in which the database finds them.
fn changes_rows(sql: &str) -> bool {
    ["UPDATE", "DELETE"].iter().any(|word| sql.starts_with(word))
}

async fn both(postgres: &Side, model: &Side, sql: &str) -> anyhow::Result<()> {
    let (expected, found) = (postgres.command(sql).await, model.command(sql).await);
    match (&expected, &found) {
        (Ok(_), Ok(_)) => Ok(()),
        _ => bail!("{sql}: {expected:?} on PostgreSQL, {found:?} on the model"),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, sql, postgres, model } = self;
        write!(f, "seed {seed}: {sql}\n  PostgreSQL: {postgres}\n  model:      {model}")
    }
}

impl fmt::Display for SerialReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { statements, failed, unordered, unsupported, refusals, differences } = self;
        write!(
            f,
            "{statements} statements, {failed} of them errors ({unordered} with another row's error first); \
             {unsupported} refused by the model; {} differences",
            differences.len()
        )?;
        let mut sorted: Vec<_> = refusals.iter().collect();
        sorted.sort_by_key(|(_, count)| Reverse(**count));
        sorted.iter().take(20).try_for_each(|(message, count)| write!(f, "\n{count:8} {message}"))
    }
}
