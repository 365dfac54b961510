use std::fmt;

use serde::Serialize;
use tenet_pipeline::{Answer, Status};

/// What an operation answered to an event or to a message, which nobody waits for.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) operation: String,
    pub(crate) answer: Answer,
}

/// Answers that settle nothing, so that whoever sent the event has to keep it.
#[derive(Debug)]
pub(crate) struct Unsettled(Vec<String>);

impl Decided {
    /// Whether the event is done with. A rejection, and another answer under the same key,
    /// are answers like an acceptance. All others are not: of a failure the next delivery may
    /// make something else, and what can never be served has to reach the queue or the
    /// destination for failures, where somebody sees it, rather than vanish.
    fn is_settled(&self) -> bool {
        match self.answer.status {
            Status::Accepted | Status::Rejected | Status::KeyReused => true,
            Status::Invalid | Status::Forbidden | Status::Failed | Status::Unavailable => false,
        }
    }

    /// What it says, for the operator.
    fn tell(&self) -> String {
        let Self { operation, answer } = self;
        let mut text = format!("{operation} answered {}", answer.status.code());
        if let Some(problem) = answer.problem() {
            text.push_str(&format!(" ({}): {}", problem.code, problem.message));
            if let Some(reference) = problem.reference.filter(|reference| !problem.message.contains(&**reference)) {
                text.push_str(&format!(" The operator's log has more under {reference}."));
            }
        }
        text
    }
}

/// Whether all of them are settled.
pub(crate) fn settle(decided: &[Decided]) -> Result<(), Unsettled> {
    let open: Vec<_> = decided.iter().filter(|decided| !decided.is_settled()).map(Decided::tell).collect();
    if open.is_empty() { Ok(()) } else { Err(Unsettled(open)) }
}

/// The answers as one: nobody waits for it, but a destination for successes may be told.
pub(crate) fn write(decided: &[Decided]) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Answers<'a> {
        answers: Vec<One<'a>>,
    }
    #[derive(Serialize)]
    struct One<'a> {
        operation: &'a str,
        #[serde(rename = "statusCode")]
        status: u16,
        body: &'a str,
    }
    let answers = decided.iter().map(|Decided { operation, answer }| One {
        operation,
        status: answer.status.code(),
        body: &answer.body,
    });
    serde_json::to_string(&Answers { answers: answers.collect() })
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl std::error::Error for Unsettled {}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(operation: &str, status: Status, body: &str) -> Decided {
        let answer = Answer { status, body: body.into(), ..Answer::invalid("") };
        Decided { operation: operation.into(), answer }
    }

    #[test]
    fn what_was_decided_is_settled_and_what_was_not_is_told_with_operation_status_and_reference() {
        let no = r#"{"code":"no","message":"no"}"#;
        assert!(settle(&[]).is_ok());
        for status in [Status::Accepted, Status::Rejected, Status::KeyReused] {
            assert!(settle(&[decided("write", status, no)]).is_ok(), "{status:?}");
        }
        for status in [Status::Invalid, Status::Forbidden, Status::Failed, Status::Unavailable] {
            assert!(settle(&[decided("write", Status::Accepted, no), decided("b", status, no)]).is_err(), "{status:?}");
        }
        let busy = r#"{"code":"busy","message":"Not now.","key":"k","reference":"0a1b"}"#;
        let failed = r#"{"code":"failed","message":"The log has more under 2c3d.","reference":"2c3d"}"#;
        let unsettled = settle(&[
            decided("write", Status::Unavailable, busy),
            decided("audit", Status::Accepted, "{}"),
            decided("post", Status::Failed, failed),
        ]);
        assert_eq!(
            unsettled.unwrap_err().to_string(),
            "write answered 503 (busy): Not now. The operator's log has more under 0a1b. \
             post answered 500 (failed): The log has more under 2c3d."
        );
    }

    #[test]
    fn all_answers_are_told() {
        let both = [decided("write", Status::Accepted, r#"{"a":1.50}"#), decided("b", Status::Rejected, "{}")];
        assert_eq!(
            write(&both).unwrap(),
            r#"{"answers":[{"operation":"write","statusCode":200,"body":"{\"a\":1.50}"},{"operation":"b","statusCode":422,"body":"{}"}]}"#
        );
    }
}
