use std::sync::Arc;

use sqlparser::ast::Statement;

use crate::session::answer::Answer;
use crate::session::block::Block;
use crate::session::failure::{Severity, aborted};
use crate::session::message::{Bind, Message, Target};
use crate::session::prepared::{Plan, Portal, PortalState, Prepared};
use crate::session::reader::violation;
use crate::session::replies::Replies;
use crate::session::result_format::{each, receive, send_row};
use crate::session::state::Session;
use crate::session::statement::ends_transaction;
use crate::session::syntax;
use crate::sql_error::SqlError;
use crate::values::kind::Kind;

impl Session {
    /// Handles a message of the extended protocol.
    pub(crate) fn extended(&mut self, message: Message, replies: &mut Replies) {
        let done = match message {
            Message::Parse { statement, sql, kinds } => self.parse(statement, &sql, &kinds, replies),
            Message::Bind(bind) => self.bind(bind, replies),
            Message::Describe(target) => self.describe(target, replies),
            Message::Execute { portal, limit } => self.execute(&portal, limit, replies),
            Message::Close(target) => {
                match target {
                    Target::Statement(name) => drop(self.statements.remove(&name)),
                    Target::Portal(name) => drop(self.portals.remove(&name)),
                }
                replies.closed();
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = done {
            self.refuse(&error, replies);
        }
    }

    /// Answers a message with an error: the messages up to Sync are dropped.
    pub(crate) fn refuse(&mut self, error: &SqlError, replies: &mut Replies) {
        self.fail();
        self.is_skipping = true;
        replies.error(Severity::Error, error);
    }

    /// The end of a row of messages: an implicit transaction ends with it.
    pub(crate) fn sync(&mut self, replies: &mut Replies) {
        self.is_skipping = false;
        if matches!(&self.block, Block::Open(open) if !open.is_explicit)
            && let Err(error) = self.commit()
        {
            replies.error(Severity::Error, &error);
        }
        // Portals do not outlive their transaction, which one that has run nothing has, too.
        if matches!(self.block, Block::Idle) {
            self.portals.clear();
        }
        replies.ready(self.readiness());
    }

    fn parse(&mut self, name: String, sql: &str, kinds: &[u32], replies: &mut Replies) -> Result<(), SqlError> {
        let mut statements = syntax::parse(sql)?;
        let is_failed = matches!(self.block, Block::Failed);
        let statement = match (statements.pop(), statements.is_empty()) {
            (_, false) => {
                return Err(SqlError::new("42601", "cannot insert multiple commands into a prepared statement"));
            }
            (Some(Ok(statement)), _) if is_failed && !ends_transaction(&statement) => return Err(aborted()),
            (Some(Err(_)), _) if is_failed => return Err(aborted()),
            (Some(Err(refusal)), _) => return Err(refusal),
            (Some(Ok(statement)), _) => Some(statement),
            (None, _) => None,
        };
        if !name.is_empty() && self.statements.contains_key(&name) {
            return Err(SqlError::new("42P05", format!("prepared statement \"{name}\" already exists")));
        }
        let kind = |oid: &u32| match oid {
            0 => Ok(Kind::Unknown),
            oid => Kind::from_oid(*oid)
                .ok_or_else(|| SqlError::unsupported(format!("the type with the OID {oid} of a parameter"))),
        };
        let given = kinds.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
        let prepared = self.prepare(statement, given)?;
        self.statements.insert(name, Arc::new(prepared));
        replies.parsed();
        Ok(())
    }

    fn prepare(&mut self, statement: Option<Statement>, given: Vec<Kind>) -> Result<Prepared, SqlError> {
        let planned = match statement {
            None => None,
            Some(statement) => {
                let plan = Plan::of(self, &statement, &given)?;
                Some((statement, plan))
            }
        };
        let mut parameters = planned.as_ref().map_or(Vec::new(), |(_, plan)| plan.parameters().to_vec());
        // Types of parameters that the statement does not have are kept.
        parameters.extend(given.iter().skip(parameters.len()));
        if let Some(place) = parameters.iter().position(|kind| *kind == Kind::Unknown) {
            let text = format!("could not determine data type of parameter ${}", place + 1);
            return Err(SqlError::new("42P18", text));
        }
        let columns = planned.as_ref().and_then(|(statement, plan)| plan.columns(self, statement));
        let catalog = self.catalog();
        let (version, search_path) = (catalog.objects.version, catalog.search_path);
        Ok(Prepared { statement: planned, given, parameters, columns, version, search_path })
    }

    fn bind(&mut self, bind: Bind, replies: &mut Replies) -> Result<(), SqlError> {
        let Bind { portal, statement, formats, values, results } = bind;
        let mut prepared = self.prepared(&statement)?;
        let given = values.len();
        let of_parameters = || format!("bind message has {} parameter formats but {given} parameters", formats.len());
        let formats = each(&formats, given, of_parameters)?;
        if given != prepared.parameters.len() {
            let needed = prepared.parameters.len();
            let text = format!(
                "bind message supplies {given} parameters, but prepared statement \"{statement}\" requires {needed}"
            );
            return Err(violation(text));
        }
        let ends = prepared.statement.as_ref().is_some_and(|(statement, _)| ends_transaction(statement));
        if matches!(self.block, Block::Failed) && !ends {
            return Err(aborted());
        }
        if !portal.is_empty() && self.portals.contains_key(&portal) {
            return Err(SqlError::new("42P03", format!("cursor \"{portal}\" already exists")));
        }
        let kinds = values.iter().zip(&formats).zip(&prepared.parameters);
        let values: Vec<_> =
            kinds.map(|((value, format), kind)| receive(value.as_ref(), *format, *kind)).collect::<Result<_, _>>()?;
        prepared = self.planned_anew(prepared, &statement)?;
        let columns = prepared.columns.as_ref().map_or(0, Vec::len);
        let of_results =
            || format!("bind message has {} result formats but query has {columns} columns", results.len());
        let formats = each(&results, columns, of_results)?;
        self.portals.insert(portal, Portal { prepared, values, formats, state: PortalState::Ready });
        replies.bound();
        Ok(())
    }

    /// The statement, planned again if the catalogue or the search path is not that of its plan.
    fn planned_anew(&mut self, prepared: Arc<Prepared>, name: &str) -> Result<Arc<Prepared>, SqlError> {
        let Some((statement, Plan::Query(_))) = &prepared.statement else { return Ok(prepared) };
        let catalog = self.catalog();
        if prepared.version == catalog.objects.version && prepared.search_path == catalog.search_path {
            return Ok(prepared);
        }
        let anew = self.prepare(Some(statement.clone()), prepared.given.clone())?;
        let shape = |prepared: &Prepared| {
            let columns = prepared.columns.as_ref()?;
            Some(columns.iter().map(|column| (column.name.clone(), column.kind, column.modifier)).collect::<Vec<_>>())
        };
        if shape(&anew) != shape(&prepared) || anew.parameters != prepared.parameters {
            return Err(SqlError::new("0A000", "cached plan must not change result type"));
        }
        let anew = Arc::new(anew);
        self.statements.insert(name.to_owned(), Arc::clone(&anew));
        Ok(anew)
    }

    fn prepared(&self, name: &str) -> Result<Arc<Prepared>, SqlError> {
        self.statements.get(name).cloned().ok_or_else(|| {
            let text = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            SqlError::new("26000", text)
        })
    }

    fn describe(&mut self, target: Target, replies: &mut Replies) -> Result<(), SqlError> {
        let is_failed = matches!(self.block, Block::Failed);
        let (prepared, formats) = match &target {
            Target::Statement(name) => {
                let prepared = self.prepared(name)?;
                let formats = vec![0; prepared.columns.as_ref().map_or(0, Vec::len)];
                (prepared, formats)
            }
            Target::Portal(name) => {
                let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
                (Arc::clone(&portal.prepared), portal.formats.clone())
            }
        };
        if is_failed && prepared.columns.is_some() {
            return Err(aborted());
        }
        if let Target::Statement(_) = target {
            let kinds: Vec<_> = prepared.parameters.iter().map(|kind| kind.oid()).collect();
            replies.parameter_description(&kinds);
        }
        match &prepared.columns {
            Some(columns) => replies.row_description(columns, &formats),
            None => replies.no_data(),
        }
        Ok(())
    }

    fn execute(&mut self, name: &str, limit: usize, replies: &mut Replies) -> Result<(), SqlError> {
        // It is put back unless it fails, which ends its transaction, or ends the transaction itself.
        let mut portal = self.portals.remove(name).ok_or_else(|| no_portal(name))?;
        let Some((statement, plan)) = &portal.prepared.statement else {
            replies.empty_query();
            self.portals.insert(name.to_owned(), portal);
            return Ok(());
        };
        let is_failed = matches!(self.block, Block::Failed);
        if is_failed && !ends_transaction(statement) {
            return Err(aborted());
        }
        if let PortalState::Ready = portal.state {
            let answer = self.run(statement, plan, &portal.values)?;
            let Answer { rows, tag, notices, reported } = answer;
            notices.iter().for_each(|(severity, notice)| replies.notice(*severity, notice));
            reported.iter().for_each(|(name, value)| replies.parameter(name, value));
            portal.state = PortalState::Run { rows: rows.into_iter(), tag };
        } else if portal.prepared.columns.is_none() {
            return Err(SqlError::new("55000", format!("portal \"{name}\" cannot be run")));
        }
        let PortalState::Run { rows, tag } = &mut portal.state else { return Ok(()) };
        let columns = portal.prepared.columns.as_deref().unwrap_or_default();
        let mut sent = 0;
        if portal.prepared.columns.is_some() {
            while sent < limit
                && let Some(row) = rows.next()
            {
                send_row(replies, &row, columns, &portal.formats)?;
                sent += 1;
            }
        }
        if sent == limit {
            replies.suspended();
        } else if tag.starts_with("SELECT ") {
            // Of several fetches, each counts its own rows.
            replies.complete(&format!("SELECT {sent}"));
        } else {
            replies.complete(tag);
        }
        // Portals do not outlive their transaction.
        if !matches!(plan, Plan::Transaction) {
            self.portals.insert(name.to_owned(), portal);
        }
        Ok(())
    }
}

fn no_portal(name: &str) -> SqlError {
    SqlError::new("34000", format!("portal \"{name}\" does not exist"))
}
