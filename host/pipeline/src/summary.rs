use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tenet_core::{Fault, FollowUpCounts, IdempotencyKey, LimitExceeded, MetricSet, Receipt, Request, Trace, hex};
use tracing::Span;
use tracing::field::Empty;

use crate::{Answer, Relayed, Status};

/// The metrics of all log lines of this crate.
pub const METRICS: [MetricSet; 4] = [REQUEST, RELAY, FOLLOW_UPS, RULE];

/// The metrics of a request's line.
const REQUEST: MetricSet = MetricSet {
    name: "request",
    dimensions: &[&["operation", "region"], &["region"]],
    metrics: &[
        ("Requests", "Count"),
        ("Rejections", "Count"),
        ("Failures", "Count"),
        ("Unavailable", "Count"),
        ("Conflicts", "Count"),
        ("SchemaConflicts", "Count"),
        ("UnknownCommits", "Count"),
        ("ColdStarts", "Count"),
        ("EventsPublished", "Count"),
        ("EventsLeft", "Count"),
        ("EventsParked", "Count"),
        ("EventsUnknown", "Count"),
        ("FollowUpsScheduled", "Count"),
        ("Duration", "Microseconds"),
        ("DatabaseTime", "Microseconds"),
    ],
    optional: Some("EventsLeft"),
};

/// The metrics of a relay's line. CloudWatch separates regions itself.
const RELAY: MetricSet = MetricSet {
    name: "relay",
    dimensions: &[&[]],
    metrics: &[
        ("EventsRelayed", "Count"),
        ("EventsWaiting", "Count"),
        ("EventsParked", "Count"),
        ("EventsParkedNow", "Count"),
        ("KeysExpired", "Count"),
        ("Lag", "Seconds"),
        ("FollowUpsEnded", "Count"),
        ("FollowUpsRejected", "Count"),
        ("FollowUpsFailed", "Count"),
        ("FollowUpsGivenUp", "Count"),
    ],
    optional: None,
};

/// The metrics of the line that counts the follow-ups. A relay that could not count them writes none, so that no
/// alarm sees a number that is not theirs.
const FOLLOW_UPS: MetricSet = MetricSet {
    name: "follow-ups",
    dimensions: &[&[]],
    metrics: &[("FollowUpsDue", "Count"), ("FollowUpsParkedNow", "Count"), ("FollowUpLag", "Seconds")],
    optional: None,
};

/// The metrics of the line of a rule's failure.
const RULE: MetricSet = MetricSet {
    name: "rule-failure",
    dimensions: &[&["rule", "limit"], &["rule"]],
    metrics: &[("RuleFailures", "Count"), ("LimitsPassed", "Count")],
    optional: None,
};

/// The value of `limit` if a failure exceeded no limit.
const NO_LIMIT: &str = "none";

/// The operation of a request that names an unknown one. The caller's text must not appear in the
/// log or in the name of a metric.
const NO_OPERATION: &str = "unknown";

/// The one log line of a request. It is written when this is dropped: with the answer, or after the
/// events are published.
#[derive(Debug)]
pub(crate) struct Summary {
    /// The span of the line, and of all lines logged meanwhile.
    pub(crate) span: Span,
    /// Whether this was the host's first request.
    is_first: bool,
    status: Status,
    repeated: bool,
    /// Without the rules, which log their own lines.
    receipt: Receipt,
    pub(crate) published: Published,
}

/// What happened to the events of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    /// Events that the bus accepted.
    pub(crate) taken: usize,
    /// Events that the bus refused permanently.
    pub(crate) parked: usize,
    /// Events left for a relay, if that is known.
    pub(crate) left: Option<usize>,
    /// How long it took.
    pub(crate) elapsed: Option<Duration>,
}

impl Default for Published {
    fn default() -> Self {
        Self { taken: 0, parked: 0, left: Some(0), elapsed: None }
    }
}

/// Opens the span of a request.
pub(crate) fn span(operation: Option<&str>, request: &Request) -> Span {
    tracing::info_span!(
        "request",
        operation = operation.unwrap_or(NO_OPERATION),
        region = request.region,
        trace = request.trace.as_ref().map(Trace::id),
        key = Empty,
        lost = Empty,
        code = Empty,
    )
}

/// Records the key under which the request runs.
pub(crate) fn record_key(span: &Span, key: &IdempotencyKey) {
    // A key may contain personal data, such as an account number.
    let digest = Sha256::digest(key.as_str());
    span.record("key", hex(digest.get(..8).unwrap_or_default()));
}

/// Records why attempts were lost, one word each.
pub(crate) fn record_lost(span: &Span, lost: &[String]) {
    span.record("lost", lost.join(" "));
}

/// The reason for a conflict with a schema change, as DSQL names it
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-concurrency-control.html>).
pub(crate) const SCHEMA_CHANGED: &str = "OC001";

/// Why an attempt was lost: DSQL's code from the message, or an SQLSTATE, or a word.
pub(crate) fn reason(fault: &Fault) -> String {
    let text = format!("{fault:#}");
    let code = text.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| {
        word.strip_prefix("OC").is_some_and(|number| number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit()))
    });
    let word = if fault.commit_unknown() {
        "commit-unknown"
    } else if fault.is_unavailable() {
        "unavailable"
    } else {
        "conflict"
    };
    match (code, fault.sqlstate()) {
        (Some(code), _) => code.to_owned(),
        (None, Some(sqlstate)) => sqlstate.to_string(),
        (None, None) => word.to_owned(),
    }
}

/// Logs that a rule failed by its own fault, and which limit it exceeded if any.
pub(crate) fn tell_rule(region: &str, rule: &str, exceeded: Option<LimitExceeded>) {
    tracing::warn!(
        name: "rule-failure",
        message = "rule failed",
        region,
        rule,
        limit = exceeded.map_or(NO_LIMIT, |exceeded| exceeded.limit.name()),
        allowed = exceeded.and_then(|exceeded| exceeded.allowed),
        used = exceeded.and_then(|exceeded| exceeded.used),
        RuleFailures = 1,
        LimitsPassed = u8::from(exceeded.is_some()),
    );
}

/// Logs what a relay run did.
pub(crate) fn tell_relay(span: &Span, relayed: &Relayed) {
    let Relayed { delivered, left, parked, parked_now, keys_expired, lag_s, complete, .. } = *relayed;
    tracing::info!(
        name: "relay",
        parent: span,
        message = "relay over",
        complete,
        EventsRelayed = delivered,
        EventsWaiting = left,
        EventsParked = parked,
        EventsParkedNow = parked_now,
        KeysExpired = keys_expired,
        Lag = lag_s,
        FollowUpsEnded = relayed.followed,
        FollowUpsRejected = relayed.follow_ups_rejected,
        FollowUpsFailed = relayed.follow_ups_failed,
        FollowUpsGivenUp = relayed.follow_ups_given_up,
    );
    if let Some(FollowUpCounts { due, parked, lag_s }) = relayed.follow_ups {
        tracing::info!(
            name: "follow-ups",
            parent: span,
            message = "follow-ups counted",
            FollowUpsDue = due,
            FollowUpsParkedNow = parked,
            FollowUpLag = lag_s,
        );
    }
}

impl Summary {
    /// Takes what is known once there is an answer.
    pub(crate) fn new(span: Span, is_first: bool, answer: &Answer, receipt: &Receipt) -> Self {
        if let Some(problem) = answer.problem() {
            span.record("code", &*problem.code);
        }
        Self {
            span,
            is_first,
            status: answer.status,
            repeated: answer.repeated,
            receipt: Receipt { rules: Vec::new(), ..*receipt },
            published: Published::default(),
        }
    }
}

impl Drop for Summary {
    fn drop(&mut self) {
        let Self { status, receipt, published, .. } = &*self;
        let is = |what: Status| u8::from(*status == what);
        tracing::info!(
            name: "request",
            parent: &self.span,
            message = "request over",
            status = status.code(),
            repeated = self.repeated,
            attempts = receipt.attempts,
            statements = receipt.statements,
            round_trips = receipt.round_trips,
            rows_read = receipt.rows_read,
            bytes_read = receipt.bytes_read,
            events = receipt.events,
            rows_affected = receipt.rows_affected,
            queued_us = micros(receipt.queued),
            computing_us = micros(receipt.computing),
            commit_us = micros(receipt.commit),
            publish_us = published.elapsed.map(micros),
            Requests = 1,
            Rejections = is(Status::Rejected),
            Failures = is(Status::Failed),
            Unavailable = is(Status::Unavailable),
            Conflicts = receipt.conflicts,
            SchemaConflicts = receipt.schema_conflicts,
            UnknownCommits = receipt.unknown_commits,
            ColdStarts = u8::from(self.is_first),
            EventsPublished = published.taken,
            EventsLeft = published.left,
            EventsParked = published.parked,
            EventsUnknown = u8::from(published.left.is_none()),
            FollowUpsScheduled = receipt.follow_ups,
            Duration = micros(receipt.elapsed),
            DatabaseTime = micros(receipt.database),
        );
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tenet_core::SqlState;

    use super::*;

    #[test]
    fn why_an_attempt_was_lost_is_a_word_that_can_be_counted() {
        let conflict = |message: &str| reason(&Fault::conflict(Some(SqlState::SERIALIZATION_FAILURE), message));
        assert_eq!(conflict("change conflicts with another transaction, please retry: (OC000)"), "OC000");
        assert_eq!(conflict("schema has been updated by another transaction, please retry: (OC001)"), "OC001");
        assert_eq!(conflict("could not serialize access; OCTOPUS OC1"), "40001");
        assert_eq!(reason(&Fault::conflict(None, "the connection was lost")), "conflict");
        assert_eq!(reason(&Fault::unknown_commit("the connection was lost")), "commit-unknown");
        assert_eq!(reason(&Fault::unavailable("refused")), "unavailable");
    }
}
