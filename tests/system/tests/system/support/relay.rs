//! A relay between a host and PostgreSQL that reads what passes: it counts waits as the
//! wire shows them, refuses a message, or cuts the connection at the worst moment.

use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// A relay to one database. It ends with the runtime it was started on.
pub(crate) struct Relay {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    round_trips: AtomicU32,
    plans: Mutex<Vec<(String, Action)>>,
}

#[derive(Clone, Copy)]
enum Action {
    Refuse([u8; 5]),
    CutBefore,
    CutAfter,
}

impl Relay {
    /// A relay to the database with this URL.
    pub(crate) async fn start(url: &str) -> Self {
        let config = Config::from_str(url).unwrap();
        let Host::Tcp(host) = config.get_hosts()[0].clone() else { panic!("{url} is not reached by TCP") };
        let port = config.get_ports()[0];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let user = config.get_user().unwrap();
        let name = config.get_dbname().unwrap();
        let url = format!("postgres://{user}@{}/{name}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let relay = Self { url, shared: Arc::clone(&shared) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                tokio::spawn(Link::serve(client, server, Arc::clone(&shared)));
            }
        });
        relay
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How often, since the last [`Relay::reset`], something was sent when everything
    /// sent before had been answered. Log-ins do not count.
    pub(crate) fn round_trips(&self) -> u32 {
        self.shared.round_trips.load(Ordering::SeqCst)
    }

    pub(crate) fn reset(&self) {
        self.shared.round_trips.store(0, Ordering::SeqCst);
    }

    /// Answers the next statement that begins like this with an error, and does not let
    /// the server see it.
    pub(crate) fn refuse_once(&self, begins: &str, sqlstate: &str) {
        self.plan(begins, Action::Refuse(sqlstate.as_bytes().try_into().unwrap()));
    }

    /// Cuts the connection in place of the next statement that begins like this.
    pub(crate) fn cut_before_once(&self, begins: &str) {
        self.plan(begins, Action::CutBefore);
    }

    /// Cuts the connection once the server has done the next statement that begins like
    /// this, and keeps its answer back.
    pub(crate) fn cut_after_once(&self, begins: &str) {
        self.plan(begins, Action::CutAfter);
    }

    fn plan(&self, begins: &str, action: Action) {
        self.shared.plans.lock().unwrap().push((begins.to_owned(), action));
    }
}

/// One connection through the relay.
struct Link {
    shared: Arc<Shared>,
    state: Mutex<State>,
    answered: Notify,
    to_client: tokio::sync::Mutex<OwnedWriteHalf>,
}

struct State {
    /// Answers that end with ReadyForQuery and are still to come; the log-in is the first.
    outstanding: u32,
    /// Messages were sent that no Sync has followed yet.
    open: bool,
    /// How many more of those answers the client gets; all if there is no number.
    pass: Option<u32>,
    /// The transaction status that the server has told last.
    status: u8,
}

impl Link {
    async fn serve(client: TcpStream, server: TcpStream, shared: Arc<Shared>) {
        let (mut from_client, to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let link = Self {
            shared,
            state: Mutex::new(State { outstanding: 1, open: false, pass: None, status: b'I' }),
            answered: Notify::new(),
            to_client: tokio::sync::Mutex::new(to_client),
        };
        // Whichever side ends first, both sockets close.
        tokio::select! {
            _ = link.requests(&mut from_client, &mut to_server) => {}
            _ = link.answers(&mut from_server) => {}
        }
    }

    async fn requests(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> std::io::Result<()> {
        // The first message has no tag.
        let length = from.read_u32().await?;
        let mut startup = vec![0; length as usize - 4];
        from.read_exact(&mut startup).await?;
        to.write_all(&[&length.to_be_bytes()[..], &startup].concat()).await?;
        loop {
            let message = read(from).await?;
            if message.tag != b'X' && message.tag != b'p' {
                let state = self.state.lock().unwrap();
                if state.outstanding == 0 && !state.open {
                    self.shared.round_trips.fetch_add(1, Ordering::SeqCst);
                }
            }
            match self.planned(&message) {
                None => self.forward(&message, to).await?,
                Some(Action::Refuse(sqlstate)) => {
                    let mut last = message.tag;
                    while !matches!(last, b'Q' | b'S') {
                        last = read(from).await?.tag;
                    }
                    self.all_answered().await;
                    self.refuse(sqlstate).await?;
                }
                Some(Action::CutBefore) => return Ok(()),
                Some(Action::CutAfter) => {
                    {
                        let mut state = self.state.lock().unwrap();
                        state.pass = Some(state.outstanding);
                    }
                    self.forward(&message, to).await?;
                    while self.state.lock().unwrap().open {
                        let next = read(from).await?;
                        self.forward(&next, to).await?;
                    }
                    self.all_answered().await;
                    return Ok(());
                }
            }
        }
    }

    async fn forward(&self, message: &Message, to: &mut OwnedWriteHalf) -> std::io::Result<()> {
        {
            let mut state = self.state.lock().unwrap();
            state.open = !matches!(message.tag, b'Q' | b'S' | b'p' | b'X');
            if matches!(message.tag, b'Q' | b'S') {
                state.outstanding += 1;
            }
        }
        to.write_all(&message.bytes()).await
    }

    async fn answers(&self, from: &mut OwnedReadHalf) -> std::io::Result<()> {
        loop {
            let message = read(from).await?;
            // Held until the answer is written, so that a refusal cannot overtake it.
            let mut to_client = self.to_client.lock().await;
            let passes = {
                let mut state = self.state.lock().unwrap();
                let passes = state.pass != Some(0);
                if message.tag == b'Z' {
                    state.status = message.body[0];
                    state.outstanding -= 1;
                    state.pass = state.pass.map(|pass| pass.saturating_sub(1));
                }
                passes
            };
            if passes {
                to_client.write_all(&message.bytes()).await?;
            }
            self.answered.notify_waiters();
        }
    }

    async fn all_answered(&self) {
        loop {
            let answered = self.answered.notified();
            if self.state.lock().unwrap().outstanding == 0 {
                return;
            }
            answered.await;
        }
    }

    async fn refuse(&self, sqlstate: [u8; 5]) -> std::io::Result<()> {
        let fields = [b"SERROR\0VERROR\0C", &sqlstate[..], b"\0Mrefused by the relay\0\0"].concat();
        let status = self.state.lock().unwrap().status;
        let answer = [Message { tag: b'E', body: fields }.bytes(), Message { tag: b'Z', body: vec![status] }.bytes()];
        self.to_client.lock().await.write_all(&answer.concat()).await
    }

    fn planned(&self, message: &Message) -> Option<Action> {
        let text = message.statement()?;
        let mut plans = self.shared.plans.lock().unwrap();
        let at = plans.iter().position(|(begins, _)| text.starts_with(begins))?;
        Some(plans.remove(at).1)
    }
}

/// A message of the protocol, version 3.
struct Message {
    tag: u8,
    body: Vec<u8>,
}

impl Message {
    /// The text of a statement that is to be run or parsed.
    fn statement(&self) -> Option<String> {
        let text = match self.tag {
            b'Q' => self.body.split(|byte| *byte == 0).next(),
            b'P' => self.body.split(|byte| *byte == 0).nth(1),
            _ => None,
        };
        text.map(|text| String::from_utf8_lossy(text).into_owned())
    }

    fn bytes(&self) -> Vec<u8> {
        let length = (self.body.len() as u32 + 4).to_be_bytes();
        [&[self.tag][..], &length, &self.body].concat()
    }
}

async fn read(from: &mut OwnedReadHalf) -> std::io::Result<Message> {
    let tag = from.read_u8().await?;
    let length = from.read_u32().await?;
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body).await?;
    Ok(Message { tag, body })
}
