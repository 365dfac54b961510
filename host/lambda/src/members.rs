use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The members of a JSON object that are not null, each with its text as written.
///
/// Emulators and proxies deviate from AWS's documentation of the events: they send null for absent
/// members, strings for numbers, or an empty list for an absent one. An event is read member by
/// member, so that a deviation in a member that the function does not need does no harm.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    /// Those of a JSON text, if it is an object.
    pub(crate) fn of(object: &'a str) -> Option<Self> {
        let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(object).ok()?;
        members.retain(|_, value| value.get() != "null");
        Some(Self(members))
    }

    /// Whether there is such a member.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Their names in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Each with its JSON text, in alphabetical order of their names.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }

    /// A member's JSON text.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|value| value.get())
    }

    /// A member that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// The members of a member; none if it is not an object.
    pub(crate) fn within(&self, name: &str) -> Self {
        self.get(name).and_then(Self::of).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_as_if_it_were_not_there_and_only_a_string_is_a_text() {
        let members = Members::of(r#"{"b":null,"a":"x","n":7,"o":{"c":null,"d":"y"},"l":[]}"#).unwrap();
        assert_eq!(members.names().collect::<Vec<_>>(), ["a", "l", "n", "o"]);
        assert_eq!((members.text("a").as_deref(), members.text("n"), members.text("b")), (Some("x"), None, None));
        assert_eq!(members.within("o").each().collect::<Vec<_>>(), [("d", "\"y\"")]);
        assert!(["n", "l", "b"].iter().all(|name| members.within(name).names().next().is_none()));
        assert!(Members::of("[]").is_none() && Members::of("null").is_none());
    }
}
