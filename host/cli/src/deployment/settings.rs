use tenet_core::{HostSettings, Limits};
use tenet_deploy::Settings;

/// What a configuration has to agree with, of a bundle's sources or of what was built of them.
pub(crate) fn settings<'a>(host: &HostSettings, rules: impl Iterator<Item = (&'a str, &'a Limits)>) -> Settings {
    Settings {
        connections: host.connections,
        metrics: host.metrics.clone(),
        relay_grace_s: host.relay_grace_s,
        margin_ms: host.margin_ms,
        database_ms: rules.map(|(name, limits)| (name.to_owned(), limits.database_ms)).collect(),
    }
}
