use std::time::Duration;

use tenet_core::DualInstant;

/// Consecutive failures that open the breaker. A single failure is often a connection that had
/// expired, and two are typical after a thaw.
const FAILURES: u32 = 5;

/// The first pause of an open breaker. It doubles each time that a probe fails, up to the last.
/// Each is shortened by up to a quarter at random, so that sandboxes do not retry at the same time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// A circuit breaker for an endpoint: closed while it is healthy, open while it is not tried, and
/// half-open while one request probes it.
///
/// It has no timer and does no I/O: the caller passes the time, and the result of each try. A
/// result counts only for the state in which the try was allowed.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    /// Counts the changes of state.
    generation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Closed. `pause` is the previous pause, until the endpoint succeeds.
    Closed {
        failures: u32,
        pause: Option<Duration>,
    },
    /// Open since then, for `rest`. `pause` is the length before it was shortened at random.
    Open {
        since: DualInstant,
        rest: Duration,
        pause: Duration,
    },
    HalfOpen {
        pause: Duration,
    },
}

/// The permission for one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BreakerToken {
    generation: u64,
    is_probe: bool,
}

/// Whether the endpoint may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Allowed(BreakerToken),
    /// Not tried before its pause has ended.
    Open,
    /// Another try probes it now.
    Probed,
}

impl BreakerToken {
    /// Whether this try is the probe.
    pub(crate) fn is_probe(&self) -> bool {
        self.is_probe
    }
}

/// A change of state, named after the new state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Opened,
    Probes,
    Closed,
}

impl Change {
    pub(crate) fn state(self) -> &'static str {
        match self {
            Self::Opened => "open",
            Self::Probes => "half-open",
            Self::Closed => "closed",
        }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed { failures: 0, pause: None }, generation: 0 }
    }
}

impl Breaker {
    /// Whether the endpoint may be tried now. While half-open it allows one try only.
    pub(crate) fn admit(&mut self, now: DualInstant) -> (Admission, Option<Change>) {
        match self.state {
            State::Closed { .. } => (Admission::Allowed(self.token(false)), None),
            State::Open { since, rest, pause } if now.since(&since) >= rest => {
                self.turn(State::HalfOpen { pause });
                (Admission::Allowed(self.token(true)), Some(Change::Probes))
            }
            State::Open { .. } => (Admission::Open, None),
            State::HalfOpen { .. } => (Admission::Probed, None),
        }
    }

    /// The rest of the pause. Zero if it may be tried or is probed now.
    pub(crate) fn rest_left(&self, now: DualInstant) -> Duration {
        match self.state {
            State::Open { since, rest, .. } => rest.saturating_sub(now.since(&since)),
            State::Closed { .. } | State::HalfOpen { .. } => Duration::ZERO,
        }
    }

    /// Records a success.
    pub(crate) fn succeeded(&mut self, token: BreakerToken) -> Option<Change> {
        if token.generation != self.generation {
            return None;
        }
        match self.state {
            State::Closed { .. } => {
                self.state = State::Closed { failures: 0, pause: None };
                None
            }
            State::HalfOpen { pause } => {
                self.turn(State::Closed { failures: 0, pause: Some(pause) });
                Some(Change::Closed)
            }
            State::Open { .. } => None,
        }
    }

    /// Records a failure: unreachable, lost or silent. `chance` is from 0 to 1.
    pub(crate) fn failed(&mut self, token: BreakerToken, now: DualInstant, chance: f64) -> Option<Change> {
        if token.generation != self.generation {
            return None;
        }
        let pause = match self.state {
            State::Closed { failures, pause } if failures + 1 < FAILURES => {
                self.state = State::Closed { failures: failures + 1, pause };
                return None;
            }
            State::Closed { pause, .. } => pause.map_or(FIRST_PAUSE, |pause| LAST_PAUSE.min(pause * 2)),
            State::HalfOpen { pause } => LAST_PAUSE.min(pause * 2),
            State::Open { .. } => return None,
        };
        let rest = pause.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 4.0);
        self.turn(State::Open { since: now, rest, pause });
        Some(Change::Opened)
    }

    /// Records a try without a result, because it was cancelled. After a cancelled probe the next
    /// try is the probe.
    pub(crate) fn gave_up(&mut self, token: BreakerToken, now: DualInstant) -> Option<Change> {
        match self.state {
            State::HalfOpen { pause } if token.generation == self.generation => {
                self.turn(State::Open { since: now, rest: Duration::ZERO, pause });
                Some(Change::Opened)
            }
            _ => None,
        }
    }

    fn token(&self, is_probe: bool) -> BreakerToken {
        BreakerToken { generation: self.generation, is_probe }
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A breaker that opened at `now`.
    fn opened(now: DualInstant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            let token = allowed(&mut breaker, now);
            breaker.failed(token, now, 0.0);
        }
        breaker
    }

    fn allowed(breaker: &mut Breaker, now: DualInstant) -> BreakerToken {
        match breaker.admit(now).0 {
            Admission::Allowed(token) => token,
            refused => panic!("{refused:?}"),
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not_let_them() {
        let now = DualInstant::now();
        let mut breaker = Breaker::default();
        for round in 0..10 * FAILURES {
            let token = allowed(&mut breaker, now);
            let change = if round % FAILURES == 0 { breaker.succeeded(token) } else { breaker.failed(token, now, 0.0) };
            assert_eq!(change, None);
        }
        assert_eq!(opened(now).admit(now), (Admission::Open, None));
    }

    #[test]
    fn it_says_how_long_it_is_not_tried() {
        let now = DualInstant::now();
        let mut breaker = opened(now);
        let some = Duration::from_millis(300);
        assert_eq!(Breaker::default().rest_left(now), Duration::ZERO);
        assert_eq!(breaker.rest_left(now), FIRST_PAUSE);
        assert_eq!(breaker.rest_left(now + some), FIRST_PAUSE - some);
        assert_eq!(breaker.rest_left(now + LAST_PAUSE), Duration::ZERO);
        allowed(&mut breaker, now + LAST_PAUSE);
        assert_eq!(breaker.rest_left(now), Duration::ZERO);
    }

    #[test]
    fn one_finds_out_for_all_and_the_pause_doubles_as_long_as_it_is_in_vain() {
        let mut now = DualInstant::now();
        let mut breaker = opened(now);
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            let pause = Duration::from_secs(pause);
            assert_eq!(breaker.admit(now + (pause - Duration::from_millis(1))), (Admission::Open, None));
            now += pause;
            let (probe, change) = breaker.admit(now);
            let Admission::Allowed(probe) = probe else { panic!("{probe:?}") };
            assert!(probe.is_probe());
            assert_eq!((change, breaker.admit(now)), (Some(Change::Probes), (Admission::Probed, None)));
            assert_eq!(breaker.failed(probe, now, 0.0), Some(Change::Opened));
        }
        now += LAST_PAUSE;
        let probe = allowed(&mut breaker, now);
        assert_eq!(breaker.succeeded(probe), Some(Change::Closed));
        assert!(!allowed(&mut breaker, now).is_probe());
    }

    #[test]
    fn a_probe_that_is_given_up_leaves_it_to_the_next() {
        let start = DualInstant::now();
        let mut breaker = opened(start);
        let now = start + FIRST_PAUSE;
        let probe = allowed(&mut breaker, now);
        breaker.gave_up(probe, now);
        assert_eq!(breaker.admit(now).1, Some(Change::Probes));
    }

    #[test]
    fn how_a_try_went_that_was_allowed_before_a_change_says_nothing_after_it() {
        let now = DualInstant::now();
        let mut breaker = Breaker::default();
        let old = allowed(&mut breaker, now);
        for _ in 0..FAILURES {
            let token = allowed(&mut breaker, now);
            breaker.failed(token, now, 0.0);
        }
        let probe = allowed(&mut breaker, now + FIRST_PAUSE);
        assert_eq!(breaker.succeeded(old), None);
        assert_eq!(breaker.failed(old, now, 0.0), None);
        assert_eq!(breaker.succeeded(probe), Some(Change::Closed));
    }

    #[test]
    fn an_endpoint_that_answers_a_probe_and_nothing_else_is_left_alone_for_longer_each_time() {
        let mut now = DualInstant::now();
        let mut breaker = opened(now);
        for pause in [1, 2, 4, 8, 16, 30] {
            now += Duration::from_secs(pause);
            let probe = allowed(&mut breaker, now);
            assert_eq!(breaker.succeeded(probe), Some(Change::Closed));
            for _ in 0..FAILURES {
                let token = allowed(&mut breaker, now);
                breaker.failed(token, now, 0.0);
            }
        }
        now += LAST_PAUSE;
        let probe = allowed(&mut breaker, now);
        breaker.succeeded(probe);
        let works = allowed(&mut breaker, now);
        breaker.succeeded(works);
        for _ in 0..FAILURES {
            let token = allowed(&mut breaker, now);
            breaker.failed(token, now, 0.0);
        }
        assert_eq!(breaker.admit(now + FIRST_PAUSE).1, Some(Change::Probes));
    }

    #[test]
    fn a_frozen_sandbox_does_not_prolong_a_pause() {
        let (monotonic, wall) = (std::time::Instant::now(), std::time::SystemTime::now());
        let mut breaker = opened(DualInstant::of(monotonic, wall));
        assert_eq!(breaker.admit(DualInstant::of(monotonic, wall)).0, Admission::Open);
        assert_eq!(breaker.admit(DualInstant::of(monotonic, wall + FIRST_PAUSE)).1, Some(Change::Probes));
    }

    proptest! {
        /// For any sequence of events: never two probes at the same time, never open for longer
        /// than the last pause, and open only after failures.
        #[test]
        fn any_course_of_events_keeps_to_its_rules(events in prop::collection::vec((0..5_u8, 0..40_000_u64, 0.0..1.0), 1..400)) {
            let mut now = DualInstant::now();
            let mut breaker = Breaker::default();
            let mut tokens: Vec<BreakerToken> = Vec::new();
            let mut probe: Option<BreakerToken> = None;
            let mut in_a_row = 0;
            for (event, millis, chance) in events {
                match event {
                    0 => now += Duration::from_millis(millis),
                    1 => {
                        let (admission, change) = breaker.admit(now);
                        let token = match admission {
                            Admission::Allowed(token) => Some(token),
                            Admission::Open | Admission::Probed => None,
                        };
                        if change == Some(Change::Probes) {
                            prop_assert!(probe.is_none());
                            probe = token;
                        }
                        tokens.extend(token);
                    }
                    _ if tokens.is_empty() => {}
                    kind => {
                        let token = tokens.swap_remove(usize::try_from(millis).unwrap() % tokens.len());
                        let counts = token.generation == breaker.generation;
                        let change = match kind {
                            2 => breaker.succeeded(token),
                            3 => breaker.failed(token, now, chance),
                            _ => breaker.gave_up(token, now),
                        };
                        in_a_row = match kind {
                            2 if counts => 0,
                            3 if counts => in_a_row + 1,
                            _ => in_a_row,
                        };
                        if change == Some(Change::Opened) {
                            prop_assert!(in_a_row >= FAILURES || probe == Some(token));
                        }
                        if change.is_some() {
                            in_a_row = 0;
                        }
                        if probe == Some(token) {
                            probe = None;
                        }
                    }
                }
                if let State::Open { rest, pause, .. } = breaker.state {
                    prop_assert!(rest <= pause && (FIRST_PAUSE..=LAST_PAUSE).contains(&pause));
                }
            }
            // It always allows a try again after enough time.
            if probe.is_none() {
                prop_assert!(matches!(breaker.admit(now + LAST_PAUSE).0, Admission::Allowed(_)));
            }
        }
    }
}
