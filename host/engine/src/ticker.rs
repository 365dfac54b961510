use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How often a running guest is checked, and so how far it may exceed its CPU limit.
const PERIOD: Duration = Duration::from_millis(5);

/// The thread that advances an engine's epoch. There is one per engine, independent of the number
/// of calls. It ends when this value is dropped.
pub(crate) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Calls `tick` every few milliseconds until dropped.
    pub(crate) fn start(tick: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = Builder::new().name("tenet-epochs".to_owned()).spawn(move || {
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                tick();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // Dropping the sender ends the thread's wait at once.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread has no result, and a panic in it was printed when it occurred.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn it_ticks_and_its_thread_is_gone_when_it_is() {
        let shared = Arc::new(());
        let held = Arc::clone(&shared);
        let (ticks, seen) = mpsc::channel();
        let ticker = Ticker::start(move || {
            let _held = &held;
            let _ = ticks.send(());
        })
        .unwrap();
        seen.recv().unwrap();
        seen.recv().unwrap();
        drop(ticker);
        assert_eq!(Arc::strong_count(&shared), 1);
    }
}
