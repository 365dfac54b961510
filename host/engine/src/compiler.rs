use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use object::{Object as _, ObjectSection as _};
use wasmtime::component::{Component, Linker};

use crate::bounds::{self, Unfit};
use crate::call::CallState;
use crate::function_cache::FunctionCache;
use crate::settings::{self, Metering, OWN_TARGET, TARGETS};
use crate::v1;

/// Compiles rules ahead of time, for this host's target or another one.
pub struct Compiler {
    target: &'static str,
    metering: Metering,
    /// Checks a component's types, which only an engine for the own target can do.
    own: wasmtime::Engine,
    linker: Linker<CallState>,
    /// Compiles for the target, if it is not the own one.
    foreign: Option<wasmtime::Engine>,
    functions: Option<Arc<FunctionCache>>,
}

/// Why a component could not be compiled to a rule.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct CompileError {
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Compiler {
    /// The largest component that is accepted, in bytes.
    pub const MAX_BYTES: usize = bounds::BYTES;

    /// A compiler for one of the [`TARGETS`], on any host.
    pub fn new(target: &str) -> Result<Self, CompileError> {
        Self::with(target, Metering::Off, None)
    }

    /// A compiler for this host's target that caches compiled functions in a file in the folder
    /// `cache`: recompiling a rule with a language runtime then takes a fraction of the time. The
    /// result runs on this machine and is not for a deployment.
    pub fn cached(cache: Option<&Path>) -> Result<Self, CompileError> {
        Self::with(OWN_TARGET, Metering::Off, cache)
    }

    /// Like `cached`, for engines that are [`metered`](crate::Engine::metered).
    pub fn metered(cache: Option<&Path>) -> Result<Self, CompileError> {
        Self::with(OWN_TARGET, Metering::On, cache)
    }

    fn with(target: &str, metering: Metering, cache: Option<&Path>) -> Result<Self, CompileError> {
        let Some(target) = TARGETS.into_iter().find(|known| *known == target) else {
            let known = TARGETS.join(" and ");
            return Err(CompileError::new(format!("rules are compiled for {known}, and not for {target}")));
        };
        let fail = |error: wasmtime::Error| CompileError::new(format!("cannot compile for {target}")).because(error);
        let functions = cache.map(|folder| {
            let of = crate::checked::digest(settings::fingerprint(target, metering).as_bytes());
            Arc::new(FunctionCache::open(&folder.join(format!("functions-{}", of.get(..16).unwrap_or_default()))))
        });
        let engine = |mut config: wasmtime::Config| {
            if let Some(functions) = &functions {
                config.enable_incremental_compilation(Arc::clone(functions) as _)?;
            }
            wasmtime::Engine::new(&config)
        };
        let own = settings::pooled(OWN_TARGET, 1, metering)
            .and_then(engine)
            .or_else(|_| settings::on_demand(OWN_TARGET, metering).and_then(engine))
            .map_err(fail)?;
        let linker = v1::linker(&own).map_err(fail)?;
        let foreign = if target == OWN_TARGET {
            None
        } else {
            let config = settings::on_demand(target, metering).map_err(fail)?;
            Some(wasmtime::Engine::new(&config).map_err(fail)?)
        };
        Ok(Self { target, metering, own, linker, foreign, functions })
    }

    /// The target triple.
    pub fn target(&self) -> &'static str {
        self.target
    }

    /// The fingerprint of the engines that can load the result. An [`Engine`](crate::Engine) on the
    /// target reports the same.
    pub fn fingerprint(&self) -> String {
        settings::fingerprint(self.target, self.metering)
    }

    /// Compiles a component that is a rule: the host provides all its imports, and it exports
    /// `evaluate`, with the right types.
    ///
    /// A component that exceeds the bounds of size, depth or number of parts is refused before it
    /// is compiled. [`Library::open`](crate::Library::open) loads the result.
    pub fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        look_at_header(component)?;
        let damaged = |error: wasmtime::Error| {
            CompileError::new("the component is truncated, damaged or not valid").because(error)
        };
        bounds::check(component).map_err(|unfit| match unfit {
            Unfit::TooMuch { .. } => CompileError::new(unfit.to_string()),
            Unfit::Damaged(error) => damaged(error.into()),
        })?;
        let compiled = Component::new(&self.own, component).map_err(damaged)?;
        if let Some(Err(error)) = self.functions.as_deref().map(FunctionCache::save) {
            // Only the next compilation is slower.
            tracing::debug!(%error, "compiled functions were not kept");
        }
        v1::link(&self.linker, &compiled)
            .map_err(|error| CompileError::new(format!("the component is not a rule: {error}")))?;
        let code = match &self.foreign {
            None => compiled.serialize(),
            Some(engine) => engine.precompile_component(component),
        };
        code.map_err(|error| CompileError::new(format!("cannot compile for {}", self.target)).because(error))
    }
}

impl Compiler {
    /// Whether this code comes from a compiler with exactly these settings: version, target,
    /// processor and flags. Code for the native processor loads on the machine that compiled it and
    /// crashes the process elsewhere, so it must not be shipped.
    pub fn wrote(&self, code: &[u8]) -> Result<bool, CompileError> {
        let fail = |error: wasmtime::Error| CompileError::new("cannot compile an empty component").because(error);
        let ours = self.foreign.as_ref().unwrap_or(&self.own).precompile_component(EMPTY).map_err(fail)?;
        Ok(settings_in(code).is_some_and(|settings| Some(settings) == settings_in(&ours)))
    }
}

/// An empty component.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

/// The section of compiled code that holds wasmtime's settings. A test checks the name.
const SETTINGS: &str = ".wasmtime.engine";

fn settings_in(code: &[u8]) -> Option<&[u8]> {
    let file = object::File::parse(code).ok()?;
    file.section_by_name(SETTINGS)?.data().ok().filter(|settings| !settings.is_empty())
}

/// Describes an input whose first eight bytes are not those of a component
/// (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>).
fn look_at_header(bytes: &[u8]) -> Result<(), CompileError> {
    const MAGIC: &[u8] = b"\0asm";
    const MODULE: &[u8] = &[1, 0, 0, 0];
    const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];
    let what = match (bytes.get(..4), bytes.get(4..8)) {
        (None, _) => format!("not WebAssembly: it has {} bytes", bytes.len()),
        (Some(magic), _) if magic != MAGIC => "not WebAssembly: it does not begin with `\\0asm`".to_owned(),
        (_, None) => "truncated WebAssembly: its header is not complete".to_owned(),
        (_, Some(MODULE)) => "a core module, and a rule is a component: `tenet build` makes one".to_owned(),
        (_, Some(version)) if version != COMPONENT => "WebAssembly of a version that is not known".to_owned(),
        _ => return Ok(()),
    };
    Err(CompileError::new(format!("this is {what}")))
}

impl CompileError {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    fn because(mut self, error: wasmtime::Error) -> Self {
        self.source = Some(error.into_boxed_dyn_error());
        self
    }
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiler").field("target", &self.target).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_for_whatever_machine_this_is_is_told_from_code_for_a_named_one() {
        for target in TARGETS {
            let compiler = Compiler::new(target).unwrap();
            let with =
                |config: wasmtime::Config| wasmtime::Engine::new(&config).unwrap().precompile_component(EMPTY).unwrap();
            assert!(compiler.wrote(&with(settings::on_demand(target, Metering::Off).unwrap())).unwrap());
            let native = settings::with_all(wasmtime::Config::new(), Metering::Off);
            assert!(!compiler.wrote(&with(native)).unwrap());
            let mut fuel = settings::on_demand(target, Metering::Off).unwrap();
            fuel.consume_fuel(true);
            assert!(!compiler.wrote(&with(fuel)).unwrap());
            assert!(!compiler.wrote(b"").unwrap() && !compiler.wrote(EMPTY).unwrap());
        }
    }
}
