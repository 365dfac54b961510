//! A minimal HTTP client for tests.

use std::io::{Error, ErrorKind, Result};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The header of every request whose body is JSON.
pub const JSON: (&str, &str) = ("content-type", "application/json");

/// A response.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    head: String,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The header with this name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends one POST of JSON to `address` and returns the status and the body of the response.
pub async fn post(address: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let answer = send(address, "POST", path, &[JSON], body).await?;
    Ok((answer.status, answer.body))
}

/// Sends one request, on a connection of its own.
pub async fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
    let mut connection = Connection::open(address).await?;
    connection.send(method, path, &[&[("connection", "close")], headers].concat(), body).await
}

/// A connection, which stays open between requests.
pub struct Connection {
    address: String,
    stream: TcpStream,
    /// Bytes that were read and belong to a later response.
    read: Vec<u8>,
}

impl Connection {
    /// Opens a connection.
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { address: address.to_owned(), stream, read: Vec::new() })
    }

    /// Sends a request and waits for its response.
    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
        self.ask(method, path, headers, body).await?;
        self.answer().await
    }

    /// Sends a request without waiting.
    pub async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<()> {
        let request = self.head(method, path, headers, body.len()) + body;
        self.write(request.as_bytes()).await
    }

    /// The head of a request with a body of this length.
    pub fn head(&self, method: &str, path: &str, headers: &[(&str, &str)], body: usize) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + &format!("content-length: {body}\r\n\r\n")
    }

    /// Sends a part of a request.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits for the response to the first unanswered request. An error of the kind `UnexpectedEof`
    /// means that the server closed the connection instead.
    pub async fn answer(&mut self) -> Result<Answer> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            self.read_more().await?;
        };
        let head = text(self.read.drain(..end + 4).collect())?;
        let head = head.trim_end().to_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let mut answer = Answer { status, head, body: String::new() };
        assert_ne!(answer.header("transfer-encoding"), Some("chunked"), "a body of known length");
        let length = match answer.header("content-length") {
            Some(length) => length.parse().expect("a number"),
            None => {
                self.stream.read_to_end(&mut self.read).await?;
                self.read.len()
            }
        };
        while self.read.len() < length {
            self.read_more().await?;
        }
        answer.body = text(self.read.drain(..length).collect())?;
        Ok(answer)
    }

    async fn read_more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}
