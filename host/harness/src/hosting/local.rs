use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenet_capsule::{Answer, Capsule, Compared, Shadow, Tape};
use tenet_clock::SystemClock;
use tenet_core::bundle::Index;
use tenet_core::{BoxFuture, Clock, FollowUp, Probe, SourceKey, Trace, Vault};
use tenet_database::Endpoint;
use tenet_events::{Buses, Routes};
use tenet_http::{Api, Reply, Request, Route};
use tenet_pipeline::{
    Arrival, FollowUpObservation, FollowUpObserver, Handled, Invocation, Pipeline, Presence, Relayed, direct,
};
use tenet_wiring::HostBuilder;
use tokio::task::JoinSet;

use super::follow::{self, Taken};
use crate::error::{Error, Result};

/// The first of the two regions that a laptop stands in for.
pub const EAST: &str = "us-east-1";

/// The second.
pub const WEST: &str = "us-west-2";

/// The pattern that every event matches.
pub const EVERY_EVENT: &str = r#"{"source":[{"prefix":""}]}"#;

/// One region's host in this process: an engine, connections and a bus of its own.
pub struct Local {
    region: String,
    api: Api,
    pipeline: Arc<Pipeline>,
    /// Operations that follow and run now.
    following: Mutex<JoinSet<tenet_pipeline::Followed>>,
    index: Index,
    shadow: Shadow,
    routes: Routes,
}

/// An operation that an event asked for.
pub struct Followed {
    /// Its name.
    pub operation: String,
    /// What it did.
    pub handled: Handled,
    /// The recording of it.
    pub capsule: Option<Capsule>,
}

/// Takes the name of an operation that was scheduled, what a run of it did, and the recording of it.
pub type OnFollowUp = Arc<dyn Fn(&str, &Handled, Option<&Capsule>) + Send + Sync>;

/// Records the follow-ups that a host runs by itself.
struct Observer {
    index: Index,
    on_follow_up: OnFollowUp,
}

struct Observation {
    index: Index,
    on_follow_up: OnFollowUp,
    tape: Tape,
}

impl FollowUpObserver for Observer {
    fn begin(&self, _: &tenet_core::Request) -> Option<Box<dyn FollowUpObservation>> {
        let Self { index, on_follow_up } = self;
        let (index, on_follow_up) = (index.clone(), Arc::clone(on_follow_up));
        Some(Box::new(Observation { index, on_follow_up, tape: Tape::new() }))
    }
}

impl FollowUpObservation for Observation {
    fn probe(&self) -> &dyn Probe {
        &self.tape
    }

    fn end<'a>(
        self: Box<Self>,
        request: tenet_core::Request,
        handled: &'a Handled,
        _: &'a Pipeline,
    ) -> BoxFuture<'a, ()> {
        let Self { index, on_follow_up, tape } = *self;
        let capsule = Capsule::new(&index, &request, tape.attempts(), answer(handled), &handled.receipt);
        on_follow_up(&request.operation, handled, capsule.as_ref());
        Box::pin(std::future::ready(()))
    }
}

/// How a rule's next version did on what the rule was answered with.
pub struct Shadowed {
    /// The rule.
    pub rule: String,
    /// The rule that shadows it.
    pub by: String,
    /// How the two compare.
    pub compared: Compared,
}

impl Local {
    /// Loads a built bundle and wires it to a database, to the region's bus and to a vault. `on_follow_up` is called
    /// after each run of an operation that was scheduled.
    ///
    /// # Errors
    /// Fails where the code of a rule cannot be loaded.
    pub fn start(
        region: &str,
        endpoint: Endpoint,
        (folder, index): (&Path, &Index),
        buses: &Buses,
        vault: &Arc<dyn Vault>,
        on_follow_up: OnFollowUp,
    ) -> Result<Self> {
        let connections = index.host.connections;
        let engine = tenet_engine::Engine::new(connections)?;
        let library = tenet_engine::Library::open(engine, folder, index)?;
        let api = Api::open(region, folder, index)?;
        let database = tenet_database::Database::new(endpoint, connections);
        let database = database.with_statement_timeout(index.host.statement_timeout()).for_bundle(index);
        let publisher = Arc::new(buses.publisher(region)?);
        let builder = HostBuilder::new(index, Arc::new(database), Arc::new(library), publisher);
        let observer = Observer { index: index.clone(), on_follow_up };
        let builder = builder.vault(Arc::clone(vault)).observer(Arc::new(observer));
        let (shadow, pipeline) = (builder.shadow(), Arc::new(builder.pipeline()?));
        let routes = Routes::new(&index.operations)?;
        let (following, index) = (Mutex::default(), index.clone());
        Ok(Self { region: region.to_owned(), api, pipeline, following, index, shadow, routes })
    }

    /// The region it serves.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The HTTP interface of its operations.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Decides a request and publishes its events.
    ///
    /// # Errors
    /// Fails where this machine has no random numbers.
    pub async fn handle(
        &self,
        invocation: Invocation,
        caller: Option<String>,
        trace: Option<Trace>,
        time: Duration,
    ) -> Result<Handled> {
        Ok(self.recorded(invocation, caller, trace, time).await?.0)
    }

    /// The same, with the recording of it; none where there is no such operation.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn recorded(
        &self,
        invocation: Invocation,
        caller: Option<String>,
        trace: Option<Trace>,
        time: Duration,
    ) -> Result<(Handled, Option<Capsule>)> {
        self.decide(self.arrival(caller, trace, time)?, invocation, time, &Presence::unknown()).await
    }

    fn arrival(&self, caller: Option<String>, trace: Option<Trace>, time: Duration) -> Result<Arrival> {
        Ok(Arrival { caller, trace, ..Arrival::now(&SystemClock, &self.region, time).map_err(Error::other)? })
    }

    /// Has the operations decide that take an event of this region's bus, one after the other. An
    /// event that the other region has published is that one's to follow.
    ///
    /// # Errors
    /// Fails where the text is no event.
    pub async fn follow(&self, event: &str, time: Duration) -> Result<Vec<Followed>> {
        let mut followed = Vec::new();
        for Taken { operation, key, payload } in follow::taken(&self.routes, &self.region, event)? {
            let source_key = Some(SourceKey::Event(key));
            let arrival =
                Arrival { source_key, ..Arrival::now(&SystemClock, &self.region, time).map_err(Error::other)? };
            let invocation = Invocation { operation: operation.clone(), key: None, payload };
            let (handled, capsule) = self.decide(arrival, invocation, time, &Presence::unknown()).await?;
            followed.push(Followed { operation, handled, capsule });
        }
        Ok(followed)
    }

    async fn decide(
        &self,
        arrival: Arrival,
        invocation: Invocation,
        time: Duration,
        presence: &Presence,
    ) -> Result<(Handled, Option<Capsule>)> {
        let request = arrival.request(invocation.operation, invocation.key, invocation.payload);
        let tape = Tape::new();
        let mut handled = self.pipeline.handle_while(request.clone(), Some(&tape), presence).await;
        if let Some(mut pending) = handled.pending.take() {
            let follow_ups = pending.take_follow_ups();
            self.pipeline.publish(pending, SystemClock.instant() + time).await;
            if !follow_ups.is_empty() {
                self.run(follow_ups, time);
            }
        }
        let answer = answer(&handled);
        let capsule = Capsule::new(&self.index, &request, tape.attempts(), answer, &handled.receipt);
        Ok((handled, capsule))
    }

    /// Runs what follows at once, for which no caller waits.
    fn run(&self, follow_ups: Vec<FollowUp>, time: Duration) {
        let (pipeline, region) = (Arc::clone(&self.pipeline), self.region.clone());
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        while following.try_join_next().is_some() {}
        following.spawn(async move { pipeline.follow(follow_ups, &region, SystemClock.instant() + time).await });
    }

    /// Waits for what follows at once. Returns how many operations are due and have not ended.
    pub async fn all_followed(&self) -> usize {
        let mut following = std::mem::take(&mut *self.following.lock().unwrap_or_else(PoisonError::into_inner));
        let mut others = 0;
        while let Some(followed) = following.join_next().await {
            let followed = followed.unwrap_or_default();
            others += followed.failed + followed.given_up + followed.left;
        }
        others
    }

    /// Delivers what was left in the outbox for longer than `grace`, and removes old answers.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn relay(&self, grace: Duration, time: Duration) -> Result<Relayed> {
        let deadline = SystemClock.instant() + time;
        Ok(self.pipeline.relay(&self.region, grace, self.index.host.answer_retention(), deadline).await?)
    }

    /// Runs the rules that shadow others on a request that was answered; none where requests want the connections.
    ///
    /// # Errors
    /// Fails where the recording cannot be run.
    pub async fn shadows(&self, capsule: &Capsule, time: Duration) -> Result<Option<Vec<Shadowed>>> {
        let Some(_place) = self.pipeline.spare_place() else { return Ok(None) };
        let mut all = Vec::new();
        for (of, by) in capsule.operation.shadow.iter().filter(|_| !capsule.answer.repeated) {
            let Some(rule) = self.index.rule(by) else { continue };
            let compared = self.shadow.run(capsule, (of, rule), SystemClock.instant() + time).await?;
            all.push(Shadowed { rule: of.clone(), by: by.clone(), compared });
        }
        Ok(Some(all))
    }

    /// Answers a direct invocation, JSON text in and out, as the Lambda function does.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn invoke(&self, event: &str, time: Duration) -> Result<(String, Option<Handled>)> {
        let invocation = match direct::read(event) {
            Ok(invocation) => invocation,
            Err(answer) => return Ok((direct::write(&answer), None)),
        };
        let handled = self.handle(invocation, None, None, time).await?;
        Ok((direct::write(&handled.answer), Some(handled)))
    }

    /// Answers an HTTP request, as the Lambda function does, and tells what an operation
    /// cost where it was one. It ends before its commit where the client is seen to leave.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn serve(
        &self,
        request: &Request<impl AsRef<[u8]>>,
        caller: Option<String>,
        time: Duration,
        presence: &Presence,
    ) -> Result<(Reply, Option<(Handled, Option<Capsule>)>)> {
        Ok(match self.api.route(request) {
            Route::Reply(reply) => (reply, None),
            Route::Health => {
                let ready = self.pipeline.ready(SystemClock.instant() + time).await;
                (self.api.health(&ready), None)
            }
            Route::Invoke(invocation) => {
                let trace = tenet_http::trace(&request.headers);
                let arrival = self.arrival(caller, trace, time)?;
                let decided = self.decide(arrival, invocation, time, presence).await?;
                let receipt = tenet_http::wants_receipt(&request.headers).then_some(&decided.0.receipt);
                (self.api.answer(&decided.0.answer, receipt), Some(decided))
            }
        })
    }
}

/// The answer of a request, as a capsule has it.
pub(crate) fn answer(handled: &Handled) -> Answer {
    let tenet_pipeline::Answer { status, body, repeated, key, .. } = &handled.answer;
    let key = key.as_ref().map(|key| key.as_str().to_owned());
    Answer { status: status.code(), body: body.clone(), repeated: *repeated, key }
}
