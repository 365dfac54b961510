use std::sync::Arc;
use std::time::{Duration, Instant};

use tenet_clock::{SystemClock, monotonic};
use tenet_core::{BoxFuture, Clock, Fault, Occasion, Vault, VaultCall, VaultError, VaultField, VaultVerb, Vaulted};
use tokio::time::timeout_at;

use crate::data_key::DataKey;
use crate::envelope::Envelope;
use crate::keyring::{KeyCachePolicy, Keyring};
use crate::keys::{KeyFault, Keys, NewKey};

/// The timeout for fetching a data key, shared by all that wait for it.
const WAITING: Duration = Duration::from_secs(3);

/// Implements the port `Vault` with keys of any kind.
pub struct FieldVault {
    keys: Box<dyn Keys>,
    clock: Arc<dyn Clock>,
    period: Duration,
    /// Keys for sealing, by operation and period.
    sealing: Keyring<(String, u64)>,
    /// Keys for opening, by operation and wrapped key.
    opening: Keyring<(String, Vec<u8>)>,
}

impl FieldVault {
    /// A vault with empty caches.
    pub fn new(keys: impl Keys + 'static, keeping: KeyCachePolicy) -> Self {
        Self {
            keys: Box::new(keys),
            clock: Arc::new(SystemClock),
            period: keeping.period.max(Duration::from_secs(1)),
            // A request's own time determines its period; an unused key is evicted after one
            // period.
            sealing: Keyring::new(keeping.keys, keeping.period),
            opening: Keyring::new(keeping.keys, keeping.age),
        }
    }

    /// The same with another clock, which tells the ages of its keys.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    async fn seal(&self, field: &VaultField, value: &[u8], occasion: Occasion<'_>) -> Result<Vaulted, Fault> {
        let Occasion { operation, now, salt, deadline } = occasion;
        let now = Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
        let period = now.as_secs() / self.period.as_secs();
        let deadline = until(deadline);
        let key = with_deadline(deadline, async {
            let making = async {
                let since = self.clock.dual_instant();
                let NewKey { secret, wrapped } = self.keys.make(operation, period, deadline).await?;
                Ok(DataKey::new(secret, wrapped, since))
            };
            self.sealing.get((operation.to_owned(), period), self.clock.dual_instant(), making).await
        });
        let key = key.await.unwrap_or_else(|| Err(late()))?;
        // This process can open what it has sealed without fetching the key.
        let opened = (operation.to_owned(), key.wrapped.clone());
        self.opening.put(opened, self.clock.dual_instant(), Arc::clone(&key));
        let sealed = key.seal(operation, field, &salt, value);
        sealed.map(Ok).ok_or_else(|| Fault::other(None, "the vault could not seal a value"))
    }

    async fn open(&self, field: &VaultField, sealed: &[u8], deadline: Instant) -> Result<Vaulted, Fault> {
        let Some(envelope) = Envelope::parse(sealed) else { return Ok(Err(VaultError::not_sealed())) };
        let deadline = until(deadline);
        let key = with_deadline(deadline, async {
            let (operation, wrapped) = (envelope.operation, envelope.wrapped);
            let unwrapping = async {
                let since = self.clock.dual_instant();
                let secret = self.keys.unwrap(operation, wrapped, deadline).await?;
                Ok(DataKey::new(secret, wrapped.to_vec(), since))
            };
            self.opening.get((operation.to_owned(), wrapped.to_vec()), self.clock.dual_instant(), unwrapping).await
        });
        let key = match key.await.unwrap_or_else(|| Err(KeyFault::Away(late()))) {
            Ok(key) => key,
            Err(KeyFault::Away(fault)) => return Err(fault),
            Err(KeyFault::Foreign) => return Ok(Err(VaultError::elsewhere(field))),
        };
        Ok(key.open(&envelope, field).ok_or_else(|| VaultError::elsewhere(field)))
    }
}

impl Vault for FieldVault {
    fn ask<'a>(&'a self, call: &'a VaultCall, occasion: Occasion<'a>) -> BoxFuture<'a, Result<Vaulted, Fault>> {
        Box::pin(async move {
            match call.verb {
                VaultVerb::Seal => self.seal(&call.field, &call.bytes, occasion).await,
                VaultVerb::Open => self.open(&call.field, &call.bytes, occasion.deadline).await,
            }
        })
    }
}

fn until(deadline: Instant) -> Instant {
    deadline.min(monotonic() + WAITING)
}

async fn with_deadline<T>(deadline: Instant, waiting: impl Future<Output = T>) -> Option<T> {
    timeout_at(deadline.into(), waiting).await.ok()
}

fn late() -> Fault {
    Fault::vault("the vault's key was not available in time")
}
