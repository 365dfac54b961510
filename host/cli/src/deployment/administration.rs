use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use futures_util::future::BoxFuture;
use tenet_core::Grants;
use tenet_core::bundle::Index;
use tenet_database::{Administrator, Dsql, Endpoint, Planned, Schema, Standing};
use tenet_deploy::{Cluster, Database, Outbox, Pending, Prepared};
use tenet_harness::schema;

/// The longest that bringing the tables up to date may take: indexes of large ones take minutes.
const PREPARING: Duration = Duration::from_secs(3600);

/// The longest that a look may take.
const LOOKING: Duration = Duration::from_secs(30);

/// DSQL's port.
const PORT: &str = "5432";

/// The databases of a deployment, as their administrator has them.
pub(crate) struct Administration {
    pub(crate) aws: SdkConfig,
    /// Where the endpoint of a region is reached, if not at its own name.
    pub(crate) addresses: Vec<(String, String)>,
    /// The authorities that may sign the endpoints' certificates.
    pub(crate) authorities: Option<String>,
    /// What is deployed, where something is.
    pub(crate) bundle: Vec<(PathBuf, Index)>,
}

type Failed = Box<dyn Error + Send + Sync>;

impl Administration {
    /// The host by which a cluster is reached, if it is not the endpoint's own, and the port.
    fn address(&self, cluster: &Cluster) -> (Option<&str>, &str) {
        let address =
            self.addresses.iter().find(|(region, _)| *region == cluster.region).map(|(_, host)| host.as_str());
        match address.map(|address| address.rsplit_once(':').unwrap_or((address, PORT))) {
            Some((host, port)) => (Some(host), port),
            None => (None, PORT),
        }
    }

    async fn resolved(&self, cluster: &Cluster) -> Result<(), Failed> {
        let (host, port) = self.address(cluster);
        let name = format!("{}:{port}", host.unwrap_or(&cluster.endpoint));
        let mut addresses = tokio::net::lookup_host(&name).await?;
        addresses.next().map(drop).ok_or_else(|| format!("{name} has no address").into())
    }

    fn endpoint(&self, cluster: &Cluster) -> Result<Endpoint, Failed> {
        let (host, port) = self.address(cluster);
        let dsql = Dsql {
            endpoint: format!("{}:{port}", cluster.endpoint),
            address: host.map(str::to_owned),
            region: Some(cluster.region.clone()),
            role: Dsql::ADMIN.to_owned(),
            authorities: self.authorities.clone(),
            application: "tenet".to_owned(),
        };
        Ok(Endpoint::dsql(&dsql, &self.aws)?)
    }

    async fn prepared(&self, cluster: &Cluster, role: &str, principals: &[String]) -> Result<Prepared, Failed> {
        let (endpoint, deadline) = (self.endpoint(cluster)?, Instant::now() + PREPARING);
        let before = Schema::plan(&endpoint, &schema::steps(&self.bundle)?, deadline).await?;
        let to_do = before.iter().filter(|planned| planned.standing == Standing::ToDo).count();
        schema::apply_by(&endpoint, &self.bundle, deadline).await?;
        let mut changes = Vec::new();
        if to_do > 0 {
            changes.push(format!("{to_do} steps of the schema are applied"));
        }
        let administrator = Administrator::open(&endpoint, deadline).await?;
        changes.extend(administrator.admit(role, principals, &self.grants(role)).await?);
        Ok(Prepared { identity: administrator.identity().await?, changes })
    }

    /// The grants that the function's role needs.
    fn grants(&self, role: &str) -> Vec<String> {
        let mut granted = Grants::default();
        self.bundle.iter().flat_map(|(_, index)| &index.rules).for_each(|rule| granted.add(rule.grants.clone()));
        Schema::privileges(role).into_iter().chain(tenet_policy::privileges(&granted, role)).collect()
    }

    async fn lacking(&self, cluster: &Cluster, role: &str, principals: &[String]) -> Result<Pending, Failed> {
        let (endpoint, steps) = (self.endpoint(cluster)?, schema::steps(&self.bundle)?);
        let deadline = Instant::now() + LOOKING;
        let administrator = Administrator::open(&endpoint, deadline).await?;
        let grants = administrator.lacking(role, principals, &self.grants(role)).await?;
        let mut pending = Pending { grants, ..Pending::default() };
        for Planned { step, standing, .. } in Schema::plan(&endpoint, &steps, deadline).await? {
            match standing {
                Standing::ToDo => pending.to_do.push(step),
                Standing::Changed => pending.changed.push(step),
                Standing::Applied | Standing::Foreign => {}
            }
        }
        Ok(pending)
    }

    async fn waiting(&self, cluster: &Cluster) -> Result<Outbox, Failed> {
        let administrator = Administrator::open(&self.endpoint(cluster)?, Instant::now() + LOOKING).await?;
        let waiting = administrator.waiting().await?;
        Ok(Outbox { waiting: waiting.waiting, parked: waiting.parked, oldest_s: waiting.oldest_s })
    }
}

impl Database for Administration {
    fn resolves<'a>(&'a self, cluster: &'a Cluster) -> BoxFuture<'a, Result<(), Failed>> {
        Box::pin(self.resolved(cluster))
    }

    fn prepare<'a>(
        &'a self,
        cluster: &'a Cluster,
        role: &'a str,
        principals: &'a [String],
    ) -> BoxFuture<'a, Result<Prepared, Failed>> {
        Box::pin(self.prepared(cluster, role, principals))
    }

    fn pending<'a>(
        &'a self,
        cluster: &'a Cluster,
        role: &'a str,
        principals: &'a [String],
    ) -> BoxFuture<'a, Result<Pending, Failed>> {
        Box::pin(self.lacking(cluster, role, principals))
    }

    fn outbox<'a>(&'a self, cluster: &'a Cluster) -> BoxFuture<'a, Result<Outbox, Failed>> {
        Box::pin(self.waiting(cluster))
    }
}
