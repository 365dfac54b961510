/// A rule's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, with an output: JSON text.
    Accept(String),
    /// No: an ordinary answer, not an error.
    Reject(Rejection),
}

/// Why a rule said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// For programs: `insufficient-funds`.
    pub code: String,
    /// For people.
    pub message: String,
    /// More, by name, for programs.
    pub details: Vec<(String, String)>,
}
