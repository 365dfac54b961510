use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// What happened, one line for each thing, with the simulated time. A clone is the same story.
///
/// Two runs of one seed have the same lines. Their digest shows it.
#[derive(Clone)]
pub(crate) struct Story(Arc<Mutex<State>>);

struct State {
    began: Instant,
    digest: Sha256,
    /// The lines, if they are kept.
    kept: Option<String>,
    line: String,
    lines: u64,
}

impl Story {
    /// A story that begins now.
    pub(crate) fn begin(is_kept: bool) -> Self {
        let kept = is_kept.then(String::new);
        let state = State { began: Instant::now(), digest: Sha256::new(), kept, line: String::new(), lines: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Adds a line.
    pub(crate) fn note(&self, who: impl fmt::Display, what: fmt::Arguments<'_>) {
        let mut state = self.0.lock().unwrap();
        let State { began, digest, kept, line, lines } = &mut *state;
        line.clear();
        // Writing to a String cannot fail.
        let _ = writeln!(line, "{:12.6} {who}: {what}", began.elapsed().as_secs_f64());
        digest.update(line.as_bytes());
        *lines += 1;
        if let Some(kept) = kept {
            kept.push_str(line);
        }
    }

    /// The first bytes of the digest of all lines, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        let digest = self.0.lock().unwrap().digest.clone().finalize();
        tenet_core::hex(&digest[..12])
    }

    /// How many lines there are.
    pub(crate) fn lines(&self) -> u64 {
        self.0.lock().unwrap().lines
    }

    /// The lines that were kept.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().kept.clone().unwrap_or_default()
    }
}
