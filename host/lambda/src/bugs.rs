//! A bug in the host that occurs during a request: its effect on that request, on the rest of its
//! batch, and on later events.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tenet_core::bundle::{CONTRACT, File, Index, Operation, Rule, VERSION};
use tenet_core::{
    BoxFuture, Catalog, Delivery, Ended, Grants, HostCalls, HostSettings, Limits, Publisher, Request, RuleCall, Rules,
    StagedEvent, Verdict,
};
use tenet_database::{Database, Endpoint};
use tenet_http::Api;
use tenet_wiring::HostBuilder;

use crate::host::Host;

/// Accepts, unless the payload triggers a bug.
struct Buggy;

impl Rules for Buggy {
    fn call<'a>(
        &'a self,
        _: &'a str,
        request: &'a Request,
        _: &'a Limits,
        _: Arc<dyn HostCalls>,
    ) -> BoxFuture<'a, RuleCall> {
        assert!(!request.payload.contains("bug"), "the bug in {}", request.payload);
        let ended = Ended::Verdict(Verdict::Accept("{}".into()));
        Box::pin(std::future::ready(RuleCall { ended, cpu: Duration::ZERO, memory_bytes: 0, fuel: None }))
    }
}

/// The digest of the empty document `{}`.
const SHA256_OF_NOTHING: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// A bus that receives no events.
struct NoBus;

impl Publisher for NoBus {
    fn publish<'a>(&'a self, _: &'a [StagedEvent], _: std::time::Instant) -> BoxFuture<'a, Vec<Delivery>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

/// A host whose one operation does not use the database.
fn host() -> Arc<Host> {
    let file = |path: &str| File { path: path.into(), sha256: String::new() };
    let index = Index {
        version: VERSION,
        contract: CONTRACT.into(),
        contract_sha256: tenet_core::bundle::contract_digest(),
        sources: String::new(),
        compiled_for: None,
        host: HostSettings::default(),
        ceilings: Limits::ceilings(),
        bootstrap: None,
        operations: vec![Operation {
            name: "look".into(),
            rules: vec!["rule".into()],
            read_only: true,
            ..Operation::default()
        }],
        rules: vec![Rule {
            name: "rule".into(),
            description: String::new(),
            component: file("rule.wasm"),
            compiled: None,
            limits: Limits::default(),
            grants: Grants::default(),
            input: None,
            output: None,
        }],
        schema: vec![],
        catalog: Catalog::default(),
        api: tenet_core::bundle::Api::default(),
        openapi: Some(File { path: "openapi.json".into(), sha256: SHA256_OF_NOTHING.into() }),
    };
    let database = Arc::new(Database::new(Endpoint::parse("postgres://app@localhost/none").unwrap(), 4));
    let ledger = Arc::clone(&database);
    let builder = HostBuilder::new(&index, ledger, Arc::new(Buggy), Arc::new(NoBus));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("openapi.json"), "{}").unwrap();
    let api = Api::open("us-east-1", folder.path(), &index).unwrap();
    Arc::new(Host::of(builder, (index.clone(), api), database))
}

/// The runtime loop's response to an event.
async fn told(host: &Arc<Host>, event: Value) -> Value {
    let mut context = Context::default();
    context.request_id = "11111111-2222-3333-4444-555555555555".into();
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(60);
    context.deadline = u64::try_from(deadline.as_millis()).unwrap();
    let event = LambdaEvent::new(to_raw_value(&event).unwrap(), context);
    serde_json::from_str(crate::answer(Arc::clone(host), event).await.unwrap().get()).unwrap()
}

fn look(payload: &str) -> Value {
    json!({ "operation": "look", "payload": payload })
}

#[tokio::test]
async fn a_bug_ends_its_own_request_and_neither_its_batch_nor_the_loop() {
    let host = host();
    for _ in 0..40 {
        let failed = told(&host, look("bug")).await;
        assert_eq!(failed["statusCode"], 500, "{failed}");
        let body = failed["body"].as_str().unwrap();
        assert!(body.contains(r#""code":"failed""#) && !body.contains("bug"), "{body}");
        assert_eq!(told(&host, look("fine")).await["statusCode"], 200);
        let record = |id: &str| {
            json!({
                "messageId": id,
                "body": look(id).to_string(),
                "attributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:queue",
            })
        };
        let batch: Vec<_> = ["a", "bug", "c", "another bug", "e"].map(record).into();
        let kept = told(&host, json!({ "Records": batch })).await;
        let wanted = json!([{ "itemIdentifier": "bug" }, { "itemIdentifier": "another bug" }]);
        assert_eq!(kept["batchItemFailures"], wanted, "{kept}");
    }
}
