//! The files that a team writes: `tenet.toml` and `rule.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tenet_core::Limits;
use tenet_core::bundle::Caller;

use crate::Error;

/// The version of both formats.
const VERSION: u32 = 1;

/// `tenet.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    #[serde(rename = "version")]
    _version: u32,
    #[serde(default)]
    pub(crate) operations: BTreeMap<String, Operation>,
}

/// `[operations.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operation {
    pub(crate) rules: Vec<String>,
    pub(crate) key: Option<String>,
    #[serde(default)]
    pub(crate) read_only: bool,
    pub(crate) callers: Option<Vec<Caller>>,
}

/// `rules/NAME/rule.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleManifest {
    #[serde(rename = "version")]
    _version: u32,
    /// For whoever reads the file or the API's description; asked for so that nobody has to
    /// guess.
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// Reads a manifest; a version that is not known is refused before anything else in it.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let invalid = |error: toml::de::Error| Error::new(format!("{}: {}", path.display(), error.to_string().trim_end()));
    let Versioned { version } = toml::from_str(&text).map_err(invalid)?;
    if version != VERSION {
        return Err(Error::new(format!(
            "{}: it has version {version}, and this tenet reads version {VERSION}",
            path.display()
        )));
    }
    toml::from_str(&text).map_err(invalid)
}
