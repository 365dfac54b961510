//! A guest that does what the payload's member `do` says, including misbehaviour.
//!
//! Each behaviour is a file with one function `run` and its payload type. They are listed only in
//! the table below. Tests check the outputs, so an output contains only what they need.

mod after_error;
mod bad_json;
mod batch;
mod big_output;
mod bug;
mod cancel;
mod context;
mod dawdle;
mod dear;
mod events;
mod host_calls;
mod increment;
mod invalid;
mod log;
mod memory;
mod panic;
mod random;
mod recurse;
mod reject;
mod rows;
mod schedule;
mod spin;
mod sql;
mod state;
mod swallow;
mod three_reads;
mod values;
mod write_first;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tenet::Json;

type Behaviour = fn(Json) -> tenet::Result<Json>;

/// Every behaviour by its name in a payload, except `bad-json`.
const BEHAVIOURS: &[(&str, Behaviour)] = &[
    ("after-error", |payload| run(after_error::run, payload)),
    ("batch", |payload| run(batch::run, payload)),
    ("big-output", |payload| run(big_output::run, payload)),
    ("bug", |payload| run(bug::run, payload)),
    ("cancel", |payload| run(cancel::run, payload)),
    ("context", |payload| run(context::run, payload)),
    ("dawdle", |payload| run(dawdle::run, payload)),
    ("dear", |payload| run(dear::run, payload)),
    ("events", |payload| run(events::run, payload)),
    ("host-calls", |payload| run(host_calls::run, payload)),
    ("increment", |payload| run(increment::run, payload)),
    ("invalid", |payload| run(invalid::run, payload)),
    ("log", |payload| run(log::run, payload)),
    ("loop", |payload| run(spin::run, payload)),
    ("memory", |payload| run(memory::run, payload)),
    ("panic", |payload| run(panic::run, payload)),
    ("random", |payload| run(random::run, payload)),
    ("recurse", |payload| run(recurse::run, payload)),
    ("reject", |payload| run(reject::run, payload)),
    ("rows", |payload| run(rows::run, payload)),
    ("schedule", |payload| run(schedule::run, payload)),
    ("sql", |payload| run(sql::run, payload)),
    ("state", |payload| run(state::run, payload)),
    ("swallow", |payload| run(swallow::run, payload)),
    ("three-reads", |payload| run(three_reads::run, payload)),
    ("values", |payload| run(values::run, payload)),
    ("write-first", |payload| run(write_first::run, payload)),
];

#[derive(Deserialize)]
struct Which {
    r#do: String,
}

fn probe(payload: Json) -> tenet::Result<Json> {
    let Which { r#do: name } = read(&payload)?;
    match BEHAVIOURS.iter().find(|(known, _)| *known == name) {
        Some((_, behave)) => behave(payload),
        None => tenet::reject!("unknown-behaviour", "there is no behaviour {name:?}"),
    }
}

fn run<I: DeserializeOwned, O: Serialize>(behave: fn(I) -> tenet::Result<O>, payload: Json) -> tenet::Result<Json> {
    Json::of(&behave(read(&payload)?)?)
}

fn read<T: DeserializeOwned>(payload: &Json) -> tenet::Result<T> {
    payload.read().map_err(|error| tenet::reject("invalid-payload", error.to_string()))
}
