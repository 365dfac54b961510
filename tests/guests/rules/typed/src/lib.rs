//! Returns a payload with every type of a rule's input: the types and their schemas have to accept
//! the same values.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::{Date, Decimal, Interval, Json, Time, Timestamp, TimestampTz, Uuid};

#[derive(Deserialize, Serialize, JsonSchema)]
struct Payload {
    #[serde(flatten)]
    integers: Integers,
    float: Option<f64>,
    yes: Option<bool>,
    text: Option<String>,
    letter: Option<char>,
    list: Option<Vec<i32>>,
    pair: Option<(u8, String)>,
    by_name: Option<BTreeMap<String, u8>>,
    kind: Option<Kind>,
    shape: Option<Shape>,
    strict: Option<Strict>,
    decimal: Option<Decimal>,
    uuid: Option<Uuid>,
    date: Option<Date>,
    time: Option<Time>,
    timestamp: Option<Timestamp>,
    moment: Option<TimestampTz>,
    interval: Option<Interval>,
    anything: Option<Json>,
}

/// The integer types of columns. They are deserialized as part of a row.
#[derive(Deserialize, Serialize, JsonSchema)]
struct Integers {
    int2: Option<i16>,
    int4: Option<i32>,
    int8: Option<i64>,
    byte: Option<u8>,
    unsigned: Option<u64>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Large,
    VerySmall,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(tag = "is")]
enum Shape {
    Circle { radius: f64 },
    Square { side: u32 },
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Strict {
    one: u8,
    #[serde(default)]
    two: u8,
}

#[tenet::rule]
fn typed(payload: Payload) -> tenet::Result<Payload> {
    Ok(payload)
}
