use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use fastrand::Rng;
use tenet_harm::Harm;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::chance::mix;
use crate::framing::{Framing, Message};
use crate::lane::Lane;
use crate::path::Path;
use crate::sandbox_state::SandboxState;
use crate::story::Story;
use crate::wire_faults::WireFaults;

/// A statement that no server can read: the server fails its transaction as after a real error.
const UNREADABLE: &str = "refused by the wire";
const SYNTAX_ERROR: &str = "42601";

/// One connection between a host and an endpoint: two lanes of messages, each of which takes its time.
///
/// The faults of statements are those of `tenet_harm::Harm`: if a client gets an error, the server's own
/// transaction has ended or failed too.
pub(crate) struct Wire {
    path: Arc<Path>,
    sandbox: Arc<SandboxState>,
    state: Mutex<State>,
}

/// What is needed to make one.
pub(crate) struct Terms {
    /// The name of the connection, which no other has.
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) path: Arc<Path>,
    pub(crate) sandbox: Arc<SandboxState>,
    pub(crate) faults: Arc<WireFaults>,
    pub(crate) story: Story,
}

struct State {
    name: String,
    latency: Duration,
    random: Rng,
    faults: Arc<WireFaults>,
    story: Story,
    to_server: Lane,
    to_client: Lane,
    from_client: Framing,
    from_server: Framing,
    statements: u32,
    /// Outstanding answers that end with ReadyForQuery, beginning with that to the sign-in.
    outstanding: VecDeque<Cycle>,
    /// The cycle of the messages that are sent and not yet followed by a Sync.
    next: Cycle,
    /// What the client sends is dropped.
    is_deaf: bool,
    /// What the server sends is dropped.
    is_mute: bool,
    /// The client is gone, and what it had sent arrives late.
    late: Option<Duration>,
    /// How many statements a transaction that is open has run: more than none between BEGIN and its end.
    is_in_transaction: bool,
}

/// Messages up to ReadyForQuery, and what becomes of the answer.
#[derive(Clone, Default)]
struct Cycle {
    cut_within: bool,
    /// The client does not get the answer, and then this happens.
    unheard: Option<Then>,
    /// The error to send instead of a completed command.
    instead: Option<(&'static str, &'static str)>,
    /// The error to send instead of that of an unreadable statement.
    refused: Option<(&'static str, &'static str)>,
    /// The connection ends with this error.
    fatal: Option<&'static str>,
    /// Nothing was sent together with it, after it.
    ends_flight: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Cut,
    Silence,
}

/// The client's end of a wire.
pub(crate) struct ClientEnd(Arc<Wire>);

/// The server's end of a wire.
pub(crate) struct ServerEnd(Arc<Wire>);

impl Wire {
    pub(crate) fn new(terms: Terms) -> Arc<Self> {
        let Terms { name, seed, path, sandbox, faults, story } = terms;
        let state = State {
            random: Rng::with_seed(mix(seed, name.as_str())),
            name,
            latency: path.latency,
            faults,
            story,
            to_server: Lane::default(),
            to_client: Lane::default(),
            from_client: Framing::of_client(),
            from_server: Framing::of_server(),
            statements: 0,
            outstanding: VecDeque::from([Cycle { ends_flight: true, ..Cycle::default() }]),
            next: Cycle::default(),
            is_deaf: false,
            is_mute: false,
            late: None,
            is_in_transaction: false,
        };
        Arc::new(Self { path, sandbox, state: Mutex::new(state) })
    }

    pub(crate) fn ends(self: &Arc<Self>) -> (ClientEnd, ServerEnd) {
        (ClientEnd(Arc::clone(self)), ServerEnd(Arc::clone(self)))
    }

    /// Cuts it. What is under way arrives, or does not.
    pub(crate) fn cut(&self) {
        let mut state = self.lock();
        for to_server in [true, false] {
            let is_lost = state.random.bool();
            let lane = if to_server { &mut state.to_server } else { &mut state.to_client };
            if is_lost {
                lane.drop_under_way();
            }
        }
        state.end();
    }

    /// Both sides hear nothing more. The server's transaction ends, which holds no locks.
    ///
    /// Answers to what was sent together travel together: the first of them shows a client that its session answers, so
    /// the others are not lost alone.
    pub(crate) fn fall_silent(&self) {
        let mut state = self.lock();
        if !state.to_client.is_halfway() {
            return state.fall_silent();
        }
        let due = state.arrival();
        state.to_server.end(due);
        state.to_client.lose_behind();
        state.is_deaf = true;
    }

    /// Something has changed that readers wait for.
    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        state.to_server.wake();
        state.to_client.wake();
    }

    /// Whether the server has begun a transaction on it that has not ended.
    pub(crate) fn is_in_transaction(&self) -> bool {
        self.lock().is_in_transaction
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn is_held(&self) -> bool {
        self.path.is_silent()
    }
}

impl State {
    /// When something arrives that is sent now.
    fn arrival(&mut self) -> Instant {
        Instant::now() + self.latency.mul_f64(0.6 + self.random.f64())
    }

    fn end(&mut self) {
        let due = self.arrival();
        self.to_server.end(due);
        self.to_client.end(due);
        (self.is_deaf, self.is_mute) = (true, true);
    }

    fn fall_silent(&mut self) {
        let due = self.arrival();
        self.to_server.end(due);
        self.to_client.lose();
        (self.is_deaf, self.is_mute) = (true, true);
    }

    /// The client has sent bytes. What is sent together travels together: a delay is one of all of it.
    fn sent(&mut self, bytes: &[u8], one_in: u32) {
        let mut messages = Vec::new();
        for message in self.from_client.push(bytes) {
            let harm = self.harm(&message, one_in);
            messages.push((message, harm));
        }
        let delays = messages.iter().filter_map(|(_, harm)| match harm {
            Some(Harm::Delay(time)) => Some(*time),
            _ => None,
        });
        let due = self.arrival() + delays.max().unwrap_or_default();
        for (message, harm) in messages {
            if self.is_deaf {
                return;
            }
            self.request(message, harm, due);
        }
        if let Some(last) = self.outstanding.back_mut() {
            last.ends_flight = true;
        }
    }

    /// The fault that a message meets, if it has a statement.
    fn harm(&mut self, message: &Message, one_in: u32) -> Option<Harm> {
        let statement = message.statement()?;
        self.statements += 1;
        let harm = match (self.is_deaf, self.late) {
            (false, None) => self.faults.decide(&self.name, self.statements, one_in, &statement),
            _ => None,
        };
        let short: String = statement.chars().take(60).collect();
        let harmed = harm.map_or(String::new(), |harm| format!(" [{}]", harm.name()));
        self.story.note(&self.name, format_args!("{} {short}{harmed}", self.statements));
        harm
    }

    fn request(&mut self, message: Message, harm: Option<Harm>, due: Instant) {
        let Some(harm) = harm else { return self.forward(&message, due) };
        match harm {
            Harm::CutBefore | Harm::Reset => self.end(),
            Harm::CutAfter => {
                self.next.unheard = Some(Then::Cut);
                self.forward(&message, due);
            }
            Harm::CutWithin => {
                self.next.cut_within = true;
                self.forward(&message, due);
            }
            // `due` has it.
            Harm::Delay(_) => self.forward(&message, due),
            Harm::DelayAnswer(time) => {
                self.to_client.delay(due + time);
                self.forward(&message, due);
            }
            Harm::Refuse(sqlstate, text) => {
                self.next.refused = Some((sqlstate, text));
                self.forward(&message.with_statement(UNREADABLE), due);
            }
            Harm::Fatal(sqlstate) => {
                self.outstanding.push_back(Cycle { fatal: Some(sqlstate), ..Cycle::default() });
                self.to_server.end(due);
                self.is_deaf = true;
                self.end_with_error();
            }
            Harm::CommitRefused => {
                let changed = "change conflicts with another transaction, please retry: (OC000)";
                self.next.instead = Some(("40001", changed));
                self.forward(&message.with_statement("ROLLBACK"), due);
            }
            Harm::CommitDoubted { done } => {
                self.next.instead = Some(("XX000", "server unavailable"));
                let sent = if done { message } else { message.with_statement("ROLLBACK") };
                self.forward(&sent, due);
            }
            Harm::Late(time) => {
                self.late = Some(time);
                self.is_mute = true;
                self.to_client.end(Instant::now());
                self.forward(&message, due);
            }
            Harm::Silence { done: true } => {
                self.to_client.lose();
                self.next.unheard = Some(Then::Silence);
                self.forward(&message, due);
            }
            Harm::Silence { done: false } => self.fall_silent(),
            // An endpoint falls silent by the plan.
            Harm::Hold { .. } => self.forward(&message, due),
        }
    }

    fn forward(&mut self, message: &Message, due: Instant) {
        let due = due + self.late.unwrap_or_default();
        self.to_server.push(message.bytes(), due, true);
        if !message.ends_a_cycle() {
            return;
        }
        let cycle = std::mem::take(&mut self.next);
        // What is sent after an answer that does not arrive is not sent.
        self.is_deaf |= cycle.unheard.is_some();
        self.outstanding.push_back(cycle);
        if self.late.is_some() && message.statement().is_some_and(|statement| statement.starts_with("COMMIT")) {
            self.to_server.end(due);
            self.is_deaf = true;
        }
    }

    /// The server has sent bytes.
    fn answered(&mut self, bytes: &[u8]) {
        let due = self.arrival();
        let (mut heard, mut ends_flight) = (Vec::new(), false);
        for message in self.from_server.push(bytes) {
            let is_end = message.is(b'Z');
            if is_end {
                self.is_in_transaction = message.body.first().is_some_and(|status| *status != b'I');
            }
            let cycle = self.outstanding.front().cloned().unwrap_or_default();
            if !self.is_mute && cycle.unheard.is_none() {
                heard.extend(cycle.instead_of(message).bytes());
            }
            ends_flight = is_end && cycle.ends_flight;
            if is_end {
                self.outstanding.pop_front();
            }
            if cycle.cut_within && !self.is_mute {
                self.to_client.push(std::mem::take(&mut heard), due, ends_flight);
                self.end();
            }
            match cycle.unheard {
                Some(Then::Cut) if is_end => {
                    self.to_client.push(std::mem::take(&mut heard), due, ends_flight);
                    self.end();
                }
                Some(Then::Silence) if is_end => {
                    self.to_client.push(std::mem::take(&mut heard), due, ends_flight);
                    self.fall_silent();
                }
                _ => {}
            }
        }
        if !self.is_mute {
            self.to_client.push(heard, due, ends_flight);
        }
        self.end_with_error();
    }

    /// Ends the connection with an error, if that is what comes next.
    fn end_with_error(&mut self) {
        if let Some(Cycle { fatal: Some(sqlstate), .. }) = self.outstanding.front()
            && !self.is_mute
        {
            let error = Message::error(true, sqlstate, "terminating connection");
            let due = self.arrival();
            self.to_client.push(error.bytes(), due, true);
            self.end();
        }
    }
}

impl Cycle {
    fn instead_of(&self, message: Message) -> Message {
        if let (true, Some((sqlstate, text))) = (message.is(b'C'), self.instead) {
            return Message::error(false, sqlstate, text);
        }
        match self.refused {
            Some((sqlstate, text)) if message.sqlstate().as_deref() == Some(SYNTAX_ERROR) => {
                Message::error(false, sqlstate, text)
            }
            _ => message,
        }
    }
}

impl AsyncRead for ClientEnd {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let is_held = self.0.is_held() || self.0.sandbox.is_frozen();
        self.0.lock().to_client.poll_read(context, buffer, is_held)
    }
}

impl AsyncWrite for ClientEnd {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.sandbox.sends_to(self.0.path.to);
        self.0.lock().sent(bytes, self.0.path.one_in());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let due = state.arrival() + state.late.unwrap_or_default();
        state.to_server.end(due);
        state.to_client.lose();
        (state.is_deaf, state.is_mute) = (true, true);
    }
}

impl AsyncRead for ServerEnd {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let is_held = self.0.is_held();
        self.0.lock().to_server.poll_read(context, buffer, is_held)
    }
}

impl AsyncWrite for ServerEnd {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().answered(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let due = state.arrival();
        state.to_client.end(due);
        state.is_in_transaction = false;
        (state.is_deaf, state.is_mute) = (true, true);
    }
}
