//! The code that the log runs, a value's `Debug` or `Display` and the writer, may use the log too.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where it panics")]

use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tenet_log::{Format, Metrics};
use tracing::field::{Empty, debug};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Work that takes longer than this is deadlocked.
const STUCK: Duration = Duration::from_secs(60);

thread_local! {
    static LOG: OnceCell<Dispatch> = const { OnceCell::new() };
}

/// The subscriber of the process, which may be called recursively: `tracing` does not do that with
/// a thread's subscriber. It passes everything on to the log of the thread.
struct OfThread;

fn log<T>(work: impl FnOnce(&Dispatch) -> T) -> T {
    LOG.with(|log| work(log.get().unwrap()))
}

impl Subscriber for OfThread {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        log(|log| log.new_span(attributes))
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        log(|log| log.record(id, values));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        log(|log| log.event(event));
    }

    fn enter(&self, id: &Id) {
        log(|log| log.enter(id));
    }

    fn exit(&self, id: &Id) {
        log(|log| log.exit(id));
    }

    fn clone_span(&self, id: &Id) -> Id {
        log(|log| log.clone_span(id))
    }

    fn try_close(&self, id: Id) -> bool {
        log(|log| log.try_close(id))
    }
}

/// A value that opens a span, records and logs whenever it is formatted.
struct Telling(&'static str);

impl Telling {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = tracing::info_span!("shown", by = self.0, later = Empty);
        span.record("later", true);
        span.clone().in_scope(|| tracing::info!("shown: {}", self.0));
        f.write_str(self.0)
    }
}

impl fmt::Debug for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f)
    }
}

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f)
    }
}

impl Error for Telling {}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that logs with each line.
struct Talkative(Memory);

impl Write for Talkative {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        tracing::info_span!("writing", bytes = ?Telling("writer")).in_scope(|| tracing::info!("written"));
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `work` logs, through a writer made of the memory that receives them.
fn lines<W: Write + 'static>(format: Format, writer: fn(Memory) -> W, work: fn()) -> Vec<String> {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| tracing::subscriber::set_global_default(OfThread).unwrap());
    let memory = Memory::default();
    let out = memory.clone();
    let metrics = vec![Metrics::new("outer", "Here", &[], &[], &[("Things", "Count")], None)];
    let log = Dispatch::new(tenet_log::subscriber(format, "info", metrics, move || writer(out.clone())).unwrap());
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        LOG.with(|known| known.set(log).unwrap());
        work();
        done.send(()).unwrap();
    });
    is_done.recv_timeout(STUCK).expect("the log waits for itself");
    memory.text().lines().map(str::to_owned).collect()
}

fn work() {
    let span = tracing::info_span!("outer", debug = ?Telling("a"), display = %Telling("b"), later = Empty);
    span.record("later", debug(Telling("c")));
    span.record("later", debug(Telling("d")));
    let error: &dyn Error = &Telling("e");
    span.in_scope(|| tracing::info!(name: "outer", Things = 1, error, "over {}", Telling("f")));
}

#[test]
fn values_that_use_the_log_when_they_are_shown_are_in_it() {
    let json = lines(Format::Json, |memory| memory, work);
    let json: Vec<Value> = json.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<_> = json.iter().filter(|line| line["later"] == true).map(|line| &line["by"]).collect();
    assert_eq!(shown, ["a", "b", "c", "d", "f", "e"]);
    let last = json.last().unwrap();
    for (name, value) in [("debug", "a"), ("display", "b"), ("later", "d"), ("error", "e"), ("message", "over f")] {
        assert_eq!(last[name], value, "{last}");
    }

    // With metrics, values are formatted twice: for the text line and for the JSON line after it.
    let text = lines(Format::Text, |memory| memory, work);
    let shown = text.iter().filter(|line| line.contains(": shown: ")).count();
    assert_eq!((shown, text.len()), (12, 14), "{text:?}");
    let [.., words, json] = text.as_slice() else { panic!("{text:?}") };
    assert!(words.contains(" over f Things=1 error=e debug=a display=b later=d "), "{words}");
    let json: Value = serde_json::from_str(json).unwrap();
    assert_eq!((&json["display"], &json["error"], &json["later"]), (&"b".into(), &"e".into(), &"d".into()));
}

#[test]
fn what_a_writer_logs_while_it_writes_is_left_out() {
    for format in [Format::Json, Format::Text] {
        let quiet = lines(format, |memory| memory, || tracing::info!("one"));
        let talkative = lines(format, Talkative, || {
            tracing::info!("one");
            tracing::info!("two");
        });
        assert_eq!((quiet.len(), talkative.len()), (1, 2), "{talkative:?}");
        for (line, message) in talkative.iter().zip(["one", "two"]) {
            assert!(line.contains(message) && !line.contains("writ"), "{line}");
        }
    }
}

#[test]
fn a_writer_that_panics_leaves_the_thread_its_log() {
    struct Failing(Memory);
    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(!bytes.windows(3).any(|word| word == b"one"), "this one is not written");
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = lines(Format::Json, Failing, || {
        assert!(std::panic::catch_unwind(|| tracing::info!("one")).is_err());
        tracing::info!("two");
    });
    assert!(lines.len() == 1 && lines[0].contains("two"), "{lines:?}");
}
