//! Runs one statement of a session.

use std::cell::RefCell;
use std::sync::Arc;

use sqlparser::ast::{
    ContextModifier, Reset, Set, SetSessionParamKind, Statement, TransactionAccessMode, TransactionIsolationLevel,
    TransactionMode,
};

use crate::query::{self, Analyzed, Budget, OutputColumn};
use crate::scalars::Moment;
use crate::session::answer::Answer;
use crate::session::block::Block;
use crate::session::ending::Ending;
use crate::session::failure::{self, Severity, aborted};
use crate::session::prepared::Plan;
use crate::session::refusal::unsupported;
use crate::session::schema_change;
use crate::session::settings::text_of;
use crate::session::state::Session;
use crate::session::transaction_block::Sort;
use crate::sql_error::SqlError;
use crate::store::conflict::schema_changed;
use crate::values::kind::Kind;
use crate::values::value::Value;

impl Plan {
    pub(crate) fn of(session: &mut Session, statement: &Statement, parameters: &[Kind]) -> Result<Self, SqlError> {
        Ok(match statement {
            Statement::StartTransaction { .. } | Statement::Commit { .. } | Statement::Rollback { .. } => {
                Self::Transaction
            }
            Statement::Set(_) | Statement::Reset(_) | Statement::ShowVariable { .. } | Statement::Deallocate { .. } => {
                Self::Session
            }
            Statement::Call(_) => Self::Call,
            statement if schema_change::is_one(statement) => Self::SchemaChange,
            statement => {
                // What is looked up in the catalogue has to be its newest state.
                if session.catalog().objects.version != session.store.objects().version {
                    return Err(schema_changed());
                }
                Self::Query(Arc::new(query::analyze(&session.catalog(), statement, parameters)?))
            }
        })
    }

    /// The types of the parameters.
    pub(crate) fn parameters(&self) -> &[Kind] {
        match self {
            Self::Query(analyzed) => &analyzed.parameters,
            _ => &[],
        }
    }

    /// The columns of the rows, where it gives rows.
    pub(crate) fn columns(&self, session: &Session, statement: &Statement) -> Option<Vec<OutputColumn>> {
        let text = |name: &str| OutputColumn { name: name.to_owned(), kind: Kind::Text, modifier: -1 };
        match (self, statement) {
            (Self::Query(analyzed), Statement::Query(_)) => Some(analyzed.columns.clone()),
            // Of a write, those of RETURNING.
            (Self::Query(analyzed), _) if !analyzed.columns.is_empty() => Some(analyzed.columns.clone()),
            (_, Statement::ShowVariable { variable }) => {
                let name = shown_name(variable);
                let name = session.settings.show(&name).map_or(name, |(name, _)| name);
                Some(vec![text(&name)])
            }
            (_, statement) if schema_change::gives_job(statement) => Some(vec![text("job_id")]),
            _ => None,
        }
    }
}

/// Whether a statement may run in a failed transaction.
pub(crate) fn ends_transaction(statement: &Statement) -> bool {
    matches!(statement, Statement::Commit { .. } | Statement::Rollback { .. })
}

impl Session {
    /// Runs a statement. After an error the caller calls [`fail`](Session::fail).
    pub(crate) fn run(&mut self, statement: &Statement, plan: &Plan, parameters: &[Value]) -> Result<Answer, SqlError> {
        if matches!(self.block, Block::Failed) && !ends_transaction(statement) {
            return Err(aborted());
        }
        match plan {
            Plan::Transaction => self.control(statement),
            Plan::Session => {
                self.begin_statement(Sort::Other)?;
                self.configure(statement)
            }
            Plan::SchemaChange => {
                let mut random = self.random.fork();
                let open = self.begin_statement(Sort::SchemaChange)?;
                if open.is_read_only {
                    return Err(failure::read_only(&schema_change::tag(statement)));
                }
                schema_change::run(&mut open.transaction, statement, &mut random)
            }
            Plan::Call => {
                self.begin_statement(Sort::Query)?;
                Err(SqlError::unsupported("CALL"))
            }
            Plan::Query(analyzed) => self.query(statement, analyzed, parameters),
        }
    }

    fn query(&mut self, statement: &Statement, analyzed: &Analyzed, parameters: &[Value]) -> Result<Answer, SqlError> {
        let (now, user, random) = (self.now(), self.role(), RefCell::new(self.random.fork()));
        let (gone, clock, limits) = (self.gone.clone(), Arc::clone(&self.store.clock), self.store.limits.clone());
        let open = self.begin_statement(Sort::Query)?;
        if open.is_read_only && analyzed.writes {
            return Err(failure::read_only(&writing_command(statement)));
        }
        let schema = open.transaction.catalog().current_schema().ok().map(Arc::from);
        let moment = Moment { transaction: open.started, statement: now, clock: now, user, schema, random };
        let ending = Ending { gone, clock, since: open.since, age: limits.transaction_age };
        let check = || ending.check();
        let budget = Budget::new(&check, limits.memory);
        let output = query::run(analyzed, &mut open.transaction, parameters, &moment, budget)?;
        open.transaction.end_statement()?;
        Ok(Answer { rows: output.rows, tag: output.tag, ..Answer::default() })
    }

    fn control(&mut self, statement: &Statement) -> Result<Answer, SqlError> {
        let mut answer = Answer::default();
        match statement {
            Statement::StartTransaction { modes, begin, modifier, statements, .. } => {
                if modifier.is_some() || !statements.is_empty() {
                    return Err(SqlError::unsupported("this form of BEGIN"));
                }
                let mut is_read_only = None;
                for mode in modes {
                    match mode {
                        TransactionMode::IsolationLevel(TransactionIsolationLevel::RepeatableRead) => {}
                        TransactionMode::IsolationLevel(level) => {
                            return Err(unsupported(format!("Unsupported isolation level: {level}")));
                        }
                        TransactionMode::AccessMode(mode) => {
                            is_read_only = Some(*mode == TransactionAccessMode::ReadOnly);
                        }
                    }
                }
                let open = self.open()?;
                if open.is_explicit {
                    answer.notices.push(failure::already_in_transaction());
                }
                open.is_explicit = true;
                open.is_read_only = is_read_only.unwrap_or(open.is_read_only);
                answer.tag = if *begin { "BEGIN" } else { "START TRANSACTION" }.to_owned();
            }
            Statement::Commit { chain: true, .. } | Statement::Rollback { chain: true, .. } => {
                return Err(SqlError::unsupported("AND CHAIN"));
            }
            Statement::Commit { .. } => {
                if !matches!(&self.block, Block::Open(open) if open.is_explicit) && !matches!(self.block, Block::Failed)
                {
                    answer.notices.push(failure::no_transaction());
                }
                let before = self.settings.clone();
                answer.tag = if self.commit()? { "COMMIT" } else { "ROLLBACK" }.to_owned();
                self.report_since(&before, &mut answer);
            }
            _ => {
                if !matches!(&self.block, Block::Open(open) if open.is_explicit) && !matches!(self.block, Block::Failed)
                {
                    answer.notices.push(failure::no_transaction());
                }
                let before = self.settings.clone();
                self.roll_back();
                answer.tag = "ROLLBACK".to_owned();
                self.report_since(&before, &mut answer);
            }
        }
        Ok(answer)
    }

    fn configure(&mut self, statement: &Statement) -> Result<Answer, SqlError> {
        let mut answer = Answer::default();
        let before = self.settings.clone();
        let mut is_local = false;
        match statement {
            Statement::ShowVariable { variable } => {
                let name = shown_name(variable);
                let is_read_only = matches!(&self.block, Block::Open(open) if open.is_read_only);
                let (_, value) = match name.as_str() {
                    "transaction_read_only" => (name, if is_read_only { "on" } else { "off" }.to_owned()),
                    name => self.settings.show(name)?,
                };
                answer.rows.push(vec![Value::Text(value.into())]);
                answer.tag = "SHOW".to_owned();
                return Ok(answer);
            }
            // It drops those that the protocol prepared, too.
            Statement::Deallocate { .. } => {
                self.statements.clear();
                answer.tag = "DEALLOCATE ALL".to_owned();
                return Ok(answer);
            }
            Statement::Reset(reset) => {
                match &reset.reset {
                    Reset::ALL => self.settings.reset_all(),
                    Reset::ConfigurationParameter(name) => self.settings.reset(&name.to_string())?,
                }
                answer.tag = "RESET".to_owned();
            }
            Statement::Set(Set::SetSessionParam(SetSessionParamKind::Generic(set))) => {
                answer.tag = "SET CONSTRAINTS".to_owned();
                answer.notices.extend(self.set_constraints(set)?);
            }
            Statement::Set(set) => {
                answer.tag = "SET".to_owned();
                is_local = self.set(set)?;
            }
            other => return Err(SqlError::unsupported(other)),
        }
        match &mut self.block {
            Block::Open(open) if is_local && !open.is_explicit => {
                let text = "SET LOCAL can only be used in transaction blocks";
                answer.notices.push((Severity::Warning, SqlError::new("25P01", text)));
                self.settings = before.clone();
            }
            Block::Open(open) if !is_local => open.kept = self.settings.clone(),
            _ => {}
        }
        self.report_since(&before, &mut answer);
        Ok(answer)
    }

    /// Changes a parameter. Returns whether only for the transaction.
    fn set(&mut self, set: &Set) -> Result<bool, SqlError> {
        match set {
            Set::SingleAssignment { scope, variable, values, .. } => {
                let name = variable.to_string();
                if matches!(values.as_slice(), [sqlparser::ast::Expr::Identifier(value)]
                    if value.value.eq_ignore_ascii_case("default") && value.quote_style.is_none())
                {
                    self.settings.reset(&name)?;
                } else {
                    self.settings.set(&name, &text_of(values, name.eq_ignore_ascii_case("search_path"))?)?;
                }
                Ok(*scope == Some(ContextModifier::Local))
            }
            Set::SetTimeZone { local, value } => {
                self.settings.set("timezone", &text_of(std::slice::from_ref(value), false)?)?;
                Ok(*local)
            }
            Set::SetNames { charset_name, .. } => {
                self.settings.set("client_encoding", &charset_name.value)?;
                Ok(false)
            }
            Set::SetNamesDefault {} => {
                self.settings.reset("client_encoding")?;
                Ok(false)
            }
            Set::SetRole { context_modifier, role_name } => {
                match role_name {
                    None => self.settings.reset("role")?,
                    Some(name) if self.objects.roles.contains_key(&name.value) => {
                        self.settings.set("role", &name.value)?;
                    }
                    Some(name) => {
                        return Err(SqlError::new("22023", format!("role \"{}\" does not exist", name.value)));
                    }
                }
                Ok(*context_modifier == Some(ContextModifier::Local))
            }
            Set::SetTransaction { modes, .. } => {
                let other = modes.iter().find_map(|mode| match mode {
                    TransactionMode::IsolationLevel(TransactionIsolationLevel::RepeatableRead) => None,
                    TransactionMode::IsolationLevel(level) => Some(level),
                    TransactionMode::AccessMode(_) => None,
                });
                Err(unsupported(match other {
                    Some(level) => format!("Unsupported isolation level: {level}"),
                    None => "setting configuration parameter \"TRANSACTION\" not supported".to_owned(),
                }))
            }
            other => Err(SqlError::unsupported(other)),
        }
    }

    /// Adds messages to the client about the parameters that have changed.
    fn report_since(&self, before: &crate::session::settings::Settings, answer: &mut Answer) {
        if *before != self.settings {
            let known: Vec<_> = before.reported().collect();
            answer.reported.extend(self.settings.reported().filter(|now| !known.contains(now)));
        }
    }
}

fn shown_name(variable: &[sqlparser::ast::Ident]) -> String {
    let words: Vec<_> = variable.iter().map(|word| word.value.as_str()).collect();
    match words.as_slice() {
        [time, zone] if time.eq_ignore_ascii_case("time") && zone.eq_ignore_ascii_case("zone") => "TimeZone".to_owned(),
        words => words.join("."),
    }
}

/// The command that a read-only transaction refuses, as PostgreSQL names it.
fn writing_command(statement: &Statement) -> String {
    match statement {
        Statement::Insert(_) => "INSERT",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::Query(query) if query.locks.is_empty() => "SELECT",
        Statement::Query(query) => {
            let is_share = query.locks.iter().any(|lock| lock.lock_type != sqlparser::ast::LockType::Update);
            if is_share { "SELECT FOR KEY SHARE" } else { "SELECT FOR UPDATE" }
        }
        _ => "this statement",
    }
    .to_owned()
}
