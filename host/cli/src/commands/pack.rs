use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use tenet_engine::TARGETS;

use crate::args::PackArgs;
use crate::packing::{Packed, function, one};
use crate::problem::Problem;
use crate::reporters::progress::OnTerminal;
use crate::terminal;

/// Compiles every rule of a bundle for each target and packs it with the function: one zip a
/// target, of equal bytes for an equal bundle and an equal function.
pub(crate) async fn pack(args: &PackArgs) -> anyhow::Result<()> {
    let targets = if args.targets.is_empty() { TARGETS.to_vec() } else { args.targets.clone() };
    if let (Some(_), [_, _, ..]) = (&args.bootstrap, targets.as_slice()) {
        bail!(Problem::new(
            "one function runs on one kind of machine, and two are to be packed for",
            "name one with --target"
        ));
    }
    // All functions are looked for before anything is built.
    let functions: Vec<(&str, PathBuf)> = targets
        .into_iter()
        .map(|target| Ok((target, function(args.bootstrap.as_ref(), target, &args.bundle)?)))
        .collect::<anyhow::Result<_>>()?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    for (number, (target, function)) in functions.into_iter().enumerate() {
        let Packed { zip, built, bytes } = one(&args.bundle, target, &function, &args.out).await?;
        // What is said of the bundle is the same for each.
        let index = if number == 0 { built.index_after(&OnTerminal) } else { built.index };
        terminal::say(&format!("{}  {}", tenet_build::sha256(&bytes), zip.display()));
        terminal::tell(&format!("packed {} rules for {target}: {} bytes", index.rules.len(), bytes.len()));
    }
    Ok(())
}
