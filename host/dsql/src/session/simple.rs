use crate::session::answer::Answer;
use crate::session::block::Block;
use crate::session::failure::Severity;
use crate::session::failure::aborted;
use crate::session::prepared::Plan;
use crate::session::replies::Replies;
use crate::session::result_format::send_row;
use crate::session::state::Session;
use crate::session::statement::ends_transaction;
use crate::session::syntax::{self, Parsed};
use crate::sql_error::SqlError;

impl Session {
    /// A text with any number of statements, which are one transaction unless they say otherwise.
    pub(crate) fn simple(&mut self, sql: &str, replies: &mut Replies) {
        self.statements.remove("");
        self.portals.remove("");
        if let Err(error) = self.simple_statements(sql, replies) {
            self.fail();
            replies.error(Severity::Error, &error);
        }
        replies.ready(self.readiness());
    }

    fn simple_statements(&mut self, sql: &str, replies: &mut Replies) -> Result<(), SqlError> {
        let statements = syntax::parse(sql)?;
        if statements.is_empty() {
            replies.empty_query();
        }
        let count = statements.len();
        for (place, statement) in statements.into_iter().enumerate() {
            let answer = self.simple_statement(statement, replies)?;
            // An implicit transaction ends with the text. Its last statement is complete
            // only then.
            if place + 1 == count && matches!(&self.block, Block::Open(open) if !open.is_explicit) {
                self.commit()?;
            }
            answer.reported.iter().for_each(|(name, value)| replies.parameter(name, value));
            replies.complete(&answer.tag);
        }
        Ok(())
    }

    fn simple_statement(&mut self, statement: Parsed, replies: &mut Replies) -> Result<Answer, SqlError> {
        let is_failed = matches!(self.block, Block::Failed);
        let statement = match statement {
            Ok(statement) if !is_failed || ends_transaction(&statement) => statement,
            Err(refusal) if !is_failed => return Err(refusal),
            _ => return Err(aborted()),
        };
        let plan = Plan::of(self, &statement, &[])?;
        // Nothing is bound to a text.
        if !plan.parameters().is_empty() {
            return Err(SqlError::new("42P02", "there is no parameter $1"));
        }
        let columns = plan.columns(self, &statement);
        let answer = self.run(&statement, &plan, &[])?;
        for (severity, notice) in &answer.notices {
            replies.notice(*severity, notice);
        }
        if let Some(columns) = columns {
            let formats = vec![0; columns.len()];
            replies.row_description(&columns, &formats);
            for row in &answer.rows {
                send_row(replies, row, &columns, &formats)?;
            }
        }
        Ok(answer)
    }
}
