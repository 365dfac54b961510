use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::tally::Tally;

/// A bus's misbehaviour for one call.
#[derive(Clone, Copy, Debug)]
enum Whim {
    Take,
    /// Closes the connection.
    HangUp,
    /// Reports an error.
    Fail,
    /// Accepts the entries without responding.
    TakeAndHangUp,
    /// Accepts the entries and responds when the client is gone.
    TakeAndStall,
    /// Accepts none of the entries, with one error per entry.
    Throttle,
}

/// An unreliable connection from a host to its bus.
pub(crate) struct Gate {
    url: String,
    task: JoinHandle<()>,
    state: Arc<State>,
}

struct State {
    upstream: String,
    /// How many of ten calls are disturbed.
    whims: AtomicU32,
    random: Mutex<fastrand::Rng>,
    tally: Arc<Tally>,
}

impl Gate {
    /// Listens until it is dropped, in front of the server with this URL.
    pub(crate) async fn open(upstream: &str, seed: u64, tally: Arc<Tally>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        let state = Arc::new(State { upstream, whims: AtomicU32::new(0), random, tally });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                // The caller retries a failed call.
                tokio::spawn(async move { state.serve(client).await });
            }
        });
        Ok(Self { url, task, state })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sets how many of ten calls are disturbed from now on.
    pub(crate) fn whims(&self, of_ten: u32) {
        self.state.whims.store(of_ten, Ordering::Relaxed);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    async fn serve(&self, mut client: TcpStream) -> anyhow::Result<()> {
        let call = read(&mut client).await?;
        let whim = self.whim();
        if !matches!(whim, Whim::Take) {
            self.tally.count(&format!("bus: {whim:?}"));
        }
        match whim {
            Whim::HangUp => return Ok(()),
            Whim::Fail => return Ok(client.write_all(&answer("500 Internal Server Error", "{}")).await?),
            Whim::Throttle => {
                let text = String::from_utf8_lossy(&call);
                let body: serde_json::Value = serde_json::from_str(text.split_once("\r\n\r\n").context("no body")?.1)?;
                let entries = body["Entries"].as_array().map_or(0, Vec::len);
                let entry = r#"{"ErrorCode":"ThrottlingException","ErrorMessage":"not now"}"#;
                let body =
                    format!(r#"{{"FailedEntryCount":{entries},"Entries":[{}]}}"#, vec![entry; entries].join(","));
                return Ok(client.write_all(&answer("200 OK", &body)).await?);
            }
            Whim::Take | Whim::TakeAndHangUp | Whim::TakeAndStall => {}
        }
        let mut server = TcpStream::connect(&self.upstream).await?;
        server.write_all(&call).await?;
        let taken = read(&mut server).await?;
        match whim {
            Whim::TakeAndHangUp => {}
            Whim::TakeAndStall => tokio::time::sleep(Duration::from_secs(6)).await,
            _ => client.write_all(&taken).await?,
        }
        Ok(())
    }

    fn whim(&self) -> Whim {
        let mut random = self.random.lock().unwrap();
        if random.u32(0..10) >= self.whims.load(Ordering::Relaxed) {
            return Whim::Take;
        }
        // A stalled call delays a host for seconds.
        if random.u32(0..40) == 0 {
            return Whim::TakeAndStall;
        }
        let whims = [Whim::HangUp, Whim::Fail, Whim::TakeAndHangUp, Whim::Throttle];
        whims[random.usize(0..whims.len())]
    }
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Reads one message with a body of known length. The message is passed on with a header that
/// closes the connection after it.
async fn read(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut lines: Vec<_> = head.lines().collect();
            let length = lines.iter().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let length = length.context("a message without its length")?;
            if bytes.len() >= end + 4 + length {
                lines.retain(|line| !line.to_lowercase().starts_with("connection:"));
                let head = format!("{}\r\nconnection: close\r\n\r\n", lines.join("\r\n"));
                return Ok([head.as_bytes(), &bytes[end + 4..end + 4 + length]].concat());
            }
        }
        ensure!(stream.read_buf(&mut bytes).await? > 0, "the connection ended in the middle of a message");
    }
}
