//! Checks many statements together. Each is analysed, run and compared as in a check of one
//! statement, but the effects that are forbidden for all read-only statements are queried once for
//! all of them.
//!
//! If anything is not clearly correct, the statements are checked again one by one, so that a
//! finding always belongs to one statement. Three things are cheaper than in [`Judge::judge`]
//! without seeing less:
//!
//! - A statement that PostgreSQL refuses during analysis (PREPARE does nothing else) has read no
//!   row, so the second database adds nothing. The original text is only analysed too: PostgreSQL
//!   must not accept it.
//! - A read-only statement runs in a READ ONLY transaction: no row and no sequence can change. A
//!   team's function, which increments a sequence, fails with an error of its own class (25006).
//! - In the second database a role with the rule's privileges runs it. If a privilege is missing,
//!   the outcome differs from the owner's in the first.

use std::sync::Arc;

use anyhow::ensure;
use futures_util::future::{join, join_all, join3};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::flight::{PREPARE, given, parameters, with_parameters};
use crate::judge::{Finding, Judge, Verdict, mean_another};
use crate::outcome::{Outcome, in_one};
use crate::second;
use crate::world::World;

/// After this many statements, the dead rows that they left are removed.
const TIDY: u32 = 6000;

/// The number of attempts to query the counters.
const ASKED: usize = 20;

const READ_WRITE: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE";

/// State that is kept between calls.
#[derive(Default)]
pub(crate) struct Many {
    /// The numbers of the statements that are prepared in the first database.
    prepared: Vec<u64>,
    /// The next number.
    next: u64,
    /// The session's state in a READ ONLY transaction, and in another.
    sessions: [Option<String>; 2],
    /// The number of statements that were checked one by one.
    pub(crate) alone: u64,
}

/// A statement that the policy allows.
struct Tried<'a> {
    /// Its index among all statements of the call.
    at: usize,
    /// Its number among all statements ever prepared.
    number: u64,
    sql: &'a str,
    sent: Arc<str>,
    is_read: bool,
    parameters: usize,
}

impl Tried<'_> {
    fn execute(&self) -> String {
        let given = vec![given(self.sql); self.parameters].join(", ");
        let of = if self.parameters > 0 { format!(" ({given})") } else { String::new() };
        format!("EXECUTE tried_{}{of}", self.number)
    }

    fn prepare(&self) -> String {
        format!("PREPARE tried_{} AS ", self.number)
    }
}

/// The result of a statement outside of the first database.
struct Ran {
    outcome: Outcome,
    /// The contents of all tables after it, if it has written.
    everything: Option<String>,
}

/// The result of a statement in the first database.
struct Flown {
    outcome: Outcome,
    everything: Option<String>,
    is_odd: bool,
}

/// Whether PostgreSQL accepts the text as one statement. The error is its own.
async fn analyse(client: &Client, prepare: &str, sql: &str) -> Result<bool, Outcome> {
    let answer = client.simple_query(&format!("{prepare}{sql}")).await;
    match answer {
        Ok(messages) => {
            let is_end = |message: &&SimpleQueryMessage| matches!(message, SimpleQueryMessage::CommandComplete(_));
            Ok(messages.iter().filter(is_end).count() == 1)
        }
        Err(_) => Err(Outcome::of(answer, prepare.len())),
    }
}

/// Runs it outside of the first database.
async fn run(client: &Client, sql: &str, tried: &Tried<'_>, asks: bool) -> Ran {
    let text = with_parameters(sql, tried.parameters, given(tried.sql));
    let offset = if tried.parameters > 0 { PREPARE.len() } else { 0 };
    let forget = async {
        if tried.parameters > 0 {
            // This fails if the statement could not be prepared, which is fine.
            let _ = client.simple_query("DEALLOCATE tried").await;
        }
    };
    if tried.is_read {
        let (answer, ()) = join(client.simple_query(&text), forget).await;
        return Ran { outcome: Outcome::of(answer, offset), everything: None };
    }
    let asked = async {
        match asks {
            true => in_one(client.simple_query("EXECUTE asked_of_everything").await),
            false => Vec::new(),
        }
    };
    let begun = format!("{READ_WRITE}; {text}");
    let offset = offset + begun.len() - text.len();
    let end = join(client.simple_query("ROLLBACK"), forget);
    let (answer, asked, _) = join3(client.simple_query(&begun), asked, end).await;
    let everything = asked.into_iter().flatten().flatten().next();
    Ran { outcome: Outcome::of(answer, offset), everything }
}

impl Judge {
    /// Checks each of these statements in all ways.
    pub async fn judge_all(&mut self, statements: &[String]) -> anyhow::Result<Vec<Verdict>> {
        let mut verdicts: Vec<Verdict> = statements.iter().map(|_| Verdict::Refused).collect();
        let mut all = Vec::new();
        for (at, sql) in statements.iter().enumerate() {
            match self.sent(sql) {
                Ok(None) => {}
                Ok(Some(sent)) => {
                    let parameters = parameters(&sent);
                    self.many.next += 1;
                    let (number, is_read) = (self.many.next, self.is_read(sql));
                    all.push(Tried { at, number, sql, sent, is_read, parameters });
                }
                Err(finding) => verdicts[at] = Verdict::Found(finding),
            }
        }
        self.sent += all.len() as u32;
        if self.sent > TIDY {
            self.sent = 0;
            self.world.tidy().await?;
        }
        self.begin(&all).await;
        let (mut analysed, mut alone) = (Vec::new(), Vec::new());
        for (tried, answer) in all.iter().zip(self.analysed(&all).await) {
            match answer {
                Ok(true) => analysed.push(tried),
                Ok(false) => alone.push(tried),
                Err(outcome) if !outcome.is_steady() || outcome.state() == Some("25P02") => alone.push(tried),
                Err(outcome) => match self.passed(tried, &outcome) {
                    Some(verdict) => verdicts[tried.at] = verdict,
                    None => alone.push(tried),
                },
            }
        }
        for (tried, verdict) in analysed.iter().zip(self.flown(&analysed).await) {
            match verdict {
                Some(verdict) => verdicts[tried.at] = verdict,
                None => alone.push(tried),
            }
        }
        let World { first, second, limited, written, .. } = &self.world;
        ensure!(
            [first, second, limited, written].into_iter().all(|client| !client.is_closed()),
            "a connection is lost, at one of {statements:#?}"
        );
        let traces = self.traces().await;
        let is_moved = std::mem::replace(&mut self.traces, traces.clone()) != traces;
        let judged: Vec<&Tried<'_>> = if is_moved { all.iter().collect() } else { alone };
        self.many.alone += judged.len() as u64;
        let mut is_found = false;
        for tried in &judged {
            verdicts[tried.at] = self.judge(tried.sql).await?;
            is_found |= matches!(verdicts[tried.at], Verdict::Found(_));
        }
        if let (true, false, Some(tried)) = (is_moved, is_found, judged.first()) {
            let kind = "something of the team ran, and does not alone";
            verdicts[tried.at] = Verdict::Found(Finding { kind, sent: tried.sent.to_string(), why: String::new() });
        }
        Ok(verdicts)
    }

    /// The number of statements that were checked one by one.
    pub fn alone(&self) -> u64 {
        self.many.alone
    }

    /// Prepares what has to be the same for all statements, in every database.
    async fn begin(&mut self, all: &[Tried<'_>]) {
        if self.traces.iter().any(Vec::is_empty) {
            self.traces = self.traces().await;
        }
        let World { first, second, written, .. } = &self.world;
        if all.iter().any(|tried| tried.sent.contains("nextval")) {
            let again = format!("{READ_WRITE}; SELECT trace.again(); COMMIT");
            for client in [first, second, written] {
                // If this times out, the outcomes differ, and the statements are checked one by
                // one.
                let _ = join(client.simple_query(&again), client.simple_query("ROLLBACK")).await;
            }
        }
        let old = std::mem::take(&mut self.many.prepared);
        let old: Vec<String> = old.into_iter().map(|number| format!("DEALLOCATE tried_{number}")).collect();
        if !old.is_empty() {
            // A left-over one does no harm: names are unique.
            let _ = first.batch_execute(&old.join("; ")).await;
        }
    }

    /// The counters in the first two databases. Empty if the query timed out on a busy machine.
    async fn traces(&self) -> Vec<Vec<Option<String>>> {
        let World { first, second, .. } = &self.world;
        let ask = async |client: &Client| {
            let mut traces = Vec::new();
            for _ in 0..ASKED {
                traces =
                    in_one(client.simple_query("EXECUTE asked_before").await).into_iter().next().unwrap_or_default();
                if !traces.is_empty() || client.is_closed() {
                    break;
                }
            }
            traces
        };
        let (one, two) = join(ask(first), ask(second)).await;
        vec![one, two]
    }

    /// For each text whether PostgreSQL accepts it as one statement, or its error.
    async fn analysed(&mut self, all: &[Tried<'_>]) -> Vec<Result<bool, Outcome>> {
        let World { first, written, .. } = &self.world;
        let sent = all.iter().map(|tried| async move { (tried, analyse(first, &tried.prepare(), &tried.sent).await) });
        let sent = join_all(sent).await;
        self.many.prepared = sent.iter().filter(|(_, answer)| answer.is_ok()).map(|(tried, _)| tried.number).collect();
        let as_written = sent.into_iter().map(|(tried, answer)| async move {
            if answer.is_err() && analyse(written, PREPARE, tried.sql).await.is_ok() {
                let _ = written.simple_query("DEALLOCATE tried").await;
                return Ok(false);
            }
            answer
        });
        join_all(as_written).await
    }

    /// The verdict for an allowed outcome. `None` if the outcome is not allowed.
    fn passed(&self, tried: &Tried<'_>, outcome: &Outcome) -> Option<Verdict> {
        if self.shows(outcome).is_some() || self.shows_today(outcome).is_some() || outcome.is_too_deep() {
            return None;
        }
        let read_twice = second::compare(tried.sql, &tried.sent, &self.world.rule).ok()?;
        let (ran, state) = outcome.told_apart();
        Some(Verdict::Passed { ran, state, read_twice })
    }

    /// Runs the statements that could be analysed. `None` for those that have to be checked one by
    /// one.
    async fn flown(&mut self, all: &[&Tried<'_>]) -> Vec<Option<Verdict>> {
        let World { limited, written, .. } = &self.world;
        let (limited, written) = join(
            join_all(all.iter().map(|tried| run(limited, &tried.sent, tried, false))),
            join_all(all.iter().map(|tried| run(written, tried.sql, tried, true))),
        )
        .await;
        let runs = |at: &usize| all[*at].is_read && limited[*at].outcome.is_rows();
        let (reads, others): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(runs);
        let mut first: Vec<Option<Flown>> = all.iter().map(|_| None).collect();
        let outcomes = self.read(&reads.iter().map(|at| all[*at]).collect::<Vec<_>>()).await;
        for (at, outcome) in reads.into_iter().zip(outcomes.into_iter().flatten()) {
            first[at] = Some(Flown { outcome, everything: None, is_odd: false });
        }
        let flown = join_all(others.iter().map(|at| self.fly_one(all[*at]))).await;
        for (at, (flown, session)) in others.into_iter().zip(flown) {
            self.many.sessions[1] = self.many.sessions[1].take().or(session);
            first[at] = Some(flown);
        }
        let compared = all.iter().zip(first).zip(limited.into_iter().zip(written));
        compared.map(|((tried, first), (limited, written))| self.compared(tried, first?, limited, written)).collect()
    }

    fn compared(&self, tried: &Tried<'_>, first: Flown, limited: Ran, written: Ran) -> Option<Verdict> {
        if first.is_odd || mean_another(&first.outcome, &written.outcome) {
            return None;
        }
        if first.everything.is_some() && written.everything.is_some() && first.everything != written.everything {
            return None;
        }
        let is_another = |outcome: &Outcome| matches!(outcome.state(), Some("42501" | "25006" | "25P02"));
        if is_another(&first.outcome) || is_another(&limited.outcome) || is_another(&written.outcome) {
            return None;
        }
        let is_steady = first.outcome.is_steady() && limited.outcome.is_steady();
        let first = self.shown_outcome(tried.sql, first.outcome);
        let second = self.shown_outcome(tried.sql, limited.outcome);
        if (is_steady && first != second) || self.shows(&second).is_some() {
            return None;
        }
        self.passed(tried, &first)
    }

    /// Runs the read-only statements that should return rows in one transaction. `None` if anything
    /// is not as expected.
    async fn read(&mut self, all: &[&Tried<'_>]) -> Option<Vec<Outcome>> {
        let first = &self.world.first;
        let mut text = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT now()::text".to_owned();
        for tried in all {
            text.push_str("; ");
            text.push_str(&tried.execute());
        }
        text.push_str("; EXECUTE asked_of_locks; EXECUTE asked_of_session");
        let (answer, _) = join(first.simple_query(&text), first.simple_query("ROLLBACK")).await;
        let mut outcomes = Outcome::of_each(answer.ok()?).into_iter().skip(1);
        let begun = outcomes.next()?.first_row();
        let given: Vec<Outcome> = outcomes.by_ref().take(all.len()).collect();
        let locks = outcomes.next()?.first_row();
        let [now, session, transaction] = <[Option<String>; 3]>::try_from(outcomes.next()?.first_row()).ok()?;
        let is_known = self.many.sessions[0].get_or_insert_with(|| session.clone().unwrap_or_default());
        let is_same = session.as_ref() == Some(is_known) && now.is_some() && begun.first() == Some(&now);
        let locks = locks.into_iter().next().flatten().unwrap_or_default();
        let is_in_order = is_same && transaction.is_none() && self.locks(&locks).is_none();
        is_in_order.then_some(given)
    }

    /// Runs one statement in a transaction of its own, and queries its effects. Returns the
    /// session's state too.
    async fn fly_one(&self, tried: &Tried<'_>) -> (Flown, Option<String>) {
        let first = &self.world.first;
        let offset = tried.prepare().len();
        if tried.is_read {
            // It has failed once, so there will be nothing to query.
            let outcome = Outcome::of(first.simple_query(&tried.execute()).await, offset);
            let is_odd = outcome.is_rows();
            return (Flown { outcome, everything: None, is_odd }, None);
        }
        let begin = format!("{READ_WRITE}; SELECT now()::text; {}", tried.execute());
        let asked = "EXECUTE asked_of_locks; EXECUTE asked_of_session; EXECUTE asked_of_rows";
        let (answer, asked, _) =
            join3(first.simple_query(&begin), first.simple_query(asked), first.simple_query("ROLLBACK")).await;
        let messages = match answer {
            Ok(messages) => messages,
            Err(error) => {
                let is_odd = asked.is_ok();
                return (Flown { outcome: Outcome::of(Err(error), offset), everything: None, is_odd }, None);
            }
        };
        let mut outcomes = Outcome::of_each(messages).into_iter().skip(1);
        let begun = outcomes.next().map(Outcome::first_row).unwrap_or_default();
        let outcome = outcomes.next().unwrap_or_else(|| Outcome::Unsteady("nothing".to_owned()));
        let [locks, session, rows] = <[Vec<Option<String>>; 3]>::try_from(in_one(asked)).unwrap_or_default();
        let locks = locks.into_iter().next().flatten().unwrap_or_default();
        let [now, session, transaction] = <[Option<String>; 3]>::try_from(session).unwrap_or_default();
        let known = self.many.sessions[1].as_ref().or(session.as_ref());
        let is_odd = now.is_none()
            || begun.first() != Some(&now)
            || session.as_ref() != known
            || self.locks(&locks).is_some()
            || (transaction.is_some() && self.rows(&rows).is_some());
        let everything = rows.get(2).cloned().flatten();
        (Flown { outcome, everything, is_odd }, session)
    }
}
