use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::Value;
use tokio::time::Instant;

use crate::name::Name;
use crate::wrong::{Kind, Wrong};

/// All questions and answers.
#[derive(Debug)]
pub struct Journal {
    started: Instant,
    entries: Mutex<BTreeMap<Name, Entry>>,
    wrongs: Mutex<Vec<Wrong>>,
    /// The number of rows of `transactions` that callers know of.
    pub written: AtomicI64,
}

/// What is known about one name.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Each payload that was sent, with its final answer.
    pub asked: BTreeMap<String, Option<(u64, String)>>,
    /// Whether a queue was allowed to delete it, with an unknown answer.
    pub settled: bool,
    /// Whether its rule may fail by itself.
    pub may_fail: bool,
    story: Vec<String>,
}

/// One question.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The name of its answer.
    pub name: Name,
    /// The member of payload and output by which a request recognizes its own answer, and its
    /// value, if there is one.
    pub nonce: Option<(&'static str, String)>,
    /// What is asked.
    pub payload: Value,
    /// Whether the rule fails by itself for some payloads.
    pub may_fail: bool,
}

/// The response to a question.
#[derive(Clone, Debug)]
pub enum Heard {
    /// The answer that the caller received.
    Answer {
        /// The HTTP status.
        status: u64,
        /// The text.
        body: String,
    },
    /// There is a final answer, but its content is unknown: all that a queue learns.
    Settled,
    /// No answer, and why.
    Nothing(String),
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal {
    /// An empty journal whose times begin now.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            entries: Mutex::default(),
            wrongs: Mutex::default(),
            written: AtomicI64::new(0),
        }
    }

    /// Records that a question is about to be asked.
    pub fn ask(&self, ask: &Ask, of: &str) {
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.entry(ask.name.clone()).or_default();
        let payload = ask.payload.to_string();
        entry.story.push(format!("{} asks {of} {payload}", self.time()));
        entry.asked.entry(payload).or_default();
        entry.may_fail |= ask.may_fail;
    }

    /// The final answer to a question, if there is one.
    pub fn answer(&self, ask: &Ask) -> Option<(u64, String)> {
        let entries = self.entries.lock().unwrap();
        entries.get(&ask.name)?.asked.get(&ask.payload.to_string())?.clone()
    }

    /// Records an answer, and whether it is possible. Returns whether it is final.
    pub fn hear(&self, ask: &Ask, of: &str, heard: &Heard) -> bool {
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.entry(ask.name.clone()).or_default();
        entry.story.push(format!("{} {of} {heard:?}", self.time()));
        let (status, body) = match heard {
            Heard::Answer { status, body } => (status, body),
            Heard::Settled => {
                entry.settled = true;
                return false;
            }
            Heard::Nothing(_) => return false,
        };
        let wrong = |kind, text: String| self.wrong(kind, Some(ask.name.clone()), text);
        match status {
            200 | 422 | 409 => {}
            500 | 503 if ask.may_fail => return false,
            503 if !body.contains(r#""code":"rule-out""#) => return false,
            500 | 503 => {
                wrong(Kind::Blamed, format!("{status} {body}"));
                return false;
            }
            _ => {
                wrong(Kind::Failed, format!("{status} {body}"));
                return false;
            }
        }
        let answer = (*status, body.clone());
        let payload = ask.payload.to_string();
        let stored = |status: u64| status != 409;
        for (other, known) in &entry.asked {
            match known {
                Some(known) if *other == payload && *known != answer => {
                    wrong(Kind::Doubled, format!("was answered {known:?} and then {answer:?}"));
                }
                Some(known) if *other != payload && stored(known.0) && stored(*status) => {
                    wrong(Kind::Doubled, format!("was answered {known:?} for one payload and {answer:?} for another"));
                }
                _ => {}
            }
        }
        if *status == 200 {
            let output: Value = serde_json::from_str(body).unwrap_or_default();
            if let Some((member, nonce)) = &ask.nonce
                && output[member].as_str() != Some(nonce)
            {
                wrong(Kind::Invented, format!("{nonce} was given another's answer: {body}"));
            }
        }
        let place = entry.asked.entry(payload).or_default();
        if place.is_none() && *status == 200 && ask.name.operation == "write" {
            self.written.fetch_add(1, Ordering::SeqCst);
        }
        *place = Some(answer);
        true
    }

    /// Records a violation.
    pub fn wrong(&self, kind: Kind, about: Option<Name>, text: String) {
        self.wrongs.lock().unwrap().push(Wrong { kind, about, text });
    }

    /// All violations.
    pub fn wrongs(&self) -> Vec<Wrong> {
        self.wrongs.lock().unwrap().clone()
    }

    /// What is known, by name.
    pub fn entries(&self) -> BTreeMap<Name, Entry> {
        self.entries.lock().unwrap().clone()
    }

    /// The number of final answers.
    pub fn answers(&self) -> usize {
        self.entries.lock().unwrap().values().flat_map(|entry| entry.asked.values()).flatten().count()
    }

    /// Everything known about a name, one line each.
    pub fn story(&self, name: &Name) -> String {
        let entries = self.entries.lock().unwrap();
        let mut story = format!("{name}:\n");
        for line in entries.get(name).iter().flat_map(|entry| &entry.story) {
            let _ = writeln!(story, "  {line}");
        }
        story
    }

    fn time(&self) -> String {
        format!("{:9.3}", self.started.elapsed().as_secs_f64())
    }
}
