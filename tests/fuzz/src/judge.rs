//! The effects of one statement, checked.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::future::{join, join3, join5};
use tenet_core::{Policy, SqlError, SqlState};
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::Subject;
use crate::second;
use crate::words;
use crate::world::World;

/// What becomes of a statement.
#[derive(Debug)]
pub enum Verdict {
    /// The policy does not send it.
    Refused,
    /// It is sent and did nothing that it may not; whether PostgreSQL ran it, and whether the second
    /// reader could read it.
    Passed {
        ran: bool,
        state: String,
        read_twice: bool,
    },
    Found(Finding),
}

/// Something that must not be.
#[derive(Clone, Debug)]
pub struct Finding {
    pub kind: &'static str,
    pub sent: String,
    pub why: String,
}

/// The judge of the statements of one rule.
pub struct Judge {
    pub world: World,
    policy: Arc<dyn Policy>,
    only_reads: fn(&str) -> bool,
    traces: Vec<Vec<Option<String>>>,
    sessions: [Option<String>; 2],
    sent: u32,
}

/// What a statement gave, as far as a rule is shown it.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Rows {
        columns: Vec<String>,
        rows: Vec<Vec<Option<String>>>,
        affected: u64,
    },
    Error(Box<SqlError>),
    /// No answer that could be told from another.
    Unsteady(String),
}

/// One flight: a transaction around one statement.
#[derive(Clone, Debug)]
struct Flight {
    outcome: Outcome,
    begun: Option<String>,
    /// Of the session, in the transaction, behind the statement: nothing where it has failed.
    now: Option<String>,
    session: Option<String>,
    locks: Option<String>,
    transaction: Option<String>,
    /// What was asked of the rows.
    rows: Vec<Option<String>>,
    traces: Vec<Option<String>>,
    lost: bool,
}

/// In which database a statement runs, and as whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Owner,
    Second,
    Role,
    /// As the role, and as it was written.
    Written,
}

/// Behind what a statement with parameters stands.
const PREPARE: &str = "PREPARE tried AS ";

fn in_one(messages: Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>) -> Vec<Vec<Option<String>>> {
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            let row: tokio_postgres::SimpleQueryRow = row;
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    };
    messages.map(|messages| messages.into_iter().filter_map(row).collect()).unwrap_or_default()
}

/// The error of the database as the host reads it.
fn sql_error(error: &tokio_postgres::Error, offset: u32) -> Option<SqlError> {
    let db = error.as_db_error()?;
    let mut error = SqlError::new(SqlState::new(db.code().code())?, db.message());
    error.constraint = db.constraint().map(str::to_owned);
    error.table = db.table().map(str::to_owned);
    error.column = db.column().map(str::to_owned);
    let position = match db.position() {
        Some(ErrorPosition::Original(position)) => Some((position.saturating_sub(offset)).to_string()),
        _ => None,
    };
    let details = [("detail", db.detail()), ("hint", db.hint()), ("position", position.as_deref())];
    error.details =
        details.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    Some(error)
}

/// Runs one statement in a transaction of its own, which is rolled back.
async fn fly(client: &Client, sql: &str, who: Who, given: &str) -> Flight {
    let parameters = parameters(sql);
    // The text as written needs the search path that its author expects.
    let begin = client.simple_query(match who {
        Who::Written => "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL search_path = public; SELECT now()::text",
        _ => "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT now()::text",
    });
    let text = match parameters {
        0 => sql.to_owned(),
        count => {
            format!("{PREPARE}{sql}\n; EXECUTE tried ({})", vec![given; count].join(", "))
        }
    };
    let tried = client.simple_query(&text);
    let asked = client.simple_query(match who {
        Who::Owner => "EXECUTE asked_of_locks; EXECUTE asked_of_session; EXECUTE asked_of_rows",
        Who::Second => "EXECUTE asked_of_session",
        Who::Role | Who::Written => "EXECUTE asked_of_session; SELECT CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN '' ELSE trace.everything() END",
    });
    let end = client.simple_query(match who {
        Who::Role | Who::Written => "ROLLBACK",
        _ => "ROLLBACK; EXECUTE asked_before",
    });
    let forget = async {
        if parameters > 0 {
            // There is none where it could not be prepared.
            let _ = client.simple_query("DEALLOCATE tried").await;
        }
    };
    let (begun, tried, asked, ended, ()) = join5(begin, tried, asked, end, forget).await;
    let lost = client.is_closed();
    let outcome = match tried {
        Ok(messages) => {
            let (mut columns, mut rows, mut affected) = (Vec::new(), Vec::new(), 0);
            for message in messages {
                match message {
                    SimpleQueryMessage::RowDescription(description) => {
                        columns.extend(description.iter().map(|column| column.name().to_owned()));
                    }
                    SimpleQueryMessage::Row(row) => {
                        rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
                    }
                    SimpleQueryMessage::CommandComplete(count) => affected += count,
                    _ => {}
                }
            }
            Outcome::Rows { columns, rows, affected }
        }
        Err(error) => {
            let offset = if parameters > 0 { PREPARE.len() as u32 } else { 0 };
            match sql_error(&error, offset) {
                // Too long, too large, too deep: where exactly is no matter of the rows.
                Some(error) if ["57", "53", "54", "40", "55"].contains(&error.sqlstate.class()) => {
                    Outcome::Unsteady(error.sqlstate.to_string())
                }
                Some(error) => Outcome::Error(Box::new(error)),
                None => Outcome::Unsteady(error.to_string()),
            }
        }
    };
    // Where there was no time to ask, nothing is known.
    let outcome = match &asked {
        Err(error) if error.code().is_some_and(|code| code.code() == "57014") => Outcome::Unsteady("57014".to_owned()),
        _ => outcome,
    };
    let begun = in_one(begun).into_iter().next().and_then(|row| row.into_iter().next().flatten());
    let mut asked = in_one(asked).into_iter();
    let locks = if who == Who::Owner { asked.next().and_then(|row| row.into_iter().next().flatten()) } else { None };
    let session = asked.next().unwrap_or_default();
    let get = |at: usize| session.get(at).cloned().flatten();
    Flight {
        outcome,
        begun,
        now: get(0),
        session: get(1),
        locks,
        transaction: get(2),
        rows: asked.next().unwrap_or_default(),
        traces: in_one(ended).into_iter().next().unwrap_or_default(),
        lost,
    }
}

/// What the parameters of a statement are given.
fn given(sql: &str) -> &'static str {
    if sql.len().is_multiple_of(2) { "NULL" } else { "'1'" }
}

/// The greatest number of a parameter.
fn parameters(sql: &str) -> usize {
    if !sql.contains('$') {
        return 0;
    }
    let number = |word: String| word.strip_prefix('$').and_then(|digits| digits.parse().ok());
    words::cut(sql).into_iter().filter_map(number).max().unwrap_or(0).min(20)
}

impl Judge {
    /// A judge over the statements of a world.
    pub fn new(world: World, subject: &Subject) -> Self {
        let policy = world.rule.policy(subject);
        Self {
            world,
            policy,
            only_reads: subject.only_reads,
            traces: vec![Vec::new(); 2],
            sessions: [None, None],
            sent: 0,
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

    /// Holds one statement against everything.
    pub async fn judge(&mut self, sql: &str) -> anyhow::Result<Verdict> {
        let sent = match self.sent(sql) {
            Ok(None) => return Ok(Verdict::Refused),
            Ok(Some(sent)) => sent,
            Err(finding) => return Ok(Verdict::Found(finding)),
        };
        self.sent += 1;
        if self.sent.is_multiple_of(3000) {
            self.world.tidy().await?;
        }
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
        let (ran, state) = match &first.outcome {
            Outcome::Rows { .. } => (true, String::new()),
            Outcome::Error(error) => (false, format!("{} {}", error.sqlstate, shape(&error.message))),
            Outcome::Unsteady(state) => (false, state.clone()),
        };
        Ok(Verdict::Passed { ran, state, read_twice: reading == Ok(true) })
    }

    /// The flight as the rule is shown its outcome.
    fn shown(&self, sql: &str, mut flight: Flight) -> Flight {
        flight.outcome = match flight.outcome {
            Outcome::Error(error) if error.sqlstate.is_for_rules() => {
                Outcome::Error(Box::new(self.policy.shown(&self.world.rule.name, sql, *error)))
            }
            outcome => outcome,
        };
        flight
    }

    /// What the owner's flights must not have done.
    fn of_owner(&mut self, sql: &str, flights: [&Flight; 2]) -> Option<(&'static str, String)> {
        let own = flights.map(|flight| flight.traces.clone()).to_vec();
        let before = std::mem::replace(&mut self.traces, own);
        for (which, flight) in flights.into_iter().enumerate() {
            if flight.lost {
                return Some(("the connection is lost", String::new()));
            }
            let traces = &before[which];
            if !traces.is_empty() && *traces != flight.traces {
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
                    // What is kept is that of the first database.
                    if which == 0
                        && let Some(found) = self.rows(&flight.rows)
                    {
                        return Some(found);
                    }
                    let writes = (self.only_reads)(sql) && !sql.to_ascii_uppercase().contains("UPDATE");
                    if writes {
                        return Some(("it was taken for a read and writes", String::new()));
                    }
                }
            } else if flight.now.is_some() {
                return Some(("the transaction goes on after an error", String::new()));
            }
            let text = match &flight.outcome {
                Outcome::Rows { rows, columns, .. } => {
                    let mut text = columns.join(" ");
                    for cell in rows.iter().flatten().flatten() {
                        text.push(' ');
                        text.push_str(cell);
                    }
                    text
                }
                Outcome::Error(error) => format!(
                    "{} {:?} {:?} {:?} {:?}",
                    error.message, error.constraint, error.table, error.column, error.details
                ),
                Outcome::Unsteady(_) => String::new(),
            };
            if text.len() >= 7
                && let Some(value) = self.world.hidden.iter().find(|value| text.contains(value.as_str()))
            {
                return Some(("a value is shown that may not be read", format!("{value} in {}", short(&text))));
            }
        }
        None
    }

    fn locks(&self, locks: &str) -> Option<String> {
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

    fn rows(&self, rows: &[Option<String>]) -> Option<(&'static str, String)> {
        let [Some(locked), Some(kept)] = rows else { return None };
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

    /// What is different where nothing is but what may not be read.
    async fn differs(&mut self, sql: &str, sent: &str, first: &Flight, second: &Flight) -> Option<String> {
        let is_steady = |flight: &Flight| !matches!(flight.outcome, Outcome::Unsteady(_));
        if first.outcome == second.outcome || !is_steady(first) || !is_steady(second) {
            return None;
        }
        // Twice more, since a clock or a random number would do this too, and so would another plan.
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

    /// What the text as it was written gives that the one that is sent does not.
    async fn means_another(&self, sql: &str, sent: &str, role: &Flight, own: &Flight) -> Option<String> {
        let differ = |one: &Flight, other: &Flight| match (&one.outcome, &other.outcome) {
            (Outcome::Rows { .. }, Outcome::Rows { .. }) => {
                let both_write = one.transaction.is_some() && other.transaction.is_some();
                one.outcome != other.outcome || (both_write && one.rows != other.rows)
            }
            // What only the host can read, and what the host reads more strictly, does no harm; names
            // and places are written differently.
            (Outcome::Error(one), Outcome::Error(other)) => {
                one.sqlstate != other.sqlstate
                    && !["42", "0A"].contains(&other.sqlstate.class())
                    && !["42", "0A"].contains(&one.sqlstate.class())
            }
            // What PostgreSQL refuses of the text as it was written, and the host reads, does no harm.
            (Outcome::Rows { .. }, Outcome::Error(other)) => {
                !["42", "0A"].contains(&other.sqlstate.class()) || other.sqlstate.as_str() == "42501"
            }
            (Outcome::Error(_), Outcome::Rows { .. }) => true,
            _ => false,
        };
        if !differ(role, own) {
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

/// A message without what is in quotes and numbers in it.
fn shape(message: &str) -> String {
    let mut shape = String::new();
    let mut quoted = false;
    for c in message.chars() {
        if c == '"' {
            quoted = !quoted;
        } else if !quoted && !c.is_ascii_digit() {
            shape.push(c);
        }
    }
    shape.chars().take(60).collect()
}

fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Rows { columns, rows, affected } => {
            let rows: Vec<String> = rows
                .iter()
                .map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join("|"))
                .collect();
            short(&format!("[{}] {affected}: {}", columns.join("|"), rows.join(" / ")))
        }
        Outcome::Error(error) => short(&format!(
            "{} {} {:?} {:?} {:?}",
            error.sqlstate, error.message, error.constraint, error.column, error.details
        )),
        Outcome::Unsteady(why) => why.clone(),
    }
}
