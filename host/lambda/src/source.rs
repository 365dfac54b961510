use serde_json::value::RawValue;

use crate::members::Members;

/// The kind of an invocation, from the shape of its event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A direct invocation.
    Direct,
    /// An HTTP request, as API Gateway's HTTP API and function URLs send it.
    Http,
    /// An EventBridge event.
    Bridge,
    /// A batch of SQS messages, from a queue's event source mapping or from an EventBridge pipe.
    Queue,
    /// The schedule of the relay.
    Relay,
    /// Something else, from a caller that waits for an answer: a description of it.
    UnsupportedSync(String),
    /// Something else, from a source that treats any answer as success and deletes the event: a
    /// description of it.
    UnsupportedAsync(String),
}

/// The supported events, for callers that send something else.
pub(crate) const SERVED: &str = "This function serves direct invocations, which are JSON objects with the member \
    \"operation\"; HTTP requests of payload 2.0, as API Gateway's HTTP APIs and function URLs send them; \
    EventBridge events; SQS batches, as an event source mapping sends them or, untransformed, an EventBridge pipe; and {\"tenet\": \"relay\"}";

/// Members that identify events that are polled for the function or sent asynchronously
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html>).
const SENT: [(&str, &str); 5] = [
    ("awslogs", "a batch of CloudWatch logs"),
    ("alarmArn", "a CloudWatch alarm"),
    ("CodePipeline.job", "a CodePipeline job"),
    ("configRuleId", "an evaluation by AWS Config"),
    ("ResponseURL", "a CloudFormation custom resource"),
];

impl Source {
    /// Classifies an event by its members.
    pub(crate) fn of(event: &str) -> Self {
        let Some(members) = Members::of(event) else { return of_no_object(event) };
        // No AWS event names an operation of a bundle, and a payload may have any member.
        if members.has("operation") {
            Self::Direct
        } else if members.text("tenet").as_deref() == Some("relay") {
            Self::Relay
        } else if members.has("source") && members.has("detail-type") {
            if is_relays_schedule(&members) { Self::Relay } else { Self::Bridge }
        } else if members.has("requestContext") {
            of_request(&members)
        } else if let Some(records) = members.get("Records") {
            of_records(records)
        } else if let Some(source) = members.text("eventSource") {
            Self::UnsupportedAsync(format!("what {source} sends"))
        } else if let Some((_, what)) = SENT.iter().find(|(name, _)| members.has(name)) {
            Self::UnsupportedAsync((*what).to_owned())
        } else {
            // The first few members identify it.
            let names: Vec<_> = members.names().take(5).map(|name| format!("{name:?}")).collect();
            Self::UnsupportedSync(format!(
                "an object with these members: {}",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            ))
        }
    }
}

/// An event that is not an object is either a batch from an EventBridge pipe, which is a list even
/// of one record
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html>),
/// or unsupported. An unsupported one is never answered: a source would treat an answer as success.
fn of_no_object(event: &str) -> Source {
    match serde_json::from_str::<Vec<&RawValue>>(event) {
        Ok(list) if list.is_empty() => Source::UnsupportedAsync("an empty list".to_owned()),
        Ok(_) => of_records(event),
        Err(_) => Source::UnsupportedAsync("no JSON object".to_owned()),
    }
}

/// Whether an EventBridge schedule is the relay's: the name of its rule, or of its schedule, ends
/// in `relay`.
fn is_relays_schedule(members: &Members<'_>) -> bool {
    let is = |name, expected: &[&str]| members.text(name).is_some_and(|text| expected.contains(&text.as_str()));
    let resources = || serde_json::from_str::<Vec<String>>(members.get("resources")?).ok();
    is("detail-type", &["Scheduled Event"])
        && is("source", &["aws.events", "aws.scheduler"])
        && resources().is_some_and(|resources| resources.iter().any(|rule| rule.ends_with("relay")))
}

/// An event with a `requestContext` is an HTTP request, of one kind or another.
fn of_request(members: &Members<'_>) -> Source {
    let context = members.within("requestContext");
    // An authoriser request asks about a request and must not carry it out.
    let what = if members.has("routeArn") || members.has("methodArn") {
        "a question for a Lambda authoriser"
    } else if context.has("http") && members.text("version").is_none_or(|version| version == "2.0") {
        return Source::Http;
    } else if context.has("elb") {
        "a request of an Application Load Balancer"
    } else if context.has("connectionId") {
        "a message of a WebSocket API"
    } else if members.has("httpMethod") {
        "an HTTP request of payload 1.0, as REST APIs send it"
    } else if context.has("serviceNetworkArn") {
        "a request of VPC Lattice"
    } else if context.has("functionArn") {
        // Delivered once, asynchronously.
        return Source::UnsupportedAsync("the record of an invocation, as destinations get it".to_owned());
    } else {
        "an object with the member \"requestContext\""
    };
    Source::UnsupportedSync(what.to_owned())
}

/// An event with records is a batch. It is one of SQS if every record says so and there is at least
/// one.
fn of_records(records: &str) -> Source {
    let unknown = || Source::UnsupportedAsync("a batch of records without a source".to_owned());
    let Ok(records) = serde_json::from_str::<Vec<&RawValue>>(records) else { return unknown() };
    for record in records {
        let record = Members::of(record.get()).unwrap_or_default();
        match record.text("eventSource").or_else(|| record.text("EventSource")) {
            Some(source) if source == "aws:sqs" => {}
            Some(source) => return Source::UnsupportedAsync(format!("what {source} sends")),
            None => return unknown(),
        }
    }
    Source::Queue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_an_operation_is_a_direct_invocation_whatever_else_it_has() {
        for event in [
            r#"{"operation":"write"}"#,
            r#"{"operation":"write","requestContext":{"http":{}},"version":"2.0"}"#,
            r#"{"operation":"write","source":"a","detail-type":"b","Records":[],"tenet":"relay"}"#,
            r#"{"operation":"a","operation":"b"}"#,
        ] {
            assert_eq!(Source::of(event), Source::Direct, "{event}");
        }
    }

    #[test]
    fn what_is_no_object_is_never_a_direct_invocation() {
        for (event, what) in [
            ("[]", "an empty list"),
            ("[1,2]", "without a source"),
            (r#"[{"operation":"write"}]"#, "without a source"),
            (r#"[{"eventSource":"aws:kinesis","data":"e30="}]"#, "what aws:kinesis sends"),
            (r#"[{"eventSource":"aws:dynamodb","dynamodb":{}}]"#, "what aws:dynamodb sends"),
            (r#"[{"eventSource":"aws:sqs"},{"eventSource":"aws:mq"}]"#, "what aws:mq sends"),
            (r#"[{"eventSource":"aws:sqs"},null]"#, "without a source"),
            (r#"[["eventSource"]]"#, "without a source"),
            ("7", "no JSON object"),
            ("null", "no JSON object"),
            (r#""{\"operation\":\"write\"}""#, "no JSON object"),
            ("", "no JSON object"),
            ("{", "no JSON object"),
        ] {
            match Source::of(event) {
                Source::UnsupportedAsync(text) => assert!(text.contains(what), "{event}: {text}"),
                other => panic!("{event}: {other:?}"),
            }
        }
        assert_eq!(Source::of(r#" [{"eventSource":"aws:sqs"}]"#), Source::Queue);
    }

    #[test]
    fn a_request_of_payload_2_0_is_served_whether_it_says_so_or_not_and_no_other() {
        let of = |members: &str| Source::of(&format!(r#"{{"requestContext":{{"http":{{}}}}{members}}}"#));
        for members in ["", r#","version":"2.0""#, r#","version":null,"httpMethod":"GET","methodArn":null"#] {
            assert_eq!(of(members), Source::Http, "{members}");
        }
        // An authoriser request must not be carried out.
        for members in [r#","version":"1.0""#, r#","version":"2.0","routeArn":"arn""#, r#","methodArn":"arn""#] {
            assert!(matches!(of(members), Source::UnsupportedSync(_)), "{members}");
        }
        assert!(matches!(Source::of(r#"{"requestContext":null}"#), Source::UnsupportedSync(_)));
        // If a destination for failures received a success, the failed event would be lost.
        let record = r#"{"version":"1.0","requestContext":{"functionArn":"arn","condition":"RetriesExhausted"}}"#;
        assert!(
            matches!(Source::of(record), Source::UnsupportedAsync(what) if what.contains("record of an invocation"))
        );
    }

    #[test]
    fn the_relay_runs_when_it_is_told_to_or_on_a_schedule_of_its_name() {
        let scheduled = |source: &str, rule: &str| {
            let event = serde_json::json!({
                "source": source, "detail-type": "Scheduled Event", "resources": [rule], "detail": "{}",
            });
            Source::of(&event.to_string())
        };
        assert_eq!(Source::of(r#"{"tenet":"relay"}"#), Source::Relay);
        assert_eq!(scheduled("aws.events", "arn:aws:events:us-east-1:1:rule/tenet-relay"), Source::Relay);
        assert_eq!(scheduled("aws.scheduler", "arn:aws:scheduler:us-east-1:1:schedule/default/relay"), Source::Relay);
        assert_eq!(scheduled("aws.events", "arn:aws:events:us-east-1:1:rule/nightly"), Source::Bridge);
        assert_eq!(scheduled("bank", "relay"), Source::Bridge);
        assert!(matches!(Source::of(r#"{"tenet":"rely"}"#), Source::UnsupportedSync(_)));
    }

    #[test]
    fn only_batches_of_sqs_are_taken() {
        let records = |sources: &[&str]| {
            let records: Vec<_> = sources.iter().map(|source| serde_json::json!({ "eventSource": source })).collect();
            Source::of(&serde_json::json!({ "Records": records }).to_string())
        };
        assert_eq!(records(&["aws:sqs", "aws:sqs"]), Source::Queue);
        assert_eq!(records(&[]), Source::Queue);
        assert_eq!(records(&["aws:sqs", "aws:s3"]), Source::UnsupportedAsync("what aws:s3 sends".into()));
        assert!(matches!(Source::of(r#"{"Records":[{"body":"{}"}]}"#), Source::UnsupportedAsync(_)));
        assert!(matches!(Source::of(r#"{"Records":7}"#), Source::UnsupportedAsync(_)));
    }
}
