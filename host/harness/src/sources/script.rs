//! The strings in sources of JavaScript and Python, each with the bytes that it stands at.

use std::ops::Range;
use std::path::Path;

/// A language without a reader of its own here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    JavaScript,
    Python,
}

impl Language {
    /// By how a file's name ends.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()? {
            "js" | "mjs" | "ts" | "mts" => Some(Self::JavaScript),
            "py" => Some(Self::Python),
            _ => None,
        }
    }
}

/// The strings of a file. Comments are none, and of escapes only those of quotes and line ends are
/// read; neighbours that Python puts together are put together.
pub(crate) fn strings(file: &Path, text: &str) -> Vec<(String, Range<usize>)> {
    let Some(language) = Language::of(file) else { return Vec::new() };
    let mut strings: Vec<(String, Range<usize>)> = Vec::new();
    let mut rest = text;
    let at = |rest: &str| text.len() - rest.len();
    while let Some(first) = rest.chars().next() {
        let line_comment = if language == Language::Python { "#" } else { "//" };
        if rest.starts_with(line_comment) {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if language == Language::JavaScript && rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, rest)| rest);
        } else if matches!(first, '"' | '\'') || (first == '`' && language == Language::JavaScript) {
            let triple = if first == '"' { "\"\"\"" } else { "'''" };
            let quote = match language == Language::Python && rest.starts_with(triple) {
                true => triple,
                false => rest.get(..1).unwrap_or_default(),
            };
            let start = at(rest);
            let (string, after) = read(rest.get(quote.len()..).unwrap_or_default(), quote);
            let span = start..at(after);
            let between = strings.last().and_then(|(_, last)| text.get(last.end..start));
            match strings.last_mut() {
                // Two strings with nothing between them are one.
                Some(last)
                    if language == Language::Python && between.is_some_and(|between| between.trim().is_empty()) =>
                {
                    last.0.push_str(&string);
                    last.1.end = span.end;
                }
                _ => strings.push((string, span)),
            }
            rest = after;
        } else {
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    strings
}

/// A string up to its quote, and what comes after that.
fn read<'a>(text: &'a str, quote: &str) -> (String, &'a str) {
    let mut string = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(quote) {
            return (string, after);
        }
        rest = rest.get(next.len_utf8()..).unwrap_or_default();
        if next != '\\' {
            string.push(next);
            continue;
        }
        let Some(escaped) = rest.chars().next() else { break };
        rest = rest.get(escaped.len_utf8()..).unwrap_or_default();
        match escaped {
            '\n' => {}
            'n' => string.push('\n'),
            other => string.push(other),
        }
    }
    (string, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &str, text: &str) -> Vec<String> {
        strings(Path::new(file), text).into_iter().map(|(string, _)| string).collect()
    }

    #[test]
    fn strings_are_told_from_comments_in_either_language() {
        let js = "// \"no\"\nconst a = 'it\\'s'; /* 'no' */ const b = `SELECT\n1`; const c = \"x\" + 'y';";
        assert_eq!(texts("rule.js", js), ["it's", "SELECT\n1", "x", "y"]);
        let py = "# 'no'\na = \"\"\"SELECT \"1\" \"\"\"\nb = ('one '\n     \"two\")\nc = 'it\\'s', 'x'";
        assert_eq!(texts("rule.py", py), ["SELECT \"1\" ", "one two", "it's", "x"]);
        assert_eq!(texts("rule.js", "'open"), ["open"]);
        let js = "x('SELECT')";
        assert_eq!(strings(Path::new("a.js"), js), [("SELECT".to_owned(), 2..10)]);
    }
}
