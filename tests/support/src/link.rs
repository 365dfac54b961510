use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{ErrorKind, Result};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tenet_harm::Harm;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, OwnedMutexGuard, mpsc, watch};
use tokio_rustls::server::TlsStream;

use crate::dialect::{Dialect, Refusal, Verdict};
use crate::message::{Message, Severity};
use crate::roles::Roles;
use crate::wire::Wire;

/// Counts a client as connected while it exists.
struct Here(Arc<Wire>);

/// How a server behaves, in addition to PostgreSQL's behaviour.
#[derive(Default)]
pub(crate) struct Manners {
    /// The supported dialect, if it is not all of PostgreSQL's.
    pub(crate) dialect: Option<Dialect>,
    /// The maximum age of a connection. A running transaction may finish.
    pub(crate) age: Option<Duration>,
    /// The longest message, in bytes.
    pub(crate) longest: Option<usize>,
    /// Which IAM roles may sign in as which database role, if that is checked.
    pub(crate) roles: Option<Roles>,
}

/// One connection between a client and the server, after the client's first message was passed on.
pub(crate) struct Link<C> {
    wire: Arc<Wire>,
    longest: usize,
    dialect: Mutex<Option<Dialect>>,
    roles: Option<Roles>,
    /// The errors to send instead of the server's errors for refused statements.
    refusals: Mutex<Vec<Refusal>>,
    state: Mutex<State>,
    answered: Notify,
    to_client: tokio::sync::Mutex<WriteHalf<C>>,
}

/// The messages of a client. They are read ahead, so that a disconnect is noticed while messages are held.
struct Inbox {
    coming: mpsc::UnboundedReceiver<Result<Message>>,
    held: VecDeque<Message>,
}

struct State {
    /// Outstanding responses that end with ReadyForQuery, beginning with the login's.
    outstanding: VecDeque<Cycle>,
    /// Messages were sent that are not followed by a Sync yet.
    open: bool,
    /// The cycle of those messages.
    next: Cycle,
    /// How many more of those responses the client receives; all if it is none.
    pass: Option<usize>,
    /// The last transaction status from the server.
    status: u8,
    /// The client has received a response, and not yet all to what it sent together.
    halfway: bool,
}

/// A request up to ReadyForQuery, and how to handle its response.
#[derive(Clone, Default)]
struct Cycle {
    /// Sent as one message, not as several with a Sync.
    simple: bool,
    /// Builds an index in the background, which the server itself cannot do.
    job: bool,
    /// Held meanwhile: if two connections build indexes of one table at once, PostgreSQL reports a deadlock, and a
    /// service that runs jobs does not.
    building: Option<Arc<OwnedMutexGuard<()>>>,
    /// The delay of the response.
    delay: Duration,
    /// The connection ends in the middle of the response.
    cut_within: bool,
    /// The error to send instead of the response.
    instead: Option<(&'static str, &'static str)>,
}

/// How a connection ends.
enum Ended {
    /// Both sockets close.
    Cut,
    /// The client's is reset.
    Reset,
    /// The client's socket closes, and the server receives these messages later.
    Late(Vec<u8>, Duration),
    /// Both sides are silent from now on.
    Silent,
}

/// A socket that can be reset.
pub(crate) trait Abrupt {
    /// Makes dropping it reset the connection.
    fn be_abrupt(&self);
}

impl Abrupt for TcpStream {
    fn be_abrupt(&self) {
        // A closed socket cannot be reset.
        let _ = self.set_zero_linger();
    }
}

impl Abrupt for TlsStream<TcpStream> {
    fn be_abrupt(&self) {
        self.get_ref().0.be_abrupt();
    }
}

impl<C: AsyncRead + AsyncWrite + Abrupt + Unpin> Link<C> {
    /// Passes messages on until one side ends, or the stand-in ends the connection.
    pub(crate) async fn serve(client: C, server: TcpStream, wire: Arc<Wire>, manners: Manners) {
        // Created before the sockets, so that it is dropped after them.
        let _here = Here::new(Arc::clone(&wire));
        let (mut from_client, to_client) = split(client);
        let (mut from_server, mut to_server) = server.into_split();
        let (mut cuts, mut silences) = (wire.cuts.subscribe(), wire.silences.subscribe());
        let (hear, mut inbox) = Inbox::new();
        let link = Self {
            wire,
            longest: manners.longest.unwrap_or(usize::MAX),
            dialect: Mutex::new(manners.dialect),
            roles: manners.roles,
            refusals: Mutex::default(),
            state: Mutex::new(State {
                outstanding: VecDeque::from([Cycle::default()]),
                open: false,
                next: Cycle::default(),
                pass: None,
                status: b'I',
                halfway: false,
            }),
            answered: Notify::new(),
            to_client: tokio::sync::Mutex::new(to_client),
        };
        // Whichever ends first, both sockets close.
        let ended = tokio::select! {
            ended = link.requests(&mut inbox, &mut to_server) => ended.unwrap_or(Ended::Cut),
            never = listen(&mut from_client, link.longest, hear) => match never {},
            _ = link.answers(&mut from_server) => Ended::Cut,
            () = link.grow_old(manners.age) => Ended::Cut,
            _ = cuts.changed() => Ended::Cut,
            () = link.fall_silent(&mut silences) => Ended::Silent,
        };
        match ended {
            Ended::Cut => {}
            Ended::Reset => from_client.unsplit(link.to_client.into_inner()).be_abrupt(),
            Ended::Late(messages, after) => {
                drop((from_client, link));
                tokio::time::sleep(after).await;
                let goodbye = Message { tag: b'X', body: Vec::new() };
                let _ = to_server.write_all(&[messages, goodbye.bytes()].concat()).await;
                let _ = tokio::io::copy(&mut from_server, &mut tokio::io::sink()).await;
            }
            Ended::Silent => {
                // PostgreSQL would keep the locks of an abandoned transaction; DSQL has none.
                drop((from_server, to_server));
                let _ = tokio::io::copy(&mut from_client, &mut tokio::io::sink()).await;
            }
        }
    }

    async fn requests(&self, from: &mut Inbox, to: &mut OwnedWriteHalf) -> Result<Ended> {
        loop {
            let message = match from.next().await {
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    let refusal = Message::error(Severity::Fatal, "08P01", &error.to_string(), None);
                    let mut to_client = self.to_client.lock().await;
                    to_client.write_all(&refusal.bytes()).await?;
                    to_client.flush().await?;
                    return Ok(Ended::Cut);
                }
                message => message?,
            };
            from.until_heard(&self.wire).await?;
            self.wire.messages.fetch_add(1, Ordering::SeqCst);
            if message.tag == b'X' {
                self.wire.goodbyes.fetch_add(1, Ordering::SeqCst);
            } else {
                let state = self.state.lock().unwrap();
                if state.outstanding.is_empty() && !state.open {
                    self.wire.round_trips.fetch_add(1, Ordering::SeqCst);
                }
            }
            let Some(harm) = message.statement().and_then(|statement| self.wire.harm_to(&statement)) else {
                self.forward(message, to).await?;
                continue;
            };
            match harm {
                Harm::CutBefore => return Ok(Ended::Cut),
                Harm::Reset => return Ok(Ended::Reset),
                Harm::CutAfter => {
                    let before = self.state.lock().unwrap().outstanding.len();
                    self.forward_unheard(message, from, to, before).await?;
                    return Ok(Ended::Cut);
                }
                Harm::CutWithin => {
                    self.of_answer(|answer| answer.cut_within = true);
                    self.forward(message, to).await?;
                }
                Harm::Delay(time) => {
                    self.delay_answers(time);
                    tokio::time::sleep(time).await;
                    self.forward(message, to).await?;
                }
                Harm::DelayAnswer(time) => {
                    if !self.delay_answers(time) {
                        self.of_answer(|answer| answer.delay = time);
                    }
                    self.forward(message, to).await?;
                }
                Harm::Refuse(sqlstate, text) => {
                    let refused = self.refused(message, Refusal { sqlstate, message: text.to_owned() });
                    self.pass_on(refused, false, to).await?;
                }
                Harm::Fatal(sqlstate) => {
                    self.all_answered().await;
                    let error = Message::error(Severity::Fatal, sqlstate, "terminating connection", None);
                    let mut to_client = self.to_client.lock().await;
                    to_client.write_all(&error.bytes()).await?;
                    to_client.flush().await?;
                    return Ok(Ended::Cut);
                }
                Harm::CommitRefused => {
                    let changed = "change conflicts with another transaction, please retry: (OC000)";
                    self.of_answer(|answer| answer.instead = Some(("40001", changed)));
                    self.forward(message.with_statement("ROLLBACK"), to).await?;
                }
                Harm::CommitDoubted { done } => {
                    self.of_answer(|answer| answer.instead = Some(("XX000", "server unavailable")));
                    self.forward(if done { message } else { message.with_statement("ROLLBACK") }, to).await?;
                }
                Harm::Late(time) => {
                    let mut messages = message.bytes();
                    let mut last = message;
                    while !last.statement().is_some_and(|statement| statement.starts_with("COMMIT")) {
                        last = from.next().await?;
                        messages.extend(last.bytes());
                    }
                    self.all_answered().await;
                    return Ok(Ended::Late(messages, time));
                }
                Harm::Silence { done } => {
                    if done {
                        self.forward_unheard(message, from, to, 0).await?;
                    }
                    return Ok(Ended::Silent);
                }
                Harm::Hold { done: true } => {
                    self.wire.silence();
                    self.forward_cycle(message, from, to).await?;
                }
                Harm::Hold { done: false } => {
                    self.wire.silence();
                    from.until_heard(&self.wire).await?;
                    self.forward(message, to).await?;
                }
            }
        }
    }

    /// Lets the server execute it, and drops the response. The client receives only so many of the responses that are
    /// still to come.
    async fn forward_unheard(
        &self,
        message: Message,
        from: &mut Inbox,
        to: &mut OwnedWriteHalf,
        pass: usize,
    ) -> Result<()> {
        self.state.lock().unwrap().pass = Some(pass);
        self.forward_cycle(message, from, to).await?;
        self.all_answered().await;
        Ok(())
    }

    /// Forwards a message and the server's whole response to it.
    async fn forward_cycle(&self, message: Message, from: &mut Inbox, to: &mut OwnedWriteHalf) -> Result<()> {
        self.forward(message, to).await?;
        while self.state.lock().unwrap().open {
            let next = from.next().await?;
            self.forward(next, to).await?;
        }
        Ok(())
    }

    /// Sets how the response to the message about to be forwarded is handled.
    fn of_answer(&self, decide: impl FnOnce(&mut Cycle)) {
        decide(&mut self.state.lock().unwrap().next);
    }

    /// Delays the responses that are still to come, if there are any: what is sent together travels together. Returns
    /// whether there are any.
    fn delay_answers(&self, time: Duration) -> bool {
        let mut state = self.state.lock().unwrap();
        let first = state.outstanding.front_mut();
        first.map(|first| first.delay = time).is_some()
    }

    async fn forward(&self, message: Message, to: &mut OwnedWriteHalf) -> Result<()> {
        let (message, job) = self.translate(message);
        self.pass_on(message, job, to).await
    }

    async fn pass_on(&self, message: Message, job: bool, to: &mut OwnedWriteHalf) -> Result<()> {
        let building = if job { Some(Arc::new(Arc::clone(&self.wire.building).lock_owned().await)) } else { None };
        {
            let mut state = self.state.lock().unwrap();
            state.next.job |= job;
            state.next.building = building.or(state.next.building.take());
            state.open = !message.ends_a_cycle() && message.tag != b'X';
            if message.ends_a_cycle() {
                let cycle = Cycle { simple: message.tag == b'Q', ..std::mem::take(&mut state.next) };
                state.outstanding.push_back(cycle);
            }
        }
        to.write_all(&message.bytes()).await
    }

    /// The message to send to the server, and whether it builds an index.
    ///
    /// A refused statement is replaced by one that the server cannot parse. So the server fails the transaction, skips
    /// what follows and ends it as after a real error; only the text of the error is replaced.
    fn translate(&self, message: Message) -> (Message, bool) {
        let (Some(dialect), Some(statement)) = (&mut *self.dialect.lock().unwrap(), message.statement()) else {
            return (message, false);
        };
        if let Some(instead) = self.roles.as_ref().and_then(|roles| roles.translate(&statement)) {
            return (message.with_statement(&instead), false);
        }
        if statement.contains(JOBS) {
            return (message.with_statement(&statement.replace(JOBS, &self.wire.look_at_jobs())), false);
        }
        match dialect.judge(&statement) {
            Verdict::Pass => (message, false),
            Verdict::Job(instead) => (message.with_statement(&instead), true),
            Verdict::Refuse(refusal) => {
                self.wire.refused.lock().unwrap().push(refusal.message.clone());
                (self.refused(message, refusal), false)
            }
        }
    }

    /// The message that the server receives instead of a refused one.
    fn refused(&self, message: Message, refusal: Refusal) -> Message {
        let mut refusals = self.refusals.lock().unwrap();
        refusals.push(refusal);
        message.with_statement(&stand_in(refusals.len()))
    }

    async fn answers(&self, from: &mut OwnedReadHalf) -> Result<()> {
        loop {
            let message = Message::read(from, usize::MAX).await?;
            self.wire.until_heard().await;
            let delay =
                self.state.lock().unwrap().outstanding.front_mut().map(|cycle| std::mem::take(&mut cycle.delay));
            if let Some(delay) = delay.filter(|delay| !delay.is_zero()) {
                tokio::time::sleep(delay).await;
            }
            // Held until the response is written, so that a refusal cannot overtake it.
            let mut to_client = self.to_client.lock().await;
            let (passes, cycle) = {
                let mut state = self.state.lock().unwrap();
                let passes = state.pass != Some(0);
                let cycle = state.outstanding.front().cloned().unwrap_or_default();
                if message.tag == b'Z' {
                    state.status = message.body[0];
                    state.outstanding.pop_front();
                    state.pass = state.pass.map(|pass| pass.saturating_sub(1));
                    state.halfway = passes && !state.outstanding.is_empty();
                }
                (passes, cycle)
            };
            if passes {
                let cut = cycle.cut_within;
                for message in self.answer(message, cycle) {
                    to_client.write_all(&message.bytes()).await?;
                }
                to_client.flush().await?;
                if cut {
                    return Ok(());
                }
            }
            self.answered.notify_waiters();
        }
    }

    /// The messages that the client receives for the server's response.
    fn answer(&self, message: Message, cycle: Cycle) -> Vec<Message> {
        const JOB: &str = "job_id";
        if let (b'C', Some((sqlstate, text))) = (message.tag, cycle.instead) {
            return vec![Message::error(Severity::Error, sqlstate, text, None)];
        }
        let job = |id: String| {
            let description = cycle.simple.then(|| Message::column(JOB));
            description.into_iter().chain([Message::row(&id), Message { tag: b'C', body: b"CREATE INDEX\0".to_vec() }])
        };
        match message.tag {
            // The server reports the error at once; the job reports it when it is over.
            b'E' if cycle.job => job(self.wire.job(Some(message.text_of_error()))).collect(),
            b'E' => {
                let text = String::from_utf8_lossy(&message.body).into_owned();
                let refusals = self.refusals.lock().unwrap();
                let of = (1..=refusals.len()).rev().find(|number| text.contains(&stand_in(*number)));
                match of.map(|number| &refusals[number - 1]) {
                    Some(Refusal { sqlstate, message }) => {
                        vec![Message::error(Severity::Error, sqlstate, message, None)]
                    }
                    None => vec![message],
                }
            }
            b'n' if cycle.job => vec![Message::column(JOB)],
            b'C' if cycle.job && message.body.starts_with(b"CREATE INDEX") => job(self.wire.job(None)).collect(),
            _ => vec![message],
        }
    }

    /// Completes when all connections fall silent. Responses to what was sent together travel together: the first of
    /// them shows a client that its session answers, so the others are not lost alone.
    async fn fall_silent(&self, silences: &mut watch::Receiver<u32>) {
        // `self.wire` holds the sender, so waiting cannot fail.
        let _ = silences.changed().await;
        loop {
            let answered = self.answered.notified();
            if !self.state.lock().unwrap().halfway {
                return;
            }
            answered.await;
        }
    }

    async fn all_answered(&self) {
        loop {
            let answered = self.answered.notified();
            if self.state.lock().unwrap().outstanding.is_empty() {
                return;
            }
            answered.await;
        }
    }

    /// Completes when the connection is too old and has no transaction.
    async fn grow_old(&self, age: Option<Duration>) {
        let Some(age) = age else { return std::future::pending().await };
        tokio::time::sleep(age).await;
        loop {
            let answered = self.answered.notified();
            if self.state.lock().unwrap().is_at_rest() {
                return;
            }
            answered.await;
        }
    }
}

impl Inbox {
    fn new() -> (mpsc::UnboundedSender<Result<Message>>, Self) {
        let (hear, coming) = mpsc::unbounded_channel();
        (hear, Self { coming, held: VecDeque::new() })
    }

    async fn next(&mut self) -> Result<Message> {
        match self.held.pop_front() {
            Some(message) => Ok(message),
            None => self.receive().await,
        }
    }

    /// Holds messages while the stand-in is silent, unless the client leaves.
    async fn until_heard(&mut self, wire: &Wire) -> Result<()> {
        while wire.is_silent() {
            tokio::select! {
                () = wire.until_heard() => {}
                message = self.receive() => self.held.push_back(message?),
            }
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<Message> {
        self.coming.recv().await.unwrap_or_else(|| Err(ErrorKind::UnexpectedEof.into()))
    }
}

/// Reads a client's messages until it disconnects. Its callers handle the disconnect, after processing what came
/// before.
async fn listen(
    from: &mut (impl AsyncRead + Unpin),
    longest: usize,
    hear: mpsc::UnboundedSender<Result<Message>>,
) -> Infallible {
    loop {
        let message = Message::read(from, longest).await;
        let ended = message.is_err();
        if hear.send(message).is_err() || ended {
            drop(hear);
            return std::future::pending().await;
        }
    }
}

impl Here {
    fn new(wire: Arc<Wire>) -> Self {
        wire.clients.send_modify(|clients| *clients += 1);
        Self(wire)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.0.clients.send_modify(|clients| *clients -= 1);
    }
}

impl State {
    fn is_at_rest(&self) -> bool {
        self.outstanding.is_empty() && !self.open && self.status == b'I'
    }
}

/// The view in which DSQL lists jobs.
const JOBS: &str = "sys.jobs";

/// A statement that no server can parse, identifiable in the error.
fn stand_in(number: usize) -> String {
    format!("refused_{number}_by_the_stand_in")
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;

    const TIME: Duration = Duration::from_millis(30);

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (one, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (one.unwrap(), other.unwrap().0)
    }

    fn statement(text: &str) -> Vec<u8> {
        Message { tag: b'Q', body: [text.as_bytes(), b"\0"].concat() }.bytes()
    }

    fn ready() -> Vec<u8> {
        Message { tag: b'Z', body: vec![b'I'] }.bytes()
    }

    /// A client and a server with a link between them, after the login.
    async fn linked(wire: &Arc<Wire>) -> (TcpStream, TcpStream) {
        let ((mut client, to_client), (to_server, mut server)) = (pair().await, pair().await);
        tokio::spawn(Link::serve(to_client, to_server, Arc::clone(wire), Manners::default()));
        server.write_all(&ready()).await.unwrap();
        read_answer(&mut client).await;
        (client, server)
    }

    async fn read_answer(client: &mut TcpStream) {
        let mut answer = vec![0; ready().len()];
        client.read_exact(&mut answer).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_sent_together_is_delayed_together() {
        for harm in [Harm::Delay(TIME), Harm::DelayAnswer(TIME)] {
            let wire = Arc::new(Wire::default());
            let (mut client, mut server) = linked(&wire).await;
            wire.harm_once("SELECT", harm);
            let serving = tokio::spawn(async move {
                while Message::read(&mut server, usize::MAX).await.is_ok() {
                    server.write_all(&ready()).await.unwrap();
                }
            });

            let sent = Instant::now();
            client.write_all(&[statement(""), statement("SELECT 1")].concat()).await.unwrap();
            read_answer(&mut client).await;
            assert!(sent.elapsed() >= TIME, "{harm:?}");
            read_answer(&mut client).await;
            drop(client);
            serving.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_connection_does_not_fall_silent_between_answers_to_what_was_sent_together() {
        let wire = Arc::new(Wire::default());
        let (mut client, mut server) = linked(&wire).await;
        client.write_all(&[statement(""), statement("SELECT 1")].concat()).await.unwrap();
        for _ in 0..2 {
            Message::read(&mut server, usize::MAX).await.unwrap();
        }
        server.write_all(&ready()).await.unwrap();
        read_answer(&mut client).await;

        wire.fall_silent();
        // The link sees that before the server answers.
        tokio::task::yield_now().await;
        server.write_all(&ready()).await.unwrap();
        read_answer(&mut client).await;
        // And is silent then: the server's side ends.
        assert!(Message::read(&mut server, usize::MAX).await.is_err());
    }
}
