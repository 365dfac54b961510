//! The host as an AWS Lambda function: the binary `bootstrap`.
//!
//! It only connects the parts. Settings are read once, the bundle is checked and loaded in the init phase, and each
//! event becomes one or more requests to the pipeline: one, one for each operation that handles it, or those of a whole
//! batch. Events are published after the response. It must not contain a compiler: rules are compiled ahead of time for
//! this engine.

#[cfg(test)]
mod bugs;
mod decided;
mod extension;
#[cfg(test)]
mod fixtures;
mod host;
mod http_event;
mod invoke;
mod log_settings;
mod members;
mod post_response;
mod readiness;
mod recorder;
mod settings;
mod source;
mod sqs_batch;
mod work;

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde_json::value::RawValue;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Instrument;

use crate::host::Host;
use crate::settings::Settings;

/// The time for shutdown. Lambda kills a sandbox with an internal extension after 500 ms in any case
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown>); other
/// supervisors allow more.
const LEAVING: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::read(std::env::vars())?;
    let index = settings.index()?;
    tracing::subscriber::set_global_default(settings.log.subscriber(&index.host.metrics)?)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let host = Arc::new(Host::start(settings, index).await?);
    let serving = Arc::clone(&host);
    // Without the runtime's own layer, whose span would repeat the trace in every line.
    let service = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let span = tracing::error_span!("invocation", requestId = event.context.request_id);
        answer(Arc::clone(&serving), event).instrument(span)
    });
    let runtime = tokio::spawn(Runtime::new(service).layer(host.after()).run_concurrent());
    tokio::select! {
        ended = runtime => ended?,
        _ = terminate.recv() => {
            host.stop(LEAVING).await;
            Ok(())
        }
    }
}

/// One iteration of the runtime loop.
async fn answer(host: Arc<Host>, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, lambda_runtime::Error> {
    let answer = invoke::invoke(&host, event.payload.get(), &event.context).await.inspect_err(|error| {
        tracing::error!(reason = decided::reason(error), "invocation failed");
    })?;
    Ok(RawValue::from_string(answer)?)
}
