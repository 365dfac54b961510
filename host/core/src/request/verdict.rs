/// A rule's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted, with an output: JSON text.
    Accept(String),
    /// Rejected: an ordinary answer, not an error.
    Reject(Rejection),
}

/// Why a rule rejected the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// For programs: `insufficient-funds`.
    pub code: String,
    /// For people.
    pub message: String,
    /// Further details for programs, by name.
    pub details: Vec<(String, String)>,
}
