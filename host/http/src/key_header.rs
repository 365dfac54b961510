//! The header `Idempotency-Key`, read and written.
//!
//! A key stands in it as it is, or as a string of structured fields, in double quotes
//! (RFC 8941, section 3.3.3), as the IETF's draft has it
//! (draft-ietf-httpapi-idempotency-key-header). What could be two keys or a key with
//! parameters is refused: API Gateway joins the values of a header that came several times by
//! a comma, and who reads a list there would do twice what was to be done once.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use tenet_core::IdempotencyKey;

/// The header that brings a key and that tells it.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the header's value may be, as a pattern of JSON Schema.
pub(crate) const PATTERN: &str =
    r#"^(?:[!#-+\--:<-~](?:[ !#-+\--:<-~]{0,253}[!#-+\--:<-~])?|"(?:[ !#-\[\]-~]|\\["\\]){1,255}")$"#;

/// The key that the headers bring. The error is for the caller.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, String> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else { return Ok(None) };
    if second.is_some() {
        return Err(format!("The header {IDEMPOTENCY_KEY} is there twice."));
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

/// A key as the header that [`read`] takes for it. There is none for one with characters that
/// such a header cannot hold.
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

/// Whether a key may stand without quotation marks.
fn is_bare(text: &str) -> bool {
    !text.contains([',', ';', '"'])
}

/// The string whose opening quotation mark has been read.
fn unquoted(quoted: &str) -> Result<String, &'static str> {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next() {
            None => return Err("its quotation mark is not closed"),
            Some('"') => break,
            Some('\\') => match characters.next() {
                Some(escaped @ ('"' | '\\')) => text.push(escaped),
                _ => return Err("within quotation marks \\ stands before \\ or a quotation mark only"),
            },
            Some(other) => text.push(other),
        }
    }
    // Two keys, or parameters, which would mean nothing.
    if characters.as_str().is_empty() { Ok(text) } else { Err("there is something behind its closing quotation mark") }
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
            (&[r#""a", "b""#], "behind its closing"),
            (&[r#""a";v=1"#], "behind its closing"),
            (&[r#""a"b"#], "behind its closing"),
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
