use std::path::PathBuf;

use tenet_build::{Bundle, Finding};
use tenet_deploy::{Config, Severity};
use tenet_harness::building::MANIFEST;

use crate::args::DoctorArgs;
use crate::commands::deploy::target;
use crate::deployment::settings::settings;
use crate::deployment::{explain, open, operations};
use crate::exit::Exit;
use crate::packing;
use crate::problem::Problem;
use crate::terminal::{self, show};

/// Says what of what rules are built and run with is on this machine, and what brings the rest.
pub(crate) async fn doctor(args: &DoctorArgs) -> anyhow::Result<Exit> {
    if args.deploy {
        return deploy(args).await;
    }
    let bundle = match args.bundle.join(MANIFEST).is_file() {
        true => Some(Bundle::open(&args.bundle)?),
        false => None,
    };
    let mut missing = 0;
    let mut lines = Vec::new();
    for Finding { what, found, help, is_needed } in tenet_build::examine(bundle.as_ref()) {
        match found {
            Some(found) => lines.push(format!("ok       {what:<31} {found}")),
            None => {
                missing += usize::from(is_needed);
                let word = if is_needed { "MISSING" } else { "not here" };
                lines.push(format!("{word:<8} {what:<31} {help}"));
            }
        }
    }
    show(&lines)?;
    terminal::tell(&format!("doctor: {missing} things are missing"));
    Ok(Exit::success_or(missing == 0, Exit::Missing))
}

/// Says what a deploy depends on: first on this machine, then in the account of the credentials.
async fn deploy(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let config = Config::read(&args.deployment.config).map_err(explain)?;
    let local = on_this_machine(&config, args.bootstrap.as_ref());
    let lines: Vec<_> = local.iter().map(|(severity, what, text)| line(*severity, what, text)).collect();
    show(&lines)?;
    let findings = open(&args.deployment, config, None).await?.examine().await.map_err(explain)?;
    let lines: Vec<_> = findings.iter().map(|of| line(of.severity, &of.what, &of.text)).collect();
    show(&lines)?;
    let severities = local.iter().map(|(severity, _, _)| *severity).chain(findings.iter().map(|of| of.severity));
    let wrong = severities.filter(|severity| *severity == Severity::Wrong).count();
    terminal::tell(&format!("doctor: {wrong} things would stop a deploy"));
    Ok(Exit::success_or(wrong == 0, Exit::Missing))
}

/// What a deploy needs that AWS does not know of.
fn on_this_machine(config: &Config, function: Option<&PathBuf>) -> Vec<(Severity, &'static str, String)> {
    let mut found = Vec::new();
    match Bundle::open(&config.bundle) {
        Err(error) => found.push((Severity::Wrong, "bundle", error.to_string())),
        Ok(bundle) => {
            found.push((Severity::Fine, "bundle", config.bundle.display().to_string()));
            found.push(match operations::check(config, bundle.operations()) {
                Ok(()) => (Severity::Fine, "operations", "those that are named are the bundle's".to_owned()),
                Err(problem) => (Severity::Wrong, "operations", format!("{problem}; {}", problem.help())),
            });
            found.push(match config.suits(&settings(bundle.host(), bundle.limits())) {
                Ok(()) => (Severity::Fine, "settings", "those of the bundle and of the deployment agree".to_owned()),
                Err(error) => {
                    let help = error.advice().map(|help| format!("; {help}")).unwrap_or_default();
                    (Severity::Wrong, "settings", format!("{error}{help}"))
                }
            });
        }
    }
    found.push(match target(config.architecture).and_then(|of| packing::function(function, of, &config.bundle)) {
        Ok(path) => (Severity::Fine, "function", path.display().to_string()),
        Err(error) => {
            let help = error.downcast_ref::<Problem>().map(|problem| format!("; {}", problem.help()));
            let named = if function.is_none() { "; --bootstrap names another, here and for a deploy" } else { "" };
            (Severity::Wrong, "function", format!("{error}{}{named}", help.unwrap_or_default()))
        }
    });
    found
}

fn line(severity: Severity, what: &str, text: &str) -> String {
    let word = match severity {
        Severity::Fine => "ok",
        Severity::Unsure => "unsure",
        Severity::Wrong => "WRONG",
    };
    format!("{word:<8} {what:<12} {text}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_stops_a_deploy_before_it_builds_is_wrong() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/rules");
        let least = "version = 1\nname = \"shop\"\nregions = [\"us-east-1\", \"us-west-2\"]\n";
        let function = folder.join(MANIFEST);
        let wrong = |more: &str, function: Option<&PathBuf>| {
            let config = Config::parse(&format!("{least}bundle = {folder:?}\n{more}\n")).unwrap();
            let found = on_this_machine(&config, function).into_iter();
            found.filter(|(severity, ..)| *severity == Severity::Wrong).map(|(_, what, text)| (what, text)).collect()
        };
        let found: Vec<_> = wrong("", Some(&function));
        assert!(found.is_empty(), "{found:?}");
        // Next to a test there is no function.
        for (more, function, what, why) in [
            ("", None, "function", "bootstrap-aarch64"),
            ("", None, "function", "--bootstrap names another"),
            ("", Some(folder.join("none")), "function", "there is no function"),
            ("[function]\ntimeout_s = 5", Some(function.clone()), "settings", "function.timeout_s is 5"),
            ("[function]\ntimeout_s = 5", Some(function.clone()), "settings", "20 or more"),
            ("[function]\nreserved_concurrency = 5000", Some(function.clone()), "settings", "a cluster takes 10000"),
            ("[smoke]\noperation = \"none\"", Some(function.clone()), "operations", "smoke.operation"),
        ] {
            let found: Vec<_> = wrong(more, function.as_ref());
            assert!(found.len() == 1 && found[0].0 == what && found[0].1.contains(why), "{more}: {found:?}");
        }
    }
}
