use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::AnswerRetention;

/// The settings of a host that serves a bundle, wherever it is deployed: the table `[host]` of `tenet.toml`. Settings
/// that differ between deployments, such as the database's address, come from the function's environment instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostSettings {
    /// The most connections to the database per sandbox, and so the most requests that it decides concurrently: 1 to
    /// 64. Further requests wait.
    ///
    /// Multiplied by the function's concurrency it has to stay below the cluster's limit, which is 10,000 unless raised
    /// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>).
    pub connections: u32,
    /// Milliseconds that the host waits for the database's response to one round trip, 100 to 60,000: a connection, a
    /// rule's statement or batch, COMMIT. After this timeout the connection is closed, the endpoint's breaker counts a
    /// failure, and the request is retried if there is time, at the peer's endpoint if there is one.
    pub statement_ms: u64,
    /// Whether events are published after the response is sent, where the platform allows it.
    pub publish_after_answer: bool,
    /// Milliseconds that publishing a request's events may take, 1 to 60,000. Events that the bus has not accepted by
    /// then stay in the outbox.
    pub publish_ms: u64,
    /// Milliseconds before an invocation's deadline by which its response has to be sent, 1 to 60,000.
    pub margin_ms: u64,
    /// CloudWatch's namespace for the metrics in the host's log. If it is empty, there are no metrics.
    pub metrics: String,
    /// Seconds after which a row of the outbox is left to the relay, 1 to 86,400. It has to be more than the function's
    /// timeout, so that no request is still publishing the row.
    pub relay_grace_s: u64,
    /// Days that accepted answers are kept under their keys, 1 to 3,650: longer than any source redelivers a message.
    /// EventBridge redelivers for a day and SQS for up to 14
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>).
    pub keep_accepted_days: u64,
    /// How many of the last `2 * rule_failures` calls of a rule for one caller have to fail at a cost before a sandbox
    /// suspends the rule for `rule_rest_s`: for the payloads that made it fail, for the caller if these are many, and
    /// for all callers if that holds for many callers. The last five are enough if each took a second. 0 to 1,000; 0
    /// disables this.
    pub rule_failures: u32,
    /// Seconds that a rule is suspended, 1 to 3,600. Affected requests are answered with 503.
    pub rule_rest_s: u64,
    /// Minutes that rejections are kept under their keys, 10 to 5,256,000.
    pub keep_rejected_minutes: u64,
    /// How many of a thousand requests are recorded as capsules, 0 to 1,000, if the function has a folder for them
    /// (`TENET_CAPSULES`).
    pub capsule_permille: u32,
    /// Whether every failed request (500, 503) is recorded.
    pub capsule_failures: bool,
    /// Whether a request is recorded if its caller asks for it with the header `Tenet-Capsule`.
    pub capsule_asked: bool,
    /// Milliseconds that a rule's shadow may take after the response, 1 to 60,000.
    pub shadow_ms: u64,
    /// Seconds for which one data key of the vault seals an operation's values, 60 to 31,536,000, by the times of the
    /// requests. After that a new key is used.
    pub vault_period_s: u64,
    /// The most data keys that the vault caches, 1 to 10,000.
    pub vault_keys: u32,
    /// Seconds that it caches a data key that it had to unwrap, 1 to 86,400.
    pub vault_age_s: u64,
}

/// An invalid setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {text}")]
pub struct ImpossibleSetting {
    name: &'static str,
    text: String,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            connections: 8,
            statement_ms: 5000,
            publish_after_answer: true,
            publish_ms: 2000,
            margin_ms: 300,
            metrics: "Tenet".to_owned(),
            relay_grace_s: 960,
            rule_failures: 20,
            rule_rest_s: 30,
            keep_accepted_days: 30,
            keep_rejected_minutes: 1440,
            capsule_permille: 0,
            capsule_failures: false,
            capsule_asked: false,
            shadow_ms: 500,
            vault_period_s: 86_400,
            vault_keys: 200,
            vault_age_s: 3600,
        }
    }
}

impl HostSettings {
    /// Refuses the first value that is out of range.
    pub fn check(&self) -> Result<(), ImpossibleSetting> {
        for (name, value, least, most) in [
            ("connections", u64::from(self.connections), 1, 64),
            ("statement_ms", self.statement_ms, 100, 60_000),
            ("publish_ms", self.publish_ms, 1, 60_000),
            ("margin_ms", self.margin_ms, 1, 60_000),
            ("relay_grace_s", self.relay_grace_s, 1, 86_400),
            ("rule_failures", u64::from(self.rule_failures), 0, 1000),
            ("rule_rest_s", self.rule_rest_s, 1, 3600),
            ("keep_accepted_days", self.keep_accepted_days, 1, 3650),
            ("keep_rejected_minutes", self.keep_rejected_minutes, 10, 5_256_000),
            ("capsule_permille", u64::from(self.capsule_permille), 0, 1000),
            ("shadow_ms", self.shadow_ms, 1, 60_000),
            ("vault_period_s", self.vault_period_s, 60, 31_536_000),
            ("vault_keys", u64::from(self.vault_keys), 1, 10_000),
            ("vault_age_s", self.vault_age_s, 1, 86_400),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ImpossibleSetting {
                    name,
                    text: format!("is {value}, and it has to be {least} to {most}"),
                });
            }
        }
        if !is_namespace(&self.metrics) {
            let text = format!(
                "is {:?}, and a namespace has up to 255 letters, digits and .-_/#: and does not begin with AWS/ or a colon",
                self.metrics
            );
            return Err(ImpossibleSetting { name: "metrics", text });
        }
        Ok(())
    }

    /// The timeout for one response of the database, as a duration.
    pub fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.statement_ms)
    }

    /// The time for publishing, as a duration.
    pub fn publish(&self) -> Duration {
        Duration::from_millis(self.publish_ms)
    }

    /// The margin before a deadline, as a duration.
    pub fn margin(&self) -> Duration {
        Duration::from_millis(self.margin_ms)
    }

    /// The relay's grace, as a duration.
    pub fn relay_grace(&self) -> Duration {
        Duration::from_secs(self.relay_grace_s)
    }

    /// The time for a shadow, as a duration.
    pub fn shadow(&self) -> Duration {
        Duration::from_millis(self.shadow_ms)
    }

    /// How long answers are kept.
    pub fn answer_retention(&self) -> AnswerRetention {
        let minutes = |minutes: u64| Duration::from_secs(minutes.saturating_mul(60));
        AnswerRetention {
            accepted: minutes(self.keep_accepted_days.saturating_mul(24 * 60)),
            rejected: minutes(self.keep_rejected_minutes),
        }
    }
}

/// Whether CloudWatch accepts it as a custom namespace, or it is empty
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>).
fn is_namespace(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_/#:".contains(c);
    text.len() <= 255 && !text.starts_with(':') && !text.starts_with("AWS/") && text.chars().all(plain)
}

impl ImpossibleSetting {
    /// The name of the setting.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_host_can_do_is_refused_by_name() {
        assert_eq!(HostSettings::default().check(), Ok(()));
        let none = HostSettings { connections: 0, ..HostSettings::default() };
        assert_eq!(none.check().unwrap_err().to_string(), "connections is 0, and it has to be 1 to 64");
        let never = HostSettings { publish_ms: 60_001, ..HostSettings::default() };
        assert_eq!(never.check().unwrap_err().name(), "publish_ms");
        let soon = HostSettings { keep_rejected_minutes: 9, ..HostSettings::default() };
        assert_eq!(soon.check().unwrap_err().name(), "keep_rejected_minutes");
        let at_once = HostSettings { keep_accepted_days: 0, ..HostSettings::default() };
        assert_eq!(at_once.check().unwrap_err().name(), "keep_accepted_days");
        for (namespace, is_one) in
            [("", true), ("Acme/Bank", true), ("AWS/Lambda", false), (":x", false), ("a b", false)]
        {
            let settings = HostSettings { metrics: namespace.to_owned(), ..HostSettings::default() };
            assert_eq!(settings.check().is_ok(), is_one, "{namespace}");
        }
    }

    #[test]
    fn a_setting_that_is_not_there_is_the_default_and_an_unknown_one_is_refused() {
        let read = serde_json::from_str::<HostSettings>;
        assert_eq!(read(r#"{"connections":2}"#).unwrap(), HostSettings { connections: 2, ..HostSettings::default() });
        assert!(read(r#"{"conections":2}"#).unwrap_err().to_string().contains("conections"));
    }
}
