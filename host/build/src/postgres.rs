use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bounded::{MAX_TEXT, text_at_most};
use crate::captured::captured;
use crate::machine::{is_root, tail, user};
use crate::{Error, Leash, Programs, sha256};

/// How many times to choose another port if one was taken before it could be used.
const TRIES: u32 = 5;

/// The database is temporary, so nothing has to survive a crash. It isolates as DSQL does. A
/// deadlock, which DSQL does not have, is detected at once, and a session that waits for a lock
/// notices that its client is gone.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
default_transaction_isolation = 'repeatable read'
deadlock_timeout = 10ms
client_connection_check_interval = 1s
max_connections = 300
";

/// Stops the server and removes its folder when the pipe is closed.
const LAST_ACT: &str = r#"trap '' HUP INT TERM; cat >/dev/null; "$1" -D "$2/data" -m immediate -w stop; rm -rf "$2""#;

/// A private PostgreSQL of this process: a server on a free port of this machine, with its data in
/// a temporary folder. The server stops, and the folder is removed, when the value is dropped or
/// the process ends.
#[derive(Debug)]
pub struct PrivatePostgres {
    programs: Programs,
    user: Option<(u32, u32)>,
    folder: PathBuf,
    port: u16,
    leash: Leash,
}

impl PrivatePostgres {
    /// Starts a server and waits until it accepts connections. Installs PostgreSQL's programs first
    /// if they are missing and this is possible.
    pub fn start() -> Result<Self, Error> {
        let programs = Programs::find()?;
        // PostgreSQL refuses to run as root.
        let user = if is_root() {
            let other = user("postgres").or_else(|| user("nobody"));
            Some(other.ok_or_else(|| Error::new("PostgreSQL does not run as root, and there is no user `postgres`"))?)
        } else {
            None
        };
        let temporary = temporary(user.is_some());
        let folder = folder(&temporary, user)?;
        let run = |program: &Path| command(program, user, &folder);

        let mut last = run(Path::new("sh"));
        last.args(["-c", LAST_ACT, "leash"]).arg(programs.path("pg_ctl")).arg(&folder);
        let leash = Leash::last_act(last)?;

        let data = set_up(&programs, user, &temporary, &folder)?;
        let log = folder.join("log");
        let configuration = data.join("postgresql.conf");
        let defaults = text_at_most(&configuration, MAX_TEXT).map_err(Error::io("read", &configuration))?;
        for _ in 0..TRIES {
            let port = free_port()?;
            fs::write(&configuration, format!("{defaults}{SETTINGS}port = {port}\n"))
                .map_err(Error::io("write", &configuration))?;
            let mut start = run(&programs.path("pg_ctl"));
            let start = start.args(["-w", "-t", "120", "start", "-D"]).arg(&data).arg("-l").arg(&log);
            if start.stdout(Stdio::null()).status().map_err(Error::starting(&programs.path("pg_ctl")))?.success() {
                return Ok(Self { programs, user, folder, port, leash });
            }
        }
        Err(Error::new(format!("the private PostgreSQL does not start; its log ends with\n{}", tail(&log))))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of one of its databases. `postgres` always exists.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://admin@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates an empty database.
    pub fn create_database(&self, name: &str) -> Result<(), Error> {
        let mut create = command(&self.programs.path("createdb"), self.user, &self.folder);
        create.args(["-h", "127.0.0.1", "-U", "admin", "-p", &self.port.to_string(), name]);
        finish(&mut create)
    }

    /// Stops the server with all its sessions, as an administrator does, and starts it again on the
    /// same port. Committed data stays.
    pub fn restart(&self) -> Result<(), Error> {
        let pg_ctl = self.programs.path("pg_ctl");
        let log = self.folder.join("log");
        let mut restart = command(&pg_ctl, self.user, &self.folder);
        restart
            .args(["-w", "-t", "120", "restart", "-m", "fast", "-D"])
            .arg(self.folder.join("data"))
            .arg("-l")
            .arg(&log);
        if !restart.stdout(Stdio::null()).status().map_err(Error::starting(&pg_ctl))?.success() {
            return Err(Error::new(format!(
                "the private PostgreSQL does not restart; its log ends with\n{}",
                tail(&log)
            )));
        }
        Ok(())
    }

    /// Stops the server and removes its folder. An error says that the folder still exists.
    /// Dropping the value does the same but ignores the error.
    pub fn stop(self) -> Result<(), Error> {
        let Self { folder, leash, .. } = self;
        leash.end();
        if folder.exists() {
            return Err(Error::new(format!("the private PostgreSQL did not end: {} is still there", folder.display())));
        }
        Ok(())
    }
}

/// A folder for temporary files that the server's user can reach.
fn temporary(other_user: bool) -> PathBuf {
    let chosen = std::env::temp_dir();
    let open = |folder: &Path| fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & 0o001 != 0);
    let reachable = fs::canonicalize(&chosen).is_ok_and(|folder| folder.ancestors().all(open));
    if other_user && !reachable { PathBuf::from("/tmp") } else { chosen }
}

/// A new folder that only the server's user can access.
fn folder(temporary: &Path, user: Option<(u32, u32)>) -> Result<PathBuf, Error> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = temporary.join(format!("tenet-{}-{number}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            // Left over from a process that ended with a crash of the machine.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => {
                made.map_err(Error::io("make", &folder))?;
                if let Some((user, group)) = user {
                    chown(&folder, Some(user), Some(group)).map_err(Error::io("hand over", &folder))?;
                }
                return Ok(folder);
            }
        }
    }
}

/// Creates a cluster in `folder`. That takes seconds, so the first one is kept as a template. Other
/// users can write to its parent folder, so it is used only if the server's user owns it alone.
fn set_up(programs: &Programs, user: Option<(u32, u32)>, temporary: &Path, folder: &Path) -> Result<PathBuf, Error> {
    let initdb = programs.path("initdb");
    let owner = fs::metadata(folder).map_err(Error::io("open", folder))?.uid();
    let built = fs::metadata(&initdb).map_err(Error::io("open", &initdb))?.mtime();
    let key: String = sha256(initdb.as_os_str().as_encoded_bytes()).chars().take(8).collect();
    let template = temporary.join(format!("tenet-template-{owner}-{key}-{built}"));
    let trusted = |metadata: fs::Metadata| metadata.is_dir() && metadata.uid() == owner && metadata.mode() & 0o077 == 0;
    let data = folder.join("data");
    let copy = |from: &Path, to: &Path| finish(command(Path::new("cp"), user, folder).arg("-a").arg(from).arg(to));
    if fs::symlink_metadata(&template).is_ok_and(trusted) {
        copy(&template, &data)?;
        return Ok(data);
    }
    let mut initdb = command(&initdb, user, folder);
    initdb.args(["-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions", "-D"]);
    finish(initdb.arg(&data))?;
    let spare = folder.join("template");
    copy(&data, &spare)?;
    // Atomic. If another process was first, this copy is removed with the folder.
    let _kept = fs::rename(&spare, &template);
    Ok(data)
}

fn command(program: &Path, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    // PostgreSQL's programs also read settings from environment variables.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").current_dir(folder).stdin(Stdio::null());
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

fn finish(command: &mut Command) -> Result<(), Error> {
    let program = PathBuf::from(command.get_program());
    let output = captured(command).map_err(Error::io("run", &program))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::new(format!("{} failed ({}): {}", program.display(), output.status, said.trim())));
    }
    Ok(())
}

fn free_port() -> Result<u16, Error> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    Ok(bound.map_err(|error| Error::new(format!("127.0.0.1 has no free port: {error}")))?.port())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;

    use super::*;

    /// Marks the process of the test below that is to be killed.
    const OWNER: &str = "TENET_BUILD_TEST_OWNER";

    /// Requests TLS, as any client may, and reads the refusal.
    fn greet(port: u16) -> std::io::Result<TcpStream> {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        client.write_all(&[0, 0, 0, 8, 4, 210, 22, 47])?;
        let mut answer = [0];
        client.read_exact(&mut answer)?;
        assert_eq!(&answer, b"N");
        Ok(client)
    }

    #[test]
    fn two_run_at_once_and_are_gone_when_they_stop() {
        let (one, two) = (PrivatePostgres::start().unwrap(), PrivatePostgres::start().unwrap());
        assert_ne!(one.port(), two.port());
        greet(one.port()).unwrap();
        greet(two.port()).unwrap();
        assert_eq!(one.url("postgres"), format!("postgres://admin@127.0.0.1:{}/postgres", one.port()));

        let (port, folder) = (one.port(), one.folder.clone());
        one.stop().unwrap();
        assert!(greet(port).is_err() && !folder.exists());

        let (port, folder) = (two.port(), two.folder.clone());
        greet(port).unwrap();
        drop(two);
        assert!(greet(port).is_err() && !folder.exists());
    }

    #[test]
    fn one_that_is_restarted_has_the_same_port_and_what_was_in_it() {
        let postgres = PrivatePostgres::start().unwrap();
        postgres.create_database("orders").unwrap();
        let mut client = greet(postgres.port()).unwrap();
        postgres.restart().unwrap();
        // A reset ends the connection too.
        let _end = client.read_to_end(&mut Vec::new());
        greet(postgres.port()).unwrap();
        assert!(postgres.create_database("orders").unwrap_err().to_string().contains("exists"));
    }

    #[test]
    fn a_database_is_made_once() {
        let postgres = PrivatePostgres::start().unwrap();
        postgres.create_database("orders").unwrap();
        let again = postgres.create_database("orders").unwrap_err().to_string();
        assert!(again.contains("orders") && again.contains("exists"), "{again}");
    }

    #[test]
    fn it_ends_with_a_process_that_is_killed() {
        if std::env::var_os(OWNER).is_some() {
            let postgres = PrivatePostgres::start().unwrap();
            println!("\nport {}", postgres.port());
            loop {
                std::thread::park();
            }
        }
        let mut owner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "postgres::tests::it_ends_with_a_process_that_is_killed", "--nocapture"])
            .env(OWNER, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(owner.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = said.find_map(|line| line.strip_prefix("port ")?.parse().ok()).unwrap();
        let mut client = greet(port).unwrap();
        owner.kill().unwrap();
        owner.wait().unwrap();
        // A stopping server first closes its connections (a reset counts too), and refuses new ones
        // a moment later.
        let _end = client.read_to_end(&mut Vec::new());
        while greet(port).is_ok() {}
    }
}
