//! Which kind of event an invocation brings, and what it is answered.

use lambda_runtime::Context;
use tenet_core::{IdempotencyKey, Trace};
use tenet_http::{Reply, Route};
use tenet_pipeline::direct;

use crate::host::{Host, Origin};
use crate::http_event::{self, HttpEvent};

/// Answers one event with the JSON text that leaves.
pub(crate) async fn invoke(host: &Host, event: &str, context: &Context) -> anyhow::Result<String> {
    if http_event::is_http(event) {
        return Ok(http_event::write(serve(host, event, context).await?)?);
    }
    let invocation = match direct::read(event) {
        Ok(invocation) => invocation,
        Err(answer) => return Ok(direct::write(&answer)),
    };
    // Lambda lets a direct caller in or not, and does not tell the function who it is.
    Ok(direct::write(&host.decide(invocation, origin(host, None, None, context)).await?))
}

/// Answers an HTTP request.
async fn serve(host: &Host, event: &str, context: &Context) -> anyhow::Result<Reply> {
    let HttpEvent { request, caller } = match http_event::read(event) {
        Ok(event) => event,
        Err(detail) => return Ok(host.api.unreadable(&detail)),
    };
    let trace = tenet_http::trace(request.headers());
    Ok(match host.api.route(&request) {
        Route::Reply(reply) => reply,
        Route::Health => host.api.health(host.is_ready(host.deadline(context)).await),
        Route::Invoke(invocation) => {
            host.api.answer(&host.decide(invocation, origin(host, caller, trace, context)).await?)
        }
    })
}

/// What is known of a request; `trace` is its own, which is nearer than the invocation's.
fn origin(host: &Host, caller: Option<String>, trace: Option<Trace>, context: &Context) -> Origin {
    Origin {
        caller,
        source_key: IdempotencyKey::new(&context.request_id).ok(),
        deadline: host.deadline(context),
        trace: trace.or_else(|| Trace::x_ray(context.xray_trace_id.as_deref()?)),
    }
}
