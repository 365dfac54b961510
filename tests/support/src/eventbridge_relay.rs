//! A proxy in front of moto that records every call of PutEvents, and can hold calls or fail single
//! entries, which moto cannot do.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::task::JoinHandle;

use crate::one_call::Message;

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
                let mut request = Message::read(&mut client).await.unwrap();
                let offends = offends.lock().unwrap().as_ref().is_some_and(|text| request.body.contains(text));
                if offends {
                    let body = r#"{"__type":"ValidationException","message":"refused by the test proxy"}"#;
                    let answer = Message::response("400 Bad Request", body);
                    client.write_all(&answer.bytes(None)).await.unwrap();
                    continue;
                }
                let mut call: Value = serde_json::from_str(&request.body).unwrap();
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
                    request.body = call.to_string();
                    let answer = request.send_to(&upstream).await.unwrap();
                    assert!(answer.is_ok(), "{}", answer.body);
                    serde_json::from_str(&answer.body).unwrap()
                };
                if losing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                    continue;
                }
                for (place, code) in failures.iter().rev() {
                    let failed = json!({ "ErrorCode": code, "ErrorMessage": "refused by the test proxy" });
                    answer["Entries"].as_array_mut().unwrap().insert(*place, failed);
                }
                answer["FailedEntryCount"] = failures.len().into();
                let answer = Message::response("200 OK", &answer.to_string());
                client.write_all(&answer.bytes(None)).await.unwrap();
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
