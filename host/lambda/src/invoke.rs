//! Dispatches an invocation by the kind of its event, and builds its response.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use lambda_runtime::Context;
use tenet_clock::SystemClock;
use tenet_core::{Clock, IdempotencyKey, SourceKey, Trace, caught};
use tenet_http::{Reply, Route};
use tenet_pipeline::{Answer, BridgeEvent, Invocation, Pending, direct};

use crate::decided::{self, Decided, Undecidable};
use crate::host::{Host, Origin};
use crate::http_event::{self, HttpEvent};
use crate::source::{SERVED, Source};
use crate::sqs_batch::{self, Record, SqsBatch};

/// The least time left to begin with a message of a queue: with less it would not complete.
const LEAST: Duration = Duration::from_millis(100);

/// The header that requests a capsule of the request.
const CAPSULE: &str = "tenet-capsule";

/// Responds to one event with JSON text. An error makes the invocation fail. A panic outside a
/// request is such an error; the caller does not receive its text.
pub(crate) async fn invoke(host: &Host, event: &str, context: &Context) -> anyhow::Result<String> {
    caught(answer(host, event, context)).await.unwrap_or_else(|text| {
        tracing::error!(reason = text, "the host panicked");
        Err(anyhow::anyhow!("the host has failed; its log has more under {}", context.request_id))
    })
}

async fn answer(host: &Host, event: &str, context: &Context) -> anyhow::Result<String> {
    let source_key = of_delivery(&context.request_id);
    let trace = context.xray_trace_id.as_deref().and_then(Trace::x_ray);
    let (now, deadline) = (SystemClock.now(), host.deadline(context));
    let origin = Origin { caller: None, source_key, now, deadline, trace, wants_capsule: false };
    match Source::of(event) {
        // Lambda authenticates a direct caller but does not tell the function who it is.
        Source::Direct => Ok(direct::write(&match direct::read(event) {
            Ok(invocation) => host.decide(invocation, origin).await?.0,
            Err(answer) => *answer,
        })),
        Source::Http => Ok(http_event::write(serve(host, event, origin).await?)?),
        Source::Bridge => {
            let (outgoing, deadline) = (Outgoing::default(), origin.deadline);
            let decided = take(host, event, origin, &outgoing).await;
            host.publish(outgoing.into_inner(), deadline).await;
            let decided = decided?;
            decided::settle(&decided)?;
            Ok(decided::write(&decided)?)
        }
        Source::Queue => take_batch(host, event, &origin).await,
        Source::Relay => Ok(serde_json::to_string(&host.relay(origin.deadline).await?)?),
        Source::UnsupportedSync(what) => Ok(direct::write(&Answer::invalid(&format!("{SERVED}. This is {what}.")))),
        Source::UnsupportedAsync(what) => Err(Undecidable(format!("{SERVED}. This is {what}.")).into()),
    }
}

fn of_delivery(id: &str) -> Option<SourceKey> {
    IdempotencyKey::new(id).ok().map(SourceKey::Delivery)
}

/// Responds to an HTTP request.
async fn serve(host: &Host, event: &str, origin: Origin) -> anyhow::Result<Reply> {
    let HttpEvent { request, caller, received } = match http_event::read(event) {
        Ok(event) => event,
        Err(detail) => return Ok(host.api.unreadable(&detail)),
    };
    let origin = Origin { deadline: host.http_deadline(origin.deadline, received), ..origin };
    // The trace of the request itself is more specific than that of the invocation.
    let trace = tenet_http::trace(&request.headers).or(origin.trace);
    Ok(match host.api.route(&request) {
        Route::Reply(reply) => reply,
        Route::Health => host.api.health(&host.ready(origin.deadline).await),
        Route::Invoke(invocation) => {
            let wants_receipt = tenet_http::wants_receipt(&request.headers);
            let wants_capsule = request.headers.contains_key(CAPSULE);
            let (answer, receipt) = host.decide(invocation, Origin { caller, trace, wants_capsule, ..origin }).await?;
            host.api.answer(&answer, wants_receipt.then_some(&receipt))
        }
    })
}

/// The unpublished events of one invocation's requests. They are published together when all
/// requests are decided.
#[derive(Default)]
struct Outgoing(Mutex<Vec<Pending>>);

impl Outgoing {
    fn add(&self, pending: Option<Pending>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(pending);
    }

    fn into_inner(self) -> Vec<Pending> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides a request.
    async fn decide(&self, host: &Host, invocation: Invocation, origin: Origin) -> anyhow::Result<Answer> {
        let handled = host.decide_only(invocation, origin).await?;
        self.add(handled.pending);
        Ok(handled.answer)
    }
}

/// Lets every operation that handles an event decide it, one after the other.
async fn take(host: &Host, event: &str, origin: Origin, outgoing: &Outgoing) -> anyhow::Result<Vec<Decided>> {
    let bridge = BridgeEvent::read(event).map_err(Undecidable)?;
    let takers = host.routes.takers(event);
    // The bus delivers the host's own events here even if no operation handles them.
    if takers.is_empty() && !bridge.is_published() {
        let all: Vec<_> = host.routes.operations().collect();
        let all = if all.is_empty() { "none does".to_owned() } else { format!("there are {}", all.join(", ")) };
        return Err(
            Undecidable(format!("no operation takes {}; of those that take events {all}", bridge.name())).into()
        );
    }
    let key = bridge.key();
    let mut decided = Vec::with_capacity(takers.len());
    for operation in takers {
        let asked = key.clone().and_then(|key| Ok((key, bridge.invocation(operation)?)));
        let answer = match asked {
            Ok((key, invocation)) => {
                let source_key = key.map(SourceKey::Event).or_else(|| origin.source_key.clone());
                outgoing.decide(host, invocation, Origin { source_key, ..origin.clone() }).await?
            }
            Err(message) => Answer::invalid(&message),
        };
        decided.push(Decided { operation: operation.to_owned(), answer });
    }
    Ok(decided)
}

/// Decides the messages of a batch, and reports which ones the queue has to keep.
async fn take_batch(host: &Host, event: &str, origin: &Origin) -> anyhow::Result<String> {
    let batch = SqsBatch::read(event).map_err(Undecidable)?;
    // The events have to be published within the same time.
    let deadline = origin.deadline;
    let origin = &Origin { deadline: host.before_publishing(deadline), ..origin.clone() };
    let has_time = || SystemClock.instant() + LEAST < origin.deadline;
    let outgoing = Outgoing::default();
    let outgoing_of_records = &outgoing;
    let kept = batch.run(host.connections(), has_time, |record| {
        async move {
            let taken = caught(take_record(host, record, origin, outgoing_of_records)).await;
            let taken = taken.unwrap_or_else(|text| Err(anyhow::anyhow!("the host panicked: {text}")));
            if let Err(error) = &taken {
                tracing::error!(record = record.id, reason = decided::reason(error), "the queue keeps the message");
            }
            taken.is_ok()
        }
        .boxed()
    });
    let kept = kept.await;
    if !kept.is_empty() {
        tracing::warn!(kept = kept.len(), "the queue keeps messages of the batch, untried ones included");
    }
    let reply = sqs_batch::write(kept)?;
    // Published last: publishing needs connections that undecided requests would wait for.
    host.publish(outgoing.into_inner(), deadline).await;
    Ok(reply)
}

/// Decides one message: a direct invocation or an event that EventBridge put into the queue.
async fn take_record(host: &Host, record: &Record, origin: &Origin, outgoing: &Outgoing) -> anyhow::Result<()> {
    let trace = record.trace.or(origin.trace);
    // The arrival time is when the message's turn comes: the messages before it may have taken a
    // while.
    let now = SystemClock.now();
    let origin = Origin { source_key: of_delivery(&record.id), now, trace, ..origin.clone() };
    let decided = match Source::of(&record.body) {
        Source::Bridge => take(host, &record.body, origin, outgoing).await?,
        Source::Direct => match direct::read(&record.body) {
            Ok(invocation) => {
                let operation = invocation.operation.clone();
                vec![Decided { operation, answer: outgoing.decide(host, invocation, origin).await? }]
            }
            Err(answer) => {
                let message = answer.problem().map(|problem| problem.message.into_owned());
                return Err(Undecidable(message.unwrap_or_default()).into());
            }
        },
        _ => {
            let what =
                "the message is neither a direct invocation, which names its \"operation\", nor an EventBridge event";
            return Err(Undecidable(what.to_owned()).into());
        }
    };
    Ok(decided::settle(&decided)?)
}
