use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Error;

/// A server that ends with the process that started it, however that process ends.
///
/// A shell stands between them. It waits for the end of a pipe that this process holds, which the
/// system closes even if the process is killed, and then kills the server.
#[derive(Debug)]
pub struct Leash {
    shell: Child,
}

impl Leash {
    /// Starts `command` with its output in the file `log`.
    pub fn server(command: &Command, log: &Path) -> Result<Self, Error> {
        let log = std::fs::File::create(log).map_err(Error::io("write", log))?;
        let errors = log.try_clone().map_err(|error| Error::new(format!("cannot write the log twice: {error}")))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", r#""$@" </dev/null & server=$!; cat >/dev/null; kill -9 $server; wait $server"#, "leash"]);
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.stdout(log).stderr(errors);
        Self::hold(shell)
    }

    /// Starts `last`, a command that waits for the end of its input before it does its work.
    pub(crate) fn last_act(mut last: Command) -> Result<Self, Error> {
        last.stdout(Stdio::null()).stderr(Stdio::null());
        Self::hold(last)
    }

    fn hold(mut shell: Command) -> Result<Self, Error> {
        use std::os::unix::process::CommandExt;
        // In its own process group, so that Ctrl-C does not end the shell before its work is done.
        let shell = shell.stdin(Stdio::piped()).process_group(0).spawn().map_err(Error::starting(Path::new("sh")))?;
        Ok(Self { shell })
    }

    /// Ends the server and waits for it. Dropping the value does the same.
    pub fn end(mut self) {
        self.release();
    }

    fn release(&mut self) {
        drop(self.shell.stdin.take());
        // An error only means that the shell has already ended.
        let _gone = self.shell.wait();
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    #[test]
    fn a_server_ends_with_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut server = Command::new("sh");
        server.args(["-c", r#"exec >"$PIPE"; echo up; exec tail -f /dev/null"#]).env("PIPE", &pipe);
        let leash = Leash::server(&server, &folder.path().join("log")).unwrap();
        let mut output = File::open(&pipe).unwrap();
        let mut said = [0; 3];
        output.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"up\n");
        leash.end();
        assert_eq!(output.read(&mut said).unwrap(), 0, "the server still holds its end");
    }
}
