use std::fmt;

use serde::Serialize;
use tenet_core::is_obeyed;
use tracing::field::{Field, Visit};

use crate::Format;
use crate::shown::Shown;

/// The member with the message.
pub(crate) const MESSAGE: &str = "message";

/// Members of a JSON object, or words, serialized as they are added: `"operation":"read","rows":3`
/// or `operation=read rows=3`.
#[derive(Debug)]
pub(crate) struct Members {
    format: Format,
    text: Vec<u8>,
    /// The start of each.
    starts: Vec<(&'static str, usize)>,
    /// The span's fields that are present, as bits by their index. Fields after the 64th are found
    /// by searching.
    fields: u64,
}

impl Members {
    /// No members.
    pub(crate) fn new(format: Format) -> Self {
        Self { format, text: Vec::new(), starts: Vec::new(), fields: 0 }
    }

    /// Removes all members, but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.starts.clear();
        self.fields = 0;
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.starts.iter().any(|(known, _)| *known == name)
    }

    /// Each name with its text, including the separator.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let ends = self.starts.iter().skip(1).map(|(_, next)| *next).chain([self.text.len()]);
        self.starts.iter().zip(ends).filter_map(|((name, start), end)| Some((*name, self.text.get(*start..end)?)))
    }

    /// Adds a member that is not present.
    pub(crate) fn add(&mut self, name: &'static str, value: impl Serialize) {
        self.begin(name);
        write(&mut self.text, value);
        self.text.push(self.format.separator());
    }

    /// Adds the fields of `others`, from the same span. They replace fields of the same name.
    pub(crate) fn merge(&mut self, others: &Self) {
        let is_new = self.fields & others.fields == 0 && others.fields.count_ones() as usize == others.starts.len();
        if !is_new {
            others.starts.iter().for_each(|(name, _)| self.remove(name));
        }
        let before = self.text.len();
        self.text.extend_from_slice(&others.text);
        self.starts.extend(others.starts.iter().map(|(name, start)| (*name, before + start)));
        self.fields |= others.fields;
    }

    fn begin(&mut self, name: &'static str) {
        self.starts.push((name, self.text.len()));
        match self.format {
            // A name is a literal in source code and needs no escaping.
            Format::Json => {
                self.text.push(b'"');
                self.text.extend_from_slice(name.as_bytes());
                self.text.extend_from_slice(b"\":");
            }
            Format::Text if name == MESSAGE => {}
            Format::Text => {
                self.text.extend_from_slice(name.as_bytes());
                self.text.push(b'=');
            }
        }
    }

    /// Sets a field, replacing its previous value.
    fn set(&mut self, field: &Field, value: impl Serialize) {
        self.replace(field);
        self.add(field.name(), value);
    }

    fn set_text(&mut self, field: &Field, value: &str) {
        if self.format == Format::Text && is_plain(field.name(), value) {
            self.replace(field);
            self.begin(field.name());
            self.text.extend_from_slice(value.as_bytes());
            self.text.push(b' ');
        } else {
            self.set(field, value);
        }
    }

    fn replace(&mut self, field: &Field) {
        let bit = u32::try_from(field.index()).ok().and_then(|number| 1_u64.checked_shl(number));
        let is_new = bit.is_some_and(|bit| self.fields & bit == 0);
        self.fields |= bit.unwrap_or_default();
        if !is_new {
            self.remove(field.name());
        }
    }

    fn remove(&mut self, name: &str) {
        let Some(place) = self.starts.iter().position(|(known, _)| *known == name) else { return };
        let (_, start) = self.starts.remove(place);
        let end = self.starts.get(place).map_or(self.text.len(), |(_, next)| *next);
        self.text.drain(start..end);
        for (_, later) in self.starts.iter_mut().skip(place) {
            *later -= end - start;
        }
    }
}

/// Whether a text can be written without quotes. A message may have several words.
fn is_plain(name: &str, text: &str) -> bool {
    let separates = |c: char| c.is_whitespace() || matches!(c, '"' | '=' | '{' | '}');
    let is_message = name == MESSAGE;
    !text.is_empty() && !text.chars().any(|c| is_obeyed(c) || !is_message && separates(c))
}

/// Writes a value as JSON. This cannot fail: the output is memory, and all values are texts and
/// numbers.
pub(crate) fn write(out: &mut Vec<u8>, value: impl Serialize) {
    let mut json = serde_json::Serializer::with_formatter(&mut *out, Shown);
    if value.serialize(&mut json).is_err() {
        out.extend_from_slice(b"null");
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set_text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set_text(field, &value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.set(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }
}
