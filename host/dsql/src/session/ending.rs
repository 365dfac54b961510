use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::sql_error::SqlError;

/// Whether the client of a session is gone, so that a statement of its need not go on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gone(Arc<AtomicBool>);

impl Gone {
    fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Says that the client is gone, unless it is dropped where the statement has ended.
pub(crate) struct GoneOnDrop(Option<Gone>);

impl GoneOnDrop {
    pub(crate) fn new(gone: &Gone) -> Self {
        Self(Some(gone.clone()))
    }

    /// The statement has ended.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for GoneOnDrop {
    fn drop(&mut self) {
        if let Some(Gone(gone)) = &self.0 {
            gone.store(true, Ordering::Relaxed);
        }
    }
}

/// When a statement that runs has to end.
pub(crate) struct Ending {
    pub(crate) gone: Gone,
    pub(crate) clock: Arc<dyn Clock>,
    /// When its transaction began, and how old that may be.
    pub(crate) since: Duration,
    pub(crate) age: Duration,
}

impl Ending {
    /// Fails if it has to end now.
    pub(crate) fn check(&self) -> Result<(), SqlError> {
        if self.gone.is_so() {
            return Err(SqlError::new("57014", "canceling statement due to user request"));
        }
        if self.clock.elapsed().saturating_sub(self.since) >= self.age {
            return Err(too_old(self.age));
        }
        Ok(())
    }
}

/// The error of a transaction that is older than it may be.
pub(crate) fn too_old(limit: Duration) -> SqlError {
    SqlError::new("54000", format!("transaction age limit of {}s exceeded", limit.as_secs()))
}
