mod chunk_bound;
mod door;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use serde_json::value::RawValue;
use tenet_capsule::Capsule;
use tenet_database::{Contents, Endpoint, Tables};
use tenet_events::{Buses, Subscription};
use tenet_harness::building::{self, Opened};
use tenet_harness::hosting::{EAST, EVERY_EVENT, Followed, Local, OnFollowUp, Shadowed, WEST, vault};
use tenet_harness::testing::{transcript, write_capsule};
use tenet_harness::{Database, Watching};
use tenet_http::{Path as UrlPath, Reply};
use tenet_pipeline::{Handled, Presence, Relayed};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};

use self::chunk_bound::{ChunkBound, TooLong};
use crate::args::ServeArgs;
use crate::problem::Problem;
use crate::reporters::errors;
use crate::reporters::progress::OnTerminal;
use crate::request::{TIME, later, summary, unmodelled};
use crate::terminal;

/// The largest body that Lambda hands to a function, in bytes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MAX_BODY: usize = 6 << 20;

/// How long a request may take to arrive, head and body.
const ARRIVING: Duration = Duration::from_secs(30);

/// How often a region's relay has its turn. A deployment's has it every few minutes.
const RELAYING: Duration = Duration::from_secs(10);

/// How old an event in the outbox is at least when the relay takes it: a request may take as long
/// to be decided, and again to publish.
const RELAY_GRACE: Duration = Duration::from_secs(2 * TIME.as_secs());

/// How long open requests may take once the server is asked to stop.
const LEAVING: Duration = Duration::from_secs(5);

/// One region: its host, and where it listens.
struct Region {
    serving: Arc<Serving>,
    listener: TcpListener,
}

/// What answers in a region: the host of now, which another takes the place of once the rules are
/// built anew, and what is made of its requests.
struct Serving {
    host: RwLock<Arc<Local>>,
    /// The port that it is asked at.
    port: u16,
    telling: Telling,
}

/// What is printed about a request, and recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telling {
    /// Whether its statements are.
    pub(crate) statements: bool,
    /// Where its capsule goes.
    pub(crate) record: Option<PathBuf>,
}

/// Serves a bundle's operations in both regions until it is asked to stop. Where the sources are watched,
/// each saved change is built and served. The contents of the database are kept in the file `kept`, if one is named.
pub(crate) async fn run(
    args: &ServeArgs,
    telling: Telling,
    watching: Option<Watching>,
    kept: Option<PathBuf>,
) -> anyhow::Result<()> {
    let Opened { folder, index, postgres } = building::open(&args.bundle, args.out.as_deref(), &OnTerminal).await?;
    let listeners = (listen(args.port, 0).await?, listen(args.port, 1).await?);
    let database = match args.dsql {
        true => {
            // It was needed to build the bundle.
            drop(postgres);
            Database::model(&folder, &index).await?
        }
        false => Database::open(args.database_url.as_deref(), &folder, &index, postgres, &OnTerminal).await?,
    };
    let database = Arc::new(database);
    if let Some(kept) = &kept {
        restore(kept, &database.endpoint()?).await?;
    }
    let buses = Arc::new(Buses::new([EAST, WEST])?);
    let vault = vault(args.vault_key.as_deref(), &index.host)?;
    let start = |region, endpoint, listener: TcpListener| {
        let then = on_follow_up(region, &telling);
        let host = RwLock::new(Arc::new(Local::start(region, endpoint, (&folder, &index), &buses, &vault, then)?));
        let address = listener.local_addr()?;
        terminal::say(&format!("{region}  http://{address}"));
        let serving = Arc::new(Serving { host, port: address.port(), telling: telling.clone() });
        anyhow::Ok(Region { serving, listener })
    };
    let (east, west) = (start(EAST, database.endpoint()?, listeners.0)?, start(WEST, database.peer()?, listeners.1)?);
    terminal::say(&format!("{:<9}  /openapi.json describes the operations", ""));
    let mut clients = JoinSet::new();
    let own = match &*database {
        Database::Named(_) => None,
        Database::Private(postgres) => Some(format!("{} is the database", postgres.url("postgres"))),
        Database::Model(model) => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("the model cannot be reached")?;
            let port = listener.local_addr()?.port();
            clients.spawn(model.clone().listen(listener));
            Some(format!("postgres://admin:any@127.0.0.1:{port}/postgres is the database, a model of Aurora DSQL"))
        }
    };
    own.iter().for_each(|own| terminal::say(&format!("{:<9}  {own}, which ends with this", "")));
    let mut events = JoinSet::new();
    for region in [&east, &west] {
        let serving = Arc::clone(&region.serving);
        let arriving = buses.subscribe(serving.host().region(), EVERY_EVENT)?;
        events.spawn(take_events(serving, arriving));
    }
    let mut relays = JoinSet::new();
    for (place, region) in (0..).zip([&east, &west]) {
        // One after the other: both find the same events.
        relays.spawn(relay(Arc::clone(&region.serving), RELAYING / 2 * place));
    }
    let mut saving = JoinSet::new();
    if let Some(watching) = watching {
        let serving = [&east, &west].map(|region| Arc::clone(&region.serving));
        let anew = Anew { args: args.clone(), database: Arc::clone(&database), buses: Arc::clone(&buses), serving };
        saving.spawn(anew.watch(watching));
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let shutdown = GracefulShutdown::new();
    loop {
        let (accepted, serving) = tokio::select! {
            accepted = east.listener.accept() => (accepted, &east.serving),
            accepted = west.listener.accept() => (accepted, &west.serving),
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, Arc::clone(serving), shutdown.watcher()));
            }
            // Its client was faster to leave than the server to take it.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error).context("no more connections can be taken"),
        }
    }
    if timeout(LEAVING, shutdown.shutdown()).await.is_err() {
        tracing::warn!("requests were still being answered");
    }
    relays.shutdown().await;
    events.shutdown().await;
    saving.shutdown().await;
    clients.shutdown().await;
    if let Some(kept) = &kept {
        let contents = Tables::open(&database.endpoint()?).await?.contents().await?;
        std::fs::write(kept, contents.to_json()).with_context(|| format!("cannot write {}", kept.display()))?;
    }
    // A build that is under way holds it, and then it ends with that.
    Ok(Arc::into_inner(database).map_or(Ok(()), Database::close)?)
}

/// What it takes to serve a bundle that was saved.
struct Anew {
    args: ServeArgs,
    database: Arc<Database>,
    buses: Arc<Buses>,
    serving: [Arc<Serving>; 2],
}

impl Anew {
    /// Serves what is saved, each time. Meanwhile, and where it cannot be built, what was served
    /// before goes on.
    async fn watch(self, mut watching: Watching) {
        let this = Arc::new(self);
        while watching.changed().await {
            let began = Instant::now();
            let runtime = tokio::runtime::Handle::current();
            let building = Arc::clone(&this);
            // Compilers take their time, and requests are answered by the same threads.
            let served = tokio::task::spawn_blocking(move || runtime.block_on(building.serve())).await;
            match served.map_err(anyhow::Error::from).flatten() {
                Ok(()) => tell("both", &format!("serving what was saved, {} ms later", began.elapsed().as_millis())),
                Err(error) => drop(errors::tell(&error)),
            }
        }
    }

    /// Builds the bundle and serves it in the place of what was served.
    async fn serve(&self) -> anyhow::Result<()> {
        let (bundle, out, postgres) = (&self.args.bundle, self.args.out.as_deref(), self.database.postgres());
        let Opened { folder, index, .. } = building::open_beside(bundle, out, postgres, &OnTerminal).await?;
        self.database.apply(&folder, &index).await?;
        let vault = vault(self.args.vault_key.as_deref(), &index.host)?;
        let endpoints = [self.database.endpoint()?, self.database.peer()?];
        for (serving, endpoint) in self.serving.iter().zip(endpoints) {
            let name = serving.host().region().to_owned();
            let then = on_follow_up(&name, &serving.telling);
            let host = Arc::new(Local::start(&name, endpoint, (&folder, &index), &self.buses, &vault, then)?);
            *serving.host.write().unwrap_or_else(PoisonError::into_inner) = host;
        }
        Ok(())
    }
}

/// Tells what each run of an operation did that was scheduled.
fn on_follow_up(region: &str, telling: &Telling) -> OnFollowUp {
    let (region, telling) = (region.to_owned(), telling.clone());
    Arc::new(move |operation, handled, capsule| {
        tell(&region, &format!("then {operation}  {}", summary(handled)));
        terminal::say_all(&telling.lines(handled, capsule));
    })
}

/// Gives the database what was kept, if anything was.
async fn restore(kept: &Path, endpoint: &Endpoint) -> anyhow::Result<()> {
    if !kept.is_file() {
        return Ok(());
    }
    let help = "remove it to begin with an empty database";
    let what = || Problem::new(format!("what was kept in {} cannot be given back", kept.display()), help);
    let text = tenet_build::text_at_most(kept, tenet_build::MAX_CODE).with_context(what)?;
    let contents = Contents::parse(&text).with_context(what)?;
    Tables::open(endpoint).await?.restore(&contents).await.with_context(what)
}

impl Serving {
    fn host(&self) -> Arc<Local> {
        Arc::clone(&self.host.read().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn listen(port: u16, number: u16) -> anyhow::Result<TcpListener> {
    let help = "--port takes another, or 0 for any two that are free";
    let next = port.checked_add(if port == 0 { 0 } else { number });
    let port = next.ok_or_else(|| Problem::new(format!("no port comes after {port}"), help))?;
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    bound.with_context(|| Problem::new(format!("cannot listen on 127.0.0.1:{port}"), help))
}

/// Answers the requests of one connection, until its client or `watcher` ends it.
async fn converse(stream: TcpStream, serving: Arc<Serving>, watcher: Watcher) {
    let service = service_fn(move |request: Request<Incoming>| {
        let host = serving.host();
        // In a task of its own, which a client that leaves does not end: a commit that was begun is
        // decided, and its events leave.
        let (here, left) = oneshot::channel::<Infallible>();
        let presence = Presence::until(left.map(drop));
        let answering = tokio::spawn(answer(Arc::clone(&host), Arc::clone(&serving), request, presence));
        async move {
            // Dropped with the connection.
            let _here = here;
            let (head, body) = answering.await.unwrap_or_else(|_| host.api().broken()).into_parts();
            Ok::<_, Infallible>(http::Response::from_parts(head, Full::new(Bytes::from(body))))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(ARRIVING);
    let connection = builder.serve_connection(TokioIo::new(ChunkBound::new(stream, MAX_BODY)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Answers one request and tells the terminal.
async fn answer(host: Arc<Local>, serving: Arc<Serving>, request: Request<Incoming>, presence: Presence) -> Reply {
    let (head, body) = request.into_parts();
    let line = format!("{} {}", head.method, head.uri.path());
    let turned_away = match door::turned_away(&head, serving.port) {
        Some(why) => Some(host.api().turned_away(why)),
        // It would wait for the bytes of what it declares.
        None if body.size_hint().lower() > MAX_BODY as u64 => Some(host.api().too_large()),
        // A page may send that without asking first.
        None if !body.is_end_stream() && !head.headers.contains_key(CONTENT_TYPE) => Some(host.api().untyped()),
        None => None,
    };
    if let Some(reply) = turned_away {
        tell(host.region(), &format!("{line}  {} turned away", reply.status().as_u16()));
        return reply;
    }
    let caller = caller(&head.headers);
    let mut lines = Vec::new();
    let (reply, cost) = match timeout(ARRIVING, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => {
            let path = UrlPath::of(head.uri.path());
            let request =
                tenet_http::Request { method: head.method, path, headers: head.headers, body: body.to_bytes() };
            match host.serve(&request, caller, TIME, &presence).await {
                Ok((reply, decided)) => {
                    if let Some((handled, capsule)) = &decided {
                        lines = serving.telling.lines(handled, capsule.as_ref());
                        let shadowed = capsule.as_ref().filter(|capsule| !capsule.operation.shadow.is_empty());
                        // In its own time, as in a region.
                        if let Some(capsule) = shadowed.cloned() {
                            tokio::spawn(tell_shadows(Arc::clone(&host), capsule));
                        }
                    }
                    (reply, decided.map(|(handled, _)| summary(&handled)))
                }
                Err(error) => (host.api().broken(), Some(format!("{error:#}"))),
            }
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() || TooLong::is_cause_of(error.as_ref()) => {
            (host.api().too_large(), None)
        }
        Ok(Err(_)) => (host.api().unreadable("The body broke off."), None),
        Err(_) => (host.api().unreadable("The body did not arrive in time."), None),
    };
    let left = if presence.has_left() { "; its client has left" } else { "" };
    tell(host.region(), &format!("{line}  {}{left}", cost.unwrap_or_else(|| reply.status().as_u16().to_string())));
    terminal::say_all(&lines);
    reply
}

async fn tell_shadows(host: Arc<Local>, capsule: Capsule) {
    let lines = match host.shadows(&capsule, TIME).await {
        Ok(Some(shadowed)) => shadowed.iter().flat_map(shadow_lines).collect(),
        Ok(None) => vec!["shadow dropped: requests want the connections".to_owned()],
        Err(error) => vec![format!("shadow: {error:#}")],
    };
    lines.iter().for_each(|line| tell(host.region(), line));
}

fn shadow_lines(Shadowed { rule, by, compared }: &Shadowed) -> Vec<String> {
    let newer = if compared.has_read_newer { ", in part in a newer snapshot" } else { "" };
    let word = match (compared.agrees(), compared.is_comparable) {
        (true, _) => "agrees with",
        (false, true) => "differs from",
        (false, false) => "cannot be compared with",
    };
    let first = format!("shadow {by} {word} {rule}{newer}");
    std::iter::once(first).chain(compared.differences.iter().map(|line| format!("  {line}"))).collect()
}

impl Telling {
    /// The lines about a request in addition to its result. Writes its capsule.
    fn lines(&self, handled: &Handled, capsule: Option<&Capsule>) -> Vec<String> {
        let mut lines = Vec::from_iter(unmodelled(capsule).map(|line| format!("    {line}")));
        lines.extend(later(handled, capsule).into_iter().map(|line| format!("    {line}")));
        let Some(capsule) = capsule else { return lines };
        if self.statements {
            lines.extend(handled.reason.as_ref().map(|reason| format!("    because {reason}")));
            lines.extend(transcript(&capsule.attempts).into_iter().map(|line| format!("    {line}")));
        }
        if let Some(folder) = &self.record {
            let path = folder.join(capsule.file_name());
            lines.push(match write_capsule(&path, capsule) {
                Ok(()) => format!("    recorded: {}", path.display()),
                Err(error) => format!("    not recorded: {error:#}"),
            });
        }
        lines
    }
}

/// Who asks: what the harness, which is the authoriser here, takes a token for.
fn caller(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.trim().to_owned())
}

/// Delivers what a fault has left in the outbox, turn by turn, as a region's schedule has it.
async fn relay(serving: Arc<Serving>, begins_in: Duration) {
    let mut turns = tokio::time::interval_at(tokio::time::Instant::now() + begins_in, RELAYING);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let host = serving.host();
        match host.relay(RELAY_GRACE, TIME).await {
            Ok(relayed) if relayed.delivered > 0 || relayed.parked > 0 => {
                let Relayed { delivered, parked, .. } = relayed;
                tell(host.region(), &format!("relay  delivered {delivered}, parked {parked}"));
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the relay's turn failed"),
        }
    }
}

/// Tells the events of a region's bus, and has the operations decide that take them.
async fn take_events(serving: Arc<Serving>, mut events: Subscription) {
    #[derive(serde::Deserialize)]
    struct Event<'a> {
        #[serde(rename = "detail-type")]
        detail_type: String,
        #[serde(borrow)]
        detail: &'a RawValue,
    }
    loop {
        let event = events.next().await;
        let host = serving.host();
        if let Ok(Event { detail_type, detail }) = serde_json::from_str(&event) {
            tell(host.region(), &format!("event {detail_type}  {detail}"));
        }
        // Each in its own time, as in a region.
        tokio::spawn(follow(host, Arc::clone(&serving), event));
    }
}

/// Has the operations decide that take an event, and tells what they did.
async fn follow(host: Arc<Local>, serving: Arc<Serving>, event: String) {
    match host.follow(&event, TIME).await {
        Ok(followed) => {
            for Followed { operation, handled, capsule } in followed {
                tell(host.region(), &format!("then {operation}  {}", summary(&handled)));
                let lines = serving.telling.lines(&handled, capsule.as_ref());
                terminal::say_all(&lines);
            }
        }
        Err(error) => tell(host.region(), &format!("an event cannot be followed: {error:#}")),
    }
}

fn tell(region: &str, text: &str) {
    terminal::say(&format!("{}  {region}  {text}", time_of_day(SystemTime::now())));
}

/// Hours, minutes and seconds in UTC.
fn time_of_day(now: SystemTime) -> String {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, now.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bearer_of_a_token_is_the_caller() {
        let caller = |value: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, http::HeaderValue::from_static(value))]);
            super::caller(&headers)
        };
        assert_eq!(caller("Bearer ann").as_deref(), Some("ann"));
        assert_eq!(caller("bearer ann").as_deref(), Some("ann"));
        for value in ["ann", "Basic YW5uOg==", "Bearer ", "Bearer"] {
            assert_eq!(caller(value), None, "{value}");
        }
        assert_eq!(super::caller(&HeaderMap::new()), None);
    }

    #[test]
    fn the_time_of_a_line_is_the_clocks() {
        let time = UNIX_EPOCH + Duration::from_millis(86_400_000 + 45_296_007);
        assert_eq!(time_of_day(time), "12:34:56.007");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_what_takes_another() {
        let taken = listen(0, 0).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen(port, 0).await.unwrap_err();
        let problem = error.downcast_ref::<Problem>().unwrap();
        assert!(problem.to_string().contains(&format!("127.0.0.1:{port}")), "{problem}");
        assert!(problem.help().contains("--port"), "{error:#}");
    }
}
