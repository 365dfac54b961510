use crate::bucket::Bucket;
use crate::clusters;
use crate::deployment::{Deployment, WORKFLOWS};
use crate::error::{DeployError, refused};
use crate::quotas::Concurrency;
use crate::regional::Regional;
use crate::rights::{self, Rights};

/// The default quota of multi-Region clusters of an account in a region
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>).
const CLUSTERS: usize = 5;

/// Types of resources that cost money while nothing is called, and what they are.
const IDLE: [(&str, &str); 4] = [
    ("AWS::KMS::Key", "KMS keys"),
    ("AWS::CloudWatch::Alarm", "alarms"),
    ("AWS::CloudWatch::Dashboard", "dashboards"),
    ("AWS::Route53::HealthCheck", "health checks"),
];

/// Something that a deploy depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How it is, or why a deploy would fail.
    pub text: String,
    /// What it means for a deploy.
    pub severity: Severity,
}

/// What a finding means for a deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing stands in the way.
    Fine,
    /// AWS may refuse it: it is not known here.
    Unsure,
    /// It would fail.
    Wrong,
}

impl Finding {
    fn fine(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { what: what.into(), text: text.into(), severity: Severity::Fine }
    }

    fn unsure(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Unsure, ..Self::fine(what, text) }
    }

    fn wrong(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { what: what.into(), text: text.into(), severity: Severity::Wrong }
    }

    fn of(what: &str, looked: Result<String, DeployError>) -> Self {
        match looked {
            Ok(text) => Self::fine(what, text),
            Err(error) => {
                let help = error.advice().map(|help| format!("; {help}")).unwrap_or_default();
                // A finding is one line.
                let text = error.to_string();
                let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                Self::wrong(what, format!("{}{help}", lines.join("; ")))
            }
        }
    }
}

impl Deployment {
    /// What a deploy depends on, before anything is created: the account, the regions and their
    /// witness, quotas, names, the caller's rights, and what will cost money while nothing is called.
    ///
    /// # Errors
    /// Fails if AWS does not tell the caller. What else it does not tell is a finding.
    pub async fn examine(&self) -> Result<Vec<Finding>, DeployError> {
        let [one, other] = &self.regions;
        let caller = one.caller().await?;
        let mut findings = vec![
            Finding::fine("account", format!("{}, as {}", caller.account, caller.arn)),
            match self.config.regions.warning() {
                Some(warning) => Finding::unsure("regions", warning),
                None => Finding::fine(
                    "regions",
                    format!("{} and {}, with the witness {}", one.name, other.name, self.config.regions.witness),
                ),
            },
        ];
        for region in &self.regions {
            findings.push(Finding::of("clusters", self.clusters_in(region).await));
            findings.push(Finding::of("concurrency", self.concurrency_in(region).await));
            findings.push(Finding::of("bucket", self.bucket_in(region).await));
            findings.push(Finding::of("names", self.stack_in(region, self.names.stack()).await));
            if self.config.workflows.is_some() {
                findings.push(Finding::of("names", self.stack_in(region, &self.names.workflows()).await));
            }
        }
        for region in &self.regions {
            findings.push(match rights::look(region, &self.names, &self.config, &caller).await {
                Ok(Rights::Known(count, lacking)) if lacking.is_empty() => {
                    Finding::fine("rights", format!("{}: all {count} actions are allowed", region.name))
                }
                Ok(Rights::Known(_, lacking)) => {
                    Finding::wrong("rights", format!("{}: not allowed: {}", region.name, lacking.join(", ")))
                }
                Ok(Rights::Unknown(why)) => Finding::unsure("rights", format!("{}: unknown: {why}", region.name)),
                Err(error) => Finding::of("rights", Err(error)),
            });
        }
        findings.push(Finding::fine("while idle", self.idle()));
        Ok(findings)
    }

    async fn clusters_in(&self, region: &Regional) -> Result<String, DeployError> {
        if let Some(cluster) = clusters::find(region, &self.names.name).await? {
            return Ok(format!("{}: {} is {}", region.name, cluster.id, cluster.status));
        }
        let mut pages = region.dsql.list_clusters().into_paginator().send();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            count += page.map_err(|error| refused(&region.name, "ListClusters", &error))?.clusters.len();
        }
        Ok(format!(
            "{}: none yet, and {count} of others; an account has {CLUSTERS} of several regions unless it asked for more",
            region.name
        ))
    }

    async fn concurrency_in(&self, region: &Regional) -> Result<String, DeployError> {
        let wanted = u64::from(self.config.function.reserved_concurrency);
        let concurrency = Concurrency::look(region, &self.names).await?;
        concurrency.allows(wanted, &region.name)?;
        Ok(format!(
            "{}: of {} concurrent executions {} are free, and {} are to be reserved",
            region.name,
            concurrency.limit,
            concurrency.free(),
            if wanted == 0 { "none".to_owned() } else { wanted.to_string() }
        ))
    }

    async fn bucket_in(&self, region: &Regional) -> Result<String, DeployError> {
        let bucket = Bucket::of(region, &self.names);
        let state = if bucket.is_there().await? { "is there" } else { "is not there yet" };
        Ok(format!("{}: {} {state}", region.name, bucket.name()))
    }

    /// What costs money in both regions while nothing is called.
    fn idle(&self) -> String {
        let workflows = if self.config.workflows.is_some() { WORKFLOWS } else { "" };
        let lines: Vec<&str> = self.template.lines().chain(workflows.lines()).map(str::trim).collect();
        let has_domain = self.config.http.domain.is_some();
        let counts: Vec<_> = IDLE
            .iter()
            .filter(|(kind, _)| has_domain || !kind.starts_with("AWS::Route53"))
            .map(|(kind, what)| (lines.iter().filter(|line| **line == format!("Type: {kind}")).count(), what))
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{what}: {count}"))
            .collect();
        format!(
            "in each region {}, and the vault's key where a rule seals fields; what clusters, logs and archives store; \
             the rest costs by use",
            counts.join(", ")
        )
    }
}
