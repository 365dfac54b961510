use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tenet_audit::Tally;
use tenet_test_support::one_call::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

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
    taken: Arc<Semaphore>,
}

impl Gate {
    /// Listens until it is dropped, in front of the server with this URL.
    pub(crate) async fn open(upstream: &str, seed: u64, tally: Arc<Tally>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let upstream = upstream.to_owned();
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        let taken = Arc::new(Semaphore::new(0));
        let state = Arc::new(State { upstream, whims: AtomicU32::new(0), random, tally, taken });
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

    /// Has a permit for each call that the bus has taken.
    pub(crate) fn taken(&self) -> Arc<Semaphore> {
        Arc::clone(&self.state.taken)
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
        let call = Message::read(&mut client).await?;
        let whim = self.whim();
        if !matches!(whim, Whim::Take) {
            self.tally.count(&format!("bus: {whim:?}"));
        }
        match whim {
            Whim::HangUp => return Ok(()),
            Whim::Fail => {
                let failed = Message::response("500 Internal Server Error", "{}");
                return Ok(client.write_all(&failed.bytes(None)).await?);
            }
            Whim::Throttle => {
                let body: serde_json::Value = serde_json::from_str(&call.body)?;
                let entries = body["Entries"].as_array().map_or(0, Vec::len);
                let entry = r#"{"ErrorCode":"ThrottlingException","ErrorMessage":"not now"}"#;
                let body =
                    format!(r#"{{"FailedEntryCount":{entries},"Entries":[{}]}}"#, vec![entry; entries].join(","));
                return Ok(client.write_all(&Message::response("200 OK", &body).bytes(None)).await?);
            }
            Whim::Take | Whim::TakeAndHangUp | Whim::TakeAndStall => {}
        }
        let taken = call.send_to(&self.upstream).await?;
        self.taken.add_permits(1);
        match whim {
            Whim::TakeAndHangUp => {}
            Whim::TakeAndStall => tokio::time::sleep(Duration::from_secs(6)).await,
            _ => client.write_all(&taken.bytes(None)).await?,
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
