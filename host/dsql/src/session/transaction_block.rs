use crate::session::block::{Block, Open};
use crate::session::ending::too_old;
use crate::session::failure::aborted;
use crate::session::refusal::unsupported;
use crate::session::replies::Readiness;
use crate::session::state::Session;
use crate::sql_error::SqlError;
use crate::store::transaction::Transaction;

/// What a statement means for its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Query,
    SchemaChange,
    /// Parameters, and whatever reads and writes nothing.
    Other,
}

impl Session {
    pub(crate) fn readiness(&self) -> Readiness {
        match &self.block {
            Block::Open(open) if open.is_explicit => Readiness::InTransaction,
            Block::Failed => Readiness::Failed,
            Block::Open(_) | Block::Idle => Readiness::Idle,
        }
    }

    /// The open transaction; one begins if there is none.
    pub(crate) fn open(&mut self) -> Result<&mut Open, SqlError> {
        if matches!(self.block, Block::Idle) {
            let transaction = Transaction::new(self.store.clone(), self.catalog(), self.id);
            self.block = Block::Open(Box::new(Open {
                transaction,
                is_explicit: false,
                is_read_only: false,
                started: self.now(),
                since: self.store.clock.elapsed(),
                has_ddl: false,
                has_dml: false,
                before: self.settings.clone(),
                kept: self.settings.clone(),
            }));
        }
        match &mut self.block {
            Block::Open(open) => Ok(open),
            Block::Idle | Block::Failed => Err(aborted()),
        }
    }

    /// Begins a statement of the open transaction, or of one that begins with it.
    pub(crate) fn begin_statement(&mut self, sort: Sort) -> Result<&mut Open, SqlError> {
        let catalog = self.catalog();
        let elapsed = self.store.clock.elapsed();
        let limit = self.store.limits.transaction_age;
        let open = self.open()?;
        if elapsed.saturating_sub(open.since) >= limit {
            return Err(too_old(limit));
        }
        match sort {
            Sort::SchemaChange if open.has_ddl => {
                return Err(unsupported("multiple ddl statements not supported in a transaction"));
            }
            Sort::SchemaChange => open.has_ddl = true,
            Sort::Query => open.has_dml = true,
            Sort::Other => return Ok(open),
        }
        if open.has_ddl && open.has_dml {
            return Err(unsupported("ddl and dml are not supported in the same transaction"));
        }
        open.transaction.set_names(catalog.search_path, catalog.user);
        open.transaction.begin_statement()?;
        Ok(open)
    }

    /// Drops the transaction after an error. One that was begun explicitly has still to be ended.
    pub(crate) fn fail(&mut self) {
        self.portals.clear();
        self.block = match std::mem::replace(&mut self.block, Block::Idle) {
            Block::Idle => Block::Idle,
            Block::Failed => Block::Failed,
            Block::Open(open) => {
                self.settings = open.before;
                if open.is_explicit { Block::Failed } else { Block::Idle }
            }
        };
        // What made it fail may be a change of the catalogue: the next transaction knows it.
        self.refresh_catalog();
    }

    /// Ends the transaction as COMMIT does. Returns whether it is committed rather than rolled back
    /// because it has failed before.
    pub(crate) fn commit(&mut self) -> Result<bool, SqlError> {
        self.portals.clear();
        match std::mem::replace(&mut self.block, Block::Idle) {
            Block::Idle => Ok(true),
            Block::Failed => Ok(false),
            Block::Open(open) => {
                let limit = self.store.limits.transaction_age;
                let is_late = self.store.clock.elapsed().saturating_sub(open.since) >= limit;
                self.settings = open.before;
                let committed = if is_late { Err(too_old(limit)) } else { open.transaction.commit() };
                self.refresh_catalog();
                committed?;
                self.settings = open.kept;
                Ok(true)
            }
        }
    }

    /// Ends the transaction as ROLLBACK does.
    pub(crate) fn roll_back(&mut self) {
        self.portals.clear();
        if let Block::Open(open) = std::mem::replace(&mut self.block, Block::Idle) {
            self.settings = open.before;
        }
    }
}
