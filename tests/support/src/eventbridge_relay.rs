//! A proxy in front of moto that records every call of PutEvents, and can hold calls or fail single
//! entries, which moto cannot do.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::task::JoinHandle;

/// Listens until it is dropped.
pub struct Relay {
    url: String,
    calls: Arc<Mutex<Vec<Vec<String>>>>,
    called: Arc<Notify>,
    gate: Arc<tokio::sync::Mutex<()>>,
    traces: Arc<Mutex<Vec<Option<String>>>>,
    to_lose: Arc<AtomicU32>,
    offence: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Passes calls on to `upstream`, except the entries that `fail` selects. `fail` receives the
    /// number of the call from 0 and returns the positions of the entries and their error codes.
    pub async fn start(upstream: String, fail: impl Fn(usize) -> Vec<(usize, &'static str)> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (called, gate) = <(Arc<Notify>, Arc<tokio::sync::Mutex<()>>)>::default();
        let (seen, tell, open) = (Arc::clone(&calls), Arc::clone(&called), Arc::clone(&gate));
        let traces = Arc::new(Mutex::new(Vec::new()));
        let traced = Arc::clone(&traces);
        let to_lose = Arc::new(AtomicU32::new(0));
        let losing = Arc::clone(&to_lose);
        let offence = Arc::new(Mutex::new(None::<String>));
        let offends = Arc::clone(&offence);
        let task = tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (head, body) = read(&mut client).await;
                let offends = offends.lock().unwrap().as_ref().is_some_and(|text| body.contains(text));
                if offends {
                    let body = r#"{"__type":"ValidationException","message":"refused by the test proxy"}"#;
                    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\n";
                    let answer = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                    client.write_all(answer.as_bytes()).await.unwrap();
                    continue;
                }
                let mut call: Value = serde_json::from_str(&body).unwrap();
                let entries = call["Entries"].as_array_mut().unwrap();
                let trace = |entry: &Value| entry["TraceHeader"].as_str().map(str::to_owned);
                traced.lock().unwrap().extend(entries.iter().map(trace));
                let mut failures = {
                    let mut calls = seen.lock().unwrap();
                    calls.push(entries.iter().map(|entry| entry["Detail"].as_str().unwrap().to_owned()).collect());
                    fail(calls.len() - 1)
                };
                tell.notify_one();
                drop(open.lock().await);
                // From the last to the first, so that the positions stay valid.
                failures.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
                for (place, _) in &failures {
                    entries.remove(*place);
                }
                let mut answer = if entries.is_empty() {
                    json!({ "FailedEntryCount": 0, "Entries": [] })
                } else {
                    pass_on(&upstream, &head, &call.to_string()).await
                };
                if losing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                    continue;
                }
                for (place, code) in failures.iter().rev() {
                    let failed = json!({ "ErrorCode": code, "ErrorMessage": "refused by the test proxy" });
                    answer["Entries"].as_array_mut().unwrap().insert(*place, failed);
                }
                answer["FailedEntryCount"] = failures.len().into();
                let answer = answer.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\
                     connection: close\r\n\r\n",
                    answer.len()
                );
                client.write_all((head + &answer).as_bytes()).await.unwrap();
            }
        });
        Self { url, calls, traces, called, gate, to_lose, offence, task }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Holds calls until the guard is dropped.
    pub async fn hold(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.gate).lock_owned().await
    }

    /// Refuses whole calls that contain this text.
    pub fn refuse_calls_with(&self, text: &str) {
        *self.offence.lock().unwrap() = Some(text.to_owned());
    }

    /// Drops the responses to this many further calls: the entries are accepted, and the connection
    /// is closed.
    pub fn lose_answers(&self, calls: u32) {
        self.to_lose.store(calls, Ordering::SeqCst);
    }

    /// Waits for the next call.
    pub async fn call(&self) {
        self.called.notified().await;
    }

    /// The trace headers of all entries so far.
    pub fn traces(&self) -> Vec<Option<String>> {
        self.traces.lock().unwrap().clone()
    }

    /// The details of the entries of every call so far, exactly as received.
    pub fn calls(&self) -> Vec<Vec<String>> {
        self.calls.lock().unwrap().clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one message with a body of known length: its head, including the last line break, and its
/// body.
async fn read(stream: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end + 2].to_vec()).unwrap();
            let length: usize = header(&head, "content-length").expect("a length").parse().unwrap();
            if bytes.len() >= end + 4 + length {
                return (head, String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).unwrap());
            }
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the connection ended in the middle of a message");
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

async fn pass_on(upstream: &str, head: &str, body: &str) -> Value {
    let host = upstream.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(host).await.unwrap();
    let mut request = String::new();
    for line in head.lines() {
        let name = line.split_once(':').map_or("", |(name, _)| name).to_lowercase();
        if !["host", "content-length", "connection"].contains(&name.as_str()) {
            request.push_str(line);
            request.push_str("\r\n");
        }
    }
    request.push_str(&format!("host: {host}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).await.unwrap();
    let (head, answer) = read(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}{answer}");
    serde_json::from_str(&answer).unwrap()
}
