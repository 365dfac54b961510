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
    reader: Option<Waker>,
    timer: Option<Pin<Box<Sleep>>>,
}

struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
    read: usize,
}

impl Lane {
    /// Sends bytes that arrive at this time or, if what was sent before arrives later, together with that.
    pub(crate) fn push(&mut self, bytes: Vec<u8>, due: Instant) {
        if bytes.is_empty() || self.is_lost || self.end.is_some() {
            return;
        }
        let due = self.no_earlier(due);
        self.queue.push_back(Chunk { due, bytes, read: 0 });
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
                    self.queue.pop_front();
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
