//! The format of a direct invocation.
//!
//! Input: a JSON object with the member `operation`, an optional `idempotency_key`, and the members
//! of the payload. Output: `{"statusCode": 200, "body": "..."}`, with the body as a string of JSON,
//! and a header with the key if the caller sent none.

use serde::Serialize;

use crate::{Answer, Invocation};

/// Reads a direct invocation. On error returns the answer to it.
pub fn read(event: &str) -> Result<Invocation, Box<Answer>> {
    Invocation::direct(event).map_err(|message| Box::new(Answer::invalid(&message)))
}

/// Writes an answer in the format of a direct invocation.
pub fn write(answer: &Answer) -> String {
    #[derive(Serialize)]
    struct Reply<'a> {
        #[serde(rename = "statusCode")]
        status: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        headers: Option<Headers<'a>>,
        body: &'a str,
    }
    #[derive(Serialize)]
    struct Headers<'a> {
        #[serde(rename = "idempotency-key")]
        key: &'a str,
    }
    let told = answer.key.as_ref().filter(|_| answer.key_is_given);
    let reply = Reply {
        status: answer.status.code(),
        headers: told.map(|key| Headers { key: key.as_str() }),
        body: &answer.body,
    };
    // Strings and a number: serialization cannot fail.
    serde_json::to_string(&reply).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tenet_core::IdempotencyKey;

    use super::*;
    use crate::Status;

    #[test]
    fn the_payload_is_what_is_left_with_its_numbers_untouched() {
        let invocation =
            read(r#"{"operation":"write","amount": 100.50 ,"idempotency_key":"k","x":[1e400,"\u0041"]}"#).unwrap();
        assert_eq!(invocation.operation, "write");
        assert_eq!(invocation.key.unwrap().as_str(), "k");
        assert_eq!(invocation.payload, r#"{"amount":100.50,"x":[1e400,"\u0041"]}"#);
        assert_eq!(read(r#"{"operation":"read"}"#).unwrap().payload, "{}");
    }

    #[test]
    fn what_names_operation_and_key_does_not_count_in_the_digest_and_members_within_do() {
        let digest = |event| tenet_core::Digest::of(&read(event).unwrap().payload).unwrap();
        assert_eq!(
            digest(r#"{"operation":"write","idempotency_key":"k","a":1}"#),
            tenet_core::Digest::of(r#"{"a":1}"#).unwrap()
        );
        assert_ne!(digest(r#"{"operation":"write","a":{"operation":1}}"#), digest(r#"{"operation":"write","a":{}}"#));
    }

    #[test]
    fn what_is_not_an_invocation_gets_a_400_that_says_what_was_expected() {
        for (event, says) in [
            ("", "JSON object"),
            ("[]", "JSON object"),
            ("{\"operation\":\"write\"", "JSON object"),
            ("{}", "missing"),
            (r#"{"operation":7}"#, "string"),
            (r#"{"operation":"a","operation":"b"}"#, "twice"),
            (r#"{"operation":"a","idempotency_key":""}"#, "at least one"),
        ] {
            let answer = read(event).unwrap_err();
            assert_eq!(answer.status.code(), 400);
            assert!(answer.body.contains(says), "{event}: {}", answer.body);
        }
    }

    #[test]
    fn an_answer_leaves_as_the_recipe_has_it() {
        let mut answer = Answer {
            status: Status::Accepted,
            body: r#"{"transaction_count":3,"region":"us-east-1"}"#.into(),
            key: IdempotencyKey::new("k").ok(),
            key_is_given: false,
            repeated: false,
            again_after: None,
        };
        let body = r#""body":"{\"transaction_count\":3,\"region\":\"us-east-1\"}"}"#;
        assert_eq!(write(&answer), format!("{{\"statusCode\":200,{body}"));
        answer.key_is_given = true;
        assert_eq!(write(&answer), format!("{{\"statusCode\":200,\"headers\":{{\"idempotency-key\":\"k\"}},{body}"));
    }
}
