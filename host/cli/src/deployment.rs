//! What the commands of the deployer share: `tenet-deploy` with the rest of this program that it needs.

mod administration;
pub(crate) mod operations;
pub(crate) mod settings;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use tenet_core::bundle::Index;
use tenet_deploy::{Config, DeployError, Deployment, PollPolicy, Progress};

use self::administration::Administration;
use crate::args::DeploymentArgs;
use crate::problem::Problem;
use crate::terminal;

/// How often AWS is asked again that throttles or fails.
const TRIES: u32 = 8;

/// The longest that one call of AWS may take, with and without the tries after the first. Zips
/// are large and lines may be slow.
const CALL: Duration = Duration::from_secs(300);
const TRY: Duration = Duration::from_secs(120);

/// Tells standard error.
struct ProgressLines;

impl Progress for ProgressLines {
    fn say(&self, region: Option<&str>, what: &str) {
        match region {
            Some(region) => terminal::tell(&format!("{region:<14} {what}")),
            None => terminal::tell(what),
        }
    }
}

/// Of what is deployed already.
pub(crate) async fn begin(args: &DeploymentArgs) -> anyhow::Result<Deployment> {
    let config = Config::read(&args.config).map_err(explain)?;
    open(args, config, None).await
}

/// With what is deployed, where something is.
pub(crate) async fn open(
    args: &DeploymentArgs,
    config: Config,
    bundle: Option<(std::path::PathBuf, Index)>,
) -> anyhow::Result<Deployment> {
    let aws = aws(config.regions.served.first().map_or("", String::as_str)).await;
    let read = |path: &std::path::PathBuf| {
        tenet_build::text_at_most(path, tenet_build::MAX_TEXT).with_context(|| path.display().to_string())
    };
    let authorities = args.dsql_ca.as_ref().map(read).transpose().context("--dsql-ca")?;
    if let Some((other, _)) = args.addresses.iter().find(|(region, _)| !config.regions.served.contains(region)) {
        bail!(Problem::new(
            format!("--dsql-address names {other}, where nothing is deployed"),
            "name one of `regions`"
        ));
    }
    let administration = Administration {
        aws: aws.clone(),
        addresses: args.addresses.clone(),
        authorities,
        bundle: bundle.into_iter().collect(),
    };
    let polling = PollPolicy::default();
    Deployment::open(config, &aws, Arc::new(administration), Arc::new(ProgressLines), polling).await.map_err(explain)
}

/// AWS's configuration for a region. Without one, it would ask a machine's metadata service for it.
async fn aws(region: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
        .timeout_config(TimeoutConfig::builder().operation_timeout(CALL).operation_attempt_timeout(TRY).build())
        .load()
        .await
}

/// An error of a deployment as this program tells errors.
pub(crate) fn explain(error: DeployError) -> anyhow::Error {
    match error.advice().map(str::to_owned) {
        Some(help) => {
            let problem = Problem::new(error.to_string(), help);
            let mut causes: Vec<_> = anyhow::Chain::new(&error).skip(1).map(ToString::to_string).collect();
            match causes.pop() {
                Some(last) => {
                    causes.into_iter().rev().fold(anyhow::anyhow!(last), anyhow::Error::context).context(problem)
                }
                None => problem.into(),
            }
        }
        None => error.into(),
    }
}
