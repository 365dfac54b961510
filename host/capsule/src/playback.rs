use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tenet_core::{
    AnswerWaits, Attempt, BoxFuture, Claim, FollowUp, Occasion, Outcome, Progress, ReadCap, Staged, Statement,
    Transactions, Vault, VaultCall, Vaulted,
};

use crate::CapsuleError;
use crate::capsule::{self, Call, Capsule, End, Ended, Recorded};
use crate::wire;

/// Implements the ports `Transactions` and `Vault` from a capsule: its attempts, in order.
///
/// A statement gets its recorded result wherever in the attempt it was recorded, so a rule that
/// sends the same statements in another order is answered. A statement without a recorded result is
/// a fault that is not retried, and is listed afterwards. Vault calls work in the same way and need
/// no key.
pub struct Playback {
    attempts: Vec<capsule::Attempt>,
    next: AtomicUsize,
    /// The vault calls of the attempt that was opened last.
    vault: Mutex<Vec<(wire::VaultCall, wire::RecordedVault)>>,
    /// Calls for which the capsule has no result.
    unknown: Arc<Mutex<Vec<String>>>,
}

impl Playback {
    /// Transactions for one replay of this capsule's request.
    pub fn new(capsule: &Capsule) -> Self {
        let attempts = capsule.attempts.clone();
        Self { attempts, next: AtomicUsize::new(0), vault: Mutex::default(), unknown: Arc::default() }
    }

    /// The calls for which the capsule had no result, for people.
    pub fn unknown(&self) -> Vec<String> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The statements of each round trip of an attempt, and their results.
struct Flight {
    statements: Vec<wire::Statement>,
    told: Recorded,
}

struct Played {
    flights: VecDeque<Flight>,
    /// Whether this attempt was recorded.
    is_known: bool,
    ended: Option<Ended>,
    unknown: Arc<Mutex<Vec<String>>>,
}

impl Vault for Playback {
    fn ask<'a>(&'a self, call: &'a VaultCall, _: Occasion<'a>) -> BoxFuture<'a, Result<Vaulted, tenet_core::Fault>> {
        let asked = wire::VaultCall::from(call);
        let told = {
            let mut vault = self.vault.lock().unwrap_or_else(PoisonError::into_inner);
            let place = vault.iter().position(|(recorded, _)| *recorded == asked);
            place.map(|place| vault.remove(place).1)
        };
        let told = match told.map(|told| told.to_core()) {
            Some(Ok(Some(told))) => Ok(told),
            Some(Ok(None)) => Err(tenet_core::Fault::vault("the keys were unreachable when it was recorded")),
            Some(Err(error)) => damaged(error),
            None => {
                self.unknown.lock().unwrap_or_else(PoisonError::into_inner).push(asked.to_string());
                Err(unknown())
            }
        };
        Box::pin(std::future::ready(told))
    }
}

impl Transactions for Playback {
    fn open(&self, _claim: Claim) -> Box<dyn Attempt> {
        let attempt = self.attempts.get(self.next.fetch_add(1, Ordering::Relaxed));
        let vaulted = attempt.into_iter().flat_map(|attempt| &attempt.entries).filter_map(|entry| match &entry.call {
            Call::Vault { call, told } => Some((call.clone(), told.clone())),
            _ => None,
        });
        *self.vault.lock().unwrap_or_else(PoisonError::into_inner) = vaulted.collect();
        let flights = attempt.into_iter().flat_map(|attempt| &attempt.entries).filter_map(|entry| match &entry.call {
            Call::Run { statements, told } => Some(Flight { statements: statements.clone(), told: told.clone() }),
            _ => None,
        });
        Box::new(Played {
            flights: flights.collect(),
            is_known: attempt.is_some(),
            ended: attempt.and_then(|attempt| attempt.ended.clone()),
            unknown: Arc::clone(&self.unknown),
        })
    }

    fn ready(&self, _deadline: Instant) -> BoxFuture<'_, Result<(), tenet_core::Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn ready_while_busy(&self, _deadline: Instant) -> BoxFuture<'_, Result<(), tenet_core::Fault>> {
        Box::pin(async { Ok(()) })
    }
}

impl Played {
    fn answer(&mut self, asked: &[wire::Statement]) -> Result<Progress<Vec<Outcome>>, tenet_core::Fault> {
        if let Some(place) = self.flights.iter().position(|flight| flight.statements == asked) {
            let flight = self.flights.remove(place);
            return flight.map_or_else(|| Err(unknown()), |flight| told(&flight.told).unwrap_or_else(damaged));
        }
        // The same statements, divided into round trips differently.
        let mut outcomes = Vec::new();
        for statement in asked {
            let Some(outcome) = self.flights.iter_mut().find_map(|flight| flight.take(statement)) else {
                self.unknown.lock().unwrap_or_else(PoisonError::into_inner).push(statement.to_string());
                return Err(unknown());
            };
            outcomes.push(outcome.to_core().or_else(damaged)?);
        }
        Ok(Progress::Continue(outcomes))
    }

    fn end(&self, is_the_same: impl Fn(&End) -> bool) -> Result<Progress<()>, tenet_core::Fault> {
        if !self.is_known {
            return Err(unknown());
        }
        let Some(ended) = self.ended.as_ref().filter(|ended| is_the_same(&ended.by)) else {
            return Ok(Progress::Continue(()));
        };
        match ended {
            Ended { answered: Some(stored), .. } => Ok(Progress::Answered(stored.to_core().or_else(damaged)?)),
            Ended { fault: Some(fault), .. } => Err(fault.to_core().unwrap_or_else(|error| error.into_fault())),
            _ => Ok(Progress::Continue(())),
        }
    }
}

impl Attempt for Played {
    fn run<'a>(
        &'a mut self,
        statements: Vec<Statement>,
        _cap: ReadCap,
        _waits: &'a AnswerWaits,
    ) -> BoxFuture<'a, Result<Progress<Vec<Outcome>>, tenet_core::Fault>> {
        Box::pin(async move { self.answer(&statements.iter().map(From::from).collect::<Vec<_>>()) })
    }

    fn accept(
        self: Box<Self>,
        _output: String,
        _staged: Staged,
    ) -> BoxFuture<'static, Result<Progress<()>, tenet_core::Fault>> {
        Box::pin(async move { self.end(|by| matches!(by, End::Accept { .. })) })
    }

    fn reject(
        self: Box<Self>,
        _body: String,
        _follow_up: Option<FollowUp>,
    ) -> BoxFuture<'static, Result<Progress<()>, tenet_core::Fault>> {
        Box::pin(async move { self.end(|by| matches!(by, End::Reject(_))) })
    }

    fn roll_back(self: Box<Self>) -> BoxFuture<'static, Result<Progress<()>, tenet_core::Fault>> {
        Box::pin(async move { self.end(|by| matches!(by, End::RollBack)) })
    }
}

impl Flight {
    /// The result of one of its statements. Each result is used once: the same statement later in a
    /// transaction may have had another result.
    fn take(&mut self, statement: &wire::Statement) -> Option<wire::Outcome> {
        let Recorded::Outcomes(outcomes) = &mut self.told else { return None };
        let place =
            self.statements.iter().position(|asked| asked == statement).filter(|place| *place < outcomes.len())?;
        self.statements.remove(place);
        Some(outcomes.remove(place))
    }
}

fn told(told: &Recorded) -> Result<Result<Progress<Vec<Outcome>>, tenet_core::Fault>, CapsuleError> {
    Ok(match told {
        Recorded::Outcomes(outcomes) => {
            Ok(Progress::Continue(outcomes.iter().map(wire::Outcome::to_core).collect::<Result<_, _>>()?))
        }
        Recorded::Answered(stored) => Ok(Progress::Answered(stored.to_core()?)),
        Recorded::Fault(fault) => Err(fault.to_core()?),
    })
}

fn unknown() -> tenet_core::Fault {
    tenet_core::Fault::other(None, "the recording has no answer to it")
}

fn damaged<T>(error: CapsuleError) -> Result<T, tenet_core::Fault> {
    Err(error.into_fault())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use proptest::prelude::*;
    use tenet_core::{CallerId, Mode, Timestamp, VaultField, VaultVerb};

    use super::*;
    use crate::Secrecy;
    use crate::capsule::tests::capsule;

    /// Polls once: nothing in this crate waits.
    fn now<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => panic!("it waits"),
        }
    }

    fn open(playback: &Playback) -> Box<dyn Attempt> {
        playback.open(Claim {
            operation: "o".into(),
            caller: CallerId::ANONYMOUS,
            mode: Mode::Read,
            follow_up: None,
            now: Timestamp(0),
            region: "r".into(),
            deadline: Instant::now(),
            elsewhere: false,
            probes_session: false,
            round_trips: Arc::new(AtomicU32::new(0)),
        })
    }

    const CAP: ReadCap = ReadCap { rows: 1, bytes: 1 };

    fn waits() -> AnswerWaits {
        AnswerWaits::new(&tenet_core::Limits::default())
    }

    fn statement(sql: &str) -> Statement {
        Statement::new(sql, vec![core_text("SECRET")])
    }

    fn core_text(text: &str) -> tenet_core::Value {
        tenet_core::Value::Text(text.into())
    }

    #[test]
    fn a_statement_is_answered_as_it_was_each_time_once_and_what_is_not_there_is_told() {
        let playback = Playback::new(&capsule());
        let mut attempt = open(&playback);
        let asked = || vec![statement("SELECT a FROM t WHERE b = $1")];
        let Ok(Progress::Continue(outcomes)) = now(attempt.run(asked(), CAP, &waits())) else { panic!() };
        assert_eq!(outcomes[0].rows.rows, 1);
        assert!(now(attempt.run(asked(), CAP, &waits())).unwrap_err().sql_error().is_some(), "the second failed");
        assert!(now(attempt.run(vec![statement("SELECT 1")], CAP, &waits())).is_err());
        let unknown = playback.unknown();
        assert_eq!(unknown, ["SELECT 1  [\"SECRET\"]"]);
        assert!(matches!(now(attempt.accept(String::new(), Staged::default())), Ok(Progress::Answered(_))));
        assert!(matches!(now(open(&playback).reject(String::new(), None)), Ok(Progress::Continue(()))));
        assert!(now(open(&playback).roll_back()).is_err(), "there was no third attempt");
    }

    #[test]
    fn the_same_statement_is_told_in_turn_what_it_did_each_time_however_it_is_sent() {
        let mut capsule = capsule();
        let entries = &mut capsule.attempts[0].entries;
        entries.truncate(1);
        let Call::Run { statements, told: Recorded::Outcomes(outcomes) } = &mut entries[0].call else { panic!() };
        statements.push(statements[0].clone());
        let mut second = outcomes[0].clone();
        second.affected = 7;
        outcomes.push(second);
        let playback = Playback::new(&capsule);
        let mut attempt = open(&playback);
        // A round trip of two statements, repeated as two.
        for affected in [1, 7] {
            let ran = now(attempt.run(vec![statement("SELECT a FROM t WHERE b = $1")], CAP, &waits()));
            assert!(matches!(ran, Ok(Progress::Continue(outcomes)) if outcomes[0].affected == affected), "{affected}");
        }
        assert!(now(attempt.run(vec![statement("SELECT a FROM t WHERE b = $1")], CAP, &waits())).is_err());
    }

    #[test]
    fn the_vault_tells_what_it_told_each_time_once_and_needs_no_key() {
        let playback = Playback::new(&capsule());
        let _attempt = open(&playback);
        let field = VaultField { table: "t".into(), column: "card".into(), row_key: "SECRET".into() };
        let ask = |verb, bytes: &[u8]| {
            let call = VaultCall { verb, field: field.clone(), bytes: bytes.into() };
            let (salt, deadline) = ([0; 32], Instant::now());
            now(playback.ask(&call, Occasion { operation: "o", now: Timestamp(0), salt, deadline }))
        };
        assert_eq!(ask(VaultVerb::Seal, b"SECRET").unwrap().unwrap(), b"sealed");
        assert_eq!(ask(VaultVerb::Open, b"sealed").unwrap().unwrap(), b"SECRET");
        assert!(!ask(VaultVerb::Seal, b"SECRET").unwrap_err().is_vault(), "it was sealed once");
        assert_eq!(playback.unknown(), ["seal t.card"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        /// Untrusted input is read or refused, and what was read is replayed or refused.
        #[test]
        fn a_damaged_capsule_ends_nothing(at in 0..10_000_usize, byte: u8, cut in proptest::option::of(0..10_000_usize)) {
            let mut bytes = capsule().to_text(&Secrecy::Open).unwrap().into_bytes();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(cut.map_or(length, |cut| cut % length));
            let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
            let Ok(capsule) = Capsule::parse(&text, None) else { return Ok(()) };
            let _request = capsule.request.to_core(Instant::now());
            let playback = Playback::new(&capsule);
            for attempt in &capsule.attempts {
                let mut played = open(&playback);
                for entry in &attempt.entries {
                    if let Call::Run { statements, .. } = &entry.call {
                        let statements = statements.iter().map(|statement| self::statement(&statement.sql)).collect();
                        let _ran = now(played.run(statements, CAP, &waits()));
                    }
                }
                let _ended = now(played.roll_back());
            }
        }
    }
}
