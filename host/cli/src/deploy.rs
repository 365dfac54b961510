//! The deployer's commands: what somebody types, what they see, and what `tenet-deploy` is given
//! of the rest of this program.

mod administration;

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use tenet_core::bundle::Index;
use tenet_core::{Grants, moment_text};
use tenet_deploy::{Architecture, Config, DeployError, Deployment, DestroyOptions, Package, PollPolicy, Progress};
use tenet_engine::TARGETS;

use crate::args::{DeployArgs, DeploymentArgs, DestroyArgs, LogsArgs, StatusArgs};
use crate::deploy::administration::Administration;
use crate::pack::{self, Packed};
use crate::report::{Problem, show};
use crate::terminal;
use crate::waiting::OnTerminal;

/// The exit code where there is something to do.
const TO_DO: u8 = 2;

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

pub(crate) async fn deploy(args: &DeployArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.deployment.config).map_err(explain)?;
    let target = target(config.architecture)?;
    let function = pack::function(args.bootstrap.as_ref(), target, &config.bundle)?;
    let out = args.out.clone().unwrap_or_else(|| config.bundle.join("target/tenet/deploy"));
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let Packed { built, bytes, .. } = pack::one(&config.bundle, target, &function, &out).await?;
    let index = built.index_after(&OnTerminal);
    tenet_harness::schema::lint(&out.join(target), &index)?;
    let package = package(&index, bytes, config.smoke.as_ref().map(|smoke| smoke.operation.as_str()))?;
    let deployment = open(&args.deployment, config, Some((out.join(target), index))).await?;
    let plan = deployment.plan(&package).await.map_err(explain)?;
    show(&plan)?;
    if args.plan {
        let is_to_do = plan.iter().any(|line| line.contains(": + ") || line.contains(": ~ ") || line.contains(": - "));
        return Ok(if is_to_do { ExitCode::from(TO_DO) } else { ExitCode::SUCCESS });
    }
    let deployed = deployment.deploy(&package, args.canary).await.map_err(explain)?;
    if !args.no_smoke {
        deployment.smoke().await.map_err(explain)?;
    }
    for served in &deployed.regions {
        let canary = served.canary.as_ref();
        let canary = canary.map(|(version, percent)| format!(", version {version} for {percent} of 100 calls"));
        terminal::say(&format!("{}  version {}{}", served.region, served.version, canary.unwrap_or_default()));
        terminal::say(&format!("  api       {}", served.api));
        terminal::say(&format!("  database  {}", served.endpoint));
    }
    if !deployed.has_changed {
        terminal::say("nothing was changed");
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn promote(args: &DeploymentArgs) -> anyhow::Result<()> {
    begin(args).await?.promote().await.map_err(explain)
}

pub(crate) async fn rollback(args: &DeploymentArgs) -> anyhow::Result<()> {
    begin(args).await?.rollback().await.map_err(explain)
}

pub(crate) async fn smoke(args: &DeploymentArgs) -> anyhow::Result<()> {
    begin(args).await?.smoke().await.map_err(explain)?;
    terminal::say("passed");
    Ok(())
}

pub(crate) async fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let status = begin(&args.deployment).await?.status().await;
    if args.json {
        terminal::write_json(&status.to_json())?;
    } else {
        let text: String = status.regions.iter().map(ToString::to_string).collect();
        text.lines().for_each(terminal::say);
    }
    Ok(if status.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) async fn logs(args: &LogsArgs) -> anyhow::Result<()> {
    let before = Duration::from_secs(args.hours.saturating_mul(3600));
    let lines = begin(&args.deployment).await?.logs(&args.request, before).await.map_err(explain)?;
    if lines.is_empty() {
        terminal::tell(&format!("no line of the last {} hours has {:?} in it", args.hours, args.request));
    }
    let line = |line: &tenet_deploy::LogLine| {
        format!("{} {} {}", moment_text(line.at.saturating_mul(1000)), line.region, line.text)
    };
    show(&lines.iter().map(line).collect::<Vec<_>>())
}

pub(crate) async fn destroy(args: &DestroyArgs) -> anyhow::Result<()> {
    let deployment = begin(&args.deployment).await?;
    let doomed = DestroyOptions { clusters: args.clusters, lift_protection: args.lift_protection.clone() };
    let left = deployment.destroy(&doomed).await.map_err(explain)?;
    if left.is_empty() {
        terminal::say("nothing is left");
    } else {
        terminal::say("left:");
        show(&left)?;
    }
    Ok(())
}

/// Of what is deployed already.
async fn begin(args: &DeploymentArgs) -> anyhow::Result<Deployment> {
    let config = Config::read(&args.config).map_err(explain)?;
    open(args, config, None).await
}

async fn open(
    args: &DeploymentArgs,
    config: Config,
    bundle: Option<(std::path::PathBuf, Index)>,
) -> anyhow::Result<Deployment> {
    let aws = aws().await;
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
    let patience = PollPolicy::default();
    Deployment::open(config, &aws, Arc::new(administration), Arc::new(ProgressLines), patience).await.map_err(explain)
}

async fn aws() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
        .timeout_config(TimeoutConfig::builder().operation_timeout(CALL).operation_attempt_timeout(TRY).build())
        .load()
        .await
}

/// The machine that rules are compiled for.
fn target(architecture: Architecture) -> anyhow::Result<&'static str> {
    let prefix = match architecture {
        Architecture::Arm64 => "aarch64",
        Architecture::X86 => "x86_64",
    };
    TARGETS.into_iter().find(|target| target.starts_with(prefix)).context("there is no such machine")
}

/// What a deployment has to know of what was packed.
fn package(index: &Index, bytes: Vec<u8>, smoke: Option<&str>) -> anyhow::Result<Package> {
    if let Some(name) = smoke {
        let Some(operation) = index.operations.iter().find(|operation| operation.name == name) else {
            bail!(Problem::new(
                format!("smoke.operation is {name:?}, which the bundle does not have"),
                "name one of its operations"
            ));
        };
        if operation.read_only {
            bail!(Problem::new(
                format!("smoke.operation is {name:?}, which only reads"),
                "name one that takes a key: its answer is kept and read in the other region"
            ));
        }
    }
    Ok(Package {
        zip: bytes,
        connections: index.host.connections,
        follows: {
            let mut published = Grants::default();
            index.rules.iter().for_each(|rule| published.add(rule.grants.clone()));
            tenet_events::followed(&index.operations, &published.events)
        },
        takes_events: index.operations.iter().any(|operation| !operation.events.is_empty()),
        has_vault: index.rules.iter().any(|rule| !rule.grants.vault.is_empty()),
        metrics: index.host.metrics.clone(),
    })
}

/// An error of a deployment as this program tells errors.
fn explain(error: DeployError) -> anyhow::Error {
    match error.advice().map(str::to_owned) {
        Some(help) => {
            let problem = Problem::new(error.to_string(), help);
            match std::error::Error::source(&error) {
                Some(source) => anyhow::anyhow!(source.to_string()).context(problem),
                None => problem.into(),
            }
        }
        None => error.into(),
    }
}
