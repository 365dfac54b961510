use std::ops::Deref;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::link::{Link, Manners};
use crate::message::Message;
use crate::server::Server;
use crate::wire::Wire;

/// A proxy for one database. It ends with the runtime on which it was started.
pub struct Relay {
    url: String,
    wire: Arc<Wire>,
}

impl Relay {
    /// A proxy for the database with this URL.
    pub async fn start(url: &str) -> Self {
        let server = Server::at(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://{}@{}/{}", server.user, listener.local_addr().unwrap(), server.database);
        let wire = Arc::new(Wire::default());
        let relay = Self { url, wire: Arc::clone(&wire) };
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                wire.knock();
                if wire.is_down() {
                    continue;
                }
                client.set_nodelay(true).unwrap();
                let (server, wire) = (server.clone(), Arc::clone(&wire));
                tokio::spawn(async move {
                    let Ok(first) = Message::read_first(&mut client).await else { return };
                    wire.until_letting_in().await;
                    if let Ok(server) = server.connect(&first).await {
                        Link::serve(client, server, wire, Manners::default()).await;
                    }
                });
            }
        });
        relay
    }

    /// The URL of the database through the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Deref for Relay {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}
