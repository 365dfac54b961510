use crate::bindings::{Request, Verdict};
use crate::describe::describe;
use crate::signature::Returned;
use crate::{Error, Input, place, reject, sendable};

/// The result of one call.
type Answer = Result<Verdict, String>;

/// A rule as the attribute passes it. The bounds on its types are checked in one place, [`rule`],
/// so that a violation is reported once.
pub struct Rule<I, R> {
    rule: fn(I) -> R,
    evaluate: fn(Request, fn(I) -> R) -> Answer,
    describe: fn() -> String,
}

/// A rule of these types.
pub const fn rule<I: Input, R: Returned>(rule: fn(I) -> R) -> Rule<I, R> {
    Rule { rule, evaluate, describe: describe::<I, R> }
}

impl<I, R> Rule<I, R> {
    /// One call: the payload in, the verdict out.
    pub fn evaluate(&self, request: Request) -> Answer {
        (self.evaluate)(request, self.rule)
    }

    /// The schemas of its input and output.
    pub fn describe(&self) -> String {
        (self.describe)()
    }
}

fn evaluate<I: Input, R: Returned>(request: Request, rule: fn(I) -> R) -> Answer {
    #[cfg(target_arch = "wasm32")]
    crate::panic::install();
    let input = serde_json::from_str(&request.payload).map_err(|error| misfit(&request.payload, &error));
    sendable::begin(request.payload);
    let output = input.and_then(|input| rule(input).into_result()).and_then(|output| match sendable::refused() {
        Some(refusal) => Err(refusal),
        None => serde_json::to_string(&output).map_err(|error| Error::bug(format!("the output is not JSON: {error}"))),
    });
    output.map(Verdict::Accept).or_else(Error::into_verdict)
}

/// The rejection of an invalid payload: the member, and the reason.
fn misfit(payload: &str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let path = place::pointer(payload, error.line(), error.column(), text.starts_with("missing field"));
    // A caller can find a member, but not the line and column in generated text.
    let why = text.rsplit_once(" at line ").map_or(text.as_str(), |(why, _)| why);
    let subject = if path.is_empty() { "it" } else { &path };
    reject("invalid-payload", format!("the payload does not fit: {subject}: {why}")).with_detail("path", path)
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;
    use crate::{Decimal, Result};

    #[derive(Deserialize, JsonSchema)]
    struct Input {
        amount: Decimal,
    }

    fn answer(payload: &str, decide: fn(Input) -> Result<Decimal>) -> Result<Verdict, String> {
        rule(decide).evaluate(Request { payload: payload.into() })
    }

    #[test]
    fn an_output_keeps_the_digits_of_the_payload() {
        let verdict = answer(r#"{"amount":100.50,"operation":"ignored"}"#, |input| Ok(input.amount));
        assert_eq!(verdict, Ok(Verdict::Accept("100.50".into())));
    }

    #[test]
    fn a_payload_that_does_not_fit_is_a_rejection_with_the_reason() {
        for (payload, why) in [
            (r#"{"amount":"100.50"}"#, "number"),
            (r#"{}"#, "missing field `amount`"),
            (r#"{"amount":1e2000}"#, "digits"),
            ("[", "EOF"),
            ("null", "invalid type: null"),
        ] {
            let Ok(Verdict::Reject(rejection)) = answer(payload, |input| Ok(input.amount)) else {
                panic!("accepted {payload}");
            };
            assert_eq!(rejection.code, "invalid-payload");
            assert!(rejection.message.contains(why), "{payload}: {}", rejection.message);
            assert!(!rejection.message.contains("column"), "{payload}: {}", rejection.message);
            let path = if payload.contains("amount") {
                "/amount"
            } else if payload == "[" {
                "/0"
            } else {
                ""
            };
            assert_eq!(rejection.details, [("path".to_owned(), path.to_owned())], "{payload}");
        }
    }

    #[test]
    fn what_a_rule_returns_as_an_error_is_told_apart() {
        let Ok(Verdict::Reject(_)) = answer(r#"{"amount":1}"#, |_| Err(reject("no", "no"))) else {
            panic!("no rejection");
        };
        assert_eq!(answer(r#"{"amount":1}"#, |_| Err(Error::bug("broken"))), Err("broken".into()));
    }

    #[test]
    fn an_output_that_json_cannot_say_is_a_bug() {
        let decide = |_: Input| Ok(std::collections::HashMap::from([(vec![1], 1)]));
        let text = rule(decide).evaluate(Request { payload: r#"{"amount":1}"#.into() }).unwrap_err();
        assert!(text.starts_with("the output is not JSON"), "{text}");
    }
}
