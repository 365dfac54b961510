//! Reads and writes the header `Idempotency-Key`.
//!
//! It contains a key either as it is, or as a string of structured fields, in double quotes (RFC
//! 8941, section 3.3.3), as in the IETF's draft (draft-ietf-httpapi-idempotency-key-header). A
//! value that could be two keys or a key with parameters is refused: API Gateway joins repeated
//! headers with a comma, and reading that as a list would apply the request twice.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use tenet_core::IdempotencyKey;

/// The header that carries a key in requests and replies.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header's valid values, as a pattern of JSON Schema.
pub(crate) const PATTERN: &str =
    r#"^(?:[!#-+\--:<-~](?:[ !#-+\--:<-~]{0,253}[!#-+\--:<-~])?|"(?:[ !#-\[\]-~]|\\["\\]){1,255}")$"#;

/// The key in the headers. The error is for the caller.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, String> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else { return Ok(None) };
    if second.is_some() {
        return Err(format!("The header {IDEMPOTENCY_KEY} appears twice."));
    }
    let text = value.to_str().map_err(|_| format!("The header {IDEMPOTENCY_KEY} is not plain ASCII."))?.trim();
    let text = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted),
        None if is_bare(text) => Ok(text.to_owned()),
        None => Err("it has a comma, a semicolon or a quotation mark in it. It has to be one key: where these are \
                     part of it, put it in double quotes, with \\ before a quotation mark"),
    };
    let text = text.map_err(|error| format!("The header {IDEMPOTENCY_KEY}: {error}."))?;
    let key = IdempotencyKey::new(text).map_err(|error| format!("The header {IDEMPOTENCY_KEY}: {error}."))?;
    Ok(Some(key))
}

/// The header that [`read`] reads as this key. None if the key has characters that such a header
/// cannot hold.
pub(crate) fn write(key: &IdempotencyKey) -> Option<HeaderValue> {
    let text = key.as_str();
    if is_bare(text) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return HeaderValue::from_str(text).ok();
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return None;
    }
    HeaderValue::from_str(&format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))).ok()
}

/// Whether a key needs no quotes.
fn is_bare(text: &str) -> bool {
    !text.contains([',', ';', '"'])
}

/// Reads a quoted string after its opening quote.
fn unquoted(quoted: &str) -> Result<String, &'static str> {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next() {
            None => return Err("its quotation mark is not closed"),
            Some('"') => break,
            Some('\\') => match characters.next() {
                Some(escaped @ ('"' | '\\')) => text.push(escaped),
                _ => return Err("within quotation marks, \\ may only precede \\ or a quotation mark"),
            },
            Some(other) => text.push(other),
        }
    }
    // Two keys, or parameters, which have no meaning.
    if characters.as_str().is_empty() { Ok(text) } else { Err("there is text after its closing quotation mark") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Option<IdempotencyKey>, String> {
        let value = |value: &&str| (IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
        read(&values.iter().map(value).collect())
    }

    #[test]
    fn a_key_is_what_stands_there_or_the_string_in_its_quotation_marks() {
        assert_eq!(of(&[]), Ok(None));
        for (value, key) in [
            ("k-1", "k-1"),
            (" k-1\t", "k-1"),
            ("a b", "a b"),
            ("a\\b", "a\\b"),
            ("\"k-1\"", "k-1"),
            ("\"a, b; c\"", "a, b; c"),
            (r#""say \"a\" and \\b""#, r#"say "a" and \b"#),
            (r#"" k ""#, " k "),
        ] {
            assert_eq!(of(&[value]).unwrap().unwrap().as_str(), key, "{value}");
        }
    }

    #[test]
    fn what_could_be_two_keys_is_none_on_any_way() {
        for (values, says) in [
            (&["a", "b"][..], "twice"),
            (&["a,b"], "comma"),
            (&["a, a"], "comma"),
            (&["a;v=1"], "semicolon"),
            (&["a\"b"], "quotation mark"),
            (&[r#""a", "b""#], "after its closing"),
            (&[r#""a";v=1"#], "after its closing"),
            (&[r#""a"b"#], "after its closing"),
            (&[r#""a"#], "not closed"),
            (&["\""], "not closed"),
            (&[r#""a\"#], "only"),
            (&[r#""a\n""#], "only"),
            (&["a\u{e9}"], "ASCII"),
            (&[""], "at least one"),
            (&[r#""""#], "at least one"),
        ] {
            let error = of(values).unwrap_err();
            assert!(error.contains(says), "{values:?}: {error}");
        }
    }

    #[test]
    fn a_key_is_told_in_the_form_that_brings_it() {
        for key in ["k-1", "a,b", "a;b", r#"a"b\c"#, "\"", "\\", "a\\b", " a ", " ", "~!"] {
            let key = IdempotencyKey::new(key).unwrap();
            let told = write(&key).unwrap();
            let read = of(&[told.to_str().unwrap()]).unwrap();
            assert_eq!(read.as_ref(), Some(&key), "{told:?}");
        }
        assert_eq!(write(&IdempotencyKey::new("k-1").unwrap()).unwrap(), "k-1");
        for key in ["a\nb", "a\tb", "ü"] {
            assert_eq!(write(&IdempotencyKey::new(key).unwrap()), None, "{key:?}");
        }
    }
}
