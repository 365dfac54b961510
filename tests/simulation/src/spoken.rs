use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tenet_audit::log::{METRICS, is_blame};
use tenet_audit::{Journal, Kind, Tally};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::rules::LIMITED;
use crate::story::Story;

thread_local! {
    /// Whose work is done now.
    static WHO: RefCell<Arc<str>> = RefCell::new(Arc::from("world"));
}

/// Does work whose log lines are those of this host.
pub(crate) async fn spoken_of<F: Future>(name: Arc<str>, work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(move |context| {
        let before = WHO.replace(Arc::clone(&name));
        let polled = work.as_mut().poll(context);
        WHO.set(before);
        polled
    })
    .await
}

/// What hosts write to their logs, as far as it is a warning or worse: a part of the story. It also notices a line that
/// blames a rule, which no injected fault may cause.
pub(crate) struct Spoken {
    pub(crate) story: Story,
    pub(crate) journal: Arc<Journal>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) spans: AtomicU64,
}

/// Fields that are measured with the processor's clock.
const MEASURED: [&str; 2] = ["cpu_us", "ended"];

#[derive(Default)]
struct Fields {
    message: String,
    others: String,
    rule: String,
    blame: String,
    counted: Vec<(&'static str, u64)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        match field.name() {
            "message" => drop(write!(self.message, "{value:?}")),
            name if MEASURED.contains(&name) => {}
            name => {
                match name {
                    "rule" => self.rule = format!("{value:?}").replace(['"', '(', ')'], "").replace("Some", ""),
                    "blame" => self.blame = format!("{value:?}"),
                    _ => {}
                }
                let _ = write!(self.others, " {name}={value:?}");
            }
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if let Some(name) = METRICS.iter().find(|name| **name == field.name()) {
            self.counted.push((name, value));
        }
        self.record_debug(field, &value);
    }
}

impl Subscriber for Spoken {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO && metadata.target().starts_with("tenet")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for (name, number) in &fields.counted {
            if *number > 0 {
                self.tally.add(&format!("told: {name}"), *number);
            }
        }
        if *event.metadata().level() > Level::WARN {
            return;
        }
        let Fields { message, others, rule, blame, .. } = fields;
        let who = WHO.with_borrow(Arc::clone);
        if is_blame(&message, &blame) && rule != LIMITED {
            self.journal.wrong(Kind::Blamed, None, format!("{who} says {message}{others}"));
        }
        self.story.note(who, format_args!("{message}{others}"));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
