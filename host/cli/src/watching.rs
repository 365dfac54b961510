use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// An editor that saves writes more than once.
const SETTLING: Duration = Duration::from_millis(30);

/// Tells when something of a bundle's sources was saved.
pub(crate) struct Watching {
    saved: UnboundedReceiver<()>,
    _watcher: RecommendedWatcher,
}

impl Watching {
    /// Watches the sources of the bundle in this folder, and not what is built of them, which may go
    /// to a folder `out` of it.
    pub(crate) fn new(bundle: &Path, out: Option<&Path>) -> anyhow::Result<Self> {
        let bundle = std::fs::canonicalize(bundle).with_context(|| format!("cannot open {}", bundle.display()))?;
        let out = out.and_then(|out| std::fs::canonicalize(out).or_else(|_| std::path::absolute(out)).ok());
        let of_out = move |path: &Path| out.as_ref().is_some_and(|out| path.starts_with(out));
        let (told, saved) = unbounded_channel();
        let root = bundle.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let is_change = !matches!(event.kind, EventKind::Access(_));
            if is_change && event.paths.iter().any(|path| is_source(&root, path) && !of_out(path)) {
                // Whoever listened is gone.
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
        Ok(Self { saved, _watcher: watcher })
    }

    /// Waits until something was saved; false where the process is told to end instead.
    pub(crate) async fn changed(&mut self) -> bool {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return false;
        };
        tokio::select! {
            saved = self.saved.recv() => {
                while saved.is_some() && timeout(SETTLING, self.saved.recv()).await.is_ok_and(|more| more.is_some()) {}
                saved.is_some()
            }
            _ = interrupt.recv() => false,
            _ = terminate.recv() => false,
        }
    }
}

/// The folders of a bundle that hold sources, but for what was vendored, which nobody edits.
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
        std::fs::create_dir_all(folder.path().join("rules/a/src")).unwrap();
        std::fs::create_dir_all(folder.path().join("target/tenet")).unwrap();
        std::fs::create_dir_all(folder.path().join("built")).unwrap();
        let mut watching = Watching::new(folder.path(), Some(&folder.path().join("built"))).unwrap();
        std::fs::write(folder.path().join("target/tenet/index.json"), "{}").unwrap();
        std::fs::write(folder.path().join(".swp"), "").unwrap();
        std::fs::write(folder.path().join("built/index.json"), "{}").unwrap();
        std::fs::write(folder.path().join("rules/a/src/lib.rs"), "// saved").unwrap();
        assert!(watching.changed().await);
        assert!(watching.saved.try_recv().is_err(), "it was told once");
        std::fs::write(folder.path().join("tenet.toml"), "version = 1").unwrap();
        assert!(watching.changed().await);
    }
}
