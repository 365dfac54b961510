//! The terminal's edge: what a rule, a database or a file says is shown there, and obeyed by nothing.
//!
//! A control character, a line break or a change of direction in such a text would move the cursor,
//! colour what follows, make up a line of its own or show a text in another order. They are written as
//! escapes, as in Rust's strings, and in JSON as in JSON's: what goes into a pipe may still end at a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};

use tenet_core::is_obeyed;
pub(crate) use tenet_harness::escaped as shown;

/// One line for standard output.
pub(crate) fn say(line: &str) {
    // A line of progress that cannot be written does not make a command fail.
    let _ = write(&format!("{}\n", shown(line)));
}

/// Lines for standard output, which no other's come between.
pub(crate) fn say_all(lines: &[String]) {
    let _ = write(&text(lines));
}

/// Writes to standard output what a command was asked to show.
pub(crate) fn show(lines: &[String]) -> anyhow::Result<()> {
    write(&text(lines))
}

/// Lines as one text.
pub(crate) fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{}\n", shown(line))).collect()
}

/// One line for standard error.
pub(crate) fn tell(line: &str) {
    tell_text(&format!("{}\n", shown(line)));
}

/// Writes a text of the harness's own to standard output. Its reader may have seen enough before its
/// end.
pub(crate) fn write(text: &str) -> anyhow::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Writes JSON and the end of its line to standard output, with what a terminal would obey as escapes:
/// the same JSON.
pub(crate) fn write_json(json: &str) -> anyhow::Result<()> {
    write(&format!("{}\n", shown_json(json)))
}

/// Outside of strings JSON has no such characters but those that end lines, and inside of them it has not
/// those.
fn shown_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' => shown.push('\n'),
            '\r' => shown.push(' '),
            _ if is_obeyed(character) => {
                let _ = write!(shown, "\\u{:04x}", u32::from(character));
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// The same for standard error, which may be closed.
pub(crate) fn tell_text(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The same for what a tool says in colours: these are left to it, and nothing else.
pub(crate) fn coloured(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return text.into();
    }
    let (mut told, mut rest) = (String::with_capacity(text.len() + 16), text);
    while let Some(at) = rest.find('\u{1b}') {
        let (before, sequence) = rest.split_at(at);
        told.push_str(&shown(before));
        let length = colour(sequence);
        let (sequence, after) = sequence.split_at(length.unwrap_or(1));
        match length {
            Some(_) => told.push_str(sequence),
            None => told.push_str(&shown(sequence)),
        }
        rest = after;
    }
    told.push_str(&shown(rest));
    told.into()
}

/// How many bytes of the text are a sequence that sets colours, at its beginning: `ESC [ 1 ; 31 m`
/// (SGR of ECMA-48).
fn colour(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|sign: char| !sign.is_ascii_digit() && sign != ';')?;
    numbers.get(end..)?.starts_with('m').then_some(2 + end + 1)
}

/// The same for a text of several lines with places in it: as many bytes in the same lines.
pub(crate) fn shown_in_place(text: &str) -> Cow<'_, str> {
    let is_obeyed = |character| character != '\n' && is_obeyed(character);
    if !text.contains(is_obeyed) {
        return text.into();
    }
    let stand_in = |character: char| match character.len_utf8() {
        _ if !is_obeyed(character) => character,
        1 => '?',
        2 => '\u{bf}',
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(stand_in).collect::<String>().into()
}

/// Where the log goes, an event at a time: standard error.
pub(crate) struct Log;

impl io::Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        tell(text.strip_suffix('\n').unwrap_or(&text));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_same_json_and_nothing_that_a_terminal_obeys() {
        let json = serde_json::json!({ "a": "\u{9b}31m\u{202e}\u{7f}\r", "b": 1 }).to_string();
        let shown = shown_json(&json);
        assert_eq!(shown, "{\"a\":\"\\u009b31m\\u202e\\u007f\\r\",\"b\":1}");
        assert_eq!(shown_json("{\r\n}\r"), "{ \n} ");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap().to_string(), json);
    }

    #[test]
    fn a_tool_has_its_colours_and_nothing_else() {
        for (text, says) in [
            ("plain", "plain"),
            ("\u{1b}[1m\u{1b}[38;5;9merror\u{1b}[0m: a", "\u{1b}[1m\u{1b}[38;5;9merror\u{1b}[0m: a"),
            ("\u{1b}[1mé\u{1b}[2J\u{1b}[m", "\u{1b}[1mé\\u{1b}[2J\u{1b}[m"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("a\u{1b}", "a\\u{1b}"),
            ("\u{1b}[31\u{1b}[3", "\\u{1b}[31\\u{1b}[3"),
            ("\u{9b}31m\rb\u{202e}", "\\u{9b}31m\\rb\\u{202e}"),
        ] {
            assert_eq!(coloured(text), says);
        }
    }

    #[test]
    fn places_in_a_text_stay_where_they_are() {
        let text = "a\u{1b}\u{9b}\u{202e}\r\nb";
        let shown = shown_in_place(text);
        assert_eq!(shown, "a?\u{bf}\u{fffd}?\nb");
        assert_eq!(shown.len(), text.len());
    }
}
