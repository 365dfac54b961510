use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use serde_json::value::RawValue;
use tenet_events::{Buses, Subscription};
use tenet_http::Reply;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::args::ServeArgs;
use crate::built;
use crate::database::Database;
use crate::local::{EAST, EVERY_EVENT, Local, WEST};
use crate::report::Problem;
use crate::run::{TIME, summary};

/// The largest body that Lambda hands to a function, in bytes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MAX_BODY: usize = 6 << 20;

/// How long a request may take to arrive, head and body.
const ARRIVING: Duration = Duration::from_secs(30);

/// How long requests that are being answered may take when the server is told to end.
const LEAVING: Duration = Duration::from_secs(5);

/// One region: its host, and where it listens.
struct Region {
    host: Arc<Local>,
    listener: TcpListener,
}

/// Serves a bundle's operations in both regions until it is told to end.
pub(crate) async fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let (folder, index) = built::open(&args.bundle).await?;
    let listeners = (listen(args.port, 0).await?, listen(args.port, 1).await?);
    let database = Database::open(args.database_url.as_deref(), &folder, &index).await?;
    let url = database.url();
    let buses = Buses::new([EAST, WEST])?;
    let start = |region, listener: TcpListener| {
        let host = Arc::new(Local::start(region, &url, &folder, &index, &buses)?);
        println!("{region}  http://{}", listener.local_addr()?);
        anyhow::Ok(Region { host, listener })
    };
    let (east, west) = (start(EAST, listeners.0)?, start(WEST, listeners.1)?);
    println!("{:<9}  /openapi.json describes the operations", "");
    if matches!(database, Database::Private(_)) {
        println!("{:<9}  {url} is the database, which ends with this", "");
    }
    let mut telling = JoinSet::new();
    for region in [EAST, WEST] {
        telling.spawn(tell_events(region, buses.subscribe(region, EVERY_EVENT)?));
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let shutdown = GracefulShutdown::new();
    loop {
        let (accepted, host) = tokio::select! {
            accepted = east.listener.accept() => (accepted, &east.host),
            accepted = west.listener.accept() => (accepted, &west.host),
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, Arc::clone(host), shutdown.watcher()));
            }
            // Its client was faster to leave than the server to take it.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error).context("no more connections can be taken"),
        }
    }
    if timeout(LEAVING, shutdown.shutdown()).await.is_err() {
        tracing::warn!("requests were still being answered");
    }
    telling.shutdown().await;
    database.close()
}

async fn listen(port: u16, number: u16) -> anyhow::Result<TcpListener> {
    let help = "--port takes another, or 0 for any two that are free";
    let next = port.checked_add(if port == 0 { 0 } else { number });
    let port = next.ok_or_else(|| Problem::new(format!("no port comes after {port}"), help))?;
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    bound.with_context(|| Problem::new(format!("cannot listen on 127.0.0.1:{port}"), help))
}

/// Answers the requests of one connection, until its client or `watcher` ends it.
async fn converse(stream: TcpStream, host: Arc<Local>, watcher: Watcher) {
    let service = service_fn(move |request: Request<Incoming>| {
        let host = Arc::clone(&host);
        // In a task of its own, which a client that leaves does not end: nor does it in
        // Lambda, where a request that was begun is decided and its events leave.
        let answering = tokio::spawn(answer(Arc::clone(&host), request));
        async move {
            let (head, body) = answering.await.unwrap_or_else(|_| host.api().broken()).into_parts();
            Ok::<_, Infallible>(http::Response::from_parts(head, Full::new(Bytes::from(body))))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(ARRIVING);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Answers one request and tells the terminal.
async fn answer(host: Arc<Local>, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let line = format!("{} {}", head.method, head.uri.path());
    let caller = caller(&head.headers);
    let (reply, cost) = match timeout(ARRIVING, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => {
            let request = Request::from_parts(head, body.to_bytes());
            match host.serve(&request, caller, TIME).await {
                Ok((reply, handled)) => (reply, handled.as_ref().map(summary)),
                Err(error) => (host.api().broken(), Some(format!("{error:#}"))),
            }
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => (host.api().too_large(), None),
        Ok(Err(_)) => (host.api().unreadable("The body broke off."), None),
        Err(_) => (host.api().unreadable("The body did not arrive in time."), None),
    };
    tell(host.region(), &format!("{line}  {}", cost.unwrap_or_else(|| reply.status().as_u16().to_string())));
    reply
}

/// Who asks: what the harness, which is the authoriser here, takes a token for.
fn caller(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.trim().to_owned())
}

/// Tells the terminal of every event that arrives at a region's bus.
async fn tell_events(region: &str, mut events: Subscription) {
    #[derive(serde::Deserialize)]
    struct Event<'a> {
        #[serde(rename = "detail-type")]
        detail_type: String,
        #[serde(borrow)]
        detail: &'a RawValue,
    }
    loop {
        let event = events.next().await;
        if let Ok(Event { detail_type, detail }) = serde_json::from_str(&event) {
            tell(region, &format!("event {detail_type}  {detail}"));
        }
    }
}

fn tell(region: &str, text: &str) {
    println!("{}  {region}  {text}", time_of_day(SystemTime::now()));
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
