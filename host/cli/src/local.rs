use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tenet_capsule::{Answer, Capsule, Tape};
use tenet_core::bundle::Index;
use tenet_core::{Clock, Trace};
use tenet_events::Buses;
use tenet_http::{Api, Reply, Route};
use tenet_pipeline::{Arrival, Backoff, Handled, Invocation, Operations, Pipeline, SystemClock, direct};
use tenet_policy::StatementPolicy;

/// The two regions that a laptop stands in for.
pub(crate) const EAST: &str = "us-east-1";
pub(crate) const WEST: &str = "us-west-2";

/// The pattern that every event matches.
pub(crate) const EVERY_EVENT: &str = r#"{"source":[{"prefix":""}]}"#;

/// Requests that a host on a laptop runs side by side.
const CONCURRENCY: u32 = 4;

/// One region's host in this process: an engine, connections and a bus of its own.
pub(crate) struct Local {
    region: String,
    api: Api,
    pipeline: Pipeline,
    index: Index,
}

impl Local {
    /// Loads a built bundle and wires it to a database and to the region's bus.
    pub(crate) fn start(region: &str, url: &str, folder: &Path, index: &Index, buses: &Buses) -> anyhow::Result<Self> {
        let engine = tenet_engine::Engine::new(CONCURRENCY)?;
        let library = tenet_engine::Library::open(engine, folder, index)?;
        let api = Api::open(region, folder, index)?;
        let endpoint = tenet_database::Endpoint::parse(url)?;
        let pipeline = Pipeline::new(
            Operations::new(index)?,
            Arc::new(tenet_database::Database::new(endpoint, CONCURRENCY)),
            Arc::new(library),
            Arc::new(StatementPolicy::new(index)),
            Arc::new(buses.publisher(region)?),
            Arc::new(SystemClock),
            Backoff::default(),
        );
        Ok(Self { region: region.to_owned(), api, pipeline, index: index.clone() })
    }

    /// The region it serves.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// The HTTP interface of its operations.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// Decides a request and publishes its events.
    pub(crate) async fn handle(
        &self,
        invocation: Invocation,
        caller: Option<String>,
        trace: Option<Trace>,
        time: Duration,
    ) -> anyhow::Result<Handled> {
        Ok(self.recorded(invocation, caller, trace, time).await?.0)
    }

    /// The same, with the recording of it; none where there is no such operation.
    pub(crate) async fn recorded(
        &self,
        invocation: Invocation,
        caller: Option<String>,
        trace: Option<Trace>,
        time: Duration,
    ) -> anyhow::Result<(Handled, Option<Capsule>)> {
        let arrival = Arrival { caller, trace, ..Arrival::now(&SystemClock, &self.region, time)? };
        let request = arrival.request(invocation.operation, invocation.key, invocation.payload);
        let tape = Tape::new();
        let mut handled = self.pipeline.handle_under(request.clone(), Some(&tape)).await;
        if let Some(pending) = handled.pending.take() {
            self.pipeline.publish(pending, SystemClock.instant() + time).await;
        }
        let answer = answer(&handled);
        let capsule = Capsule::new(&self.index, &request, tape.attempts(), answer, &handled.receipt);
        Ok((handled, capsule))
    }

    /// Answers a direct invocation, JSON text in and out, as the Lambda function does.
    pub(crate) async fn invoke(&self, event: &str, time: Duration) -> anyhow::Result<(String, Option<Handled>)> {
        let invocation = match direct::read(event) {
            Ok(invocation) => invocation,
            Err(answer) => return Ok((direct::write(&answer), None)),
        };
        let handled = self.handle(invocation, None, None, time).await?;
        Ok((direct::write(&handled.answer), Some(handled)))
    }

    /// Answers an HTTP request, as the Lambda function does, and tells what an operation
    /// cost where it was one.
    pub(crate) async fn serve(
        &self,
        request: &Request<impl AsRef<[u8]>>,
        caller: Option<String>,
        time: Duration,
    ) -> anyhow::Result<(Reply, Option<Handled>)> {
        Ok(match self.api.route(request) {
            Route::Reply(reply) => (reply, None),
            Route::Health => {
                let ready = self.pipeline.ready(SystemClock.instant() + time).await;
                (self.api.health(ready.is_ok()), None)
            }
            Route::Invoke(invocation) => {
                let handled = self.handle(invocation, caller, tenet_http::trace(request.headers()), time).await?;
                (self.api.answer(&handled.answer), Some(handled))
            }
        })
    }
}

/// What a caller was told, as a capsule has it.
pub(crate) fn answer(handled: &Handled) -> Answer {
    let tenet_pipeline::Answer { status, body, repeated, .. } = &handled.answer;
    Answer { status: status.code(), body: body.clone(), repeated: *repeated }
}
