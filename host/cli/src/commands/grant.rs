use std::fs;
use std::path::Path;

use anyhow::Context;
use tenet_build::{Bundle, GRANTS, Lock};

use crate::args::GrantArgs;
use crate::exit::Exit;
use crate::terminal::{self, show};

/// Shows what the rules ask for and are not granted, or are granted and ask for no more, and
/// writes the lock; with `--check` it only shows.
pub(crate) fn grant(args: &GrantArgs) -> anyhow::Result<Exit> {
    let bundle = Bundle::open(&args.bundle)?;
    let granted = bundle.granted(&args.rules)?;
    let lines = difference(bundle.lock(), &granted);
    show(&lines)?;
    if args.check {
        terminal::tell(&format!("grants: {} differences between what is asked and {GRANTS}", lines.len()));
        return Ok(Exit::success_or(lines.is_empty(), Exit::ToDo));
    }
    if lines.is_empty() {
        terminal::tell(&format!("grants: {GRANTS} has what the rules ask for"));
    } else {
        write(&args.bundle, &granted)?;
        terminal::tell(&format!("grants: {} changes written to {GRANTS}", lines.len()));
    }
    Ok(Exit::Success)
}

/// Writes the lock of a bundle.
pub(crate) fn write(bundle: &Path, lock: &Lock) -> anyhow::Result<()> {
    let path = bundle.join(GRANTS);
    fs::write(&path, lock.text()).with_context(|| format!("cannot write {}", path.display()))
}

/// What is taken and what is added, by rule.
fn difference(old: &Lock, new: &Lock) -> Vec<String> {
    let (old, new) = (old.lines(), new.lines());
    let mut lines: Vec<(&str, char)> = Vec::new();
    lines.extend(old.difference(&new).map(|line| (line.as_str(), '-')));
    lines.extend(new.difference(&old).map(|line| (line.as_str(), '+')));
    lines.sort_unstable();
    lines.into_iter().map(|(line, sign)| format!("{sign} {line}")).collect()
}
