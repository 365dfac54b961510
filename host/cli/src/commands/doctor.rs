use tenet_build::{Bundle, Finding};
use tenet_harness::building::MANIFEST;

use crate::args::DoctorArgs;
use crate::exit::Exit;
use crate::terminal::{self, show};

/// Says what of what rules are built and run with is on this machine, and what brings the rest.
pub(crate) fn doctor(args: &DoctorArgs) -> anyhow::Result<Exit> {
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
