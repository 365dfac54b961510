use std::time::Duration;

use fastrand::Rng;

/// One way to do harm to one statement on its way: to the message that brings it, or to the
/// answer that it gets.
///
/// Each is what could happen before a real cluster. An error that a client is told has ended
/// or failed the server's own transaction too, as an error of the server's own would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Harm {
    /// The connection ends before the server is told.
    CutBefore,
    /// The same, with a reset.
    Reset,
    /// The server does it, and the connection ends before its answer comes.
    CutAfter,
    /// The same in the middle of the answer.
    CutWithin,
    /// It takes its time to get there.
    Delay(Duration),
    /// The answer takes its time.
    DelayAnswer(Duration),
    /// The server never does it, and fails for it whatever transaction there is.
    Refuse(&'static str, &'static str),
    /// The server ends the connection with an error.
    Fatal(&'static str),
    /// COMMIT is a conflict: nothing is committed.
    CommitRefused,
    /// COMMIT gives an error that leaves it open whether it is done.
    CommitDoubted {
        /// Whether it is.
        done: bool,
    },
    /// The statement and all behind it up to COMMIT get to the server when the client has long
    /// been cut off.
    Late(Duration),
    /// The connection stays open, and nothing is heard on it any more. Others are as they were.
    Silence {
        /// Whether the server does the statement all the same. What it was in the middle of it
        /// gives up: DSQL has no locks that an abandoned transaction could keep.
        done: bool,
    },
    /// The whole stand-in falls silent, as by [`Wire::silence`](crate::Wire::silence), until
    /// [`Wire::speak`](crate::Wire::speak). What comes to it meanwhile is held, and passes then.
    Hold {
        /// Whether the server does the statement all the same.
        done: bool,
    },
}

impl Harm {
    /// Data that another transaction has changed, in DSQL's words.
    pub const CHANGED: Self = Self::Refuse("40001", "change conflicts with another transaction, please retry: (OC000)");
    /// A schema that another transaction has changed, in DSQL's words.
    pub const ALTERED: Self =
        Self::Refuse("40001", "schema has been updated by another transaction, please retry: (OC001)");
    /// A server that is not there for a while.
    pub const UNAVAILABLE: Self = Self::Refuse("XX000", "server unavailable");
    /// A server that goes down.
    pub const GOING_DOWN: Self = Self::Fatal("57P01");

    /// Its name, which a count is kept under.
    pub fn name(self) -> &'static str {
        match self {
            Self::CutBefore => "cut before a statement",
            Self::Reset => "reset before a statement",
            Self::CutAfter => "cut before an answer",
            Self::CutWithin => "cut within an answer",
            Self::Delay(_) => "delay of a statement",
            Self::DelayAnswer(_) => "delay of an answer",
            Self::Refuse("40001", text) if text.contains("OC001") => "40001 (OC001) to a statement",
            Self::Refuse("40001", _) => "40001 (OC000) to a statement",
            Self::Refuse(..) => "another error to a statement",
            Self::Fatal(_) => "fatal error to a statement",
            Self::CommitRefused => "40001 at COMMIT",
            Self::CommitDoubted { done: true } => "XX000 at COMMIT, done",
            Self::CommitDoubted { done: false } => "XX000 at COMMIT, not done",
            Self::Late(_) => "COMMIT after its client had gone",
            Self::Silence { done: false } => "silence before a statement",
            Self::Silence { done: true } => "silence before an answer",
            Self::Hold { done: false } => "silence everywhere before a statement",
            Self::Hold { done: true } => "silence everywhere before an answer",
        }
    }

    /// Whether it can come to this statement.
    pub fn can_meet(self, statement: &str) -> bool {
        let commits = statement.starts_with("COMMIT");
        match self {
            Self::CommitRefused | Self::CommitDoubted { .. } => commits,
            // A server that fails COMMIT has ended the transaction.
            Self::Refuse(..) => !commits,
            Self::Late(_) => commits || statement.starts_with("INSERT INTO tenet."),
            _ => true,
        }
    }

    /// Every kind that is over by itself, or once its client gives up, each with this wait.
    pub fn all(wait: Duration) -> [Self; 16] {
        [
            Self::CutBefore,
            Self::Reset,
            Self::CutAfter,
            Self::CutWithin,
            Self::Delay(wait),
            Self::DelayAnswer(wait),
            Self::CHANGED,
            Self::ALTERED,
            Self::UNAVAILABLE,
            Self::GOING_DOWN,
            Self::CommitRefused,
            Self::CommitDoubted { done: true },
            Self::CommitDoubted { done: false },
            Self::Late(wait),
            Self::Silence { done: false },
            Self::Silence { done: true },
        ]
    }
}

/// Harm at random.
pub(crate) struct Mischief {
    random: Rng,
    one_in: u32,
}

/// The longest that anything is held up at random.
const LONGEST: u64 = 800;

impl Mischief {
    pub(crate) fn new(seed: u64, one_in: u32) -> Self {
        Self { random: Rng::with_seed(seed), one_in: one_in.max(1) }
    }

    /// What comes to this statement, if anything does: each kind that can is as likely.
    pub(crate) fn to(&mut self, statement: &str) -> Option<Harm> {
        // Where most can go wrong, most does.
        let decides = ["BEGIN", "INSERT INTO tenet.", "COMMIT"].iter().any(|begins| statement.starts_with(begins));
        let one_in = if decides { self.one_in.div_ceil(3) } else { self.one_in };
        if self.random.u32(0..one_in) > 0 {
            return None;
        }
        let wait = Duration::from_millis(self.random.u64(1..LONGEST));
        let possible: Vec<_> = Harm::all(wait).into_iter().filter(|harm| harm.can_meet(statement)).collect();
        possible.get(self.random.usize(0..possible.len())).copied()
    }
}
