use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tenet_core::bundle::{self, Index};
use tenet_core::{MAX_CODE, read_at_most_into};
use wasmtime::component::Linker;

use crate::Engine;
use crate::call::CallState;
use crate::checked::Checked;
use crate::load_error::LoadError;
use crate::settings::OWN_TARGET;
use crate::v1;

/// Rules, loaded and linked: the port `Rules` on wasmtime.
pub struct Library {
    engine: Arc<Engine>,
    rules: BTreeMap<String, v1::RulePre<CallState>>,
}

impl Library {
    /// Loads the compiled rules that `index` names from the bundle in `folder`.
    ///
    /// The target, the engine and the digest of every file are checked before any file is loaded.
    pub fn open(engine: Arc<Engine>, folder: &Path, index: &Index) -> Result<Self, LoadError> {
        let Some(compiled_for) = &index.compiled_for else {
            return Err(LoadError::bundle("the bundle's rules are not compiled".to_owned()));
        };
        if compiled_for.target != OWN_TARGET {
            let target = &compiled_for.target;
            return Err(LoadError::bundle(format!(
                "the bundle is compiled for {target}, and this host runs on {OWN_TARGET}"
            )));
        }
        if compiled_for.engine != engine.fingerprint() {
            let (theirs, ours) = (&compiled_for.engine, engine.fingerprint());
            return Err(LoadError::bundle(format!(
                "the bundle is compiled for the engine {theirs}, and this host has {ours}"
            )));
        }
        let linker = linker(&engine)?;
        let next = AtomicUsize::new(0);
        let some = || {
            let (mut loaded, mut bytes) = (Vec::new(), Vec::new());
            while let Some(rule) = index.rules.get(next.fetch_add(1, Ordering::Relaxed)) {
                loaded.push((rule.name.clone(), read(&engine, &linker, folder, rule, &mut bytes)?));
            }
            Ok(loaded)
        };
        // Computes digests and copies code, which is most of the startup time.
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(index.rules.len());
        let loaded = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(some)).collect();
            let mut loaded = some()?;
            for other in others {
                loaded.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(loaded)
        })?;
        Ok(Self { engine, rules: loaded.into_iter().collect() })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn rule(&self, name: &str) -> Option<&v1::RulePre<CallState>> {
        self.rules.get(name)
    }
}

#[cfg(feature = "compile")]
impl Library {
    /// Compiles components and loads the result as [`Library::open`] does, each under its name. For
    /// tests and tools without a bundle on disk.
    pub fn compile<'a>(
        engine: Arc<Engine>,
        compiler: &crate::Compiler,
        components: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, LoadError> {
        let linker = linker(&engine)?;
        let mut rules = BTreeMap::new();
        for (name, component) in components {
            let fail = |what: &str| LoadError::rule(name, None, what);
            let bytes = compiler.compile(component).map_err(|error| fail("it does not compile").because(error))?;
            let sha256 = crate::checked::digest(&bytes);
            let Some(code) = Checked::new(&bytes, &sha256) else {
                return Err(fail("its code changed under the host's hands"));
            };
            rules.insert(name.to_owned(), link(&engine, &linker, &code, fail)?);
        }
        Ok(Self { engine, rules })
    }
}

fn linker(engine: &Engine) -> Result<Linker<CallState>, LoadError> {
    v1::linker(engine.wasmtime()).map_err(|error| {
        LoadError::bundle("the host cannot offer the contract".to_owned()).because(error.into_boxed_dyn_error())
    })
}

/// Loads a rule of the bundle in `folder`, using `bytes` as a buffer: allocating new memory for
/// each rule would cost as much as computing its digest.
fn read(
    engine: &Engine,
    linker: &Linker<CallState>,
    folder: &Path,
    rule: &bundle::Rule,
    bytes: &mut Vec<u8>,
) -> Result<v1::RulePre<CallState>, LoadError> {
    let Some(file) = &rule.compiled else {
        return Err(LoadError::rule(&rule.name, None, "the index names no compiled file"));
    };
    let fail = |what: &str| LoadError::rule(&rule.name, Some(&file.path), what);
    bytes.clear();
    File::open(folder.join(&file.path))
        .and_then(|file| read_at_most_into(file, MAX_CODE, bytes))
        .map_err(|error| fail("cannot be read").because(error))?;
    let Some(code) = Checked::new(bytes, &file.sha256) else {
        return Err(fail("is not the file that the index describes: its SHA-256 is another one"));
    };
    link(engine, linker, &code, fail)
}

fn link(
    engine: &Engine,
    linker: &Linker<CallState>,
    code: &Checked<'_>,
    fail: impl Fn(&str) -> LoadError,
) -> Result<v1::RulePre<CallState>, LoadError> {
    let component = code
        .load(engine.wasmtime())
        .map_err(|error| fail("is not code for this engine").because(error.into_boxed_dyn_error()))?;
    v1::link(linker, &component).map_err(|error| fail("is not a rule").because(error))
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("rules", &self.rules.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenet_core::Limits;
    use tenet_core::bundle::{CONTRACT, CompiledFor, File, Rule, VERSION};

    fn index(target: &str, engine: &str) -> Index {
        let file = |path: &str| File { path: path.into(), sha256: crate::checked::digest(b"junk") };
        Index {
            version: VERSION,
            contract: CONTRACT.into(),
            contract_sha256: tenet_core::bundle::contract_digest(),
            sources: String::new(),
            compiled_for: Some(CompiledFor { target: target.into(), engine: engine.into() }),
            host: tenet_core::HostSettings::default(),
            ceilings: tenet_core::Limits::ceilings(),
            bootstrap: None,
            operations: Vec::new(),
            rules: vec![Rule {
                name: "record".into(),
                description: String::new(),
                component: file("record.wasm"),
                compiled: Some(file("record.cwasm")),
                limits: Limits::default(),
                grants: tenet_core::Grants::default(),
                input: None,
                output: None,
            }],
            schema: Vec::new(),
            catalog: tenet_core::Catalog::default(),
            openapi: None,
            api: tenet_core::bundle::Api::default(),
        }
    }

    fn refused(change: impl FnOnce(&mut Index)) -> LoadError {
        let engine = Engine::new(1).unwrap();
        let mut index = index(OWN_TARGET, &engine.fingerprint());
        change(&mut index);
        Library::open(engine, Path::new("/nowhere"), &index).unwrap_err()
    }

    #[test]
    fn a_file_without_end_is_not_read_to_it() {
        let error = refused(|index| index.rules[0].compiled.as_mut().unwrap().path = "/dev/zero".into());
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().contains("/dev/zero"), "{error}");
        assert_eq!(why, "it has more than 262144000 bytes");
    }

    #[test]
    fn refuses_what_is_not_for_this_host_before_reading_it() {
        assert!(refused(|index| index.compiled_for = None).to_string().contains("not compiled"));
        let target = refused(|index| index.compiled_for.as_mut().unwrap().target = "riscv64".into());
        assert!(target.to_string().contains("riscv64"), "{target}");
        let engine = refused(|index| index.compiled_for.as_mut().unwrap().engine = "wasmtime-47".into());
        assert!(engine.to_string().contains("wasmtime-47") && engine.to_string().contains("wasmtime-48"), "{engine}");
        assert!(engine.to_string().contains("`tenet build`"), "{engine}");
    }

    #[test]
    fn names_the_rule_and_the_file_that_is_not_there() {
        let error = refused(|_| {});
        assert_eq!((error.rule_name(), error.file()), (Some("record"), Some("record.cwasm")));
        assert!(std::error::Error::source(&error).is_some());
        let error = refused(|index| index.rules[0].compiled = None);
        assert_eq!((error.rule_name(), error.file()), (Some("record"), None));
    }
}
