//! Checks for texts that the database cannot store.

use std::cell::{Cell, RefCell};

use crate::bindings::tenet::rule::types::Statement;
use crate::{Error, Value, reject};

thread_local! {
    /// The payload of the request, as received.
    static PAYLOAD: RefCell<String> = const { RefCell::new(String::new()) };
    /// Whether a statement was refused because of a text in the payload.
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Begins a request. If a text contains U+0000, its place is searched in this payload.
pub(crate) fn begin(payload: String) {
    PAYLOAD.set(payload);
    REFUSED.set(false);
}

/// The rejection with which a statement was refused because of the payload. A rule cannot ignore
/// it, because its statement was not executed.
pub(crate) fn refused() -> Option<Error> {
    REFUSED.get().then(no_nul)
}

/// Refuses parameters that no server accepts, so that nothing is sent and the rejection names the
/// place.
pub(crate) fn check(parameters: &[Value]) -> Result<(), Error> {
    let with_nul = |value: &Value| match value {
        Value::Text(text) => text.contains('\0'),
        Value::Json(text) => has_nul(text),
        _ => false,
    };
    if parameters.iter().any(with_nul) { Err(no_nul()) } else { Ok(()) }
}

/// The same for several statements.
pub(crate) fn check_all(statements: &[Statement]) -> Result<(), Error> {
    statements.iter().try_for_each(|statement| check(&statement.parameters))
}

/// The rejection. It blames the payload only if the payload contains such a text.
fn no_nul() -> Error {
    match PAYLOAD.with_borrow(|payload| pointer_to_nul(payload)) {
        Some(path) => {
            REFUSED.set(true);
            reject("invalid-payload", "a text has U+0000, which the database does not hold").with_detail("path", path)
        }
        None => reject("invalid-data", "the database holds no text with U+0000"),
    }
}

/// Whether a string in JSON text contains U+0000, which is always written as an escape.
fn has_nul(json: &str) -> bool {
    let mut rest = json;
    while let Some((_, escape)) = rest.split_once('\\') {
        if escape.starts_with("u0000") {
            return true;
        }
        // An escaped character is ASCII in valid JSON.
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

/// The JSON Pointer (RFC 6901) of the first string with U+0000 in a JSON text, if there is one.
fn pointer_to_nul(json: &str) -> Option<String> {
    // The payload has been parsed, so it is valid JSON with balanced brackets.
    let mut places: Vec<Place<'_>> = Vec::new();
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            '{' => places.push(Place::Member("")),
            '[' => places.push(Place::Item(0)),
            '}' | ']' => drop(places.pop()),
            ',' => {
                if let Some(Place::Item(number)) = places.last_mut() {
                    *number += 1;
                }
            }
            '"' => {
                let text;
                (text, rest) = rest.split_at_checked(length_of_text(rest))?;
                rest = rest.get(1..).unwrap_or_default();
                if let (Some(Place::Member(name)), true) = (places.last_mut(), rest.trim_start().starts_with(':')) {
                    *name = text;
                }
                if has_nul(text) {
                    return Some(places.iter().map(Place::to_pointer).collect());
                }
            }
            _ => {}
        }
    }
    None
}

/// The distance to the closing quote of a string.
fn length_of_text(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// A step of the path to a value.
enum Place<'a> {
    /// A member of an object, by its name as written.
    Member(&'a str),
    /// An item of an array.
    Item(usize),
}

impl Place<'_> {
    fn to_pointer(&self) -> String {
        match self {
            Self::Item(number) => format!("/{number}"),
            Self::Member(name) => {
                let name: String = serde_json::from_str(&format!("\"{name}\"")).unwrap_or_default();
                format!("/{}", name.replace('~', "~0").replace('/', "~1"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params;

    #[test]
    fn a_nul_is_found_at_its_place() {
        for (json, place) in [
            (r#"{"a":"x","b":["y",{"c":"z\u0000"}]}"#, Some("/b/1/c")),
            (r#"{"a":[[],{},[1,2],"\u0000"]}"#, Some("/a/3")),
            (r#"{"a/~\"b":"\\\u0000"}"#, Some("/a~1~0\"b")),
            (r#"{"a": {"\u0000" : 1}}"#, Some("/a/\0")),
            (r#""\u0000""#, Some("")),
            (r#"{"a":"\\u0000","b":"\\\\u0000","ü":"\"]}"}"#, None),
            ("[]", None),
        ] {
            assert_eq!(pointer_to_nul(json).as_deref(), place, "{json}");
            assert_eq!(has_nul(json), place.is_some(), "{json}");
        }
    }

    #[test]
    fn a_text_with_a_nul_is_refused_with_its_payload_or_as_the_rules_own() {
        begin(r#"{"name":"a\u0000"}"#.to_owned());
        check(params![1, "a", serde_json::json!("a")]).unwrap();
        assert!(refused().is_none());
        let error = check(params![1, "prefix a\0"]).unwrap_err();
        assert_eq!((error.code(), error.detail("path")), (Some("invalid-payload"), Some("/name")));
        assert_eq!(refused().unwrap().code(), Some("invalid-payload"));

        begin(r#"{"name":"a"}"#.to_owned());
        assert!(refused().is_none());
        let error = check(params![serde_json::json!({"a": "\0"})]).unwrap_err();
        assert_eq!((error.code(), error.detail("path")), (Some("invalid-data"), None));
    }
}
