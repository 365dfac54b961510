use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What an invocation brings, by its shape.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A direct invocation, or what nobody can tell from one.
    Direct,
    /// An HTTP request, as API Gateway's HTTP API and function URLs hand it over.
    Http,
    /// An event of EventBridge's.
    Bridge,
    /// A batch of SQS messages.
    Queue,
    /// The relay's turn.
    Relay,
    /// Something else, from somebody who waits for an answer: what it looks like.
    Asked(String),
    /// Something else, from a source that takes any answer for success and lets go of what
    /// it sent: what it looks like.
    Sent(String),
}

/// What is served, for whoever sends something else.
pub(crate) const SERVED: &str = "This function serves direct invocations, which are JSON objects with the member \
    \"operation\"; HTTP requests of payload 2.0, as API Gateway's HTTP APIs and function URLs send them; \
    EventBridge events; SQS batches; and {\"tenet\": \"relay\"}";

/// Members that give away what is polled for the function or sent without waiting for it
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html>).
const SENT: [(&str, &str); 5] = [
    ("awslogs", "a batch of CloudWatch logs"),
    ("alarmArn", "a CloudWatch alarm"),
    ("CodePipeline.job", "a CodePipeline job"),
    ("configRuleId", "an evaluation by AWS Config"),
    ("ResponseURL", "a CloudFormation custom resource"),
];

/// The members of an object that are not null, and nothing that is in them.
type Members<'a> = BTreeMap<String, &'a RawValue>;

impl Source {
    /// Looks at an event's members, and at what is in those that tell.
    pub(crate) fn of(event: &str) -> Self {
        let Some(members) = members_of(event) else { return Self::Direct };
        let has = |name| members.contains_key(name);
        // Nothing that AWS sends names an operation of a bundle, and a payload may have any member.
        if has("operation") {
            Self::Direct
        } else if text(&members, "tenet").as_deref() == Some("relay") {
            Self::Relay
        } else if has("source") && has("detail-type") {
            if is_relays_schedule(&members) { Self::Relay } else { Self::Bridge }
        } else if has("requestContext") {
            of_request(&members)
        } else if let Some(records) = members.get("Records") {
            of_records(records)
        } else if let Some(source) = text(&members, "eventSource") {
            Self::Sent(format!("what {source} sends"))
        } else if let Some((_, what)) = SENT.iter().find(|(name, _)| has(name)) {
            Self::Sent((*what).to_owned())
        } else {
            // The first few are enough to know it by.
            let names: Vec<_> = members.keys().take(5).map(|name| format!("{name:?}")).collect();
            Self::Asked(format!(
                "an object with these members: {}",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            ))
        }
    }
}

/// Whether a schedule of EventBridge's is the relay's: the name of its rule, or of its
/// schedule, ends in `relay`.
fn is_relays_schedule(members: &Members<'_>) -> bool {
    let is = |name, expected: &[&str]| text(members, name).is_some_and(|text| expected.contains(&text.as_str()));
    let resources = || {
        let resources = members.get("resources")?;
        serde_json::from_str::<Vec<String>>(resources.get()).ok()
    };
    is("detail-type", &["Scheduled Event"])
        && is("source", &["aws.events", "aws.scheduler"])
        && resources().is_some_and(|resources| resources.iter().any(|rule| rule.ends_with("relay")))
}

/// What has a `requestContext` is a request by HTTP, of one kind or another.
fn of_request(members: &Members<'_>) -> Source {
    let context = members.get("requestContext").and_then(|context| members_of(context.get())).unwrap_or_default();
    // An authoriser decides about a request and must not carry it out.
    let what = if members.contains_key("routeArn") || members.contains_key("methodArn") {
        "a question for a Lambda authoriser"
    } else if context.contains_key("http") && text(members, "version").is_none_or(|version| version == "2.0") {
        return Source::Http;
    } else if context.contains_key("elb") {
        "a request of an Application Load Balancer"
    } else if context.contains_key("connectionId") {
        "a message of a WebSocket API"
    } else if members.contains_key("httpMethod") {
        "an HTTP request of payload 1.0, as REST APIs send it"
    } else if context.contains_key("serviceNetworkArn") {
        "a request of VPC Lattice"
    } else {
        "an object with the member \"requestContext\""
    };
    Source::Asked(what.to_owned())
}

/// What has `Records` is a batch: SQS's, where every record says so or there is none.
fn of_records(records: &RawValue) -> Source {
    #[derive(Deserialize)]
    struct Record {
        #[serde(rename = "eventSource", alias = "EventSource")]
        source: String,
    }
    let Ok(records) = serde_json::from_str::<Vec<Record>>(records.get()) else {
        return Source::Sent("a batch of records that do not say whose they are".to_owned());
    };
    match records.iter().find(|record| record.source != "aws:sqs") {
        None => Source::Queue,
        Some(Record { source }) => Source::Sent(format!("what {source} sends")),
    }
}

fn members_of(object: &str) -> Option<Members<'_>> {
    let mut members: Members<'_> = serde_json::from_str(object).ok()?;
    members.retain(|_, value| value.get() != "null");
    Some(members)
}

fn text(members: &Members<'_>, name: &str) -> Option<String> {
    serde_json::from_str(members.get(name)?.get()).ok()
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
            "[]",
            "",
            "{",
        ] {
            assert_eq!(Source::of(event), Source::Direct, "{event}");
        }
    }

    #[test]
    fn a_request_of_payload_2_0_is_served_whether_it_says_so_or_not_and_no_other() {
        let of = |members: &str| Source::of(&format!(r#"{{"requestContext":{{"http":{{}}}}{members}}}"#));
        for members in ["", r#","version":"2.0""#, r#","version":null,"httpMethod":"GET","methodArn":null"#] {
            assert_eq!(of(members), Source::Http, "{members}");
        }
        // An authoriser would carry out what it is to decide about.
        for members in [r#","version":"1.0""#, r#","version":"2.0","routeArn":"arn""#, r#","methodArn":"arn""#] {
            assert!(matches!(of(members), Source::Asked(_)), "{members}");
        }
        assert!(matches!(Source::of(r#"{"requestContext":null}"#), Source::Asked(_)));
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
        assert!(matches!(Source::of(r#"{"tenet":"rely"}"#), Source::Asked(_)));
    }

    #[test]
    fn only_batches_of_sqs_are_taken() {
        let records = |sources: &[&str]| {
            let records: Vec<_> = sources.iter().map(|source| serde_json::json!({ "eventSource": source })).collect();
            Source::of(&serde_json::json!({ "Records": records }).to_string())
        };
        assert_eq!(records(&["aws:sqs", "aws:sqs"]), Source::Queue);
        assert_eq!(records(&[]), Source::Queue);
        assert_eq!(records(&["aws:sqs", "aws:s3"]), Source::Sent("what aws:s3 sends".into()));
        assert!(matches!(Source::of(r#"{"Records":[{"body":"{}"}]}"#), Source::Sent(_)));
        assert!(matches!(Source::of(r#"{"Records":7}"#), Source::Sent(_)));
    }
}
