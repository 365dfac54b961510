use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a host behaves that serves a bundle, wherever it is deployed: the table `[host]` of
/// `tenet.toml`. What differs from place to place, such as where the database is, comes from
/// the function's environment instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostSettings {
    /// The most connections to the database that one sandbox has, and so the most requests
    /// that it decides at the same moment: 1 to 64.
    ///
    /// Times the function's concurrency it has to stay below the cluster's limit, which is
    /// 10,000 unless raised
    /// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>).
    pub connections: u32,
    /// Whether events leave after the answer has, where the platform allows it.
    pub publish_after_answer: bool,
    /// Milliseconds that publishing a request's events may take, 1 to 60,000. What the bus
    /// has not taken by then stays in the outbox.
    pub publish_ms: u64,
    /// Milliseconds before an invocation's deadline at which its answer has to be on its
    /// way, 1 to 60,000.
    pub margin_ms: u64,
}

/// A setting that no host can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImpossibleSetting {
    name: &'static str,
    value: u64,
    least: u64,
    most: u64,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self { connections: 8, publish_after_answer: true, publish_ms: 2000, margin_ms: 300 }
    }
}

impl HostSettings {
    /// Refuses the first value that is out of its range.
    pub fn check(&self) -> Result<(), ImpossibleSetting> {
        for (name, value, least, most) in [
            ("connections", u64::from(self.connections), 1, 64),
            ("publish_ms", self.publish_ms, 1, 60_000),
            ("margin_ms", self.margin_ms, 1, 60_000),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ImpossibleSetting { name, value, least, most });
            }
        }
        Ok(())
    }

    /// What publishing may take, as a duration.
    pub fn publish(&self) -> Duration {
        Duration::from_millis(self.publish_ms)
    }

    /// The margin before a deadline, as a duration.
    pub fn margin(&self) -> Duration {
        Duration::from_millis(self.margin_ms)
    }
}

impl ImpossibleSetting {
    /// The name of the setting.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for ImpossibleSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, least, most } = self;
        write!(f, "{name} is {value}, and it may be {least} to {most}")
    }
}

impl std::error::Error for ImpossibleSetting {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_host_can_do_is_refused_by_name() {
        assert_eq!(HostSettings::default().check(), Ok(()));
        let none = HostSettings { connections: 0, ..HostSettings::default() };
        assert_eq!(none.check().unwrap_err().to_string(), "connections is 0, and it may be 1 to 64");
        let never = HostSettings { publish_ms: 60_001, ..HostSettings::default() };
        assert_eq!(never.check().unwrap_err().name(), "publish_ms");
    }

    #[test]
    fn a_setting_that_is_not_there_is_the_default_and_an_unknown_one_is_refused() {
        let read = serde_json::from_str::<HostSettings>;
        assert_eq!(read(r#"{"connections":2}"#).unwrap(), HostSettings { connections: 2, ..HostSettings::default() });
        assert!(read(r#"{"conections":2}"#).unwrap_err().to_string().contains("conections"));
    }
}
