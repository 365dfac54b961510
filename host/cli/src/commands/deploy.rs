use std::fs;

use anyhow::Context;
use tenet_build::Bundle;
use tenet_core::Grants;
use tenet_core::bundle::Index;
use tenet_deploy::{Architecture, Config, Package};
use tenet_engine::TARGETS;
use tenet_harness::schema;

use crate::args::DeployArgs;
use crate::deployment::settings::settings;
use crate::deployment::{explain, open, operations};
use crate::exit::Exit;
use crate::packing::{self, Packed};
use crate::reporters::progress::OnTerminal;
use crate::terminal::{self, show};

/// Brings a bundle up in two regions, from whatever is there of it.
pub(crate) async fn deploy(args: &DeployArgs) -> anyhow::Result<Exit> {
    let config = Config::read(&args.deployment.config).map_err(explain)?;
    // What the sources say already: building takes minutes.
    let bundle = Bundle::open(&config.bundle)?;
    operations::check(&config, bundle.operations())?;
    config.suits(&settings(bundle.host(), bundle.limits())).map_err(explain)?;
    let target = target(config.architecture)?;
    let function = packing::function(args.bootstrap.as_ref(), target, &config.bundle)?;
    let out = args.out.clone().unwrap_or_else(|| config.bundle.join("target/tenet/deploy"));
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let Packed { built, bytes, .. } = packing::one(&config.bundle, target, &function, &out).await?;
    let index = built.index_after(&OnTerminal);
    schema::lint(&out.join(target), &index)?;
    let package = package(&index, bytes);
    let deployment = open(&args.deployment, config, Some((out.join(target), index))).await?;
    let plan = deployment.plan(&package, args.canary).await.map_err(explain)?;
    show(plan.lines())?;
    if args.plan {
        return Ok(Exit::success_or(!plan.has_changes(), Exit::ToDo));
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
    Ok(Exit::Success)
}

/// The machine that rules are compiled for.
pub(crate) fn target(architecture: Architecture) -> anyhow::Result<&'static str> {
    let prefix = match architecture {
        Architecture::Arm64 => "aarch64",
        Architecture::X86 => "x86_64",
    };
    TARGETS.into_iter().find(|target| target.starts_with(prefix)).context("there is no such machine")
}

/// What a deployment has to know of what was packed.
fn package(index: &Index, bytes: Vec<u8>) -> Package {
    Package {
        zip: bytes,
        follows: {
            let mut published = Grants::default();
            index.rules.iter().for_each(|rule| published.add(rule.grants.clone()));
            tenet_events::followed(&index.operations, &published.events)
        },
        takes_events: index.operations.iter().any(|operation| !operation.events.is_empty()),
        has_vault: index.rules.iter().any(|rule| !rule.grants.vault.is_empty()),
        settings: settings(&index.host, index.rules.iter().map(|rule| (rule.name.as_str(), &rule.limits))),
    }
}
