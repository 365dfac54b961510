use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tenet_core::bundle::Index;
use tenet_core::{ColumnValues, RowSet};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Store};

use self::bindings::tenet::rule::{context, database, events, log, operations, types, vault};
use self::bindings::{Request, RulePre, Verdict};
use crate::stock::Stock;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/v1",
        world: "tenet:rule/rule",
        imports: { "tenet:rule/database": async | trappable, default: trappable },
        exports: { default: async },
    });
}

/// One rule on wasmtime with the settings that were measured to be the fastest, and nothing else:
/// no limits, no spans, no attempt; every query returns the same rows.
pub struct Bare {
    engine: Engine,
    rule: RulePre<State>,
    rows: Arc<Rows>,
}

/// The same rows in both forms.
struct Rows {
    columns: Stock<types::RowSet>,
    packed: Stock<types::PackedRows>,
}

struct State {
    rows: Arc<Rows>,
}

impl Bare {
    /// Loads a rule of a built bundle.
    ///
    /// # Errors
    /// Fails if the bundle has no such rule for this engine, or if the rows have an unknown type.
    pub fn open(folder: &Path, index: &Index, rule: &str, rows: RowSet) -> anyhow::Result<Self> {
        let engine = Engine::new(&best()?)?;
        let file = index.rule(rule).and_then(|rule| rule.compiled.as_ref());
        let file = file.with_context(|| format!("the bundle has no compiled rule {rule}"))?;
        let bytes = std::fs::read(folder.join(&file.path))?;
        let component = tenet_engine::bare(&engine, &bytes, &file.sha256)?;
        let mut linker = Linker::new(&engine);
        bindings::Rule::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        let rule = RulePre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, rule, rows: Arc::new(Rows::new(row_set(rows)?)) })
    }

    /// Prepares copies of the rows for this many queries.
    pub fn fill(&self, queries: u32) {
        self.rows.columns.fill(queries);
        self.rows.packed.fill(queries);
    }

    /// Calls it in a fresh instance and returns its output.
    ///
    /// # Errors
    /// Fails if it does not accept.
    pub async fn call(&self, payload: &str) -> anyhow::Result<String> {
        let mut store = Store::new(&self.engine, State { rows: Arc::clone(&self.rows) });
        // The epoch never advances.
        store.set_epoch_deadline(1);
        let instance = self.rule.instantiate_async(&mut store).await?;
        let verdict = instance.call_evaluate(&mut store, &Request { payload: payload.to_owned() }).await?;
        match verdict {
            Ok(Verdict::Accept(output)) => Ok(output),
            other => anyhow::bail!("the rule did not accept: {other:?}"),
        }
    }
}

/// The settings from which the engine's were chosen, as far as compiled code is compatible.
fn best() -> anyhow::Result<Config> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(1)
        .total_core_instances(8)
        .total_memories(1)
        .total_tables(4)
        .total_stacks(1)
        .max_memory_size(64 << 20)
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(1)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config.target(tenet_engine::OWN_TARGET)?;
    config.epoch_interruption(true).concurrency_support(false).relaxed_simd_deterministic(true).memory_init_cow(true);
    config.allocation_strategy(pool);
    Ok(config)
}

impl Rows {
    fn new(columns: types::RowSet) -> Self {
        let mut packed = types::PackedRows { rows: columns.clone(), texts: Vec::new() };
        for column in &mut packed.rows.columns {
            if let types::ColumnValues::Numeric(values) | types::ColumnValues::Text(values) = &mut column.values {
                let mut texts = types::Texts { all: String::new(), ends: Vec::new() };
                for value in values.drain(..) {
                    texts.all += &value;
                    texts.ends.push(u32::try_from(texts.all.len()).unwrap_or(u32::MAX));
                }
                packed.texts.push(texts);
            }
        }
        Self { columns: Stock::new(columns), packed: Stock::new(packed) }
    }
}

fn row_set(set: RowSet) -> anyhow::Result<types::RowSet> {
    let columns = set.columns.into_iter().map(|column| {
        let values = match column.values {
            ColumnValues::Bool(values) => types::ColumnValues::Boolean(values),
            ColumnValues::Int8(values) => types::ColumnValues::Int8(values),
            ColumnValues::Numeric(values) => {
                types::ColumnValues::Numeric(values.iter().map(ToString::to_string).collect())
            }
            ColumnValues::Text(values) => types::ColumnValues::Text(values),
            ColumnValues::Timestamptz(values) => types::ColumnValues::Timestamptz(values),
            other => anyhow::bail!("the benchmarks have no such column: {other:?}"),
        };
        Ok(types::Column { name: column.name, values, nulls: column.nulls })
    });
    Ok(types::RowSet { columns: columns.collect::<anyhow::Result<_>>()?, rows: set.rows })
}

impl types::Host for State {}

impl database::Host for State {
    async fn query(
        &mut self,
        _: String,
        _: Vec<types::Value>,
    ) -> wasmtime::Result<Result<types::RowSet, types::DatabaseError>> {
        Ok(Ok(self.rows.columns.take()))
    }

    async fn query_packed(
        &mut self,
        _: String,
        _: Vec<types::Value>,
    ) -> wasmtime::Result<Result<types::PackedRows, types::DatabaseError>> {
        Ok(Ok(self.rows.packed.take()))
    }

    async fn execute(
        &mut self,
        _: String,
        _: Vec<types::Value>,
    ) -> wasmtime::Result<Result<u64, types::DatabaseError>> {
        Ok(Ok(0))
    }

    async fn batch(
        &mut self,
        _: Vec<types::Statement>,
    ) -> wasmtime::Result<Result<Vec<types::Outcome>, types::DatabaseError>> {
        Ok(Ok(Vec::new()))
    }
}

impl events::Host for State {
    fn publish(&mut self, _: events::Event) -> wasmtime::Result<Result<String, String>> {
        Ok(Ok(String::new()))
    }
}

impl context::Host for State {
    fn operation(&mut self) -> wasmtime::Result<String> {
        Ok(String::new())
    }

    fn region(&mut self) -> wasmtime::Result<String> {
        Ok(String::new())
    }

    fn now(&mut self) -> wasmtime::Result<i64> {
        Ok(0)
    }

    fn key(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }

    fn caller(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }

    fn random(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        Ok(vec![7; length as usize])
    }
}

impl operations::Host for State {
    fn schedule(
        &mut self,
        _: operations::Call,
        _: operations::When,
        _: operations::Options,
    ) -> wasmtime::Result<Result<String, String>> {
        Ok(Ok(String::new()))
    }

    fn cancel(&mut self, _: String) -> wasmtime::Result<Result<bool, String>> {
        Ok(Ok(false))
    }

    fn current(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl vault::Host for State {
    fn seal(&mut self, _: vault::Field, value: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, vault::VaultError>> {
        Ok(Ok(value))
    }

    fn open(&mut self, _: vault::Field, sealed: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, vault::VaultError>> {
        Ok(Ok(sealed))
    }
}

impl log::Host for State {
    fn write(&mut self, _: log::Level, _: String) -> wasmtime::Result<()> {
        Ok(())
    }
}
