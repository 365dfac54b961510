use std::time::{Duration, Instant, SystemTime};

/// A point in time on both of the machine's clocks, for durations that may exceed one request.
///
/// The monotonic clock may stop while a sandbox is frozen or a laptop sleeps, and the wall clock
/// may be set at any time. The longer of the two elapsed times counts, so that an entry expires too
/// early rather than too late.
///
/// Deadlines use an [`Instant`]: a sandbox is not frozen during a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DualInstant {
    monotonic: Instant,
    wall: SystemTime,
}

impl DualInstant {
    /// The current time of both clocks.
    pub fn now() -> Self {
        Self::of(Instant::now(), SystemTime::now())
    }

    /// The given times.
    pub fn of(monotonic: Instant, wall: SystemTime) -> Self {
        Self { monotonic, wall }
    }

    /// The time elapsed since `earlier`; zero if that is later on both clocks.
    pub fn since(&self, earlier: &Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        self.monotonic.saturating_duration_since(earlier.monotonic).max(wall)
    }

    /// The time elapsed since this one.
    pub fn elapsed(&self) -> Duration {
        Self::now().since(self)
    }
}

impl std::ops::Add<Duration> for DualInstant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self { monotonic: self.monotonic + duration, wall: self.wall + duration }
    }
}

impl std::ops::AddAssign<Duration> for DualInstant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_clock_that_went_on_for_longer_is_believed() {
        let start = DualInstant::now();
        let DualInstant { monotonic, wall } = start;
        let frozen = DualInstant::of(monotonic + MINUTE, wall + HOUR);
        assert_eq!(frozen.since(&start), HOUR);
        let set_back = DualInstant::of(monotonic + HOUR, wall - HOUR);
        assert_eq!(set_back.since(&start), HOUR);
        assert_eq!(start.since(&frozen), Duration::ZERO);
    }

    #[test]
    fn an_hour_that_only_the_wall_clock_saw_has_gone_by() {
        let DualInstant { monotonic, wall } = DualInstant::now();
        assert!(DualInstant::of(monotonic, wall - HOUR).elapsed() >= HOUR);
    }
}
