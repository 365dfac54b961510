use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How many events may wait in the outbox before clients only repeat what they have asked: more would only wait for the
/// buses.
const AHEAD: i64 = 60;

/// How many requests a second are new where the pauses between faults are as long as they are drawn.
const USUAL: f64 = 15.0;

/// How fast clients ask, and faults follow each other.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// How many requests were new.
    new: watch::Sender<u64>,
    /// How many events wait in the outbox.
    waiting: watch::Sender<i64>,
}

impl Pace {
    /// So many requests are new.
    pub(crate) fn is_new(&self, count: usize) {
        self.new.send_modify(|new| *new += count as u64);
    }

    /// So many events wait in the outbox now.
    pub(crate) fn wait(&self, events: i64) {
        self.waiting.send_replace(events);
    }

    /// Whether clients may ask something new.
    pub(crate) fn may_be_new(&self) -> bool {
        *self.waiting.borrow() <= AHEAD
    }

    /// Waits so long, or until clients may ask something new.
    pub(crate) async fn catch_up(&self, time: Duration) {
        let mut waiting = self.waiting.subscribe();
        let _ = timeout(time, waiting.wait_for(|events| *events <= AHEAD)).await;
    }

    /// Waits so long, or until so many requests are new as usually are in this time. So there are as many faults per
    /// request on a fast machine as on a slow one.
    pub(crate) async fn pause(&self, time: Duration) {
        let mut new = self.new.subscribe();
        let usual = (time.as_secs_f64() * USUAL).ceil() as u64;
        let enough = *new.borrow() + usual.max(1);
        let _ = timeout(time, new.wait_for(|new| *new >= enough)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::time::Instant;

    use super::*;

    fn is_over(pause: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        pause.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_shorter_when_requests_come_faster_than_usual() {
        let pace = Pace::default();
        let began = Instant::now();
        pace.pause(Duration::from_secs(2)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(2));

        let mut pause = pin!(pace.pause(Duration::from_secs(2)));
        assert!(!is_over(pause.as_mut()));
        pace.is_new(29);
        assert!(!is_over(pause.as_mut()));
        pace.is_new(1);
        assert!(is_over(pause.as_mut()));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_new_is_asked_while_many_events_wait() {
        let pace = Pace::default();
        assert!(pace.may_be_new());
        pace.wait(AHEAD + 1);
        assert!(!pace.may_be_new());
        let (began, time) = (Instant::now(), Duration::from_secs(1));
        pace.catch_up(time).await;
        assert_eq!(began.elapsed(), time);

        let mut catching_up = pin!(pace.catch_up(time));
        assert!(!is_over(catching_up.as_mut()));
        pace.wait(AHEAD);
        assert!(is_over(catching_up.as_mut()) && pace.may_be_new());
    }
}
