//! Builds components and their index from a bundle's sources.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use tenet_core::bundle::{CONTRACT, File, Index, Rule, VERSION, WIT};

use crate::bounded::{MAX_RECORD, MAX_TEXT, read_at_most, text_at_most};
use crate::bundle::{Bundle, RuleSource};
use crate::lockfile::{self, Lines};
use crate::packages::Package;
use crate::script::{Script, Written};
use crate::sources::Sources;
use crate::toolchain::{self, PROFILE, TARGET};
use crate::{Error, Progress, Toolchain, sha256, write_index, write_whole};
use tenet_core::{Catalog, Code};

/// The first bytes of a component's file. A plain module has another version here.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The SDK's feature with which a rule can describe its input and output.
const DESCRIBE: &str = "tenet/describe";

/// The folder of a built bundle for components with that feature. They run once, at build time, and
/// are not deployed: the code that describes types is several times that of a small rule.
const DESCRIBING: &str = "describe";

/// The folder for cached components of scripts.
const SCRIPTS: &str = "scripts";

/// The component of a built bundle's rule that describes the rule's input and output, if that is
/// not the rule itself.
pub fn describing(out: &Path, rule: &str) -> PathBuf {
    out.join(DESCRIBING).join(format!("{rule}.wasm"))
}

pub(crate) fn compile(
    bundle: &Bundle,
    sources: &Sources,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<Index, Error> {
    fs::create_dir_all(out).map_err(Error::io("make", out))?;
    let out = &fs::canonicalize(out).map_err(Error::io("open", out))?;
    let mut components = BTreeMap::new();
    let mut crates = Vec::new();
    for rule in &bundle.rules {
        match &rule.written {
            Written::Rust => crates.push(rule),
            Written::Component(file) => drop(components.insert(&rule.name, checked(&rule.name, read(file)?)?)),
            Written::Script(script) => {
                let component = scripted(rule, script, out, progress)?;
                components.insert(&rule.name, checked(&rule.name, component)?);
            }
        }
    }
    if !crates.is_empty() {
        components.extend(compiled(bundle, &crates, sources, out, progress)?);
    }
    let mut index = Index {
        version: VERSION,
        contract: CONTRACT.into(),
        contract_sha256: tenet_core::bundle::contract_digest(),
        // Computed again, because a first build creates lock files.
        sources: sources.digest()?,
        compiled_for: None,
        host: bundle.host.clone(),
        ceilings: bundle.ceilings.clone(),
        bootstrap: None,
        operations: bundle.operations.clone(),
        rules: Vec::new(),
        schema: Vec::new(),
        catalog: Catalog::default(),
        openapi: None,
        api: bundle.api.clone(),
    };
    for rule in &bundle.rules {
        let component = components.get(&rule.name).map(Vec::as_slice).unwrap_or_default();
        let component = keep(out, format!("rules/{}.wasm", rule.name), component)?;
        let RuleSource { name, description, limits, grants, .. } = rule.clone();
        index.rules.push(Rule {
            name,
            description,
            component,
            compiled: None,
            limits,
            grants,
            input: None,
            output: None,
        });
    }
    for step in &bundle.schema {
        let text = read(&bundle.directory.join("schema").join(step))?;
        index.schema.push(keep(out, format!("schema/{step}"), &text)?);
    }
    write_index(out, &index)?;
    Ok(index)
}

/// The component of a script. Compiling takes seconds, so the component is cached with the digest
/// of its inputs.
fn scripted(rule: &RuleSource, script: &Script, out: &Path, progress: &mut dyn Progress) -> Result<Vec<u8>, Error> {
    let mut made_of = String::new();
    for source in &script.sources {
        made_of.push_str(&sha256(&read(source)?));
    }
    let digest = sha256((made_of + &script.made_by() + &tenet_core::bundle::contract_digest()).as_bytes());
    let kept = out.join(SCRIPTS).join(&rule.name);
    let (component, of) = (kept.with_extension("wasm"), kept.with_extension("sha256"));
    if text_at_most(&of, MAX_TEXT).is_ok_and(|known| known == digest) {
        return read(&component);
    }
    progress.step(&format!("building {}", rule.name));
    let wit = out.join(SCRIPTS).join("wit");
    for (name, text) in WIT {
        keep(out, format!("{SCRIPTS}/wit/{name}"), text.as_bytes())?;
    }
    let work = kept.with_extension("work");
    if work.exists() {
        fs::remove_dir_all(&work).map_err(Error::io("remove", &work))?;
    }
    let bytes = script.build(&wit, &work, progress)?;
    fs::remove_dir_all(&work).map_err(Error::io("remove", &work))?;
    fs::write(&component, &bytes).map_err(Error::io("write", &component))?;
    fs::write(&of, digest).map_err(Error::io("write", &of))?;
    Ok(bytes)
}

/// Builds the components of crates and, next to them, the components that describe the rules.
fn compiled<'a>(
    bundle: &Bundle,
    crates: &[&'a RuleSource],
    sources: &Sources,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<Vec<(&'a String, Vec<u8>)>, Error> {
    let toolchain = Toolchain::find(&bundle.directory)?;
    let mut workspaces: BTreeMap<&Path, Vec<&Package>> = BTreeMap::new();
    let mut rules = Vec::new();
    for rule in crates.iter().copied() {
        let package = sources
            .package(&rule.directory)
            .ok_or_else(|| Error::new(format!("{}: cargo does not know a package here", rule.directory.display())))?;
        let artifact = package.artifact.as_ref().ok_or_else(|| {
            Error::new(format!("{}: a rule is a library", rule.directory.join("Cargo.toml").display()))
                .with_help("add `[lib]` with `crate-type = [\"cdylib\", \"rlib\"]`")
        })?;
        if let Some((other, _)) = rules.iter().find(|(_, name)| *name == artifact) {
            let other: &&RuleSource = other;
            return Err(Error::new(format!("the rules {} and {} would be built into one file", other.name, rule.name))
                .with_help("give one library another name"));
        }
        rules.push((rule, artifact));
        workspaces.entry(&package.workspace).or_default().push(package);
    }
    let cargo = Cargo { toolchain: &toolchain, target: cargo_target(out), bundle: &bundle.directory };
    for (workspace, packages) in &workspaces {
        progress.step(&format!("building {} rules with {}", packages.len(), toolchain.describe()));
        lockfile::keep_in_step(&toolchain, workspace, progress)?;
        let describing = || {
            let mut silence = Lines::default();
            let built =
                cargo.build(toolchain::DESCRIBING, workspace, packages, &["--features", DESCRIBE], &mut silence);
            (built, silence)
        };
        // In parallel. Both report the same errors in the sources, so only one output is shown.
        let (built, (described, said)) = thread::scope(|scope| {
            let describing = scope.spawn(describing);
            let built = cargo.build(PROFILE, workspace, packages, &[], progress);
            (built, describing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        built?;
        if described.is_err() {
            said.0.iter().for_each(|line| progress.cargo(line));
        }
        described?;
    }
    for (rule, artifact) in &rules {
        let component = cargo.component(toolchain::DESCRIBING, &rule.name, artifact)?;
        keep(out, format!("{DESCRIBING}/{}.wasm", rule.name), &component)?;
    }
    let component =
        |(rule, artifact): (&'a RuleSource, &String)| Ok((&rule.name, cargo.component(PROFILE, &rule.name, artifact)?));
    rules.into_iter().map(component).collect()
}

/// The settings with which cargo builds a bundle's rules.
struct Cargo<'a> {
    toolchain: &'a Toolchain,
    target: PathBuf,
    bundle: &'a Path,
}

impl Cargo<'_> {
    /// Builds packages of one workspace, and replaces their previous build.
    fn build(
        &self,
        profile: &str,
        workspace: &Path,
        packages: &[&Package],
        features: &[&str],
        progress: &mut dyn Progress,
    ) -> Result<(), Error> {
        let mut cargo = self.toolchain.build(profile)?;
        cargo.args(["--locked", "--target-dir"]).arg(&self.target);
        cargo.arg("--manifest-path").arg(workspace.join("Cargo.toml")).args(features);
        cargo.args(packages.iter().flat_map(|package| ["--package", &package.id]));
        let done = run(cargo.current_dir(workspace), progress)?;
        if done.success() {
            return Ok(());
        }
        let what = format!("cargo could not build the rules of {} ({done})", self.bundle.display());
        Err(Error::new(what).coded(Code::Cargo).with_help("cargo's own message is above"))
    }

    /// The component of a rule from the last build.
    fn component(&self, profile: &str, rule: &str, artifact: &str) -> Result<Vec<u8>, Error> {
        checked(rule, read(&self.target.join(TARGET).join(profile).join(format!("{artifact}.wasm")))?)
    }
}

fn checked(rule: &str, component: Vec<u8>) -> Result<Vec<u8>, Error> {
    if component.starts_with(COMPONENT) {
        return Ok(component);
    }
    Err(Error::new(format!("the rule {rule} did not become a component"))
        .coded(Code::NotARule)
        .with_help("write it with the SDK: a function with the attribute `#[tenet::rule]`"))
}

/// The longest line of cargo's that is forwarded whole, in bytes: it may contain a build script's
/// output.
const LONGEST_LINE: u64 = 1 << 20;

/// Runs cargo and forwards its output.
pub(crate) fn run(cargo: &mut Command, progress: &mut dyn Progress) -> Result<ExitStatus, Error> {
    if progress.colours() {
        cargo.env("CARGO_TERM_COLOR", "always");
    }
    let starting = || Error::starting(Path::new("cargo"));
    let mut child = cargo.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(starting())?;
    let mut said = child.stderr.take().map(BufReader::new);
    let mut bytes = Vec::new();
    // Unreadable output is dropped; the exit status still counts.
    while let Some(said) = &mut said
        && matches!(said.take(LONGEST_LINE).read_until(b'\n', &mut bytes), Ok(1..))
    {
        let line = String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned();
        bytes.clear();
        // Two parallel builds wait for each other, which is normal.
        if !line.contains("Blocking waiting for file lock") {
            progress.cargo(line.trim_end_matches('\r'));
        }
    }
    child.wait().map_err(starting())
}

/// Cargo's target directory for a bundle that is built into `out`.
fn cargo_target(out: &Path) -> PathBuf {
    out.ancestors().find(|path| path.ends_with("target/tenet")).unwrap_or(out).join("cargo")
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    read_at_most(path, MAX_RECORD).map_err(Error::io("read", path))
}

/// Writes a file of the built bundle.
fn keep(out: &Path, path: String, bytes: &[u8]) -> Result<File, Error> {
    let place = out.join(&path);
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
    }
    write_whole(&place, bytes)?;
    Ok(File { path, sha256: sha256(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_side_by_side_share_what_cargo_builds() {
        for (out, cargo) in [
            ("/r/target/tenet/rules", "/r/target/tenet/cargo"),
            ("/r/target/tenet/guests", "/r/target/tenet/cargo"),
            ("/team/target/tenet", "/team/target/tenet/cargo"),
            ("/elsewhere/out", "/elsewhere/out/cargo"),
        ] {
            assert_eq!(cargo_target(Path::new(out)), Path::new(cargo));
        }
    }
}
