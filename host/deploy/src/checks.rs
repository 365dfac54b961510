//! Values that a service would refuse when a stack is created: they are refused where they are
//! written.

use crate::config::{Config, Domain, Jwt, Route, Workflows};
use crate::error::DeployError;
use crate::package::Package;

/// The periods that CloudWatch Logs offers, in days
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>).
const RETENTION_DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// Lambda's levels
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_LoggingConfig.html>).
const LOG_LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// The largest integer of API Gateway and EventBridge.
const MOST: u64 = 2_147_483_647;

/// The largest number of an event pattern
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).
const PATTERN_MOST: u64 = 5_000_000_000;

/// The decimals of a number of an event pattern.
const PATTERN_DECIMALS: usize = 6;

/// Names with these beginnings are reserved for buckets of S3
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
const RESERVED: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];

/// How long the HTTP API waits for the function, in milliseconds: `HttpTimeoutMs` of the template.
pub(crate) const HTTP_TIMEOUT_MS: u64 = 29_000;

/// How late a turn of the relay may begin, in seconds: the scheduler's precision
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule.html>).
const SCHEDULE_PRECISION_S: u64 = 60;

type Checked = Result<(), DeployError>;

/// Refuses the first value that no service would accept.
pub(crate) fn check(config: &Config) -> Checked {
    let name = &config.name;
    if name == "default" || RESERVED.iter().any(|reserved| name.starts_with(reserved)) {
        let what = "the bus of each account is named `default`, and S3 reserves";
        return Err(DeployError::new(format!("name is {name:?}: {what} {}", RESERVED.join(", "))));
    }
    if let Some(account) = config.account.as_ref().filter(|account| !is_account(account)) {
        return Err(DeployError::new(format!("account is {account:?}; it has 12 digits")));
    }
    for (region, key) in &config.database.kms_keys {
        arn("database.kms_keys", key, "kms", region)?;
    }
    for (region, topic) in &config.alarms.topics {
        arn("alarms.topics", topic, "sns", region)?;
    }
    let function = &config.function;
    range("function.memory_mb", function.memory_mb.into(), 128, 10_240)?;
    range("function.timeout_s", function.timeout_s.into(), 5, 900)?;
    if !LOG_LEVELS.contains(&function.log_level.as_str()) {
        return Err(refused(
            "function.log_level",
            &function.log_level,
            &format!("it may be {}", LOG_LEVELS.join(", ")),
        ));
    }
    let days = function.log_retention_days;
    if !RETENTION_DAYS.contains(&days) {
        let may: Vec<_> = RETENTION_DAYS.iter().map(u32::to_string).collect();
        let may = format!("CloudWatch Logs has {}", may.join(", "));
        return Err(DeployError::new(format!("function.log_retention_days is {days}; {may}")));
    }
    range("http.rate", config.http.rate.into(), 1, MOST)?;
    range("http.burst", config.http.burst.into(), 1, MOST)?;
    if let Some(jwt) = &config.http.jwt {
        check_jwt(jwt)?;
    }
    if let Some(domain) = &config.http.domain {
        check_domain(domain, config.http.jwt.is_some())?;
    }
    range("events.archive_days", config.events.archive_days.into(), 0, MOST)?;
    if let Some(route) = &config.events.route {
        check_route(route)?;
    }
    if let Some(smoke) = &config.smoke {
        text("smoke.operation", &smoke.operation, 256)?;
        smoke.event.as_ref().map_or(Ok(()), |event| text("smoke.event", event, 256))?;
    }
    config.workflows.as_ref().map_or(Ok(()), check_workflows)
}

fn check_jwt(jwt: &Jwt) -> Checked {
    let host = jwt.issuer.strip_prefix("https://").unwrap_or_default();
    if host.is_empty() || host.starts_with('/') || jwt.issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(refused("http.jwt.issuer", &jwt.issuer, "it begins with https://"));
    }
    if jwt.audience.is_empty() {
        return Err(DeployError::new("http.jwt.audience is empty: a token needs one that is named there"));
    }
    let is_one = |audience: &String| {
        !audience.is_empty() && !audience.contains([',', ' ']) && !audience.contains(char::is_control)
    };
    match jwt.audience.iter().find(|audience| !is_one(audience)) {
        Some(audience) => Err(refused("http.jwt.audience", audience, "it may have no comma and no space")),
        None => Ok(()),
    }
}

fn check_domain(domain: &Domain, has_tokens: bool) -> Checked {
    if !has_tokens {
        let why = "http.domain needs http.jwt: a request that IAM authenticates is signed for one region (SigV4), \
                   and a name that both regions answer to sends it to either";
        return Err(
            DeployError::new(why).help("name an issuer of tokens, or let callers use each region's own endpoint")
        );
    }
    let is_label = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    if domain.name.len() > 253 || !domain.name.contains('.') || !domain.name.split('.').all(is_label) {
        return Err(refused("http.domain.name", &domain.name, "it is a name like api.example.com"));
    }
    let zone = domain.hosted_zone.as_bytes();
    if !(2..=32).contains(&zone.len())
        || !zone.starts_with(b"Z")
        || !zone.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    {
        return Err(refused("http.domain.hosted_zone", &domain.hosted_zone, "it is an id like Z0123456789ABCDEFGHIJ"));
    }
    if domain.certificates.is_empty() {
        return Err(DeployError::new("http.domain.certificates is empty: the name needs one in each region"));
    }
    let each = |(region, certificate): (&String, &String)| arn("http.domain.certificates", certificate, "acm", region);
    domain.certificates.iter().try_for_each(each)
}

fn check_route(route: &Route) -> Checked {
    text("events.route.operation", &route.operation, 256)?;
    let amount = route.amount.to_string();
    let decimals = amount.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    #[expect(clippy::cast_precision_loss, reason = "the number is far below 2 to the power of 53")]
    if !route.amount.is_finite() || route.amount.abs() > PATTERN_MOST as f64 || decimals > PATTERN_DECIMALS {
        return Err(DeployError::new(format!(
            "events.route.amount is {amount}; in a pattern it may be up to {PATTERN_MOST}, with {PATTERN_DECIMALS} decimals"
        )));
    }
    Ok(())
}

fn check_workflows(workflows: &Workflows) -> Checked {
    text("workflows.source", &workflows.source, 256)?;
    if workflows.source.starts_with("aws.") {
        return Err(refused("workflows.source", &workflows.source, "EventBridge keeps `aws.` for AWS's own events"));
    }
    text("workflows.settled_type", &workflows.settled_type, 128)?;
    range("workflows.review_amount", workflows.review_amount, 1, PATTERN_MOST)
}

fn refused(key: &str, value: &str, why: &str) -> DeployError {
    DeployError::new(format!("{key} is {value:?}; {why}"))
}

fn range(key: &str, value: u64, least: u64, most: u64) -> Checked {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(DeployError::new(format!("{key} is {value}; it may be {least} to {most}")))
}

/// A text that is a string of an event pattern as it is.
fn text(key: &str, text: &str, most: usize) -> Checked {
    let fits = !text.is_empty() && text.chars().count() <= most && !text.contains(['"', '\\']);
    if fits && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(refused(key, text, &format!("it may have 1 to {most} characters, without quotation marks and backslashes")))
}

/// The ARN of something that this service has in the region.
fn arn(key: &str, text: &str, service: &str, region: &str) -> Checked {
    let mut parts = text.splitn(6, ':');
    let begins = ["arn", "aws", service, region].into_iter().all(|part| parts.next() == Some(part));
    let account = parts.next().is_some_and(is_account);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_/.:".contains(c);
    if begins && account && parts.next().is_some_and(|name| !name.is_empty() && name.chars().all(plain)) {
        return Ok(());
    }
    Err(refused(
        &format!("{key}.{region}"),
        text,
        &format!("it begins with arn:aws:{service}:{region}: and an account"),
    ))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Config {
    /// Checks that the times of the bundle's `[host]` and of this configuration agree.
    ///
    /// # Errors
    /// Names the setting that has to be changed.
    pub fn check_times(&self, package: &Package) -> Result<(), DeployError> {
        if package.metrics.is_empty() {
            let why = "`metrics` of [host] is empty, and the stack's alarms look at the host's metrics";
            return Err(DeployError::new(why));
        }
        let timeout = u64::from(self.function.timeout_s);
        let (margin, least) = (package.margin_ms, HTTP_TIMEOUT_MS.min(timeout * 1000));
        if margin >= least {
            let why = format!("`margin_ms` of [host] is {margin}, and a request has {least} ms in all");
            return Err(DeployError::new(why));
        }
        let grace = package.relay_grace_s;
        if grace <= timeout {
            let why = format!(
                "`relay_grace_s` of [host] is {grace}, and function.timeout_s is {timeout}: a relay would deliver events \
                 that a request is still publishing"
            );
            return Err(DeployError::new(why));
        }
        let least = self.recovery_s(package);
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
    pub(crate) fn recovery_s(&self, package: &Package) -> u64 {
        package.relay_grace_s + 2 * u64::from(self.events.relay_minutes) * 60 + SCHEDULE_PRECISION_S
    }

    /// The threshold of the outbox alarm in seconds.
    pub(crate) fn outbox_lag_s(&self, package: &Package) -> u64 {
        self.alarms.outbox_lag_s.map_or_else(|| self.recovery_s(package), u64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "version = 1\nname = \"shop\"\nregions = [\"us-east-1\", \"us-west-2\"]\n";

    const TOKENS: &str = "jwt = { issuer = \"https://login.example.com/\", audience = [\"a\"] }";

    fn domain(name: &str, zone: &str, east: &str) -> String {
        format!(
            "domain = {{ name = \"{name}\", hosted_zone = \"{zone}\", certificates = {{ us-east-1 = \"{east}\", \
             us-west-2 = \"arn:aws:acm:us-west-2:123456789012:certificate/b\" }} }}"
        )
    }

    const EAST: &str = "arn:aws:acm:us-east-1:123456789012:certificate/a";

    #[test]
    fn what_only_a_service_would_refuse_is_refused_where_it_is_written() {
        for (more, why) in [
            ("account = \"1234\"".to_owned(), "account is \"1234\""),
            ("[function]\nmemory_mb = 127".to_owned(), "function.memory_mb is 127; it may be 128 to 10240"),
            ("[function]\nmemory_mb = 10241".to_owned(), "function.memory_mb"),
            ("[function]\ntimeout_s = 4".to_owned(), "function.timeout_s"),
            ("[function]\ntimeout_s = 901".to_owned(), "function.timeout_s"),
            ("[function]\nlog_level = \"info\"".to_owned(), "function.log_level is \"info\"; it may be TRACE"),
            ("[function]\nlog_retention_days = 100".to_owned(), "function.log_retention_days is 100; CloudWatch"),
            ("[function]\nlog_retention_days = 0".to_owned(), "function.log_retention_days"),
            ("[http]\nrate = 0".to_owned(), "http.rate"),
            ("[http]\nburst = 0".to_owned(), "http.burst"),
            ("[http]\njwt = { issuer = \"login\", audience = [\"a\"] }".to_owned(), "http.jwt.issuer is \"login\""),
            ("[http]\njwt = { issuer = \"https://x\", audience = [] }".to_owned(), "http.jwt.audience is empty"),
            (
                "[http]\njwt = { issuer = \"https://x\", audience = [\"a,b\"] }".to_owned(),
                "http.jwt.audience is \"a,b\"",
            ),
            (format!("[http]\n{}", domain("api.example.com", "Z1", EAST)), "http.domain needs http.jwt"),
            (format!("[http]\n{TOKENS}\n{}", domain("API.example.com", "Z1", EAST)), "http.domain.name"),
            (format!("[http]\n{TOKENS}\n{}", domain("localhost", "Z1", EAST)), "http.domain.name"),
            (format!("[http]\n{TOKENS}\n{}", domain("api.example.com", "1", EAST)), "http.domain.hosted_zone"),
            (
                format!(
                    "[http]\n{TOKENS}\n{}",
                    domain("api.example.com", "Z1", &EAST.replace("us-east-1", "us-west-2"))
                ),
                "http.domain.certificates.us-east-1 is",
            ),
            ("[events]\narchive_days = 2147483648".to_owned(), "events.archive_days"),
            ("[events]\nroute = { operation = \"\", amount = 1 }".to_owned(), "events.route.operation"),
            ("[events]\nroute = { operation = \"a\", amount = nan }".to_owned(), "events.route.amount is NaN"),
            ("[events]\nroute = { operation = \"a\", amount = 5000000001.0 }".to_owned(), "events.route.amount"),
            ("[events]\nroute = { operation = \"a\", amount = 0.1234567 }".to_owned(), "events.route.amount"),
            (
                "[alarms]\ntopics = { us-east-1 = \"arn:aws:sns:us-east-1:123456789012:a\", us-west-2 = \"a\" }"
                    .to_owned(),
                "alarms.topics.us-west-2 is \"a\"; it begins with arn:aws:sns:us-west-2:",
            ),
            (
                "[database]\nkms_keys = { us-east-1 = \"alias/a\", us-west-2 = \"alias/a\" }".to_owned(),
                "database.kms_keys.us-east-1 is",
            ),
            ("[workflows]\nreview_amount = 0".to_owned(), "workflows.review_amount is 0; it may be 1 to"),
            ("[workflows]\nreview_amount = 5000000001".to_owned(), "workflows.review_amount"),
            ("[workflows]\nsource = \"aws.x\"".to_owned(), "workflows.source"),
            ("[workflows]\nsource = \"a\\\"b\"".to_owned(), "workflows.source"),
            ("[workflows]\nsettled_type = \"\"".to_owned(), "workflows.settled_type"),
            ("[smoke]\noperation = \"a\"\nevent = \"\"".to_owned(), "smoke.event"),
        ] {
            let error = Config::parse(&format!("{LEAST}{more}\n")).unwrap_err().to_string();
            assert!(error.contains(why), "{more}: {error}");
        }
        for name in ["default", "xn--shop", "sthree-shop"] {
            let error = Config::parse(&LEAST.replace("shop", name)).unwrap_err().to_string();
            assert!(error.contains(&format!("name is {name:?}")), "{error}");
        }
        let whole = format!("{LEAST}[http]\n{TOKENS}\n{}", domain("api.example.com", "Z1", EAST));
        Config::parse(&whole).unwrap();
    }

    fn package() -> Package {
        Package {
            zip: Vec::new(),
            connections: 8,
            takes_events: false,
            follows: None,
            has_vault: false,
            metrics: "Tenet".to_owned(),
            relay_grace_s: 960,
            margin_ms: 300,
        }
    }

    #[test]
    fn the_times_of_the_bundle_and_of_the_configuration_agree() {
        let config = |more: &str| Config::parse(&format!("{LEAST}{more}\n")).unwrap();
        // 16 minutes, two turns of 5, and one for a late beginning.
        assert_eq!(config("").outbox_lag_s(&package()), 1620);
        assert_eq!(config("[events]\nrelay_minutes = 10").outbox_lag_s(&package()), 2220);
        assert_eq!(config("[alarms]\noutbox_lag_s = 1700").outbox_lag_s(&package()), 1700);
        config("").check_times(&package()).unwrap();
        for (more, package, why) in [
            ("[alarms]\noutbox_lag_s = 1619", package(), "alarms.outbox_lag_s is 1619"),
            ("[alarms]\noutbox_lag_s = 1700\n[events]\nrelay_minutes = 6", package(), "alarms.outbox_lag_s is 1700"),
            ("", Package { metrics: String::new(), ..package() }, "`metrics`"),
            ("", Package { relay_grace_s: 30, ..package() }, "`relay_grace_s` of [host] is 30"),
            ("[function]\ntimeout_s = 900", Package { relay_grace_s: 900, ..package() }, "function.timeout_s is 900"),
            ("[function]\ntimeout_s = 900", Package { margin_ms: 29_000, ..package() }, "has 29000 ms"),
            ("[function]\ntimeout_s = 5", Package { margin_ms: 5000, ..package() }, "has 5000 ms"),
        ] {
            let error = config(more).check_times(&package).unwrap_err().to_string();
            assert!(error.contains(why), "{more}: {error}");
        }
    }
}
