use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tenet_capsule::{Answer, Capsule, Compared, Key, Shadow, Tape};
use tenet_core::bundle::Index;
use tenet_core::{BoxFuture, MetricSet, Probe, Receipt, Request};
use tenet_pipeline::{FollowUpObservation, FollowUpObserver, Handled, Pipeline};
use tokio::sync::Semaphore;

/// The metrics of the line of a shadow's run.
pub(crate) const METRICS: [MetricSet; 1] = [MetricSet {
    name: "shadow",
    dimensions: &[&["operation", "rule"], &["operation"]],
    metrics: &[
        ("ShadowAgreed", "Count"),
        ("ShadowDiffered", "Count"),
        ("ShadowNotComparable", "Count"),
        ("ShadowDropped", "Count"),
    ],
    optional: None,
}];

/// Records requests as the bundle's settings say: as capsules, which are written to a folder, and
/// for shadow rules. It does so once the answer is known, and never delays or fails a request.
pub(crate) struct Recorder {
    index: Index,
    /// The folder for capsules; without it none are written.
    folder: Option<PathBuf>,
    key: Option<Key>,
    shadow: Shadow,
    /// One shadow runs at a time. Others are dropped instead of waiting.
    free: Semaphore,
}

/// Records the follow-ups that the host runs by itself, as it does requests.
pub(crate) struct FollowUpRecorder(pub(crate) Arc<Recorder>);

struct FollowUpRecording {
    recorder: Arc<Recorder>,
    recording: Recording,
}

/// A request that is being recorded.
pub(crate) struct Recording {
    pub(crate) tape: Tape,
    /// Whether its capsule is kept whatever its result is.
    keep: bool,
    keep_failure: bool,
}

impl FollowUpObserver for FollowUpRecorder {
    fn begin(&self, request: &Request) -> Option<Box<dyn FollowUpObservation>> {
        let Self(recorder) = self;
        let recording = recorder.begin(request, false)?;
        Some(Box::new(FollowUpRecording { recorder: Arc::clone(recorder), recording }))
    }
}

impl FollowUpObservation for FollowUpRecording {
    fn probe(&self) -> &dyn Probe {
        &self.recording.tape
    }

    fn end<'a>(self: Box<Self>, request: Request, handled: &'a Handled, pipeline: &'a Pipeline) -> BoxFuture<'a, ()> {
        let Self { recorder, recording } = *self;
        let deadline = request.deadline;
        let (answer, receipt) = (answer(&handled.answer), handled.receipt.clone());
        Box::pin(async move { recorder.finish(recording, (request, answer, receipt), pipeline, deadline).await })
    }
}

/// The answer of a request, as a capsule has it.
pub(crate) fn answer(answer: &tenet_pipeline::Answer) -> Answer {
    let tenet_pipeline::Answer { status, body, repeated, key, .. } = answer;
    let key = key.as_ref().map(|key| key.as_str().to_owned());
    Answer { status: status.code(), body: body.clone(), repeated: *repeated, key }
}

impl Recorder {
    pub(crate) fn new(index: Index, folder: Option<PathBuf>, key: Option<Key>, shadow: Shadow) -> Self {
        Self { index, folder, key, shadow, free: Semaphore::new(1) }
    }

    /// Begins recording a request, if there is a use for it. `asked` says whether its caller
    /// requested a capsule.
    pub(crate) fn begin(&self, request: &Request, asked: bool) -> Option<Recording> {
        let host = &self.index.host;
        let operation = self.index.operations.iter().find(|operation| operation.name == request.operation)?;
        let [first, second, ..] = request.seed;
        let is_sampled = u32::from(u16::from_be_bytes([first, second])) * 1000 < host.capsule_permille * 65_536;
        let can_keep = self.folder.is_some();
        let keep = can_keep && (is_sampled || (asked && host.capsule_asked));
        let keep_failure = can_keep && host.capsule_failures;
        let wanted = keep || keep_failure || !operation.shadow.is_empty();
        wanted.then(|| Recording { tape: Tape::new(), keep, keep_failure })
    }

    /// Writes the capsule and runs the shadows of a recorded request, until the invocation's
    /// deadline. A shadow runs on a spare place of `pipeline`.
    pub(crate) async fn finish(
        &self,
        recording: Recording,
        (request, answer, receipt): (Request, Answer, Receipt),
        pipeline: &Pipeline,
        deadline: Instant,
    ) {
        let is_failure = answer.status >= 500;
        let Some(capsule) = Capsule::new(&self.index, &request, recording.tape.attempts(), answer, &receipt) else {
            return;
        };
        let differs = !is_failure && self.run_shadows(&capsule, pipeline, deadline).await;
        if recording.keep || (recording.keep_failure && is_failure) || differs {
            self.write(&capsule).await;
        }
    }

    /// Runs the shadow rules. Returns whether any result differs.
    async fn run_shadows(&self, capsule: &Capsule, pipeline: &Pipeline, deadline: Instant) -> bool {
        let mut differs = false;
        if capsule.answer.repeated {
            return differs;
        }
        let operation = capsule.operation.name.as_str();
        for (of, by) in &capsule.operation.shadow {
            let Some(rule) = self.index.rule(by) else { continue };
            let compared = match (self.free.try_acquire(), pipeline.spare_place()) {
                (Ok(_permit), Some(_place)) => {
                    let deadline = deadline.min(Instant::now() + self.index.host.shadow());
                    let running = self.shadow.run(capsule, (of, rule), deadline);
                    tokio::time::timeout_at(deadline.into(), running).await.ok().and_then(Result::ok)
                }
                _ => None,
            };
            differs |= compared.as_ref().is_some_and(|compared| !compared.agrees());
            tell(operation, by, compared.as_ref());
        }
        differs
    }

    async fn write(&self, capsule: &Capsule) {
        let Some(folder) = &self.folder else { return };
        let secrecy = Capsule::secrecy(&capsule.operation, self.key.as_ref());
        let text = match capsule.to_text(&secrecy) {
            Ok(text) => text,
            Err(error) => return tracing::warn!(%error, "a capsule is not written"),
        };
        let path = folder.join(capsule.file_name());
        let place = path.clone();
        let written = tokio::task::spawn_blocking(move || write(&place, &text)).await;
        match written {
            Ok(Ok(())) => tracing::info!(capsule = %path.display(), "a capsule is written"),
            Ok(Err(error)) => tracing::warn!(capsule = %path.display(), %error, "a capsule is not written"),
            Err(error) => tracing::warn!(%error, "a capsule is not written"),
        }
    }
}

/// Logs the result of a shadow; none if it was dropped.
fn tell(operation: &str, rule: &str, compared: Option<&Compared>) {
    let agrees = compared.is_some_and(Compared::agrees);
    let is_comparable = compared.is_some_and(|compared| compared.is_comparable);
    tracing::info!(
        name: "shadow",
        message = if compared.is_some() { "shadow over" } else { "shadow dropped" },
        operation,
        rule,
        newer = compared.is_some_and(|compared| compared.has_read_newer),
        differences = compared.map_or(0, |compared| compared.differences.len()),
        ShadowAgreed = u8::from(agrees),
        ShadowDiffered = u8::from(is_comparable && !agrees),
        ShadowNotComparable = u8::from(compared.is_some() && !is_comparable),
        ShadowDropped = u8::from(compared.is_none()),
    );
}

/// Writes a file atomically.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)?;
    std::fs::rename(&new, path)
}
