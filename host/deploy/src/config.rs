use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tenet_core::{MAX_TEXT, text_at_most};

use crate::error::DeployError;
use crate::regions::Regions;
use crate::role_name;
use crate::service_values;

/// The version of the file format.
const VERSION: u32 = 1;

/// The most connections of a cluster
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>).
const CONNECTIONS: u64 = 10_000;

/// What to do where there is no file.
const EXAMPLE: &str = "write one, or name it with --config: `version = 1`, `name = \"shop\"` and `regions = [\"us-east-1\", \
                       \"us-west-2\"]` are enough, with `bundle` for a bundle that is not in the folder above; \
                       deploy/tenet.toml of Tenet's sources is an example with every key";

/// Connections reserved for deploying, inspection and relays.
const SPARE: u64 = 500;

/// The settings of `deploy/tenet.toml`: what is deployed, where, and how large.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The name of the deployment, from which the names of its resources derive.
    pub name: String,
    /// The intended account. If it is set, no other account is touched.
    pub account: Option<String>,
    /// The two regions and their witness.
    pub regions: Regions,
    /// The bundle's sources, as a path relative to the file's folder.
    pub bundle: PathBuf,
    /// A template that replaces the built-in `region.yaml`.
    pub template: Option<PathBuf>,
    /// The processor architecture of the function.
    pub architecture: Architecture,
    /// `[database]`
    pub database: Database,
    /// `[function]`
    pub function: Function,
    /// `[http]`
    pub http: Http,
    /// `[events]`
    pub events: Events,
    /// `[alarms]`
    pub alarms: Alarms,
    /// `[smoke]`
    pub smoke: Option<Smoke>,
    /// `[workflows]`: the optional second stack.
    pub workflows: Option<Workflows>,
}

/// The structure of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    name: String,
    account: Option<String>,
    regions: Vec<String>,
    witness: Option<String>,
    #[serde(default = "above")]
    bundle: PathBuf,
    template: Option<PathBuf>,
    #[serde(default)]
    architecture: Architecture,
    #[serde(default)]
    database: Database,
    #[serde(default)]
    function: Function,
    #[serde(default)]
    http: Http,
    #[serde(default)]
    events: Events,
    #[serde(default)]
    alarms: Alarms,
    smoke: Option<Smoke>,
    workflows: Option<Workflows>,
}

fn above() -> PathBuf {
    PathBuf::from("..")
}

/// The processor architecture of a Lambda function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Graviton.
    #[default]
    Arm64,
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86,
}

impl Architecture {
    /// Lambda's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86 => "x86_64",
        }
    }
}

/// The clusters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// The database role of the function.
    pub role: String,
    /// Whether deletion protection is on.
    pub deletion_protection: bool,
    /// Customer-managed KMS keys, by region; without one, AWS's own key encrypts.
    pub kms_keys: BTreeMap<String, String>,
}

impl Default for Database {
    fn default() -> Self {
        Self { role: "tenet_app".to_owned(), deletion_protection: true, kms_keys: BTreeMap::new() }
    }
}

/// The function.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Function {
    /// Its memory, which also determines its share of a processor.
    pub memory_mb: u32,
    /// The timeout of one invocation.
    pub timeout_s: u32,
    /// The most concurrent sandboxes per region; 0 reserves none, and the account's quota is the
    /// limit.
    pub reserved_concurrency: u32,
    /// The lowest level that is logged.
    pub log_level: String,
    /// How long logs are kept.
    pub log_retention_days: u32,
}

impl Default for Function {
    fn default() -> Self {
        Self {
            memory_mb: 512,
            timeout_s: 30,
            reserved_concurrency: 50,
            log_level: "INFO".to_owned(),
            log_retention_days: 365,
        }
    }
}

/// The HTTP API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// The issuer of the callers' tokens; without one, IAM authenticates callers.
    pub jwt: Option<Jwt>,
    /// Requests per second.
    pub rate: u32,
    /// Concurrent requests.
    pub burst: u32,
    /// A domain name for both regions.
    pub domain: Option<Domain>,
}

impl Default for Http {
    fn default() -> Self {
        Self { jwt: None, rate: 500, burst: 1000, domain: None }
    }
}

impl Http {
    fn check_values(&self) -> Result<(), DeployError> {
        service_values::range("http.rate", self.rate.into())?;
        service_values::range("http.burst", self.burst.into())?;
        if let Some(jwt) = &self.jwt {
            service_values::issuer("http.jwt.issuer", &jwt.issuer)?;
            service_values::audience("http.jwt.audience", &jwt.audience)?;
        }
        let Some(domain) = &self.domain else { return Ok(()) };
        if self.jwt.is_none() {
            let why = "http.domain needs http.jwt: a request that IAM authenticates is signed for one region (SigV4), \
                       and a name that both regions answer to sends it to either";
            return Err(
                DeployError::new(why).help("name an issuer of tokens, or let callers use each region's own endpoint")
            );
        }
        service_values::domain_name("http.domain.name", &domain.name)?;
        service_values::hosted_zone("http.domain.hosted_zone", &domain.hosted_zone)?;
        if domain.certificates.is_empty() {
            return Err(DeployError::new("http.domain.certificates is empty: the name needs one in each region"));
        }
        let key = "http.domain.certificates";
        domain.certificates.iter().try_for_each(|(region, arn)| service_values::arn(key, arn, "acm", region))
    }
}

/// Tokens that identify callers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Their issuer.
    pub issuer: String,
    /// Their audience.
    pub audience: Vec<String>,
}

/// A domain name in Route 53.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// The name.
    pub name: String,
    /// The id of its hosted zone.
    pub hosted_zone: String,
    /// The ARN of a certificate for it, by region.
    pub certificates: BTreeMap<String, String>,
}

/// The bus.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// How long events can be replayed; 0 disables the archive.
    pub archive_days: u32,
    /// How often the relay publishes what is left in the outbox.
    pub relay_minutes: u32,
    /// Events that are routed to their own queue.
    pub route: Option<Route>,
}

impl Default for Events {
    fn default() -> Self {
        Self { archive_days: 30, relay_minutes: 5, route: None }
    }
}

/// Which events are routed to the queue.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The events of this operation.
    pub operation: String,
    /// With at least this amount.
    pub amount: f64,
}

/// When alarms are raised.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alarms {
    /// The ARN of an SNS topic, by region.
    pub topics: BTreeMap<String, String>,
    /// The limit for the 99th percentile of the invocation time.
    pub p99_ms: u32,
    /// The alarm threshold for conflicts.
    pub conflicts_per_minute: u32,
    /// The alarm threshold for the age of an event in the outbox; by default the relay's grace and
    /// two of its turns.
    pub outbox_lag_s: Option<u32>,
    /// The alarm threshold for connections to a cluster.
    pub connections: u32,
    /// The alarm threshold for the database's cost, in DPUs.
    pub dpu_per_hour: u32,
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            topics: BTreeMap::new(),
            p99_ms: 2000,
            conflicts_per_minute: 600,
            outbox_lag_s: None,
            connections: 8000,
            dpu_per_hour: 100_000,
        }
    }
}

/// The request of the smoke test.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smoke {
    /// An operation with an idempotency key.
    pub operation: String,
    /// Its payload. `{id}` in a text is replaced with a unique name that begins with `smoke-`.
    #[serde(default)]
    pub payload: toml::Table,
    /// The member of the event's detail that holds this name, if an event is published.
    pub event: Option<String>,
    /// Where the event has to arrive.
    #[serde(default)]
    pub seen: Seen,
}

impl Smoke {
    /// What the names of all tests begin with, so that a rule of the bus recognises their events.
    pub(crate) const PREFIX: &str = "smoke-";

    /// The event pattern of the queue that receives the events of tests.
    pub(crate) fn pattern(&self) -> String {
        let Some(member) = &self.event else { return String::new() };
        serde_json::json!({"detail": {member.as_str(): [{"prefix": Self::PREFIX}]}}).to_string()
    }
}

/// The buses where the event has to arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// In both regions, which shows that the buses forward.
    #[default]
    Both,
    /// Only in the region that committed.
    Home,
}

/// The stack of `workflows.yaml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workflows {
    /// The source of the events.
    pub source: String,
    /// The detail-type of the events that are settled.
    pub settled_type: String,
    /// The amount from which they are reviewed.
    pub review_amount: u64,
    /// The alarm threshold for the age of a review that no one has made, in hours.
    pub review_age_h: u32,
}

impl Default for Workflows {
    fn default() -> Self {
        Self {
            source: "dsql.application".to_owned(),
            settled_type: "Transaction Created".to_owned(),
            review_amount: 10_000,
            review_age_h: 24,
        }
    }
}

/// The text of a file written by people.
pub(crate) fn text(path: &Path) -> Result<String, DeployError> {
    let text = File::open(path).and_then(|file| text_at_most(file, MAX_TEXT));
    text.map_err(|error| DeployError::new(format!("cannot read {}", path.display())).because(error))
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Names the unknown, missing or invalid setting.
    pub fn read(path: &Path) -> Result<Self, DeployError> {
        let text = text(path).map_err(|error| if path.exists() { error } else { error.help(EXAMPLE) })?;
        let mut config = Self::parse(&text).map_err(|error| error.at(&path.display().to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.bundle = folder.join(&config.bundle);
        config.template = config.template.map(|template| folder.join(template));
        Ok(config)
    }

    /// Parses the text of such a file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str) -> Result<Self, DeployError> {
        let raw: Raw = toml::from_str(text).map_err(|error| unread(text, &error))?;
        if raw.version != VERSION {
            return Err(DeployError::new(format!("version is {}, and this reads {VERSION}", raw.version)));
        }
        let of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=20).contains(&raw.name.len())
            || !raw.name.starts_with(|c: char| c.is_ascii_lowercase())
            || !raw.name.chars().all(of_name)
        {
            return Err(DeployError::new(format!(
                "name is {:?}; it may be 1 to 20 of a-z, 0-9 and -, beginning with a letter",
                raw.name
            )));
        }
        let served: [String; 2] = raw.regions.try_into().map_err(|regions: Vec<_>| {
            DeployError::new(format!("regions names {}, and a deployment has two", regions.len()))
        })?;
        let regions = Regions::new(served, raw.witness)?;
        let by_region = [("database.kms_keys", &raw.database.kms_keys), ("alarms.topics", &raw.alarms.topics)];
        let certificates = raw.http.domain.as_ref().map(|domain| ("http.domain.certificates", &domain.certificates));
        for (key, named) in by_region.into_iter().chain(certificates) {
            if let Some(other) = named.keys().find(|region| !regions.served.contains(region)) {
                return Err(DeployError::new(format!("{key} names {other}, where nothing is deployed")));
            }
            if let Some(missing) =
                regions.served.iter().find(|region| !named.is_empty() && !named.contains_key(*region))
            {
                return Err(DeployError::new(format!("{key} does not name {missing}")));
            }
        }
        role_name::check("database.role", &raw.database.role)?;
        let config = Self {
            name: raw.name,
            account: raw.account,
            regions,
            bundle: raw.bundle,
            template: raw.template,
            architecture: raw.architecture,
            database: raw.database,
            function: raw.function,
            http: raw.http,
            events: raw.events,
            alarms: raw.alarms,
            smoke: raw.smoke,
            workflows: raw.workflows,
        };
        config.check_values()?;
        Ok(config)
    }

    /// Refuses the first value that a service would refuse.
    fn check_values(&self) -> Result<(), DeployError> {
        use service_values::{account, arn, log_level, name, range, retention, text};
        name(&self.name)?;
        self.account.as_ref().map_or(Ok(()), |id| account("account", id))?;
        self.database.kms_keys.iter().try_for_each(|(region, key)| arn("database.kms_keys", key, "kms", region))?;
        self.alarms.topics.iter().try_for_each(|(region, topic)| arn("alarms.topics", topic, "sns", region))?;
        range("function.memory_mb", self.function.memory_mb.into())?;
        range("function.timeout_s", self.function.timeout_s.into())?;
        log_level("function.log_level", &self.function.log_level)?;
        retention("function.log_retention_days", self.function.log_retention_days)?;
        self.http.check_values()?;
        range("events.archive_days", self.events.archive_days.into())?;
        range("events.relay_minutes", self.events.relay_minutes.into())?;
        if let Some(route) = &self.events.route {
            text("events.route.operation", &route.operation, 256)?;
            service_values::pattern_number("events.route.amount", route.amount)?;
        }
        if let Some(smoke) = &self.smoke {
            text("smoke.operation", &smoke.operation, 256)?;
            smoke.event.as_ref().map_or(Ok(()), |event| text("smoke.event", event, 256))?;
        }
        if let Some(workflows) = &self.workflows {
            service_values::source("workflows.source", &workflows.source)?;
            text("workflows.settled_type", &workflows.settled_type, 128)?;
            range("workflows.review_amount", workflows.review_amount)?;
            range("workflows.review_age_h", workflows.review_age_h.into())?;
        }
        Ok(())
    }

    /// Checks that the reserved sandboxes of both regions, with `connections` each, stay below the
    /// limit of one cluster: if an endpoint is away, all of them connect to the other.
    ///
    /// # Errors
    /// States how many sandboxes are allowed.
    pub(crate) fn fits(&self, connections: u32) -> Result<(), DeployError> {
        let reserved = u64::from(self.function.reserved_concurrency);
        let most = Self::sandboxes(connections);
        if 2 * reserved > most {
            return Err(DeployError::new(format!(
                "function.reserved_concurrency is {reserved}: with {connections} connections a sandbox and both \
                 regions' on one cluster that is {}, and a cluster takes {CONNECTIONS}",
                2 * reserved * u64::from(connections),
            ))
            .help(format!("{} at most, or fewer `connections` in [host] of tenet.toml", most / 2)));
        }
        Ok(())
    }

    /// The most sandboxes of both regions together that one cluster takes, with `connections` each.
    pub(crate) fn sandboxes(connections: u32) -> u64 {
        (CONNECTIONS - SPARE) / u64::from(connections.max(1))
    }
}

/// An error of TOML as one line.
fn unread(text: &str, error: &toml::de::Error) -> DeployError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let message = error.message().trim_end();
    // What no type of this program has is no text for a person.
    let number = message.strip_prefix("invalid value: integer `").and_then(|rest| rest.split_once("`, expected u"));
    let Some((number, bits)) = number else { return DeployError::new(format!("line {line}: {message}")) };
    let setting = before.trim_end().trim_end_matches('=').trim_end();
    let setting = setting.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    let type_most = if bits.starts_with("32") { u32::MAX.into() } else { u64::MAX };
    let (key, least, most) = service_values::range_of(setting, type_most);
    DeployError::new(format!("line {line}: {key} is {number}; it may be {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    const LEAST: &str = "version = 1\nname = \"shop\"\nregions = [\"us-east-1\", \"us-west-2\"]\n";

    #[test]
    fn the_least_file_says_what_is_deployed_and_where() {
        let config = Config::parse(LEAST).unwrap();
        assert_eq!((config.name.as_str(), config.regions.witness.as_str()), ("shop", "us-east-2"));
        assert_eq!((config.architecture.name(), config.database.role.as_str()), ("arm64", "tenet_app"));
        assert!(config.database.deletion_protection);
        config.fits(8).unwrap();
    }

    #[test]
    fn a_file_without_end_is_not_read_to_it() {
        let error = Config::read(Path::new("/dev/zero")).unwrap_err();
        let why = error.source().unwrap().to_string();
        assert_eq!(
            (error.to_string().as_str(), why.as_str()),
            ("cannot read /dev/zero", "it has more than 4194304 bytes")
        );
    }

    #[test]
    fn without_a_file_it_says_what_one_has() {
        let error = Config::read(Path::new("/nowhere/deploy/tenet.toml")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/deploy/tenet.toml");
        let advice = error.advice().unwrap();
        let least: String =
            advice.split('`').skip(1).step_by(2).take(3).fold(String::new(), |all, line| all + line + "\n");
        Config::parse(&least).unwrap();
    }

    #[test]
    fn what_is_unknown_or_impossible_is_named() {
        for (more, why) in [
            ("colour = 1", "colour"),
            ("[function]\nmemory = 1", "memory"),
            ("witness = \"eu-west-1\"", "eu-west-1 is of the region set Europe"),
            ("[database]\nrole = \"admin\"", "database.role"),
            ("[database]\nrole = \"x\\\"; DROP\"", "database.role"),
            ("[alarms]\ntopics = { us-east-2 = \"arn\" }", "alarms.topics names us-east-2"),
            ("[alarms]\ntopics = { us-east-1 = \"arn\" }", "alarms.topics does not name us-west-2"),
            ("[smoke]\npayload = {}", "operation"),
            ("[events]\nrelay_minutes = 60", "events.relay_minutes is 60"),
        ] {
            let error = Config::parse(&format!("{LEAST}{more}\n")).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains('\n'), "{more}: {error}");
        }
        let misspelt = Config::parse(&format!("{LEAST}[function]\nmemmory_mb = 512\n")).unwrap_err().to_string();
        assert!(misspelt.starts_with("line 5: unknown field `memmory_mb`, expected "), "{misspelt}");
        for (from, to, why) in [
            ("version = 1", "version = 2", "version is 2"),
            ("shop", "Shop", "name is \"Shop\""),
            (", \"us-west-2\"", "", "regions names 1"),
        ] {
            let error = Config::parse(&LEAST.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn sandboxes_of_both_regions_stay_below_what_one_cluster_takes() {
        let config = |sandboxes| Config::parse(&format!("{LEAST}[function]\nreserved_concurrency = {sandboxes}\n"));
        config(593).unwrap().fits(8).unwrap();
        let error = config(594).unwrap().fits(8).unwrap_err();
        assert!(error.to_string().contains("9504"), "{error}");
        assert!(error.advice().unwrap().starts_with("593 at most"), "{error:?}");
    }

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
            ("[workflows]\nreview_age_h = 0".to_owned(), "workflows.review_age_h is 0; it may be 1 to 216"),
            ("[workflows]\nreview_age_h = 217".to_owned(), "workflows.review_age_h"),
            ("[workflows]\nsource = \"aws.x\"".to_owned(), "workflows.source"),
            ("[workflows]\nsource = \"a\\\"b\"".to_owned(), "workflows.source"),
            ("[workflows]\nsettled_type = \"\"".to_owned(), "workflows.settled_type"),
            ("[smoke]\noperation = \"a\"\nevent = \"\"".to_owned(), "smoke.event"),
        ] {
            let error = Config::parse(&format!("{LEAST}{more}\n")).unwrap_err().to_string();
            assert!(error.contains(why), "{more}: {error}");
        }
        for (name, why) in [
            ("default", "the bus that each account has is named so"),
            ("xn--a", "S3 reserves names that begin with xn--, and"),
            ("sthree-shop", "S3 reserves names that begin with sthree-, and"),
            ("shop-workflows", "no name may end in -workflows"),
        ] {
            let error = Config::parse(&LEAST.replace("shop", name)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("name is {name:?}: ")) && error.contains(why), "{error}");
        }
        for (more, why) in [
            ("[events]\narchive_days = -1", "line 5: events.archive_days is -1; it may be 0 to 2147483647"),
            ("workflows = { review_amount = -1 }", "line 4: workflows.review_amount is -1; it may be 1 to 5000000000"),
            ("[function]\ntimeout_s= 5000000000", "line 5: function.timeout_s is 5000000000; it may be 5 to 900"),
            ("[alarms]\np99_ms = -7", "line 5: p99_ms is -7; it may be 0 to 4294967295"),
        ] {
            let error = Config::parse(&format!("{LEAST}{more}\n")).unwrap_err().to_string();
            assert_eq!(error, why);
        }
        let whole = format!("{LEAST}[http]\n{TOKENS}\n{}", domain("api.example.com", "Z1", EAST));
        Config::parse(&whole).unwrap();
    }
}
