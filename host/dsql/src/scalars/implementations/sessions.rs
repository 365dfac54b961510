//! What the session knows, and random values.

use crate::scalars::Call;
use crate::scalars::implementations::text;
use crate::values::value::Value;

/// Aurora DSQL has one database, of this name.
const DATABASE: &str = "postgres";

/// As Aurora DSQL answers.
const VERSION: &str = "PostgreSQL 16";

pub(super) fn find(source: &str) -> Option<Call> {
    Some(Call::Moment(match source {
        "pgsql_version" => |_, _| Ok(text(VERSION)),
        "current_database" => |_, _| Ok(text(DATABASE)),
        "current_user" | "session_user" => |moment, _| Ok(Value::Text(moment.user.clone())),
        "current_schema" => |moment, _| Ok(moment.schema.clone().map_or(Value::Null, Value::Text)),
        "drandom" => |moment, _| Ok(Value::Float8(moment.random.borrow_mut().f64())),
        "gen_random_uuid" => |moment, _| {
            let mut bytes = moment.random.borrow_mut().u128(..).to_be_bytes();
            // Version 4, variant 1 (RFC 9562).
            let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
            *version = (*version & 0x0f) | 0x40;
            *variant = (*variant & 0x3f) | 0x80;
            Ok(Value::Uuid(bytes))
        },
        _ => return None,
    }))
}
