use tenet_core::{Limit, LimitExceeded, Limits};
use wasmtime::ResourceLimiter;

use crate::guest_stop::GuestStop;
use crate::settings::{MEMORY_CEILING, TABLE_CEILING};

/// Decides whether a guest's memories and tables may grow, and tracks their sizes.
///
/// A growth beyond a limit ends the call: a guest that received -1 would only panic with a
/// misleading message.
pub(crate) struct Limiter {
    memory: Account,
    tables: Account,
}

struct Account {
    limit: Limit,
    allowed: u64,
    used: u64,
    /// The size of the growth in progress; subtracted again if it fails for another reason.
    asked: u64,
    refused: Option<LimitExceeded>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        let account = |limit, allowed| Account { limit, allowed, used: 0, asked: 0, refused: None };
        Self {
            memory: account(Limit::Memory, limits.memory_bytes.min(MEMORY_CEILING)),
            tables: account(Limit::TableElements, limits.table_elements.min(TABLE_CEILING)),
        }
    }

    /// Bytes of linear memory; a guest's memory never shrinks, so this is also its peak.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory.used
    }

    /// The limit that a growth exceeded.
    pub(crate) fn refused(&self) -> Option<LimitExceeded> {
        self.memory.refused.or(self.tables.refused)
    }
}

impl Account {
    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let asked = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        let used = self.used.saturating_add(asked);
        if let Err(exceeded) = self.limit.check(self.allowed, used) {
            self.refused = Some(exceeded);
            return Err(GuestStop::from(exceeded).into());
        }
        // The guest set this bound itself, and may continue when it reaches it.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        (self.used, self.asked) = (used, asked);
        Ok(true)
    }

    fn failed(&mut self) {
        self.used -= std::mem::take(&mut self.asked);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.memory.grow(current, desired, maximum)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.failed();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.tables.grow(current, desired, maximum)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.tables.failed();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 << 10;

    fn limiter(pages: u64) -> Limiter {
        Limiter::new(&Limits { memory_bytes: pages * (PAGE as u64), table_elements: 10, ..Limits::default() })
    }

    #[test]
    fn counts_all_memories_together_and_names_what_was_asked() {
        let mut limiter = limiter(3);
        assert!(limiter.memory_growing(0, PAGE, None).unwrap());
        assert!(limiter.memory_growing(0, 2 * PAGE, None).unwrap());
        assert_eq!(limiter.memory_bytes(), 3 * PAGE as u64);
        let error = limiter.memory_growing(PAGE, 2 * PAGE, None).unwrap_err();
        let exceeded =
            LimitExceeded { limit: Limit::Memory, allowed: Some(3 * PAGE as u64), used: Some(4 * PAGE as u64) };
        assert_eq!(error.downcast_ref::<GuestStop>(), Some(&GuestStop::Limit(exceeded)));
        assert_eq!(limiter.refused(), Some(exceeded));
        assert_eq!(limiter.memory_bytes(), 3 * PAGE as u64);
    }

    #[test]
    fn a_growth_that_fails_is_not_counted() {
        let mut limiter = limiter(3);
        assert!(limiter.memory_growing(0, 2 * PAGE, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("no memory")).unwrap();
        limiter.memory_grow_failed(wasmtime::Error::msg("no memory")).unwrap();
        assert_eq!(limiter.memory_bytes(), 0);
        assert!(!limiter.memory_growing(0, 2 * PAGE, Some(PAGE)).unwrap());
        assert_eq!((limiter.memory_bytes(), limiter.refused()), (0, None));
    }

    #[test]
    fn tables_have_a_limit_of_their_own() {
        let mut limiter = limiter(1);
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(limiter.table_growing(10, 11, None).is_err());
        assert_eq!(limiter.refused().unwrap().limit, Limit::TableElements);
    }

    #[test]
    fn no_limit_is_above_the_engines_own() {
        let mut limiter = Limiter::new(&Limits { memory_bytes: u64::MAX, ..Limits::default() });
        assert!(limiter.memory_growing(0, (MEMORY_CEILING as usize) + PAGE, None).is_err());
        assert_eq!(limiter.refused().unwrap().allowed, Some(MEMORY_CEILING));
    }
}
