use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Measures the processor time of a call: the time its thread computes while the call is polled, in
/// the guest and in the host on its behalf. Waiting is not counted, whether for the database, for
/// keys, or for a busy processor.
///
/// So work that is done once for many calls, such as opening a connection, runs in a task of its
/// own that the call waits for.
#[derive(Debug, Default)]
pub(crate) struct CpuTimer(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    total: Duration,
    /// The polling thread's clock when the poll began.
    since: Option<Duration>,
}

impl CpuTimer {
    /// Runs a call with the timer on.
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

    /// The processor time so far. While the call is polled, only the polling thread may read it:
    /// each thread has its own clock.
    pub(crate) fn used(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.total + state.since.map_or(Duration::ZERO, since)
    }

    fn start(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).since = Some(thread_clock());
    }

    fn stop(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(start) = state.since.take() {
            state.total += since(start);
        }
    }
}

fn since(start: Duration) -> Duration {
    thread_clock().saturating_sub(start)
}

/// The processor time of this thread since it began.
fn thread_clock() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};
    use std::thread;
    use std::time::Instant;

    const A_WHILE: Duration = Duration::from_micros(10);

    /// Computes until the thread's clock has moved on.
    fn compute() {
        let start = thread_clock();
        while since(start) < A_WHILE {}
    }

    #[test]
    fn what_is_polled_counts_and_waiting_does_not() {
        let timer = CpuTimer::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut polls = 0;
        {
            let mut call = pin!(timer.time(poll_fn(|_| {
                let before = timer.used();
                compute();
                assert!(timer.used() > before);
                polls += 1;
                if polls == 1 { Poll::Pending } else { Poll::Ready(()) }
            })));
            assert!(call.as_mut().poll(&mut context).is_pending());
            let waiting = timer.used();
            compute();
            assert_eq!(timer.used(), waiting, "waiting is not computing");
            assert!(call.as_mut().poll(&mut context).is_ready());
        }
        assert!(timer.used() >= A_WHILE * 2);
    }

    #[test]
    fn a_poll_that_gets_no_processor_does_not_count() {
        let timer = CpuTimer::default();
        let mut context = Context::from_waker(Waker::noop());
        let (done, is_done) = mpsc::channel();
        let start = Instant::now();
        let other = thread::spawn(move || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(50) {}
            done.send(()).unwrap();
        });
        let mut call = pin!(timer.time(async { is_done.recv().unwrap() }));
        assert!(call.as_mut().poll(&mut context).is_ready());
        other.join().unwrap();
        assert!(timer.used() < start.elapsed() / 2, "{:?} of {:?}", timer.used(), start.elapsed());
    }
}
