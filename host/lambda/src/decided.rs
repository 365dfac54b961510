use std::fmt;

use serde::Serialize;
use tenet_pipeline::{Answer, Status};

/// What an operation answered to an event or a message. No caller waits for it.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) operation: String,
    pub(crate) answer: Answer,
}

/// Answers that leave the event unsettled, so that its source has to keep it.
#[derive(Debug)]
pub(crate) struct Unsettled(Vec<Open>);

/// One unsettled answer.
#[derive(Debug)]
struct Open {
    /// The full text.
    text: String,
    /// Its status, code and reference.
    brief: String,
}

impl Decided {
    /// Whether the event can be deleted. Acceptances and rejections settle it, and `KeyReused`: its
    /// key already has an answer to another payload, and redelivery would not change that. All
    /// other answers do not settle it: a failure may succeed on redelivery, and an
    /// event that can never be handled has to reach the queue or the destination for failures,
    /// where an operator sees it.
    fn is_settled(&self) -> bool {
        match self.answer.status {
            Status::Accepted | Status::Rejected | Status::KeyReused => true,
            Status::Invalid | Status::Forbidden | Status::Failed | Status::Unavailable => false,
        }
    }

    /// The text for the event's source, and the part of it that may be logged: messages quote
    /// invalid input.
    fn open(&self) -> Open {
        let Self { operation, answer } = self;
        let mut brief = answer.status.code().to_string();
        let mut text = format!("{operation} answered {}", answer.status.code());
        if let Some(problem) = answer.problem() {
            text.push_str(&format!(" ({}): {}", problem.code, problem.message));
            brief.push_str(&format!(" {}", problem.code));
            brief.extend(problem.reference.iter().map(|reference| format!(" {reference}")));
            if let Some(reference) = problem.reference.filter(|reference| !problem.message.contains(&**reference)) {
                text.push_str(&format!(" The operator's log has more under {reference}."));
            }
        }
        Open { text, brief }
    }
}

/// Whether all of them are settled.
pub(crate) fn settle(decided: &[Decided]) -> Result<(), Unsettled> {
    let open: Vec<_> = decided.iter().filter(|decided| !decided.is_settled()).map(Decided::open).collect();
    if open.is_empty() { Ok(()) } else { Err(Unsettled(open)) }
}

/// An event that cannot be decided, and why. The reason may quote the event.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Undecidable(pub(crate) String);

/// Why an event is unsettled, in a form for the log: without quotes from the event.
pub(crate) fn reason(error: &anyhow::Error) -> String {
    if let Some(Unsettled(open)) = error.downcast_ref() {
        return open.iter().map(|open| open.brief.as_str()).collect::<Vec<_>>().join(", ");
    }
    if error.is::<Undecidable>() {
        return "it cannot be read, or no operation takes it".to_owned();
    }
    format!("{error:#}")
}

/// Combines the answers into one. No caller waits for it, but a destination for successes may
/// receive it.
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
        let texts: Vec<_> = self.0.iter().map(|open| open.text.as_str()).collect();
        f.write_str(&texts.join(" "))
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
        let unsettled = anyhow::Error::new(unsettled.unwrap_err());
        assert_eq!(reason(&unsettled), "503 busy 0a1b, 500 failed 2c3d");
        let undecidable = anyhow::Error::new(Undecidable("not {\"a\":1}".into()));
        assert_eq!(reason(&undecidable), "it cannot be read, or no operation takes it");
        assert_eq!(reason(&anyhow::anyhow!("no disk").context("no answer")), "no answer: no disk");
        assert_eq!(
            unsettled.to_string(),
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
