use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use lambda_runtime::tower::{Layer, Service};
use lambda_runtime::{BoxFuture, LambdaInvocation};
use tokio::sync::Semaphore;

use crate::work::Work;

/// Work that is deferred until the response of an invocation is sent.
///
/// The sandbox may be frozen as soon as the runtime and all extensions have requested the next
/// event. So this needs an [extension](crate::extension) that waits until the work is done. Without
/// one, it is off, and the work is done before the response.
#[derive(Clone)]
pub(crate) struct PostResponse(Arc<Shared>);

struct Shared {
    is_on: AtomicBool,
    /// Work of an invocation whose response is not sent yet. Lambda gives a sandbox with an
    /// extension one invocation at a time.
    waiting: Mutex<Vec<Job>>,
    /// One permit for each response that was sent and not awaited yet.
    answers: Semaphore,
    /// Running invocations and their deferred work.
    doing: Work,
}

type Job = BoxFuture<'static, ()>;

impl PostResponse {
    /// Off, until it is turned on.
    pub(crate) fn new(doing: Work) -> Self {
        let waiting = Mutex::default();
        Self(Arc::new(Shared { is_on: AtomicBool::new(false), waiting, answers: Semaphore::new(0), doing }))
    }

    pub(crate) fn turn(&self, on: bool) {
        self.0.is_on.store(on, Ordering::Relaxed);
    }

    /// Does the work now, or defers it until the response is sent.
    pub(crate) async fn defer(&self, work: impl Future<Output = ()> + Send + 'static) {
        if !self.0.is_on.load(Ordering::Relaxed) {
            return work.await;
        }
        self.waiting().push(Box::pin(work));
    }

    /// Defers work until the response is sent. If this is off, the work runs in a task and ends
    /// with the sandbox. No response waits for it.
    pub(crate) fn spawn_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        if self.0.is_on.load(Ordering::Relaxed) {
            return self.waiting().push(Box::pin(work));
        }
        tokio::spawn(work);
    }

    /// Waits until one more response is sent and its deferred work is done.
    pub(crate) async fn is_over(&self) {
        // The semaphore is never closed.
        if let Ok(permit) = self.0.answers.acquire().await {
            permit.forget();
        }
        self.0.doing.is_done().await;
    }

    /// Starts the work that waited for this response.
    fn has_left(&self) {
        let jobs = std::mem::take(&mut *self.waiting());
        for job in jobs {
            let ongoing = self.0.doing.begin();
            tokio::spawn(async move {
                job.await;
                drop(ongoing);
            });
        }
        self.0.answers.add_permits(1);
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Job>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wraps the part of the runtime that sends responses.
impl<S> Layer<S> for PostResponse {
    type Service = Answering<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Answering { after: self.clone(), inner }
    }
}

/// Sends a response and reports that it was sent.
#[derive(Clone)]
pub(crate) struct Answering<S> {
    after: PostResponse,
    inner: S,
}

impl<S> Service<LambdaInvocation> for Answering<S>
where
    S: Service<LambdaInvocation, Response = ()>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<(), S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let answering = self.inner.call(invocation);
        let after = self.after.clone();
        let ongoing = after.0.doing.begin();
        Box::pin(async move {
            let answered = answering.await;
            after.has_left();
            drop(ongoing);
            answered
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use futures_util::FutureExt;

    use super::*;

    fn job(done: &Arc<AtomicU32>) -> impl Future<Output = ()> + Send + 'static {
        let done = Arc::clone(done);
        async move {
            done.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn work_waits_for_the_answer_and_the_extension_for_the_work() {
        let (after, done) = (PostResponse::new(Work::new()), Arc::new(AtomicU32::new(0)));
        after.turn(true);
        after.defer(job(&done)).await;
        after.defer(job(&done)).await;
        assert_eq!(done.load(Ordering::SeqCst), 0);
        assert!(after.is_over().now_or_never().is_none(), "no answer has left");
        after.has_left();
        after.is_over().await;
        assert_eq!(done.load(Ordering::SeqCst), 2);
        assert!(after.is_over().now_or_never().is_none(), "an answer counts once");
    }

    #[tokio::test]
    async fn where_it_is_off_work_is_done_at_once() {
        let (after, done) = (PostResponse::new(Work::new()), Arc::new(AtomicU32::new(0)));
        after.defer(job(&done)).await;
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }
}
