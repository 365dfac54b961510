use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest part of a header's line that is kept: enough for the names and values that matter.
const LONGEST: usize = 256;

/// A stream of HTTP/1 requests that ends reading with an error behind the length of a chunk above a bound.
///
/// Such a request can never be accepted, but the HTTP library waits for the chunk's bytes and does not show the
/// length. This follows the framing only for that: whatever is not understood is left to the library.
#[derive(Debug)]
pub(crate) struct ChunkBound<S> {
    stream: S,
    most: u64,
    reading: Reading,
}

/// What the next byte belongs to.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    Head(Head),
    /// Bytes of a body or a chunk, and whether a chunk's end follows.
    Bytes {
        left: u64,
        is_chunk: bool,
    },
    /// The line with the length of a chunk: its value, and whether its digits are over.
    Length {
        value: u64,
        is_over: bool,
    },
    /// The line break behind a chunk.
    End,
    /// Lines behind the last chunk, and whether the current one has no byte yet.
    Trailers {
        is_empty: bool,
    },
    /// A chunk is too long.
    TooLong,
}

/// The lines of a head.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    line: Vec<u8>,
    has_begun: bool,
    length: u64,
    is_chunked: bool,
}

impl<S> ChunkBound<S> {
    pub(crate) fn new(stream: S, most: usize) -> Self {
        Self { stream, most: most as u64, reading: Reading::Head(Head::default()) }
    }

    fn follow(&mut self, mut bytes: &[u8]) {
        while let [byte, rest @ ..] = bytes {
            if let Reading::Bytes { left, is_chunk } = &mut self.reading {
                let skipped = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= skipped as u64;
                bytes = bytes.get(skipped..).unwrap_or_default();
                if *left == 0 {
                    self.reading = if *is_chunk { Reading::End } else { Reading::Head(Head::default()) };
                }
                continue;
            }
            bytes = rest;
            if let Some(next) = self.reading.step(*byte, self.most) {
                self.reading = next;
            }
        }
    }
}

impl Reading {
    /// What follows the byte, if that is something else.
    fn step(&mut self, byte: u8, most: u64) -> Option<Self> {
        match self {
            Self::Head(head) => head.step(byte),
            Self::Length { value, .. } if byte == b'\n' => Some(match *value {
                0 => Self::Trailers { is_empty: true },
                left if left > most => Self::TooLong,
                left => Self::Bytes { left, is_chunk: true },
            }),
            Self::Length { value, is_over } => {
                let digit = char::from(byte).to_digit(16).filter(|_| !*is_over);
                *is_over |= digit.is_none();
                *value = digit.map_or(*value, |digit| value.saturating_mul(16).saturating_add(digit.into()));
                None
            }
            Self::End => (byte == b'\n').then_some(Self::Length { value: 0, is_over: false }),
            Self::Trailers { is_empty: true } if byte == b'\n' => Some(Self::Head(Head::default())),
            Self::Trailers { is_empty } => {
                *is_empty = byte == b'\n' || *is_empty && byte == b'\r';
                None
            }
            Self::Bytes { .. } | Self::TooLong => None,
        }
    }
}

impl Head {
    fn step(&mut self, byte: u8) -> Option<Reading> {
        if byte != b'\n' {
            if self.line.len() < LONGEST {
                self.line.push(byte);
            }
            return None;
        }
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii();
        if !line.is_empty() {
            self.has_begun = true;
            self.header(line);
            return None;
        }
        // Empty lines before a request are skipped.
        if !self.has_begun {
            return None;
        }
        Some(match *self {
            Self { is_chunked: true, .. } => Reading::Length { value: 0, is_over: false },
            Self { length: 0, .. } => Reading::Head(Self::default()),
            Self { length: left, .. } => Reading::Bytes { left, is_chunk: false },
        })
    }

    fn header(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = value.len() >= 7 && value.to_ascii_lowercase().ends_with(b"chunked");
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or_default();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ChunkBound<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.reading == Reading::TooLong {
            return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, TooLong)));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        this.follow(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ChunkBound<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A chunk is longer than a body may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLong;

impl TooLong {
    /// Whether it is the cause of an error.
    pub(crate) fn is_cause_of(error: &(dyn Error + 'static)) -> bool {
        let mut causes = std::iter::successors(Some(error), |&error| error.source());
        causes.any(|error| {
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            inner.is_some_and(|inner| inner.is::<Self>())
        })
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a chunk is longer than a body may be")
    }
}

impl Error for TooLong {}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// Whether reading these bytes, in parts of any size, ends with the error.
    async fn is_refused(bytes: &str) -> bool {
        let mut ends = Vec::new();
        for part in 1..=bytes.len() {
            let mut stream = ChunkBound::new(bytes.as_bytes(), 0x10);
            let mut all = Vec::new();
            ends.push(loop {
                let (mut space, before) = (vec![0; part], all.len());
                let mut buffer = ReadBuf::new(&mut space);
                let read = poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut buffer)).await;
                all.extend_from_slice(buffer.filled());
                match read {
                    Ok(()) if all.len() == before => break false,
                    Ok(()) => {}
                    Err(error) => {
                        assert!(TooLong::is_cause_of(&error));
                        break true;
                    }
                }
            });
            assert!(ends.contains(&true) || all == bytes.as_bytes());
        }
        ends.dedup();
        assert_eq!(ends.len(), 1, "{bytes}");
        ends[0]
    }

    #[tokio::test]
    async fn a_chunk_above_the_bound_is_refused_behind_its_length() {
        for chunks in [
            "11\r\n",
            "ffffffffffffffff\r\nabc",
            "fffffffffffffffffffffffffffffffff\r\n",
            "000000000000000011;name=5\r\nabc",
            "3\r\nabc\r\n10;a=\"b\"\r\n0123456789abcdef\r\n11\r\na",
        ] {
            assert!(is_refused(&format!("{CHUNKED}{chunks}")).await, "{chunks}");
        }
        let after = format!("{CHUNKED}3\r\nabc\r\n0\r\na: b\r\n\r\n\r\n{CHUNKED}11\r\n");
        assert!(is_refused(&after).await);
        let head = "POST / HTTP/1.1\ncontent-length: 5\n\n11\r\n1GET / HTTP/1.1\n\n";
        assert!(is_refused(&format!("{head}{CHUNKED}11\r\n")).await);
    }

    #[tokio::test]
    async fn other_requests_are_read_as_they_are() {
        for requests in [
            "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 21\r\n\r\na\r\n\r\nffffffffffffffff\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 18446744073709551616\r\n\r\nffffffffffffffff\r\n",
            "\r\n\r\nffffffffffffffff\r\n",
        ] {
            assert!(!is_refused(requests).await, "{requests}");
        }
        for chunks in [
            "10\r\n0123456789abcdef\r\n0\r\n\r\n",
            "3\r\n11\r\r\n1\r\nf\r\n0\r\nfff: fff\r\n\r\n",
            "3;11\r\nabc\r\n0\r\n\r\n",
        ] {
            assert!(!is_refused(&format!("{CHUNKED}{chunks}")).await, "{chunks}");
        }
    }
}
