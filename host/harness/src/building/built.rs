use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tenet_build::{Bundle, PrivatePostgres};
use tenet_core::bundle::{CompiledFor, File, INDEX, Index, Rule};
use tenet_engine::{Compiler, Engine, EngineError, Library, OWN_TARGET};
use tenet_schema::Schema;

use super::{made, metered};
use crate::error::{Context, Error, Result};
use crate::progress::{Progress, Work};
use crate::schema;
use crate::sources::statements;
use tenet_core::Code;

/// The manifest that makes a folder a bundle's source.
pub const MANIFEST: &str = "tenet.toml";

/// The file of a built bundle that tells callers what its operations take and give.
const OPENAPI: &str = "openapi.json";

/// A built bundle.
pub struct Opened {
    /// Its folder.
    pub folder: PathBuf,
    /// What is in it.
    pub index: Index,
    /// As [`Built`] has it.
    pub postgres: Option<PrivatePostgres>,
}

/// A bundle to run: one that is built already, or a source that is built first.
///
/// # Errors
/// Fails where there is no bundle, or where it cannot be built.
pub async fn open(folder: &Path, out: Option<&Path>, progress: &dyn Progress) -> Result<Opened> {
    open_for(folder, out, Wanted::Runs, progress).await
}

/// The same for tests.
///
/// # Errors
/// As [`open`].
pub async fn open_for(folder: &Path, out: Option<&Path>, wanted: Wanted, progress: &dyn Progress) -> Result<Opened> {
    open_with(folder, out, wanted, None, progress).await
}

/// The same while a private PostgreSQL is running, which is used in the place of another one.
///
/// # Errors
/// As [`open`].
pub async fn open_beside(
    folder: &Path,
    out: Option<&Path>,
    running: Option<&PrivatePostgres>,
    progress: &dyn Progress,
) -> Result<Opened> {
    open_with(folder, out, Wanted::Runs, running, progress).await
}

async fn open_with(
    folder: &Path,
    out: Option<&Path>,
    wanted: Wanted,
    running: Option<&PrivatePostgres>,
    progress: &dyn Progress,
) -> Result<Opened> {
    if folder.join(MANIFEST).is_file() {
        let out = out.map_or_else(|| default_out(folder), Path::to_owned);
        let mut built = make_for(folder, &out, OWN_TARGET, wanted, running, progress).await?;
        let postgres = built.postgres.take();
        return Ok(Opened { folder: out, index: built.index_after(progress), postgres });
    }
    if !folder.join(INDEX).is_file() {
        let what = format!("{} is no bundle: it has neither {MANIFEST} nor {INDEX}", folder.display());
        return Err(Error::new(what, "name one with --bundle; `tenet new PATH` makes one").explained(Code::NoBundle));
    }
    let (folder, index) = read(folder)?;
    if wanted == Wanted::Runs && index.rules.iter().any(|rule| rule.compiled.is_none()) {
        let what = format!("{} was built for tests, and is not compiled to be run", folder.display());
        return Err(Error::new(what, "`tenet build` compiles it").explained(Code::NoBundle));
    }
    Ok(Opened { folder, index, postgres: None })
}

/// A bundle that is built already.
///
/// # Errors
/// Fails where the index is not there, or has another version.
pub fn read(folder: &Path) -> Result<(PathBuf, Index)> {
    let path = folder.join(INDEX);
    let text = tenet_build::text_at_most(&path, tenet_build::MAX_RECORD).with_context(|| not_built(folder))?;
    let index = Index::parse(&text).with_context(|| path.display().to_string())?;
    Ok((folder.to_owned(), index))
}

fn not_built(folder: &Path) -> Error {
    let what = format!("{} is no built bundle", folder.display());
    if folder.join(MANIFEST).is_file() {
        let (source, out) = (folder.display(), default_out(folder));
        return Error::new(what, format!("`tenet build {source}` builds it; then name {}", out.display()))
            .explained(Code::NoBundle);
    }
    Error::new(what, "`tenet build` makes one and says where").explained(Code::NoBundle)
}

/// The default folder of a built bundle.
pub fn default_out(bundle: &Path) -> PathBuf {
    bundle.join("target").join("tenet")
}

/// What a bundle is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To be deployed, or kept as a build's result: code from the compiler alone.
    Deployments,
    /// To be run on this machine.
    Runs,
    /// To be run by tests, which count what rules compute. Code that is deployed is left out of
    /// the index where there is none of before.
    Tests,
}

/// A bundle that was built, and what is not as good of it as it could be.
pub struct Built {
    /// What is in it.
    pub index: Index,
    /// What does not keep it from being used.
    pub warnings: Vec<tenet_build::Error>,
    /// A private PostgreSQL with the tables of the host and of the bundle, where one was started to
    /// see what the schema makes.
    pub postgres: Option<PrivatePostgres>,
}

impl Built {
    /// The index. The warnings go to `progress`.
    pub fn index_after(self, progress: &dyn Progress) -> Index {
        self.warnings.into_iter().for_each(|warning| progress.warn(warning.into()));
        self.index
    }
}

/// Builds a bundle that can be deployed to a target.
///
/// # Errors
/// Fails where a source, a manifest or a step of the schema is wrong, or where a tool is missing.
pub async fn make(source: &Path, out: &Path, target: &str, progress: &dyn Progress) -> Result<Built> {
    make_for(source, out, target, Wanted::Deployments, None, progress).await
}

/// Builds a bundle. The target is this machine's own unless it is for [`Wanted::Deployments`].
///
/// # Errors
/// As [`make`].
pub async fn make_for(
    source: &Path,
    out: &Path,
    target: &str,
    wanted: Wanted,
    running: Option<&PrivatePostgres>,
    progress: &dyn Progress,
) -> Result<Built> {
    let mut work = progress.begin();
    let bundle = Bundle::open(source)?;
    bundle.check_events(|pattern| tenet_events::Pattern::of(pattern).map(drop))?;
    let before = read(out).ok().map(|(_, index)| index);
    let mut index = bundle.build(out, work.as_mut())?;
    schema::lint(out, &index)?;
    let (catalog, postgres) = made::catalog(&bundle, out, &index, running, progress).await?;
    index.catalog = catalog;
    let compiler = match wanted {
        Wanted::Deployments => Compiler::new(target)?,
        Wanted::Runs | Wanted::Tests => Compiler::cached(tenet_build::user_cache().ok().as_deref())?,
    };
    let compiled_for = CompiledFor { target: compiler.target().to_owned(), engine: compiler.fingerprint() };
    let up_to_date = index.compiled_for.as_ref() == Some(&compiled_for);
    for rule in &mut index.rules {
        if up_to_date && rule.compiled.is_some() {
            continue;
        }
        rule.compiled = kept(out, before.as_ref(), &compiled_for, rule);
        if rule.compiled.is_some() || wanted == Wanted::Tests {
            continue;
        }
        work.step(&format!("compiling {} for {}", rule.name, compiled_for.target));
        let component = tenet_build::read_at_most(&out.join(&rule.component.path), Compiler::MAX_BYTES)?;
        let code = compiler.compile(&component).with_context(|| not_a_rule(&rule.name))?;
        let path = format!("rules/{}.{}.cwasm", rule.name, compiled_for.target);
        tenet_build::write_whole(&out.join(&path), &code)?;
        rule.compiled = Some(File { path, sha256: tenet_build::sha256(&code) });
    }
    index.compiled_for = Some(compiled_for);
    let descriptions = match wanted {
        Wanted::Deployments | Wanted::Runs => describe(out, &index, work.as_mut(), Engine::new).await?,
        Wanted::Tests => {
            let metered = metered::compile(out, &index, work.as_mut())?;
            describe(out, &metered, work.as_mut(), Engine::metered).await?
        }
    };
    for rule in &mut index.rules {
        declare(rule, descriptions.get(&rule.name).map(String::as_str))?;
    }
    let warnings = bundle.check_members(&descriptions)?;
    let mut rejections = BTreeMap::new();
    for (rule, _, folder) in bundle.rules() {
        rejections.insert(rule.to_owned(), statements::rejections(folder, source)?);
    }
    index.openapi = Some(write_openapi(out, &index, &descriptions, &rejections)?);
    tenet_build::write_index(out, &index)?;
    Ok(Built { index, warnings, postgres })
}

fn not_a_rule(rule: &str) -> Error {
    let help = "`tenet check --component FILE` says what a component lacks";
    Error::new(format!("rule {rule}"), help).explained(Code::NotARule)
}

fn undescribed(rule: &str) -> Error {
    let help = "give it the schemas of its payload and its output, as the other rules do";
    Error::new(format!("rule {rule}"), help).explained(Code::Undescribed)
}

/// Takes down what a rule says that it takes and gives, which the host holds payloads to.
fn declare(rule: &mut Rule, description: Option<&str>) -> Result<()> {
    #[derive(Deserialize)]
    struct Schemas<'a> {
        #[serde(borrow)]
        input: Option<&'a RawValue>,
        #[serde(borrow)]
        output: Option<&'a RawValue>,
    }
    let said = description.and_then(|text| serde_json::from_str(text).ok());
    let Some(Schemas { input, output }) = said else { return Ok(()) };
    let read = |schema: Option<&RawValue>, of: &str| {
        let Some(schema) = schema else { return Ok::<_, Error>(None) };
        if let Err(error) = Schema::parse(schema.get()) {
            let what = format!("rule {}: the schema of its {of}: {error}", rule.name);
            return Err(Error::new(what, "`tenet explain T0206` says what is held").explained(Code::Schema));
        }
        Ok(Some(serde_json::from_str(schema.get())?))
    };
    (rule.input, rule.output) = (read(input, "payload")?, read(output, "output")?);
    Ok(())
}

/// What was compiled of a rule before, if it was the same component, and the same compiler.
fn kept(out: &Path, before: Option<&Index>, compiled_for: &CompiledFor, rule: &Rule) -> Option<File> {
    let before = before.filter(|before| before.compiled_for.as_ref() == Some(compiled_for))?;
    let code = before.rule(&rule.name).filter(|known| known.component == rule.component)?.compiled.clone()?;
    tenet_build::read_at_most(&out.join(&code.path), tenet_build::MAX_CODE)
        .is_ok_and(|bytes| code.is(&bytes))
        .then_some(code)
}

/// What the rules say that they take and give. What they said when they were last built is
/// kept next to the components that were asked. `engine` makes one for the code in the index.
async fn describe(
    out: &Path,
    index: &Index,
    work: &mut dyn Work,
    engine: impl Fn(u32) -> Result<Arc<Engine>, EngineError>,
) -> Result<BTreeMap<String, String>> {
    let mut descriptions = BTreeMap::new();
    for rule in &index.rules {
        let component = tenet_build::describing(out, &rule.name);
        let (said, of) = (component.with_extension("json"), component.with_extension("of"));
        let own = match component.is_file() {
            true => {
                let read = tenet_build::read_at_most(&component, Compiler::MAX_BYTES);
                Some(read.with_context(|| format!("cannot read {}", component.display()))?)
            }
            false => None,
        };
        let digest = own.as_deref().map_or_else(|| rule.component.sha256.clone(), tenet_build::sha256);
        if !(said.is_file() && tenet_build::text_at_most(&of, tenet_build::MAX_TEXT).is_ok_and(|known| known == digest))
        {
            work.step(&format!("asking {} what it takes and gives", rule.name));
            let is_for_here = index.compiled_for.as_ref().is_some_and(|compiled_for| compiled_for.target == OWN_TARGET);
            let library = if own.is_none() && is_for_here {
                // It describes itself, and is compiled for this machine already.
                Library::open(engine(1)?, out, &Index { rules: vec![rule.clone()], ..index.clone() })?
            } else {
                let bytes = match own {
                    Some(own) => own,
                    None => tenet_build::read_at_most(&out.join(&rule.component.path), Compiler::MAX_BYTES)?,
                };
                let compiler = Compiler::cached(tenet_build::user_cache().ok().as_deref())?;
                Library::compile(Engine::new(1)?, &compiler, [(rule.name.as_str(), bytes.as_slice())])?
            };
            if let Some(folder) = said.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&said, library.describe(&rule.name).await.with_context(|| undescribed(&rule.name))?)?;
            std::fs::write(&of, digest)?;
        }
        let text = tenet_build::text_at_most(&said, tenet_build::MAX_RECORD);
        let text = text.with_context(|| format!("cannot read {}", said.display()))?;
        descriptions.insert(rule.name.clone(), text);
    }
    Ok(descriptions)
}

/// Writes the OpenAPI document of a built bundle.
fn write_openapi(
    out: &Path,
    index: &Index,
    descriptions: &BTreeMap<String, String>,
    rejections: &BTreeMap<String, BTreeSet<String>>,
) -> Result<File> {
    let document = tenet_http::openapi(index, descriptions, rejections)?;
    let path = out.join(OPENAPI);
    tenet_build::write_whole(&path, document.as_bytes())?;
    Ok(File { path: OPENAPI.to_owned(), sha256: tenet_build::sha256(document.as_bytes()) })
}
