use tenet_audit::Tally;
use tokio::time::Instant;

/// A count of a report whose name begins with this is how many milliseconds a phase of its rounds took.
pub const PHASE: &str = "ms: ";

/// Measures how long the phases of a round take.
pub(crate) struct Phases<'a> {
    tally: &'a Tally,
    since: Instant,
}

impl<'a> Phases<'a> {
    /// The first phase begins now.
    pub(crate) fn new(tally: &'a Tally) -> Self {
        Self { tally, since: Instant::now() }
    }

    /// The phase with this name ends now, and the next one begins.
    pub(crate) fn end(&mut self, name: &str) {
        let now = Instant::now();
        self.tally.add(&format!("{PHASE}{name}"), (now - self.since).as_millis() as u64);
        self.since = now;
    }
}
