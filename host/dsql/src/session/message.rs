use bytes::{Buf, Bytes, BytesMut};

use crate::session::reader::{Reader, violation};
use crate::sql_error::SqlError;

/// A message of a client, after the start of its session.
#[derive(Debug)]
pub(crate) enum Message {
    Password(String),
    Query(String),
    Parse {
        statement: String,
        sql: String,
        kinds: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target),
    Execute {
        portal: String,
        limit: usize,
    },
    Close(Target),
    Flush,
    Sync,
    Terminate,
    /// Data of a COPY, which the server drops where no COPY runs.
    Copy,
}

/// Values for the parameters of a statement.
#[derive(Debug)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    pub(crate) formats: Vec<i16>,
    pub(crate) values: Vec<Option<Bytes>>,
    pub(crate) results: Vec<i16>,
}

/// What a message is about.
#[derive(Debug)]
pub(crate) enum Target {
    Statement(String),
    Portal(String),
}

/// Bytes of the type and the length of a message.
const HEAD: usize = 5;

/// Whether a message can be answered with an error, or the connection has to end.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// Its boundaries are known: the next message can be read.
    Message {
        error: SqlError,
        is_extended: bool,
    },
    Connection(SqlError),
}

impl Message {
    /// Takes the first message from what was received, if it is complete. `limit` is the most bytes
    /// of one.
    pub(crate) fn take(received: &mut BytesMut, limit: usize) -> Result<Option<Self>, Unreadable> {
        let (Some(kind), Some(length)) = (received.first().copied(), received.get(1..HEAD)) else { return Ok(None) };
        let length = <[u8; 4]>::try_from(length).map_or(0, u32::from_be_bytes);
        let Some(length) = usize::try_from(length).ok().filter(|length| (4..=limit).contains(length)) else {
            return Err(Unreadable::Connection(violation("invalid message length")));
        };
        if received.len() <= length {
            return Ok(None);
        }
        let mut body = received.split_to(length + 1);
        body.advance(HEAD);
        let is_extended = b"PBDECHS".contains(&kind);
        let mut reader = Reader::new(body.freeze());
        match Self::read(kind, &mut reader) {
            Ok(Some(message)) => match reader.finish() {
                Ok(()) => Ok(Some(message)),
                Err(error) => Err(Unreadable::Message { error, is_extended }),
            },
            Ok(None) => Err(Unreadable::Connection(violation(format!("invalid frontend message type {kind}")))),
            Err(error) => Err(Unreadable::Message { error, is_extended }),
        }
    }

    fn read(kind: u8, reader: &mut Reader) -> Result<Option<Self>, SqlError> {
        Ok(Some(match kind {
            b'p' => Self::Password(reader.text()?),
            b'Q' => Self::Query(reader.text()?),
            b'P' => Self::Parse { statement: reader.text()?, sql: reader.text()?, kinds: reader.list(Reader::u32)? },
            b'B' => Self::Bind(Bind {
                portal: reader.text()?,
                statement: reader.text()?,
                formats: reader.list(Reader::i16)?,
                values: reader.list(|reader| match reader.i32()? {
                    -1 => Ok(None),
                    length => {
                        let length = usize::try_from(length).map_err(|_| violation("invalid message format"))?;
                        reader.bytes(length).map(Some)
                    }
                })?,
                results: reader.list(Reader::i16)?,
            }),
            b'D' => Self::Describe(Target::read(reader)?),
            // 0 and negative numbers are no limit.
            b'E' => {
                let portal = reader.text()?;
                let limit = usize::try_from(reader.i32()?).ok().filter(|limit| *limit > 0);
                Self::Execute { portal, limit: limit.unwrap_or(usize::MAX) }
            }
            b'C' => Self::Close(Target::read(reader)?),
            b'H' => Self::Flush,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            b'd' | b'c' | b'f' => {
                while !reader.is_empty() {
                    reader.u8()?;
                }
                Self::Copy
            }
            _ => return Ok(None),
        }))
    }

    /// Whether it belongs to the extended query protocol, whose messages are skipped up to Sync
    /// after an error.
    pub(crate) fn is_extended(&self) -> bool {
        matches!(
            self,
            Self::Parse { .. }
                | Self::Bind(_)
                | Self::Describe(_)
                | Self::Execute { .. }
                | Self::Close(_)
                | Self::Flush
        )
    }
}

impl Target {
    fn read(reader: &mut Reader) -> Result<Self, SqlError> {
        let kind = reader.u8()?;
        let name = reader.text()?;
        match kind {
            b'S' => Ok(Self::Statement(name)),
            b'P' => Ok(Self::Portal(name)),
            _ => Err(violation(format!("invalid message subtype {kind}"))),
        }
    }
}
