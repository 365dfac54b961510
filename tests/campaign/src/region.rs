use std::path::Path;
use std::sync::Arc;

use fastrand::Rng;
use futures_util::future::try_join_all;
use tenet_audit::Tally;
use tenet_core::Mutant;
use tenet_test_support::{Dsql, Terms};
use tokio::process::Command;

use crate::gate::Gate;
use crate::sandbox::{Notes, Sandbox, Start};

/// One region: its endpoint of the database, the connection to its bus, and the sandboxes of its host.
pub(crate) struct Region {
    pub(crate) dsql: Dsql,
    pub(crate) gate: Gate,
    pub(crate) sandboxes: Vec<Sandbox>,
}

/// What is needed to create a region.
pub(crate) struct Plot<'a> {
    pub(crate) name: &'static str,
    pub(crate) database: &'a str,
    /// The URL of EventBridge.
    pub(crate) events: &'a str,
    pub(crate) bus: &'a str,
    pub(crate) bootstrap: &'a Path,
    pub(crate) bundle: &'a Path,
    /// A folder for its files.
    pub(crate) folder: &'a Path,
    /// The identity of the database.
    pub(crate) identity: String,
    pub(crate) seed: u64,
    pub(crate) mutant: Option<&'a str>,
}

/// The endpoint of the other region.
pub(crate) struct Peer {
    endpoint: String,
    authority: String,
}

/// How many concurrent invocations each sandbox of a region accepts: the first one more than it has connections. That
/// one publishes events before its responses, because Lambda notifies no extension of a sandbox with concurrent
/// invocations; the others publish after.
const SANDBOXES: [usize; 3] = [6, 1, 1];

/// The sandboxes among which one is drawn: mostly the first one, which handles several at once.
const DRAWN: [usize; 5] = [0, 0, 0, 1, 2];

impl Region {
    /// Creates the endpoint and the gate; the sandboxes are started when both endpoints exist.
    pub(crate) async fn new(plot: &Plot<'_>, tally: &Arc<Tally>) -> anyhow::Result<Self> {
        // DSQL itself refuses a transaction that could violate this guarantee.
        let strict = plot.mutant != Some(Mutant::KeyRowGivesWay.name());
        let dsql = Dsql::start(plot.database, Terms { strict, ..Terms::of(plot.name) }).await;
        let gate = Gate::open(plot.events, plot.seed, Arc::clone(tally)).await?;
        Ok(Self { dsql, gate, sandboxes: Vec::new() })
    }

    /// Starts the sandboxes, which know the peer's endpoint too.
    pub(crate) async fn populate(&mut self, plot: &Plot<'_>, peer: &Peer, notes: &Notes) -> anyhow::Result<()> {
        let sandboxes = SANDBOXES.into_iter().enumerate().map(|(place, at_once)| {
            let start = self.start(plot, peer, at_once)?;
            Ok(Sandbox::new(format!("{} {place}", plot.name), at_once, start, notes.clone()))
        });
        self.sandboxes = try_join_all(sandboxes.collect::<anyhow::Result<Vec<_>>>()?).await?;
        Ok(())
    }

    /// A sandbox at random.
    pub(crate) fn sandbox(&self, random: &mut Rng) -> &Sandbox {
        &self.sandboxes[DRAWN[random.usize(0..DRAWN.len())]]
    }

    /// What the other region has to know about this one.
    pub(crate) fn as_peer(&self) -> Peer {
        Peer { endpoint: self.dsql.endpoint(), authority: self.dsql.authority().to_owned() }
    }

    /// Writes the certificates of both endpoints' authorities to a file.
    fn authorities(&self, plot: &Plot<'_>, peer: &Peer) -> anyhow::Result<String> {
        let path = plot.folder.join(plot.name);
        std::fs::write(&path, [self.dsql.authority(), &peer.authority].concat())?;
        Ok(path.display().to_string())
    }

    fn start(&self, plot: &Plot<'_>, peer: &Peer, at_once: usize) -> anyhow::Result<Start> {
        let mut environment = vec![
            ("AWS_LAMBDA_FUNCTION_NAME", "campaign".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
            ("AWS_REGION", plot.name.to_owned()),
            ("AWS_ACCESS_KEY_ID", tenet_test_support::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", tenet_test_support::SECRET_KEY.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AWS_ENDPOINT_URL", self.gate.url().to_owned()),
            ("TENET_DSQL_ENDPOINT", self.dsql.endpoint()),
            ("TENET_DSQL_ADDRESS", "127.0.0.1".to_owned()),
            ("TENET_DSQL_ROLE", "app".to_owned()),
            ("TENET_DSQL_CA", self.authorities(plot, peer)?),
            ("TENET_DSQL_PEER_ENDPOINT", peer.endpoint.clone()),
            ("TENET_DSQL_PEER_ADDRESS", "127.0.0.1".to_owned()),
            ("TENET_DSQL_IDENTITY", plot.identity.clone()),
            ("TENET_EVENT_BUS", plot.bus.to_owned()),
            ("TENET_BUNDLE", plot.bundle.display().to_string()),
        ];
        if at_once > 1 {
            environment.push(("AWS_LAMBDA_MAX_CONCURRENCY", at_once.to_string()));
        }
        environment.extend(plot.mutant.map(|mutant| ("TENET_MUTANT", mutant.to_owned())));
        let bootstrap = plot.bootstrap.to_owned();
        Ok(Box::new(move || {
            let mut command = Command::new(&bootstrap);
            command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
            command
        }))
    }
}
