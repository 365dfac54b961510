use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Serialize;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};

/// SHA-256 over a payload in canonical form: payloads with the same meaning have the same digest.
///
/// The canonical form has members sorted by name, no white space, one way to escape strings, and
/// numbers as minimal decimal digits with an exponent, so that `100.5`, `100.50` and `1.005e2` are
/// equal. Digests are stored in databases, so the form never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// A payload that has no [`Digest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DigestError(String);

/// The deepest nesting of a payload: serde_json's own limit, which the SDK's parser shares.
const MAX_DEPTH: usize = 128;

impl Digest {
    /// Digests the JSON text `payload`.
    pub fn of(payload: &str) -> Result<Self, DigestError> {
        serde_json::from_str::<IgnoredAny>(payload).map_err(|error| DigestError(format!("not JSON: {error}")))?;
        let mut canonical = Canonical { rest: payload, out: Vec::with_capacity(payload.len() + 16) };
        canonical.value(0)?;
        Ok(Self(Sha256::digest(&canonical.out).into()))
    }

    /// The digest with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Rewrites JSON text that is known to be valid.
struct Canonical<'a> {
    rest: &'a str,
    out: Vec<u8>,
}

impl<'a> Canonical<'a> {
    fn value(&mut self, depth: usize) -> Result<(), DigestError> {
        if depth > MAX_DEPTH {
            return Err(DigestError(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        match self.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => {
                let text = self.string()?;
                self.push_string(&text, matches!(text, Cow::Borrowed(_)));
                Ok(())
            }
            Some('-' | '0'..='9') => {
                let number = self.take(|c| matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'));
                self.number(number)
            }
            _ => {
                let word = self.take(|c| c.is_ascii_alphabetic());
                self.out.extend_from_slice(word.as_bytes());
                Ok(())
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), DigestError> {
        self.skip(1);
        self.out.push(b'{');
        let start = self.out.len();
        // The name of each member and its range after `start`.
        let mut members: Vec<(Cow<'_, str>, Range<usize>)> = Vec::new();
        while self.peek() != Some('}') {
            if self.peek() == Some(',') {
                self.skip(1);
                self.peek();
            }
            if !members.is_empty() {
                self.out.push(b',');
            }
            let from = self.out.len() - start;
            let name = self.string()?;
            self.push_string(&name, matches!(name, Cow::Borrowed(_)));
            self.out.push(b':');
            self.peek();
            self.skip(1);
            self.value(depth + 1)?;
            members.push((name, from..self.out.len() - start));
        }
        self.skip(1);
        if !members.is_sorted_by(|(a, _), (b, _)| a < b) {
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            let mut previous: Option<&Cow<'_, str>> = None;
            let written = self.out.split_off(start);
            for (name, place) in &members {
                if previous == Some(name) {
                    return Err(DigestError(format!("the member {name:?} appears twice")));
                }
                if previous.is_some() {
                    self.out.push(b',');
                }
                previous = Some(name);
                self.out.extend_from_slice(written.get(place.clone()).unwrap_or_default());
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), DigestError> {
        self.skip(1);
        self.out.push(b'[');
        while self.peek() != Some(']') {
            if self.peek() == Some(',') {
                self.skip(1);
                self.out.push(b',');
            }
            self.value(depth + 1)?;
        }
        self.skip(1);
        self.out.push(b']');
        Ok(())
    }

    /// Reads a string with its quotes and returns its value.
    fn string(&mut self) -> Result<Cow<'a, str>, DigestError> {
        let mut escaped = false;
        let mut any_escaped = false;
        let mut end = self.rest.len();
        for (at, byte) in self.rest.bytes().enumerate().skip(1) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => (escaped, any_escaped) = (true, true),
                b'"' => {
                    end = at + 1;
                    break;
                }
                _ => {}
            }
        }
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if !any_escaped {
            return Ok(Cow::Borrowed(text.get(1..text.len().saturating_sub(1)).unwrap_or_default()));
        }
        let meaning = serde_json::from_str(text).map(Cow::Owned);
        meaning.map_err(|error| DigestError(format!("not a string of Unicode: {error}")))
    }

    /// A string that had no escapes in the input (`plain`) needs none in the output.
    fn push_string(&mut self, text: &str, plain: bool) {
        if plain {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        } else {
            self.push_json(text);
        }
    }

    /// Writing to memory cannot fail, and strings and numbers can always be serialized.
    fn push_json(&mut self, value: impl Serialize) {
        let _ = serde_json::to_writer(&mut self.out, &value);
    }

    fn number(&mut self, text: &str) -> Result<(), DigestError> {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let start = self.out.len();
        if negative {
            self.out.push(b'-');
        }
        let first = self.out.len();
        self.out.extend(before.bytes().chain(after.bytes()).skip_while(|digit| *digit == b'0'));
        let written = self.out.len();
        while self.out.len() > first && self.out.last() == Some(&b'0') {
            self.out.pop();
        }
        if self.out.len() == first {
            self.out.truncate(start);
            self.out.push(b'0');
            return Ok(());
        }
        let trailing = written - self.out.len();
        let exponent = exponent
            .parse::<i64>()
            .ok()
            .and_then(|e| e.checked_add(trailing as i64)?.checked_sub(after.len() as i64))
            .ok_or_else(|| DigestError("a number's exponent has too many digits".to_owned()))?;
        self.out.push(b'e');
        self.push_json(exponent);
        Ok(())
    }

    fn peek(&mut self) -> Option<char> {
        let white = self.rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.skip(white);
        self.rest.chars().next()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The meaning of a payload, independent of its spelling.
    #[derive(Clone, Debug, PartialEq)]
    enum Meaning {
        Word(&'static str),
        /// Digits without trailing zeros, and an exponent.
        Number(i64, i64),
        Text(String),
        List(Vec<Meaning>),
        Members(BTreeMap<String, Meaning>),
    }

    fn meaning() -> impl Strategy<Value = Meaning> {
        let number = |(mut digits, mut exponent): (i64, i64)| {
            while digits != 0 && digits % 10 == 0 {
                (digits, exponent) = (digits / 10, exponent + 1);
            }
            Meaning::Number(digits, if digits == 0 { 0 } else { exponent })
        };
        let text = || prop_oneof!["[ab\"\\\\/\n\u{e9}]{0,3}", any::<String>()];
        let leaf = prop_oneof![
            prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(Meaning::Word),
            (prop_oneof![-20..20_i64, any::<i64>()], -30..30_i64).prop_map(number),
            text().prop_map(Meaning::Text),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Meaning::List),
                proptest::collection::btree_map(text(), inner, 0..5).prop_map(Meaning::Members),
            ]
        })
    }

    /// One of many spellings of a value. `choose(n)` picks one of n.
    fn spell(meaning: &Meaning, choose: &mut impl FnMut(usize) -> usize) -> String {
        let around = |text: String, choose: &mut dyn FnMut(usize) -> usize| {
            let white = ["", "", " ", "\r\n\t"];
            format!("{}{text}{}", white[choose(4)], white[choose(4)])
        };
        let text = match meaning {
            Meaning::Word(word) => (*word).to_owned(),
            Meaning::Number(digits, exponent) => number(*digits, *exponent, choose),
            Meaning::Text(text) => string(text, choose),
            Meaning::List(items) => {
                format!("[{}]", items.iter().map(|item| spell(item, choose)).collect::<Vec<_>>().join(","))
            }
            Meaning::Members(members) => {
                let mut written = Vec::new();
                for (name, value) in members {
                    let name = around(string(name, choose), choose);
                    written.push(format!("{name}:{}", spell(value, choose)));
                }
                let first = choose(written.len().max(1));
                written.rotate_left(first);
                if choose(2) == 1 {
                    written.reverse();
                }
                format!("{{{}}}", written.join(","))
            }
        };
        around(text, choose)
    }

    fn number(digits: i64, exponent: i64, choose: &mut impl FnMut(usize) -> usize) -> String {
        let zeros = choose(3);
        let mut text = format!("{}{}", digits.unsigned_abs(), "0".repeat(zeros));
        // A number has no leading zero before another digit.
        let places = if digits == 0 { text.len() - 1 } else { choose(text.len() + 1) };
        if places > 0 {
            let after = text.split_off(text.len() - places);
            text = format!("{}.{after}", if text.is_empty() { "0" } else { &text });
        }
        let exponent = exponent - zeros as i64 + places as i64;
        if exponent != 0 || choose(2) == 1 {
            text.push(['e', 'E'][choose(2)]);
            text.push_str(if exponent >= 0 { ["", "+"][choose(2)] } else { "" });
            text.push_str(&exponent.to_string());
        }
        let is_negative = digits < 0 || digits == 0 && choose(2) == 1;
        format!("{}{text}", if is_negative { "-" } else { "" })
    }

    fn string(text: &str, choose: &mut impl FnMut(usize) -> usize) -> String {
        let mut written = String::from("\"");
        for c in text.chars() {
            if choose(4) == 0 {
                let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
                written.push_str(&units);
            } else {
                let quoted = serde_json::Value::from(c.to_string()).to_string();
                written.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
        written.push('"');
        written
    }

    fn digest(meaning: &Meaning, choices: &[u8]) -> (String, Digest) {
        let mut choices = choices.iter().cycle();
        let text = spell(meaning, &mut |most| usize::from(*choices.next().unwrap()) % most);
        let digest = Digest::of(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (text, digest)
    }

    fn choices() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn order_of_members_white_space_and_spelling_do_not_count(
            meaning in meaning(),
            one in choices(),
            other in choices(),
        ) {
            let ((a, one), (b, other)) = (digest(&meaning, &one), digest(&meaning, &other));
            prop_assert_eq!(one, other, "{} {}", a, b);
        }

        #[test]
        fn another_meaning_has_another_digest(one in meaning(), other in meaning(), spelling in choices()) {
            let ((a, first), (b, second)) = (digest(&one, &spelling), digest(&other, &[0]));
            prop_assert_eq!(first == second, one == other, "{} {}", a, b);
        }
    }

    fn same(a: &str, b: &str) -> bool {
        Digest::of(a).unwrap() == Digest::of(b).unwrap()
    }

    #[test]
    fn the_order_of_members_white_space_and_escapes_do_not_count() {
        assert!(same(r#"{"a":1,"b":[true,null]}"#, "{ \"b\" : [ true , null ],\n \"a\" : 1 }"));
        assert!(same(r#"{"a":"\u0041\/"}"#, r#"{"\u0061":"A/"}"#));
        assert!(same(r#"["\u007f\u00e9 \\ \u0022"]"#, "[\"\u{7f}é \\\\ \\\"\"]"));
        assert!(same(r#"{"x":{"b":1,"a":2}}"#, r#"{"x":{"a":2,"b":1}}"#));
    }

    #[test]
    fn numbers_count_by_value() {
        for (a, b) in [("100.5", "100.50"), ("100.5", "1.005e2"), ("0", "-0.00e7"), ("10", "1E+1"), ("1e400", "10e399")]
        {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in
            [("100.5", "100.51"), ("1", "-1"), ("1", "10"), ("1", "\"1\""), ("9007199254740993", "9007199254740992")]
        {
            assert!(!same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn order_in_lists_and_structure_count() {
        assert!(!same("[1,2]", "[2,1]"));
        assert!(!same("[[1],2]", "[[1,2]]"));
        assert!(!same(r#"{"a":"b"}"#, r#"{"a":["b"]}"#));
        assert!(same("[]", " [ ] "));
    }

    #[test]
    fn refuses_what_two_parsers_could_read_differently() {
        for text in
            ["", "{", r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#""\ud800""#, "1e99999999999999999999", "NaN"]
        {
            assert!(Digest::of(text).is_err(), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(Digest::of(&deep).is_err());
    }

    #[test]
    fn the_form_never_changes_between_releases() {
        let digest = Digest::of(r#"{"amount":100.50,"transaction_id":"test-001"}"#).unwrap();
        assert_eq!(
            digest.to_string(),
            crate::hex(&Sha256::digest(r#"{"amount":1005e-1,"transaction_id":"test-001"}"#))
        );
        let digest = Digest::of(r#"{"c":[1.50,-0,"\u00e9"],"a":{"z":null,"b":-20,"y":0.010},"B":[{},[]]}"#).unwrap();
        let canonical = r#"{"B":[{},[]],"a":{"b":-2e1,"y":1e-2,"z":null},"c":[15e-1,0,"é"]}"#;
        assert_eq!(digest.to_string(), crate::hex(&Sha256::digest(canonical)));
    }
}
