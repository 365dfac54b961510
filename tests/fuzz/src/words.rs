//! A statement as a list of words: joins words to a text, and splits a text into words.

use fastrand::Rng;

/// A name in double quotes.
pub fn in_quotes(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Words, signs, numbers and strings of a text, split roughly as PostgreSQL does: well enough to
/// remove some.
pub fn cut(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => quoted_length(rest, first, false),
            '-' if rest.starts_with("--") => {
                rest = rest.get(rest.find(['\n', '\r']).unwrap_or(rest.len())..).unwrap_or_default();
                continue;
            }
            '/' if rest.starts_with("/*") => {
                rest = rest.get(comment_length(rest)..).unwrap_or_default();
                continue;
            }
            c if c.is_alphanumeric() || c == '_' => {
                let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
                match rest.get(length..).and_then(|after| after.chars().next()) {
                    Some(quote @ ('\'' | '"')) if length == 1 => {
                        let escapes = quote == '\'' && "eE".contains(first);
                        length + quoted_length(rest.get(length..).unwrap_or_default(), quote, escapes)
                    }
                    _ => length,
                }
            }
            c if c.is_whitespace() => rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len()),
            '$' if rest.starts_with("$$") => {
                rest.get(2..).and_then(|body| body.find("$$")).map_or(rest.len(), |length| length + 4)
            }
            '$' => {
                1 + rest.get(1..).map_or(0, |rest| rest.len() - rest.trim_start_matches(char::is_alphanumeric).len())
            }
            ':' if rest.starts_with("::") => 2,
            c if "+-*/<>=~!@#%^&|`?".contains(c) => {
                let run = rest.find(|c: char| !"+-*/<>=~!@#%^&|`?".contains(c)).unwrap_or(rest.len());
                let comment = ["--", "/*"].iter().filter_map(|begin| rest.find(begin)).min().unwrap_or(run);
                run.min(comment)
            }
            c => c.len_utf8(),
        };
        let (word, after) = rest.split_at(length.max(first.len_utf8()).min(rest.len()));
        if !word.trim().is_empty() {
            words.push(word.to_owned());
        }
        rest = after;
    }
    words
}

/// Comments may be nested.
fn comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            match rest.chars().next() {
                Some(sign) => at += sign.len_utf8(),
                None => return text.len(),
            }
        }
    }
}

fn quoted_length(text: &str, quote: char, escapes: bool) -> usize {
    let mut signs = text.char_indices().skip(1).peekable();
    while let Some((at, sign)) = signs.next() {
        if escapes && sign == '\\' {
            signs.next();
        } else if sign == quote {
            if signs.peek().is_some_and(|(_, next)| *next == quote) {
                signs.next();
            } else {
                return at + 1;
            }
        }
    }
    text.len()
}

/// The possible gaps between two words.
const GAPS: [&str; 9] =
    [" ", "\n", "\t", "  ", " /**/ ", "/* a /* nested */ one */", " -- to the end\n", "/* ; ' \" $$ */", "\r\n"];

/// The words as one text, mostly separated by a space.
pub fn joined(words: &[String], rng: &mut Rng) -> String {
    let style = rng.u8(0..12);
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            match style {
                0 => text.push_str(GAPS.get(rng.usize(0..GAPS.len())).copied().unwrap_or(" ")),
                1 if rng.u8(0..6) == 0 => text.push_str(GAPS.get(rng.usize(0..GAPS.len())).copied().unwrap_or(" ")),
                // No gap, if the two remain two words.
                2 if are_apart(&text, word) => {}
                _ => text.push(' '),
            }
        }
        match style {
            3 if is_plain(word) => text.push_str(&word.to_ascii_lowercase()),
            4 if is_plain(word) && rng.bool() => text.push_str(&word.to_ascii_uppercase()),
            _ => text.push_str(word),
        }
    }
    text
}

fn is_plain(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn are_apart(before: &str, after: &str) -> bool {
    let kind = |c: Option<char>| match c {
        Some(c) if c.is_alphanumeric() || "_$\"'.:".contains(c) => 0,
        Some(c) if "+-*/<>=~!@#%^&|`?".contains(c) => 1,
        _ => 2,
    };
    let (left, right) = (kind(before.chars().last()), kind(after.chars().next()));
    left != right || left == 2
}
