use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tenet_build::Bundle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::{Context, Result};
use crate::testing::discovery::{files, is_test_file};

/// An editor that saves writes more than once.
const SETTLING: Duration = Duration::from_millis(30);

/// Waits for a change in what a bundle is built and tested from.
pub struct Watching {
    saved: UnboundedReceiver<()>,
    _watcher: RecommendedWatcher,
    bundle: PathBuf,
    /// What there was when it was last built.
    last: String,
}

impl Watching {
    /// Watches the sources and tests of the bundle in this folder. `outputs` are files and folders
    /// that the command itself writes, inside the bundle or elsewhere.
    ///
    /// # Errors
    /// Fails where the folder is not there, or where this machine does not report changes of files.
    pub fn new(bundle: &Path, outputs: &[&Path]) -> Result<Self> {
        let bundle = std::fs::canonicalize(bundle).with_context(|| format!("cannot open {}", bundle.display()))?;
        let absolute = |path: &&Path| std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok();
        let outputs: Vec<PathBuf> = outputs.iter().filter_map(absolute).collect();
        let is_output = move |path: &Path| outputs.iter().any(|output| path.starts_with(output));
        let (told, saved) = unbounded_channel();
        let root = bundle.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let is_change = !matches!(event.kind, EventKind::Access(_));
            if is_change && event.paths.iter().any(|path| is_source(&root, path) && !is_output(path)) {
                // The receiver may be gone.
                let _gone = told.send(());
            }
        })
        .context("this machine does not tell when files are saved")?;
        // The parts alone: what is built lies in the same folder, and is large.
        for part in parts(&bundle) {
            watcher
                .watch(&part, RecursiveMode::Recursive)
                .with_context(|| format!("cannot watch {}", part.display()))?;
        }
        watcher.watch(&bundle, RecursiveMode::NonRecursive).context("cannot watch the bundle")?;
        let last = state(&bundle);
        Ok(Self { saved, _watcher: watcher, bundle, last })
    }

    /// Waits until what a build or a test reads is no longer what it was. A file that was written and
    /// says the same, or that neither reads, is no change. False where no change can be seen any more.
    pub async fn changed(&mut self) -> bool {
        loop {
            let mut saved = self.saved.recv().await;
            if saved.is_none() {
                return false;
            }
            while saved.is_some() {
                saved = timeout(SETTLING, self.saved.recv()).await.ok().flatten();
            }
            let bundle = self.bundle.clone();
            let Ok(now) = spawn_blocking(move || state(&bundle)).await else { return false };
            if now != self.last {
                self.last = now;
                return true;
            }
        }
    }
}

/// A digest of the sources and the tests of a bundle, or why there is none.
fn state(bundle: &Path) -> String {
    let sources = Bundle::open(bundle).and_then(|bundle| bundle.source_digest());
    let mut state = sources.unwrap_or_else(|error| {
        // What a build would read is not known then: all that lies where sources do.
        let mut state = error.to_string();
        for part in ["tenet.toml", "rules", "schema"] {
            add_contents(&bundle.join(part), &mut state);
        }
        state
    });
    let tests = files(bundle).unwrap_or_default();
    // A recording that a test goes with lies next to it.
    let folders: BTreeSet<&Path> = tests.iter().filter_map(|test| test.parent()).collect();
    for entry in folders.into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten() {
        let path = entry.path();
        if is_test_file(&path) {
            let text = tenet_build::read_at_most(&path, tenet_build::MAX_RECORD).unwrap_or_default();
            let _ = write!(state, "\n{} {}", path.display(), tenet_build::sha256(&text));
        }
    }
    state
}

/// Adds the digests of a file, or of the files in a folder and in those below it.
fn add_contents(path: &Path, state: &mut String) {
    if let Ok(entries) = std::fs::read_dir(path) {
        entries.flatten().for_each(|entry| add_contents(&entry.path(), state));
    } else {
        let text = tenet_build::read_at_most(path, tenet_build::MAX_RECORD).unwrap_or_default();
        let _ = write!(state, "\n{} {}", path.display(), tenet_build::sha256(&text));
    }
}

/// The folders of a bundle that hold sources, but for what was vendored, which is not edited.
fn parts(bundle: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(bundle) else { return Vec::new() };
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir());
    folders.filter(|path| is_source(bundle, path)).collect()
}

fn is_source(bundle: &Path, path: &Path) -> bool {
    let inside = path.strip_prefix(bundle).unwrap_or(path);
    let hidden = |part: &std::ffi::OsStr| part.as_encoded_bytes().starts_with(b".");
    let first = inside.iter().next();
    !inside.iter().any(hidden)
        && first.is_none_or(|first| first != "target" && first != "vendor" && first != "node_modules")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_source_that_is_saved_is_told_and_what_is_built_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
        for part in ["schema", "target/tenet", "built"] {
            std::fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        write("tenet.toml", "version = 1");
        let mut watching = Watching::new(folder.path(), &[&folder.path().join("built")]).unwrap();
        write("target/tenet/index.json", "{}");
        write(".swp", "");
        write("built/index.json", "{}");
        write("server.log", "no source");
        write("schema/0001_start.sql", "SELECT 1");
        assert!(watching.changed().await);
        assert!(watching.saved.try_recv().is_err(), "it is reported once");
        // A manifest that is broken is another state, and so is one that is mended.
        write("tenet.toml", "version = ");
        assert!(watching.changed().await);
        write("tenet.toml", "version = 1");
        assert!(watching.changed().await);
    }
}
