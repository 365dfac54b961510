use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tenet_core::{MAX_TEXT, text_at_most};

use crate::error::DeployError;
use crate::regions::Regions;

/// The version of the file that this reads.
const VERSION: u32 = 1;

/// The most connections that a cluster takes
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>).
const CONNECTIONS: u64 = 10_000;

/// What remains for whoever deploys, looks and relays.
const SPARE: u64 = 500;

/// What `deploy/tenet.toml` says: what is deployed, where, and how large.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What the deployment is called; its parts are named after it.
    pub name: String,
    /// The account that is meant. Where it is named, no other is touched.
    pub account: Option<String>,
    /// The two regions and their witness.
    pub regions: Regions,
    /// The bundle's sources, a path from the file's own folder.
    pub bundle: PathBuf,
    /// A template in place of `region.yaml`, which `tenet` brings.
    pub template: Option<PathBuf>,
    /// What kind of machine the function runs on.
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
    /// `[workflows]`: the second stack, where it is wanted.
    pub workflows: Option<Workflows>,
}

/// What the file looks like.
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

/// What Lambda runs the function on.
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
    /// Lambda's name for it.
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
    /// The role that the function signs in as.
    pub role: String,
    /// Whether clusters refuse to be deleted.
    pub deletion_protection: bool,
    /// Keys of the customer's own, by region; without one AWS's own key encrypts.
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
    /// Its memory, and with that its share of a processor.
    pub memory_mb: u32,
    /// The longest that one invocation takes.
    pub timeout_s: u32,
    /// The most sandboxes of a region.
    pub reserved_concurrency: u32,
    /// What is logged at least.
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
    /// Who vouches for callers where it is not IAM.
    pub jwt: Option<Jwt>,
    /// Requests a second.
    pub rate: u32,
    /// Requests at once.
    pub burst: u32,
    /// A name that both regions answer to.
    pub domain: Option<Domain>,
}

impl Default for Http {
    fn default() -> Self {
        Self { jwt: None, rate: 500, burst: 1000, domain: None }
    }
}

/// Tokens that say who calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Who issues them.
    pub issuer: String,
    /// Whom they are for.
    pub audience: Vec<String>,
}

/// A name in Route 53.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// The name.
    pub name: String,
    /// The id of the zone that it is in.
    pub hosted_zone: String,
    /// The ARN of a certificate for it, by region.
    pub certificates: BTreeMap<String, String>,
}

/// The bus.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// How long events can be replayed; 0 keeps none.
    pub archive_days: u32,
    /// How often what is left in the outbox is delivered.
    pub relay_minutes: u32,
    /// Events that go to a queue of their own.
    pub route: Option<Route>,
}

impl Default for Events {
    fn default() -> Self {
        Self { archive_days: 30, relay_minutes: 5, route: None }
    }
}

/// Which events go to the queue.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Those of this operation.
    pub operation: String,
    /// With at least this amount.
    pub amount: f64,
}

/// When somebody is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alarms {
    /// The ARN of a topic, by region.
    pub topics: BTreeMap<String, String>,
    /// What 99 of 100 invocations have to be done in.
    pub p99_ms: u32,
    /// Conflicts that are too many.
    pub conflicts_per_minute: u32,
    /// How old an event in the outbox may become.
    pub outbox_lag_s: u32,
    /// Connections to a cluster that are too many.
    pub connections: u32,
    /// What the database may cost, in its own units.
    pub dpu_per_hour: u32,
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            topics: BTreeMap::new(),
            p99_ms: 2000,
            conflicts_per_minute: 600,
            outbox_lag_s: 900,
            connections: 8000,
            dpu_per_hour: 100_000,
        }
    }
}

/// The request that a smoke test makes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smoke {
    /// An operation that takes a key.
    pub operation: String,
    /// Its payload. `{id}` in a text is a name that no other test has; it begins with `smoke-`.
    #[serde(default)]
    pub payload: toml::Table,
    /// The member of the event's detail that holds this name, if there is an event.
    pub event: Option<String>,
    /// Where the event has to be seen.
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

/// At which buses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// In both regions, which shows that the buses forward.
    #[default]
    Both,
    /// In the region that committed.
    Home,
}

/// The stack of `workflows.yaml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workflows {
    /// Whose events.
    pub source: String,
    /// Of which type they are settled.
    pub settled_type: String,
    /// From which amount on they are reviewed.
    pub review_amount: u64,
}

impl Default for Workflows {
    fn default() -> Self {
        Self {
            source: "dsql.application".to_owned(),
            settled_type: "Transaction Created".to_owned(),
            review_amount: 10_000,
        }
    }
}

/// The text of a file that people have written.
pub(crate) fn text(path: &Path) -> Result<String, DeployError> {
    let text = File::open(path).and_then(|file| text_at_most(file, MAX_TEXT));
    text.map_err(|error| DeployError::new(format!("cannot read {}", path.display())).because(error))
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Names what is not known, missing or impossible in it.
    pub fn read(path: &Path) -> Result<Self, DeployError> {
        let mut config = Self::parse(&text(path)?).map_err(|error| error.at(&path.display().to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.bundle = folder.join(&config.bundle);
        config.template = config.template.map(|template| folder.join(template));
        Ok(config)
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str) -> Result<Self, DeployError> {
        let raw: Raw = toml::from_str(text).map_err(|error| DeployError::new(error.to_string().trim().to_owned()))?;
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
        if raw.database.role == "admin" || raw.database.role == "tenet" || !is_role(&raw.database.role) {
            return Err(DeployError::new(format!(
                "database.role is {:?}; it may be 1 to 63 of a-z, 0-9 and _, and neither admin nor tenet",
                raw.database.role
            )));
        }
        if !(2..=10).contains(&raw.events.relay_minutes) {
            return Err(DeployError::new(format!(
                "events.relay_minutes is {}; it may be 2 to 10",
                raw.events.relay_minutes
            )));
        }
        if raw.http.domain.as_ref().is_some_and(|domain| domain.certificates.is_empty()) {
            return Err(DeployError::new("http.domain.certificates is empty: the name needs one in each region"));
        }
        Ok(Self {
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
        })
    }

    /// Checks that the sandboxes of both regions, each with so many connections, stay below
    /// what one cluster takes: where an endpoint is away, all of them come to the other.
    ///
    /// # Errors
    /// Says how many sandboxes there may be.
    pub fn fits(&self, connections: u32) -> Result<(), DeployError> {
        let both = 2 * u64::from(self.function.reserved_concurrency) * u64::from(connections);
        let most = (CONNECTIONS - SPARE) / (2 * u64::from(connections.max(1)));
        if both + SPARE > CONNECTIONS {
            return Err(DeployError::new(format!(
                "function.reserved_concurrency is {}: with {connections} connections a sandbox and both regions' \
                 on one cluster that is {both}, and a cluster takes {CONNECTIONS}",
                self.function.reserved_concurrency
            ))
            .help(format!("{most} at most, or fewer `connections` in [host] of tenet.toml")));
        }
        Ok(())
    }
}

fn is_role(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
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
            assert!(error.contains(why), "{more}: {error}");
        }
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
}
