use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::session::ending::GoneOnDrop;
use crate::session::endpoint::Endpoint;
use crate::session::failure::{Severity, access_denied};
use crate::session::message::{Message, Unreadable};
use crate::session::reader::violation;
use crate::session::refusal::unsupported;
use crate::session::replies::Replies;
use crate::session::settings::Settings;
use crate::session::startup::{Opening, Start};
use crate::session::state::Session;
use crate::sql_error::SqlError;

/// How many bytes of answers are held back until they are asked for, as PostgreSQL does.
const HELD: usize = 8_192;

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    End,
}

/// Serves one connection to its end.
pub(crate) async fn serve(endpoint: &Endpoint, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut received = BytesMut::new();
    let mut replies = Replies::default();
    let start = loop {
        match Opening::take(&mut received) {
            Ok(None) => {
                if stream.read_buf(&mut received).await? == 0 {
                    return Ok(());
                }
            }
            Ok(Some(Opening::Encryption)) => {
                replies.no_encryption();
                send(&mut stream, &mut replies).await?;
            }
            // Cancelling has no effect on DSQL.
            Ok(Some(Opening::Cancel)) => return Ok(()),
            Ok(Some(Opening::Start(start))) => break start,
            Err(error) => return refuse(&mut stream, &mut replies, &error).await,
        }
    };
    // The place is given back at the end of the connection.
    let _place = match endpoint.admit() {
        Ok(place) => place,
        Err(error) => return refuse(&mut stream, &mut replies, &error).await,
    };
    replies.ask_password();
    send(&mut stream, &mut replies).await?;
    let limit = endpoint.store.limits.message;
    let Some(first) = next(&mut stream, &mut received, limit).await? else { return Ok(()) };
    let opened = match first {
        Ok(Message::Password(password)) => open(endpoint, &start, &password),
        Ok(_) => Err(violation("expected password response")),
        Err(Unreadable::Connection(error) | Unreadable::Message { error, .. }) => Err(error),
    };
    let mut session = match opened {
        Ok(session) => session,
        Err(error) => return refuse(&mut stream, &mut replies, &error).await,
    };
    greet(&start, &session, &mut replies);
    send(&mut stream, &mut replies).await?;

    while let Some(message) = next(&mut stream, &mut received, limit).await? {
        let flow = if may_take_long(&message) && has_other_threads() {
            let Some(done) = aside(session, replies, message, &mut stream, &mut received, limit).await? else {
                return Ok(());
            };
            let flow;
            (session, replies, flow) = done;
            flow
        } else {
            session.receive(message, &mut replies)
        };
        if replies.is_due || replies.bytes.len() > HELD || flow == Flow::End {
            send(&mut stream, &mut replies).await?;
        }
        if flow == Flow::End {
            break;
        }
    }
    Ok(())
}

/// Whether a message has a statement run.
fn may_take_long(message: &Result<Message, Unreadable>) -> bool {
    matches!(message, Ok(Message::Query(_) | Message::Execute { .. }))
}

/// Whether others go on while a thread computes. Where there is one thread, all is done in one order on it.
fn has_other_threads() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Handles a message on a thread on which others do not wait. `None` where the client has gone meanwhile, which ends
/// its statement, as dropping this does.
async fn aside(
    mut session: Session,
    mut replies: Replies,
    message: Result<Message, Unreadable>,
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut BytesMut,
    limit: usize,
) -> io::Result<Option<(Session, Replies, Flow)>> {
    let mut gone = GoneOnDrop::new(&session.gone);
    let mut handled = tokio::task::spawn_blocking(move || {
        let flow = session.receive(message, &mut replies);
        (session, replies, flow)
    });
    loop {
        let has_room = received.len() < limit;
        tokio::select! {
            biased;
            handled = &mut handled => {
                gone.forget();
                return handled.map(Some).map_err(io::Error::other);
            }
            read = stream.read_buf(received), if has_room => {
                if read? == 0 {
                    return Ok(None);
                }
            }
        }
    }
}

/// The next message; `None` at the end of the connection.
async fn next(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut BytesMut,
    limit: usize,
) -> io::Result<Option<Result<Message, Unreadable>>> {
    loop {
        match Message::take(received, limit) {
            Ok(Some(message)) => return Ok(Some(Ok(message))),
            Err(unreadable) => return Ok(Some(Err(unreadable))),
            Ok(None) => {
                if stream.read_buf(received).await? == 0 {
                    return Ok(None);
                }
            }
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), replies: &mut Replies) -> io::Result<()> {
    replies.is_due = false;
    stream.write_all_buf(&mut replies.bytes).await?;
    stream.flush().await
}

async fn refuse(stream: &mut (impl AsyncWrite + Unpin), replies: &mut Replies, error: &SqlError) -> io::Result<()> {
    replies.error(Severity::Fatal, error);
    send(stream, replies).await
}

/// Begins a session for the role that the client names.
fn open(endpoint: &Endpoint, start: &Start, password: &str) -> Result<Session, SqlError> {
    let user = start.parameters.get("user").filter(|user| !user.is_empty());
    let user = user.ok_or_else(|| SqlError::new("28000", "no PostgreSQL user name specified in startup packet"))?;
    let known = endpoint.store.objects().roles.get(user).is_some_and(|role| role.can_login);
    if !known || !endpoint.accepts(user, password) {
        return Err(access_denied());
    }
    match start.parameters.get("database").map(String::as_str) {
        None | Some("" | "postgres") => {}
        Some(database) => return Err(SqlError::new("3D000", format!("database \"{database}\" does not exist"))),
    }
    let mut settings = Settings::default();
    for (name, value) in &start.parameters {
        match name.as_str() {
            "user" | "database" => {}
            "options" if value.is_empty() => {}
            "options" | "replication" => {
                return Err(unsupported(format!("setting configuration parameter \"{name}\" not supported")));
            }
            name if name.starts_with("_pq_.") => {}
            name => settings.set(name, value)?,
        }
    }
    Ok(Session::new(Arc::clone(&endpoint.store), user.as_str().into(), settings))
}

fn greet(start: &Start, session: &Session, replies: &mut Replies) {
    let unknown: Vec<_> =
        start.parameters.keys().filter(|name| name.starts_with("_pq_.")).map(String::as_str).collect();
    if start.is_newer || !unknown.is_empty() {
        replies.negotiate(&unknown);
    }
    replies.authenticated();
    for (name, value) in session.settings.reported() {
        replies.parameter(&name, &value);
    }
    replies.parameter("session_authorization", &session.user);
    let process = u32::try_from(session.id).unwrap_or(u32::MAX);
    replies.key_data(process, 0);
    replies.ready(session.readiness());
}

impl Session {
    /// Handles a message.
    fn receive(&mut self, message: Result<Message, Unreadable>, replies: &mut Replies) -> Flow {
        // The server closes the connection of an old session. The client sees no more than that.
        if self.is_over() {
            return Flow::End;
        }
        let message = match message {
            Ok(message) => message,
            Err(Unreadable::Connection(error)) => {
                replies.error(Severity::Fatal, &error);
                return Flow::End;
            }
            Err(Unreadable::Message { error, is_extended: true }) => {
                if !self.is_skipping {
                    self.refuse(&error, replies);
                }
                return Flow::On;
            }
            Err(Unreadable::Message { error, is_extended: false }) => {
                self.fail();
                replies.error(Severity::Error, &error);
                replies.ready(self.readiness());
                return Flow::On;
            }
        };
        match message {
            Message::Terminate => return Flow::End,
            Message::Sync => self.sync(replies),
            message if self.is_skipping && message.is_extended() => {}
            Message::Query(sql) if !self.is_skipping => self.simple(&sql, replies),
            Message::Flush => replies.is_due = true,
            message if message.is_extended() => self.extended(message, replies),
            Message::Password(_) => {
                replies.error(Severity::Fatal, &violation("invalid frontend message type 112"));
                return Flow::End;
            }
            _ => {}
        }
        Flow::On
    }
}
