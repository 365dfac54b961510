use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use tenet_core::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

/// The longest message that the host always accepts: an answer or an event that it has stored, of
/// [`Limits::MOST_STORED`](tenet_core::Limits::MOST_STORED), with the other columns of its row. The
/// description of a result with PostgreSQL's most columns, 1,664, has 150 KB.
const OF_HOST: u32 = 8 << 20;

/// What a message may have in addition to a rule's values: a row of 1,664 columns has a length for
/// each, and an error message names its source.
const OVERHEAD: u32 = 16 << 10;

/// The limit on the length of the server's next messages. The sender of statements sets it and the
/// gate reads it.
pub(crate) struct Allowance {
    most: AtomicU32,
    /// The length of the message that was refused, or zero.
    refused: AtomicU32,
}

/// A stream of the server's messages that ends with an error before one that is too long.
///
/// The driver buffers a whole message before it counts it. The gate reads the length at the start
/// of each message (<https://www.postgresql.org/docs/current/protocol-message-formats.html>), so
/// that no more than the [`Allowance`] is buffered. It has to be above TLS, and after the answer to
/// the request for TLS, which has no length.
pub(crate) struct Gate<S> {
    stream: S,
    binding: fn(&S) -> ChannelBinding,
    framing: Framing,
    allowance: Arc<Allowance>,
    refused: Option<TooLong>,
}

/// A TLS connector whose streams have a [`Gate`].
pub(crate) struct Gated<T> {
    tls: T,
    allowance: Arc<Allowance>,
}

/// The position of a stream within its messages.
#[derive(Default)]
struct Framing {
    /// How many bytes of the header were read.
    header: usize,
    /// The length read so far from the header.
    length: u32,
    /// How many bytes of the message are still to come.
    body: usize,
}

/// A message that the host refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TooLong {
    length: u32,
    most: u32,
}

/// One byte for the message type and four for the length.
const HEADER: usize = 5;
/// The length includes itself.
const LENGTH: u32 = 4;

impl Default for Allowance {
    fn default() -> Self {
        Self { most: AtomicU32::new(OF_HOST), refused: AtomicU32::new(0) }
    }
}

impl Allowance {
    /// Sets the limit for statements of a rule that may read so many bytes.
    pub(crate) fn for_rule(&self, bytes: u64) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(OVERHEAD);
        self.most.store(bytes.max(OF_HOST), Ordering::Relaxed);
    }

    /// Sets the limit for the host's own statements.
    pub(crate) fn for_host(&self) {
        self.most.store(OF_HOST, Ordering::Relaxed);
    }

    /// Removes the limit, for developers who read their own database on their own machine.
    pub(crate) fn for_owner(&self) {
        self.most.store(u32::MAX, Ordering::Relaxed);
    }

    /// The length of the message that caused the connection to be ended.
    pub(crate) fn refused(&self) -> Option<u32> {
        Some(self.refused.load(Ordering::Acquire)).filter(|length| *length > 0)
    }
}

impl<S> Gate<S> {
    /// A gate for a stream without TLS.
    pub(crate) fn plain(stream: S, allowance: Arc<Allowance>) -> Self {
        Self::new(stream, |_| ChannelBinding::none(), allowance)
    }

    fn new(stream: S, binding: fn(&S) -> ChannelBinding, allowance: Arc<Allowance>) -> Self {
        Self { stream, binding, framing: Framing::default(), allowance, refused: None }
    }
}

impl Framing {
    /// Parses the next bytes. The error contains the number of bytes before a message that is
    /// longer than `most`.
    fn follow(&mut self, bytes: &[u8], most: u32) -> Result<(), (usize, TooLong)> {
        let (mut at, mut began) = (0, 0);
        while at < bytes.len() {
            if self.body > 0 {
                let passed = self.body.min(bytes.len() - at);
                (self.body, at) = (self.body - passed, at + passed);
                continue;
            }
            if self.header == 0 {
                (self.length, began) = (0, at);
            } else {
                let byte = bytes.get(at).copied().unwrap_or_default();
                self.length = self.length << 8 | u32::from(byte);
            }
            (self.header, at) = (self.header + 1, at + 1);
            if self.header == HEADER {
                if self.length > most {
                    return Err((began, TooLong { length: self.length, most }));
                }
                // The driver reports a length that is less than its own four bytes.
                self.body = usize::try_from(self.length.saturating_sub(LENGTH)).unwrap_or(usize::MAX);
                self.header = 0;
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(refused) = this.refused {
            return Poll::Ready(Err(refused.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        let most = this.allowance.most.load(Ordering::Relaxed);
        let Err((passed, refused)) = this.framing.follow(read, most) else { return Poll::Ready(Ok(())) };
        this.refused = Some(refused);
        this.allowance.refused.store(refused.length, Ordering::Release);
        // The bytes before it belong to earlier messages, which are still delivered.
        buffer.set_filled(before + passed);
        Poll::Ready(if passed > 0 { Ok(()) } else { Err(refused.into()) })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Gate<S> {
    fn channel_binding(&self) -> ChannelBinding {
        (self.binding)(&self.stream)
    }
}

impl<T> Gated<T> {
    pub(crate) fn new(tls: T, allowance: Arc<Allowance>) -> Self {
        Self { tls, allowance }
    }
}

impl<T: MakeTlsConnect<Socket>> MakeTlsConnect<Socket> for Gated<T>
where
    T::TlsConnect: Send + 'static,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    type Stream = Gate<T::Stream>;
    type TlsConnect = Gated<T::TlsConnect>;
    type Error = T::Error;

    fn make_tls_connect(&mut self, name: &str) -> Result<Self::TlsConnect, Self::Error> {
        Ok(Gated { tls: self.tls.make_tls_connect(name)?, allowance: Arc::clone(&self.allowance) })
    }
}

impl<T> TlsConnect<Socket> for Gated<T>
where
    T: TlsConnect<Socket> + Send + 'static,
    T::Future: Send,
{
    type Stream = Gate<T::Stream>;
    type Error = T::Error;
    type Future = BoxFuture<'static, Result<Self::Stream, T::Error>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let stream = self.tls.connect(socket).await?;
            Ok(Gate::new(stream, T::Stream::channel_binding, self.allowance))
        })
    }
}

impl From<TooLong> for io::Error {
    fn from(TooLong { length, most }: TooLong) -> Self {
        let text = format!("the server sent a message of {length} bytes, of which {most} may be read");
        Self::new(io::ErrorKind::InvalidData, text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::io::AsyncReadExt;

    use super::*;

    /// A message of this type with so many bytes after its header.
    fn message(kind: u8, body: usize) -> Vec<u8> {
        let mut message = vec![kind];
        message.extend((u32::try_from(body).unwrap() + LENGTH).to_be_bytes());
        message.resize(HEADER + body, kind);
        message
    }

    /// A stream that returns these pieces.
    struct Pieces(VecDeque<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if let Some(piece) = self.0.pop_front() {
                buffer.put_slice(&piece);
            }
            Poll::Ready(Ok(()))
        }
    }

    /// The bytes that pass when they arrive in these pieces, and the error at the end.
    async fn through(pieces: &[&[u8]], allowance: &Arc<Allowance>) -> (Vec<u8>, Option<io::ErrorKind>) {
        let pieces = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| piece.to_vec()).collect();
        let mut gate = Gate::plain(Pieces(pieces), Arc::clone(allowance));
        let (mut got, mut buffer) = (Vec::new(), [0; 512]);
        loop {
            match gate.read(&mut buffer).await {
                Ok(0) => return (got, None),
                Ok(read) => got.extend(&buffer[..read]),
                Err(error) => return (got, Some(error.kind())),
            }
        }
    }

    fn at_most(most: u32) -> Arc<Allowance> {
        Arc::new(Allowance { most: AtomicU32::new(most), refused: AtomicU32::new(0) })
    }

    #[tokio::test]
    async fn messages_that_are_no_longer_than_allowed_pass_wherever_they_are_cut() {
        let longest = message(b'D', 60);
        let bytes = [message(b'Z', 1), message(b'1', 0), longest.clone(), message(b'E', 30), longest].concat();
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                let allowance = at_most(64);
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(through(&pieces, &allowance).await, (bytes.clone(), None), "{first} {second}");
                assert_eq!(allowance.refused(), None);
            }
        }
    }

    #[tokio::test]
    async fn one_byte_more_is_refused_and_all_messages_in_front_of_it_pass_wherever_they_are_cut() {
        let before = [message(b'Z', 1), message(b'D', 60), message(b'1', 0)].concat();
        let bytes = [before.clone(), message(b'D', 61), message(b'Z', 1)].concat();
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                let allowance = at_most(64);
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let (got, end) = through(&pieces, &allowance).await;
                assert_eq!(end, Some(io::ErrorKind::InvalidData), "{first} {second}");
                // At most a part of the header of the message itself.
                assert!(got.len() < before.len() + HEADER && bytes.starts_with(&got) && got.starts_with(&before));
                assert_eq!(allowance.refused(), Some(65));
            }
        }
    }

    #[tokio::test]
    async fn every_kind_of_message_is_measured() {
        for kind in 0..=u8::MAX {
            let allowance = at_most(64);
            assert_eq!(through(&[&message(kind, 61)], &allowance).await, (vec![], Some(io::ErrorKind::InvalidData)));
        }
    }

    #[tokio::test]
    async fn a_length_that_cannot_be_is_refused_or_left_to_the_driver() {
        let of = |length: u32| [&b"D"[..], &length.to_be_bytes(), b"more"].concat();
        let allowance = at_most(u32::MAX - 1);
        assert_eq!(through(&[&of(u32::MAX)], &allowance).await, (vec![], Some(io::ErrorKind::InvalidData)));
        for length in 0..LENGTH {
            assert_eq!(through(&[&of(length)], &at_most(64)).await, (of(length), None));
        }
    }

    #[tokio::test]
    async fn what_is_allowed_holds_for_the_messages_that_begin_then() {
        let allowance = at_most(64);
        let (reader, mut writer) = tokio::io::duplex(1 << 10);
        let mut gate = Gate::plain(reader, Arc::clone(&allowance));
        let mut buffer = [0; 200];
        use tokio::io::AsyncWriteExt;
        for (most, body, passes) in [(64, 60, true), (104, 100, true), (64, 61, false)] {
            allowance.most.store(most, Ordering::Relaxed);
            let message = message(b'D', body);
            writer.write_all(&message).await.unwrap();
            let read = gate.read_exact(&mut buffer[..message.len()]).await;
            assert_eq!(read.is_ok(), passes, "{most} {body}");
        }
        assert!(gate.read(&mut buffer).await.is_err());
        assert_eq!(allowance.refused(), Some(65));
    }

    #[test]
    fn a_rule_may_read_its_bytes_in_one_message_and_never_less_than_the_host() {
        let allowance = Allowance::default();
        for (bytes, most) in [(0, OF_HOST), (u64::from(OF_HOST), OF_HOST + OVERHEAD), (u64::MAX, u32::MAX)] {
            allowance.for_rule(bytes);
            assert_eq!(allowance.most.load(Ordering::Relaxed), most);
        }
        allowance.for_host();
        assert_eq!(allowance.most.load(Ordering::Relaxed), OF_HOST);
        assert_eq!(allowance.refused(), None);
    }
}
