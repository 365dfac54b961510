//! The engine's settings: one constructor for whoever compiles and whoever loads, so that
//! what one writes the other takes.

use std::num::NonZeroUsize;

use wasmtime::{Config, Enabled, ModuleVersionStrategy, PoolingAllocationConfig};

const X86_64: &str = "x86_64-unknown-linux-gnu";
const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// The targets that rules are compiled for, each by its triple: the two that Lambda has.
pub const TARGETS: [&str; 2] = [X86_64, AARCH64];

/// The one of [`TARGETS`] that this host loads compiled rules for. Named, never "native":
/// code made for the compiling machine may ask for CPU features that the running one lacks.
pub const OWN_TARGET: &str = if cfg!(target_arch = "aarch64") {
    AARCH64
} else if cfg!(target_arch = "x86_64") {
    X86_64
} else {
    panic!("rules are compiled for x86_64 and aarch64 only")
};

/// What a target's code assumes of the processor: the least that every one of its kind has.
/// To ask for more is unsafe in wasmtime, and vectors are not what rules are made of.
const PROCESSORS: [(&str, &str); 2] = [(X86_64, "x86-64"), (AARCH64, "armv8-a")];

/// The most linear memory that any rule can have, whatever its limits say.
pub(crate) const MEMORY_CEILING: u64 = 1 << 30;

/// The most entries that one table can have, whatever the limits say.
pub(crate) const TABLE_CEILING: u64 = 100_000;

/// What one component may be made of. A Rust rule has four core instances, one memory and
/// two tables; languages that bring a runtime have more.
const CORE_INSTANCES: u32 = 32;
const MEMORIES: u32 = 2;
const TABLES: u32 = 8;

/// The guest's call stack, and the stack that it shares with the host calls it makes. The
/// difference is for the host: a first statement may open a TLS connection there.
const WASM_STACK: usize = 512 << 10;
const STACK: usize = 2 << 20;

/// One setting that compiled code depends on, with its name.
type Setting = (&'static str, fn(&mut Config));

/// Everything that compiled code depends on and that is not wasmtime's default. The names
/// are the fingerprint, so that a setting cannot change without it.
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
    // A trap names its functions, and nothing asks for their bytes: a tenth of a rule's file.
    ("no-address-map", |config| {
        config.generate_address_map(false);
    }),
    // wasmtime walks a guest's stack by its frame pointers. Tables for others who would are
    // told to the process's unwinder, function by function, each time a rule is loaded.
    ("no-unwind-info", |config| {
        config.native_unwind_info(false);
    }),
];

#[cfg(feature = "compile")]
fn canonical_nan(config: &mut Config) {
    config.cranelift_nan_canonicalization(true);
}

/// It is a matter of the code alone: whoever only loads has nothing to set.
#[cfg(not(feature = "compile"))]
fn canonical_nan(_: &mut Config) {}

/// Whether what a guest computes is counted, which costs it some time. It is a harness's.
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

/// Everything but the target.
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

/// The same with a pool of `slots` instances, which costs a third of the time a call
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
        // Resetting by PAGEMAP_SCAN needs Linux 6.7, which is newer than Lambda's.
        .pagemap_scan(Enabled::Auto);
    let mut config = on_demand(target, metering)?;
    config.allocation_strategy(pool);
    Ok(config)
}

/// The engine's word for its version, the processor and the settings that compiled code
/// depends on: `wasmtime-48+x86-64+epochs+...`. The rest of its settings wasmtime compares
/// itself.
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
