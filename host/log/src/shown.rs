use std::io::{self, Write};

use serde_json::ser::Formatter;
use tenet_core::is_obeyed;

/// Writes JSON in which nothing is left that a terminal obeys.
pub(crate) struct Shown;

impl Formatter for Shown {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, obeyed)) = rest.char_indices().find(|(_, character)| is_obeyed(*character)) {
            let (shown, from) = rest.split_at(at);
            writer.write_all(shown.as_bytes())?;
            // All of them are in the basic multilingual plane.
            write!(writer, "\\u{:04x}", u32::from(obeyed))?;
            rest = from.get(obeyed.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[test]
    fn the_json_is_the_same_and_has_nothing_that_a_terminal_obeys() {
        let text = "a\tb\r\n\"\\\u{1b}[2J\u{7f}\u{9b}31m\u{202e}cba\u{2066}\u{2028}\u{200f} ü \u{1f600}";
        let mut json = Vec::new();
        text.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Shown)).unwrap();
        let json = String::from_utf8(json).unwrap();
        assert!(!json.contains(is_obeyed), "{json:?}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
