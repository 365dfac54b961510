//! Version 1 of the contract: its world, and what each imported function does.

mod convert;

use tenet_core::{Event, LogLevel, Outcome, Randomness, SqlError, Statement, VaultCall, VaultField, VaultVerb};
use wasmtime::component::{Component, HasSelf, Linker};

use self::bindings::tenet::rule::{context, database, events, log, types, vault};
pub(crate) use self::bindings::{Rejection, Request, RulePre, Verdict};
use self::convert::{in_batch, packed};
use crate::call::CallState;
use crate::guest_stop::GuestStop;
use crate::wasi;

/// What wasmtime makes of the WIT files.
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/v1",
        world: "tenet:rule/rule",
        imports: {
            "tenet:rule/database": async | trappable,
            "tenet:rule/vault": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

/// The package whose interfaces the host offers.
const PACKAGE: &str = "tenet:rule/";

/// What a rule exports.
const EXPORTS: [&str; 2] = ["evaluate", "describe"];

/// The most random bytes that one call gives.
const MAX_RANDOM: u32 = 65_536;

/// Why a component is no rule of this version.
#[derive(Debug)]
pub(crate) struct WorldError(String);

/// Everything that the host offers.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    bindings::Rule::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    wasi::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// Links a component once, for any number of instances, and checks that it is a rule.
pub(crate) fn link(linker: &Linker<CallState>, component: &Component) -> Result<RulePre<CallState>, WorldError> {
    let world = component.component_type();
    let offered = |name: &str| name.starts_with(PACKAGE) || wasi::offers(name);
    let foreign: Vec<&str> =
        world.imports(linker.engine()).map(|(name, _)| name).filter(|name| !offered(name)).collect();
    if !foreign.is_empty() {
        return Err(WorldError(format!("it imports {}, which the host does not offer", foreign.join(", "))));
    }
    for wanted in EXPORTS {
        if !world.exports(linker.engine()).any(|(name, _)| name == wanted) {
            return Err(WorldError(format!("it does not export the function `{wanted}`")));
        }
    }
    let told = |error: wasmtime::Error| {
        let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
        WorldError(chain.join(": "))
    };
    let pre = if world.imports(linker.engine()).any(|(name, _)| wasi::offers(name)) {
        let mut linker = linker.clone();
        wasi::deny(&mut linker, component).and_then(|()| linker.instantiate_pre(component))
    } else {
        linker.instantiate_pre(component)
    };
    pre.and_then(RulePre::new).map_err(told)
}

impl types::Host for CallState {}

impl database::Host for CallState {
    async fn query(
        &mut self,
        sql: String,
        parameters: Vec<types::Value>,
    ) -> wasmtime::Result<Result<types::RowSet, types::DatabaseError>> {
        Ok(self.one(sql, parameters).await?.map(|outcome| outcome.rows.into()))
    }

    async fn query_packed(
        &mut self,
        sql: String,
        parameters: Vec<types::Value>,
    ) -> wasmtime::Result<Result<types::PackedRows, types::DatabaseError>> {
        match self.one(sql, parameters).await? {
            Ok(outcome) => Ok(Ok(packed(outcome.rows)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn execute(
        &mut self,
        sql: String,
        parameters: Vec<types::Value>,
    ) -> wasmtime::Result<Result<u64, types::DatabaseError>> {
        Ok(self.one(sql, parameters).await?.map(|outcome| outcome.affected))
    }

    async fn batch(
        &mut self,
        statements: Vec<types::Statement>,
    ) -> wasmtime::Result<Result<Vec<types::Outcome>, types::DatabaseError>> {
        self.count()?;
        let mut asked = Vec::with_capacity(statements.len());
        for (number, statement) in statements.into_iter().enumerate() {
            match Statement::try_from(statement) {
                Ok(statement) => asked.push(statement),
                Err(error) => return Ok(Err(self.refuse(in_batch(number, error))?)),
            }
        }
        let outcomes = self.run(asked).await?;
        Ok(outcomes.map(|outcomes| outcomes.into_iter().map(Into::into).collect()).map_err(Into::into))
    }
}

impl CallState {
    /// What the guest is shown for a statement that cannot be sent.
    fn refuse(&self, error: SqlError) -> Result<types::DatabaseError, GuestStop> {
        Ok(self.calls().refuse(error)?.into())
    }

    /// Runs one statement; an error of the outer kind stops the guest.
    async fn one(
        &mut self,
        sql: String,
        parameters: Vec<types::Value>,
    ) -> Result<Result<Outcome, types::DatabaseError>, GuestStop> {
        self.count()?;
        let statement = match Statement::try_from(types::Statement { sql, parameters }) {
            Ok(statement) => statement,
            Err(error) => return Ok(Err(self.refuse(error)?)),
        };
        match self.run(vec![statement]).await? {
            Ok(mut outcomes) => match (outcomes.pop(), outcomes.is_empty()) {
                (Some(outcome), true) => Ok(Ok(outcome)),
                _ => Err(GuestStop::Host("the host's answer to one statement was not one outcome")),
            },
            Err(error) => Ok(Err(error.into())),
        }
    }
}

impl events::Host for CallState {
    fn publish(&mut self, event: events::Event) -> wasmtime::Result<Result<String, String>> {
        self.count()?;
        let events::Event { source, detail_type, detail } = event;
        let published = self.calls().publish(Event { source, detail_type, detail }).map_err(GuestStop::from)?;
        Ok(published.map(|id| id.to_string()).map_err(|error| error.to_string()))
    }
}

impl vault::Host for CallState {
    async fn seal(
        &mut self,
        field: vault::Field,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, vault::VaultError>> {
        Ok(self.ask_vault(VaultVerb::Seal, field, value).await?)
    }

    async fn open(
        &mut self,
        field: vault::Field,
        sealed: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, vault::VaultError>> {
        Ok(self.ask_vault(VaultVerb::Open, field, sealed).await?)
    }
}

impl CallState {
    async fn ask_vault(
        &mut self,
        verb: VaultVerb,
        field: vault::Field,
        bytes: Vec<u8>,
    ) -> Result<Result<Vec<u8>, vault::VaultError>, GuestStop> {
        self.count()?;
        let vault::Field { table, column, row_key } = field;
        let call = VaultCall { verb, field: VaultField { table, column, row_key }, bytes };
        let told = self.vault(call).await?;
        Ok(told.map_err(|error| vault::VaultError {
            code: error.refusal.code().to_owned(),
            message: error.message,
            details: Vec::new(),
        }))
    }
}

impl context::Host for CallState {
    fn operation(&mut self) -> wasmtime::Result<String> {
        self.count()?;
        Ok(self.context().operation.clone())
    }

    fn region(&mut self) -> wasmtime::Result<String> {
        self.count()?;
        Ok(self.context().region.clone())
    }

    fn now(&mut self) -> wasmtime::Result<i64> {
        self.count()?;
        Ok(self.context().now.micros())
    }

    fn key(&mut self) -> wasmtime::Result<Option<String>> {
        self.count()?;
        Ok(self.calls().key().map(str::to_owned))
    }

    fn caller(&mut self) -> wasmtime::Result<Option<String>> {
        self.count()?;
        Ok(self.context().caller.clone())
    }

    fn random(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        self.count()?;
        if length > MAX_RANDOM {
            let what = format!("{length} random bytes were asked for in one call, which gives at most {MAX_RANDOM}");
            return Err(GuestStop::Misuse(what).into());
        }
        Ok(self.calls().random(Randomness::Rule, length).map_err(GuestStop::from)?)
    }
}

impl log::Host for CallState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.count()?;
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        Ok(self.calls().log(level, message).map_err(GuestStop::from)?)
    }
}

impl std::fmt::Display for WorldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it is not of the world {}: {}", tenet_core::bundle::CONTRACT, self.0)
    }
}

impl std::error::Error for WorldError {}
