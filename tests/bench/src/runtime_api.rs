use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;

use crate::http_request::HttpRequest;
use crate::http_server::HttpServer;

/// The timeout of an invocation.
const INVOCATION: Duration = Duration::from_secs(60);

/// The parts of Lambda's runtime API that one function needs
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>), for as many concurrent invocations as it
/// requests.
pub(crate) struct RuntimeApi {
    server: HttpServer,
    events: Sender<Invocation>,
}

/// A function's answer, or its failure, and when it came.
pub(crate) type Replied = (Instant, anyhow::Result<String>);

struct Invocation {
    event: String,
    reply: Reply,
}

/// Receives the answer.
type Reply = Box<dyn FnOnce(Replied) + Send>;

struct Shared {
    next: Mutex<Receiver<Invocation>>,
    /// Unanswered invocations, by their ids.
    given: Mutex<HashMap<String, Reply>>,
    number: AtomicU64,
}

impl RuntimeApi {
    /// Listens on a free port of this machine until it is dropped.
    ///
    /// # Errors
    /// Fails if there is none.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let (events, next) = mpsc::channel();
        let next = Mutex::new(next);
        let shared = Arc::new(Shared { next, given: Mutex::default(), number: AtomicU64::new(0) });
        let server = HttpServer::start(move |stream| shared.serve(stream))?;
        Ok(Self { server, events })
    }

    /// `HOST:PORT`
    pub(crate) fn address(&self) -> &str {
        self.server.address()
    }

    /// Sends the event to the function when it requests the next one. `reply` receives the answer.
    ///
    /// # Errors
    /// Fails if the API has ended.
    pub(crate) fn begin(&self, event: &str, reply: impl FnOnce(Replied) + Send + 'static) -> anyhow::Result<()> {
        let invocation = Invocation { event: event.to_owned(), reply: Box::new(reply) };
        self.events.send(invocation).map_err(|_| anyhow!("the runtime API has ended"))
    }
}

impl Shared {
    /// Answers the requests of one connection, one after the other.
    fn serve(&self, stream: &TcpStream) -> anyhow::Result<()> {
        let (mut reader, mut writer) = (BufReader::new(stream), stream);
        while let Some(HttpRequest { path, body }) = HttpRequest::read(&mut reader)? {
            if path.ends_with("/invocation/next") {
                // After the last event there is none: the function is killed while it waits.
                let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(Invocation { event, reply }) = next else { return Ok(()) };
                let id = format!("5e0b3e1c-0000-4000-8000-{:012x}", self.number.fetch_add(1, Ordering::Relaxed));
                let deadline = SystemTime::now().duration_since(UNIX_EPOCH)? + INVOCATION;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                     lambda-runtime-aws-request-id: {id}\r\n\
                     lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:tenet\r\n\
                     lambda-runtime-deadline-ms: {}\r\n\r\n",
                    event.len(),
                    deadline.as_millis()
                );
                self.given().insert(id, reply);
                writer.write_all([head, event].concat().as_bytes())?;
            } else if path.contains("/extension/") {
                writer.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")?;
            } else {
                let now = Instant::now();
                let reply = path.rsplit('/').nth(1).and_then(|id| self.given().remove(id));
                let answer = if path.ends_with("/response") { Ok(body) } else { Err(anyhow!("{path}: {body}")) };
                if let Some(reply) = reply {
                    reply((now, answer));
                }
                writer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
            }
        }
        Ok(())
    }

    fn given(&self) -> MutexGuard<'_, HashMap<String, Reply>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
