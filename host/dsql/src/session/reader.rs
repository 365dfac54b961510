use bytes::Bytes;

use crate::sql_error::SqlError;
use crate::values::utf8;

/// Reads the parts of one message.
#[derive(Debug)]
pub(crate) struct Reader(Bytes);

impl Reader {
    pub(crate) fn new(message: Bytes) -> Self {
        Self(message)
    }

    /// The next bytes, as many as `count`.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<Bytes, SqlError> {
        if self.0.len() < count {
            return Err(violation("insufficient data left in message"));
        }
        Ok(self.0.split_to(count))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SqlError> {
        let bytes = self.bytes(N)?;
        <[u8; N]>::try_from(bytes.as_ref()).map_err(|_| violation("insufficient data left in message"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, SqlError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, SqlError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, SqlError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, SqlError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Text up to a zero byte.
    pub(crate) fn text(&mut self) -> Result<String, SqlError> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(|| violation("invalid string in message"))?;
        let text = self.0.split_to(end);
        self.u8()?;
        utf8::check(&text).map(str::to_owned)
    }

    /// As many parts as the number before them says.
    pub(crate) fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, SqlError>) -> Result<Vec<T>, SqlError> {
        let count = self.i16()?;
        (0..u16::from_be_bytes(count.to_be_bytes())).map(|_| read(self)).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fails if anything is left.
    pub(crate) fn finish(self) -> Result<(), SqlError> {
        if self.is_empty() { Ok(()) } else { Err(violation("invalid message format")) }
    }
}

/// A message against the protocol.
pub(crate) fn violation(text: impl Into<String>) -> SqlError {
    SqlError::new("08P01", text)
}
