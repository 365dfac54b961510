use std::time::Duration;

/// A job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) status: Status,
    pub(crate) details: Option<String>,
    pub(crate) table: u32,
    pub(crate) work: Work,
    /// The schema and the name of the index, or of the table of the constraint.
    pub(crate) object: String,
    /// Microseconds since 2000-01-01.
    pub(crate) started: i64,
    pub(crate) updated: Option<i64>,
    /// When it will have finished, or when it did, on the clock of ages.
    pub(crate) end: Duration,
}

/// What a job does, with the OID of what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It builds an index.
    Index(u32),
    /// It holds the rows of a table against a constraint.
    Validation(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Submitted,
    Completed,
    Failed,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// The letters of a job's id, which is a UUID in base 32.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID_LENGTH: usize = 26;

/// An id for a new job.
pub(crate) fn new_id(random: &mut fastrand::Rng) -> String {
    (0..ID_LENGTH).filter_map(|_| random.choice(LETTERS)).map(|letter| char::from(*letter)).collect()
}
