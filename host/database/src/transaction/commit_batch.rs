use tenet_core::{Claim, Digest, Fault, IdempotencyKey, Mutant, Staged, StoredAnswer};
use tokio_postgres::Error;

use crate::connect::connection::Connection;
use crate::statements::answer_timeout::{AnswerTimeout, Silence};
use crate::statements::columns::Tally;
use crate::statements::failure::{self, QueryError, QueryFailure};
use crate::statements::flight::{Message, Pipelined, send_pipelined};
use crate::statements::query::Query;
use crate::transaction::commands::{ROLLBACK, begin};
use crate::transaction::{follow_ups, keys, outbox};

/// The last flight of a transaction: everything that stores its answer, including COMMIT.
pub(crate) struct CommitBatch<'t> {
    pub(crate) claim: &'t Claim,
    pub(crate) key: &'t IdempotencyKey,
    pub(crate) digest: Digest,
    /// The state that it starts from.
    pub(crate) from: CommitStart,
    pub(crate) accepted: bool,
    pub(crate) answer: String,
    pub(crate) staged: Staged,
}

/// The state that a [`CommitBatch`] starts from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitStart {
    /// A transaction whose writes are kept.
    Begun,
    /// A transaction whose writes are undone: ROLLBACK and BEGIN come first.
    ToUndo,
    /// No transaction, with the key looked up.
    Ended,
    /// Nothing was sent: BEGIN and the look-up of the key come first.
    Nothing,
}

/// The result, and whether the connection has no transaction now.
pub(crate) enum CommitResult {
    /// The answer is stored.
    Committed,
    /// Another answer was already stored.
    Answered(StoredAnswer, bool),
    /// Certainly nothing was changed.
    NotCommitted(Fault, bool),
    /// The result is unknown.
    Unknown(Fault),
    /// Not known yet: COMMIT was not answered in time.
    Silent(Silence),
}

impl CommitBatch<'_> {
    /// Sends the flight and classifies the answers.
    pub(crate) async fn execute(self, connection: &Connection, timeout: AnswerTimeout) -> CommitResult {
        let Self { claim, key, digest, from, accepted, answer, staged } = self;
        let answer = StoredAnswer { accepted, body: answer, digest, now: claim.now };
        let prepared = || {
            let look_up = if from == CommitStart::Nothing { Some(keys::look_up(claim, key)?) } else { None };
            let mut rows = outbox::store(staged.events)?;
            rows.extend(follow_ups::store(staged.follow_ups)?);
            // Behind the key row, which is stored only while the follow-up is there.
            let of = claim.follow_up.filter(|_| !Mutant::FollowUpRowKept.is_alive());
            let removal = of.map(follow_ups::remove).transpose()?;
            Ok((rows, look_up, keys::store(claim, key, answer)?, removal))
        };
        let (rows, look_up, key_row, removal) = match prepared() {
            Ok(prepared) => prepared,
            Err(fault) => return CommitResult::NotCommitted(fault, false),
        };
        if timeout.is_over() {
            return CommitResult::NotCommitted(Fault::deadline("the time ran out before COMMIT"), false);
        }

        let command = |text| Message::command(connection, text);
        let mut flight = Flight {
            roll_back: (from == CommitStart::ToUndo).then(|| command(ROLLBACK)),
            begin: (from != CommitStart::Begun).then(|| command(begin())),
            look_up: look_up.map(|statement| Query::plain(connection, statement)),
            rows: rows.into_iter().map(|statement| Query::plain(connection, statement)).collect(),
            key_row: Query::plain(connection, key_row),
            removal: removal.map(|statement| Query::plain(connection, statement)),
            commit: command("COMMIT"),
        };
        send_pipelined(connection, flight.messages(), &claim.round_trips).await;
        // COMMIT is handed over: from here on a missing answer proves nothing.
        match timeout.wait(flight.read_responses(claim)).await {
            Ok(closed) => closed,
            Err(silence) => CommitResult::Silent(silence),
        }
    }
}

struct Flight<'c> {
    roll_back: Option<Message<'c, Result<(), Error>>>,
    begin: Option<Message<'c, Result<(), Error>>>,
    look_up: Option<Query<'c>>,
    /// Of the outbox and of the follow-ups.
    rows: Vec<Query<'c>>,
    key_row: Query<'c>,
    /// Of the follow-up that has ended.
    removal: Option<Query<'c>>,
    commit: Message<'c, Result<(), Error>>,
}

impl Flight<'_> {
    fn messages(&mut self) -> Vec<&mut dyn Pipelined> {
        let mut messages: Vec<&mut dyn Pipelined> = Vec::new();
        messages.extend(self.roll_back.as_mut().map(|message| message as &mut dyn Pipelined));
        messages.extend(self.begin.as_mut().map(|message| message as &mut dyn Pipelined));
        messages.extend(self.look_up.iter_mut().flat_map(Query::messages));
        messages.extend(self.rows.iter_mut().flat_map(Query::messages));
        messages.extend(self.key_row.messages());
        messages.extend(self.removal.iter_mut().flat_map(Query::messages));
        messages.push(&mut self.commit);
        messages
    }

    async fn read_responses(self, claim: &Claim) -> CommitResult {
        // If one of these two failed, the next messages ran in the wrong transaction or in none,
        // and COMMIT may have persisted their writes.
        let mut astray = None;
        if let Some(message) = self.roll_back
            && let Err(error) = message.answer().await
        {
            astray = Some(("ROLLBACK", failure::describe(&error)));
        }
        if let Some(message) = self.begin
            && let Err(error) = message.answer().await
        {
            astray = astray.or(Some(("BEGIN", failure::describe(&error))));
        }

        let mut failed: Option<QueryFailure> = None;
        if let Some(query) = self.look_up {
            let looked_up = query.outcome(&mut Tally::unlimited()).await;
            match looked_up.map_err(|error| QueryFailure::of_host(error, LOOK_UP)) {
                Ok(outcome) => match keys::found(&outcome.rows) {
                    // The key row could not be stored either, so nothing was changed.
                    Ok(Some(answer)) => {
                        // The driver delivers answers in order, so those before it have to be
                        // dropped first.
                        drop((self.rows, self.key_row, self.removal));
                        let ended = astray.is_none() && self.commit.answer().await.is_ok();
                        return CommitResult::Answered(answer, ended);
                    }
                    Ok(None) => {}
                    Err(fault) => failed = Some(QueryFailure { fault, left: failure::ConnectionState::Open }),
                },
                Err(failure) => failed = Some(failure),
            }
        }
        for query in self.rows {
            if let Err(error) = query.outcome(&mut Tally::unlimited()).await {
                failed = failed.or(Some(QueryFailure::of_host(error, "what follows could not be stored")));
            }
        }
        let stored = match self.key_row.outcome(&mut Tally::unlimited()).await {
            Ok(outcome) => outcome.rows.rows == 1,
            Err(error) => {
                failed = failed.or(Some(not_stored(error, claim)));
                false
            }
        };
        if let Some(removal) = self.removal
            && let Err(error) = removal.outcome(&mut Tally::unlimited()).await
        {
            failed = failed.or(Some(QueryFailure::of_host(error, "the follow-up could not be removed")));
        }
        let commit = self.commit.answer().await;

        if Mutant::AnyOkIsCommitted.is_alive() && commit.is_ok() {
            return CommitResult::Committed;
        }
        if let Some((command, why)) = astray {
            return unknown(&format!("{command} failed: {why}"));
        }
        match (failed, commit) {
            // An error that the server reported has failed the transaction. Any answer to COMMIT
            // shows that the server has processed it.
            (Some(QueryFailure { fault, left: failure::ConnectionState::Aborted }), Ok(())) => {
                CommitResult::NotCommitted(fault, true)
            }
            (Some(QueryFailure { fault, left: failure::ConnectionState::Aborted }), Err(error))
                if error.as_db_error().is_some() =>
            {
                CommitResult::NotCommitted(fault, false)
            }
            (Some(QueryFailure { fault, .. }), _) => unknown(&format!("{fault:#}")),
            (None, Err(error)) => match failure::of_commit(error) {
                Ok(fault) => CommitResult::NotCommitted(fault, false),
                Err(fault) => CommitResult::Unknown(fault),
            },
            (None, Ok(())) if !stored && !Mutant::KeyRowGivesWay.is_alive() => {
                unknown("the server did not store the answer")
            }
            (None, Ok(())) => CommitResult::Committed,
        }
    }
}

pub(crate) const LOOK_UP: &str = "the key could not be looked up";

/// Why the key row was not stored. Without the row of a follow-up it has no region: then another run has ended the
/// follow-up.
fn not_stored(error: QueryError, claim: &Claim) -> QueryFailure {
    let has_ended = claim.follow_up.is_some()
        && matches!(&error, QueryError::Driver(error) if failure::code(error) == Some("23502"));
    let failure = QueryFailure::of_host(error, "the answer could not be stored");
    match has_ended {
        true => QueryFailure { fault: Fault::conflict(None, "the follow-up has ended"), ..failure },
        false => failure,
    }
}

fn unknown(why: &str) -> CommitResult {
    CommitResult::Unknown(Fault::unknown_commit(format!("whether the transaction is committed is not known: {why}")))
}
