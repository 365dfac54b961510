use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tenet_core::BoxFuture;
use tokio_postgres::Error;

use crate::connect::connection::Connection;

/// A message to the server whose answer is awaited later, so that several can be in flight. The
/// driver sends a message when its future is first polled, which [`send_pipelined`] does.
pub(crate) struct Message<'c, T> {
    future: BoxFuture<'c, T>,
    early: Option<T>,
}

/// Any [`Message`], whatever its answer's type.
pub(crate) trait Pipelined: Send {
    /// Hands the message over to the driver.
    fn hand_over(&mut self, context: &mut Context<'_>);
}

/// Sends a flight: the set-up of a new session, if needed, and then these messages.
pub(crate) async fn send_pipelined<'m>(
    connection: &Connection,
    messages: impl IntoIterator<Item = &'m mut dyn Pipelined> + Send,
    round_trips: &AtomicU32,
) {
    connection.send_search_path().await;
    hand_over(messages, round_trips).await;
}

/// Hands messages over in this order, without a pause between them: one round trip.
///
/// When this returns, the messages can no longer be withdrawn.
async fn hand_over<'m>(messages: impl IntoIterator<Item = &'m mut dyn Pipelined> + Send, round_trips: &AtomicU32) {
    round_trips.fetch_add(1, Ordering::Relaxed);
    let mut messages = Some(messages);
    poll_fn(|context| {
        for message in messages.take().into_iter().flatten() {
            message.hand_over(context);
        }
        Poll::Ready(())
    })
    .await;
}

impl<'c, T> Message<'c, T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'c) -> Self {
        Self { future: Box::pin(future), early: None }
    }

    /// Waits for the answer.
    pub(crate) async fn answer(self) -> T {
        match self.early {
            Some(answer) => answer,
            None => self.future.await,
        }
    }
}

impl<'c> Message<'c, Result<(), Error>> {
    /// A command of transaction control.
    pub(crate) fn command(connection: &'c Connection, text: &'static str) -> Self {
        Self::new(connection.client.batch_execute(text))
    }
}

impl<T: Send> Pipelined for Message<'_, T> {
    fn hand_over(&mut self, context: &mut Context<'_>) {
        if self.early.is_none()
            && let Poll::Ready(answer) = self.future.as_mut().poll(context)
        {
            self.early = Some(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn every_message_leaves_in_order_before_an_answer_is_awaited() {
        let log = Mutex::new(Vec::new());
        let message = |name: &'static str| {
            let log = &log;
            Message::new(async move {
                log.lock().unwrap().push(format!("{name} sent"));
                tokio::task::yield_now().await;
                log.lock().unwrap().push(format!("{name} answered"));
                name
            })
        };
        let (mut a, mut b, mut ready) = (message("a"), message("b"), Message::new(async { "ready" }));
        let round_trips = AtomicU32::new(0);
        super::hand_over([&mut a as &mut dyn Pipelined, &mut b, &mut ready], &round_trips).await;
        assert_eq!(*log.lock().unwrap(), ["a sent", "b sent"]);
        assert_eq!((a.answer().await, b.answer().await, ready.answer().await), ("a", "b", "ready"));
        assert_eq!(round_trips.into_inner(), 1);
    }
}
