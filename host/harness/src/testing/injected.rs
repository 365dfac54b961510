use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tenet_capsule::Tape;
use tenet_core::{
    AnswerWaits, Attempt, BoxFuture, Fault, FollowUp, HostCalls, Outcome, Probe, Progress, ReadCap, SqlState, Staged,
    Statement,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::file::FaultText;

/// Has a hand in one request: what a test says that goes wrong does, each flight waits for
/// its turn where several requests are run at once, and all of it is taken down.
pub(crate) struct Injected {
    pub(crate) tape: Tape,
    hand: Arc<Hand>,
}

struct Hand {
    fault: FaultText,
    flights: AtomicU32,
    commit_is_lost: AtomicBool,
    turns: Option<Turns>,
}

/// Where a request waits for its turn.
pub(crate) struct Turns {
    /// Which of the requests it is.
    pub(crate) who: usize,
    /// Where it says that it waits.
    pub(crate) waits: UnboundedSender<Waits>,
    /// Where it gets its turn.
    pub(crate) turns: Mutex<Option<UnboundedReceiver<Turn>>>,
}

/// A request that waits with its next flight, or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// To run statements.
    Statements(usize),
    /// To commit.
    Commit(usize),
    /// It is over.
    Over(usize),
}

/// What happens with a flight whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It leaves.
    Go,
    /// It meets a conflict.
    Conflict,
}

impl Injected {
    pub(crate) fn new(fault: FaultText, turns: Option<Turns>) -> Self {
        let commit_is_lost = AtomicBool::new(fault.lost_commit_answer);
        let hand = Hand { fault, flights: AtomicU32::new(0), commit_is_lost, turns };
        Self { tape: Tape::new(), hand: Arc::new(hand) }
    }
}

impl Probe for Injected {
    fn attempt(&self, attempt: Box<dyn Attempt>) -> Box<dyn Attempt> {
        self.tape.attempt(Box::new(Handled { hand: Arc::clone(&self.hand), attempt }))
    }

    fn calls(&self, rule: &str, calls: Arc<dyn HostCalls>) -> Arc<dyn HostCalls> {
        self.tape.calls(rule, calls)
    }
}

struct Handled {
    hand: Arc<Hand>,
    attempt: Box<dyn Attempt>,
}

impl Hand {
    /// Before a flight leaves; the error is in its place.
    async fn may_leave(&self, commit: bool) -> Result<(), Fault> {
        let flight = self.flights.fetch_add(1, Ordering::Relaxed) + 1;
        let turn = match &self.turns {
            Some(turns) => turns.wait(commit).await?,
            None => Turn::Go,
        };
        if turn == Turn::Conflict || self.fault.conflict.contains(&flight) {
            return Err(Fault::conflict(
                Some(SqlState::SERIALIZATION_FAILURE),
                "a conflict that the test makes (OC000)",
            ));
        }
        if self.fault.deadline == Some(flight) {
            return Err(Fault::deadline("the caller's time has run out, as the test has it"));
        }
        Ok(())
    }

    fn after_commit(&self, ran: Result<Progress<()>, Fault>) -> Result<Progress<()>, Fault> {
        match ran {
            Ok(Progress::Continue(())) if self.commit_is_lost.swap(false, Ordering::Relaxed) => {
                Err(Fault::unknown_commit("the answer to COMMIT is lost, as the test has it"))
            }
            ran => ran,
        }
    }
}

impl Turns {
    async fn wait(&self, commit: bool) -> Result<Turn, Fault> {
        let over = || Fault::other(None, "the harness has ended");
        let waits = if commit { Waits::Commit(self.who) } else { Waits::Statements(self.who) };
        self.waits.send(waits).map_err(|_| over())?;
        // One flight at a time waits here, so that no other finds it taken.
        let lock = || self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut turns = lock().take().ok_or_else(over)?;
        let turn = turns.recv().await;
        *lock() = Some(turns);
        turn.ok_or_else(over)
    }
}

impl Attempt for Handled {
    fn run<'a>(
        &'a mut self,
        statements: Vec<Statement>,
        cap: ReadCap,
        waits: &'a AnswerWaits,
    ) -> BoxFuture<'a, Result<Progress<Vec<Outcome>>, Fault>> {
        Box::pin(async move {
            self.hand.may_leave(false).await?;
            self.attempt.run(statements, cap, waits).await
        })
    }

    fn accept(self: Box<Self>, output: String, staged: Staged) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(async move {
            self.hand.may_leave(true).await?;
            self.hand.after_commit(self.attempt.accept(output, staged).await)
        })
    }

    fn reject(
        self: Box<Self>,
        body: String,
        follow_up: Option<FollowUp>,
    ) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(async move {
            self.hand.may_leave(true).await?;
            self.hand.after_commit(self.attempt.reject(body, follow_up).await)
        })
    }

    fn roll_back(self: Box<Self>) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        self.attempt.roll_back()
    }
}
