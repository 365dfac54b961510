//! Many statements, on several connections at once.

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

/// How much is tried.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The URL of a PostgreSQL, by a role that may do everything.
    pub server: String,
    pub seed: u64,
    pub statements: u64,
    pub minutes: Option<u64>,
    /// How many at once; each has one rule.
    pub workers: usize,
    /// Whether the first finding ends it.
    pub first_only: bool,
}

/// A finding, with the rule, the statement and how small it could be made.
#[derive(Clone, Debug)]
pub struct Found {
    pub rule: String,
    pub sql: String,
    pub at: u64,
    pub finding: Finding,
}

/// What it came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub tally: Tally,
    pub found: Vec<Found>,
    /// By kind, those that are told and all others.
    pub kinds: BTreeMap<&'static str, u64>,
}

/// Of each kind so many findings are told.
const TOLD: u64 = 4;

/// How often a smaller statement is tried.
const SMALLER: usize = 400;

/// So many statements are tried together.
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

/// Tries as many as are wanted.
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

/// Takes words away while it remains a finding of the same kind.
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
