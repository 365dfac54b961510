use crate::store::catalog::Objects;
use crate::store::system::{Columns, text};
use crate::values::kind::Kind;
use crate::values::value::Value;

pub(super) const ROLES: Columns = &[
    ("rolname", Kind::Name),
    ("rolsuper", Kind::Bool),
    ("rolinherit", Kind::Bool),
    ("rolcreaterole", Kind::Bool),
    ("rolcreatedb", Kind::Bool),
    ("rolcanlogin", Kind::Bool),
    ("rolreplication", Kind::Bool),
    ("rolconnlimit", Kind::Int4),
    ("rolbypassrls", Kind::Bool),
    ("oid", Kind::Oid),
];

pub(super) const MAPPINGS: Columns = &[
    ("iam_oid", Kind::Oid),
    ("arn", Kind::Text),
    ("pg_role_oid", Kind::Oid),
    ("pg_role_name", Kind::Name),
    ("grantor_pg_role_oid", Kind::Oid),
    ("grantor_pg_role_name", Kind::Name),
];

pub(super) fn roles(objects: &Objects) -> Vec<Vec<Value>> {
    let row = |(name, role): (&String, &crate::store::catalog::Role)| {
        let is_admin = name == "admin";
        vec![
            text(name),
            Value::Bool(name == "postgres"),
            Value::Bool(true),
            Value::Bool(is_admin),
            Value::Bool(false),
            Value::Bool(role.can_login),
            Value::Bool(false),
            Value::Int4(-1),
            Value::Bool(false),
            Value::Oid(role.id),
        ]
    };
    objects.roles.iter().map(row).collect()
}

/// Only the role `admin` grants.
pub(super) fn mappings(objects: &Objects) -> Vec<Vec<Value>> {
    let row = |((role, arn), id): (&(String, String), &u32)| {
        let (admin, admin_id) = (text("admin"), objects.role_id("admin"));
        vec![Value::Oid(*id), text(arn), objects.role_id(role), text(role), admin_id, admin]
    };
    objects.iam_mappings.iter().map(row).collect()
}
