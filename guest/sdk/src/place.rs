//! Finds the member of a payload that an error of serde concerns.

/// The JSON Pointer (RFC 6901) of the value at a line and a column of a JSON text, where serde
/// stopped. Both are counted from 1, the column in bytes. The pointer of the whole text is empty.
///
/// After the end of an object serde reports two kinds of errors: a missing member (`is_missing`),
/// or a problem with the last member.
pub(crate) fn pointer(text: &str, line: usize, column: usize, is_missing: bool) -> String {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let end = text.floor_char_boundary(before.saturating_add(column));
    let mut rest = text.get(..end).unwrap_or_default();
    // The current position within each open object and array.
    let mut open: Vec<Step> = Vec::new();
    let mut last = None;
    while let Some(first) = rest.chars().next() {
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            '{' => open.push(Step::Member(None)),
            '[' => open.push(Step::Item(0)),
            '}' | ']' if !rest.is_empty() || is_missing => drop(open.pop()),
            '"' => {
                let (string, after) = string(rest);
                last = Some(string);
                rest = after;
            }
            ':' => {
                if let Some(Step::Member(name)) = open.last_mut() {
                    *name = last.take();
                }
            }
            ',' => match open.last_mut() {
                // Serde stops after an invalid value, which a comma may follow.
                _ if rest.is_empty() => {}
                Some(Step::Item(number)) => *number += 1,
                Some(Step::Member(name)) => *name = None,
                None => {}
            },
            _ => {}
        }
    }
    open.into_iter().filter_map(Step::pointer).collect()
}

enum Step<'a> {
    Member(Option<&'a str>),
    Item(usize),
}

impl Step<'_> {
    fn pointer(self) -> Option<String> {
        match self {
            Self::Member(name) => {
                // A name with escapes is unescaped like JSON.
                let name: String = serde_json::from_str(&format!("\"{}\"", name?)).ok()?;
                Some(format!("/{}", name.replace('~', "~0").replace('/', "~1")))
            }
            Self::Item(number) => Some(format!("/{number}")),
        }
    }
}

/// A string as written, up to its closing quote, and the rest after it.
fn string(text: &str) -> (&str, &str) {
    let mut is_escaped = false;
    for (at, sign) in text.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Payload {
        _amount: Option<crate::Decimal>,
        #[serde(rename = "to/from")]
        _name: Option<i8>,
        _lines: Option<Vec<Line>>,
        _more: Option<bool>,
    }

    #[derive(Debug, Deserialize)]
    struct Line {
        _amount: Option<crate::Decimal>,
        _count: i8,
    }

    #[test]
    fn the_place_is_that_of_what_does_not_fit() {
        for (text, place) in [
            (r#"{"to/from":300}"#, "/to~1from"),
            (r#"{"to/from" : 300 , "_more":true}"#, "/to~1from"),
            (r#"{"_more":true,"to/from":"a \" } , b"}"#, "/to~1from"),
            (r#"{"_lines":[{"_count":1},{"_count":300}],"_more":true}"#, "/_lines/1/_count"),
            ("{\n  \"_lines\": [\n    { \"_count\": 1 },\n    {}\n  ]\n}", "/_lines/1"),
            (r#"{"_lines":[{"_count":1},7]}"#, "/_lines/1"),
            (r#"{"to\/from":300}"#, "/to~1from"),
            (r#"{"_lines":[{"_count":1,"_amount":"x"}],"_more":true}"#, "/_lines/0/_amount"),
            (r#"{"_more":true,"_amount":"x" }"#, "/_amount"),
            ("7", ""),
        ] {
            let error = serde_json::from_str::<Payload>(text).unwrap_err();
            let is_missing = error.to_string().starts_with("missing field");
            assert_eq!(pointer(text, error.line(), error.column(), is_missing), place, "{text}: {error}");
        }
    }
}
