use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};

/// How often a function that owes an answer is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// When one that has not answered never will.
const HANGS: Duration = Duration::from_secs(60);

/// As much of Lambda's runtime API as one function needs
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).
pub(crate) struct RuntimeApi {
    address: String,
    events: Sender<String>,
    answers: Receiver<(Instant, anyhow::Result<String>)>,
    ended: Arc<AtomicBool>,
}

impl RuntimeApi {
    /// Listens on a free port of this machine until the value goes.
    ///
    /// # Errors
    /// Fails where there is none.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (events, next) = mpsc::channel();
        let (sender, answers) = mpsc::channel();
        let next = Arc::new(Mutex::new(next));
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        thread::spawn(move || {
            for stream in listener.incoming().flatten().take_while(|_| !over.load(Ordering::Acquire)) {
                let (next, sender) = (Arc::clone(&next), sender.clone());
                // It ends with its function, which closes the connection.
                thread::spawn(move || serve(&stream, &next, &sender));
            }
        });
        Ok(Self { address, events, answers, ended })
    }

    /// `HOST:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Gives the event to the function as soon as it asks for the next one, and returns the answer and when it
    /// came.
    ///
    /// # Errors
    /// Fails where the function says that it does, is no more `alive`, or never answers.
    pub(crate) fn invoke(
        &self,
        event: &str,
        mut alive: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<(Instant, String)> {
        self.events.send(event.to_owned())?;
        let start = Instant::now();
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok((at, answer)) => return Ok((at, answer?)),
                Err(RecvTimeoutError::Timeout) => {
                    ensure!(alive()?, "the function has ended instead of answering");
                    ensure!(start.elapsed() < HANGS, "the function does not answer");
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the runtime API has ended"),
            }
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // Wakes whoever waits for a connection, to see that it is over. Where there is none to
        // be had, nobody waits.
        let _ = TcpStream::connect(&self.address);
    }
}

/// Answers one connection's requests, one after the other.
fn serve(
    stream: &TcpStream,
    events: &Mutex<Receiver<String>>,
    answers: &Sender<(Instant, anyhow::Result<String>)>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    while let Some((path, body)) = read(&mut reader)? {
        if path.ends_with("/invocation/next") {
            // There is none after the last: whoever has had that is ended while it waits.
            let Ok(event) = events.lock().unwrap_or_else(PoisonError::into_inner).recv() else { return Ok(()) };
            let deadline = SystemTime::now().duration_since(UNIX_EPOCH)? + HANGS;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 lambda-runtime-aws-request-id: 5e0b3e1c-0000-4000-8000-000000000000\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:tenet\r\n\
                 lambda-runtime-deadline-ms: {}\r\n\r\n",
                event.len(),
                deadline.as_millis()
            );
            writer.write_all([head, event].concat().as_bytes())?;
        } else if path.contains("/extension/") {
            writer.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")?;
        } else {
            let answer = if path.ends_with("/response") { Ok(body) } else { Err(anyhow::anyhow!("{path}: {body}")) };
            answers.send((Instant::now(), answer))?;
            writer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
        }
    }
    Ok(())
}

/// Reads one request: its path and its body, which comes whole or in chunks.
fn read(reader: &mut impl BufRead) -> anyhow::Result<Option<(String, String)>> {
    let Some(first) = line(reader)? else { return Ok(None) };
    let path = first.split(' ').nth(1).context("a request without a path")?.to_owned();
    let (mut length, mut chunked) = (0, false);
    while let Some(header) = line(reader)?.filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':').context("a header without a colon")?;
        match (name.to_lowercase().as_str(), value.trim()) {
            ("content-length", value) => length = value.parse()?,
            ("transfer-encoding", value) => chunked = value == "chunked",
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        while let Some(size) = line(reader)? {
            let size = u64::from_str_radix(&size, 16)?;
            reader.by_ref().take(size).read_to_end(&mut body)?;
            line(reader)?;
            if size == 0 {
                break;
            }
        }
    } else {
        reader.by_ref().take(length).read_to_end(&mut body)?;
    }
    Ok(Some((path, String::from_utf8(body)?)))
}

/// The next line without its end; none after the last.
fn line(reader: &mut impl BufRead) -> anyhow::Result<Option<String>> {
    let mut line = String::new();
    let read = reader.read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}
