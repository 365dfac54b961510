//! The HTTP that proxies of EventBridge's API speak: one request and one response a connection, with bodies of known
//! length.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request or a response.
pub struct Message {
    /// The first line and the headers, without those that concern the connection only.
    head: Vec<String>,
    /// The body.
    pub body: String,
}

impl Message {
    /// A response with a JSON body.
    pub fn response(status: &str, body: &str) -> Self {
        let head = vec![format!("HTTP/1.1 {status}"), "content-type: application/x-amz-json-1.1".to_owned()];
        Self { head, body: body.to_owned() }
    }

    /// Reads one message.
    pub async fn read(stream: &mut TcpStream) -> Result<Self> {
        let wrong = |text| Error::new(ErrorKind::InvalidData, text);
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let length = head.lines().find_map(|line| header(line, "content-length")?.parse::<usize>().ok());
                let length = length.ok_or_else(|| wrong("a message without its length"))?;
                if bytes.len() >= end + 4 + length {
                    let body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec());
                    let is_hops = |line: &str| {
                        ["connection", "content-length", "host"].iter().any(|name| header(line, name).is_some())
                    };
                    let head = head.lines().filter(|line| !is_hops(line)).map(str::to_owned).collect();
                    return Ok(Self { head, body: body.map_err(|_| wrong("a body that is no text"))? });
                }
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(wrong("the connection ended in the middle of a message"));
            }
        }
    }

    /// Whether it is a response that says that all is well.
    pub fn is_ok(&self) -> bool {
        self.head.first().is_some_and(|line| line.starts_with("HTTP/1.1 200"))
    }

    /// The bytes of the message, after which the connection is closed. A request names its `host`.
    pub fn bytes(&self, host: Option<&str>) -> Vec<u8> {
        let host = host.map(|host| format!("host: {host}\r\n")).unwrap_or_default();
        let (head, length) = (self.head.join("\r\n"), self.body.len());
        format!("{head}\r\n{host}content-length: {length}\r\nconnection: close\r\n\r\n{}", self.body).into_bytes()
    }

    /// Sends a request to the server at this URL and reads the response.
    pub async fn send_to(&self, url: &str) -> Result<Self> {
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        let mut server = TcpStream::connect(host).await?;
        server.write_all(&self.bytes(Some(host))).await?;
        Self::read(&mut server).await
    }
}

fn header<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = line.split_once(':')?;
    key.eq_ignore_ascii_case(name).then(|| value.trim())
}
