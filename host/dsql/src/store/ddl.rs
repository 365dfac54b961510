//! Changes of the catalogue.

mod alter_table;
mod create_index;
mod create_sequence;
mod create_table;
mod drop_objects;
mod foreign_keys;
mod names;
mod roles;
mod schemas;

use sqlparser::ast::Statement;

pub(crate) use names::{columns_of, parts};

use crate::sql_error::SqlError;
use crate::store::catalog::{Catalog, Objects};
use crate::store::job::Work;

/// A change of the catalogue, while a statement makes it.
pub(crate) struct Change<'c> {
    /// The catalogue before, for its names.
    pub(crate) catalog: &'c Catalog,
    /// The catalogue after it.
    pub(crate) objects: Objects,
    pub(crate) has_changed: bool,
    /// Notices to the client in addition to the result.
    pub(crate) notices: Vec<SqlError>,
    /// What is to be done in the background to the table with this OID.
    pub(crate) job: Option<(u32, Work)>,
}

impl Change<'_> {
    fn notice(&mut self, sqlstate: &'static str, text: String) {
        self.notices.push(SqlError::new(sqlstate, text));
    }
}

/// Makes the change that a statement asks for.
pub(crate) fn apply(change: &mut Change<'_>, statement: &Statement) -> Result<(), SqlError> {
    match statement {
        Statement::CreateSchema { schema_name, if_not_exists, .. } => {
            schemas::create(change, schema_name, *if_not_exists)
        }
        Statement::CreateTable(create) => create_table::create(change, create),
        Statement::CreateIndex(create) => create_index::create(change, create),
        Statement::AlterTable(alter) => alter_table::alter(change, alter),
        Statement::CreateSequence {
            temporary: false,
            if_not_exists,
            name,
            data_type,
            sequence_options,
            owned_by: None,
        } => create_sequence::create(change, name, *if_not_exists, data_type.as_ref(), sequence_options),
        Statement::CreateRole(create) => roles::create(change, create),
        Statement::Drop { object_type, if_exists, names, cascade, .. } => {
            drop_objects::drop(change, *object_type, *if_exists, names, *cascade)
        }
        Statement::Grant(grant) => roles::grant(change, grant.objects.as_ref(), &grant.grantees),
        Statement::Revoke(revoke) => roles::grant(change, revoke.objects.as_ref(), &revoke.grantees),
        Statement::AwsIamGrant { roles, arns } => roles::map(change, roles, arns, true),
        Statement::AwsIamRevoke { roles, arns } => roles::map(change, roles, arns, false),
        other => Err(SqlError::unsupported(other)),
    }
}
