//! Capsules as files: sealed or open.

use std::path::Path;

use tenet_capsule::{Capsule, Key};
use tenet_core::Code;

use crate::error::{Context, Error, Result};

/// The variable with the key of sealed capsules.
const KEY: &str = "TENET_CAPSULE_KEY";

/// Reads a capsule; one that is sealed with the key that the environment has.
///
/// # Errors
/// Fails where it cannot be read, is none, or is sealed with another key.
pub fn read(path: &Path) -> Result<Capsule> {
    let text = tenet_build::text_at_most(path, tenet_build::MAX_RECORD);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let key = key()?;
    Capsule::parse(&text, key.as_ref()).map_err(|error| {
        let help = match error.is_sealed() {
            true => format!("set {KEY} to the key that it was sealed with"),
            false => "take a file that `--record` wrote, or a function".to_owned(),
        };
        let what = format!("{} cannot be used", path.display());
        Error::new(what, help).explained(Code::Capsule).caused_by(error.into())
    })
}

/// Writes a capsule as its operation wants it kept.
///
/// # Errors
/// Fails where it cannot be written, or where there is no key to seal it with.
pub fn write(path: &Path, capsule: &Capsule) -> Result<()> {
    let key = key()?;
    let text = capsule.to_text(&Capsule::secrecy(&capsule.operation, key.as_ref()))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What seals capsules, if there is a key.
fn key() -> Result<Option<Key>> {
    let key = std::env::var(KEY).ok().map(|text| Key::parse(&text)).transpose();
    key.with_context(|| KEY.to_owned())
}
