use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use lambda_runtime::Context;
use tenet_core::bundle::{INDEX, Index};
use tenet_core::{Clock, IdempotencyKey};
use tenet_http::{Api, Reply, Route};
use tenet_pipeline::{Answer, Arrival, Backoff, Invocation, Operations, Pipeline, SystemClock, direct};

use crate::http_event::{self, HttpEvent};
use crate::settings::Settings;

/// What is left of an invocation's time when the answer has to be on its way.
const MARGIN: Duration = Duration::from_millis(300);

/// The longest that the init phase waits for the database.
const CONNECTING: Duration = Duration::from_secs(3);

/// The longest that an answer waits for the bus; what is not taken by then stays in the outbox.
const PUBLISHING: Duration = Duration::from_secs(2);

/// The longest that a question for the host's health waits for the database.
const CHECKING: Duration = Duration::from_secs(2);

/// One region's host, made in the function's init phase.
pub(crate) struct Host {
    region: String,
    api: Api,
    pipeline: Pipeline,
}

impl Host {
    /// Loads the bundle, opens the engine, and wires the ports.
    pub(crate) async fn start(settings: Settings) -> anyhow::Result<Self> {
        let path = settings.bundle.join(INDEX);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let index = Index::parse(&text).with_context(|| path.display().to_string())?;
        let engine = tenet_engine::Engine::new(1)?;
        let library = tenet_engine::Library::open(engine, &settings.bundle, &index)?;
        let api = Api::open(&settings.region, &settings.bundle, &index)?;
        let endpoint = tenet_database::Endpoint::parse(&settings.database_url)?;
        let database = tenet_database::Database::new(endpoint, 1);
        if let Err(fault) = database.warm(SystemClock.instant() + CONNECTING).await {
            // Requests try again, and say 503 as long as it stays away.
            tracing::warn!(%fault, "no connection in the init phase");
        }
        let publisher = tenet_events::EventBridge::from_env(&settings.region, &settings.event_bus).await;
        let pipeline = Pipeline::new(
            Operations::new(&index)?,
            Arc::new(database),
            Arc::new(library),
            Arc::new(publisher),
            Arc::new(SystemClock),
            Backoff::default(),
        );
        tracing::info!(region = settings.region, rules = index.rules.len(), "host is ready");
        Ok(Self { region: settings.region, api, pipeline })
    }

    /// Answers one event with the JSON text that leaves.
    pub(crate) async fn invoke(&self, event: &str, context: &Context) -> anyhow::Result<String> {
        if http_event::is_http(event) {
            return Ok(http_event::write(self.serve(event, context).await?)?);
        }
        let invocation = match direct::read(event) {
            Ok(invocation) => invocation,
            Err(answer) => return Ok(direct::write(&answer)),
        };
        // Lambda lets a direct caller in or not, and does not tell the function who it is.
        Ok(direct::write(&self.decide(invocation, None, context).await?))
    }

    /// Answers an HTTP request.
    async fn serve(&self, event: &str, context: &Context) -> anyhow::Result<Reply> {
        let HttpEvent { request, caller } = match http_event::read(event) {
            Ok(event) => event,
            Err(detail) => return Ok(self.api.unreadable(&detail)),
        };
        Ok(match self.api.route(&request) {
            Route::Reply(reply) => reply,
            Route::Health => {
                let deadline = SystemClock.instant() + time_left(context.deadline, SystemTime::now()).min(CHECKING);
                let ready = self.pipeline.ready(deadline).await;
                if let Err(fault) = &ready {
                    tracing::warn!(%fault, "not ready");
                }
                self.api.health(ready.is_ok())
            }
            Route::Invoke(invocation) => self.api.answer(&self.decide(invocation, caller, context).await?),
        })
    }

    /// Decides a request and publishes what it staged.
    async fn decide(
        &self,
        invocation: Invocation,
        caller: Option<String>,
        context: &Context,
    ) -> anyhow::Result<Answer> {
        let mut arrival = Arrival::now(&SystemClock, &self.region, time_left(context.deadline, SystemTime::now()))?;
        arrival.source_key = IdempotencyKey::new(&context.request_id).ok();
        arrival.caller = caller;
        let deadline = arrival.deadline;
        let handled =
            self.pipeline.handle(arrival.request(invocation.operation, invocation.key, invocation.payload)).await;
        if let Some(pending) = handled.pending {
            let publish_until = deadline.min(SystemClock.instant() + PUBLISHING);
            self.pipeline.publish(pending, publish_until).await;
        }
        Ok(handled.answer)
    }
}

/// The time that an invocation has, by its deadline in milliseconds since 1970.
///
/// Some runtime APIs give a duration where Lambda gives an instant; a deadline that lies
/// more than a day in the past is taken for one.
fn time_left(deadline: u64, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = Duration::from_millis(deadline);
    let left = if deadline + Duration::from_secs(86_400) < now { deadline } else { deadline.saturating_sub(now) };
    left.saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_ends_before_the_deadline_and_never_underflows() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(time_left(1_700_000_003_000, now), Duration::from_millis(2700));
        assert_eq!(time_left(1_700_000_000_100, now), Duration::ZERO);
        assert_eq!(time_left(1_699_999_999_000, now), Duration::ZERO);
    }

    #[test]
    fn a_deadline_in_another_age_is_a_duration() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(time_left(5000, now), Duration::from_millis(4700));
    }
}
