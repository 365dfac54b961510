use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt};

/// A message of the protocol, version 3.
pub(crate) struct Message {
    pub(crate) tag: u8,
    pub(crate) body: Vec<u8>,
}

/// What an error applies to.
#[derive(Clone, Copy)]
pub(crate) enum Severity {
    /// A statement.
    Error,
    /// The connection, which ends.
    Fatal,
}

impl Message {
    /// The next message. One longer than `longest` is an error of the kind `InvalidData`.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin), longest: usize) -> Result<Self> {
        let tag = from.read_u8().await?;
        Ok(Self { tag, body: body(from, longest).await? })
    }

    /// The first message of a connection, which has no tag.
    pub(crate) async fn read_first(from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
        body(from, 10_000).await
    }

    pub(crate) fn error(severity: Severity, sqlstate: &str, message: &str, detail: Option<&str>) -> Self {
        let severity = match severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        };
        let mut text = format!("S{severity}\0V{severity}\0C{sqlstate}\0M{message}\0");
        if let Some(detail) = detail {
            text.push_str(&format!("D{detail}\0"));
        }
        text.push('\0');
        Self { tag: b'E', body: text.into_bytes() }
    }

    /// The text of an error.
    pub(crate) fn text_of_error(&self) -> String {
        let fields = self.body.split(|byte| *byte == 0);
        let text = fields.filter_map(|field| field.strip_prefix(b"M")).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    pub(crate) fn password_wanted() -> Self {
        Self { tag: b'R', body: 3_u32.to_be_bytes().to_vec() }
    }

    /// The description of one text column.
    pub(crate) fn column(name: &str) -> Self {
        const TEXT: u32 = 25;
        let numbers = [&0_u32.to_be_bytes()[..], &0_u16.to_be_bytes(), &TEXT.to_be_bytes(), &[255; 6], &[0, 0]];
        Self { tag: b'T', body: [&[0, 1], name.as_bytes(), &[0], &numbers.concat()].concat() }
    }

    /// A row with one text.
    pub(crate) fn row(text: &str) -> Self {
        Self { tag: b'D', body: [&[0, 1], &(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat() }
    }

    /// The text of a statement to run or parse.
    pub(crate) fn statement(&self) -> Option<String> {
        let text = match self.tag {
            b'Q' => self.body.split(|byte| *byte == 0).next(),
            b'P' => self.body.split(|byte| *byte == 0).nth(1),
            _ => None,
        };
        text.map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// The same message with another statement.
    pub(crate) fn with_statement(self, text: &str) -> Self {
        let ends: Vec<_> = (0..self.body.len()).filter(|at| self.body[*at] == 0).collect();
        let (before, after) = match self.tag {
            b'Q' => (0, ends[0]),
            _ => (ends[0] + 1, ends[1]),
        };
        Self { body: [&self.body[..before], text.as_bytes(), &self.body[after..]].concat(), ..self }
    }

    /// Whether the server's response to this ends with `ReadyForQuery`.
    pub(crate) fn ends_a_cycle(&self) -> bool {
        matches!(self.tag, b'Q' | b'S')
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = (self.body.len() as u32 + 4).to_be_bytes();
        [&[self.tag][..], &length, &self.body].concat()
    }
}

async fn body(from: &mut (impl AsyncRead + Unpin), longest: usize) -> Result<Vec<u8>> {
    let length = from.read_u32().await? as usize;
    if !(4..=longest).contains(&length) {
        return Err(Error::new(ErrorKind::InvalidData, "invalid message length"));
    }
    let mut body = vec![0; length - 4];
    from.read_exact(&mut body).await?;
    Ok(body)
}
