use std::time::Duration;

/// The time, as a cluster is given it.
pub trait Clock: Send + Sync {
    /// The time of day: microseconds since 1970-01-01 in UTC. `now()` returns it.
    fn now(&self) -> i64;

    /// The time since any moment in the past. It never goes back. Ages are measured on it.
    fn elapsed(&self) -> Duration;
}
