//! The results of tests for a program.

use serde_json::json;
use tenet_harness::TestOutcome;
use tenet_harness::testing::{Again, Explored, Ground};

use super::failures::failures;

/// One line of JSON for a program.
pub(crate) fn outcome(of: &TestOutcome) -> String {
    json!({
        "name": of.name,
        "passed": of.has_passed(),
        "micros": u64::try_from(of.took.as_micros()).unwrap_or(u64::MAX),
        "failures": failures(of),
        "notes": of.notes(),
        "schedule": of.schedule.as_ref().map(ToString::to_string),
        "explored": of.explored.iter().map(|(step, explored)| orders(*step, explored)).collect::<Vec<_>>(),
    })
    .to_string()
}

/// What was found of requests at once.
fn orders(step: usize, explored: &Explored) -> serde_json::Value {
    let (on, unknown) = match &explored.ground {
        Ground::Model => ("model", None),
        Ground::Postgres(unmodelled) => ("postgres", unmodelled.as_ref()),
    };
    let again = explored.again.iter().map(|Again { orders, most }| json!({ "orders": orders, "most": most }));
    json!({
        "step": step,
        "on": on,
        "orders": explored.run,
        "with_conflict": explored.with_conflict,
        "ended_at_a_lock": explored.pruned,
        "are_all": !explored.is_cut,
        "again": again.collect::<Vec<_>>(),
        "unknown": unknown.map(|unknown| json!({ "statement": unknown.statement, "message": unknown.message })),
    })
}
