//! The engine's settings, shared by the compiler and the loader so that they match.

use std::num::NonZeroUsize;

use wasmtime::{Config, Enabled, ModuleVersionStrategy, PoolingAllocationConfig};

const X86_64: &str = "x86_64-unknown-linux-gnu";
const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// The targets that rules are compiled for: the two that Lambda supports.
pub const TARGETS: [&str; 2] = [X86_64, AARCH64];

/// The [target](TARGETS) of this host. It is explicit rather than "native": code compiled for the
/// compiling machine may need CPU features that the running machine lacks.
pub const OWN_TARGET: &str = if cfg!(target_arch = "aarch64") {
    AARCH64
} else if cfg!(target_arch = "x86_64") {
    X86_64
} else {
    panic!("rules are compiled for x86_64 and aarch64 only")
};

/// The CPU features that compiled code may use: the baseline of each architecture. Enabling more is
/// unsafe in wasmtime, and rules gain little from vector instructions.
const PROCESSORS: [(&str, &str); 2] = [(X86_64, "x86-64"), (AARCH64, "armv8-a")];

/// The most linear memory of any rule, whatever its limits say.
pub(crate) const MEMORY_CEILING: u64 = 1 << 30;

/// The most entries of one table, whatever the limits say.
pub(crate) const TABLE_CEILING: u64 = 100_000;

/// Bounds on the parts of one component. A Rust rule has four core instances, one memory and two
/// tables; languages with a runtime have more.
const CORE_INSTANCES: u32 = 32;
const MEMORIES: u32 = 2;
const TABLES: u32 = 8;

/// The guest's call stack, and the stack that it shares with its host calls. The difference is for
/// the host: a first statement may open a TLS connection there.
const WASM_STACK: usize = 512 << 10;
const STACK: usize = 2 << 20;

/// A named setting that affects compiled code.
type Setting = (&'static str, fn(&mut Config));

/// All settings that affect compiled code and differ from wasmtime's defaults. Their names form the
/// fingerprint, so a changed setting changes it.
const CODE: &[Setting] = &[
    ("epochs", |config| {
        config.epoch_interruption(true);
    }),
    ("no-concurrency", |config| {
        config.concurrency_support(false);
    }),
    // A rule is a function of its request: two machines give the same bits.
    ("deterministic-simd", |config| {
        config.relaxed_simd_deterministic(true);
    }),
    ("canonical-nan", canonical_nan),
    // Traps name functions; nothing needs byte offsets. This saves a tenth of a rule's file.
    ("no-address-map", |config| {
        config.generate_address_map(false);
    }),
    // wasmtime walks a guest's stack by its frame pointers. Unwind tables are only for other tools,
    // and registering them takes time for each function whenever a rule is loaded.
    ("no-unwind-info", |config| {
        config.native_unwind_info(false);
    }),
];

#[cfg(feature = "compile")]
fn canonical_nan(config: &mut Config) {
    config.cranelift_nan_canonicalization(true);
}

/// It affects code generation only: a loader has nothing to set.
#[cfg(not(feature = "compile"))]
fn canonical_nan(_: &mut Config) {}

/// Whether executed instructions are counted, which costs some time. For test harnesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metering {
    Off,
    On,
}

/// The settings for a target, with instances allocated on demand.
pub(crate) fn on_demand(target: &str, metering: Metering) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config.target(target)?;
    Ok(with_all(config, metering))
}

/// All settings except the target.
pub(crate) fn with_all(mut config: Config, metering: Metering) -> Config {
    for (_, set) in CODE {
        set(&mut config);
    }
    config.consume_fuel(metering == Metering::On);
    config.max_wasm_stack(WASM_STACK).async_stack_size(STACK);
    config.memory_init_cow(true);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(16));
    config
}

/// Like `on_demand`, with a pool of `slots` instances, which takes a third of the time per call
/// (measured: 38 µs instead of 103 µs for a store, an instance and a query).
pub(crate) fn pooled(target: &str, slots: u32, metering: Metering) -> wasmtime::Result<Config> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES))
        .total_memories(slots.saturating_mul(MEMORIES))
        .total_tables(slots.saturating_mul(TABLES))
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memory_size(usize::try_from(MEMORY_CEILING).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(TABLE_CEILING).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(slots)
        // Resetting by PAGEMAP_SCAN needs Linux 6.7, which is newer than Lambda's kernel.
        .pagemap_scan(Enabled::Auto);
    let mut config = on_demand(target, metering)?;
    config.allocation_strategy(pool);
    Ok(config)
}

/// The fingerprint of the engine's version, the processor and the settings that affect compiled
/// code: `wasmtime-48+x86-64+epochs+...`. wasmtime compares its other settings itself.
pub(crate) fn fingerprint(target: &str, metering: Metering) -> String {
    let version = ModuleVersionStrategy::WasmtimeVersion;
    let processor = PROCESSORS.iter().find(|(known, _)| *known == target).map_or(target, |(_, processor)| *processor);
    let word = format!("wasmtime-{}+{processor}", version.as_str());
    let word = CODE.iter().fold(word, |word, (name, _)| word + "+" + name);
    word + if metering == Metering::On { "+fuel" } else { "+no-fuel" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_names_version_processor_and_settings() {
        for (target, processor) in [(X86_64, "x86-64"), (AARCH64, "armv8-a")] {
            let word = fingerprint(target, Metering::Off);
            assert!(word.starts_with(&format!("wasmtime-48+{processor}+epochs+")), "{word}");
            assert!(word.contains("+canonical-nan") && word.ends_with("+no-fuel"), "{word}");
            assert_ne!(word, fingerprint(target, Metering::On));
        }
    }

    #[test]
    fn engines_of_either_kind_can_be_made() {
        wasmtime::Engine::new(&on_demand(OWN_TARGET, Metering::Off).unwrap()).unwrap();
        wasmtime::Engine::new(&pooled(OWN_TARGET, 2, Metering::On).unwrap()).unwrap();
    }
}
