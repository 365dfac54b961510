use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use aws_config::SdkConfig;
use tenet_core::bundle::{INDEX, Index};
use tenet_core::{MAX_RECORD, MAX_TEXT, text_at_most};
use tenet_database::{Dsql, Endpoint};
use tenet_vault::{FieldVault, KeyCachePolicy, KmsKeys};
use uuid::Uuid;

use crate::log_settings::LogSettings;

/// All settings from the environment, read once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `AWS_REGION`: the region that serves, set by Lambda.
    pub(crate) region: String,
    /// `TENET_BUNDLE`: the folder with the bundle's `index.json`. The default is the folder of the
    /// function's code, `LAMBDA_TASK_ROOT`.
    pub(crate) bundle: PathBuf,
    /// The database: one of two kinds.
    pub(crate) database: Database,
    /// `TENET_EVENT_BUS`: the name or ARN of the EventBridge bus for the events.
    pub(crate) event_bus: String,
    /// `TENET_HTTP_TIMEOUT_MS`: how long the HTTP API waits for the function, 50 to 900,000. Without
    /// it only the invocation's own deadline counts, as with a function URL.
    pub(crate) http_timeout: Option<Duration>,
    /// `AWS_LAMBDA_MAX_CONCURRENCY`: whether Lambda gives a sandbox one invocation at a time.
    pub(crate) one_at_a_time: bool,
    /// `TENET_CAPSULES`: the folder for capsules. It has to outlive the sandbox: a file system
    /// mounted into the function.
    pub(crate) capsules: Option<PathBuf>,
    /// `TENET_CAPSULE_KEY`: 64 hexadecimal digits, the key that seals the capsules of operations
    /// with secret values. Without it they are written without values.
    pub(crate) capsule_key: Option<String>,
    /// `TENET_VAULT_KEY`: the ARN of the KMS key, or of an alias of it, that wraps the data keys of
    /// sensitive values. Required if rules are granted the vault.
    pub(crate) vault_key: Option<String>,
    /// `TENET_LOG` and Lambda's own variables: what is logged, and how.
    pub(crate) log: LogSettings,
}

/// The database, and how to connect to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// `TENET_DATABASE_URL`: a plain PostgreSQL, `postgres://USER@HOST:PORT/DATABASE`.
    Url(String),
    /// `TENET_DSQL_ENDPOINT`: a cluster of Aurora DSQL, with `TENET_DSQL_ADDRESS`,
    /// `TENET_DSQL_REGION` and `TENET_DSQL_ROLE`.
    Dsql {
        cluster: Dsql,
        /// `TENET_DSQL_PEER_ENDPOINT`: the endpoint of the peered cluster in the other region,
        /// with `TENET_DSQL_PEER_ADDRESS` and `TENET_DSQL_PEER_REGION`, and the same role.
        peer: Option<Box<Dsql>>,
        /// `TENET_DSQL_IDENTITY`: the identity of the database, as `SELECT id FROM tenet.identity`
        /// returns it. If it is not set, a sandbox uses the peer only after it has connected to the
        /// home cluster once.
        identity: Option<Uuid>,
        /// `TENET_DSQL_CA`: a PEM file with the certificate authorities of the clusters.
        ca: Option<PathBuf>,
    },
}

const OURS: [&str; 17] = [
    "TENET_BUNDLE",
    "TENET_CAPSULES",
    "TENET_CAPSULE_KEY",
    "TENET_DATABASE_URL",
    DSQL_ENDPOINT,
    "TENET_DSQL_ADDRESS",
    "TENET_DSQL_CA",
    "TENET_DSQL_IDENTITY",
    "TENET_DSQL_PEER_ADDRESS",
    PEER_ENDPOINT,
    "TENET_DSQL_PEER_REGION",
    "TENET_DSQL_REGION",
    "TENET_DSQL_ROLE",
    "TENET_EVENT_BUS",
    HTTP_TIMEOUT,
    "TENET_LOG",
    VAULT_KEY,
];

/// The guarantee that is broken on purpose: [`tenet_core::Mutant`].
const MUTANT: Option<&str> = if cfg!(feature = "mutants") { Some("TENET_MUTANT") } else { None };

const DSQL_ENDPOINT: &str = "TENET_DSQL_ENDPOINT";
const PEER_ENDPOINT: &str = "TENET_DSQL_PEER_ENDPOINT";
const HTTP_TIMEOUT: &str = "TENET_HTTP_TIMEOUT_MS";
const VAULT_KEY: &str = "TENET_VAULT_KEY";

impl Settings {
    /// Reads the variables of a process. An unknown variable that begins with `TENET_` is refused,
    /// because it is probably misspelt.
    pub(crate) fn read(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Self> {
        let variables: HashMap<_, _> = variables.collect();
        let mut unknown: Vec<_> =
            variables.keys().filter(|name| name.starts_with("TENET_") && !OURS.contains(&name.as_str())).collect();
        unknown.retain(|name| Some(name.as_str()) != MUTANT);
        unknown.sort();
        if let Some(name) = unknown.first() {
            bail!("{name} is not a setting; there are {}", OURS.join(", "));
        }
        let read = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let needed = |name: &str, what: &str| read(name).with_context(|| format!("{name} is not set: {what}"));
        let settings = Self {
            region: needed("AWS_REGION", "the region that serves")?,
            bundle: read("TENET_BUNDLE")
                .or_else(|| read("LAMBDA_TASK_ROOT"))
                .context("neither TENET_BUNDLE nor LAMBDA_TASK_ROOT is set: the folder of the bundle")?
                .into(),
            database: Database::read(&read)?,
            event_bus: needed("TENET_EVENT_BUS", "the EventBridge bus that takes the events")?,
            http_timeout: read(HTTP_TIMEOUT).map(|text| http_timeout(&text)).transpose()?,
            one_at_a_time: read("AWS_LAMBDA_MAX_CONCURRENCY").is_none_or(|most| most == "1"),
            capsules: read("TENET_CAPSULES").map(PathBuf::from),
            capsule_key: read("TENET_CAPSULE_KEY"),
            vault_key: read(VAULT_KEY),
            log: LogSettings::read(read)?,
        };
        // Crates that use it panic without it.
        needed("AWS_LAMBDA_RUNTIME_API", "Lambda sets it, and this program runs nowhere else")?;
        Ok(settings)
    }

    /// Reads the index of the bundle.
    pub(crate) fn index(&self) -> anyhow::Result<Index> {
        let path = self.bundle.join(INDEX);
        let text = File::open(&path).and_then(|file| text_at_most(file, MAX_RECORD));
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        Index::parse(&text).with_context(|| path.display().to_string())
    }

    /// The vault of the bundle's rules; none if no rule is granted it.
    pub(crate) fn vault(&self, index: &Index, aws: &SdkConfig) -> anyhow::Result<Option<FieldVault>> {
        let Some(rule) = index.rules.iter().find(|rule| !rule.grants.vault.is_empty()) else { return Ok(None) };
        let key = self.vault_key.as_ref().with_context(|| {
            format!("{VAULT_KEY} is not set: the ARN of a key of KMS, for what the rule {} seals and opens", rule.name)
        })?;
        let keys = KmsKeys::new(aws, &self.region, key).context(VAULT_KEY)?;
        let policy = KeyCachePolicy {
            period: Duration::from_secs(index.host.vault_period_s),
            keys: usize::try_from(index.host.vault_keys).unwrap_or(usize::MAX),
            age: Duration::from_secs(index.host.vault_age_s),
        };
        Ok(Some(FieldVault::new(keys, policy)))
    }
}

fn http_timeout(text: &str) -> anyhow::Result<Duration> {
    let millis = text.parse().ok().filter(|millis| (50..=900_000).contains(millis));
    let millis = millis.with_context(|| format!("{HTTP_TIMEOUT} is {text:?}, and it has to be 50 to 900000"))?;
    Ok(Duration::from_millis(millis))
}

impl Database {
    fn read(read: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let (url, endpoint) = (read("TENET_DATABASE_URL"), read(DSQL_ENDPOINT));
        let Some(endpoint) = endpoint else {
            let alone = OURS.iter().filter(|name| name.starts_with("TENET_DSQL_") && **name != DSQL_ENDPOINT);
            if let Some(name) = alone.copied().find(|name| read(name).is_some()) {
                bail!("{name} is set without {DSQL_ENDPOINT}, which it belongs to");
            }
            return Ok(Self::Url(url.with_context(|| {
                format!(
                    "neither TENET_DATABASE_URL, postgres://USER@HOST:PORT/DATABASE, nor {DSQL_ENDPOINT}, \
                     ID.dsql.REGION.on.aws, is set"
                )
            })?));
        };
        if url.is_some() {
            bail!("TENET_DATABASE_URL and {DSQL_ENDPOINT} are both set, and there is one database");
        }
        let cluster = Dsql {
            endpoint,
            address: read("TENET_DSQL_ADDRESS"),
            region: read("TENET_DSQL_REGION"),
            role: read("TENET_DSQL_ROLE").context("TENET_DSQL_ROLE is not set: the database role to sign in as")?,
            authorities: None,
            application: match (read("AWS_LAMBDA_FUNCTION_NAME"), read("AWS_LAMBDA_FUNCTION_VERSION")) {
                (Some(name), Some(version)) => format!("{name}:{version}"),
                _ => "tenet".to_owned(),
            },
        };
        if cluster.is_admin() {
            bail!(
                "TENET_DSQL_ROLE is admin, which may change the schema and everybody's rights; \
                 a function signs in with a role of its own"
            );
        }
        let peer = read(PEER_ENDPOINT).map(|endpoint| {
            let (address, region) = (read("TENET_DSQL_PEER_ADDRESS"), read("TENET_DSQL_PEER_REGION"));
            Box::new(Dsql { endpoint, address, region, ..cluster.clone() })
        });
        if peer.is_none() {
            let of_peer = ["TENET_DSQL_PEER_ADDRESS", "TENET_DSQL_PEER_REGION", "TENET_DSQL_IDENTITY"];
            if let Some(name) = of_peer.into_iter().find(|name| read(name).is_some()) {
                bail!("{name} is set without {PEER_ENDPOINT}, which it belongs to");
            }
        }
        let identity = read("TENET_DSQL_IDENTITY").map(|text| text.parse());
        let identity = identity.transpose().context("TENET_DSQL_IDENTITY is not a UUID")?;
        Ok(Self::Dsql { cluster, peer, identity, ca: read("TENET_DSQL_CA").map(PathBuf::from) })
    }

    /// Opens the database, with the credentials of this configuration if needed.
    pub(crate) fn open(&self, connections: u32, aws: &SdkConfig) -> anyhow::Result<tenet_database::Database> {
        let (cluster, peer, identity, ca) = match self {
            Self::Url(url) => {
                let endpoint = Endpoint::parse(url).context("TENET_DATABASE_URL")?;
                return Ok(tenet_database::Database::new(endpoint, connections));
            }
            Self::Dsql { cluster, peer, identity, ca } => (cluster, peer, identity, ca),
        };
        let read = |path: &PathBuf| {
            let pem = File::open(path).and_then(|file| text_at_most(file, MAX_TEXT));
            pem.with_context(|| format!("TENET_DSQL_CA: cannot read {}", path.display()))
        };
        let authorities = ca.as_ref().map(read).transpose()?;
        let endpoint = |cluster: &Dsql, prefix: &str| {
            let cluster = Dsql { authorities: authorities.clone(), ..cluster.clone() };
            Endpoint::dsql(&cluster, aws).map_err(|error| match error.part() {
                // Both clusters have these.
                Some(part @ ("role" | "ca")) => anyhow!("TENET_DSQL_{}: {error}", part.to_uppercase()),
                Some(part) => anyhow!("{prefix}_{}: {error}", part.to_uppercase()),
                None => anyhow!(error),
            })
        };
        let home = endpoint(cluster, "TENET_DSQL")?;
        let Some(peer) = peer else { return Ok(tenet_database::Database::new(home, connections)) };
        let peer = endpoint(peer, "TENET_DSQL_PEER")?;
        let identity = identity.map(Uuid::into_bytes);
        Ok(tenet_database::Database::with_peer(home, peer, identity, connections))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        Settings::read(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    const FULL: [(&str, &str); 5] = [
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
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
        for missing in ["AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "TENET_DATABASE_URL", "TENET_EVENT_BUS"] {
            let some: Vec<_> = FULL.into_iter().filter(|(name, _)| *name != missing).collect();
            assert!(read(&some).unwrap_err().to_string().contains(missing));
        }
        let misspelt = [&FULL[..], &[("TENET_DATABSE_URL", "x")]].concat();
        assert!(read(&misspelt).unwrap_err().to_string().starts_with("TENET_DATABSE_URL"));
        for (value, timeout) in [("29000", Some(29_000)), ("49", None), ("900001", None), ("soon", None)] {
            let settings = read(&[&FULL[..], &[(HTTP_TIMEOUT, value)]].concat());
            let told = settings.map(|settings| settings.http_timeout).map_err(|error| error.to_string());
            match timeout {
                Some(millis) => assert_eq!(told, Ok(Some(Duration::from_millis(millis)))),
                None => assert!(told.unwrap_err().starts_with("TENET_HTTP_TIMEOUT_MS is"), "{value}"),
            }
        }
    }

    #[test]
    fn there_is_one_database_and_a_function_is_not_its_administrator() {
        const ENDPOINT: (&str, &str) = ("TENET_DSQL_ENDPOINT", "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws");
        const ROLE: (&str, &str) = ("TENET_DSQL_ROLE", "app");
        const PEER: (&str, &str) = ("TENET_DSQL_PEER_ENDPOINT", "zbcdefghijklmnopqrstuvwxyz.dsql.us-west-2.on.aws");
        let without: Vec<_> = FULL.into_iter().filter(|(name, _)| *name != "TENET_DATABASE_URL").collect();
        let with = |more: &[(&'static str, &'static str)]| read(&[&without[..], more].concat());

        let named = [("AWS_LAMBDA_FUNCTION_NAME", "orders"), ("AWS_LAMBDA_FUNCTION_VERSION", "7")];
        let Database::Dsql { cluster, peer: None, identity: None, ca } =
            with(&[&[ENDPOINT, ROLE], &named[..]].concat()).unwrap().database
        else {
            panic!("not DSQL")
        };
        assert_eq!((cluster.role.as_str(), cluster.application.as_str(), ca), ("app", "orders:7", None));

        let Database::Dsql { peer: Some(peer), .. } = with(&[ENDPOINT, ROLE, PEER]).unwrap().database else {
            panic!("no peer")
        };
        assert_eq!((peer.endpoint.as_str(), peer.role.as_str(), &peer.region), (PEER.1, "app", &None));

        for (more, names, why) in [
            (vec![ENDPOINT, ROLE, ("TENET_DATABASE_URL", "postgres://app@db/x")], "TENET_DATABASE_URL", "one database"),
            (vec![ENDPOINT], "TENET_DSQL_ROLE", "not set"),
            (vec![ENDPOINT, ("TENET_DSQL_ROLE", "admin")], "TENET_DSQL_ROLE", "change the schema"),
            (vec![ROLE], "TENET_DSQL_ROLE", "without TENET_DSQL_ENDPOINT"),
            (vec![ENDPOINT, ROLE, ("TENET_DSQL_PEER_REGION", "us-west-2")], "TENET_DSQL_PEER_REGION", "PEER_ENDPOINT"),
            (vec![ENDPOINT, ROLE, PEER, ("TENET_DSQL_IDENTITY", "me")], "TENET_DSQL_IDENTITY", "UUID"),
            (vec![], "TENET_DSQL_ENDPOINT", "neither"),
        ] {
            let error = with(&more).unwrap_err().to_string();
            assert!(error.contains(names) && error.contains(why), "{error}");
        }
    }

    #[tokio::test]
    async fn what_leads_to_no_cluster_is_refused_by_the_name_of_its_variable() {
        let aws = SdkConfig::builder().build();
        let cluster = |region: Option<&str>| Dsql {
            endpoint: "db.example".to_owned(),
            address: None,
            region: region.map(str::to_owned),
            role: "app".to_owned(),
            authorities: None,
            application: "tenet".to_owned(),
        };
        let refused = |region, ca: Option<&str>| {
            let cluster = cluster(region);
            let database = Database::Dsql { cluster, peer: None, identity: None, ca: ca.map(PathBuf::from) };
            database.open(1, &aws).err().unwrap().to_string()
        };
        assert!(refused(None, None).starts_with("TENET_DSQL_REGION: "));
        assert!(refused(Some("US"), None).starts_with("TENET_DSQL_REGION: "));
        assert!(refused(Some("us-east-1"), Some("/nowhere")).starts_with("TENET_DSQL_CA: cannot read /nowhere"));
    }
}
