use sqlparser::ast::SchemaName;

use crate::sql_error::SqlError;
use crate::store::catalog::Schema;
use crate::store::ddl::Change;
use crate::store::ddl::names::{SYSTEM, folded, parts};

/// The most schemas of a database.
const MOST: usize = 10;

pub(crate) fn create(change: &mut Change<'_>, name: &SchemaName, if_not_exists: bool) -> Result<(), SqlError> {
    let (name, owner) = match name {
        SchemaName::Simple(name) => (parts(name)?.1, change.catalog.user.to_string()),
        SchemaName::UnnamedAuthorization(owner) => (folded(owner), folded(owner)),
        SchemaName::NamedAuthorization(name, owner) => (parts(name)?.1, folded(owner)),
    };
    if name.starts_with("pg_") {
        let error = SqlError::new("42939", format!("unacceptable schema name \"{name}\""));
        return Err(error.with_detail("The prefix \"pg_\" is reserved for system schemas."));
    }
    if !change.objects.roles.contains_key(&owner) {
        return Err(SqlError::new("42704", format!("role \"{owner}\" does not exist")));
    }
    if change.objects.schemas.contains_key(&name) {
        if if_not_exists {
            change.notice("42P06", format!("schema \"{name}\" already exists, skipping"));
            return Ok(());
        }
        return Err(SqlError::new("42P06", format!("schema \"{name}\" already exists")));
    }
    let count = change.objects.schemas.keys().filter(|name| !SYSTEM.contains(&name.as_str())).count();
    if count >= MOST {
        return Err(SqlError::new("54000", format!("more than {MOST} schemas not allowed")));
    }
    let id = change.objects.new_oid();
    change.objects.schemas.insert(name, Schema { id, owner });
    change.has_changed = true;
    Ok(())
}
