//! The function as its own Lambda extension.
//!
//! Lambda freezes a sandbox once its runtime and all its extensions have requested the next event,
//! and sends SIGTERM at its end only if there is an extension
//! (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>). This extension
//! keeps the sandbox awake until the work deferred by a response is done. If registration fails,
//! that work is done before the response.

use std::time::Duration;

use lambda_extension::{Error, Extension, LambdaEvent, service_fn};
use tokio::time::timeout;

use crate::post_response::PostResponse;

/// The timeout for registering. The server is in the same sandbox.
const REGISTERING: Duration = Duration::from_secs(2);

/// The name of the extension.
const NAME: &str = "tenet";

/// Registers, which has to happen before the runtime requests its first event. Turns on `after` if
/// work is to be done after the responses.
pub(crate) async fn register(after: &PostResponse, after_answers: bool) {
    let events: &'static [&'static str] = if after_answers { &["INVOKE"] } else { &[] };
    let waiting = after.clone();
    let processor = service_fn(move |_: LambdaEvent| {
        let after = waiting.clone();
        async move {
            after.is_over().await;
            Ok::<(), Error>(())
        }
    });
    let extension = Extension::new().with_extension_name(NAME).with_events(events).with_events_processor(processor);
    match timeout(REGISTERING, extension.register()).await {
        Ok(Ok(registered)) => {
            after.turn(after_answers);
            let after = after.clone();
            tokio::spawn(async move {
                let ended = registered.run().await;
                after.turn(false);
                tracing::warn!(
                    error = ended.err(),
                    "the extension has ended: events are published before the response"
                );
            });
        }
        Ok(Err(error)) => {
            tracing::warn!(error, "no extension: events are published before the response, and no SIGTERM arrives")
        }
        Err(_) => {
            tracing::warn!("no extension in time: events are published before the response, and no SIGTERM arrives")
        }
    }
}
