//! Schedules operations, and returns their ids and the id of the follow-up that the request is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenet::operations::{self, FollowUp};
use tenet::{Json, TimestampTz, params};

#[derive(Deserialize)]
pub(crate) struct Input {
    /// A counter that is written first.
    id: Option<i32>,
    then: Vec<Then>,
}

#[derive(Deserialize)]
pub(crate) struct Then {
    operation: String,
    payload: Json,
    after_ms: Option<u64>,
    at: Option<TimestampTz>,
    on_rejection: Option<Json>,
    on_failure: Option<Json>,
    label: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Output {
    scheduled: Vec<String>,
    current: Option<String>,
}

pub(crate) fn run(Input { id, then }: Input) -> tenet::Result<Output> {
    if let Some(id) = id {
        tenet::execute("UPDATE counters SET value = value + 1 WHERE id = $1", params![id])?;
    }
    let scheduled = then.into_iter().map(Then::schedule).collect::<tenet::Result<_>>()?;
    Ok(Output { scheduled, current: operations::current() })
}

impl Then {
    fn schedule(self) -> tenet::Result<String> {
        let Self { operation, payload, after_ms, at, on_rejection, on_failure, label } = self;
        let mut follow_up = FollowUp::new(operation.as_str(), &payload)?;
        if let Some(after_ms) = after_ms {
            follow_up = follow_up.after(Duration::from_millis(after_ms));
        }
        if let Some(at) = at {
            follow_up = follow_up.at(at);
        }
        if let Some(payload) = on_rejection {
            follow_up = follow_up.on_rejection(operation.as_str(), &payload)?;
        }
        if let Some(payload) = on_failure {
            follow_up = follow_up.on_failure(operation.as_str(), &payload)?;
        }
        if let Some(label) = label {
            follow_up = follow_up.label(label);
        }
        follow_up.schedule()
    }
}
