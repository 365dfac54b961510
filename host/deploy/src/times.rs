use crate::config::Config;
use crate::error::DeployError;
use crate::package::Settings;

/// How long the HTTP API waits for the function, in milliseconds: `HttpTimeoutMs` of the template.
pub(crate) const HTTP_TIMEOUT_MS: u64 = 29_000;

/// How late a turn of the relay may begin, in seconds: the scheduler's precision
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>).
const SCHEDULE_PRECISION_S: u64 = 60;

impl Config {
    /// Checks that the bundle's `[host]` and this configuration agree: on times, on connections, and on
    /// metrics, which the stack's alarms look at.
    ///
    /// # Errors
    /// Names the setting that has to be changed.
    pub fn suits(&self, settings: &Settings) -> Result<(), DeployError> {
        if settings.metrics.is_empty() {
            let why = "`metrics` of [host] is empty, and the stack's alarms look at the host's metrics";
            return Err(DeployError::new(why));
        }
        self.fits(settings.connections)?;
        let timeout = u64::from(self.function.timeout_s);
        let (margin, least) = (settings.margin_ms, HTTP_TIMEOUT_MS.min(timeout * 1000));
        if margin >= least {
            let why = format!("`margin_ms` of [host] is {margin}, and a request has {least} ms in all");
            return Err(DeployError::new(why));
        }
        // A request waits for its turn for at most half of its time (host/lambda/README.md).
        let left = timeout * 1000 / 2;
        if let Some((rule, wait)) =
            settings.database_ms.iter().max_by_key(|(_, wait)| wait).filter(|(_, wait)| *wait > left)
        {
            let why = format!(
                "function.timeout_s is {timeout}, and the rule {rule} may wait {wait} ms for the database: a request that \
                 waited for its turn has {left} ms left, so that it would end before the rule is held to its limit"
            );
            let least = wait.div_ceil(500);
            return Err(DeployError::new(why)
                .help(format!("{least} or more, or `database_ms` of {left} or less in [limits] of each rule.toml")));
        }
        let grace = settings.relay_grace_s;
        if grace <= timeout {
            let why = format!(
                "`relay_grace_s` of [host] is {grace}, and function.timeout_s is {timeout}: a relay would deliver events \
                 that a request is still publishing"
            );
            return Err(DeployError::new(why));
        }
        let least = self.recovery_s(settings);
        if let Some(lag) = self.alarms.outbox_lag_s.map(u64::from).filter(|lag| *lag < least) {
            let why =
                format!("alarms.outbox_lag_s is {lag}: an event that the relay recovers is up to {least} seconds old");
            return Err(DeployError::new(why)
                .help("leave it out, or set fewer `relay_minutes` or a shorter `relay_grace_s` in [host]"));
        }
        Ok(())
    }

    /// The age in seconds that no event exceeds which the relay delivers, even if one turn fails:
    /// the grace and two turns. It is the alarm threshold unless a longer one is configured.
    pub(crate) fn recovery_s(&self, settings: &Settings) -> u64 {
        settings.relay_grace_s + 2 * u64::from(self.events.relay_minutes) * 60 + SCHEDULE_PRECISION_S
    }

    /// The threshold of the outbox alarm in seconds.
    pub(crate) fn outbox_lag_s(&self, settings: &Settings) -> u64 {
        self.alarms.outbox_lag_s.map_or_else(|| self.recovery_s(settings), u64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "version = 1\nname = \"shop\"\nregions = [\"us-east-1\", \"us-west-2\"]\n";

    fn settings() -> Settings {
        Settings {
            connections: 8,
            metrics: "Tenet".to_owned(),
            relay_grace_s: 960,
            margin_ms: 300,
            database_ms: vec![("read".to_owned(), 2_500), ("transfer".to_owned(), 10_000)],
        }
    }

    #[test]
    fn the_times_of_the_bundle_and_of_the_configuration_agree() {
        let config = |more: &str| Config::parse(&format!("{LEAST}{more}\n")).unwrap();
        // 16 minutes, two turns of 5, and one for a late beginning.
        assert_eq!(config("").outbox_lag_s(&settings()), 1620);
        assert_eq!(config("[events]\nrelay_minutes = 10").outbox_lag_s(&settings()), 2220);
        assert_eq!(config("[alarms]\noutbox_lag_s = 1700").outbox_lag_s(&settings()), 1700);
        config("").suits(&settings()).unwrap();
        for (more, settings, why) in [
            ("[alarms]\noutbox_lag_s = 1619", settings(), "alarms.outbox_lag_s is 1619"),
            ("[alarms]\noutbox_lag_s = 1700\n[events]\nrelay_minutes = 6", settings(), "alarms.outbox_lag_s is 1700"),
            ("", Settings { metrics: String::new(), ..settings() }, "`metrics`"),
            ("", Settings { relay_grace_s: 30, ..settings() }, "`relay_grace_s` of [host] is 30"),
            ("[function]\ntimeout_s = 900", Settings { relay_grace_s: 900, ..settings() }, "function.timeout_s is 900"),
            ("[function]\ntimeout_s = 900", Settings { margin_ms: 29_000, ..settings() }, "has 29000 ms"),
            (
                "[function]\nreserved_concurrency = 600",
                settings(),
                "function.reserved_concurrency is 600: with 8 connections a sandbox",
            ),
            ("[function]\ntimeout_s = 5", Settings { margin_ms: 5000, ..settings() }, "has 5000 ms"),
            (
                "[function]\ntimeout_s = 19",
                settings(),
                "function.timeout_s is 19, and the rule transfer may wait 10000 ms",
            ),
        ] {
            let error = config(more).suits(&settings).unwrap_err().to_string();
            assert!(error.contains(why), "{more}: {error}");
        }
        config("[function]\ntimeout_s = 20").suits(&settings()).unwrap();
        let error = config("[function]\ntimeout_s = 19").suits(&settings()).unwrap_err();
        assert!(error.advice().unwrap().starts_with("20 or more, or `database_ms` of 9500 or less"), "{error:?}");
        let quick = Settings { database_ms: vec![("read".to_owned(), 2_500)], ..settings() };
        config("[function]\ntimeout_s = 5").suits(&quick).unwrap();
    }
}
