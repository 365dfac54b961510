use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tenet_core::{HostSettings, Vault};
use tenet_vault::{FieldVault, KeyCachePolicy, LocalKeys};

use crate::error::{Context, Error, Result};

/// The vault of a laptop, which needs no AWS: with the key in a file or, where none is named, with
/// one that everybody knows.
///
/// # Errors
/// Fails where the file cannot be read, or has no key in it.
pub fn vault(key: Option<&Path>, settings: &HostSettings) -> Result<Arc<dyn Vault>> {
    let keys = match key {
        None => LocalKeys::development(),
        Some(path) => {
            let text = tenet_build::text_at_most(path, tenet_build::MAX_TEXT);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            LocalKeys::parse(&text).with_context(|| {
                let help = "make one with `openssl rand -hex 32`, and keep it out of the repository";
                Error::new(format!("{} is no key of the vault", path.display()), help)
            })?
        }
    };
    let policy = KeyCachePolicy {
        period: Duration::from_secs(settings.vault_period_s),
        keys: usize::try_from(settings.vault_keys).unwrap_or(usize::MAX),
        age: Duration::from_secs(settings.vault_age_s),
    };
    Ok(Arc::new(FieldVault::new(keys, policy)))
}
