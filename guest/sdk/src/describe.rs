//! A rule's input and output as JSON Schema: the answer to the contract's `describe`.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::signature::Returned;
use crate::{Date, Decimal, Input, Interval, Json, Time, Timestamp, TimestampTz, Uuid};

/// The schemas of a rule's input and output.
///
/// A deployed component does not contain them: `tenet build` builds another component with the
/// feature `describe`, calls it, and discards it. The code that generates the schemas is several
/// times as large as a small rule.
pub(crate) fn describe<I: Input, R: Returned>() -> String {
    if cfg!(all(target_arch = "wasm32", not(feature = "describe"))) {
        return "{}".to_owned();
    }
    let settings = || SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None);
    let input = settings().for_deserialize().into_generator().into_root_schema_for::<I>();
    let output = settings().for_serialize().into_generator().into_root_schema_for::<R::Output>();
    json!({ "input": input, "output": output }).to_string()
}

macro_rules! schemas {
    ($($type:ident: $schema:tt;)+) => {
        $(impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })+
    };
}

schemas! {
    Decimal: { "type": "number" };
    Uuid: { "type": "string", "format": "uuid" };
    Date: { "type": "string", "format": "date" };
    // RFC 3339 does not define these two without a zone.
    Time: { "type": "string", "description": "A time of day: 23:59:59.999999" };
    Timestamp: { "type": "string", "description": "A date and a time without a zone: 2026-01-31T23:59:59.999999" };
    TimestampTz: { "type": "string", "format": "date-time" };
    Json: {};
    Interval: {
        "type": "object",
        "properties": {
            "months": { "type": "integer", "format": "int32" },
            "days": { "type": "integer", "format": "int32" },
            "microseconds": { "type": "integer", "format": "int64" },
        },
        "additionalProperties": false,
    };
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::Value;

    use super::*;
    use crate::NoInput;

    /// Who pays whom.
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    struct Payment {
        /// In euros.
        amount: Decimal,
        payer: Option<Uuid>,
        lines: Vec<Line>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    struct Line {
        at: TimestampTz,
    }

    #[derive(Serialize, JsonSchema)]
    struct Output {
        total: Decimal,
    }

    fn described<I: Input, R: Returned>(_: fn(I) -> R) -> Value {
        serde_json::from_str(&describe::<I, R>()).unwrap()
    }

    #[test]
    fn the_types_of_a_rule_become_schemas_with_their_docs() {
        let rule = |input: Payment| Ok(Output { total: input.amount });
        let described = described(rule);
        assert_eq!(
            described["input"],
            json!({
                "title": "Payment",
                "description": "Who pays whom.",
                "type": "object",
                "properties": {
                    "amount": { "description": "In euros.", "type": "number" },
                    "payer": { "type": ["string", "null"], "format": "uuid" },
                    "lines": { "type": "array", "items": { "$ref": "#/$defs/Line" } },
                },
                "required": ["amount", "lines"],
                "$defs": {
                    "Line": {
                        "type": "object",
                        "properties": { "at": { "type": "string", "format": "date-time" } },
                        "required": ["at"],
                    },
                },
            })
        );
        assert_eq!(described["output"]["properties"], json!({ "total": { "type": "number" } }));
    }

    #[test]
    fn a_rule_without_input_takes_any_object() {
        let described = described(|_: NoInput| Json::of(&1));
        assert_eq!(described["input"]["type"], "object");
        assert_eq!(described["output"].get("type"), None);
    }
}
