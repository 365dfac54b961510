use std::fmt;

use serde_json::{Value, json};

use crate::clusters;
use crate::database::Outbox;
use crate::deployment::Deployment;
use crate::error::{DeployError, refused};
use crate::regional::Regional;
use crate::smoke::Tested;
use crate::stack::Stack;
use crate::versions::{self, Versions};

/// The state of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Each region.
    pub regions: Vec<RegionStatus>,
}

/// The state of a region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionStatus {
    /// Its name.
    pub region: String,
    /// Its cluster: the id, the status, and the id of its peer.
    pub cluster: Option<(String, String, Option<String>)>,
    /// The status of its stack.
    pub stack: Option<String>,
    /// The function: the version that is served and the digest of its zip.
    pub served: Option<(String, Option<String>)>,
    /// The canary version with its percentage of the calls.
    pub canary: Option<(String, u8)>,
    /// Rules of the bus, with the number of targets, and whether each is enabled.
    pub rules: Vec<(String, usize, bool)>,
    /// The state of the outbox.
    pub outbox: Option<Outbox>,
    /// The number of messages in the dead-letter queue.
    pub dead_letters: Option<u64>,
    /// The result of the last smoke test.
    pub tested: Option<Tested>,
    /// What was changed by hand; none if drift was not checked.
    pub drift: Option<Vec<String>>,
    /// What could not be checked, and why.
    pub unknown: Vec<String>,
}

impl RegionStatus {
    /// Whether everything was looked at, and nothing is there.
    fn is_empty(&self) -> bool {
        *self == Self { region: self.region.clone(), ..Self::default() }
    }

    /// Whether everything that was checked is in order.
    pub fn is_well(&self) -> bool {
        self.unknown.is_empty()
            && self.cluster.as_ref().is_some_and(|(_, status, peer)| status != "FAILED" && peer.is_some())
            && self.stack.as_deref().is_some_and(|status| status.ends_with("_COMPLETE") && !status.contains("ROLLBACK"))
            && self.tested.as_ref().is_none_or(|tested| tested.failure.is_none())
            && self.outbox.is_none_or(|outbox| outbox.parked == 0)
            && self.dead_letters.is_none_or(|count| count == 0)
            && self.drift.as_ref().is_none_or(Vec::is_empty)
    }
}

impl Status {
    /// Whether every region is in order.
    pub fn is_well(&self) -> bool {
        self.regions.iter().all(RegionStatus::is_well)
    }

    /// As JSON, for programs.
    pub fn to_json(&self) -> String {
        let region = |of: &RegionStatus| {
            json!({
                "region": of.region,
                "well": of.is_well(),
                "cluster": of.cluster.as_ref().map(|(id, status, peer)| json!({"id": id, "status": status, "peer": peer})),
                "stack": of.stack,
                "version": of.served.as_ref().map(|(version, _)| version),
                "sha256": of.served.as_ref().and_then(|(_, digest)| digest.clone()),
                "canary": of.canary.as_ref().map(|(version, percent)| json!({"version": version, "percent": percent})),
                "rules": of.rules.iter().map(|(name, targets, is_on)| json!({"name": name, "targets": targets, "enabled": is_on})).collect::<Vec<_>>(),
                "outbox": of.outbox.map(|outbox| json!({"waiting": outbox.waiting, "parked": outbox.parked, "oldest_s": outbox.oldest_s})),
                "dead_letters": of.dead_letters,
                "smoke": of.tested,
                "drift": of.drift,
                "unknown": of.unknown,
            })
        };
        Value::from(self.regions.iter().map(region).collect::<Vec<_>>()).to_string()
    }
}

impl fmt::Display for RegionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}{}", self.region, if self.is_well() { "" } else { "  !" })?;
        if self.is_empty() {
            return writeln!(f, "  nothing is deployed: `tenet deploy` does it");
        }
        match &self.cluster {
            Some((id, status, Some(peer))) => writeln!(f, "  cluster   {id} {status}, peered with {peer}")?,
            Some((id, status, None)) => writeln!(f, "  cluster   {id} {status}, without a peer")?,
            None => writeln!(f, "  cluster   none")?,
        }
        writeln!(f, "  stack     {}", self.stack.as_deref().unwrap_or("none"))?;
        if let Some((version, digest)) = &self.served {
            let digest = digest.as_ref().map(|digest| format!(", zip {}", digest.get(..12).unwrap_or(digest)));
            write!(f, "  function  version {version}{}", digest.unwrap_or_default())?;
            match &self.canary {
                Some((canary, percent)) => writeln!(f, "; version {canary} for {percent} of 100 calls")?,
                None => writeln!(f)?,
            }
        }
        for (rule, targets, is_on) in &self.rules {
            let off = if *is_on { "" } else { ", off" };
            writeln!(f, "  rule      {rule}: {targets} target{}{off}", if *targets == 1 { "" } else { "s" })?;
        }
        if let Some(Outbox { waiting, parked, oldest_s }) = self.outbox {
            writeln!(f, "  outbox    {waiting} waiting, the oldest for {oldest_s} s; {parked} parked")?;
        }
        if let Some(count) = self.dead_letters {
            writeln!(f, "  dead      {count} messages")?;
        }
        match &self.tested {
            Some(Tested { at, failure: None, .. }) => writeln!(f, "  smoke     passed, {}", ago(*at))?,
            Some(Tested { at, failure: Some(why), .. }) => writeln!(f, "  smoke     failed, {}: {why}", ago(*at))?,
            None => writeln!(f, "  smoke     none yet")?,
        }
        match self.drift.as_deref() {
            Some([]) => writeln!(f, "  drift     none")?,
            Some(drift) => writeln!(f, "  drift     {}", drift.join(", "))?,
            None => {}
        }
        self.unknown.iter().try_for_each(|unknown| writeln!(f, "  unknown   {unknown}"))
    }
}

fn ago(at: u64) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    match now.saturating_sub(at) {
        seconds @ 0..120 => format!("{seconds} s ago"),
        seconds @ 120..7200 => format!("{} min ago", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

impl Deployment {
    /// Checks everything in both regions. Failed checks are listed, so that an unavailable region
    /// does not hide the other.
    pub async fn status(&self) -> Status {
        let [one, other] = &self.regions;
        let (one, other) = futures_util::future::join(self.status_of(one), self.status_of(other)).await;
        let mut regions = vec![one, other];
        // Peers are listed by ARN. What matters is whether they are each other's.
        let ids: Vec<_> = regions.iter().map(|of| of.cluster.as_ref().map(|(id, ..)| id.clone())).collect();
        for (of, id) in regions.iter_mut().zip(ids.iter().rev()) {
            if let Some((_, _, peer)) = &mut of.cluster {
                *peer = peer.take().filter(|arns| id.as_ref().is_some_and(|id| arns.contains(id))).and(id.clone());
            }
        }
        Status { regions }
    }

    async fn status_of(&self, region: &Regional) -> RegionStatus {
        let mut of = RegionStatus { region: region.name.clone(), ..RegionStatus::default() };
        let mut unknown = Vec::new();
        let mut known = |what: Result<(), DeployError>| {
            if let Err(error) = what {
                unknown.push(error.to_string());
            }
        };
        known(self.cluster_of(region, &mut of).await);
        known(self.stack_of(region, &mut of).await);
        known(self.rules_of(region, &mut of).await);
        known(self.last_tested(region).await.map(|tested| of.tested = tested));
        of.unknown = unknown;
        of
    }

    async fn cluster_of(&self, region: &Regional, of: &mut RegionStatus) -> Result<(), DeployError> {
        let Some(cluster) = clusters::find(region, &self.names.name).await? else { return Ok(()) };
        let peers = cluster.peers.iter().filter(|arn| **arn != cluster.arn).cloned().collect::<Vec<_>>().join(" ");
        of.cluster = Some((cluster.id.clone(), cluster.status.clone(), Some(peers).filter(|peers| !peers.is_empty())));
        let outbox = self.database.outbox(&cluster).await;
        of.outbox = Some(outbox.map_err(|error| DeployError::new(format!("the outbox: {error}")))?);
        Ok(())
    }

    async fn stack_of(&self, region: &Regional, of: &mut RegionStatus) -> Result<(), DeployError> {
        let stack = Stack::of(region, &self.names, self.names.stack(), self.polling);
        let Some(standing) = stack.look().await? else { return Ok(()) };
        of.stack = Some(standing.status.clone());
        let versions = Versions::read(&standing);
        let digest = versions::digest(region, &self.names, versions.served()).await?;
        of.served = Some((versions.served().to_owned(), digest));
        of.canary = versions.canary;
        if let Some(queue) = standing.outputs.get("DeadLettersUrl") {
            let name = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
            let got = region.queues.get_queue_attributes().queue_url(queue).attribute_names(name.clone()).send().await;
            let got = got.map_err(|error| refused(&region.name, "GetQueueAttributes", &error))?;
            of.dead_letters = got.attributes.and_then(|all| all.get(&name)?.parse().ok());
        }
        of.drift = Some(stack.drift().await?);
        Ok(())
    }

    async fn rules_of(&self, region: &Regional, of: &mut RegionStatus) -> Result<(), DeployError> {
        let listed = region.events.list_rules().event_bus_name(&self.names.name).send().await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) if crate::error::code(&error) == Some("ResourceNotFoundException") => return Ok(()),
            Err(error) => return Err(refused(&region.name, "ListRules", &error)),
        };
        for rule in listed.rules.unwrap_or_default() {
            let name = rule.name.unwrap_or_default();
            let targets =
                region.events.list_targets_by_rule().event_bus_name(&self.names.name).rule(&name).send().await;
            let targets = targets.map_err(|error| refused(&region.name, "ListTargetsByRule", &error))?;
            let is_on = rule.state.is_none_or(|state| state.as_str() == "ENABLED");
            of.rules.push((name, targets.targets.unwrap_or_default().len(), is_on));
        }
        of.rules.sort();
        Ok(())
    }
}
