use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::json;

use crate::http_request::HttpRequest;
use crate::http_server::HttpServer;

/// An API of EventBridge that accepts every event at once, and records the transfers in the events.
pub struct EventBus {
    server: HttpServer,
    transfers: Arc<Mutex<BTreeSet<String>>>,
}

impl EventBus {
    /// Listens on a free port of this machine until it is dropped.
    ///
    /// # Errors
    /// Fails if there is none.
    pub fn start() -> anyhow::Result<Self> {
        let transfers = Arc::new(Mutex::new(BTreeSet::new()));
        let taken = Arc::clone(&transfers);
        let server = HttpServer::start(move |stream| serve(stream, &taken))?;
        Ok(Self { server, transfers })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The ids of the transfers whose events it has accepted.
    pub fn transfers(&self) -> BTreeSet<String> {
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A call of PutEvents.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    detail: String,
}

/// The detail of a transfer's event.
#[derive(Deserialize)]
struct Posted {
    transfer_id: String,
}

fn serve(stream: &TcpStream, taken: &Mutex<BTreeSet<String>>) -> anyhow::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    while let Some(HttpRequest { body, .. }) = HttpRequest::read(&mut reader)? {
        let PutEvents { entries } = serde_json::from_str(&body)?;
        let ids =
            entries.iter().filter_map(|entry| Some(serde_json::from_str::<Posted>(&entry.detail).ok()?.transfer_id));
        taken.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
        let answers: Vec<_> =
            entries.iter().map(|_| json!({"EventId": "00000000-0000-0000-0000-000000000000"})).collect();
        let answer = json!({"FailedEntryCount": 0, "Entries": answers}).to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\n";
        writer.write_all(format!("{head}content-length: {}\r\n\r\n{answer}", answer.len()).as_bytes())?;
    }
    Ok(())
}
