use std::time::Duration;

/// When a connection is replaced, and when it is checked before use.
///
/// The defaults are for DSQL, which ends a connection after 60 minutes, and are harmless elsewhere.
/// Other values are for tests, which cannot wait that long.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLifetimes {
    /// The longest that a connection is used. Each connection gets up to a tenth less, at random,
    /// so that connections opened together are not replaced together.
    pub longest: Duration,
    /// A connection that was idle for longer is checked before it is used: the sandbox may have
    /// been frozen, and a network device that tracks idle connections may have dropped this one.
    pub trusted: Duration,
}

impl Default for ConnectionLifetimes {
    fn default() -> Self {
        Self { longest: Duration::from_secs(54 * 60), trusted: Duration::from_secs(60) }
    }
}

impl ConnectionLifetimes {
    /// The age at which one connection is replaced.
    pub(crate) fn jittered(&self) -> Duration {
        self.longest.mul_f64(1.0 - fastrand::f64() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_replaced_before_55_minutes_and_not_all_are_at_once() {
        let lifetimes: Vec<_> = (0..100).map(|_| ConnectionLifetimes::default().jittered()).collect();
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        assert!(lifetimes.iter().all(|age| (minutes(48)..minutes(55)).contains(age)), "{lifetimes:?}");
        assert_ne!(lifetimes.iter().min(), lifetimes.iter().max());
    }
}
