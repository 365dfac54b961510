use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenet_core::{
    AnswerWaits, Attempt, BoxFuture, Event, EventError, EventId, Fault, FollowUp, FollowUpId, HostCalls, LogLevel,
    Outcome, Probe, Progress, Randomness, ReadCap, Schedule, ScheduleError, SqlError, Staged, Statement, Stop,
    VaultCall, Vaulted,
};

use crate::capsule::{self, Call, End, Ended, Entry, Recorded};
use crate::wire::RecordedVault;

/// Records one request while it is decided.
#[derive(Clone, Default)]
pub struct Tape {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    attempts: Vec<capsule::Attempt>,
    /// The rule that is running.
    rule: String,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// The attempts recorded so far.
    pub fn attempts(&self) -> Vec<capsule::Attempt> {
        self.lock().attempts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, call: Call) {
        let mut state = self.lock();
        let rule = state.rule.clone();
        if let Some(attempt) = state.attempts.last_mut() {
            attempt.entries.push(Entry { rule, call });
        }
    }

    fn entries(&self) -> usize {
        self.lock().attempts.last().map_or(0, |attempt| attempt.entries.len())
    }

    fn end(&self, by: End, ran: &Result<Progress<()>, Fault>) {
        let (answered, fault) = match ran {
            Ok(Progress::Continue(())) => (None, None),
            Ok(Progress::Answered(stored)) => (Some(stored.into()), None),
            Err(fault) => (None, Some(fault.into())),
        };
        if let Some(attempt) = self.lock().attempts.last_mut() {
            attempt.ended = Some(Ended { by, answered, fault });
        }
    }
}

impl Probe for Tape {
    fn attempt(&self, attempt: Box<dyn Attempt>) -> Box<dyn Attempt> {
        self.lock().attempts.push(capsule::Attempt::default());
        Box::new(Taped { tape: self.clone(), attempt })
    }

    fn calls(&self, rule: &str, calls: Arc<dyn HostCalls>) -> Arc<dyn HostCalls> {
        rule.clone_into(&mut self.lock().rule);
        Arc::new(TapedCalls { tape: self.clone(), calls })
    }
}

struct Taped {
    tape: Tape,
    attempt: Box<dyn Attempt>,
}

impl Attempt for Taped {
    fn run<'a>(
        &'a mut self,
        statements: Vec<Statement>,
        cap: ReadCap,
        waits: &'a AnswerWaits,
    ) -> BoxFuture<'a, Result<Progress<Vec<Outcome>>, Fault>> {
        Box::pin(async move {
            let taken = statements.iter().map(From::from).collect();
            let ran = self.attempt.run(statements, cap, waits).await;
            let told = match &ran {
                Ok(Progress::Continue(outcomes)) => Recorded::Outcomes(outcomes.iter().map(From::from).collect()),
                Ok(Progress::Answered(stored)) => Recorded::Answered(stored.into()),
                Err(fault) => Recorded::Fault(fault.into()),
            };
            self.tape.add(Call::Run { statements: taken, told });
            ran
        })
    }

    fn accept(self: Box<Self>, output: String, staged: Staged) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(async move {
            let by = End::Accept {
                output: output.clone(),
                events: staged.events.iter().map(|staged| (&staged.event).into()).collect(),
                follow_ups: staged.follow_ups.iter().map(Into::into).collect(),
            };
            let ran = self.attempt.accept(output, staged).await;
            self.tape.end(by, &ran);
            ran
        })
    }

    fn reject(
        self: Box<Self>,
        body: String,
        follow_up: Option<FollowUp>,
    ) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(async move {
            let ran = self.attempt.reject(body.clone(), follow_up).await;
            self.tape.end(End::Reject(body), &ran);
            ran
        })
    }

    fn roll_back(self: Box<Self>) -> BoxFuture<'static, Result<Progress<()>, Fault>> {
        Box::pin(async move {
            let ran = self.attempt.roll_back().await;
            self.tape.end(End::RollBack, &ran);
            ran
        })
    }
}

struct TapedCalls {
    tape: Tape,
    calls: Arc<dyn HostCalls>,
}

impl HostCalls for TapedCalls {
    fn run(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Result<Vec<Outcome>, SqlError>, Stop>> {
        Box::pin(async move {
            let taken = statements.iter().map(From::from).collect();
            let before = self.tape.entries();
            let ran = self.calls.run(statements).await;
            if let Ok(Err(error)) = &ran
                && self.tape.entries() == before
            {
                self.tape.add(Call::Refused { statements: taken, error: error.into() });
            }
            ran
        })
    }

    fn refuse(&self, error: SqlError) -> Result<SqlError, Stop> {
        let refused = self.calls.refuse(error);
        if let Ok(error) = &refused {
            self.tape.add(Call::Refused { statements: Vec::new(), error: error.into() });
        }
        refused
    }

    fn publish(&self, event: Event) -> Result<Result<EventId, EventError>, Stop> {
        let taken = (&event).into();
        let published = self.calls.publish(event);
        if let Ok(published) = &published {
            let id = published.as_ref().ok().map(ToString::to_string);
            let refused = published.as_ref().err().map(ToString::to_string);
            self.tape.add(Call::Publish { event: taken, id, refused });
        }
        published
    }

    fn schedule(&self, schedule: Schedule) -> Result<Result<FollowUpId, ScheduleError>, Stop> {
        let taken = (&schedule).into();
        let scheduled = self.calls.schedule(schedule);
        if let Ok(scheduled) = &scheduled {
            let id = scheduled.as_ref().ok().map(ToString::to_string);
            let refused = scheduled.as_ref().err().map(ToString::to_string);
            self.tape.add(Call::Schedule { schedule: taken, id, refused });
        }
        scheduled
    }

    fn cancel(&self, id: FollowUpId) -> BoxFuture<'_, Result<Result<bool, ScheduleError>, Stop>> {
        // Recorded as the statement that it is.
        self.calls.cancel(id)
    }

    fn vault(&self, call: VaultCall) -> BoxFuture<'_, Result<Vaulted, Stop>> {
        Box::pin(async move {
            let taken = (&call).into();
            let told = self.calls.vault(call).await;
            self.tape.add(Call::Vault { call: taken, told: RecordedVault::of(&told) });
            told
        })
    }

    fn log(&self, level: LogLevel, message: String) -> Result<(), Stop> {
        let name = match level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        let call = Call::Log { level: name.to_owned(), message: message.clone() };
        let logged = self.calls.log(level, message);
        if logged.is_ok() {
            self.tape.add(call);
        }
        logged
    }

    fn random(&self, whose: Randomness, length: u32) -> Result<Vec<u8>, Stop> {
        let drawn = self.calls.random(whose, length);
        if drawn.is_ok() && whose == Randomness::Rule {
            self.tape.add(Call::Random(length));
        }
        drawn
    }

    fn key(&self) -> Option<&str> {
        self.calls.key()
    }
}
