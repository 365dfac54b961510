#[cfg(feature = "mutants")]
use std::cell::Cell;

/// A deliberate violation of a guarantee, which shows that the test of that guarantee fails.
///
/// Without the feature `mutants`, which no release has, none is ever active and the compiler
/// removes them all. With it, the environment variable `TENET_MUTANT` selects the active one, and a
/// test may select another for its own thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A rejection is answered without its key row.
    RejectionWithoutKeyRow,
    /// The key row is inserted with DO NOTHING, under READ COMMITTED.
    KeyRowGivesWay,
    /// Events are published before COMMIT.
    EventsBeforeCommit,
    /// Any successful response to COMMIT counts as committed.
    AnyOkIsCommitted,
    /// A first statement that writes is sent together with BEGIN.
    FirstWriteWithBegin,
    /// The id of an event does not depend on the operation.
    EventIdWithoutOperation,
    /// Every statement that is not answered in time is the rule's fault.
    SilenceBlamedOnRule,
    /// A probe of a breaker that does not succeed stays the probe.
    ProbeHeld,
    /// The key is not looked up for a suspended rule.
    SuspendedBeforeKey,
    /// The relay publishes what requests may still publish.
    RelayWithoutGrace,
    /// First reads run before the transaction begins.
    ReadBeforeBegin,
    /// The look-up of a key finds other callers' answers.
    AnswerOfAnotherCaller,
    /// The wait before another attempt has no bound.
    WaitWithoutBound,
    /// The id of an event depends on the host's clock, and not on the request's time.
    EventIdOfClock,
    /// The events of a lost attempt are in the next one.
    EventsOfLostAttempt,
    /// A commit whose answer was lost counts as not committed.
    DoubtForgotten,
    /// A commit whose answer was lost counts as committed.
    DoubtIsCommitted,
    /// A key gives its answer for every payload.
    DigestIgnored,
    /// Events that a bus has not taken are removed from the outbox.
    EventsForgotten,
    /// A connection is used again with its transaction open.
    TransactionLeftOpen,
    /// The error of a session that is asked whether it answers is not read.
    SessionErrorIgnored,
    /// What undoes a follow-up is not committed with its rejection.
    CompensationForgotten,
    /// The row of a follow-up is not removed with its answer.
    FollowUpRowKept,
    /// A rejection and the end of a follow-up are sent together with BEGIN.
    EndWithBegin,
}

#[cfg(feature = "mutants")]
thread_local! {
    /// The one that a test has selected for this thread.
    static OF_THREAD: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Keeps a mutant active on its thread until it is dropped.
#[cfg(feature = "mutants")]
#[derive(Debug)]
pub struct Awake(Option<Mutant>);

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::RejectionWithoutKeyRow,
        Self::KeyRowGivesWay,
        Self::EventsBeforeCommit,
        Self::AnyOkIsCommitted,
        Self::FirstWriteWithBegin,
        Self::EventIdWithoutOperation,
        Self::SilenceBlamedOnRule,
        Self::ProbeHeld,
        Self::SuspendedBeforeKey,
        Self::RelayWithoutGrace,
        Self::ReadBeforeBegin,
        Self::AnswerOfAnotherCaller,
        Self::WaitWithoutBound,
        Self::EventIdOfClock,
        Self::EventsOfLostAttempt,
        Self::DoubtForgotten,
        Self::DoubtIsCommitted,
        Self::DigestIgnored,
        Self::EventsForgotten,
        Self::TransactionLeftOpen,
        Self::SessionErrorIgnored,
        Self::CompensationForgotten,
        Self::FollowUpRowKept,
        Self::EndWithBegin,
    ];

    /// Its name, as in the variable.
    pub fn name(self) -> &'static str {
        match self {
            Self::RejectionWithoutKeyRow => "rejection-without-key-row",
            Self::KeyRowGivesWay => "key-row-gives-way",
            Self::EventsBeforeCommit => "events-before-commit",
            Self::AnyOkIsCommitted => "any-ok-is-committed",
            Self::FirstWriteWithBegin => "first-write-with-begin",
            Self::EventIdWithoutOperation => "event-id-without-operation",
            Self::SilenceBlamedOnRule => "silence-blamed-on-rule",
            Self::ProbeHeld => "probe-held",
            Self::SuspendedBeforeKey => "suspended-before-key",
            Self::RelayWithoutGrace => "relay-without-grace",
            Self::ReadBeforeBegin => "read-before-begin",
            Self::AnswerOfAnotherCaller => "answer-of-another-caller",
            Self::WaitWithoutBound => "wait-without-bound",
            Self::EventIdOfClock => "event-id-of-clock",
            Self::EventsOfLostAttempt => "events-of-lost-attempt",
            Self::DoubtForgotten => "doubt-forgotten",
            Self::DoubtIsCommitted => "doubt-is-committed",
            Self::DigestIgnored => "digest-ignored",
            Self::EventsForgotten => "events-forgotten",
            Self::TransactionLeftOpen => "transaction-left-open",
            Self::SessionErrorIgnored => "session-error-ignored",
            Self::CompensationForgotten => "compensation-forgotten",
            Self::FollowUpRowKept => "follow-up-row-kept",
            Self::EndWithBegin => "end-with-begin",
        }
    }

    /// Whether it is active.
    #[cfg(not(feature = "mutants"))]
    #[inline(always)]
    pub const fn is_alive(self) -> bool {
        false
    }

    /// Whether it is active.
    #[cfg(feature = "mutants")]
    pub fn is_alive(self) -> bool {
        static ALIVE: std::sync::OnceLock<Option<Mutant>> = std::sync::OnceLock::new();
        let of_process = || {
            *ALIVE.get_or_init(|| {
                let name = std::env::var("TENET_MUTANT").ok()?;
                Self::ALL.into_iter().find(|mutant| mutant.name() == name)
            })
        };
        OF_THREAD.get().or_else(of_process) == Some(self)
    }

    /// Makes one active on this thread, or none but that of the process.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub fn awaken(mutant: Option<Self>) -> Awake {
        Awake(OF_THREAD.replace(mutant))
    }
}

#[cfg(feature = "mutants")]
impl Drop for Awake {
    fn drop(&mut self) {
        OF_THREAD.set(self.0);
    }
}
