use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::{Either, select};
use tenet_core::Clock;
use tokio::sync::{Semaphore, oneshot};

/// The most items in one batch: what one flight removes from the outbox.
const MOST_ITEMS: usize = 100;

/// Combines the work of concurrent requests: one call of the bus for the events of requests that
/// publish at the same time, one flight for the events that they remove from the outbox.
///
/// One of the waiting requests does the work for all of them, in one of a few turns. No background
/// task does it, because a frozen sandbox runs none. If the deadline of the request that does the
/// work passes halfway, the others repeat their part. So the work has to be idempotent.
pub(crate) struct Batcher<T, D> {
    parcels: Mutex<VecDeque<Parcel<T, D>>>,
    turns: Semaphore,
}

/// The items of one request.
struct Parcel<T, D> {
    items: Arc<[T]>,
    done: oneshot::Sender<Vec<D>>,
}

impl<T: Clone, D> Batcher<T, D> {
    /// A batcher with this many concurrent turns.
    pub(crate) fn new(turns: usize) -> Self {
        Self { parcels: Mutex::default(), turns: Semaphore::new(turns) }
    }

    /// Runs `work` on these items, batched with those of other requests, and returns the result for
    /// each. None if the deadline passes first.
    pub(crate) async fn send<F>(
        &self,
        items: Vec<T>,
        clock: &dyn Clock,
        deadline: Instant,
        work: impl Fn(Arc<[T]>) -> F,
    ) -> Option<Vec<D>>
    where
        F: Future<Output = Vec<D>>,
    {
        let items: Arc<[T]> = items.into();
        let done = pin!(async {
            loop {
                if let Some(done) = self.take_part(Arc::clone(&items), &work).await {
                    return done;
                }
            }
        });
        let left = deadline.saturating_duration_since(clock.instant());
        match select(done, clock.sleep(left)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// Waits for the result from another request's turn, or takes a turn. None if that turn was
    /// cancelled.
    async fn take_part<F>(&self, items: Arc<[T]>, work: &impl Fn(Arc<[T]>) -> F) -> Option<Vec<D>>
    where
        F: Future<Output = Vec<D>>,
    {
        let (sender, mut done) = oneshot::channel();
        self.lock().push_back(Parcel { items: Arc::clone(&items), done: sender });
        loop {
            match select(&mut done, pin!(self.turns.acquire())).await {
                Either::Left((done, _)) => return done.ok(),
                Either::Right((turn, _)) => {
                    // The semaphore is never closed.
                    let turn = turn.ok()?;
                    // Lets requests that arrive at the same time add their items first.
                    tokio::task::yield_now().await;
                    match done.try_recv() {
                        Ok(done) => return Some(done),
                        Err(oneshot::error::TryRecvError::Closed) => return None,
                        Err(oneshot::error::TryRecvError::Empty) if self.is_waiting(&items) => {
                            self.take_turn(work).await;
                        }
                        // Another request's turn has it. Taking one turn after the other meanwhile would keep the
                        // processor busy.
                        Err(oneshot::error::TryRecvError::Empty) => {
                            drop(turn);
                            return done.await.ok();
                        }
                    }
                }
            }
        }
    }

    /// Whether no turn has these items yet.
    fn is_waiting(&self, items: &Arc<[T]>) -> bool {
        self.lock().iter().any(|parcel| Arc::ptr_eq(&parcel.items, items))
    }

    /// Processes the waiting items, up to a limit.
    async fn take_turn<F>(&self, work: &impl Fn(Arc<[T]>) -> F)
    where
        F: Future<Output = Vec<D>>,
    {
        let (mut parcels, mut count) = (Vec::new(), 0);
        {
            let mut waiting = self.lock();
            while let Some(parcel) = waiting.pop_front() {
                if parcel.done.is_closed() {
                    continue;
                }
                if count > 0 && count + parcel.items.len() > MOST_ITEMS {
                    waiting.push_front(parcel);
                    break;
                }
                count += parcel.items.len();
                parcels.push(parcel);
            }
        }
        let items: Arc<[T]> = match parcels.as_slice() {
            [] => return,
            [alone] => Arc::clone(&alone.items),
            several => several.iter().flat_map(|parcel| parcel.items.iter().cloned()).collect(),
        };
        let mut done = work(items).await.into_iter();
        for Parcel { items, done: owner } in parcels {
            // The receiver may have timed out meanwhile.
            let _given_up = owner.send(done.by_ref().take(items.len()).collect());
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Parcel<T, D>>> {
        self.parcels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::*;
    use tenet_clock::SystemClock;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn what_comes_together_goes_together_and_each_learns_of_its_own() {
        let courier = Batcher::new(4);
        let turns = Mutex::new(Vec::new());
        let double = |items: Arc<[u32]>| {
            turns.lock().unwrap().push(items.len());
            async move { items.iter().map(|item| item * 2).collect() }
        };
        let items = [vec![1], vec![2, 3], vec![4, 5, 6]];
        let sent = join_all(items.map(|items| courier.send(items, &SystemClock, later(), double))).await;
        assert_eq!(sent, [Some(vec![2]), Some(vec![4, 6]), Some(vec![8, 10, 12])]);
        assert_eq!(*turns.lock().unwrap(), [6]);
    }

    #[tokio::test]
    async fn more_than_a_turn_takes_is_done_in_several() {
        let courier = Batcher::new(1);
        let turns = Mutex::new(Vec::new());
        let count = |items: Arc<[u8]>| {
            turns.lock().unwrap().push(items.len());
            async move { items.to_vec() }
        };
        let sent =
            join_all([60, 60, 250].map(|count_of| courier.send(vec![0; count_of], &SystemClock, later(), count)));
        let sent: Vec<_> = sent.await.into_iter().map(|sent| sent.unwrap().len()).collect();
        assert_eq!(sent, [60, 60, 250]);
        assert_eq!(*turns.lock().unwrap(), [60, 60, 250]);
    }

    #[tokio::test]
    async fn one_that_waits_for_the_turn_of_another_only_waits() {
        let (courier, polls) = (Arc::new(Batcher::new(4)), Arc::new(AtomicU32::new(0)));
        let answers = Arc::new(Semaphore::new(0));
        let sending = |item: u8| {
            let (courier, polls, answers) = (Arc::clone(&courier), Arc::clone(&polls), Arc::clone(&answers));
            let send = async move {
                let answers = &answers;
                let work = |items: Arc<[u8]>| async move {
                    let _answer = answers.acquire().await;
                    items.to_vec()
                };
                courier.send(vec![item], &SystemClock, later(), work).await
            };
            let mut send = Box::pin(send);
            tokio::spawn(poll_fn(move |context| {
                polls.fetch_add(1, Ordering::SeqCst);
                send.as_mut().poll(context)
            }))
        };
        let (first, second) = (sending(1), sending(2));
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let polled = polls.load(Ordering::SeqCst);
        assert!(polled < 20, "{polled}");
        answers.add_permits(1);
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Some(vec![1]), Some(vec![2])));
    }

    #[tokio::test]
    async fn one_whose_time_ends_in_its_turn_does_not_take_the_others_with_it() {
        let courier = Batcher::new(1);
        let calls = Mutex::new(0);
        // The first turn never ends on its own.
        let work = |items: Arc<[u8]>| {
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            let hangs = *calls == 1;
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                items.to_vec()
            }
        };
        let soon = Instant::now() + Duration::from_millis(20);
        let (first, second) = tokio::join!(
            courier.send(vec![1], &SystemClock, soon, work),
            courier.send(vec![2], &SystemClock, later(), work)
        );
        assert_eq!((first, second), (None, Some(vec![2])));
        assert_eq!(*calls.lock().unwrap(), 2);
    }
}
