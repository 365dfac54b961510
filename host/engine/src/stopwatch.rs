use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Measures the guest's own computing: what passes while its call is polled, less what
/// passes while a host call's work is polled inside. Waiting, for the database or for the
/// processor behind other calls, is neither.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    total: Duration,
    since: Option<Instant>,
}

impl Stopwatch {
    /// Runs the guest's call with the watch going.
    pub(crate) async fn guest<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            self.start();
            let polled = call.as_mut().poll(context);
            self.stop();
            polled
        })
        .await
    }

    /// Runs a host call's work, inside [`Stopwatch::guest`], with the watch stopped.
    pub(crate) async fn host<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.stop();
            let polled = work.as_mut().poll(context);
            self.start();
            polled
        })
        .await
    }

    /// What it shows now.
    pub(crate) fn elapsed(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.total + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn start(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).since = Some(Instant::now());
    }

    fn stop(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = state.since.take() {
            state.total += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};

    /// Computes until the clock has moved on.
    fn compute() {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(10) {}
    }

    #[test]
    fn only_the_guests_own_computing_counts() {
        let watch = Stopwatch::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut polls = 0;
        let mut seen_in_host = Vec::new();
        {
            let mut call = pin!(watch.guest(async {
                compute();
                watch
                    .host(poll_fn(|_| {
                        let before = watch.elapsed();
                        compute();
                        seen_in_host.push((before, watch.elapsed()));
                        polls += 1;
                        if polls == 1 { Poll::Pending } else { Poll::Ready(()) }
                    }))
                    .await;
                compute();
            }));
            assert!(call.as_mut().poll(&mut context).is_pending());
            let waiting = watch.elapsed();
            compute();
            assert_eq!(watch.elapsed(), waiting, "waiting is not computing");
            assert!(call.as_mut().poll(&mut context).is_ready());
        }
        assert_eq!(seen_in_host.len(), 2);
        assert!(seen_in_host.iter().all(|(before, after)| before == after), "{seen_in_host:?}");
        assert!(watch.elapsed() >= Duration::from_micros(20));
    }
}
