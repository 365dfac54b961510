pub(crate) mod commands;
pub(crate) mod commit_batch;
pub(crate) mod follow_ups;
pub(crate) mod keys;
pub(crate) mod outbox;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tenet_clock::monotonic;
use tenet_core::{
    AnswerWaits, Attempt, BoxFuture, Claim, Fault, FollowUp, Mode, Mutant, Outcome, Progress, ReadCap, SqlError,
    SqlState, Staged, Statement, StoredAnswer,
};

use crate::connect::connection::Connection;
use crate::connect::pool::PooledConnection;
use crate::failover::endpoint_router::EndpointRouter;
use crate::failover::guarded_endpoint::Meanwhile;
use crate::schema::expected::Expected;
use crate::statements::answer_timeout::{AnswerTimeout, Silence};
use crate::statements::columns::Tally;
use crate::statements::failure::{ConnectionState, QueryFailure, late};
use crate::statements::flight::{Message, Pipelined, send_pipelined};
use crate::statements::parameter::Encoded;
use crate::statements::query::Query;
use crate::transaction::commands::{BEGIN_READ_ONLY, EMPTY, ROLLBACK, begin};
use crate::transaction::commit_batch::{CommitBatch, CommitResult, CommitStart, LOOK_UP};

/// One attempt, on one connection from its first statement to its end.
pub(crate) struct Transaction {
    route: Arc<EndpointRouter>,
    expected: Arc<Expected>,
    /// The timeout for one answer.
    statement_timeout: Duration,
    claim: Claim,
    stage: Stage,
    /// The rule has received an error, so it may only reject.
    spent: bool,
    /// When the session answered that was asked to show that it is not lost.
    session_answered: Mutex<Option<Instant>>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it an attempt, and most of the time it is the large one"
)]
enum Stage {
    /// Nothing was sent.
    Fresh,
    /// BEGIN was answered, and the key has no answer yet.
    Begun {
        lease: PooledConnection,
        /// Whether COMMIT would persist writes of the rules.
        writes: bool,
    },
    /// Nothing is left to end.
    Over,
}

/// The result of a flight.
type FlightResult<T> = Result<Progress<T>, QueryFailure>;

impl Transaction {
    pub(crate) fn new(
        route: Arc<EndpointRouter>,
        expected: Arc<Expected>,
        statement_timeout: Duration,
        claim: Claim,
    ) -> Self {
        Self {
            route,
            expected,
            statement_timeout,
            claim,
            stage: Stage::Fresh,
            spent: false,
            session_answered: Mutex::default(),
        }
    }

    fn session_answered(&self) -> MutexGuard<'_, Option<Instant>> {
        self.session_answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn timeout(&self) -> AnswerTimeout {
        AnswerTimeout { statement_timeout: self.statement_timeout, deadline: self.claim.deadline }
    }

    async fn run_all(
        &mut self,
        statements: Vec<Statement>,
        cap: ReadCap,
        waits: &AnswerWaits,
    ) -> Result<Progress<Vec<Outcome>>, Fault> {
        if self.spent {
            return Err(refused());
        }
        let batch = statements.len() > 1;
        let mut encoded = Vec::with_capacity(statements.len());
        for (number, statement) in statements.into_iter().enumerate() {
            match Encoded::new(statement) {
                Ok(statement) => encoded.push(statement),
                Err(error) => {
                    self.spent = true;
                    return Err(Fault::sql(if batch { numbered(*error, number) } else { *error }));
                }
            }
        }
        if encoded.is_empty() {
            return Ok(Progress::Continue(Vec::new()));
        }

        // If this future is dropped while it waits, the connection is dropped too.
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let only_reads = encoded.iter().all(|statement| statement.only_reads);
        let (lease, wrote, begun) = match stage {
            Stage::Fresh if only_reads || Mutant::FirstWriteWithBegin.is_alive() => {
                (self.check_out().await?, false, false)
            }
            // If BEGIN failed, a write after it would commit by itself. Its answer has a timeout of its own, so that
            // the time that it takes is not the statement's.
            Stage::Fresh => match self.begun(Stage::Fresh).await? {
                Progress::Continue(lease) => (lease, false, true),
                Progress::Answered(answer) => return Ok(Progress::Answered(answer)),
            },
            Stage::Begun { lease, writes } => match lease.exceeded(self.timeout(), waits).await {
                // Each of its statements was answered.
                Some(exceeded) => {
                    self.end(lease).await;
                    return Err(Fault::limit(exceeded));
                }
                None => (lease, writes, true),
            },
            Stage::Over => return Err(already_ended()),
        };
        let writes = wrote || !only_reads;
        *self.session_answered() = None;
        // A statement that may end by the rule's time, and not by its own, is not tried a second time.
        let probes_session = self.claim.probes_session || waits.left() < self.statement_timeout;
        let sent = monotonic();
        let flight = self.execute(lease.connection(), begun, probes_session, encoded, cap);
        match lease.wait_watched(self.timeout(), waits, flight).await {
            Err(silence) => Err(match lease.silent(silence) {
                _ if Mutant::SilenceBlamedOnRule.is_alive() => silence.fault_of_statement(Some(sent)),
                Meanwhile::Answered => silence.fault_of_statement(*self.session_answered()),
                Meanwhile::Nothing => silence.fault(),
            }),
            Ok(Ok(Progress::Continue(outcomes))) => {
                lease.answered();
                self.stage = Stage::Begun { lease, writes };
                Ok(Progress::Continue(outcomes))
            }
            Ok(Ok(Progress::Answered(answer))) => {
                self.end(lease).await;
                Ok(Progress::Answered(answer))
            }
            Ok(Err(QueryFailure { fault, left: left @ (ConnectionState::Aborted | ConnectionState::Open) }))
                if fault.sql_error().is_some() =>
            {
                self.spent = true;
                self.stage = Stage::Begun { lease, writes: writes && left == ConnectionState::Open };
                Err(fault)
            }
            Ok(Err(failure)) => Err(self.leave(lease, failure).await),
        }
    }

    /// Runs zero or more statements, and before them what has to come first.
    async fn execute(
        &self,
        connection: &Connection,
        begun: bool,
        probes_session: bool,
        statements: Vec<Encoded>,
        cap: ReadCap,
    ) -> FlightResult<Vec<Outcome>> {
        connection.allowance().for_rule(cap.bytes);
        let mut queries: Vec<_> =
            statements.into_iter().map(|statement| Query::described(connection, statement)).collect();
        let reads_before = Mutant::ReadBeforeBegin.is_alive() && !begun;
        if reads_before {
            let messages = queries.iter_mut().flat_map(Query::messages);
            send_pipelined(connection, messages, &self.claim.round_trips).await;
        } else if !begun && let Progress::Answered(answer) = self.begin(connection, &mut queries).await? {
            return Ok(Progress::Answered(answer));
        }
        let mut answers_first = None;
        if begun {
            answers_first = probes_session.then(|| Message::command(connection, EMPTY));
            let first = answers_first.iter_mut().map(|message| message as &mut dyn Pipelined);
            let messages = first.chain(queries.iter_mut().flat_map(Query::messages));
            send_pipelined(connection, messages, &self.claim.round_trips).await;
        }
        let has_answered = match answers_first {
            Some(answers_first) => match answers_first.answer().await {
                // The server has failed the transaction, and what follows in the flight only says so.
                Err(error) if error.as_db_error().is_some() && !Mutant::SessionErrorIgnored.is_alive() => {
                    return Err(QueryFailure::of_host(connection.query_error(error), "the session could not be asked"));
                }
                answered => answered.is_ok(),
            },
            // BEGIN was answered, which came in the same flight.
            None => probes_session,
        };
        *self.session_answered() = has_answered.then(monotonic);
        let batch = queries.len() > 1;
        let mut tally = Tally::new(cap);
        let mut outcomes = Vec::with_capacity(queries.len());
        for (number, query) in queries.into_iter().enumerate() {
            let outcome = query.outcome(&mut tally).await;
            outcomes.push(outcome.map_err(|error| {
                let QueryFailure { fault, left } = QueryFailure::of_statement(error);
                let fault = match fault.sql_error() {
                    Some(error) if batch => Fault::sql(numbered(error.clone(), number)),
                    _ => fault,
                };
                QueryFailure { fault: fault.with_read(tally.read()), left }
            })?);
        }
        if reads_before && let Progress::Answered(answer) = self.begin(connection, &mut []).await? {
            return Ok(Progress::Answered(answer));
        }
        Ok(Progress::Continue(outcomes))
    }

    /// Sends BEGIN and the look-up of the key, with `queries` in the same flight. The caller reads
    /// the answers of `queries`. An answer found by the look-up takes precedence over everything
    /// else. The set-up of a new connection for rules' statements comes first in the same flight.
    async fn begin(&self, connection: &Connection, queries: &mut [Query<'_>]) -> FlightResult<()> {
        let (text, mut look_up) = match &self.claim.mode {
            Mode::Read => (BEGIN_READ_ONLY, None),
            Mode::Write { key, .. } => {
                let statement = keys::look_up(&self.claim, key);
                let statement = statement.map_err(|fault| QueryFailure { fault, left: ConnectionState::Open })?;
                (begin(), Some(Query::plain(connection, statement)))
            }
        };
        let look = self.expected.look_by(connection);
        let mut look = look.map_err(|fault| QueryFailure { fault, left: ConnectionState::Open })?;
        let mut begin = Message::command(connection, text);
        let mut messages: Vec<&mut dyn Pipelined> = look.iter_mut().flat_map(Query::messages).collect();
        messages.push(&mut begin);
        messages.extend(look_up.iter_mut().flat_map(Query::messages));
        messages.extend(queries.iter_mut().flat_map(Query::messages));
        send_pipelined(connection, messages, &self.claim.round_trips).await;

        let set_up = connection.has_search_path().await;
        if let Some(look) = look {
            self.expected.looked(look.outcome(&mut Tally::unlimited()).await);
        }
        let begun = begin.answer().await;
        let found = match look_up {
            Some(look_up) => stored(look_up).await,
            None => Ok(None),
        };
        if let Ok(Some(answer)) = found {
            return Ok(Progress::Answered(answer));
        }
        // First of all: a session without its set-up is not used again, whatever else has failed.
        set_up?;
        begun
            .map_err(|error| QueryFailure::of_host(connection.query_error(error), "the transaction could not begin"))?;
        found?;
        let checked = self.expected.check(Some(&self.claim.operation));
        checked.map_err(|fault| QueryFailure { fault, left: ConnectionState::Open })?;
        Ok(Progress::Continue(()))
    }

    async fn accept_with(mut self, output: String, staged: Staged) -> Result<Progress<()>, Fault> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        if self.spent {
            self.undo(stage).await;
            return Err(refused());
        }
        match (stage, self.claim.mode.clone()) {
            (Stage::Over, _) => Err(already_ended()),
            (_, Mode::Read) if staged != Staged::default() => {
                Err(Fault::other(None, "a read-only transaction leaves no events and no follow-ups"))
            }
            (Stage::Fresh, Mode::Read) => Ok(Progress::Continue(())),
            (Stage::Begun { lease, .. }, Mode::Read) => {
                // The result does not matter: there are no writes to lose.
                if let Ok(lease) = self.command(lease, "COMMIT").await {
                    lease.give_back();
                }
                Ok(Progress::Continue(()))
            }
            (stage, Mode::Write { key, digest }) => {
                let lease = match self.begun(stage).await? {
                    Progress::Continue(lease) => lease,
                    Progress::Answered(answer) => return Ok(Progress::Answered(answer)),
                };
                let batch = CommitBatch {
                    claim: &self.claim,
                    key: &key,
                    digest,
                    from: CommitStart::Begun,
                    accepted: true,
                    answer: output,
                    staged,
                };
                self.commit(lease, batch).await
            }
        }
    }

    async fn reject_with(mut self, body: String, follow_up: Option<FollowUp>) -> Result<Progress<()>, Fault> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let Mode::Write { key, digest } = self.claim.mode.clone() else {
            self.undo(stage).await;
            return Ok(Progress::Continue(()));
        };
        if Mutant::RejectionWithoutKeyRow.is_alive() {
            self.undo(stage).await;
            return Ok(Progress::Continue(()));
        }
        let ends_follow_up = self.claim.follow_up.is_some() && !Mutant::EndWithBegin.is_alive();
        let (lease, from) = match (stage, ends_follow_up) {
            (Stage::Over, _) => return Err(already_ended()),
            // The key row is not all that is written: after a BEGIN that failed each of the rows would be on its own.
            (stage, true) => match self.begun_anew(stage).await? {
                Progress::Continue(lease) => (lease, CommitStart::Begun),
                Progress::Answered(answer) => return Ok(Progress::Answered(answer)),
            },
            (Stage::Fresh, false) => (self.check_out().await?, CommitStart::Nothing),
            (Stage::Begun { lease, writes: false }, false) => (lease, CommitStart::ToUndo),
            // If ROLLBACK failed, a COMMIT after it would persist the writes.
            (Stage::Begun { lease, writes: true }, false) => (self.command(lease, ROLLBACK).await?, CommitStart::Ended),
        };
        let batch = CommitBatch {
            claim: &self.claim,
            key: &key,
            digest,
            from,
            accepted: false,
            answer: body,
            staged: Staged { follow_ups: follow_up.into_iter().collect(), ..Staged::default() },
        };
        self.commit(lease, batch).await
    }

    async fn roll_back_all(mut self) -> Result<Progress<()>, Fault> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let (Stage::Fresh, Mode::Write { key, .. }) = (&stage, &self.claim.mode) else {
            self.undo(stage).await;
            return Ok(Progress::Continue(()));
        };
        let statement = keys::look_up(&self.claim, key)?;
        let lease = self.check_out().await?;
        let look_up = async {
            let mut query = Query::plain(lease.connection(), statement);
            send_pipelined(lease.connection(), query.messages(), &self.claim.round_trips).await;
            stored(query).await
        };
        match self.timeout().wait(look_up).await {
            Err(silence) => Err(silent(lease, silence)),
            Ok(Ok(found)) => {
                lease.give_back();
                Ok(found.map_or(Progress::Continue(()), Progress::Answered))
            }
            Ok(Err(QueryFailure { fault, left })) => {
                if left == ConnectionState::Lost {
                    lease.lost()
                } else {
                    lease.discard("the look-up failed")
                }
                Err(fault)
            }
        }
    }

    /// A connection with a transaction begun that holds no writes, and the key looked up.
    async fn begun_anew(&self, stage: Stage) -> Result<Progress<PooledConnection>, Fault> {
        match stage {
            Stage::Begun { lease, writes } if writes || self.spent => {
                self.begun_on(self.command(lease, ROLLBACK).await?).await
            }
            stage => self.begun(stage).await,
        }
    }

    /// A connection with the transaction begun and the key looked up.
    async fn begun(&self, stage: Stage) -> Result<Progress<PooledConnection>, Fault> {
        match stage {
            Stage::Begun { lease, .. } => Ok(Progress::Continue(lease)),
            Stage::Fresh => self.begun_on(self.check_out().await?).await,
            Stage::Over => Err(already_ended()),
        }
    }

    async fn begun_on(&self, lease: PooledConnection) -> Result<Progress<PooledConnection>, Fault> {
        match self.timeout().wait(self.begin(lease.connection(), &mut [])).await {
            Err(silence) => Err(silent(lease, silence)),
            Ok(Ok(Progress::Continue(()))) => Ok(Progress::Continue(lease)),
            Ok(Ok(Progress::Answered(answer))) => {
                self.end(lease).await;
                Ok(Progress::Answered(answer))
            }
            Ok(Err(failure)) => Err(self.leave(lease, failure).await),
        }
    }

    /// Closes, ends or returns a connection, depending on the failure.
    async fn leave(&self, lease: PooledConnection, QueryFailure { fault, left }: QueryFailure) -> Fault {
        match left {
            ConnectionState::Lost => lease.lost(),
            ConnectionState::Stuck => lease.discard("the rest of its answers is not needed"),
            ConnectionState::Aborted | ConnectionState::Open => self.end(lease).await,
        }
        fault
    }

    async fn commit(&self, lease: PooledConnection, batch: CommitBatch<'_>) -> Result<Progress<()>, Fault> {
        match batch.execute(lease.connection(), self.timeout()).await {
            CommitResult::Committed => {
                lease.give_back();
                Ok(Progress::Continue(()))
            }
            CommitResult::Answered(answer, ended) => {
                if ended {
                    lease.give_back()
                } else {
                    lease.discard("its state is not known")
                }
                Ok(Progress::Answered(answer))
            }
            CommitResult::NotCommitted(fault, ended) => {
                if ended {
                    lease.give_back()
                } else {
                    self.end(lease).await
                }
                Err(fault)
            }
            CommitResult::Unknown(fault) => {
                lease.lost();
                Err(fault)
            }
            CommitResult::Silent(silence) => {
                lease.silent(silence);
                Err(silence.fault_of_commit())
            }
        }
    }

    async fn check_out(&self) -> Result<PooledConnection, Fault> {
        self.route.check_out(self.timeout(), self.claim.elsewhere).await
    }

    async fn undo(&self, stage: Stage) {
        if let Stage::Begun { lease, .. } = stage {
            self.end(lease).await;
        }
    }

    /// Rolls back and returns the connection. If that fails, the connection is closed, which rolls
    /// back too.
    async fn end(&self, lease: PooledConnection) {
        if Mutant::TransactionLeftOpen.is_alive() {
            return lease.give_back();
        }
        if let Ok(lease) = self.command(lease, ROLLBACK).await {
            lease.give_back();
        }
    }

    /// Ends the transaction. If the server does not confirm it, closes the connection and returns
    /// the fault of a transaction that is certainly not committed.
    async fn command(&self, lease: PooledConnection, text: &'static str) -> Result<PooledConnection, Fault> {
        if self.timeout().is_over() {
            lease.discard("the time ran out");
            return Err(late());
        }
        let mut command = Message::command(lease.connection(), text);
        send_pipelined(lease.connection(), [&mut command as &mut dyn Pipelined], &self.claim.round_trips).await;
        match self.timeout().wait(command.answer()).await {
            Ok(Ok(())) => Ok(lease),
            Ok(Err(_)) => {
                lease.discard("its transaction could not be ended");
                Err(Fault::conflict(None, "the transaction could not be rolled back in order"))
            }
            Err(silence) => Err(silent(lease, silence)),
        }
    }
}

impl Attempt for Transaction {
    fn run<'a>(
        &'a mut self,
        statements: Vec<Statement>,
        cap: ReadCap,
        waits: &'a AnswerWaits,
    ) -> BoxFuture<'a, Result<Progress<Vec<Outcome>>, Fault>> {
        Box::pin(self.run_all(statements, cap, waits))
    }

    fn accept(self: Box<Self>, output: String, staged: Staged) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(self.accept_with(output, staged))
    }

    fn reject(
        self: Box<Self>,
        body: String,
        follow_up: Option<FollowUp>,
    ) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(self.reject_with(body, follow_up))
    }

    fn roll_back(self: Box<Self>) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(self.roll_back_all())
    }
}

async fn stored(look_up: Query<'_>) -> Result<Option<StoredAnswer>, QueryFailure> {
    let outcome = look_up.outcome(&mut Tally::unlimited()).await;
    let outcome = outcome.map_err(|error| QueryFailure::of_host(error, LOOK_UP))?;
    keys::found(&outcome.rows).map_err(|fault| QueryFailure { fault, left: ConnectionState::Open })
}

/// Closes a connection that was silent before COMMIT was sent.
fn silent(lease: PooledConnection, silence: Silence) -> Fault {
    lease.silent(silence);
    silence.fault()
}

fn numbered(mut error: SqlError, number: usize) -> SqlError {
    error.details.push(("statement".to_owned(), number.to_string()));
    error
}

fn refused() -> Fault {
    let text = "an earlier statement failed, so the transaction can only be rejected";
    Fault::from_sql(SqlError::new(SqlState::IN_FAILED_TRANSACTION, text))
}

fn already_ended() -> Fault {
    Fault::other(None, "the attempt is over")
}
