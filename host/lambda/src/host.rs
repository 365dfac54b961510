use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use aws_config::{BehaviorVersion, Region};
use lambda_runtime::Context;
use tenet_capsule::Key;
use tenet_clock::SystemClock;
use tenet_core::bundle::Index;
use tenet_core::{Clock, Code, Fault, HostSettings, Receipt, SourceKey, Timestamp, Trace, Vault};
use tenet_database::Database;
use tenet_engine::{Engine, Library};
use tenet_events::{EventBridge, Routes};
use tenet_http::Api;
use tenet_pipeline::{Answer, Arrival, Handled, Invocation, NoVault, Pending, Pipeline, Relayed};
use tenet_wiring::HostBuilder;

use crate::extension;
use crate::post_response::PostResponse;
use crate::readiness::Readiness;
use crate::recorder::{self, FollowUpRecorder, Recorder};
use crate::settings::Settings;
use crate::work::Work;

/// How long the init phase waits for the warm-up call of a rule.
const FIRST_CALL: Duration = Duration::from_secs(1);

/// How long the init phase waits for the database.
const CONNECTING: Duration = Duration::from_secs(3);

/// How long a health check waits for the database.
const CHECKING: Duration = Duration::from_secs(2);

/// The host of one region, created in the function's init phase.
pub(crate) struct Host {
    region: String,
    settings: HostSettings,
    http_timeout: Option<Duration>,
    readiness: Readiness,
    pub(crate) api: Api,
    pub(crate) routes: Routes,
    database: Arc<Database>,
    pipeline: Arc<Pipeline>,
    recorder: Arc<Recorder>,
    after: PostResponse,
    work: Work,
}

/// What is known about a request apart from its content.
#[derive(Clone)]
pub(crate) struct Origin {
    /// The caller's identity, as the authoriser reports it.
    pub(crate) caller: Option<String>,
    /// The id that its source gave it.
    pub(crate) source_key: Option<SourceKey>,
    /// When it arrived. All operations that handle one event see the same time.
    pub(crate) now: Timestamp,
    /// When its response has to be sent.
    pub(crate) deadline: Instant,
    /// The trace context.
    pub(crate) trace: Option<Trace>,
    /// Whether the caller requested a capsule.
    pub(crate) wants_capsule: bool,
}

impl Host {
    /// The init phase: loads the bundle, opens the engine and the first connection, and connects
    /// the ports. Slow steps run concurrently.
    pub(crate) async fn start(settings: Settings, index: Index) -> anyhow::Result<Self> {
        let routes = Routes::new(&index.operations)?;
        let work = Work::new();
        let after = PostResponse::new(work.clone());
        let ((library, api), (database, publisher, vault), ()) =
            tokio::try_join!(load(&settings, &index), connect(&settings, &index), async {
                // In a sandbox with concurrent invocations, extensions receive no invocation events.
                let after_answers = index.host.publish_after_answer && settings.one_at_a_time;
                extension::register(&after, after_answers).await;
                Ok(())
            },)?;
        let key = settings.capsule_key.as_deref().map(Key::parse).transpose().context("TENET_CAPSULE_KEY")?;
        let builder = HostBuilder::new(&index, Arc::clone(&database), library, Arc::new(publisher)).vault(vault);
        let recorder = Arc::new(Recorder::new(index.clone(), settings.capsules, key, builder.shadow()));
        let pipeline = builder.observer(Arc::new(FollowUpRecorder(Arc::clone(&recorder)))).pipeline()?;
        tracing::info!(region = settings.region, rules = index.rules.len(), "host is ready");
        Ok(Self {
            region: settings.region,
            settings: index.host,
            http_timeout: settings.http_timeout,
            readiness: Readiness::default(),
            api,
            routes,
            database,
            pipeline: Arc::new(pipeline),
            recorder,
            after,
            work,
        })
    }

    /// A host built from a test's parts.
    #[cfg(test)]
    pub(crate) fn of(builder: HostBuilder, (index, api): (Index, Api), database: Arc<Database>) -> Self {
        let (work, shadow) = (Work::new(), builder.shadow());
        Self {
            region: "us-east-1".into(),
            settings: index.host.clone(),
            http_timeout: None,
            readiness: Readiness::default(),
            api,
            routes: Routes::new(&index.operations).unwrap(),
            database,
            pipeline: Arc::new(builder.pipeline().unwrap()),
            recorder: Arc::new(Recorder::new(index, None, None, shadow)),
            after: PostResponse::new(work.clone()),
            work,
        }
    }

    /// Runs work after the responses: a layer of the runtime.
    pub(crate) fn after(&self) -> PostResponse {
        self.after.clone()
    }

    /// Waits up to `limit` for running work to end, and closes the connections.
    pub(crate) async fn stop(&self, limit: Duration) {
        let deadline = SystemClock.instant() + limit;
        let finished = tokio::time::timeout_at(deadline.into(), self.work.is_done()).await.is_ok();
        self.database.close(deadline).await;
        tracing::info!(finished, "host stops");
    }

    /// When the responses of an invocation have to be sent.
    pub(crate) fn deadline(&self, context: &Context) -> Instant {
        let left = time_left(context.deadline, SystemTime::now()).saturating_sub(self.settings.margin());
        SystemClock.instant() + left
    }

    /// When the response to an HTTP request has to be sent, which the HTTP API `received` at that
    /// time: before the API gives up, whatever the invocation's own deadline is.
    pub(crate) fn http_deadline(&self, deadline: Instant, received: Option<SystemTime>) -> Instant {
        let Some(timeout) = self.http_timeout else { return deadline };
        let left = http_time_left(timeout, received, SystemTime::now()).saturating_sub(self.settings.margin());
        deadline.min(SystemClock.instant() + left)
    }

    /// The deadline for deciding several requests, which leaves time to publish their events.
    pub(crate) fn before_publishing(&self, deadline: Instant) -> Instant {
        let left = deadline.saturating_duration_since(SystemClock.instant());
        deadline.checked_sub(self.settings.publish().min(left / 4)).unwrap_or(deadline)
    }

    /// How many requests it decides concurrently.
    pub(crate) fn connections(&self) -> usize {
        usize::try_from(self.settings.connections).unwrap_or(usize::MAX)
    }

    /// Publishes what hosts of either region left in the outbox, and removes expired answers.
    pub(crate) async fn relay(&self, deadline: Instant) -> Result<Relayed, Fault> {
        let (grace, keep) = (self.settings.relay_grace(), self.settings.answer_retention());
        self.pipeline.relay(&self.region, grace, keep, deadline).await
    }

    /// Whether requests can be decided, now or a moment ago.
    pub(crate) async fn ready(&self, deadline: Instant) -> Result<(), Fault> {
        let check = async {
            let ready = self.pipeline.ready(deadline.min(SystemClock.instant() + CHECKING)).await;
            if let Err(fault) = &ready {
                tracing::warn!(error_code = fault.code().map(Code::as_str), fault = format!("{fault:#}"), "not ready");
            }
            ready
        };
        self.readiness.get(check).await
    }

    /// Decides a request. The caller has to [publish](Self::publish) its events.
    pub(crate) async fn decide_only(&self, invocation: Invocation, origin: Origin) -> anyhow::Result<Handled> {
        let arrival = Arrival::now(&SystemClock, &self.region, Duration::ZERO)?;
        let Origin { caller, source_key, now, deadline, trace, wants_capsule } = origin;
        let arrival = Arrival { caller, source_key, now, deadline, trace, ..arrival };
        let request = arrival.request(invocation.operation, invocation.key, invocation.payload);
        let handled = match self.recorder.begin(&request, wants_capsule) {
            None => self.pipeline.handle(request).await,
            Some(recording) => {
                let handled = self.pipeline.handle_under(request.clone(), Some(&recording.tape)).await;
                let (recorder, receipt) = (Arc::clone(&self.recorder), handled.receipt.clone());
                let answer = recorder::answer(&handled.answer);
                let pipeline = Arc::clone(&self.pipeline);
                let recording = async move {
                    recorder.finish(recording, (request, answer, receipt), &pipeline, deadline).await;
                };
                self.after.spawn_background(recording);
                handled
            }
        };
        Ok(handled)
    }

    /// Decides a request and publishes its events, now or after the response.
    pub(crate) async fn decide(&self, invocation: Invocation, origin: Origin) -> anyhow::Result<(Answer, Receipt)> {
        let deadline = origin.deadline;
        let Handled { answer, receipt, pending, .. } = self.decide_only(invocation, origin).await?;
        self.publish(pending, deadline).await;
        Ok((answer, receipt))
    }

    /// Publishes the events of requests, now or after the response, batched together, and runs what follows at once.
    pub(crate) async fn publish(&self, pending: impl IntoIterator<Item = Pending>, deadline: Instant) {
        let pending: Vec<_> = pending.into_iter().collect();
        if pending.is_empty() {
            return;
        }
        let mut pending = pending;
        let follow_ups: Vec<_> = pending.iter_mut().flat_map(Pending::take_follow_ups).collect();
        let (pipeline, longest) = (Arc::clone(&self.pipeline), self.settings.publish());
        if !follow_ups.is_empty() {
            let (pipeline, region) = (Arc::clone(&pipeline), self.region.clone());
            // No caller waits for what follows: if the sandbox ends first, a relay runs it.
            self.after.spawn_background(async move {
                pipeline.follow(follow_ups, &region, deadline).await;
            });
        }
        let publishing =
            async move { pipeline.publish_all(pending, deadline.min(SystemClock.instant() + longest)).await };
        self.after.defer(publishing).await;
    }
}

/// Loads the rules and calls one, on a thread where blocking is allowed.
async fn load(settings: &Settings, index: &Index) -> anyhow::Result<(Arc<Library>, Api)> {
    let (bundle, region, index) = (settings.bundle.clone(), settings.region.clone(), index.clone());
    let loading = tokio::task::spawn_blocking(move || {
        let library = Library::open(Engine::new(index.host.connections)?, &bundle, &index)?;
        let api = Api::open(&region, &bundle, &index)?;
        anyhow::Ok((Arc::new(library), api, index.rules.into_iter().next()))
    });
    let (library, api, rule) = loading.await??;
    if let Some(rule) = rule {
        let call = library.first_call(&rule.name, &rule.limits);
        // Only a warm-up: its time is limited whatever the rule's limits are.
        let _ = tokio::time::timeout(FIRST_CALL, call).await;
    }
    Ok((library, api))
}

/// Finds the credentials and opens the first connection.
async fn connect(settings: &Settings, index: &Index) -> anyhow::Result<(Arc<Database>, EventBridge, Arc<dyn Vault>)> {
    let region = Region::new(settings.region.clone());
    let config = aws_config::defaults(BehaviorVersion::latest()).region(region).load().await;
    let vault: Arc<dyn Vault> = match settings.vault(index, &config)? {
        Some(vault) => Arc::new(vault),
        None => Arc::new(NoVault),
    };
    let database = settings.database.open(index.host.connections, &config)?;
    let database = database.with_statement_timeout(index.host.statement_timeout()).for_bundle(index);
    match database.warm(SystemClock.instant() + CONNECTING).await {
        Ok(()) => {}
        Err(fault) if fault.is_unavailable() || fault.is_deadline() || fault.is_conflict() => {
            // Requests try again, and are answered 503 while the database stays unreachable.
            tracing::warn!(
                error_code = fault.code().map(Code::as_str),
                fault = format!("{fault:#}"),
                "no connection in the init phase"
            );
        }
        // The operator may fix this while the function runs.
        Err(fault) if let Some(code) = fault.code() => {
            tracing::error!(error_code = code.as_str(), fault = format!("{fault:#}"), "the database is not set up");
        }
        // If two databases were treated as one, every effect would be doubled.
        Err(fault) => return Err(fault.into()),
    }
    Ok((Arc::new(database), EventBridge::new(&config, &settings.region, &settings.event_bus), vault))
}

/// The remaining time of an invocation, from its deadline in milliseconds since 1970.
///
/// Some emulators of the runtime API give a duration instead of a time: a deadline more than a day
/// in the past is treated as a duration.
fn time_left(deadline: u64, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = Duration::from_millis(deadline);
    if deadline + Duration::from_secs(86_400) < now { deadline } else { deadline.saturating_sub(now) }
}

/// The remaining time of an HTTP request of which the API waits `timeout` for the response.
///
/// It has waited since it received the request, the sandbox's start included. A request that is older
/// than the timeout would have been given up: then the time is not that of this request, as in some
/// emulators, and only the timeout counts.
fn http_time_left(timeout: Duration, received: Option<SystemTime>, now: SystemTime) -> Duration {
    let waited = received.and_then(|received| now.duration_since(received).ok()).unwrap_or_default();
    timeout.checked_sub(waited).unwrap_or(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_ends_with_the_deadline_and_never_underflows() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(time_left(1_700_000_003_000, now), Duration::from_millis(3000));
        assert_eq!(time_left(1_700_000_000_100, now), Duration::from_millis(100));
        assert_eq!(time_left(1_699_999_999_000, now), Duration::ZERO);
    }

    #[test]
    fn an_http_request_has_the_time_that_is_left_of_the_api_s() {
        let (limit, now) = (Duration::from_secs(29), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let left = |received| http_time_left(limit, received, now);
        assert_eq!(left(None), limit);
        assert_eq!(left(Some(now - Duration::from_secs(9))), Duration::from_secs(20));
        // A clock that is behind, and an event from an emulator.
        assert_eq!(left(Some(now + Duration::from_secs(5))), limit);
        assert_eq!(left(Some(UNIX_EPOCH)), limit);
    }

    #[test]
    fn a_deadline_in_another_age_is_a_duration() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(time_left(5000, now), Duration::from_millis(5000));
    }
}
