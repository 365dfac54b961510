use std::cell::Cell;
use std::io::Write;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;

use crate::line_time::LineTime;
use crate::members::{MESSAGE, Members, write};
use crate::spans::{self, Span, Spans};
use crate::{Format, Metrics};

/// The approximate limit, in bytes, on the closed spans kept in their parent; later ones are
/// dropped. Log collectors limit the length of a line.
const MOST: usize = 64 << 10;

/// The approximate memory of a closed span.
const LEAST: usize = 256;

/// The member with the time that a span was open, in microseconds.
const ELAPSED: &str = "elapsed_us";

thread_local! {
    /// The memory of the last line or span, for reuse.
    static MEMORY: Cell<Option<Box<Memory>>> = const { Cell::new(None) };
    /// Whether this thread is writing a line.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// Buffers for formatting fields and writing lines.
///
/// Formatting a field runs its `Debug` or `Display`, which may use this log. So fields are
/// formatted in thread-local memory before the spans are locked. Uses of such memory may be nested.
struct Memory {
    line: Vec<u8>,
    words: Members,
    json: Members,
}

impl Default for Memory {
    fn default() -> Self {
        Self { line: Vec::new(), words: Members::new(Format::Text), json: Members::new(Format::Json) }
    }
}

impl Memory {
    fn take() -> Box<Self> {
        // A thread that is ending has none any more, but may still log.
        MEMORY.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    fn put_back(mut self: Box<Self>) {
        self.line.clear();
        self.words.clear();
        self.json.clear();
        let _is_kept = MEMORY.try_with(|memory| memory.set(Some(self)));
    }

    fn members(&mut self, format: Format) -> &mut Members {
        match format {
            Format::Json => &mut self.json,
            Format::Text => &mut self.words,
        }
    }
}

/// Marks the thread as writing a line, while it exists.
struct Writing;

impl Writing {
    fn begin() -> Self {
        WRITES.set(true);
        Self
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        WRITES.set(false);
    }
}

/// Writes one line per event.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    format: Format,
    filter: Targets,
    metrics: Vec<Metrics>,
    spans: Mutex<Spans>,
    out: W,
}

/// The content of one line.
struct LineContent<'a> {
    moment: LineTime,
    level: &'a str,
    target: &'a str,
    members: &'a Members,
    /// The innermost enclosing span, with access to the outer ones.
    around: Option<(&'a Spans, &'a Id)>,
    /// The span's members in the format of the line.
    of_span: fn(&Span) -> &Members,
    inside: &'a [u8],
}

impl<W: for<'a> MakeWriter<'a>> Lines<W> {
    pub(crate) fn new(format: Format, filter: Targets, metrics: Vec<Metrics>, out: W) -> Self {
        Self { format, filter, metrics, spans: Mutex::new(Spans::new(format)), out }
    }

    /// After a panic the data is still consistent.
    fn lock(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn metrics(&self, metadata: &Metadata<'_>) -> Option<&Metrics> {
        self.metrics.iter().find(|metrics| metrics.name() == metadata.name())
    }

    fn is_wanted(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.would_enable(metadata.target(), metadata.level())
    }

    /// Whether JSON lines of metrics are mixed with text lines.
    fn speaks_both(&self) -> bool {
        self.format == Format::Text && !self.metrics.is_empty()
    }

    /// Formats the fields of a span.
    fn show(&self, record: impl Fn(&mut Members)) -> Box<Memory> {
        let mut memory = Memory::take();
        record(memory.members(self.format));
        if self.speaks_both() {
            record(&mut memory.json);
        }
        memory
    }

    /// Writes whole lines.
    fn write(&self, lines: &[u8]) {
        let _writing = Writing::begin();
        // A failure to write the log cannot be reported anywhere.
        let _ = self.out.make_writer().write_all(lines);
    }

    /// Closes a span without handles: it is kept in its parent. Returns the parent.
    fn close(&self, spans: &mut Spans, id: &Id) -> Option<Id> {
        if let Some((span, Some(around))) = spans.with_around(id) {
            if !span.members.has(ELAPSED) {
                let elapsed = u64::try_from(span.since.elapsed().as_micros()).unwrap_or(u64::MAX);
                span.members.add(ELAPSED, elapsed);
            }
            if around.inside.len() < MOST {
                around.inside.reserve(LEAST);
                nested(self.format, &mut around.inside, span);
            }
        }
        spans.forget(id)
    }
}

impl<W> Subscriber for Lines<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.is_wanted(metadata) || self.metrics(metadata).is_some()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let of_metrics = if self.metrics.is_empty() { LevelFilter::OFF } else { LevelFilter::INFO };
        self.filter.iter().map(|(_, level)| level).chain(self.filter.default_level()).chain([of_metrics]).max()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut memory = self.show(|members| attributes.record(members));
        let around = around(attributes.parent(), attributes.is_contextual());
        let mut spans = self.lock();
        let (id, span) = spans.open(attributes.metadata(), around);
        if let Some(span) = span {
            mem::swap(&mut span.members, memory.members(self.format));
            if self.speaks_both() {
                mem::swap(&mut span.json, &mut memory.json);
            }
        }
        drop(spans);
        memory.put_back();
        id
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut memory = self.show(|members| values.record(members));
        if let Some(span) = self.lock().get_mut(id) {
            span.members.merge(memory.members(self.format));
            if self.speaks_both() {
                span.json.merge(&memory.json);
            }
        }
        memory.put_back();
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if WRITES.get() {
            // The writer logged this. Writing it would recurse without end.
            return;
        }
        let metadata = event.metadata();
        let metrics = self.metrics(metadata);
        let mut memory = Memory::take();
        let Memory { line, words, json } = &mut *memory;
        if self.format == Format::Json || metrics.is_some() {
            event.record(json);
        }
        if self.format == Format::Text && self.is_wanted(metadata) {
            event.record(words);
        }
        let around = around(event.parent(), event.is_contextual());
        let mut spans = self.lock();
        // An event with the name of the span around it includes that span's closed children.
        let is_its = |span: &Span| span.metadata.name() == metadata.name();
        let its_span = around.as_ref().and_then(|id| spans.get(id)).filter(|span| is_its(span));
        let content = LineContent {
            moment: LineTime::now(),
            level: metadata.level().as_str(),
            target: metadata.target(),
            members: if self.format == Format::Json { json } else { words },
            around: around.as_ref().map(|id| (&*spans, id)),
            of_span: |span| &span.members,
            inside: its_span.map_or(&[], |span| &span.inside),
        };
        match self.format {
            Format::Json => as_json(line, &content, metrics),
            Format::Text => {
                if !words.is_empty() {
                    as_text(line, &content);
                }
                if metrics.is_some() {
                    as_json(
                        line,
                        &LineContent { members: json, of_span: |span| &span.json, inside: &[], ..content },
                        metrics,
                    );
                }
            }
        }
        if let Some(span) = around.as_ref().and_then(|id| spans.get_mut(id)).filter(|span| is_its(span)) {
            span.inside.clear();
        }
        drop(spans);
        self.write(line);
        memory.put_back();
    }

    fn enter(&self, id: &Id) {
        spans::enter(id);
    }

    fn exit(&self, id: &Id) {
        spans::exit(id);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.lock().hold(id);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut spans = self.lock();
        let is_closed = spans.let_go(&id);
        let mut closing = is_closed.then_some(id);
        while let Some(id) = closing {
            closing = self.close(&mut spans, &id).filter(|around| spans.let_go(around));
        }
        is_closed
    }

    fn current_span(&self) -> Current {
        let Some(id) = spans::current() else { return Current::none() };
        let metadata = self.lock().get(&id).map(|span| span.metadata);
        metadata.map_or_else(Current::none, |metadata| Current::new(id, metadata))
    }
}

/// The parent of a span or event: the explicit one, or the current span if it is contextual. What a
/// writer logs has none.
fn around(parent: Option<&Id>, is_contextual: bool) -> Option<Id> {
    match parent {
        Some(parent) => Some(parent.clone()),
        None if is_contextual && !WRITES.get() => spans::current(),
        None => None,
    }
}

/// A JSON line.
fn as_json(out: &mut Vec<u8>, content: &LineContent<'_>, metrics: Option<&Metrics>) {
    out.extend_from_slice(br#"{"timestamp":""#);
    content.moment.write(out);
    out.extend_from_slice(br#"","level":"#);
    write(out, metrics.and_then(Metrics::level).unwrap_or(content.level));
    out.extend_from_slice(br#","target":"#);
    write(out, content.target);
    out.push(b',');
    out.extend_from_slice(content.members.text());
    surroundings(out, content);
    if !content.inside.is_empty() {
        out.extend_from_slice(br#""spans":["#);
        out.extend_from_slice(content.inside);
        Format::Json.end(out, b"],");
    }
    if let Some(metrics) = metrics {
        metrics.write(out, content.moment, content.members);
    }
    Format::Json.end(out, b"}\n");
}

/// A text line.
fn as_text(out: &mut Vec<u8>, content: &LineContent<'_>) {
    content.moment.write(out);
    for word in [content.level, content.target] {
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
    }
    out.extend_from_slice(b": ");
    let message = content.members.each().find(|(name, _)| *name == MESSAGE);
    let others = content.members.each().filter(|(name, _)| *name != MESSAGE);
    for (_, text) in message.into_iter().chain(others) {
        out.extend_from_slice(text);
    }
    surroundings(out, content);
    out.extend_from_slice(content.inside);
    Format::Text.end(out, b"\n");
}

/// Writes the fields of the enclosing spans, unless an inner one has the same field.
fn surroundings(out: &mut Vec<u8>, content: &LineContent<'_>) {
    let Some((spans, innermost)) = content.around else { return };
    for (depth, span) in spans.outwards(innermost).enumerate() {
        let further_in = |name| {
            content.members.has(name) || spans.outwards(innermost).take(depth).any(|inner| inner.members.has(name))
        };
        for (name, text) in (content.of_span)(span).each() {
            if !further_in(name) {
                out.extend_from_slice(text);
            }
        }
    }
}

/// Writes a closed span within the line of another one.
fn nested(format: Format, out: &mut Vec<u8>, span: &Span) {
    match format {
        Format::Json => {
            out.extend_from_slice(br#"{"name":"#);
            write(out, span.metadata.name());
            out.push(b',');
            out.extend_from_slice(span.members.text());
            if !span.inside.is_empty() {
                out.extend_from_slice(br#""spans":["#);
                out.extend_from_slice(&span.inside);
                format.end(out, b"],");
            }
        }
        Format::Text => {
            out.extend_from_slice(span.metadata.name().as_bytes());
            out.push(b'{');
            out.extend_from_slice(span.members.text());
            out.extend_from_slice(&span.inside);
        }
    }
    format.end(out, b"}");
    out.push(format.separator());
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
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

    fn text(format: Format, filter: &str, metrics: Vec<Metrics>, work: impl FnOnce()) -> String {
        let memory = Memory::default();
        let out = memory.clone();
        let subscriber = crate::subscriber(format, filter, metrics, move || out.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that `work` logs, without what differs between runs.
    fn content(filter: &str, metrics: Vec<Metrics>, work: impl FnOnce()) -> Vec<Value> {
        let line = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let now = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(now.as_str().unwrap().ends_with('Z'), "{now}");
            assert_eq!(line.as_object_mut().unwrap().remove("target").unwrap(), module_path!());
            timeless(&mut line);
            line
        };
        text(Format::Json, filter, metrics, work).lines().map(line).collect()
    }

    fn timeless(span: &mut Value) {
        for inner in span.get_mut("spans").and_then(Value::as_array_mut).into_iter().flatten() {
            assert!(inner.as_object_mut().unwrap().remove("elapsed_us").unwrap().is_u64());
            timeless(inner);
        }
    }

    /// A text line without its time, and without durations.
    fn words(line: &str) -> String {
        let (moment, rest) = line.split_once(' ').unwrap();
        assert!(moment.ends_with('Z'), "{line}");
        let mut rest = rest.replace(module_path!(), "here");
        while let Some(start) = rest.find("elapsed_us=") {
            let end = start + rest[start..].find([' ', '}']).unwrap();
            rest.replace_range(start..end, "");
        }
        rest.replace("  ", " ").replace(" }", "}")
    }

    fn work() {
        tracing::error_span!("around", request = "r-1", message_id = 7).in_scope(|| {
            let outer = tracing::info_span!("outer", text = "a \"b\"\n", later = tracing::field::Empty);
            let _outer = outer.enter();
            tracing::info_span!("first", number = 1_u64).in_scope(|| {
                tracing::debug_span!("unheard").in_scope(|| tracing::info_span!("inner").in_scope(|| {}));
            });
            tracing::info_span!("second", number = -2, at = ?Some(1)).in_scope(|| {});
            outer.record("later", false);
            outer.record("later", true);
            tracing::info!(name: "outer", ended = "well", "it is over");
        });
    }

    #[test]
    fn an_event_with_the_name_of_its_span_tells_all_that_was_in_that() {
        let spans = json!([
            {"name": "first", "number": 1, "spans": [{"name": "inner"}]},
            {"name": "second", "number": -2, "at": "Some(1)"},
        ]);
        let line = json!({
            "level": "INFO", "message": "it is over", "ended": "well", "text": "a \"b\"\n", "later": true,
            "request": "r-1", "message_id": 7, "spans": spans,
        });
        assert_eq!(content("info", vec![], work), [line]);
    }

    #[test]
    fn a_line_for_people_is_one_line_too() {
        let text = text(Format::Text, "info", vec![], work);
        let line = "INFO here: it is over ended=well text=\"a \\\"b\\\"\\n\" later=true request=r-1 message_id=7 \
                    first{number=1 inner{}} second{number=-2 at=Some(1)}";
        assert_eq!(text.lines().map(words).collect::<Vec<_>>(), [line]);
    }

    #[test]
    fn an_event_is_a_line_at_once_with_what_the_spans_around_say() {
        let content = content("info", vec![], || {
            tracing::warn!("alone");
            tracing::debug!("unheard");
            tracing::info_span!("outer", id = 7, code = 0, deep = false).in_scope(|| {
                tracing::info_span!("inner", deep = true).in_scope(|| tracing::error!(code = 1.5, "within {}", "it"));
            });
        });
        let within = json!({"level": "ERROR", "message": "within it", "code": 1.5, "deep": true, "id": 7});
        assert_eq!(content, [json!({"level": "WARN", "message": "alone"}), within]);
    }

    #[test]
    fn a_span_is_open_as_long_as_anything_holds_it() {
        let content = content("info", vec![], || {
            let outer = tracing::info_span!("outer", outer = 1);
            let inner = outer.in_scope(|| tracing::info_span!("inner", inner = 2));
            let again = inner.clone();
            drop(outer);
            drop(inner);
            // It does not reuse the memory of an open span.
            let next = tracing::info_span!("next", next = 3);
            again.in_scope(|| tracing::info!("within"));
            drop(again);
            let last = tracing::info_span!("last", last = 4);
            next.in_scope(|| tracing::info!("next"));
            last.in_scope(|| tracing::info!("last"));
        });
        let line = |message, name: &str, number| json!({"level": "INFO", "message": message, name: number});
        let mut within = line("within", "outer", 1);
        within["inner"] = 2.into();
        assert_eq!(content, [within, line("next", "next", 3), line("last", "last", 4)]);
    }

    #[test]
    fn a_span_that_ends_out_of_turn_leaves_the_thread_in_the_right_one() {
        let content = content("info", vec![], || {
            let (outer, inner) = (tracing::info_span!("outer", outer = 1), tracing::info_span!("inner", inner = 2));
            let (entered_outer, entered_inner) = (outer.enter(), inner.enter());
            drop(entered_outer);
            assert_eq!(tracing::Span::current().metadata().unwrap().name(), "inner");
            drop(entered_inner);
            tracing::info!("outside");
        });
        assert_eq!(content, [json!({"level": "INFO", "message": "outside"})]);
    }

    #[test]
    fn a_thread_that_ends_still_logs() {
        /// Dropped with its thread-local storage, after that of the log, which was created later.
        struct Last(RefCell<Option<tracing::Span>>);
        impl Drop for Last {
            fn drop(&mut self) {
                let span = self.0.take().unwrap();
                span.record("later", "at the end");
                span.in_scope(|| {});
            }
        }
        thread_local! {
            static LAST: Last = const { Last(RefCell::new(None)) };
        }
        let content = content("info", vec![], || {
            let outer = tracing::info_span!("outer", later = tracing::field::Empty);
            let span = outer.clone();
            let ending = std::thread::spawn(move || {
                LAST.with(|last| last.0.replace(Some(span.clone())));
                span.record("later", "before the end");
                span.in_scope(|| {});
            });
            ending.join().unwrap();
            outer.in_scope(|| tracing::info!("over"));
        });
        assert_eq!(content, [json!({"level": "INFO", "message": "over", "later": "at the end"})]);
    }

    #[test]
    fn a_line_does_not_grow_without_end() {
        let content = content("info", vec![], || {
            tracing::info_span!("outer").in_scope(|| {
                for _ in 0..3 {
                    tracing::info_span!("inner", text = "x".repeat(MOST / 2)).in_scope(|| {});
                }
                tracing::info!(name: "outer", "over");
                tracing::info!(name: "outer", "once more");
            });
        });
        assert_eq!(content[0]["spans"].as_array().unwrap().len(), 2);
        assert_eq!(content[1].get("spans"), None, "what was logged is not logged again");
    }

    fn metrics() -> Metrics {
        let metrics = [("Things", "Count"), ("Odd", "Count")];
        Metrics::new("counted", "Here", &[("whose", "our \"own\"")], &[&["region"], &[]], &metrics, Some("Odd"))
    }

    fn count() {
        tracing::info_span!("counted", region = "east").in_scope(|| {
            tracing::info_span!("inner").in_scope(|| {});
            tracing::info!(name: "counted", Things = 3, "counted");
        });
    }

    #[test]
    fn a_line_with_metrics_says_which_and_is_never_kept_back() {
        for (filter, level, spans) in [("info", None, true), ("warn", None, false), ("off", Some("FATAL"), false)] {
            let metrics = level.map_or(metrics(), |level| metrics().at_level(level));
            let mut content = content(filter, vec![metrics], count);
            assert_eq!((content.len(), content[0].get("spans").is_some()), (1, spans), "{content:?}");
            let aws = content[0].as_object_mut().unwrap().remove("_aws").unwrap();
            assert!(aws["Timestamp"].as_u64().unwrap() > 1_700_000_000_000, "{aws}");
            let directive = json!([{
                "Namespace": "Here",
                "Dimensions": [["whose", "region"], ["whose"]],
                "Metrics": [{"Name": "Things", "Unit": "Count"}],
            }]);
            assert_eq!(aws["CloudWatchMetrics"], directive);
            assert_eq!((&content[0]["Things"], &content[0]["region"]), (&json!(3), &json!("east")));
            assert_eq!(content[0]["whose"], "our \"own\"");
            assert_eq!(content[0]["level"], level.unwrap_or("INFO"));
        }
    }

    #[test]
    fn metrics_are_json_after_the_line_for_people() {
        let both = text(Format::Text, "info", vec![metrics()], count);
        let (line, rest) = both.split_once('\n').unwrap();
        assert_eq!(words(line), "INFO here: counted Things=3 region=east inner{}");
        let line: Value = serde_json::from_str(rest).unwrap();
        assert_eq!((&line["Things"], &line["region"]), (&json!(3), &json!("east")));
        assert!(line["_aws"].is_object());
        assert_eq!(text(Format::Text, "warn", vec![metrics()], count).lines().count(), 1);
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        for filter in ["tenet=loud", "info,a=b=c"] {
            assert!(crate::subscriber(Format::Json, filter, vec![], io::sink).is_err(), "{filter}");
        }
    }
}
