use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Measures what a call computes: what passes while it is polled, in the guest and in what the host
/// does for it. Waiting, for the database, for keys or for the processor behind other calls, is not
/// polled and not computing.
///
/// So whatever has to be done once for many calls, such as opening a connection, is a task of its
/// own that the call waits for.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    total: Duration,
    since: Option<Instant>,
}

impl Stopwatch {
    /// Runs a call with the watch going.
    pub(crate) async fn time<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            self.start();
            let polled = call.as_mut().poll(context);
            self.stop();
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
    fn what_is_polled_counts_and_waiting_does_not() {
        let watch = Stopwatch::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut polls = 0;
        {
            let mut call = pin!(watch.time(poll_fn(|_| {
                let before = watch.elapsed();
                compute();
                assert!(watch.elapsed() > before);
                polls += 1;
                if polls == 1 { Poll::Pending } else { Poll::Ready(()) }
            })));
            assert!(call.as_mut().poll(&mut context).is_pending());
            let waiting = watch.elapsed();
            compute();
            assert_eq!(watch.elapsed(), waiting, "waiting is not computing");
            assert!(call.as_mut().poll(&mut context).is_ready());
        }
        assert!(watch.elapsed() >= Duration::from_micros(20));
    }
}
