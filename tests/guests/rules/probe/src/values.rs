//! Sends a value and a NULL of every type, and returns the results as text.

use std::fmt::Display;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tenet::{Date, Decimal, Interval, Json, Time, Timestamp, TimestampTz, Uuid, Value, params};

const SELECT: &str = "SELECT $1::boolean AS boolean, $2::smallint AS int2, $3::integer AS int4, $4::bigint AS int8, \
     $5::double precision AS float8, $6::numeric AS numeric, $7::text AS text, $8::bytea AS bytea, $9::uuid AS uuid, \
     $10::date AS date, $11::time AS time, $12::timestamp AS timestamp, $13::timestamptz AS timestamptz, \
     $14::interval AS interval, $15::jsonb AS json";

#[derive(Deserialize)]
struct Row {
    boolean: Option<bool>,
    int2: Option<i16>,
    int4: Option<i32>,
    int8: Option<i64>,
    float8: Option<f64>,
    numeric: Option<Decimal>,
    text: Option<String>,
    bytea: Option<Vec<u8>>,
    uuid: Option<Uuid>,
    date: Option<Date>,
    time: Option<Time>,
    timestamp: Option<Timestamp>,
    timestamptz: Option<TimestampTz>,
    interval: Option<Interval>,
    json: Option<Json>,
}

#[derive(Serialize)]
pub(crate) struct Output {
    sent: Texts,
    nulls: Texts,
}

#[derive(Serialize)]
struct Texts {
    boolean: Option<String>,
    int2: Option<String>,
    int4: Option<String>,
    int8: Option<String>,
    float8: Option<String>,
    numeric: Option<String>,
    text: Option<String>,
    bytea: Option<String>,
    uuid: Option<String>,
    date: Option<String>,
    time: Option<String>,
    timestamp: Option<String>,
    timestamptz: Option<String>,
    interval: Option<String>,
    json: Option<String>,
}

impl From<Row> for Texts {
    fn from(row: Row) -> Self {
        fn text<T: Display>(value: Option<T>) -> Option<String> {
            value.map(|value| value.to_string())
        }
        Self {
            boolean: text(row.boolean),
            int2: text(row.int2),
            int4: text(row.int4),
            int8: text(row.int8),
            float8: text(row.float8),
            numeric: text(row.numeric),
            text: row.text,
            bytea: row.bytea.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
            uuid: text(row.uuid),
            date: text(row.date),
            time: text(row.time),
            timestamp: text(row.timestamp),
            timestamptz: text(row.timestamptz),
            interval: row.interval.map(|span| format!("{} {} {}", span.months, span.days, span.microseconds)),
            json: text(row.json),
        }
    }
}

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<Output> {
    let bytes: &[u8] = &[0x00, 0xff, 0x10];
    let sent = tenet::query_one::<Row>(
        SELECT,
        params![
            true,
            i16::MIN,
            i32::MIN,
            i64::MIN,
            -0.125,
            "-12345678901234567890.1234567890".parse::<Decimal>()?,
            "Grüße, \u{1F980}",
            bytes,
            "0f5d8c1a-02b3-4c4d-9e5f-00a1b2c3d4e5".parse::<Uuid>()?,
            "2024-02-29".parse::<Date>()?,
            "23:59:59.999999".parse::<Time>()?,
            "1969-12-31T23:59:59.999999".parse::<Timestamp>()?,
            "2026-01-31T23:59:59+01:00".parse::<TimestampTz>()?,
            Interval { months: 14, days: -3, microseconds: 1_500_000 },
            Json::of(&[1, 2])?,
        ],
    )?;
    let nulls = tenet::query_one::<Row>(SELECT, &[const { Value::Null(None) }; 15])?;
    Ok(Output { sent: sent.into(), nulls: nulls.into() })
}
