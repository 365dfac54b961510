//! Checks the effects of one statement.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::future::{join, join3};
use tenet_core::Policy;

use crate::Subject;
use crate::flight::{Flight, Who, fly, given};
use crate::many::Many;
use crate::outcome::{Outcome, short, told};
use crate::second;
use crate::world::World;

/// The result for a statement.
#[derive(Debug)]
pub enum Verdict {
    /// The policy does not send it.
    Refused,
    /// It was sent and had no forbidden effect. The members say whether PostgreSQL ran it, and
    /// whether the second parser could parse it.
    Passed {
        ran: bool,
        state: String,
        read_twice: bool,
    },
    Found(Finding),
}

/// A forbidden effect.
#[derive(Clone, Debug)]
pub struct Finding {
    pub kind: &'static str,
    pub sent: String,
    pub why: String,
}

/// Checks the statements of one rule.
pub struct Judge {
    pub world: World,
    policy: Arc<dyn Policy>,
    only_reads: fn(&str) -> bool,
    pub(crate) traces: Vec<Vec<Option<String>>>,
    sessions: [Option<String>; 2],
    pub(crate) sent: u32,
    pub(crate) many: Many,
}

impl Judge {
    /// A judge for the statements of a world.
    pub fn new(world: World, subject: &Subject) -> Self {
        let policy = world.rule.policy(subject);
        Self {
            world,
            policy,
            only_reads: subject.only_reads,
            traces: vec![Vec::new(); 2],
            sessions: [None, None],
            sent: 0,
            many: Many::default(),
        }
    }

    pub fn policy(&self) -> &dyn Policy {
        self.policy.as_ref()
    }

    /// The text that the policy sends for a statement.
    pub fn sent(&self, sql: &str) -> Result<Option<Arc<str>>, Finding> {
        let rule = &self.world.rule.name;
        let policy = &self.policy;
        match catch_unwind(AssertUnwindSafe(|| policy.statement(rule, sql))) {
            Ok(answer) => Ok(answer.ok()),
            Err(_) => Err(Finding { kind: "the policy panics", sent: String::new(), why: String::new() }),
        }
    }

    /// Whether the policy takes it for read-only.
    pub(crate) fn is_read(&self, sql: &str) -> bool {
        (self.only_reads)(sql) && !sql.to_ascii_uppercase().contains("UPDATE")
    }

    /// Checks one statement in all ways.
    pub async fn judge(&mut self, sql: &str) -> anyhow::Result<Verdict> {
        let sent = match self.sent(sql) {
            Ok(None) => return Ok(Verdict::Refused),
            Ok(Some(sent)) => sent,
            Err(finding) => return Ok(Verdict::Found(finding)),
        };
        let (first, second, (role, own)) = {
            let World { first, second, role, .. } = &self.world;
            let given = given(sql);
            let in_role = async {
                let sent = fly(role, &sent, Who::Role, given).await;
                let own = fly(role, sql, Who::Written, given).await;
                (sent, own)
            };
            join3(fly(first, &sent, Who::Owner, given), fly(second, &sent, Who::Second, given), in_role).await
        };
        let (first, second) = (self.shown(sql, first), self.shown(sql, second));
        let found = |kind, why| Ok(Verdict::Found(Finding { kind, sent: sent.to_string(), why }));
        if let Some((kind, why)) = self.of_owner(sql, [&first, &second]) {
            return found(kind, why);
        }
        if let Some(why) = self.differs(sql, &sent, &first, &second).await {
            return found("what may not be read makes a difference", why);
        }
        if let Outcome::Error(error) = &role.outcome
            && error.sqlstate.as_str() == "42501"
        {
            return found("the role misses a right", error.message.clone());
        }
        if let (Outcome::Error(error), false) = (&role.outcome, matches!(&own.outcome, Outcome::Error(_)))
            && error.sqlstate.as_str() == "42601"
        {
            return found("what is sent is not read", told(&role.outcome));
        }
        if let Some(why) = self.means_another(sql, &sent, &role, &own).await {
            return found("it means something else as it was written", why);
        }
        let reading = second::compare(sql, &sent, &self.world.rule);
        if let Err(why) = reading {
            return found("a second reader sees something else", why);
        }
        let (ran, state) = first.outcome.told_apart();
        Ok(Verdict::Passed { ran, state, read_twice: reading == Ok(true) })
    }

    /// The flight with its outcome as the rule sees it.
    fn shown(&self, sql: &str, mut flight: Flight) -> Flight {
        flight.outcome = self.shown_outcome(sql, flight.outcome);
        flight
    }

    pub(crate) fn shown_outcome(&self, sql: &str, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Error(error) if error.sqlstate.is_for_rules() => {
                Outcome::Error(Box::new(self.policy.shown(&self.world.rule.name, sql, *error)))
            }
            outcome => outcome,
        }
    }

    /// A value in the outcome that the rule may not read.
    pub(crate) fn shows(&self, outcome: &Outcome) -> Option<String> {
        let text = outcome.text();
        if text.len() < 7 {
            return None;
        }
        let value = self.world.hidden.iter().find(|value| text.contains(value.as_str()))?;
        Some(format!("{value} in {}", short(&text)))
    }

    /// A day around the database's own date in the outcome. No row has such a day.
    pub(crate) fn shows_today(&self, outcome: &Outcome) -> Option<String> {
        let text = outcome.text();
        self.world.days.iter().find(|day| text.contains(day.as_str())).cloned()
    }

    /// Checks the flights of the owner for forbidden effects.
    fn of_owner(&mut self, sql: &str, flights: [&Flight; 2]) -> Option<(&'static str, String)> {
        let own = flights.map(|flight| flight.traces.clone()).to_vec();
        let before = std::mem::replace(&mut self.traces, own);
        for (which, flight) in flights.into_iter().enumerate() {
            if flight.lost {
                return Some(("the connection is lost", String::new()));
            }
            let traces = &before[which];
            if !traces.is_empty() && !flight.traces.is_empty() && *traces != flight.traces {
                let names = [
                    "",
                    "a function of the team ran",
                    "an operator of the team ran",
                    "a cast of the team ran",
                    "a sequence moved that is not granted",
                ];
                let at = traces.iter().zip(&flight.traces).position(|(before, after)| before != after).unwrap_or(4);
                return Some((
                    names.get(at).copied().unwrap_or("a sequence moved that is not granted"),
                    format!("{traces:?} {:?}", flight.traces),
                ));
            }
            if matches!(flight.outcome, Outcome::Rows { .. }) {
                if flight.now.is_none() || flight.now != flight.begun {
                    return Some(("the transaction is another", format!("{:?} {:?}", flight.begun, flight.now)));
                }
                let session = self.sessions[which].get_or_insert_with(|| flight.session.clone().unwrap_or_default());
                if flight.session.as_ref() != Some(session) {
                    return Some(("the session is another", format!("{:?} and was {session:?}", flight.session)));
                }
                if let Some(why) = self.locks(flight.locks.as_deref().unwrap_or_default()) {
                    return Some(("a lock is held that may not be", why));
                }
                if flight.transaction.is_some() {
                    // The rows to be kept are those of the first database.
                    if which == 0
                        && let Some(found) = self.rows(&flight.rows)
                    {
                        return Some(found);
                    }
                    if self.is_read(sql) {
                        return Some(("it was taken for a read and writes", String::new()));
                    }
                }
            } else if flight.now.is_some() {
                return Some(("the transaction goes on after an error", String::new()));
            }
            if let Some(why) = self.shows(&flight.outcome) {
                return Some(("a value is shown that may not be read", why));
            }
            if let Some(day) = self.shows_today(&flight.outcome) {
                return Some(("the time of the database is shown", day));
            }
            if flight.outcome.is_too_deep() {
                return Some(("it is too deep for PostgreSQL", String::new()));
            }
        }
        None
    }

    pub(crate) fn locks(&self, locks: &str) -> Option<String> {
        for lock in locks.split(',').filter(|lock| !lock.is_empty()) {
            let (of, mode) = lock.split_once(' ')?;
            let Ok(oid) = of.parse::<u32>() else { return Some(lock.to_owned()) };
            let allowed = match self.world.may_lock.get(&oid) {
                None => false,
                Some(true) => ["AccessShareLock", "RowShareLock", "RowExclusiveLock"].contains(&mode),
                Some(false) => mode == "AccessShareLock",
            };
            if !allowed {
                return Some(format!("{mode} of {}", self.world.name_of(oid)));
            }
        }
        None
    }

    pub(crate) fn rows(&self, rows: &[Option<String>]) -> Option<(&'static str, String)> {
        let [Some(locked), Some(kept), ..] = rows else { return None };
        if locked != "0" {
            return Some(("rows are locked that may not be changed", locked.clone()));
        }
        let mut there = BTreeSet::new();
        for row in kept.split(',') {
            match row.strip_suffix(" new") {
                Some(table) if self.world.may_grow.contains(table) => {}
                Some(_) => return Some(("a row is new that may not be", row.to_owned())),
                None if self.world.kept.contains(row) => {
                    there.insert(row);
                }
                None => return Some(("what may not be changed is another", row.to_owned())),
            }
        }
        let gone = self.world.kept.iter().find(|row| {
            !there.contains(row.as_str())
                && !row.split(' ').next().is_some_and(|table| self.world.may_shrink.contains(table))
        });
        gone.map(|row| ("a row is gone that may not be deleted", row.clone()))
    }

    /// The difference between two outcomes in databases that differ only in what the rule may not
    /// read.
    async fn differs(&mut self, sql: &str, sent: &str, first: &Flight, second: &Flight) -> Option<String> {
        let is_steady = |flight: &Flight| !matches!(flight.outcome, Outcome::Unsteady(_));
        if first.outcome == second.outcome || !is_steady(first) || !is_steady(second) {
            return None;
        }
        // Runs both twice more, because a clock, a random number or another plan could also cause
        // the difference.
        if self.world.tidy().await.is_err() {
            return None;
        }
        for _ in 0..2 {
            let World { first: a, second: b, .. } = &self.world;
            let (again_first, again_second) =
                join(fly(a, sent, Who::Owner, given(sql)), fly(b, sent, Who::Second, given(sql))).await;
            let again = [self.shown(sql, again_first), self.shown(sql, again_second)];
            self.traces = vec![Vec::new(); 2];
            if again[0].outcome != first.outcome || again[1].outcome != second.outcome {
                return None;
            }
        }
        Some(format!("{} and {}", told(&first.outcome), told(&second.outcome)))
    }

    /// A result of the original text that the sent text does not have.
    async fn means_another(&self, sql: &str, sent: &str, role: &Flight, own: &Flight) -> Option<String> {
        let both_write = role.transaction.is_some() && own.transaction.is_some();
        let differ = mean_another(&role.outcome, &own.outcome) || (both_write && role.rows != own.rows);
        if !differ {
            return None;
        }
        for _ in 0..2 {
            let client = &self.world.role;
            let again =
                [fly(client, sent, Who::Role, given(sql)).await, fly(client, sql, Who::Written, given(sql)).await];
            if again[0].outcome != role.outcome || again[1].outcome != own.outcome || again[1].rows != own.rows {
                return None;
            }
        }
        Some(format!("sent {} written {}", told(&role.outcome), told(&own.outcome)))
    }
}

/// Whether the original text has a result that the sent text does not have.
pub(crate) fn mean_another(sent: &Outcome, written: &Outcome) -> bool {
    let is_strict = |state: &str| ["42", "0A"].iter().any(|class| state.starts_with(class));
    match (sent, written) {
        (Outcome::Rows { .. }, Outcome::Rows { .. }) => sent != written,
        // It does no harm if only the host's text can be read, or if the host is stricter. Names
        // and places are written differently.
        (Outcome::Error(one), Outcome::Error(other)) => {
            one.sqlstate != other.sqlstate && !is_strict(one.sqlstate.as_str()) && !is_strict(other.sqlstate.as_str())
        }
        // It does no harm if PostgreSQL refuses the original text and the host accepts it.
        (Outcome::Rows { .. }, Outcome::Error(other)) => {
            !is_strict(other.sqlstate.as_str()) || other.sqlstate.as_str() == "42501"
        }
        (Outcome::Error(_), Outcome::Rows { .. }) => true,
        _ => false,
    }
}
