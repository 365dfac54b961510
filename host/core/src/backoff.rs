use std::time::Duration;

use crate::Mutant;

/// How many attempts there are at something, and how long to wait between them.
///
/// Full jitter: the wait is a uniform random value below a bound that doubles, so transactions that
/// conflicted once do not conflict again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound before the second attempt.
    pub base: Duration,
    /// Where the bound stops growing.
    pub cap: Duration,
    /// The number of attempts, including the first.
    pub attempts: u32,
}

/// The attempts of a request.
impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(4), cap: Duration::from_millis(250), attempts: 12 }
    }
}

impl Backoff {
    /// The wait after attempt number `attempt`, counted from 1. `random` is uniform over all numbers.
    pub fn after(&self, attempt: u32, random: u64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(20);
        let cap = if Mutant::WaitWithoutBound.is_alive() { Duration::MAX } else { self.cap };
        let bound = self.base.saturating_mul(1 << doublings).min(cap);
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random % micros.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Random;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_wait_stays_under_a_bound_that_doubles_until_the_cap(
            base in 0..1_000_000_u64,
            cap in 0..10_000_000_u64,
            attempt in prop_oneof![1..40_u32, Just(u32::MAX)],
            random: u64,
        ) {
            let (base, cap) = (Duration::from_micros(base), Duration::from_micros(cap));
            let backoff = Backoff { base, cap, attempts: 12 };
            let wait = backoff.after(attempt, random);
            // A base of one microsecond that doubled 24 times exceeds the longest cap.
            let doubled = base.as_micros() << (attempt - 1).min(24);
            prop_assert!(wait <= cap && wait.as_micros() <= doubled);
        }
    }

    #[test]
    fn waits_spread_over_the_whole_range() {
        let backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_millis(100), attempts: 1 };
        let mut random = Random::new(&[1; 32], "retry", 0);
        let waits: Vec<_> = (0..200).map(|_| backoff.after(1, random.number()).as_millis()).collect();
        assert!(waits.iter().any(|wait| *wait < 25) && waits.iter().any(|wait| *wait > 75));
    }
}
