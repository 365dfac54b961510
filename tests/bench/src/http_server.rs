use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A server with one thread per connection, on a free port of this machine. It accepts no connections after it is
/// dropped.
pub(crate) struct HttpServer {
    address: String,
    ended: Arc<AtomicBool>,
}

impl HttpServer {
    /// Lets `serve` answer the requests of each connection, which ends when `serve` returns.
    ///
    /// # Errors
    /// Fails if no port is available.
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
                // The thread ends when its client closes the connection.
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
        // Wakes the thread that accepts connections, so that it sees the end. If connecting fails, the thread is not
        // waiting.
        let _ = TcpStream::connect(&self.address);
    }
}
