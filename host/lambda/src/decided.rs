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
pub(crate) struct Unsettled(Vec<Open>);

/// One of them.
#[derive(Debug)]
struct Open {
    /// All that it says.
    text: String,
    /// Its status, code and reference.
    brief: String,
}

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

    /// What it says, for whoever sent the event, and what of that may be in a log: messages
    /// quote what cannot be served.
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

/// An event that nobody can decide, and why: which may quote it.
#[derive(Debug)]
pub(crate) struct Undecidable(pub(crate) String);

/// Why an event is not done with, as the log may have it: without what quotes the event.
pub(crate) fn reason(error: &anyhow::Error) -> String {
    if let Some(Unsettled(open)) = error.downcast_ref() {
        return open.iter().map(|open| open.brief.as_str()).collect::<Vec<_>>().join(", ");
    }
    if error.is::<Undecidable>() {
        return "it cannot be read, or no operation takes it".to_owned();
    }
    format!("{error:#}")
}

impl fmt::Display for Undecidable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Undecidable {}

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
