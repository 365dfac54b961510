use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;
use crate::captured::collected;
use tenet_core::Code;

/// The number of bytes read from the end of a log.
const END_OF_LOG: u64 = 64 << 10;

/// Installs Debian packages. Without root or apt-get, the error names the command to run.
///
/// Prints a line to standard error, because it takes minutes and changes the machine.
pub fn install(packages: &[&str]) -> Result<(), Error> {
    let list = packages.join(" ");
    let Some(apt) = on_path("apt-get").filter(|_| is_root()) else {
        return Err(Error::new(format!("missing: {list}")).coded(Code::Tool).with_help(format!(
            "on Debian `sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends {list}'` brings them"
        )));
    };
    eprintln!("installing {list} with apt-get");
    let lock = "DPkg::Lock::Timeout=600";
    let update: &[&str] = &["-qq", "-o", lock, "update"];
    let install = [&["-qq", "-o", lock, "install", "-y", "--no-install-recommends"], packages].concat();
    for arguments in [update, &install] {
        let done = Command::new(&apt)
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .map_err(Error::starting(&apt))?;
        if !done.success() {
            return Err(Error::new(format!("`apt-get {}` failed: {done}", arguments.join(" "))));
        }
    }
    Ok(())
}

pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).as_deref() == Some("0")
}

/// The numeric ids of a user and its group, if the user exists.
pub(crate) fn user(name: &str) -> Option<(u32, u32)> {
    let number = |flag| output(Command::new("id").args([flag, name]))?.parse().ok();
    Some((number("-u")?, number("-g")?))
}

/// The full path of a program on PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A program's standard output, trimmed, if it starts and succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let output = collected(child).ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The end of a log, which may be long.
fn last(log: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(END_OF_LOG)))?;
    let mut text = Vec::new();
    file.take(END_OF_LOG).read_to_end(&mut text)?;
    Ok(text)
}

/// The last lines of a log, for a message.
pub(crate) fn tail(log: &Path) -> String {
    let text = last(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
