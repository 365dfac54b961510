//! The function as an extension of itself.
//!
//! Lambda freezes a sandbox when its runtime and all its extensions have asked for the next
//! event, and tells it of its end by SIGTERM only where there is an extension
//! (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>). This
//! one keeps the sandbox awake while what an answer left is done. A registration that fails
//! costs nothing but that: the work is then done before the answer.

use lambda_extension::{Error, Extension, LambdaEvent, service_fn};

use crate::after::After;

/// What it is called among the function's extensions.
const NAME: &str = "tenet";

/// Registers, which has to happen before the runtime asks for its first event, and turns on
/// `after` if it may.
pub(crate) async fn register(after: &After, may_publish: bool) {
    // Sandboxes with several invocations at a time have no INVOKE to wait for.
    let several = std::env::var("AWS_LAMBDA_MAX_CONCURRENCY").is_ok_and(|most| most != "1");
    let after_answers = may_publish && !several;
    let events: &'static [&'static str] = if after_answers { &["INVOKE"] } else { &[] };
    let waiting = after.clone();
    let processor = service_fn(move |_: LambdaEvent| {
        let after = waiting.clone();
        async move {
            after.is_over().await;
            Ok::<(), Error>(())
        }
    });
    // Both crates panic without it, and the runtime's says so.
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    let extension = Extension::new().with_extension_name(NAME).with_events(events).with_events_processor(processor);
    match extension.register().await {
        Ok(registered) => {
            after.turn(after_answers);
            let after = after.clone();
            tokio::spawn(async move {
                let ended = registered.run().await;
                after.turn(false);
                tracing::warn!(error = ended.err(), "no extension any more: events leave before the answer");
            });
        }
        Err(error) => tracing::warn!(error, "no extension: events leave before the answer, and no SIGTERM comes"),
    }
}
