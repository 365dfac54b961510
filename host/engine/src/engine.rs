use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::settings::{self, Metering, OWN_TARGET};
use crate::ticker::Ticker;

/// The runtime for rules: wasmtime with one set of settings, a pool of instances, and the ticker
/// that interrupts guests. One engine serves any number of libraries.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    metering: Metering,
    slots: Semaphore,
    _ticker: Ticker,
}

/// Why the engine could not be created.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct EngineError {
    what: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl Engine {
    /// An engine that runs at most `slots` concurrent calls (at least one); further calls wait. A
    /// slot reserves about 8 GB of address space, and takes no memory until it is used.
    ///
    /// If that much address space is not available, instances are allocated on demand, which is
    /// slower but otherwise equivalent.
    pub fn new(slots: u32) -> Result<Arc<Self>, EngineError> {
        Self::with(slots, Metering::Off)
    }

    /// Like `new`, but also counts the instructions of rules
    /// ([`RuleCall::fuel`](tenet_core::RuleCall::fuel)). It loads only code that was compiled for
    /// metering, so it is for test harnesses.
    pub fn metered(slots: u32) -> Result<Arc<Self>, EngineError> {
        Self::with(slots, Metering::On)
    }

    fn with(slots: u32, metering: Metering) -> Result<Arc<Self>, EngineError> {
        let slots = slots.max(1);
        let wasmtime =
            match settings::pooled(OWN_TARGET, slots, metering).and_then(|config| wasmtime::Engine::new(&config)) {
                Ok(engine) => engine,
                Err(error) => {
                    tracing::warn!(slots, error = %error.root_cause(), "no pool of instances; allocating on demand");
                    let config = settings::on_demand(OWN_TARGET, metering);
                    config.and_then(|config| wasmtime::Engine::new(&config)).map_err(|error| EngineError {
                        what: "the engine refuses its settings",
                        source: error.into_boxed_dyn_error(),
                    })?
                }
            };
        let ticking = wasmtime.clone();
        let ticker = Ticker::start(move || ticking.increment_epoch())
            .map_err(|error| EngineError { what: "there is no thread for the ticker", source: error.into() })?;
        let slots = Semaphore::new(usize::try_from(slots).unwrap_or(Semaphore::MAX_PERMITS));
        Ok(Arc::new(Self { wasmtime, metering, slots, _ticker: ticker }))
    }

    /// The fingerprint of the engine's version and settings. Compiled rules carry the fingerprint
    /// of their engine, and an engine with another fingerprint refuses them.
    pub fn fingerprint(&self) -> String {
        settings::fingerprint(OWN_TARGET, self.metering)
    }

    pub(crate) fn is_metered(&self) -> bool {
        self.metering == Metering::On
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// One permit per running call, held until all resources of the call are freed.
    pub(crate) fn slots(&self) -> &Semaphore {
        &self.slots
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_cannot_be_reserved_is_done_without() {
        // More address space than a process has.
        Engine::new(1_000_000).unwrap();
        Engine::new(0).unwrap();
    }
}
