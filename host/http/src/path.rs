use std::borrow::Cow;

use crate::api;

/// The decoded path of a request. It is not a URI: `#` and `?` are ordinary characters.
///
/// API Gateway's HTTP APIs pass a path decoded; function URLs and sockets pass it as sent. So that
/// a request has the same path on every transport, it is decoded once, as a whole. If that fails,
/// because of an invalid escape or invalid UTF-8, it is kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// The path with this text, percent-encoded or not.
    pub fn of(text: &str) -> Self {
        Self(decoded(text).unwrap_or(Cow::Borrowed(text)).into_owned())
    }

    /// The path without the name of API Gateway's stage, which precedes it unless the API has a
    /// custom domain. The name is removed only if the rest is a path of the interface: a stage may
    /// be called `operations` too.
    #[must_use]
    pub fn below(self, stage: &str) -> Self {
        let below = self.0.strip_prefix('/').and_then(|rest| rest.strip_prefix(stage));
        match below.filter(|below| api::is_path(below)) {
            Some(below) => Self(below.to_owned()),
            None => self,
        }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let [high, low, after @ ..] = after else { return None };
        bytes.push(digit(*high)? << 4 | digit(*low)?);
        rest = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_once_and_nothing_in_it_begins_a_query() {
        for (text, path) in [
            ("/operations/write", "/operations/write"),
            ("/operations/ask%2Dread", "/operations/ask-read"),
            ("/operations/ask%2dread", "/operations/ask-read"),
            ("/operations/typed%23x", "/operations/typed#x"),
            ("/operations/typed?x", "/operations/typed?x"),
            ("/operations/a%252Db", "/operations/a%2Db"),
            ("/caf%C3%A9", "/café"),
            ("/100%", "/100%"),
            ("/%zz", "/%zz"),
            ("/%+1", "/%+1"),
            ("/%FF", "/%FF"),
        ] {
            assert_eq!(Path::of(text).as_str(), path, "{text}");
        }
    }

    #[test]
    fn the_name_of_a_stage_is_not_part_of_the_path() {
        for (stage, path, below) in [
            ("prod", "/prod/operations/write", "/operations/write"),
            ("prod", "/prod/health", "/health"),
            ("prod", "/prod/operations", "/operations"),
            ("prod", "/operations/write", "/operations/write"),
            ("prod", "/production/operations/write", "/production/operations/write"),
            ("prod", "/prod/nothing", "/prod/nothing"),
            ("operations", "/operations/operations/write", "/operations/write"),
            ("operations", "/operations/write", "/operations/write"),
            ("operations", "/operations/health", "/health"),
            ("health", "/health", "/health"),
            ("", "/operations/write", "/operations/write"),
        ] {
            assert_eq!(Path::of(path).below(stage).as_str(), below, "{stage} {path}");
        }
    }
}
