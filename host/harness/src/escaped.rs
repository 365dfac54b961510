//! Texts of others as a part of one line: what a terminal would obey is written out.
//!
//! A control character, a line break or a change of direction in such a text would move the cursor, colour what
//! follows, make up a line of its own or show a text in another order.

use std::borrow::Cow;

use tenet_core::is_obeyed;

/// The text as a part of one line, with escapes as in Rust's strings.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_obeyed(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (text, says) in [
            ("plain, ünd \u{1f600}\ttabbed", "plain, ünd \u{1f600}\ttabbed"),
            ("\u{1b}[2J\u{1b}]0;t\u{7}", "\\u{1b}[2J\\u{1b}]0;t\\u{7}"),
            ("a\r\nerror: b", "a\\r\\nerror: b"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("\u{202e}cba\u{2066}\u{2028}\u{200f}", "\\u{202e}cba\\u{2066}\\u{2028}\\u{200f}"),
        ] {
            assert_eq!(escaped(text), says);
        }
    }
}
