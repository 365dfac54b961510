//! A bundle and the function as Lambda takes them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tenet_build::{Deployment, MAX_CODE, read_at_most};
use tenet_core::bundle::Index;
use tenet_engine::Compiler;
use tenet_harness::building::{self, Built};

use crate::problem::Problem;
use crate::reporters::progress::OnTerminal;

/// What Lambda starts. Next to this program its name ends with its target.
const BOOTSTRAP: &str = "bootstrap";

/// Where a function is had.
const FUNCTION: &str = "a release has it next to `tenet`; without one it is built in a clone of Tenet, and";

/// A bundle's rules and the function, as Lambda takes them.
pub(crate) struct Packed {
    /// The zip, next to the folder with its bundle.
    pub(crate) zip: PathBuf,
    pub(crate) built: Built,
    pub(crate) bytes: Vec<u8>,
}

/// Compiles a bundle for one target and packs it with the function.
pub(crate) async fn one(bundle: &Path, target: &'static str, function: &Path, out: &Path) -> anyhow::Result<Packed> {
    let rules = out.join(target);
    let built = building::make(bundle, &rules, target, &OnTerminal).await?;
    check(&rules, &built.index, target)?;
    let program = read_at_most(function, MAX_CODE).with_context(|| format!("cannot read {}", function.display()))?;
    let zip = out.join(format!("tenet-{target}.zip"));
    Deployment::new(program, &rules)?.write(&zip)?;
    let bytes = read_at_most(&zip, MAX_CODE).with_context(|| format!("cannot read {}", zip.display()))?;
    Ok(Packed { zip, built, bytes })
}

/// The function for a target: the one that is named, or the one next to this program.
pub(crate) fn function(named: Option<&PathBuf>, target: &str, bundle: &Path) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        if !named.is_file() {
            let what = format!("there is no function {}", named.display());
            bail!(Problem::new(what, "it is the file `bootstrap-TARGET` of a release"));
        }
        return Ok(named.clone());
    }
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let path = own.with_file_name(format!("{BOOTSTRAP}-{target}"));
    if !path.is_file() {
        let what = format!("there is no function for {target}: {} is not there", path.display());
        let bundle = fs::canonicalize(bundle).unwrap_or_else(|_| bundle.to_owned());
        let architecture = if target.starts_with("x86_64") { "x86_64" } else { "arm64" };
        let packs = format!("`cargo xtask package {architecture} --bundle {}`", bundle.display());
        bail!(Problem::new(what, format!("{FUNCTION} {packs} there does both")));
    }
    Ok(path)
}

/// Refuses code that this compiler did not write, whatever the index says of it.
fn check(rules: &Path, index: &Index, target: &str) -> anyhow::Result<()> {
    let compiler = Compiler::new(target)?;
    for rule in &index.rules {
        let Some(compiled) = &rule.compiled else { continue };
        let path = rules.join(&compiled.path);
        let code = read_at_most(&path, MAX_CODE).with_context(|| format!("cannot read {}", path.display()))?;
        if !compiler.wrote(&code)? {
            let what =
                format!("{} was compiled with other settings, or for the machine that compiled it", path.display());
            bail!(Problem::new(what, "remove it and pack again"));
        }
    }
    Ok(())
}
