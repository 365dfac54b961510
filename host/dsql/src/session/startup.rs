//! The first messages of a connection, which have no type.

use std::collections::BTreeMap;

use bytes::{Buf, BytesMut};

use crate::session::reader::{Reader, violation};
use crate::sql_error::SqlError;

/// A first message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// A request for TLS or GSSAPI. Another message follows.
    Encryption,
    /// A request to cancel the statement of another connection.
    Cancel,
    Start(Start),
}

/// The start of a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) parameters: BTreeMap<String, String>,
    /// Whether the client speaks a newer version of the protocol.
    pub(crate) is_newer: bool,
}

const LIMIT: usize = 10_000;
const VERSION: u32 = 3;
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSSAPI: u32 = 80_877_104;

impl Opening {
    /// Takes the first message from what was received, if it is complete.
    pub(crate) fn take(received: &mut BytesMut) -> Result<Option<Self>, SqlError> {
        let Some(length) = received.get(..4) else { return Ok(None) };
        let length = <[u8; 4]>::try_from(length).map_or(0, u32::from_be_bytes);
        let Some(length) = usize::try_from(length).ok().filter(|length| (8..=LIMIT).contains(length)) else {
            return Err(violation("invalid length of startup packet"));
        };
        if received.len() < length {
            return Ok(None);
        }
        let mut body = received.split_to(length);
        body.advance(4);
        let mut reader = Reader::new(body.freeze());
        let code = reader.u32()?;
        match code {
            TLS | GSSAPI => return Ok(Some(Self::Encryption)),
            CANCEL => return Ok(Some(Self::Cancel)),
            _ => {}
        }
        let (major, minor) = (code >> 16, code & 0xffff);
        if major != VERSION {
            let text = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0");
            return Err(SqlError::new("0A000", text));
        }
        let mut parameters = BTreeMap::new();
        loop {
            match reader.text()? {
                name if name.is_empty() => break,
                name => parameters.insert(name, reader.text()?),
            };
        }
        Ok(Some(Self::Start(Start { parameters, is_newer: minor > 0 })))
    }
}
