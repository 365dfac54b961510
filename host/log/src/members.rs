use std::fmt;

use serde::Serialize;
use tracing::field::{Field, Visit};

/// Members of a JSON object, written as they come: `"operation":"read","rows":3`.
#[derive(Debug)]
pub(crate) struct Members {
    text: Vec<u8>,
    /// Where each begins.
    starts: Vec<(&'static str, usize)>,
}

impl Members {
    /// None, with room for what most spans say.
    pub(crate) fn new() -> Self {
        Self { text: Vec::with_capacity(256), starts: Vec::with_capacity(8) }
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.starts.iter().any(|(known, _)| *known == name)
    }

    /// Sets a member; one that was there before goes.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Serialize) {
        if let Some(place) = self.starts.iter().position(|(known, _)| *known == name) {
            self.remove(place);
        }
        self.starts.push((name, self.text.len()));
        write(&mut self.text, name);
        self.text.push(b':');
        write(&mut self.text, value);
        self.text.push(b',');
    }

    fn remove(&mut self, place: usize) {
        let (_, start) = self.starts.remove(place);
        let end = self.starts.get(place).map_or(self.text.len(), |(_, next)| *next);
        self.text.drain(start..end);
        for (_, later) in self.starts.iter_mut().skip(place) {
            *later -= end - start;
        }
    }
}

/// Writes a value as JSON. Memory takes everything, and texts and numbers are all there is.
pub(crate) fn write(out: &mut Vec<u8>, value: impl Serialize) {
    if serde_json::to_writer(&mut *out, &value).is_err() {
        out.extend_from_slice(b"null");
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field.name(), value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.set(field.name(), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.set(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_set_again_is_there_once() {
        let mut members = Members::new();
        members.set("a", 1);
        members.set("b", "x\"y");
        members.set("c", f64::NAN);
        members.set("a", 22);
        members.set("c", true);
        members.set("b", "z");
        assert_eq!(String::from_utf8_lossy(members.text()), r#""a":22,"c":true,"b":"z","#);
        assert!(members.has("c") && !members.has("d"));
    }
}
