//! A request on this machine: how long it may take, and what is said of it.

use std::time::Duration;

use tenet_capsule::Capsule;
use tenet_harness::Unmodelled;
use tenet_pipeline::{Handled, Status};

/// How long a request on a laptop may take.
pub(crate) const TIME: Duration = Duration::from_secs(30);

/// One line: what became of the request and what it cost.
pub(crate) fn summary(handled: &Handled) -> String {
    let (answer, receipt) = (&handled.answer, &handled.receipt);
    let word = match answer.status {
        Status::Accepted => "accepted",
        Status::Rejected => "rejected",
        Status::Invalid => "invalid",
        Status::Forbidden => "forbidden",
        Status::KeyReused => "key reused",
        Status::Failed => "failed",
        Status::Unavailable => "unavailable",
    };
    let stored = if answer.repeated { ", stored answer" } else { "" };
    let count = |number: u32, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let mut line = format!(
        "{word} ({}){stored} in {:.1} ms: {}, {}",
        answer.status.code(),
        receipt.elapsed.as_secs_f64() * 1e3,
        count(receipt.attempts, "attempt"),
        count(receipt.round_trips, "round trip"),
    );
    if let Some(key) = answer.key.as_ref().filter(|_| answer.key_is_given) {
        line.push_str(&format!("; key {}", key.as_str()));
    }
    line
}

/// One line about a statement of the request that the model of Aurora DSQL does not know, if there is one.
pub(crate) fn unmodelled(capsule: Option<&Capsule>) -> Option<String> {
    let unknown = Unmodelled::of(&capsule?.attempts)?;
    Some(format!("the model does not know {unknown}; without --dsql it runs on PostgreSQL"))
}
