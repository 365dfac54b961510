use std::collections::BTreeSet;

use aws_sdk_dsql::operation::get_cluster::GetClusterOutput;
use aws_sdk_dsql::operation::update_cluster::builders::UpdateClusterFluentBuilder;
use aws_sdk_dsql::types::{ClusterStatus, MultiRegionProperties};

use crate::config::Config;
use crate::error::{DeployError, code, message, refused};
use crate::names::TAG;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::regional::Regional;
use crate::wait::{Looked, PollPolicy, until};

/// An Aurora DSQL cluster, one of two that form one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its id, which is part of its ARN and its endpoint.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its host name.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// Its status, as AWS reports it.
    pub status: String,
    /// Whether deletion protection is on.
    pub is_protected: bool,
    /// The ARNs of its peers, possibly including its own.
    pub peers: BTreeSet<String>,
    /// The region of its witness.
    pub witness: Option<String>,
    /// The KMS key that encrypts it, if it is not AWS's own.
    pub kms_key: Option<String>,
}

impl Cluster {
    fn read(region: &str, got: GetClusterOutput) -> Self {
        let of_regions = got.multi_region_properties;
        let peers = of_regions.as_ref().and_then(|of| of.clusters.clone()).unwrap_or_default();
        Self {
            endpoint: endpoint(&got.identifier, region),
            id: got.identifier,
            arn: got.arn,
            region: region.to_owned(),
            status: got.status.as_str().to_owned(),
            is_protected: got.deletion_protection_enabled,
            peers: peers.into_iter().collect(),
            witness: of_regions.and_then(|of| of.witness_region),
            kms_key: got.encryption_details.and_then(|details| details.kms_key_arn),
        }
    }

    /// Whether it is being deleted.
    pub(crate) fn is_going(&self) -> bool {
        matches!(self.status.as_str(), "DELETING" | "DELETED" | "PENDING_DELETE")
    }

    /// Whether it is available. An unused cluster becomes idle and wakes up on use.
    pub fn is_active(&self) -> bool {
        matches!(self.status.as_str(), "ACTIVE" | "IDLE" | "INACTIVE")
    }

    /// Whether it is peered with `other`.
    pub fn has_peer(&self, other: &Self) -> bool {
        self.peers.contains(&other.arn)
    }
}

/// The host name of a cluster
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/SECTION_authentication-token.html>).
fn endpoint(id: &str, region: &str) -> String {
    format!("{id}.dsql.{region}.on.aws")
}

/// The clusters of a region, by their tags.
pub(crate) struct Found {
    /// Those of the deployment.
    pub(crate) own: Vec<Cluster>,
    /// The ids of those whose tags may not be read.
    pub(crate) unknown: Vec<String>,
}

/// The deployment's cluster in a region, unless it is being deleted.
///
/// # Errors
/// Fails if there is none and one of the others may be it: a second one must not be created.
pub(crate) async fn find(region: &Regional, deployment: &str) -> Result<Option<Cluster>, DeployError> {
    let Found { mut own, unknown } = all(region, deployment).await?;
    own.retain(|cluster| !cluster.is_going());
    match (own.as_slice(), unknown.first()) {
        ([], Some(id)) => Err(DeployError::new(format!(
            "{}: the tags of the cluster {id} may not be read, so that it may be the deployment's",
            region.name
        ))
        .help(
            "allow dsql:ListTagsForResource on all clusters, or deploy from another account: no second cluster is \
             made while another may be it",
        )),
        ([] | [_], _) => Ok(own.pop()),
        ([one, other, ..], _) => Err(DeployError::new(format!(
            "{}: the clusters {} and {} both have the tag {TAG}={deployment}",
            region.name, one.id, other.id
        ))
        .help("take the tag from the one that is not the deployment's")),
    }
}

/// Every cluster with the deployment's tag. Tags are asked first: they may be read of all clusters by one who may
/// read nothing else of others'.
pub(crate) async fn all(region: &Regional, deployment: &str) -> Result<Found, DeployError> {
    let mut pages = region.dsql.list_clusters().into_paginator().send();
    let mut found = Found { own: Vec::new(), unknown: Vec::new() };
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| refused(&region.name, "ListClusters", &error))?;
        let here = format!("arn:aws:dsql:{}:", region.name);
        for summary in page.clusters.into_iter().filter(|summary| summary.arn.starts_with(&here)) {
            match ownership(region, &summary.arn, deployment).await? {
                Ownership::Own => {}
                Ownership::Other => continue,
                Ownership::Unknown => {
                    found.unknown.push(summary.identifier);
                    continue;
                }
            }
            match region.dsql.get_cluster().identifier(&summary.identifier).send().await {
                Ok(got) => found.own.push(Cluster::read(&region.name, got)),
                Err(error) if code(&error) == Some("ResourceNotFoundException") => {}
                // A right that depends on the tag ends with the cluster.
                Err(error) => {
                    if ownership(region, &summary.arn, deployment).await? == Ownership::Own {
                        return Err(refused(&region.name, "GetCluster", &error));
                    }
                }
            }
        }
    }
    Ok(found)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ownership {
    Own,
    /// Another's, or gone.
    Other,
    Unknown,
}

/// Whose a cluster is, by its tag.
async fn ownership(region: &Regional, arn: &str, deployment: &str) -> Result<Ownership, DeployError> {
    match region.dsql.list_tags_for_resource().resource_arn(arn).send().await {
        Ok(listed) => {
            let is_own = listed.tags.as_ref().and_then(|tags| tags.get(TAG)).is_some_and(|name| name == deployment);
            Ok(if is_own { Ownership::Own } else { Ownership::Other })
        }
        Err(error) => match code(&error) {
            Some("ResourceNotFoundException") => Ok(Ownership::Other),
            Some("AccessDeniedException") => Ok(Ownership::Unknown),
            _ => Err(refused(&region.name, "ListTagsForResource", &error)),
        },
    }
}

/// Creates and peers the two clusters of the deployment's database, from any intermediate state.
///
/// The first waits in PENDING_SETUP until it is peered with the second, which is created with the
/// first as its peer
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html>).
pub(crate) async fn ensure(
    regions: &[Regional; 2],
    config: &Config,
    polling: &PollPolicy,
    progress: &dyn Progress,
) -> Result<[Cluster; 2], DeployError> {
    let [one, other] = regions;
    let (found, of_other) = both(find(one, &config.name), find(other, &config.name)).await?;
    let first = match (found, &of_other) {
        (Some(cluster), _) => cluster,
        (None, of_other) => create(one, config, of_other.as_ref(), progress).await?,
    };
    let second = match of_other {
        Some(cluster) => cluster,
        None => create(other, config, Some(&first), progress).await?,
    };
    peer(one, &first, &second, config, polling, progress).await?;
    peer(other, &second, &first, config, polling, progress).await?;
    let clusters =
        both(active(one, &first, &second, polling, progress), active(other, &second, &first, polling, progress));
    let (first, second) = clusters.await?;
    let clusters = [first, second];
    for (region, cluster) in regions.iter().zip(&clusters) {
        keep(region, cluster, config, polling, progress).await?;
    }
    Ok(clusters)
}

/// Runs both concurrently.
pub(crate) async fn both<A, B>(
    one: impl Future<Output = Result<A, DeployError>>,
    other: impl Future<Output = Result<B, DeployError>>,
) -> Result<(A, B), DeployError> {
    futures_util::future::try_join(one, other).await
}

async fn create(
    region: &Regional,
    config: &Config,
    peer: Option<&Cluster>,
    progress: &dyn Progress,
) -> Result<Cluster, DeployError> {
    let of_regions = of_regions(config, peer);
    let mut request = region
        .dsql
        .create_cluster()
        .deletion_protection_enabled(config.database.deletion_protection)
        .multi_region_properties(of_regions)
        .tags(TAG, &config.name)
        .tags("Name", &config.name);
    if let Some(key) = config.database.kms_keys.get(&region.name) {
        request = request.kms_encryption_key(key);
    }
    let made = request.send().await.map_err(|error| refused(&region.name, "CreateCluster", &error))?;
    progress.say(Some(&region.name), &format!("cluster {} is being created", made.identifier));
    Ok(Cluster {
        endpoint: endpoint(&made.identifier, &region.name),
        id: made.identifier,
        arn: made.arn,
        region: region.name.clone(),
        status: made.status.as_str().to_owned(),
        is_protected: made.deletion_protection_enabled,
        peers: peer.map(|peer| peer.arn.clone()).into_iter().collect(),
        witness: Some(config.regions.witness.clone()),
        kms_key: None,
    })
}

fn of_regions(config: &Config, peer: Option<&Cluster>) -> MultiRegionProperties {
    let of_regions = MultiRegionProperties::builder().witness_region(&config.regions.witness);
    of_regions.set_clusters(peer.map(|peer| vec![peer.arn.clone()])).build()
}

/// Peers a cluster with the other, unless it is already.
async fn peer(
    region: &Regional,
    cluster: &Cluster,
    peer: &Cluster,
    config: &Config,
    polling: &PollPolicy,
    progress: &dyn Progress,
) -> Result<(), DeployError> {
    if cluster.witness.as_ref().is_some_and(|witness| *witness != config.regions.witness) {
        return Err(DeployError::new(format!(
            "{}: the cluster {} has the witness {}, and {} is asked for",
            region.name,
            cluster.id,
            cluster.witness.as_deref().unwrap_or_default(),
            config.regions.witness
        ))
        .help("a cluster keeps its witness for life: ask for that one, or deploy under another name"));
    }
    if cluster.has_peer(peer) {
        return Ok(());
    }
    if let Some(stranger) = cluster.peers.iter().find(|arn| **arn != cluster.arn) {
        return Err(DeployError::new(format!(
            "{}: the cluster {} is peered with {stranger}, and {} is asked for",
            region.name, cluster.id, peer.arn
        ))
        .help("the runbook says how a pair of regions is changed"));
    }
    let request = region.dsql.update_cluster().identifier(&cluster.id);
    update(region, request.multi_region_properties(of_regions(config, Some(peer))), polling).await?;
    progress.say(Some(&region.name), &format!("cluster {} is peered with {} in {}", cluster.id, peer.id, peer.region));
    Ok(())
}

/// Sends an update, again as long as the cluster is not ready for it: one of the two is not ready for
/// peering, or another update is not finished.
async fn update(
    region: &Regional,
    request: UpdateClusterFluentBuilder,
    polling: &PollPolicy,
) -> Result<(), DeployError> {
    let late = |state: &str| DeployError::new(format!("{}: UpdateCluster: {state}", region.name));
    until(polling.cluster, polling.pause, late, async || match request.clone().send().await {
        Ok(_) => Ok(Looked::Seen(())),
        Err(error) if code(&error) == Some("ConflictException") => {
            Ok(Looked::NotYet(message(&error).unwrap_or("ConflictException").to_owned()))
        }
        Err(error) => Err(refused(&region.name, "UpdateCluster", &error)),
    })
    .await
}

/// Waits until a cluster is active and peered.
async fn active(
    region: &Regional,
    cluster: &Cluster,
    peer: &Cluster,
    polling: &PollPolicy,
    progress: &dyn Progress,
) -> Result<Cluster, DeployError> {
    let late = |state: &str| {
        DeployError::new(format!("{}: the cluster {} is still {state}", region.name, cluster.id))
            .help("run it again: it goes on where it is")
    };
    let mut told = String::new();
    let active = until(polling.cluster, polling.pause, late, async || {
        let got = region.dsql.get_cluster().identifier(&cluster.id).send().await;
        let got = got.map_err(|error| refused(&region.name, "GetCluster", &error))?;
        if got.status == ClusterStatus::Failed {
            return Err(DeployError::new(format!("{}: the cluster {} has FAILED", region.name, cluster.id))
                .help("AWS Health says why; delete it with `tenet destroy --clusters` and deploy again"));
        }
        let seen = Cluster::read(&region.name, got);
        if seen.is_going() {
            return Err(DeployError::new(format!(
                "{}: the cluster {} is being deleted by another user",
                region.name, seen.id
            )));
        }
        if seen.status != told {
            told.clone_from(&seen.status);
            progress.say(Some(&region.name), &format!("cluster {} is {}", seen.id, seen.status));
        }
        Ok(if seen.is_active() && seen.has_peer(peer) { Looked::Seen(seen) } else { Looked::NotYet(seen.status) })
    });
    active.await
}

/// Applies the requested deletion protection and key. Protection is never removed here.
async fn keep(
    region: &Regional,
    cluster: &Cluster,
    config: &Config,
    polling: &PollPolicy,
    progress: &dyn Progress,
) -> Result<(), DeployError> {
    if lacks_protection(cluster, config) {
        protect(region, cluster, true, polling).await?;
        progress.say(Some(&region.name), &format!("cluster {} is protected from deletion", cluster.id));
    }
    if let Some(wanted) = lacks_key(cluster, config) {
        let request = region.dsql.update_cluster().identifier(&cluster.id).kms_encryption_key(wanted);
        update(region, request, polling).await?;
        progress.say(Some(&region.name), &format!("cluster {} is encrypted with {wanted}", cluster.id));
    }
    Ok(())
}

fn lacks_protection(cluster: &Cluster, config: &Config) -> bool {
    config.database.deletion_protection && !cluster.is_protected
}

/// The requested key, if the cluster is not encrypted with it.
fn lacks_key<'a>(cluster: &Cluster, config: &'a Config) -> Option<&'a str> {
    let wanted = config.database.kms_keys.get(&cluster.region)?;
    let has_it = cluster.kms_key.as_ref().is_some_and(|key| key.ends_with(wanted.as_str()));
    (!has_it).then_some(wanted)
}

/// Adds what [`ensure`] would change to a plan. Returns both clusters if they exist.
pub(crate) async fn plan(
    regions: &[Regional; 2],
    config: &Config,
    plan: &mut Plan,
) -> Result<Option<[Cluster; 2]>, DeployError> {
    let [one, other] = regions;
    let (first, second) = both(find(one, &config.name), find(other, &config.name)).await?;
    for (region, cluster, peer) in [(one, &first, &second), (other, &second, &first)] {
        let Some(cluster) = cluster else {
            let witness = &config.regions.witness;
            plan.change(&region.name, &format!("+ a cluster of Aurora DSQL, peered, with the witness {witness}"));
            continue;
        };
        plan.keep(&region.name, &format!("cluster {} is {}", cluster.id, cluster.status));
        let is_peered = peer.as_ref().is_some_and(|peer| cluster.has_peer(peer));
        for (is_to_do, what) in [
            (!is_peered, "is peered with the other"),
            (lacks_protection(cluster, config), "is protected from deletion"),
            (lacks_key(cluster, config).is_some(), "is encrypted with the requested key"),
        ] {
            if is_to_do {
                plan.change(&region.name, &format!("~ cluster {} {what}", cluster.id));
            }
        }
    }
    Ok(first.zip(second).map(|(first, second)| [first, second]))
}

/// Turns deletion protection on or off.
pub(crate) async fn protect(
    region: &Regional,
    cluster: &Cluster,
    is_protected: bool,
    polling: &PollPolicy,
) -> Result<(), DeployError> {
    let request = region.dsql.update_cluster().identifier(&cluster.id).deletion_protection_enabled(is_protected);
    update(region, request, polling).await
}

/// Requests the deletion of a cluster, again as long as an update of it is not finished. It completes
/// only after its peer's deletion is requested too.
pub(crate) async fn delete(region: &Regional, cluster: &Cluster, polling: &PollPolicy) -> Result<(), DeployError> {
    let late = |state: &str| DeployError::new(format!("{}: DeleteCluster: {state}", region.name));
    until(polling.cluster, polling.pause, late, async || {
        match region.dsql.delete_cluster().identifier(&cluster.id).send().await {
            Ok(_) => Ok(Looked::Seen(())),
            Err(error) if code(&error) == Some("ResourceNotFoundException") => Ok(Looked::Seen(())),
            Err(error) if code(&error) == Some("ConflictException") => {
                Ok(Looked::NotYet(message(&error).unwrap_or("ConflictException").to_owned()))
            }
            Err(error) => Err(refused(&region.name, "DeleteCluster", &error)),
        }
    })
    .await
}

/// Waits until the region has no cluster of the deployment.
pub(crate) async fn gone(region: &Regional, deployment: &str, polling: &PollPolicy) -> Result<(), DeployError> {
    let late = |state: &str| DeployError::new(format!("{}: the cluster {state}", region.name));
    until(polling.cluster, polling.pause, late, async || {
        let mut left = all(region, deployment).await?.own;
        left.retain(|cluster| cluster.status != "DELETED");
        Ok(match left.pop() {
            None => Looked::Seen(()),
            Some(cluster) => Looked::NotYet(format!("{} is still {}", cluster.id, cluster.status)),
        })
    })
    .await
}
