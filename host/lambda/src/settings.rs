use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use tenet_core::bundle::{INDEX, Index};

use crate::log_settings::LogSettings;

/// Everything the function reads from its environment, read once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `AWS_REGION`: the region that serves, set by Lambda.
    pub(crate) region: String,
    /// `TENET_BUNDLE`: the folder with the bundle's `index.json`; where it is not set, the
    /// folder of the function's code, `LAMBDA_TASK_ROOT`.
    pub(crate) bundle: PathBuf,
    /// `TENET_DATABASE_URL`: `postgres://USER@HOST:PORT/DATABASE`.
    pub(crate) database_url: String,
    /// `TENET_EVENT_BUS`: the name or ARN of the EventBridge bus that takes the events.
    pub(crate) event_bus: String,
    /// `TENET_LOG` and Lambda's own: what is logged, and how.
    pub(crate) log: LogSettings,
}

const OURS: [&str; 4] = ["TENET_BUNDLE", "TENET_DATABASE_URL", "TENET_EVENT_BUS", "TENET_LOG"];

impl Settings {
    /// Reads the variables of a process. One that begins with `TENET_` and is not known
    /// is refused, because it is a misspelt one.
    pub(crate) fn read(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Self> {
        let variables: HashMap<_, _> = variables.collect();
        let mut unknown: Vec<_> =
            variables.keys().filter(|name| name.starts_with("TENET_") && !OURS.contains(&name.as_str())).collect();
        unknown.sort();
        if let Some(name) = unknown.first() {
            bail!("{name} is not a setting; there are {}", OURS.join(", "));
        }
        let read = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let needed = |name: &str, what: &str| read(name).with_context(|| format!("{name} is not set: {what}"));
        Ok(Self {
            region: needed("AWS_REGION", "the region that serves")?,
            bundle: read("TENET_BUNDLE")
                .or_else(|| read("LAMBDA_TASK_ROOT"))
                .context("neither TENET_BUNDLE nor LAMBDA_TASK_ROOT is set: the folder of the bundle")?
                .into(),
            database_url: needed("TENET_DATABASE_URL", "postgres://USER@HOST:PORT/DATABASE")?,
            event_bus: needed("TENET_EVENT_BUS", "the EventBridge bus that takes the events")?,
            log: LogSettings::read(read)?,
        })
    }

    /// Reads the index of the bundle.
    pub(crate) fn index(&self) -> anyhow::Result<Index> {
        let path = self.bundle.join(INDEX);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Index::parse(&text).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        Settings::read(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    const FULL: [(&str, &str); 4] = [
        ("AWS_REGION", "us-east-1"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("TENET_DATABASE_URL", "postgres://app@db/postgres"),
        ("TENET_EVENT_BUS", "default"),
    ];

    #[test]
    fn the_bundle_is_the_functions_own_folder_unless_named() {
        assert_eq!(read(&FULL).unwrap().bundle, PathBuf::from("/var/task"));
        let named = [&FULL[..], &[("TENET_BUNDLE", "/opt/bundle")]].concat();
        assert_eq!(read(&named).unwrap().bundle, PathBuf::from("/opt/bundle"));
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        for missing in ["AWS_REGION", "TENET_DATABASE_URL", "TENET_EVENT_BUS"] {
            let some: Vec<_> = FULL.into_iter().filter(|(name, _)| *name != missing).collect();
            assert!(read(&some).unwrap_err().to_string().contains(missing));
        }
        let misspelt = [&FULL[..], &[("TENET_DATABSE_URL", "x")]].concat();
        assert!(read(&misspelt).unwrap_err().to_string().starts_with("TENET_DATABSE_URL"));
    }
}
