use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tenet_capsule::{Attempt, Tape};
use tenet_core::Probe;
use tenet_database::Tables;
use tenet_pipeline::Backoff;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::file::{Ask, FaultText};
use super::injected::{Injected, Turn, Turns, Waits};
use super::json::Json;
use super::site::{Site, TestDatabase};
use super::stage::Stage;
use super::transcript;
use crate::error::{Error, Result};
use crate::unmodelled::Unmodelled;

/// Runs requests at once in every order of their statements and commits, and compares the results of
/// each order with the results of the requests one after the other.
///
/// Each request waits before each of its flights; whose turn it is is chosen, one at a time, and
/// the next choice is made when that flight is over.
///
/// They run on the model of Aurora DSQL, where nothing waits: of two that exclude each other the later commit fails,
/// and its request runs again in the same order. Where the model does not know a statement they run on PostgreSQL.
/// There a flight that waits for a lock of another request ends the run: PostgreSQL cannot go on, and DSQL would let
/// both pass and fail the later commit, which is what an injected conflict stands for.
pub(crate) struct Explorer<'a> {
    pub(crate) site: &'a Site,
    pub(crate) rig: &'a TestDatabase,
    pub(crate) asks: &'a [Ask],
    /// The most orders that are run.
    pub(crate) most: u32,
}

/// Why an exploration ended before its end.
enum Stopped {
    Failed(Error),
    /// The model does not know a statement.
    Unmodelled(Unmodelled),
}

impl<E: Into<Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Orders that ended at a lock and are shown.
const SHOWN: usize = 2;

/// Where requests at once were run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// On the model of Aurora DSQL.
    Model,
    /// On PostgreSQL; with what the model does not know, unless PostgreSQL was asked for.
    Postgres(Option<Unmodelled>),
}

/// How often a request ran again because it lost a conflict to another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// The orders in which it did.
    pub orders: u32,
    /// The most times in one order.
    pub most: u32,
}

/// What was found.
#[derive(Debug)]
pub struct Explored {
    /// Where.
    pub ground: Ground,
    /// By request. Injected conflicts do not count.
    pub again: Vec<Again>,
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
        let unmodelled = match &self.site.model {
            None => None,
            Some(Err(unmodelled)) => Some(unmodelled.clone()),
            Some(Ok(model)) => match Stage::on_model(model, self.rig, &before).await? {
                Err(unmodelled) => Some(unmodelled),
                Ok(stage) => match self.explore_on(stage, Ground::Model, only).await {
                    Ok(explored) => return Ok(explored),
                    Err(Stopped::Failed(error)) => return Err(error),
                    Err(Stopped::Unmodelled(unmodelled)) => Some(unmodelled),
                },
            },
        };
        let stage = Stage::on_postgres(self.rig, before);
        match self.explore_on(stage, Ground::Postgres(unmodelled), only).await {
            Ok(explored) => Ok(explored),
            Err(Stopped::Failed(error)) => Err(error),
            Err(Stopped::Unmodelled(Unmodelled { message, .. })) => Err(Error::plain(message)),
        }
    }

    async fn explore_on(
        &self,
        mut stage: Stage<'_>,
        ground: Ground,
        only: Option<&Schedule>,
    ) -> Result<(Explored, Option<Anomaly>), Stopped> {
        let serial = self.serial(&stage).await?;
        let mut explored = Explored::on(ground, self.asks.len());
        if let Some(only) = only {
            let run = self.run(&mut stage, only).await?;
            let anomaly = explored.count(run, &serial);
            stage.leave().await?;
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
            let run = self.run(&mut stage, &prefix).await?;
            let (go, conflict) = run.others(&prefix);
            left.extend(go);
            with_conflict.extend(conflict);
            anomaly = explored.count(run, &serial);
            if anomaly.is_some() {
                break;
            }
        }
        stage.leave().await?;
        Ok((explored, anomaly))
    }

    /// The results of the requests one after the other, in each order.
    async fn serial(&self, stage: &Stage<'_>) -> Result<Vec<(Vec<usize>, Outcome)>, Stopped> {
        let mut outcomes = Vec::new();
        for order in orders(self.asks.len()) {
            let on = stage.begin().await?;
            let hosts = self.site.hosts_on(Arc::clone(&on.connections), at_once())?;
            let mut answers = vec![(0, String::new()); self.asks.len()];
            for who in &order {
                let (Some(ask), Some(answer)) = (self.asks.get(*who), answers.get_mut(*who)) else { continue };
                let probe = Injected::new(FaultText::default(), None);
                let (handled, _) = hosts.ask(ask, &probe).await?;
                check_known(stage, &[probe.tape.attempts()])?;
                *answer = (handled.answer.status.code(), handled.answer.body);
            }
            let outcome = Outcome { answers, rows: rows(&on.tables).await?, events: said(hosts.arrived()) };
            outcomes.push((order, outcome));
        }
        Ok(outcomes)
    }

    /// Runs one order: what the prefix says, and then the first request that can go on.
    async fn run(&self, stage: &mut Stage<'_>, prefix: &Schedule) -> Result<Run, Stopped> {
        let on = stage.begin().await?;
        let hosts = Arc::new(self.site.hosts_on(Arc::clone(&on.connections), at_once())?);
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
                handled.map(|(handled, _)| (who, (handled.answer.status.code(), handled.answer.body)))
            });
        }
        drop(waits);
        let chosen = self.choose(stage, prefix, &mut waiting, &turns).await;
        let (choices, is_pruned) = match chosen {
            Ok(chosen) => chosen,
            Err(error) => {
                running.shutdown().await;
                return Err(error.into());
            }
        };
        let mut run = Run { choices, outcome: None, attempts: Vec::new() };
        if is_pruned {
            running.shutdown().await;
            drop(hosts);
            stage.end().await?;
            return Ok(run);
        }
        let mut answers = vec![(0, String::new()); self.asks.len()];
        while let Some(ended) = running.join_next().await {
            let (who, answer) = ended??;
            if let Some(place) = answers.get_mut(who) {
                *place = answer;
            }
        }
        run.attempts = tapes.iter().map(Tape::attempts).collect();
        check_known(stage, &run.attempts)?;
        let events = said(hosts.arrived());
        run.outcome = Some(Outcome { answers, rows: rows(&on.tables).await?, events });
        Ok(run)
    }

    /// Gives turns until all requests are over. Also whether it ended at a lock.
    async fn choose(
        &self,
        stage: &Stage<'_>,
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
                    blocked = stage.blocked() => {
                        blocked?;
                        return Ok((choices, true));
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
}

/// Stops at a statement that the model may not know. What PostgreSQL refuses is an error of the statement.
fn check_known(stage: &Stage<'_>, requests: &[Vec<Attempt>]) -> Result<(), Stopped> {
    match (stage, requests.iter().find_map(|attempts| Unmodelled::maybe_of(attempts))) {
        (Stage::Model { .. }, Some(unmodelled)) => Err(Stopped::Unmodelled(unmodelled)),
        _ => Ok(()),
    }
}

async fn rows(tables: &Tables) -> Result<BTreeMap<String, Vec<String>>> {
    let contents = tables.contents().await?;
    Ok(contents.rows().map(|(table, rows)| (table.to_owned(), rows.to_vec())).collect())
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
    /// Nothing yet, of so many requests.
    fn on(ground: Ground, requests: usize) -> Self {
        let again = vec![Again::default(); requests];
        Self { ground, again, run: 0, with_conflict: 0, pruned: 0, pruned_at: Vec::new(), is_cut: false }
    }

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
        for (who, (again, attempts)) in self.again.iter_mut().zip(&run.attempts).enumerate() {
            let injected = schedule.0.iter().filter(|choice| **choice == (who, Turn::Conflict)).count();
            let times = attempts.len().saturating_sub(1 + injected);
            again.orders += u32::from(times > 0);
            again.most = again.most.max(u32::try_from(times).unwrap_or(u32::MAX));
        }
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
        let Self { ground, again, run, with_conflict, pruned, is_cut, .. } = self;
        write!(f, "{run} orders run, {with_conflict} of them with a conflict injected")?;
        if *ground == Ground::Model {
            f.write_str(", on the model of Aurora DSQL")?;
        }
        let mut with = "; of its own a conflict had";
        for (who, Again { orders, most }) in again.iter().enumerate().filter(|(_, again)| again.orders > 0) {
            let times = if *most == 1 { String::new() } else { format!(", up to {most} times") };
            write!(f, "{with} request {} run again in {orders}{times}", who + 1)?;
            with = ",";
        }
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
        if let Ground::Postgres(Some(unmodelled)) = ground {
            let known = if unmodelled.statement.is_some() { "the model of Aurora DSQL does not know " } else { "" };
            write!(f, "; on PostgreSQL, since {known}{unmodelled}")?;
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
