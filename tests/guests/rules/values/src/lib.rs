//! Stores a value of any type, copies one and computes with decimals: the subject of the test cases
//! in `tests/languages` for rules in every language.

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tenet::operations::{self, FollowUp};
use tenet::{
    Date, Decimal, Interval, Json, NoInput, Time, Timestamp, TimestampTz, ToValue, Uuid, Value, params, reject,
};

#[derive(Deserialize, JsonSchema)]
struct Input {
    id: String,
    /// `write`, `copy`, `none`, `divide`, `lose`, `schedule`, `cancel`, `current` or a computation.
    r#do: String,
    #[serde(default)]
    r#type: String,
    value: Option<Json>,
    one: Option<Decimal>,
    other: Option<Decimal>,
    #[serde(default)]
    precision: usize,
    #[serde(default)]
    scale: usize,
}

#[tenet::rule]
fn values(input: Input) -> tenet::Result<Option<String>> {
    match input.r#do.as_str() {
        "write" => {
            let json = input.value.unwrap_or(Json::of(&())?);
            write(&input.id, &input.r#type, parameter(&input.r#type, &json)?).map(Some)
        }
        "copy" => {
            let value = stored(&input.id, &input.r#type)?;
            write(&format!("{}-copy", input.id), &input.r#type, value).map(Some)
        }
        "none" => {
            let none = none(&input.r#type)?;
            if input.r#type != "json" {
                let sql = format!("INSERT INTO held (id, of_{}) VALUES ($1, $2)", input.r#type);
                tenet::execute(&sql, params![input.id, none])?;
            }
            tenet::query_one("SELECT jsonb_build_object('is', $1)::text", params![none]).map(Some)
        }
        "divide" => tenet::query_one("SELECT (1 / $1::bigint)::text", params![0_i64]).map(Some),
        "lose" => {
            let lost: tenet::Result<NoInput> = tenet::query_one("SELECT $1", params!["\0"]);
            Ok(lost.err().map(|error| error.to_string()))
        }
        "schedule" => schedule(&input).map(Some),
        "cancel" => {
            let cancelled = operations::cancel(&input.id.replace("cancel ", ""))?;
            Ok(Some(cancelled.to_string()))
        }
        "current" => {
            let current = operations::current().unwrap_or_else(|| "none".to_owned());
            write(&input.id, "text", current.to_value()).map(Some)
        }
        what => compute(
            what,
            &input.one.unwrap_or_default(),
            &input.other.unwrap_or_default(),
            (input.precision, input.scale),
        )
        .map(Some),
    }
}

/// Schedules this operation in each of the ways that there are, and returns the ids.
fn schedule(input: &Input) -> tenet::Result<String> {
    #[derive(Serialize)]
    struct Next<'a> {
        id: String,
        r#do: &'a str,
        value: &'a Option<Json>,
    }
    let next = |name: &str| Next { id: format!("{}-{name}", input.id), r#do: "current", value: &input.value };
    let operation = tenet::context::operation();
    let ids = [
        operations::at_once(operation.as_str(), &next("once"))?,
        FollowUp::new(operation.as_str(), &next("after"))?
            .after(Duration::from_millis(1_500))
            .on_rejection(operation.as_str(), &next("rejected"))?
            .on_failure(operation.as_str(), &next("failed"))?
            .label("one \u{e4}")
            .schedule()?,
        operations::at("2026-01-31T13:00:00.5Z".parse()?, operation.as_str(), &next("at"))?,
    ];
    Ok(ids.join(" "))
}

/// Stores a value, and returns the text of the stored one.
fn write(id: &str, kind: &str, value: Value) -> tenet::Result<String> {
    if kind == "jsonb" {
        return tenet::query_one("SELECT ($1::jsonb)::text", params![value]);
    }
    let sql = format!("INSERT INTO held (id, of_{kind}) VALUES ($1, $2) RETURNING of_{kind}::text");
    tenet::query_one(&sql, params![id, value])
}

/// A JSON value as a parameter of a type.
fn parameter(kind: &str, json: &Json) -> tenet::Result<Value> {
    fn read<T: DeserializeOwned>(json: &Json) -> tenet::Result<T> {
        json.read().map_err(|error| tenet::reject("no-value", error.to_string()))
    }
    fn of<T: DeserializeOwned + ToValue>(json: &Json) -> tenet::Result<Value> {
        Ok(read::<T>(json)?.to_value())
    }
    match kind {
        "boolean" => of::<bool>(json),
        "int2" => of::<i16>(json),
        "int4" => of::<i32>(json),
        "int8" => of::<i64>(json),
        "float8" => of::<f64>(json),
        "numeric" => of::<Decimal>(json),
        "text" => of::<String>(json),
        "uuid" => of::<Uuid>(json),
        "interval" => of::<Interval>(json),
        "date" => read(json).map(|days| Date::from_days(days).to_value()),
        "time" => read(json).map(|micros| Time::from_micros(micros).to_value()),
        "timestamp" => read(json).map(|micros| Timestamp::from_micros(micros).to_value()),
        "timestamptz" => read(json).map(|micros| TimestampTz::from_micros(micros).to_value()),
        "jsonb" => Ok(json.to_value()),
        other => reject!("no-type", "there is no type {other}"),
    }
}

/// NULL of a type, as an `Option` of the Rust type makes it.
fn none(kind: &str) -> tenet::Result<Value> {
    fn of<T: ToValue>() -> Value {
        None::<T>.to_value()
    }
    Ok(match kind {
        "boolean" => of::<bool>(),
        "int2" => of::<i16>(),
        "int4" => of::<i32>(),
        "int8" => of::<i64>(),
        "float8" => of::<f64>(),
        "numeric" => of::<Decimal>(),
        "text" => of::<String>(),
        "bytea" => of::<Vec<u8>>(),
        "uuid" => of::<Uuid>(),
        "date" => of::<Date>(),
        "time" => of::<Time>(),
        "timestamp" => of::<Timestamp>(),
        "timestamptz" => of::<TimestampTz>(),
        "interval" => of::<Interval>(),
        "json" => of::<Json>(),
        other => reject!("no-type", "there is no type {other}"),
    })
}

/// The value in a row, as a parameter.
fn stored(id: &str, kind: &str) -> tenet::Result<Value> {
    fn of<T: DeserializeOwned + ToValue>(id: &str, kind: &str) -> tenet::Result<Value> {
        let sql = format!("SELECT of_{kind} FROM held WHERE id = $1");
        Ok(tenet::query_one::<T>(&sql, params![id])?.to_value())
    }
    match kind {
        "boolean" => of::<bool>(id, kind),
        "int2" => of::<i16>(id, kind),
        "int4" => of::<i32>(id, kind),
        "int8" => of::<i64>(id, kind),
        "float8" => of::<f64>(id, kind),
        "numeric" => of::<Decimal>(id, kind),
        "text" => of::<String>(id, kind),
        "bytea" => of::<Vec<u8>>(id, kind),
        "uuid" => of::<Uuid>(id, kind),
        "date" => of::<Date>(id, kind),
        "time" => of::<Time>(id, kind),
        "timestamp" => of::<Timestamp>(id, kind),
        "timestamptz" => of::<TimestampTz>(id, kind),
        "interval" => of::<Interval>(id, kind),
        other => reject!("no-type", "there is no type {other}"),
    }
}

/// Computes with two decimals.
fn compute(what: &str, one: &Decimal, other: &Decimal, (precision, scale): (usize, usize)) -> tenet::Result<String> {
    Ok(match what {
        "plus" => one.try_add(other)?.to_string(),
        "minus" => one.try_sub(other)?.to_string(),
        "times" => one.try_mul(other)?.to_string(),
        "negated" => (-one.clone()).to_string(),
        "compare" => (one.cmp(other) as i8).to_string(),
        "fits" => one.fits(precision, scale).is_ok().to_string(),
        other => reject!("no-computation", "there is no computation {other}"),
    })
}
