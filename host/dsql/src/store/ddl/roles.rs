use sqlparser::ast::{
    CreateRole, GrantObjects, Grantee, GranteeName, GranteesType, Ident, ObjectName, Value, ValueWithSpan,
};

use crate::sql_error::SqlError;
use crate::store::catalog::Role;
use crate::store::ddl::Change;
use crate::store::ddl::names::{SYSTEM, folded, parts};

pub(crate) fn create(change: &mut Change<'_>, create: &CreateRole) -> Result<(), SqlError> {
    for name in &create.names {
        let (_, name) = parts(name)?;
        if change.objects.roles.contains_key(&name) {
            return Err(SqlError::new("42710", format!("role \"{name}\" already exists")));
        }
        let id = change.objects.new_oid();
        change.objects.roles.insert(name, Role { id, can_login: create.login == Some(true) });
        change.has_changed = true;
    }
    Ok(())
}

/// GRANT and REVOKE. The model asks for no rights, but the catalogue has a new version, as on DSQL.
pub(crate) fn grant(
    change: &mut Change<'_>,
    objects: Option<&GrantObjects>,
    grantees: &[Grantee],
) -> Result<(), SqlError> {
    if let Some(objects) = objects {
        check_objects(change, objects)?;
    }
    for grantee in grantees {
        match &grantee.name {
            Some(GranteeName::ObjectName(name)) => {
                let (_, name) = parts(name)?;
                if !change.objects.roles.contains_key(&name) && name != "public" {
                    return Err(SqlError::new("42704", format!("role \"{name}\" does not exist")));
                }
            }
            None if grantee.grantee_type == GranteesType::Public => {}
            _ => return Err(SqlError::unsupported(format!("the grantee {grantee}"))),
        }
    }
    change.has_changed = true;
    Ok(())
}

/// DSQL leaves the rights on system entities alone, and takes the schema `public` for one
/// (<https://github.com/aws-samples/aurora-dsql-samples/pull/1492>).
fn check_objects(change: &Change<'_>, objects: &GrantObjects) -> Result<(), SqlError> {
    let refused = || Err(SqlError::new("0A000", "feature not supported on system entity"));
    let is_of_system = |schema: &str| SYSTEM.contains(&schema);
    match objects {
        GrantObjects::Databases(_) => Err(SqlError::new("0A000", "unsupported object type in GRANT")),
        GrantObjects::Schemas(schemas) => schemas.iter().try_for_each(|schema| match parts(schema)?.1.as_str() {
            "public" => refused(),
            schema if is_of_system(schema) => refused(),
            schema if change.objects.schemas.contains_key(schema) => Ok(()),
            schema => Err(SqlError::new("3F000", format!("schema \"{schema}\" does not exist"))),
        }),
        GrantObjects::Tables(names) | GrantObjects::Sequences(names) => names.iter().try_for_each(|name| {
            let (schema, name) = parts(name)?;
            if schema.as_deref().is_some_and(is_of_system) {
                return refused();
            }
            let is_known = change.catalog.table(schema.as_deref(), &name).is_some()
                || change.catalog.sequence(schema.as_deref(), &name).is_some();
            let shown = schema.map_or(name.clone(), |schema| format!("{schema}.{name}"));
            if is_known { Ok(()) } else { Err(SqlError::new("42P01", format!("relation \"{shown}\" does not exist"))) }
        }),
        GrantObjects::AllTablesInSchema { schemas } | GrantObjects::AllSequencesInSchema { schemas } => {
            schemas.iter().try_for_each(|schema: &ObjectName| match parts(schema)?.1.as_str() {
                schema if is_of_system(schema) => refused(),
                schema if change.objects.schemas.contains_key(schema) => Ok(()),
                schema => Err(SqlError::new("3F000", format!("schema \"{schema}\" does not exist"))),
            })
        }
        other => Err(SqlError::unsupported(format!("GRANT ON {other}"))),
    }
}

/// AWS IAM GRANT and REVOKE: who may sign in as a role.
pub(crate) fn map(
    change: &mut Change<'_>,
    roles: &[Ident],
    arns: &[ValueWithSpan],
    is_grant: bool,
) -> Result<(), SqlError> {
    for role in roles {
        let role = folded(role);
        if !change.objects.roles.contains_key(&role) {
            return Err(SqlError::new("42704", format!("role \"{role}\" does not exist")));
        }
        for arn in arns {
            let Value::SingleQuotedString(arn) = &arn.value else {
                return Err(SqlError::unsupported(format!("the ARN {arn}")));
            };
            let mapping = (role.clone(), arn.clone());
            if is_grant {
                let id = change.objects.new_oid();
                change.objects.iam_mappings.entry(mapping).or_insert(id);
            } else {
                change.objects.iam_mappings.remove(&mapping);
            }
        }
    }
    change.has_changed = true;
    Ok(())
}
