//! Checks many statements on several connections in parallel.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Subject;
use crate::grammar::{Grammar, Hit};
use crate::judge::{Finding, Judge, Verdict};
use crate::lexicon::Lexicon;
use crate::tally::Tally;
use crate::words;
use crate::world::World;

/// The options of a run.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The URL of a PostgreSQL, with a superuser.
    pub server: String,
    pub seed: u64,
    pub statements: u64,
    pub minutes: Option<u64>,
    /// The number of parallel workers. Each has one rule.
    pub workers: usize,
    /// Whether to stop at the first finding.
    pub first_only: bool,
}

/// A finding, with its rule and statement, reduced as far as possible.
#[derive(Clone, Debug)]
pub struct Found {
    pub rule: String,
    pub sql: String,
    pub at: u64,
    pub finding: Finding,
}

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub tally: Tally,
    pub found: Vec<Found>,
    /// The number of findings by kind, including those that are not printed.
    pub kinds: BTreeMap<&'static str, u64>,
}

/// The most findings of one kind that are printed.
const TOLD: u64 = 4;

/// The most attempts to reduce a statement.
const SMALLER: usize = 400;

/// The number of statements that are checked together.
const TOGETHER: u64 = 48;

#[derive(Default)]
struct Shared {
    tried: AtomicU64,
    ended: AtomicBool,
    /// Digests of all statements, each with its rule.
    seen: Mutex<HashSet<u64>>,
}

impl Shared {
    fn see(&self, rule: &str, statements: &[String]) {
        let digest = |sql: &String| {
            let mut hasher = DefaultHasher::new();
            (rule, sql).hash(&mut hasher);
            hasher.finish()
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).extend(statements.iter().map(digest));
    }
}

/// Checks as many statements as requested.
pub async fn run(wanted: &Wanted, subject: &Subject) -> anyhow::Result<Report> {
    let shared = Arc::new(Shared::default());
    let workers: Vec<_> = (0..wanted.workers)
        .map(|number| tokio::spawn(work(wanted.clone(), *subject, number, shared.clone())))
        .collect();
    let mut report = Report::default();
    for worker in workers {
        let own = worker.await??;
        report.tally.add(own.tally);
        report.found.extend(own.found);
        for (kind, count) in own.kinds {
            *report.kinds.entry(kind).or_default() += count;
        }
    }
    report.tally.distinct = shared.seen.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
    Ok(report)
}

async fn work(wanted: Wanted, subject: Subject, number: usize, shared: Arc<Shared>) -> anyhow::Result<Report> {
    let world = World::new(&wanted.server, number).await?;
    let rule = world.rule.clone();
    let mut judge = Judge::new(world, &subject);
    let lexicon = Lexicon::read(&judge.world.first, &rule, judge.policy()).await?;
    let mut grammar = Grammar::new(wanted.seed.wrapping_mul(1000) + number as u64, &rule, &lexicon);
    let mut report = Report::default();
    report.tally.expected = lexicon.expected();
    let mut told = 100_000;
    let until = wanted.minutes.map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    loop {
        let at = shared.tried.fetch_add(TOGETHER, Ordering::Relaxed);
        let is_over = match until {
            Some(until) => Instant::now() >= until,
            None => at >= wanted.statements,
        };
        if is_over || shared.ended.load(Ordering::Relaxed) {
            break;
        }
        let (statements, made): (Vec<String>, Vec<Vec<Hit>>) = (0..TOGETHER).map(|_| grammar.next_one()).unzip();
        shared.see(&rule.name, &statements);
        let verdicts = judge.judge_all(&statements).await?;
        for (place, ((sql, hits), verdict)) in statements.into_iter().zip(made).zip(verdicts).enumerate() {
            match verdict {
                Verdict::Refused => report.tally.count(hits, false, false),
                Verdict::Passed { ran, state, read_twice } => {
                    report.tally.count(hits, true, ran);
                    report.tally.read_twice += u64::from(read_twice);
                    if !ran {
                        *report.tally.states.entry(state).or_default() += 1;
                    }
                }
                Verdict::Found(finding) => {
                    report.tally.count(hits, true, true);
                    let count = report.kinds.entry(finding.kind).or_default();
                    *count += 1;
                    if *count <= TOLD {
                        let (sql, finding) = smaller(&mut judge, sql, finding).await?;
                        println!(
                            "{}: {} ({})\n  written {sql}\n  sent    {}\n  {}",
                            subject.name, finding.kind, rule.name, finding.sent, finding.why
                        );
                        let at = at + place as u64;
                        report.found.push(Found { rule: rule.name.clone(), sql, at, finding });
                    }
                    if wanted.first_only {
                        shared.ended.store(true, Ordering::Relaxed);
                    }
                }
            }
        }
        if number == 0 && at >= told {
            told = at + 100_000;
            println!(
                "{at} statements, of this worker's {} in a thousand passed, {} judged alone",
                report.tally.passed * 1000 / report.tally.tried,
                judge.alone()
            );
        }
    }
    report.tally.alone = judge.alone();
    judge.world.end().await?;
    Ok(report)
}

/// Removes words as long as the finding remains of the same kind.
async fn smaller(judge: &mut Judge, sql: String, finding: Finding) -> anyhow::Result<(String, Finding)> {
    let (mut best, mut best_finding) = (sql.clone(), finding);
    let mut words = words::cut(&sql);
    let mut tries = 0;
    let mut size = (words.len() / 2).max(1);
    loop {
        let mut at = 0;
        let mut is_smaller = false;
        while at < words.len() && tries < SMALLER {
            let mut fewer = words.clone();
            fewer.drain(at..(at + size).min(words.len()));
            let text = fewer.join(" ").replace(" . ", ".");
            tries += 1;
            match judge.judge(&text).await? {
                Verdict::Found(finding) if finding.kind == best_finding.kind => {
                    (words, best, best_finding, is_smaller) = (fewer, text, finding, true);
                }
                _ => at += size,
            }
        }
        if tries >= SMALLER || (size == 1 && !is_smaller) {
            return Ok((best, best_finding));
        }
        size = (size / 2).max(1);
    }
}
