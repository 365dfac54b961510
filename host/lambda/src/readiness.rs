use std::time::Duration;

use tenet_core::{DualInstant, Fault};
use tokio::sync::Mutex;

/// How long the result of a check is valid.
const VALID: Duration = Duration::from_secs(2);

/// The last result of the readiness check.
///
/// Health checks have no credentials: anyone can send them, at any rate. So a sandbox queries the
/// database for them at most once in [`VALID`], and for concurrent ones only once.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(DualInstant, Result<(), Fault>)>>);

impl Readiness {
    /// The last result while it is valid, else that of `check`.
    pub(crate) async fn get(&self, check: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
        let mut last = self.0.lock().await;
        if let Some((at, ready)) = &*last
            && at.elapsed() < VALID
        {
            return ready.clone();
        }
        let ready = check.await;
        *last = Some((DualInstant::now(), ready.clone()));
        ready
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Instant, SystemTime};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn concurrent_checks_are_one_whatever_its_result() {
        for result in [Ok(()), Err(Fault::unavailable("it is away"))] {
            let (readiness, checks) = (Readiness::default(), AtomicU32::new(0));
            let check = || async {
                checks.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                result.clone()
            };
            let begun = Instant::now();
            let all = join_all((0..100).map(|_| readiness.get(check()))).await;
            assert!(all.iter().all(|ready| ready.is_ok() == result.is_ok()));
            let most = 1 + begun.elapsed().as_secs() / VALID.as_secs();
            assert!(u64::from(checks.load(Ordering::Relaxed)) <= most);
        }
    }

    #[tokio::test]
    async fn an_expired_result_is_not_used_even_if_the_sandbox_was_frozen() {
        for thawed in
            [(Instant::now().checked_sub(VALID), SystemTime::now()), (Some(Instant::now()), SystemTime::now() - VALID)]
        {
            let (Some(monotonic), wall) = thawed else { continue };
            let expired = (DualInstant::of(monotonic, wall), Err(Fault::unavailable("it was away")));
            let readiness = Readiness(Mutex::new(Some(expired)));
            readiness.get(async { Ok(()) }).await.unwrap();
        }
    }
}
