use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tenet_capsule::{Attempt, Tape};
use tenet_core::Probe;
use tenet_database::{Contents, Database};
use tenet_pipeline::Backoff;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::file::{Ask, FaultText};
use super::injected::{Injected, Turn, Turns, Waits};
use super::json::Json;
use super::site::{Site, TestDatabase};
use super::transcript;
use crate::error::{Error, Result};

/// Runs requests at once in every order of their statements and commits, and compares the results of
/// each order with the results of the requests one after the other.
///
/// Each request waits before each of its flights; whose turn it is is chosen, one at a time, and
/// the next choice is made when that flight is over. A flight that waits for a lock of another
/// request ends the run: PostgreSQL cannot go on there, and DSQL, which has no locks, would let
/// both pass and fail the later commit, which is what an injected conflict stands for.
pub(crate) struct Explorer<'a> {
    pub(crate) site: &'a Site,
    pub(crate) rig: &'a TestDatabase,
    pub(crate) asks: &'a [Ask],
    /// The most orders that are run.
    pub(crate) most: u32,
}

/// Orders that ended at a lock and are shown.
const SHOWN: usize = 2;

/// What was found.
#[derive(Debug, Default)]
pub struct Explored {
    /// Orders that were run to their end.
    pub run: u32,
    /// Those of them with an injected conflict.
    pub with_conflict: u32,
    /// Orders that ended at a lock.
    pub pruned: u32,
    /// The first few of them.
    pub pruned_at: Vec<Schedule>,
    /// Whether there were more than was asked for.
    pub is_cut: bool,
}

/// An order of flights in which something comes out that no order of requests brings.
#[derive(Debug)]
pub struct Anomaly {
    /// The order.
    pub schedule: Schedule,
    /// What it brings.
    pub outcome: Outcome,
    /// What the requests bring one after the other: their numbers, from 0, in order.
    pub serial: Vec<(Vec<usize>, Outcome)>,
    /// What each request did.
    pub attempts: Vec<Vec<Attempt>>,
}

/// Whose turn it was, one after the other: `1 2 1! 2` is a flight of the first request, one of
/// the second, one of the first that met a conflict, one of the second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule(Vec<(usize, Turn)>);

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Status and body, by request.
    pub answers: Vec<(u16, String)>,
    /// The rows of the bundle's tables.
    pub rows: BTreeMap<String, Vec<String>>,
    /// In no order.
    pub events: Vec<String>,
}

/// One run.
struct Run {
    /// What was chosen, and what could have been in its place.
    choices: Vec<((usize, Turn), Vec<usize>)>,
    /// None where it ended at a lock.
    outcome: Option<Outcome>,
    attempts: Vec<Vec<Attempt>>,
}

impl Explorer<'_> {
    /// Runs the orders, or the one that is given, and leaves the tables as they were.
    pub(crate) async fn explore(&self, only: Option<&Schedule>) -> Result<(Explored, Option<Anomaly>)> {
        let before = self.rig.tables.contents().await?;
        let mut database = self.rig.connections();
        let serial = self.serial(&database, &before).await?;
        let mut explored = Explored::default();
        if let Some(only) = only {
            let run = self.run(&database, &before, only).await?;
            let anomaly = explored.count(run, &serial);
            self.rig.tables.restore(&before).await?;
            return Ok((explored, anomaly));
        }
        // Orders, and those with a conflict at one place of one of these, have half of the runs each.
        // The first in is the first out, so that runs which are few differ early and late.
        let mut anomaly = None;
        let (mut left, mut with_conflict) = (VecDeque::from([Schedule::default()]), VecDeque::new());
        loop {
            let ran = explored.run + explored.pruned;
            let [first, second] =
                if ran.is_multiple_of(2) { [&mut left, &mut with_conflict] } else { [&mut with_conflict, &mut left] };
            let Some(prefix) = first.pop_front().or_else(|| second.pop_front()) else { break };
            if ran >= self.most {
                explored.is_cut = true;
                break;
            }
            let run = self.run(&database, &before, &prefix).await?;
            if run.outcome.is_none() {
                // Its connections were ended.
                database = self.rig.connections();
            }
            let (go, conflict) = run.others(&prefix);
            left.extend(go);
            with_conflict.extend(conflict);
            anomaly = explored.count(run, &serial);
            if anomaly.is_some() {
                break;
            }
        }
        self.rig.tables.restore(&before).await?;
        Ok((explored, anomaly))
    }

    /// The results of the requests one after the other, in each order.
    async fn serial(&self, database: &Arc<Database>, before: &Contents) -> Result<Vec<(Vec<usize>, Outcome)>> {
        let mut outcomes = Vec::new();
        for order in orders(self.asks.len()) {
            self.rig.tables.restore(before).await?;
            let hosts = self.site.hosts_on(Arc::clone(database), at_once())?;
            let mut answers = vec![(0, String::new()); self.asks.len()];
            for who in &order {
                let (Some(ask), Some(answer)) = (self.asks.get(*who), answers.get_mut(*who)) else { continue };
                let handled = hosts.ask(ask, &Injected::new(FaultText::default(), None)).await?;
                *answer = (handled.answer.status.code(), handled.answer.body);
            }
            let outcome = Outcome { answers, rows: self.rows().await?, events: said(hosts.arrived()) };
            outcomes.push((order, outcome));
        }
        Ok(outcomes)
    }

    /// Runs one order: what the prefix says, and then the first request that can go on.
    async fn run(&self, database: &Arc<Database>, before: &Contents, prefix: &Schedule) -> Result<Run> {
        self.rig.tables.restore(before).await?;
        let hosts = Arc::new(self.site.hosts_on(Arc::clone(database), at_once())?);
        let (waits, mut waiting) = unbounded_channel();
        let mut running = JoinSet::new();
        let (mut turns, mut tapes) = (Vec::new(), Vec::new());
        for (who, ask) in self.asks.iter().enumerate() {
            let (turn, receiver) = unbounded_channel();
            turns.push(turn);
            let of = Turns { who, waits: waits.clone(), turns: Mutex::new(Some(receiver)) };
            let probe = Injected::new(FaultText::default(), Some(of));
            tapes.push(probe.tape.clone());
            let (hosts, ask, waits) = (Arc::clone(&hosts), ask.clone(), waits.clone());
            running.spawn(async move {
                let handled = hosts.ask(&ask, &probe as &dyn Probe).await;
                // The receiver is gone where the run has ended at a lock.
                let _ended = waits.send(Waits::Over(who));
                handled.map(|handled| (who, (handled.answer.status.code(), handled.answer.body)))
            });
        }
        drop(waits);
        let chosen = self.choose(prefix, &mut waiting, &turns).await;
        let (choices, is_pruned) = match chosen {
            Ok(chosen) => chosen,
            Err(error) => {
                running.shutdown().await;
                return Err(error);
            }
        };
        let mut run = Run { choices, outcome: None, attempts: Vec::new() };
        if is_pruned {
            running.shutdown().await;
            drop(hosts);
            self.rig.tables.end_others().await?;
            return Ok(run);
        }
        let mut answers = vec![(0, String::new()); self.asks.len()];
        while let Some(ended) = running.join_next().await {
            let (who, answer) = ended??;
            if let Some(place) = answers.get_mut(who) {
                *place = answer;
            }
        }
        let events = said(hosts.arrived());
        run.outcome = Some(Outcome { answers, rows: self.rows().await?, events });
        run.attempts = tapes.iter().map(Tape::attempts).collect();
        Ok(run)
    }

    /// Gives turns until all requests are over. Also whether it ended at a lock.
    async fn choose(
        &self,
        prefix: &Schedule,
        waiting: &mut UnboundedReceiver<Waits>,
        turns: &[UnboundedSender<Turn>],
    ) -> Result<(Vec<((usize, Turn), Vec<usize>)>, bool)> {
        let mut choices = Vec::new();
        let mut ready = std::collections::BTreeSet::new();
        let mut busy = self.asks.len();
        loop {
            // One flight is on its way at a time, but for the beginning, when no request waits for a lock.
            while busy > 0 {
                let waits = tokio::select! {
                    biased;
                    waits = waiting.recv() => waits,
                    blocked = self.rig.tables.is_blocked() => {
                        if blocked? {
                            return Ok((choices, true));
                        }
                        continue;
                    }
                };
                match waits {
                    Some(Waits::Statements(who) | Waits::Commit(who)) => drop(ready.insert(who)),
                    Some(Waits::Over(_)) => {}
                    None => return Ok((choices, false)),
                }
                busy -= 1;
            }
            let Some(first) = ready.first().copied() else { return Ok((choices, false)) };
            let (who, turn) = prefix.0.get(choices.len()).copied().unwrap_or((first, Turn::Go));
            if !ready.contains(&who) {
                let what = format!("the schedule cannot be run: request {} does not wait there", who + 1);
                return Err(Error::plain(what));
            }
            choices.push(((who, turn), ready.iter().copied().collect()));
            ready.remove(&who);
            busy = 1;
            if let Some(turns) = turns.get(who) {
                // A request that is gone has sent its end.
                let _gone = turns.send(turn);
            }
        }
    }

    async fn rows(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let contents = self.rig.tables.contents().await?;
        Ok(contents.rows().map(|(table, rows)| (table.to_owned(), rows.to_vec())).collect())
    }
}

/// Another attempt begins as soon as one is lost: it waits for its turn anyway.
fn at_once() -> Backoff {
    Backoff { base: Duration::ZERO, cap: Duration::ZERO, ..Backoff::default() }
}

impl Run {
    /// The orders that differ from this one in a choice that the prefix left open: in whose turn
    /// it is, and in that its flight meets a conflict, which one of an order does.
    fn others(&self, prefix: &Schedule) -> (Vec<Schedule>, Vec<Schedule>) {
        let (mut others, mut with_conflict) = (Vec::new(), Vec::new());
        for (place, (chosen, ready)) in self.choices.iter().enumerate().skip(prefix.0.len()) {
            let with = |choice| {
                let before = self.choices.iter().take(place).map(|(choice, _)| *choice);
                Schedule(before.chain([choice]).collect())
            };
            others.extend(ready.iter().map(|who| (*who, Turn::Go)).filter(|choice| choice != chosen).map(with));
            if !prefix.has_conflict() {
                with_conflict.extend(ready.iter().map(|who| with((*who, Turn::Conflict))));
            }
        }
        (others, with_conflict)
    }

    fn schedule(&self) -> Schedule {
        Schedule(self.choices.iter().map(|(choice, _)| *choice).collect())
    }
}

impl Explored {
    /// Counts a run; its anomaly, if it is one.
    fn count(&mut self, run: Run, serial: &[(Vec<usize>, Outcome)]) -> Option<Anomaly> {
        let schedule = run.schedule();
        let Some(outcome) = run.outcome else {
            self.pruned += 1;
            if self.pruned_at.len() < SHOWN {
                self.pruned_at.push(schedule);
            }
            return None;
        };
        self.run += 1;
        self.with_conflict += u32::from(schedule.has_conflict());
        let is_one = serial.iter().all(|(_, serial)| *serial != outcome);
        is_one.then(|| Anomaly { schedule, outcome, serial: serial.to_vec(), attempts: run.attempts })
    }
}

impl Anomaly {
    /// It as texts: what the order brings, what the requests bring one after the other, and what each of them did.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = vec![format!("the order `{}` brings", self.schedule)];
        texts.extend(self.outcome.texts());
        for (order, serial) in &self.serial {
            let order: Vec<String> = order.iter().map(|who| (who + 1).to_string()).collect();
            texts.push(format!("and the requests one after the other, {}, bring", order.join(" then ")));
            texts.extend(serial.texts());
        }
        for (who, attempts) in self.attempts.iter().enumerate() {
            texts.push(format!("request {} did", who + 1));
            texts.extend(transcript::texts(attempts).into_iter().map(|text| format!("  {text}")));
        }
        texts
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, with_conflict, pruned, is_cut, .. } = self;
        write!(f, "{run} orders run, {with_conflict} of them with a conflict injected")?;
        if *pruned > 0 {
            let shown: Vec<String> = self.pruned_at.iter().map(|schedule| format!("`{schedule}`")).collect();
            write!(
                f,
                "; {pruned} ended at a row lock ({} ...), where DSQL lets both pass and fails the later commit",
                shown.join(", ")
            )?;
            if *with_conflict > 0 {
                f.write_str(": the injected conflicts stand for these")?;
            }
        }
        if *is_cut {
            f.write_str("; there are more (`schedules` says how many are run)")?;
        }
        Ok(())
    }
}

impl Outcome {
    fn texts(&self) -> Vec<String> {
        let answers = self.answers.iter().enumerate();
        let mut texts: Vec<String> =
            answers.map(|(who, (status, body))| format!("  {}: {status} {body}", who + 1)).collect();
        for (table, rows) in &self.rows {
            texts.extend(rows.iter().map(|row| format!("  {table} {row}")));
        }
        texts.extend(self.events.iter().map(|event| format!("  event {event}")));
        texts
    }
}

/// What a rule has said of an event, without the envelope.
fn detail(event: &str) -> String {
    let event = Json::parse(event);
    let part =
        |name: &str| event.as_ref().and_then(|event| event.get(name)).map(ToString::to_string).unwrap_or_default();
    format!("{} {} {}", part("source"), part("detail-type"), part("detail"))
}

impl Schedule {
    /// Reads what [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    /// Fails with what is no turn.
    pub fn parse(text: &str) -> Result<Self, String> {
        let turn = |word: &str| {
            let (number, turn) = match word.strip_suffix('!') {
                Some(number) => (number, Turn::Conflict),
                None => (word, Turn::Go),
            };
            let who = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            who.map(|who| (who, turn)).ok_or_else(|| format!("{word:?} is no turn; `1 2 1! 2` is a schedule"))
        };
        text.split_whitespace().map(turn).collect::<Result<_, _>>().map(Self)
    }

    fn has_conflict(&self) -> bool {
        self.0.iter().any(|(_, turn)| *turn == Turn::Conflict)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (who, turn)) in self.0.iter().enumerate() {
            let space = if place > 0 { " " } else { "" };
            write!(f, "{space}{}{}", who + 1, if *turn == Turn::Conflict { "!" } else { "" })?;
        }
        Ok(())
    }
}

/// Every order of so many things.
fn orders(of: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for next in 0..of {
        orders = orders
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                (0..=order.len()).rev().map(move |place| {
                    let mut longer = order.clone();
                    longer.insert(place, next);
                    longer
                })
            })
            .collect();
    }
    orders
}

/// What events say, in no order; the envelope is another one each time.
fn said(events: Vec<String>) -> Vec<String> {
    let mut said: Vec<String> = events.iter().map(|event| detail(event)).collect();
    said.sort();
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_there_once_and_the_one_that_is_written_comes_first() {
        assert_eq!(orders(2), [vec![0, 1], vec![1, 0]]);
        let three = orders(3);
        assert_eq!((three.len(), &three[0]), (6, &vec![0, 1, 2]));
        assert_eq!(three.iter().collect::<std::collections::BTreeSet<_>>().len(), 6);
    }

    #[test]
    fn a_schedule_is_read_as_it_is_written() {
        let text = "1 2 1! 2";
        assert_eq!(Schedule::parse(text).unwrap().to_string(), text);
        assert!(Schedule::parse("1 2 x").unwrap_err().contains("\"x\""));
        assert!(Schedule::parse("0").is_err());
    }

    #[test]
    fn each_choice_that_was_left_open_is_taken_once() {
        let go = |who| (who, Turn::Go);
        let run = Run {
            choices: vec![(go(0), vec![0, 1]), (go(0), vec![0, 1]), (go(1), vec![1])],
            outcome: None,
            attempts: vec![],
        };
        let texts = |prefix: &str| {
            let (go, conflict) = run.others(&Schedule::parse(prefix).unwrap());
            [go, conflict].map(|some| some.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(texts(""), [vec!["2", "1 2"], vec!["1!", "2!", "1 1!", "1 2!", "1 1 2!"]]);
        assert_eq!(texts("1 1"), [vec![], vec!["1 1 2!"]]);
        assert_eq!(texts("1!"), [vec!["1 2"], vec![]]);
    }
}
