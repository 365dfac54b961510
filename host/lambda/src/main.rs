//! The host as an AWS Lambda function: the binary `bootstrap`.
//!
//! Wiring and nothing else. Settings are read once, the bundle is checked and loaded in
//! the init phase, and each event becomes one request to the pipeline. It must never hold
//! a compiler: rules arrive compiled ahead of time for this engine.

mod host;
mod http_event;
mod invoke;
mod settings;

use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::host::Host;
use crate::settings::Settings;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::read(std::env::vars())?;
    tracing::subscriber::set_global_default(tenet_log::json(&settings.log, std::io::stdout)?)?;
    let host = Arc::new(Host::start(settings).await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let host = Arc::clone(&host);
        async move {
            let answer = invoke::invoke(&host, event.payload.get(), &event.context).await?;
            Ok::<_, lambda_runtime::Error>(RawValue::from_string(answer)?)
        }
    }))
    .await
}
