use std::cell::Cell;
use std::io::Write;
use std::time::Instant;

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::members::{Members, write};

/// The most bytes of closed spans that wait in the span around them; later ones are lines of
/// their own. What collects logs has a limit on a line's length.
const MOST: usize = 64 << 10;

/// What a closed span takes, near enough.
const LEAST: usize = 256;

thread_local! {
    /// The memory of the last line, for the next one.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes a line an event, and one a span that is in no other.
pub(crate) struct Lines<W> {
    /// What is written at all. Asked from here and not as a layer of its own: each layer
    /// costs every step of every span.
    filter: EnvFilter,
    out: W,
}

/// What a span has until it is closed.
struct Open {
    members: Members,
    /// The spans in it that are closed, as JSON with commas between them.
    inside: Vec<u8>,
    since: Instant,
}

impl<W> Lines<W> {
    pub(crate) fn new(filter: EnvFilter, out: W) -> Self {
        Self { filter, out }
    }
}

impl<W: for<'a> MakeWriter<'a> + 'static> Lines<W> {
    /// Writes one line: what every line has, and what `rest` adds.
    fn line(&self, metadata: &Metadata<'_>, rest: impl FnOnce(&mut Vec<u8>)) {
        let mut now = String::with_capacity(32);
        // The one writer is a string, which refuses nothing.
        let _ = SystemTime.format_time(&mut Writer::new(&mut now));
        let mut line = LINE.take();
        line.extend_from_slice(br#"{"timestamp":"#);
        write(&mut line, now);
        line.extend_from_slice(br#","level":"#);
        write(&mut line, metadata.level().as_str());
        line.extend_from_slice(br#","target":"#);
        write(&mut line, metadata.target());
        rest(&mut line);
        line.extend_from_slice(b"}\n");
        // There is nobody left to be told that the log cannot be written.
        let _ = self.out.make_writer_for(metadata).write_all(&line);
        line.clear();
        LINE.set(line);
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        Layer::<S>::register_callsite(&self.filter, metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        self.filter.enabled(metadata, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.filter.max_level_hint()
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.filter.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.filter.on_exit(id, context);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.filter.on_new_span(attributes, id, context.clone());
        let Some(span) = context.span(id) else { return };
        let mut open = Open { members: Members::new(), inside: Vec::new(), since: Instant::now() };
        attributes.record(&mut open.members);
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.filter.on_record(id, values, context.clone());
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.members);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut members = Members::new();
        event.record(&mut members);
        self.line(event.metadata(), |line| {
            line.extend_from_slice(br#","fields":{"#);
            line.extend_from_slice(members.text());
            end(line, b"}");
            line.extend_from_slice(br#","spans":["#);
            for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
                if let Some(open) = span.extensions().get::<Open>() {
                    begin(line, span.name(), &open.members);
                    end(line, b"},");
                }
            }
            end(line, b"]");
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.filter.on_close(id.clone(), context.clone());
        let Some(span) = context.span(&id) else { return };
        let Some(mut open) = span.extensions_mut().remove::<Open>() else { return };
        if !open.members.has("elapsed_us") {
            open.members.set("elapsed_us", u64::try_from(open.since.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        if let Some(around) = span.parent()
            && let Some(around) = around.extensions_mut().get_mut::<Open>()
            && around.inside.len() < MOST
        {
            around.inside.reserve(LEAST);
            closed(&mut around.inside, span.name(), &open);
            around.inside.push(b',');
            return;
        }
        self.line(span.metadata(), |line| {
            line.extend_from_slice(br#","span":"#);
            closed(line, span.name(), &open);
        });
    }
}

/// A closed span as a JSON object.
fn closed(out: &mut Vec<u8>, name: &str, open: &Open) {
    begin(out, name, &open.members);
    if !open.inside.is_empty() {
        out.extend_from_slice(br#""spans":["#);
        out.extend_from_slice(&open.inside);
        end(out, b"],");
    }
    end(out, b"}");
}

fn begin(out: &mut Vec<u8>, name: &str, members: &Members) {
    out.extend_from_slice(br#"{"name":"#);
    write(out, name);
    out.push(b',');
    out.extend_from_slice(members.text());
}

/// Ends a list or an object: the comma after its last part goes.
fn end(out: &mut Vec<u8>, with: &[u8]) {
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.extend_from_slice(with);
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `work` leaves, without what differs from run to run.
    fn lines(filter: &str, work: impl FnOnce()) -> Vec<Value> {
        let memory = Memory::default();
        let out = memory.clone();
        tracing::subscriber::with_default(crate::json(filter, move || out.clone()).unwrap(), work);
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| {
                let mut line: Value = serde_json::from_str(line).unwrap();
                let now = line.as_object_mut().unwrap().remove("timestamp").unwrap();
                assert!(now.as_str().unwrap().ends_with('Z'), "{now}");
                assert_eq!(line.as_object_mut().unwrap().remove("target").unwrap(), module_path!());
                if let Some(span) = line.get_mut("span") {
                    timeless(span);
                }
                line
            })
            .collect()
    }

    fn timeless(span: &mut Value) {
        assert!(span.as_object_mut().unwrap().remove("elapsed_us").unwrap().is_u64());
        for inner in span.get_mut("spans").and_then(Value::as_array_mut).into_iter().flatten() {
            timeless(inner);
        }
    }

    #[test]
    fn one_line_tells_a_span_and_all_that_was_in_it() {
        let told = lines("info", || {
            let outer = tracing::info_span!("outer", text = "a \"b\"\n", later = tracing::field::Empty);
            let _outer = outer.enter();
            tracing::info_span!("first", number = 1_u64).in_scope(|| {
                tracing::debug_span!("unheard").in_scope(|| tracing::info_span!("inner").in_scope(|| {}));
            });
            tracing::info_span!("second", number = -2, at = ?Some(1)).in_scope(|| {});
            outer.record("later", true);
        });
        let spans = json!([
            {"name": "first", "number": 1, "spans": [{"name": "inner"}]},
            {"name": "second", "number": -2, "at": "Some(1)"},
        ]);
        let span = json!({"name": "outer", "text": "a \"b\"\n", "later": true, "spans": spans});
        assert_eq!(told, [json!({"level": "INFO", "span": span})]);
    }

    #[test]
    fn an_event_is_a_line_at_once_with_the_spans_around_it() {
        let told = lines("warn,[outer]=info", || {
            tracing::warn!("alone");
            tracing::info!("unheard");
            tracing::info_span!("outer", id = 7).in_scope(|| tracing::error!(code = 1.5, "within {}", "it"));
        });
        let within = json!({"level": "ERROR", "fields": {"message": "within it", "code": 1.5}, "spans": [{"name": "outer", "id": 7}]});
        let span = json!({"level": "INFO", "span": {"name": "outer", "id": 7}});
        assert_eq!(told, [json!({"level": "WARN", "fields": {"message": "alone"}, "spans": []}), within, span]);
    }

    #[test]
    fn a_line_does_not_grow_without_end() {
        let told = lines("info", || {
            let outer = tracing::info_span!("outer");
            let _outer = outer.enter();
            for _ in 0..3 {
                tracing::info_span!("inner", text = "x".repeat(MOST)).in_scope(|| {});
            }
        });
        let names: Vec<_> = told.iter().map(|line| line["span"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["inner", "inner", "outer"]);
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        assert!(crate::json("info,=,", io::sink).is_err());
    }
}
