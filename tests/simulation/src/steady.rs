use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A call of a rule whose guest gives way to others only where it waits.
///
/// The engine interrupts a guest by the machine's own time, and the guest then lets other tasks run. That would be
/// chance. Such a guest has woken its task before it gave way, and is polled again at once.
pub(crate) struct Steady<F>(pub(crate) F);

struct Signal {
    is_polled: AtomicBool,
    has_woken: AtomicBool,
    task: Waker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_polled.load(Ordering::Relaxed) {
            self.has_woken.store(true, Ordering::Relaxed);
        } else {
            self.task.wake_by_ref();
        }
    }
}

impl<F: Future + Unpin> Future for Steady<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let task = context.waker().clone();
        let signal = Arc::new(Signal { is_polled: AtomicBool::new(true), has_woken: AtomicBool::new(false), task });
        let waker = Waker::from(Arc::clone(&signal));
        loop {
            let polled = Pin::new(&mut self.0).poll(&mut Context::from_waker(&waker));
            if polled.is_ready() || !signal.has_woken.swap(false, Ordering::Relaxed) {
                signal.is_polled.store(false, Ordering::Relaxed);
                return polled;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_that_gives_way_is_polled_again_and_one_that_waits_is_not() {
        let mut gave_way = 0;
        let gives_way = std::future::poll_fn(|context| {
            gave_way += 1;
            context.waker().wake_by_ref();
            if gave_way < 3 { Poll::Pending } else { Poll::Ready(7) }
        });
        assert_eq!(Steady(gives_way).now_or_never(), Some(7));
        assert_eq!(Steady(std::future::pending::<()>()).now_or_never(), None);
    }
}
