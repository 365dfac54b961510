//! The function as an extension of itself.
//!
//! Lambda freezes a sandbox when its runtime and all its extensions have asked for the next
//! event, and tells it of its end by SIGTERM only where there is an extension
//! (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>). This
//! one keeps the sandbox awake while what an answer left is done. A registration that fails
//! costs nothing but that: the work is then done before the answer.

use std::time::Duration;

use lambda_extension::{Error, Extension, LambdaEvent, service_fn};
use tokio::time::timeout;

use crate::post_response::PostResponse;

/// The longest that registering may take; the other end is in the sandbox.
const REGISTERING: Duration = Duration::from_secs(2);

/// What it is called among the function's extensions.
const NAME: &str = "tenet";

/// Registers, which has to happen before the runtime asks for its first event, and turns on
/// `after` if work is to be done after the answers.
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
                tracing::warn!(error = ended.err(), "no extension any more: events leave before the answer");
            });
        }
        Ok(Err(error)) => tracing::warn!(error, "no extension: events leave before the answer, and no SIGTERM comes"),
        Err(_) => tracing::warn!("no extension in time: events leave before the answer, and no SIGTERM comes"),
    }
}
