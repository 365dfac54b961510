use tenet_build::{Bundle, Finding};
use tenet_harness::building::MANIFEST;

use crate::args::DoctorArgs;
use crate::deployment::{begin, explain};
use crate::exit::Exit;
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

/// Says what a deploy depends on in the account of the credentials.
async fn deploy(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let deployment = begin(&args.deployment).await?;
    let findings = deployment.examine().await.map_err(explain)?;
    let word = |finding: &tenet_deploy::Finding| if finding.is_wrong { "WRONG" } else { "ok" };
    let line = |finding| format!("{:<8} {:<12} {}", word(finding), finding.what, finding.text);
    show(&findings.iter().map(line).collect::<Vec<_>>())?;
    let wrong = findings.iter().filter(|finding| finding.is_wrong).count();
    terminal::tell(&format!("doctor: {wrong} things would stop a deploy"));
    Ok(Exit::success_or(wrong == 0, Exit::Missing))
}
