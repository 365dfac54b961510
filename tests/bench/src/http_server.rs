use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A server with a thread for each connection, on a free port of this machine. It takes no more connections once
/// the value is gone.
pub(crate) struct HttpServer {
    address: String,
    ended: Arc<AtomicBool>,
}

impl HttpServer {
    /// Has `serve` answer the requests of each connection. A connection ends when that does.
    ///
    /// # Errors
    /// Fails where there is no port.
    pub(crate) fn start(
        serve: impl Fn(&TcpStream) -> anyhow::Result<()> + Clone + Send + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        thread::spawn(move || {
            for stream in listener.incoming().flatten().take_while(|_| !over.load(Ordering::Acquire)) {
                let serve = serve.clone();
                // It ends with its client, which closes the connection.
                thread::spawn(move || {
                    stream.set_nodelay(true)?;
                    serve(&stream)
                });
            }
        });
        Ok(Self { address, ended })
    }

    /// `HOST:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // Wakes the thread that waits for a connection, to see that it is over. Where there is none to be had,
        // it does not wait.
        let _ = TcpStream::connect(&self.address);
    }
}
