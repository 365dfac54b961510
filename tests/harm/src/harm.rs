use std::time::Duration;

use fastrand::Rng;

/// The longest random delay, in milliseconds.
const LONGEST: u64 = 800;

/// A fault injected into one statement: into the message that carries it, or into its response.
///
/// Each could happen with a real cluster. If a client receives an error, the server's own
/// transaction has ended or failed too, as after a real error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Harm {
    /// The connection ends before the server receives the statement.
    CutBefore,
    /// The same, with a reset.
    Reset,
    /// The server executes it, and the connection ends before the response arrives.
    CutAfter,
    /// The same in the middle of the response.
    CutWithin,
    /// The statement is delayed.
    Delay(Duration),
    /// The response is delayed.
    DelayAnswer(Duration),
    /// The server never executes it, and the transaction fails, if there is one.
    Refuse(&'static str, &'static str),
    /// The server ends the connection with an error.
    Fatal(&'static str),
    /// COMMIT reports a conflict: nothing is committed.
    CommitRefused,
    /// COMMIT reports an error that leaves the outcome unknown.
    CommitDoubted {
        /// Whether it committed.
        done: bool,
    },
    /// The statement and everything after it up to COMMIT reach the server long after the client
    /// was disconnected.
    Late(Duration),
    /// The connection stays open but is silent from now on: what was sent together with the statement is not answered
    /// either, as if the network had lost it. Other connections work.
    Silence {
        /// Whether the server executes the statement anyway. It abandons a running transaction:
        /// DSQL has no locks that it could keep.
        done: bool,
    },
    /// The whole endpoint is silent for a while. Messages that arrive meanwhile are held and passed on then.
    Hold {
        /// Whether the server executes the statement anyway.
        done: bool,
    },
}

impl Harm {
    /// A conflict with changed data, in DSQL's words.
    pub const CHANGED: Self = Self::Refuse("40001", "change conflicts with another transaction, please retry: (OC000)");
    /// A conflict with a changed schema, in DSQL's words.
    pub const ALTERED: Self =
        Self::Refuse("40001", "schema has been updated by another transaction, please retry: (OC001)");
    /// A server that is temporarily unavailable.
    pub const UNAVAILABLE: Self = Self::Refuse("XX000", "server unavailable");
    /// A server that shuts down.
    pub const GOING_DOWN: Self = Self::Fatal("57P01");

    /// Its name, under which it is counted.
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

    /// Whether it can apply to this statement.
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

    /// Draws a fault for one of so many statements, of the kinds that apply to it with equal chances. Faults are most
    /// frequent where they matter most.
    pub fn draw(random: &mut Rng, one_in: u32, statement: &str) -> Option<Self> {
        let decides = ["BEGIN", "INSERT INTO tenet.", "COMMIT"].iter().any(|begins| statement.starts_with(begins));
        let one_in = if decides { one_in.div_ceil(3) } else { one_in };
        if random.u32(0..one_in.max(1)) > 0 {
            return None;
        }
        let wait = Duration::from_millis(random.u64(1..LONGEST));
        let possible: Vec<_> = Self::all(wait).into_iter().filter(|harm| harm.can_meet(statement)).collect();
        possible.get(random.usize(0..possible.len())).copied()
    }

    /// Every kind that ends by itself, or once its client gives up, each with this wait.
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
