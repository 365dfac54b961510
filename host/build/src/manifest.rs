//! The files written by a team: `tenet.toml` and `rule.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tenet_core::bundle::{Api, Caller};
use tenet_core::{Code, HostSettings, Limits, TableGrant, VaultGrant};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Error;
use crate::bounded::{MAX_TEXT, text_at_most};
use crate::error::Place;

/// The version of these formats.
pub(crate) const VERSION: u32 = 1;

/// `tenet.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    #[serde(rename = "version")]
    _version: u32,
    pub(crate) host: Option<Spanned<HostSettings>>,
    /// The description of the service in the OpenAPI document.
    #[serde(default)]
    pub(crate) api: Api,
    /// The upper bounds on rules' limits, by the limit's name.
    #[serde(default)]
    pub(crate) ceilings: BTreeMap<Spanned<String>, u64>,
    #[serde(default)]
    pub(crate) operations: BTreeMap<Spanned<String>, Operation>,
}

/// `[operations.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operation {
    pub(crate) rules: Spanned<Vec<Spanned<String>>>,
    pub(crate) key: Option<Spanned<Key>>,
    #[serde(default)]
    pub(crate) read_only: bool,
    pub(crate) callers: Option<Vec<Spanned<Caller>>>,
    #[serde(default)]
    pub(crate) events: Vec<Spanned<toml::Value>>,
    #[serde(default)]
    pub(crate) secret: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) shadow: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// `key = "MEMBER"`, or a table with options.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) member: String,
    /// Whether a request may omit it.
    pub(crate) optional: bool,
}

// The code that serde derives for an untagged enum loses the places of errors and their messages.
impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            member: String,
            #[serde(default)]
            optional: bool,
        }
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a member, or a table with `member` and `optional`")
            }

            fn visit_str<E: de::Error>(self, member: &str) -> Result<Key, E> {
                Ok(Key { member: member.to_owned(), optional: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Key, A::Error> {
                let Table { member, optional } = Table::deserialize(MapAccessDeserializer::new(table))?;
                Ok(Key { member, optional })
            }
        }
        deserializer.deserialize_any(Written)
    }
}

/// `rules/NAME/rule.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleManifest {
    #[serde(rename = "version")]
    _version: u32,
    /// For readers of the file and of the API's description. It is required, so that they do not
    /// have to guess.
    pub(crate) description: String,
    pub(crate) limits: Option<Spanned<Limits>>,
    /// Where a rule in Python looks for modules in addition to its own folder.
    #[serde(default)]
    pub(crate) python_path: Vec<PathBuf>,
    /// The grants that it requests.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, TableGrant>,
    #[serde(default)]
    pub(crate) sequences: BTreeSet<String>,
    #[serde(default)]
    pub(crate) events: BTreeMap<Spanned<String>, BTreeSet<String>>,
    #[serde(default)]
    pub(crate) vault: BTreeMap<String, VaultGrant>,
    #[serde(default)]
    pub(crate) operations: Scheduled,
}

/// Operations that a rule may schedule.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Scheduled {
    pub(crate) schedule: Vec<Spanned<String>>,
}

/// The text of a manifest, kept so that an error can point into it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = text_at_most(path, MAX_TEXT).map_err(Error::io("read", path))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Its content. An unknown version is refused before anything else.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        #[derive(Deserialize)]
        struct Versioned {
            version: Option<Spanned<u32>>,
        }
        let Versioned { version } = toml::from_str(&self.text).map_err(|error| self.invalid(&error))?;
        let Some(version) = version else {
            let help = format!("begin it with `version = {VERSION}`");
            return Err(self
                .error(0..0, "the file does not say which version it has")
                .coded(Code::ManifestVersion)
                .with_help(help));
        };
        if *version.get_ref() != VERSION {
            let what = format!("it has version {}, and this tenet reads version {VERSION}", version.get_ref());
            let help = format!("write `version = {VERSION}`, or use the tenet that the file is for");
            return Err(self.error(version.span(), what).coded(Code::ManifestVersion).with_help(help));
        }
        toml::from_str(&self.text).map_err(|error| self.invalid(&error))
    }

    /// An error about this part of it.
    pub(crate) fn error(&self, span: Range<usize>, what: impl Into<String>) -> Error {
        Error::new(what).coded(Code::Manifest).at(self.place(span))
    }

    /// The place of this part.
    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        Place::new(&self.path, &self.text, span)
    }

    /// The place of the name at the end of `path`: a table's key or a text in a list. If the name
    /// itself is not written, the place of its parent.
    pub(crate) fn place_of(&self, path: &[&str]) -> Place {
        let (mut span, mut at) = (0..0, None);
        if let Ok(document) = DeTable::parse(&self.text) {
            at = Some(DeValue::Table(document.into_inner()));
        }
        for name in path {
            at = match at {
                Some(DeValue::Table(table)) => {
                    table.into_iter().find(|(key, _)| key.get_ref() == name).map(|(key, value)| {
                        span = key.span();
                        value.into_inner()
                    })
                }
                Some(DeValue::Array(texts)) => {
                    let found =
                        texts.into_iter().find(|text| matches!(text.get_ref(), DeValue::String(text) if text == name));
                    span = found.map_or(span, |text| text.span());
                    None
                }
                _ => None,
            };
        }
        self.place(span)
    }

    fn invalid(&self, error: &toml::de::Error) -> Error {
        let message = error.message().trim_end();
        let invalid = self.error(error.span().unwrap_or_default(), message);
        // serde lists the expected names only in its message.
        let Some((unknown, expected)) =
            message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "))
        else {
            return invalid;
        };
        match nearest(unknown, expected.split('`').skip(1).step_by(2)) {
            Some(name) => invalid.with_help(format!("did you mean `{name}`?")),
            None => invalid,
        }
    }
}

/// The most similar name, for a suggestion.
pub(crate) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|name| (strsim::jaro(written, name), name)).filter(|(likeness, _)| *likeness > 0.7);
    near.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_it_is_written() {
        let text = "sequences = [\"q\"]\n[tables.accounts]\nselect = [\"id\", \"amout\"]\nupdate = \"*\"\n";
        let document = Document { path: PathBuf::from("rule.toml"), text: text.to_owned() };
        for (path, place) in [
            (&["tables", "accounts", "select", "amout"][..], (3, 17)),
            (&["tables", "accounts"], (2, 9)),
            (&["sequences", "q"], (1, 14)),
            (&["tables", "accounts", "update", "amout"], (4, 1)),
            (&["vault", "accounts"], (1, 1)),
        ] {
            assert_eq!(document.place_of(path).line_and_column(), place, "{path:?}");
        }
    }

    #[test]
    fn a_name_is_suggested_only_if_it_is_like_the_one_that_is_written() {
        let names = ["record-transaction", "count-transactions"];
        let nearest = |written| nearest(written, names.into_iter());
        assert_eq!(nearest("record-transactions"), Some("record-transaction"));
        assert_eq!(nearest("count-transaction"), Some("count-transactions"));
        assert_eq!(nearest("refund"), None);
    }
}
