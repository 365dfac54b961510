use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// The input of a rule that needs none. The payload is an object, whose members are ignored; another one, as `17`, does not
/// fit where an operation that follows is scheduled.
///
/// ```
/// use tenet::NoInput;
///
/// #[tenet::rule]
/// fn count_accounts(_: NoInput) -> tenet::Result<i64> {
///     tenet::query_one("SELECT count(*) FROM accounts", tenet::params![])
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoInput;

impl<'de> Deserialize<'de> for NoInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for NoInput {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NoInput".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}
