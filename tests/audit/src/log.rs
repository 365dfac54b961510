//! What a host's log says that an audit looks at.

/// The metrics that are summed up.
pub const METRICS: [&str; 10] = [
    "Conflicts",
    "SchemaConflicts",
    "UnknownCommits",
    "EventsPublished",
    "EventsLeft",
    "EventsRelayed",
    "EventsParked",
    "KeysExpired",
    "BreakerOpened",
    "BreakerClosed",
];

/// The lines that report a rule's failure.
const BLAMES: [&str; 3] = ["rule failed", "a rule keeps failing and is suspended", "request for a suspended rule"];

/// Whether a line with this message, and this value of the field `blame`, reports that a rule failed.
pub fn is_blame(message: &str, blame: &str) -> bool {
    BLAMES.contains(&message) || blame == "Rule"
}
