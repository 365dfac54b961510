use std::io::{self, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tenet_core::read_at_most;

/// The most bytes that are kept of each of a program's two outputs. Cargo's output for a large
/// workspace has a few million.
const MOST: usize = 64 << 20;

/// Runs a program without input to its end and returns its output.
///
/// # Errors
/// Fails if it does not start, or if it writes more than the limit; it is then killed.
pub(crate) fn captured(command: &mut Command) -> io::Result<Output> {
    collected(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// The same for a running program whose outputs are pipes.
pub(crate) fn collected(child: Child) -> io::Result<Output> {
    collected_at_most(child, MOST)
}

fn collected_at_most(mut child: Child, most: usize) -> io::Result<Output> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let child = Mutex::new(child);
    let (stdout, stderr) = thread::scope(|scope| {
        let stderr = scope.spawn(|| kept(stderr, most, &child));
        let stdout = kept(stdout, most, &child);
        (stdout, stderr.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let status = child.into_inner().unwrap_or_else(PoisonError::into_inner).wait()?;
    Ok(Output { status, stdout: stdout?, stderr: stderr? })
}

/// The output of a pipe. If it is too long, the program is killed, because it may write without
/// end.
fn kept(pipe: Option<impl Read>, most: usize, child: &Mutex<Child>) -> io::Result<Vec<u8>> {
    let Some(pipe) = pipe else { return Ok(Vec::new()) };
    read_at_most(pipe, most).inspect_err(|_| {
        // This fails only if it has already ended.
        let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> io::Result<Output> {
        let mut command = Command::new("sh");
        let command = command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        collected_at_most(command.spawn()?, 100_000)
    }

    #[test]
    fn both_outputs_are_kept_with_how_it_ended() {
        let output = shell("printf out; printf err >&2; exit 3").unwrap();
        assert_eq!((&*output.stdout, &*output.stderr, output.status.code()), (&b"out"[..], &b"err"[..], Some(3)));
        let all = shell("head -c 100000 /dev/zero; head -c 100000 /dev/zero >&2").unwrap();
        assert_eq!((all.stdout.len(), all.stderr.len()), (100_000, 100_000));
    }

    #[test]
    fn a_program_that_writes_without_end_is_ended() {
        // A program that ignores a closed pipe is killed too.
        for script in
            ["exec cat /dev/zero", "exec cat /dev/zero >&2", "trap '' PIPE; while :; do printf '%1000s'; done"]
        {
            let error = shell(script).unwrap_err();
            assert_eq!(error.to_string(), "it has more than 100000 bytes", "{script}");
        }
    }
}
