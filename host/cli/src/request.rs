//! A request on this machine: how long it may take, and what is said of it.

use std::time::Duration;

use tenet_capsule::{Capsule, FollowUp};
use tenet_core::moment_text;
use tenet_harness::Unmodelled;
use tenet_harness::testing::scheduled;
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

/// Lines about the operations that the request has scheduled for a later time than its own.
pub(crate) fn later(handled: &Handled, capsule: Option<&Capsule>) -> Vec<String> {
    let Some(capsule) = capsule else { return Vec::new() };
    let follow_ups = scheduled(handled, &capsule.attempts).iter();
    let later = follow_ups.filter(|follow_up| follow_up.due > capsule.request.now);
    let line = |follow_up: &FollowUp| {
        let label = follow_up.label.as_ref().map(|label| format!("  {label}")).unwrap_or_default();
        format!("later {}: due {}Z{label}", follow_up.call.operation, moment_text(follow_up.due))
    };
    later.map(line).collect()
}

/// One line about a statement of the request that the model of Aurora DSQL does not know, if there is one.
pub(crate) fn unmodelled(capsule: Option<&Capsule>) -> Option<String> {
    let unknown = Unmodelled::of(&capsule?.attempts)?;
    Some(format!("the model does not know {unknown}; without --dsql it runs on PostgreSQL"))
}
