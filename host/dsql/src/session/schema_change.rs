use sqlparser::ast::{ObjectType, Statement};

use crate::session::answer::Answer;
use crate::session::failure::Severity;
use crate::sql_error::SqlError;
use crate::store::transaction::Transaction;
use crate::values::value::Value;

/// Whether a statement changes the catalogue.
pub(crate) fn is_one(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::CreateSchema { .. }
            | Statement::CreateTable(_)
            | Statement::CreateIndex(_)
            | Statement::AlterTable(_)
            | Statement::CreateSequence { .. }
            | Statement::CreateRole(_)
            | Statement::Drop { .. }
            | Statement::Grant(_)
            | Statement::Revoke(_)
            | Statement::AwsIamGrant { .. }
            | Statement::AwsIamRevoke { .. }
    )
}

/// Whether its result is a row with the id of a job.
pub(crate) fn gives_job(statement: &Statement) -> bool {
    match statement {
        Statement::CreateIndex(create) => create.r#async,
        Statement::AlterTable(alter) => alter.r#async,
        _ => false,
    }
}

/// The tag of its completion.
pub(crate) fn tag(statement: &Statement) -> String {
    match statement {
        Statement::CreateSchema { .. } => "CREATE SCHEMA",
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::CreateIndex(_) => "CREATE INDEX",
        Statement::AlterTable(_) => "ALTER TABLE",
        Statement::CreateSequence { .. } => "CREATE SEQUENCE",
        Statement::CreateRole(_) => "CREATE ROLE",
        Statement::Drop { object_type: ObjectType::Table, .. } => "DROP TABLE",
        Statement::Drop { object_type: ObjectType::Index, .. } => "DROP INDEX",
        Statement::Drop { object_type: ObjectType::Sequence, .. } => "DROP SEQUENCE",
        Statement::Drop { object_type: ObjectType::Schema, .. } => "DROP SCHEMA",
        Statement::Drop { object_type: ObjectType::Role, .. } => "DROP ROLE",
        Statement::Grant(_) => "GRANT",
        Statement::Revoke(_) => "REVOKE",
        Statement::AwsIamGrant { .. } => "AWS IAM GRANT",
        Statement::AwsIamRevoke { .. } => "AWS IAM REVOKE",
        _ => "DDL",
    }
    .to_owned()
}

pub(crate) fn run(
    transaction: &mut Transaction,
    statement: &Statement,
    random: &mut fastrand::Rng,
) -> Result<Answer, SqlError> {
    let (notices, job) = transaction.change_schema(statement, random)?;
    let notices = notices.into_iter().map(|notice| (Severity::Notice, notice));
    let rows = job.map(|id| vec![Value::Text(id.into())]).into_iter().collect();
    Ok(Answer { rows, tag: tag(statement), notices: notices.collect(), ..Answer::default() })
}
