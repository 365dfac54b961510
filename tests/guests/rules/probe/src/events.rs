//! Publishes this many events and returns their ids.

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub(crate) struct Input {
    count: u32,
}

#[derive(Serialize)]
struct Counted {
    number: u32,
}

pub(crate) fn run(input: Input) -> tenet::Result<Vec<String>> {
    (0..input.count).map(|number| tenet::publish("probe", "Counted", &Counted { number })).collect()
}
