use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;

use aws_config::SdkConfig;

use crate::bucket::Bucket;
use crate::clusters::{self, Cluster};
use crate::config::{self, Config};
use crate::database::{Database, Pending, Prepared};
use crate::error::DeployError;
use crate::function;
use crate::names::Names;
use crate::package::Package;
use crate::parameters::{region_parameters, workflow_parameters};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::quotas;
use crate::recovery::Recovery;
use crate::regional::Regional;
use crate::stack::{Applied, Stack, Standing};
use crate::vault_key;
use crate::versions::{self, Versions};
use crate::wait::{Looked, PollPolicy, until};

/// The template of a region's stack, unless the configuration names another.
pub(crate) const REGION: &str = include_str!("../../../deploy/region.yaml");

/// The template of the workflows' stack.
pub(crate) const WORKFLOWS: &str = include_str!("../../../deploy/workflows.yaml");

/// The parameter that says whether the other region's bus is there. Without it a stack has no rule that forwards to
/// it: EventBridge may refuse a target that does not exist, and a stack is made before the other's.
const PEER_BUS: &str = "PeerBus";

/// A deployment: two regions with one database, described by its configuration. It has no state of
/// its own: AWS has it all, so an interrupted run can simply be repeated.
pub struct Deployment {
    pub(crate) config: Config,
    pub(crate) names: Names,
    pub(crate) regions: [Regional; 2],
    pub(crate) database: Arc<dyn Database>,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) polling: PollPolicy,
    pub(crate) template: String,
}

/// The result of a deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// What each region serves now.
    pub regions: [Served; 2],
    /// Whether anything was changed.
    pub has_changed: bool,
}

/// What a region serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The region.
    pub region: String,
    /// Its cluster's endpoint.
    pub endpoint: String,
    /// Its HTTP API.
    pub api: String,
    /// The version of the function.
    pub version: String,
    /// The canary version, which receives this percentage of the calls.
    pub canary: Option<(String, u8)>,
}

impl Deployment {
    /// Determines the account of the credentials.
    ///
    /// # Errors
    /// Fails if it is not the intended account, or if a template cannot be read.
    pub async fn open(
        config: Config,
        aws: &SdkConfig,
        database: Arc<dyn Database>,
        progress: Arc<dyn Progress>,
        polling: PollPolicy,
    ) -> Result<Self, DeployError> {
        let regions = config.regions.served.each_ref().map(|region| Regional::new(aws, region));
        let [one, _] = &regions;
        let account = one.caller().await?.account;
        if let Some(meant) = config.account.as_ref().filter(|meant| **meant != account) {
            return Err(DeployError::new(format!(
                "the credentials are of the account {account}, and {meant} is meant"
            ))
            .help("name a profile of that account with AWS_PROFILE, or change `account` in tenet.toml"));
        }
        let template = match &config.template {
            None => REGION.to_owned(),
            Some(path) => config::text(path)?,
        };
        let names = Names { name: config.name.clone(), account };
        Ok(Self { config, names, regions, database, progress, polling, template })
    }

    /// Deploys, from any intermediate state. With `canary` the new version receives that percentage
    /// of the calls.
    ///
    /// # Errors
    /// States where it stopped and why. Another run continues from there.
    pub async fn deploy(&self, package: &Package, canary: Option<u8>) -> Result<Deployed, DeployError> {
        self.config.suits(&package.settings)?;
        self.warn();
        quotas::check(&self.regions, &self.names, &self.config, package.settings.connections).await?;
        let clusters = clusters::ensure(&self.regions, &self.config, &self.polling, &*self.progress).await?;
        let [first, _] = &clusters;
        self.found(first).await?;
        let mut has_role = [self.has_stack(0).await?, self.has_stack(1).await?];
        let (prepared, is_whole) = match self.prepare(first, &[true, true]).await {
            // The database may refuse IAM roles that the stacks have not made yet.
            Err(error) if has_role.contains(&false) => match self.prepare(first, &has_role).await {
                Ok(prepared) => {
                    let why = error.source().map(ToString::to_string).unwrap_or_default();
                    let text = format!("the functions' roles may sign in once their stacks are made: {why}");
                    self.progress.say(Some(&first.region), &text);
                    (prepared, false)
                }
                Err(_) => return Err(error),
            },
            prepared => (prepared?, true),
        };
        let keys = if package.has_vault {
            let keys = vault_key::ensure(&self.regions, &self.names, &self.polling, &*self.progress).await?;
            keys.map(Some)
        } else {
            [None, None]
        };
        // Upload the code everywhere first: it has no effect until a version of it is served.
        let mut has_changed = !prepared.changes.is_empty();
        let mut released = Vec::new();
        for (place, region) in self.regions.iter().enumerate() {
            let bucket = Bucket::of(region, &self.names);
            bucket.ensure(&*self.progress).await?;
            let key = bucket.put(package, &*self.progress).await?;
            let vault = keys.get(place).cloned().flatten();
            let mut parameters = region_parameters(&self.config, place, &clusters, &prepared.identity, package, vault);
            parameters.insert("CodeBucket".to_owned(), bucket.name().to_owned());
            parameters.insert("CodeKey".to_owned(), key);
            parameters.insert(PEER_BUS.to_owned(), self.has_peer_bus(place).await?.to_string());
            let stack = Stack::of(region, &self.names, self.names.stack(), self.polling);
            // A stack that is created again has no versions yet.
            let standing = stack.mended(&*self.progress).await?;
            standing.map(|standing| Versions::read(&standing)).unwrap_or_default().write(&mut parameters);
            let applied = stack.apply(&self.template, &parameters, &*self.progress).await?;
            has_changed |= applied != Applied::Unchanged;
            if let Some(has_role) = has_role.get_mut(place) {
                *has_role = true;
            }
            if !is_whole {
                has_changed |= !self.prepare(first, &has_role).await?.changes.is_empty();
            }
            let new = versions::publish(region, &self.names, package, &self.polling).await?;
            released.push((region, stack, parameters, new));
        }
        // Then both buses are there.
        for (_, stack, parameters, _) in &mut released {
            if parameters.insert(PEER_BUS.to_owned(), true.to_string()) != Some(true.to_string()) {
                let applied = stack.apply(&self.template, parameters, &*self.progress).await?;
                has_changed |= applied != Applied::Unchanged;
            }
        }
        // Then switch one region after the other, each once its version is ready.
        for (region, stack, parameters, new) in &mut released {
            function::ready(region, &self.names, new, &self.polling).await?;
            let standing = stack.look().await?.unwrap_or_default();
            let versions = Versions::read(&standing);
            let wanted = versions.with(new, canary);
            if wanted != versions {
                wanted.write(parameters);
                let applied = stack.apply(&self.template, parameters, &*self.progress).await?;
                has_changed |= applied != Applied::Unchanged;
                self.say_versions(region, &wanted);
            }
            wanted.settle(region, &self.names, &self.polling).await?;
        }
        has_changed |= self.workflows().await?;
        Ok(Deployed { regions: self.served(&clusters).await?, has_changed })
    }

    /// What a deploy with the same `canary` would change. Nothing is changed.
    ///
    /// # Errors
    /// Fails if AWS cannot tell, or would refuse a change.
    pub async fn plan(&self, package: &Package, canary: Option<u8>) -> Result<Plan, DeployError> {
        self.config.suits(&package.settings)?;
        self.warn();
        quotas::check(&self.regions, &self.names, &self.config, package.settings.connections).await?;
        let mut plan = Plan::default();
        let [first, _] = &self.regions;
        let known = clusters::plan(&self.regions, &self.config, &mut plan).await?;
        match &known {
            None => {
                plan.change(&first.name, "+ the schema of the database");
                let role = &self.config.database.role;
                plan.change(&first.name, &format!("+ the role {role} with the grants of the bundle's rules"));
            }
            Some(clusters) => self.plan_schema(clusters, &mut plan).await?,
        }
        if package.has_vault {
            vault_key::plan(&self.regions, &self.names, &mut plan).await?;
        }
        for (place, region) in self.regions.iter().enumerate() {
            let bucket = Bucket::of(region, &self.names);
            if !bucket.is_there().await? {
                plan.change(&region.name, &format!("+ bucket {}", bucket.name()));
            }
            let stack = Stack::of(region, &self.names, self.names.stack(), self.polling);
            // The second region's turn comes after the first's stack.
            let has_peer_bus = place > 0 || self.has_peer_bus(place).await?;
            let mut standing = None;
            let changes = match &known {
                Some(both) => {
                    let parameters = |of: &Standing| {
                        standing = Some(of.clone());
                        let mut parameters = self.planned_parameters(place, both, of, package, bucket.name());
                        parameters.insert(PEER_BUS.to_owned(), has_peer_bus.to_string());
                        parameters
                    };
                    stack.plan(&self.template, parameters).await?
                }
                None => vec![match stack.look().await? {
                    None => stack.created(&self.template),
                    Some(_) => format!("~ stack {}, for the new cluster", self.names.stack()),
                }],
            };
            plan.stack(&region.name, self.names.stack(), changes);
            if let Some(peer) = self.peer_of(place).filter(|_| !has_peer_bus) {
                let later = format!("the rule forward, once the bus in {} is there", peer.name);
                plan.change(&region.name, &format!("~ stack {}: {later}", self.names.stack()));
            }
            if let Some(standing) = standing {
                let versions = Versions::read(&standing);
                if let Some(shift) = versions.planned(region, &self.names, &package.sha256(), canary).await? {
                    plan.change(&region.name, &shift);
                }
            }
        }
        for region in &self.regions {
            let Some(parameters) = workflow_parameters(&self.config, &region.name) else { break };
            let stack = Stack::of(region, &self.names, &self.names.workflows(), self.polling);
            plan.stack(&region.name, &self.names.workflows(), stack.plan(WORKFLOWS, |_| parameters.clone()).await?);
        }
        Ok(plan)
    }

    /// The error of what needs a deployed region.
    pub(crate) fn without_stack(&self, region: &Regional) -> DeployError {
        DeployError::new(format!("{}: there is no stack {}", region.name, self.names.stack()))
            .help("`tenet deploy` makes it")
    }

    fn peer_of(&self, place: usize) -> Option<&Regional> {
        self.regions.get(usize::from(place == 0))
    }

    /// Whether the bus of the other region than the one at this place is there and stays: whether its stack is made.
    async fn has_peer_bus(&self, place: usize) -> Result<bool, DeployError> {
        self.has_stack(usize::from(place == 0)).await
    }

    /// Whether the stack of the region at this place is made and stays.
    async fn has_stack(&self, place: usize) -> Result<bool, DeployError> {
        let Some(region) = self.regions.get(place) else { return Ok(false) };
        let standing = Stack::of(region, &self.names, self.names.stack(), self.polling).settled().await?;
        Ok(standing.is_some_and(|standing| Recovery::of(&standing.status) != Recovery::Delete))
    }

    /// Brings the database up to date, and lets the roles of these regions' functions sign in.
    async fn prepare(&self, cluster: &Cluster, has_role: &[bool; 2]) -> Result<Prepared, DeployError> {
        let principals = has_role.iter().zip(self.principals()).filter(|(has, _)| **has);
        let principals: Vec<_> = principals.map(|(_, principal)| principal).collect();
        let prepared = self.database.prepare(cluster, &self.config.database.role, &principals).await;
        let prepared = prepared.map_err(|error| {
            DeployError::new(format!("{}: the database {} is not ready", cluster.region, cluster.endpoint))
                .because(error)
        })?;
        for change in &prepared.changes {
            self.progress.say(Some(&cluster.region), change);
        }
        Ok(prepared)
    }

    /// The IAM roles that sign in to the database.
    fn principals(&self) -> Vec<String> {
        self.regions.iter().map(|region| self.names.function_role(&region.name)).collect()
    }

    /// Adds what the database lacks of the schema and of the grants to a plan, as each region's cluster shows it. A
    /// cluster that cannot be looked at is no error: then the plan says why.
    async fn plan_schema(&self, clusters: &[Cluster; 2], plan: &mut Plan) -> Result<(), DeployError> {
        let unknown = |why: &str| format!("whether the schema and the grants of the database change is unknown: {why}");
        let (role, principals) = (&self.config.database.role, self.principals());
        let mut is_first = true;
        for cluster in clusters {
            if !cluster.is_active() {
                plan.keep(&cluster.region, &unknown(&format!("its cluster is {}", cluster.status)));
                continue;
            }
            let Pending { to_do, changed, grants } = match self.database.pending(cluster, role, &principals).await {
                Err(error) => {
                    plan.keep(&cluster.region, &unknown(&error.to_string()));
                    continue;
                }
                Ok(pending) => pending,
            };
            if !changed.is_empty() {
                let (region, steps) = (&cluster.region, changed.join(", "));
                return Err(DeployError::new(format!(
                    "{region}: schema steps were applied with another text: {steps}"
                ))
                .help("a step is never edited: put the old text back, and add a new step"));
            }
            if to_do.is_empty() {
                plan.keep(&cluster.region, "the schema of the database stays as it is");
            } else {
                let text = format!("~ {} steps of the schema: {}", to_do.len(), to_do.join(", "));
                plan.change(&cluster.region, &text);
            }
            // Both clusters are one database: each grant stands once in the plan.
            if std::mem::take(&mut is_first) {
                if grants.is_empty() {
                    plan.keep(&cluster.region, &format!("the grants to {role} stay as they are"));
                }
                for grant in grants {
                    plan.change(&cluster.region, &format!("~ {grant}"));
                }
            }
        }
        Ok(())
    }

    /// The parameters of the update that a deploy would begin with.
    fn planned_parameters(
        &self,
        place: usize,
        clusters: &[Cluster; 2],
        standing: &Standing,
        package: &Package,
        bucket: &str,
    ) -> BTreeMap<String, String> {
        let kept = |name: &str| standing.parameters.get(name).cloned().unwrap_or_default();
        let vault = Some(kept("VaultKeyArn")).filter(|arn| package.has_vault && !arn.is_empty());
        let mut parameters =
            region_parameters(&self.config, place, clusters, &kept("DatabaseIdentity"), package, vault);
        parameters.insert("CodeBucket".to_owned(), bucket.to_owned());
        parameters.insert("CodeKey".to_owned(), package.key());
        Versions::read(standing).write(&mut parameters);
        parameters
    }

    /// Waits until the name of a cluster's endpoint resolves, which a new one's does not at once.
    async fn found(&self, cluster: &Cluster) -> Result<(), DeployError> {
        let late = |why: &str| {
            DeployError::new(format!("{}: the name {} does not resolve: {why}", cluster.region, cluster.endpoint))
                .help("a new cluster's name can take minutes: run it again, or see what this machine resolves names by")
        };
        let mut told = false;
        until(self.polling.name, self.polling.pause, late, async || {
            let Err(error) = self.database.resolves(cluster).await else { return Ok(Looked::Seen(())) };
            if !std::mem::replace(&mut told, true) {
                self.progress.say(Some(&cluster.region), &format!("{} does not resolve yet", cluster.endpoint));
            }
            Ok(Looked::NotYet(error.to_string()))
        })
        .await
    }

    /// Reports what AWS alone decides.
    fn warn(&self) {
        if let Some(warning) = self.config.regions.warning() {
            self.progress.say(None, &format!("warning: {warning}"));
        }
    }

    pub(crate) fn say_versions(&self, region: &Regional, versions: &Versions) {
        let canary = versions.canary.as_ref();
        let canary = canary.map(|(version, percent)| format!(", and version {version} for {percent} of 100 calls"));
        let text = format!("version {} is served{}", versions.served(), canary.unwrap_or_default());
        self.progress.say(Some(&region.name), &text);
    }

    /// Updates the stacks of the workflows, if they are configured. Returns whether anything
    /// changed.
    async fn workflows(&self) -> Result<bool, DeployError> {
        let mut has_changed = false;
        for region in &self.regions {
            let Some(parameters) = workflow_parameters(&self.config, &region.name) else { break };
            let stack = Stack::of(region, &self.names, &self.names.workflows(), self.polling);
            let applied = stack.apply(WORKFLOWS, &parameters, &*self.progress).await?;
            has_changed |= applied != Applied::Unchanged;
        }
        Ok(has_changed)
    }

    async fn served(&self, clusters: &[Cluster; 2]) -> Result<[Served; 2], DeployError> {
        let mut all = Vec::new();
        for (region, cluster) in self.regions.iter().zip(clusters) {
            let standing =
                Stack::of(region, &self.names, self.names.stack(), self.polling).look().await?.unwrap_or_default();
            let versions = Versions::read(&standing);
            all.push(Served {
                region: region.name.clone(),
                endpoint: cluster.endpoint.clone(),
                api: standing.outputs.get("ApiEndpoint").cloned().unwrap_or_default(),
                version: versions.served().to_owned(),
                canary: versions.canary,
            });
        }
        all.try_into().map_err(|_| DeployError::new("a deployment has two regions"))
    }
}
