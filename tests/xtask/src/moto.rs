use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use tenet_build::Leash;

use crate::repository::Repository;
use crate::venv::Venv;

/// How long a loaded machine may take to start it.
const PATIENCE: Duration = Duration::from_secs(120);

/// EventBridge and SQS as moto serves them. It ends with the value.
#[derive(Debug)]
pub(crate) struct Moto {
    port: u16,
    _leash: Leash,
}

impl Moto {
    /// Starts it on a free port and waits until it answers.
    pub(crate) fn start(repository: &Repository, venv: &Venv) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let log = repository.path("target/tenet/moto.log");
        let mut server = Command::new(venv.program("moto_server"));
        server.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let leash = Leash::server(&server, &log)?;
        let start = Instant::now();
        while !answers(port) {
            if start.elapsed() > PATIENCE {
                bail!("moto does not answer on port {port}; see {}", log.display());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(Self { port, _leash: leash })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn answers(port: u16) -> bool {
    let ask = || {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        server.set_read_timeout(Some(Duration::from_secs(10)))?;
        server.write_all(b"GET /moto-api/data.json HTTP/1.0\r\n\r\n")?;
        let mut status = [0; 12];
        server.read_exact(&mut status)?;
        std::io::Result::Ok(status)
    };
    ask().is_ok_and(|status| status.ends_with(b" 200"))
}
