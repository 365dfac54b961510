use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep_until};

/// One direction of a wire: bytes that arrive in their order, each at its time.
#[derive(Default)]
pub(crate) struct Lane {
    queue: VecDeque<Chunk>,
    /// Nothing that is sent from now on arrives before this.
    last: Option<Instant>,
    /// When the reader learns that nothing more comes.
    end: Option<Instant>,
    /// What is sent does not arrive, and the reader does not learn it.
    is_lost: bool,
    /// Whether the last bytes that were read are followed by others of the same flight.
    is_halfway: bool,
    /// Nothing arrives behind the flight that is halfway.
    is_lost_behind: bool,
    reader: Option<Waker>,
    timer: Option<Pin<Box<Sleep>>>,
}

struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
    ends_flight: bool,
    read: usize,
}

impl Lane {
    /// Sends bytes that arrive at this time or, if what was sent before arrives later, together with that.
    /// Others of the same flight follow them unless they are its end.
    pub(crate) fn push(&mut self, bytes: Vec<u8>, due: Instant, ends_flight: bool) {
        if bytes.is_empty() || self.is_lost || self.end.is_some() {
            return;
        }
        let due = self.no_earlier(due);
        self.queue.push_back(Chunk { due, bytes, ends_flight, read: 0 });
        self.wake();
    }

    /// What is sent from now on arrives no earlier than this.
    pub(crate) fn delay(&mut self, until: Instant) {
        self.no_earlier(until);
    }

    /// Nothing more comes after what was sent.
    pub(crate) fn end(&mut self, due: Instant) {
        if self.end.is_none() {
            self.end = Some(self.no_earlier(due));
            self.wake();
        }
    }

    /// Nothing more arrives.
    pub(crate) fn lose(&mut self) {
        self.is_lost = true;
        self.queue.clear();
    }

    /// Whether the reader has a part of a flight.
    pub(crate) fn is_halfway(&self) -> bool {
        self.is_halfway || self.queue.front().is_some_and(|chunk| chunk.read > 0)
    }

    /// Nothing arrives behind the flight of which the reader has a part.
    pub(crate) fn lose_behind(&mut self) {
        self.is_lost_behind = true;
    }

    /// What is under way does not arrive.
    pub(crate) fn drop_under_way(&mut self) {
        let now = Instant::now();
        self.queue.retain(|chunk| chunk.due <= now);
        self.last = None;
    }

    pub(crate) fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn no_earlier(&mut self, due: Instant) -> Instant {
        let due = self.last.map_or(due, |last| last.max(due));
        self.last = Some(due);
        due
    }

    /// Reads what has arrived. Nothing arrives while it `is_held`.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        is_held: bool,
    ) -> Poll<io::Result<()>> {
        loop {
            self.reader = Some(context.waker().clone());
            if is_held || self.is_lost {
                return Poll::Pending;
            }
            let now = Instant::now();
            if let Some(chunk) = self.queue.front_mut().filter(|chunk| chunk.due <= now) {
                let rest = &chunk.bytes[chunk.read..];
                let read = rest.len().min(buffer.remaining());
                buffer.put_slice(&rest[..read]);
                chunk.read += read;
                if chunk.read == chunk.bytes.len() {
                    self.is_halfway = !chunk.ends_flight;
                    self.queue.pop_front();
                }
                if self.is_lost_behind && !self.is_halfway() {
                    self.lose();
                }
                return Poll::Ready(Ok(()));
            }
            let next = match self.queue.front() {
                Some(chunk) => chunk.due,
                None => match self.end {
                    Some(end) if end <= now => return Poll::Ready(Ok(())),
                    Some(end) => end,
                    None => return Poll::Pending,
                },
            };
            let timer = match &mut self.timer {
                Some(timer) => {
                    if timer.deadline() != next {
                        timer.as_mut().reset(next);
                    }
                    timer
                }
                none => none.insert(Box::pin(sleep_until(next))),
            };
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    async fn read(lane: &mut Lane) -> Option<Vec<u8>> {
        let reading = poll_fn(|context| {
            let mut bytes = [0; 8];
            let mut buffer = ReadBuf::new(&mut bytes);
            lane.poll_read(context, &mut buffer, false).map(|_| buffer.filled().to_vec())
        });
        tokio::time::timeout(Duration::from_secs(60), reading).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_flight_of_which_a_part_was_read_is_lost_as_a_whole_or_arrives_as_a_whole() {
        let mut lane = Lane::default();
        let due = |millis| Instant::now() + Duration::from_millis(millis);
        lane.push(b"a1".to_vec(), due(1), false);
        assert!(!lane.is_halfway());
        assert_eq!(read(&mut lane).await.as_deref(), Some(&b"a1"[..]));
        assert!(lane.is_halfway());
        lane.lose_behind();
        lane.push(b"a2".to_vec(), due(5), true);
        lane.push(b"b".to_vec(), due(5), true);
        lane.end(due(5));
        assert_eq!(read(&mut lane).await.as_deref(), Some(&b"a2"[..]));
        assert_eq!(read(&mut lane).await, None);
    }
}
