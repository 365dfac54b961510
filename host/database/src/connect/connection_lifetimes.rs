use std::time::Duration;

/// When a connection is replaced, and when it is asked whether it is still there.
///
/// The defaults are for DSQL, which ends a connection after 60 minutes, and do no harm
/// elsewhere. Others are for tests, which cannot wait that long.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLifetimes {
    /// The longest that a connection is used. Each gets up to a tenth less, by chance, so
    /// that those opened together are not replaced together.
    pub longest: Duration,
    /// One that was idle for longer is asked for a sign of life before it is used: the
    /// sandbox may have been frozen, and whoever watches idle connections may have
    /// forgotten this one.
    pub trusted: Duration,
}

impl Default for ConnectionLifetimes {
    fn default() -> Self {
        Self { longest: Duration::from_secs(54 * 60), trusted: Duration::from_secs(60) }
    }
}

impl ConnectionLifetimes {
    /// How long one connection is used.
    pub(crate) fn jittered(&self) -> Duration {
        self.longest.mul_f64(1.0 - fastrand::f64() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_replaced_before_55_minutes_and_not_all_are_at_once() {
        let ages: Vec<_> = (0..100).map(|_| ConnectionLifetimes::default().jittered()).collect();
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        assert!(ages.iter().all(|age| (minutes(48)..minutes(55)).contains(age)), "{ages:?}");
        assert_ne!(ages.iter().min(), ages.iter().max());
    }
}
