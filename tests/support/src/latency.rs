use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::server::Server;

/// A connection with high latency to a database: each direction takes half of the round trip. Data
/// that is sent together arrives together.
///
/// It ends with the runtime on which it was started.
pub struct Latency {
    url: String,
}

impl Latency {
    /// A connection with this latency to the database with this URL.
    pub async fn start(url: &str, round_trip: Duration) -> Self {
        let server = Server::at(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://{}@{}/{}", server.user, listener.local_addr().unwrap(), server.database);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    let Ok(server) = server.reach().await else { return };
                    client.set_nodelay(true).unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    // Whichever ends first, both sockets close.
                    tokio::select! {
                        () = carry(from_client, to_server, round_trip / 2) => {}
                        () = carry(from_server, to_client, round_trip / 2) => {}
                    }
                });
            }
        });
        Self { url }
    }

    /// The URL of the database through this connection.
    pub fn url(&self) -> &str {
        &self.url
    }
}

type From = tokio::net::tcp::OwnedReadHalf;
type To = tokio::net::tcp::OwnedWriteHalf;

async fn carry(mut from: From, mut to: To, time: Duration) {
    let (send, mut arrive) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            if send.send((Instant::now() + time, bytes[..read].to_vec())).is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = arrive.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(read, write);
}
