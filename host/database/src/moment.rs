use std::time::{Duration, Instant, SystemTime};

/// A moment on both of the machine's clocks.
///
/// The monotonic one may stand still while a sandbox is frozen, the wall clock may be set
/// at any time: whichever says that more time has gone by is believed.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// The time that has gone by since.
    pub(crate) fn elapsed(&self) -> Duration {
        self.monotonic.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn an_hour_on_either_clock_is_an_hour() {
        let Moment { monotonic, wall } = Moment::now();
        let frozen = Moment { monotonic, wall: wall - HOUR };
        assert!(frozen.elapsed() >= HOUR);
        let set_back = Moment { monotonic: monotonic.checked_sub(HOUR).unwrap_or(monotonic), wall: wall + HOUR };
        assert!(set_back.elapsed() >= monotonic - set_back.monotonic);
    }
}
