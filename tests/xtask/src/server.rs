use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use tenet_build::Leash;

use crate::repository::Repository;
use crate::requests::Requests;
use crate::venv::Venv;

/// How long a loaded machine may take to start one.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server of the tests' Python environment, on a free port. It ends with the value.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    _leash: Leash,
}

impl Server {
    /// EventBridge and SQS as moto serves them. What it receives is recorded.
    pub(crate) fn moto(repository: &Repository, venv: &Venv, requests: &Requests) -> anyhow::Result<Self> {
        Self::start(repository, "moto", "/moto-api/data.json", |port| {
            let mut moto = requests.recorded(repository, venv, "moto");
            moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            moto
        })
    }

    /// A region, or several, as ministack serves them: it runs the functions that it is given. What
    /// it receives is recorded.
    pub(crate) fn ministack(repository: &Repository, venv: &Venv, requests: &Requests) -> anyhow::Result<Self> {
        let folder = repository.path("target/tenet/ministack");
        std::fs::create_dir_all(&folder)?;
        Self::start(repository, "ministack", "/_ministack/health", |port| {
            let mut ministack = requests.recorded(repository, venv, "ministack");
            // What it unpacks and keeps goes where the rest of the tests' things are.
            ministack.env("TMPDIR", &folder).env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
            // More servers, on ports of their own for all of the machine.
            ministack.env("IOT_MTLS_ENABLED", "0").env("SFTP_ENABLED", "0");
            ministack
        })
    }

    /// Starts `command` and waits until it answers `path` with 200.
    fn start(
        repository: &Repository,
        name: &str,
        path: &str,
        command: impl FnOnce(u16) -> Command,
    ) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let log = repository.path(&format!("target/tenet/{name}.log"));
        let leash = Leash::server(&command(port), &log)?;
        let start = Instant::now();
        while !answers(port, path) {
            if start.elapsed() > PATIENCE {
                bail!("{name} does not answer on port {port}; see {}", log.display());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(Self { port, _leash: leash })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn answers(port: u16, path: &str) -> bool {
    let ask = || {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        server.set_read_timeout(Some(Duration::from_secs(10)))?;
        server.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
        let mut status = [0; 12];
        server.read_exact(&mut status)?;
        std::io::Result::Ok(status)
    };
    ask().is_ok_and(|status| status.ends_with(b" 200"))
}
