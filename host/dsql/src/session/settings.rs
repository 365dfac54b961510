//! The parameters of a session.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlparser::ast::{Expr, Value as Literal};

use crate::session::refusal::unsupported;
use crate::sql_error::SqlError;

/// Parameters that may be set, in addition to those that begin with `enable_`: the name as SHOW heads its
/// column, and the value at the start of a session.
const SETTABLE: [(&str, &str); 10] = [
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("disable_sync_create_index", "on"),
    ("dsql.enable_batched_nestloop", "off"),
    ("extra_float_digits", "1"),
    ("IntervalStyle", "postgres"),
    ("role", "none"),
    ("search_path", "\"$user\", public"),
    ("TimeZone", "UTC"),
];

/// Parameters that can be shown only.
const FIXED: [(&str, &str); 11] = [
    ("default_transaction_read_only", "off"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("is_superuser", "off"),
    ("max_connections", "20"),
    ("max_identifier_length", "63"),
    ("server_encoding", "UTF8"),
    ("server_version", "16.15"),
    ("server_version_num", "160015"),
    ("standard_conforming_strings", "on"),
    ("transaction_isolation", "repeatable read"),
];

/// What the server tells the client of by itself.
const REPORTED: [&str; 12] = [
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "standard_conforming_strings",
    "TimeZone",
];

/// The values of a session's parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings(BTreeMap<String, String>);

impl Settings {
    /// The name as it is shown, of a parameter that may be set.
    fn settable(name: &str) -> Result<String, SqlError> {
        let lower = name.to_ascii_lowercase();
        let known = SETTABLE.iter().find(|(settable, _)| settable.eq_ignore_ascii_case(&lower));
        match known {
            Some((settable, _)) => Ok((*settable).to_owned()),
            None if lower.starts_with("enable_") => Ok(lower),
            None => Err(unsupported(format!("setting configuration parameter \"{name}\" not supported"))),
        }
    }

    /// Sets a parameter. What the model's formats do not follow is refused.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        let name = Self::settable(name)?;
        let value = match name.as_str() {
            "application_name" | "search_path" | "role" => value.to_owned(),
            "client_encoding" if is_any(value, &["utf8", "utf-8", "unicode"]) => "UTF8".to_owned(),
            "DateStyle" if value.to_ascii_lowercase().starts_with("iso") => "ISO, MDY".to_owned(),
            "IntervalStyle" if is_any(value, &["postgres"]) => "postgres".to_owned(),
            "TimeZone" if is_any(value, &["utc", "gmt", "0", "etc/utc", "z"]) => "UTC".to_owned(),
            "extra_float_digits" if is_any(value, &["1", "2", "3"]) => value.to_owned(),
            "client_encoding" | "DateStyle" | "IntervalStyle" | "TimeZone" | "extra_float_digits" => {
                return Err(SqlError::unsupported(format!("the value \"{value}\" of the parameter \"{name}\"")));
            }
            _ => switch(&name, value)?.to_owned(),
        };
        self.0.insert(name, value);
        Ok(())
    }

    /// Gives a parameter its first value again.
    pub(crate) fn reset(&mut self, name: &str) -> Result<(), SqlError> {
        let name = Self::settable(name)?;
        self.0.remove(&name);
        Ok(())
    }

    pub(crate) fn reset_all(&mut self) {
        self.0.clear();
    }

    /// The name of a parameter as it is shown, and its value.
    pub(crate) fn show(&self, name: &str) -> Result<(String, String), SqlError> {
        let shown = |(known, value): &(&str, &str)| {
            let value = self.0.get(*known).map_or(*value, String::as_str);
            known.eq_ignore_ascii_case(name).then(|| ((*known).to_owned(), value.to_owned()))
        };
        if let Some(shown) = SETTABLE.iter().chain(&FIXED).find_map(shown) {
            return Ok(shown);
        }
        let lower = name.to_ascii_lowercase();
        match self.0.get(&lower) {
            Some(value) => Ok((lower, value.clone())),
            None => Err(SqlError::new("42704", format!("unrecognized configuration parameter \"{name}\""))),
        }
    }

    /// The parameters that are sent to the client at the start of its session.
    pub(crate) fn reported(&self) -> impl Iterator<Item = (String, String)> {
        REPORTED.iter().filter_map(|name| self.show(name).ok())
    }

    /// The schemas in which names are looked for.
    pub(crate) fn search_path(&self, user: &str) -> Arc<[String]> {
        let path = self.0.get("search_path").map_or("\"$user\", public", String::as_str);
        let name = |part: &str| match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
            Some("$user") => user.to_owned(),
            Some(quoted) => quoted.replace("\"\"", "\""),
            None if part == "$user" => user.to_owned(),
            None => part.to_lowercase(),
        };
        path.split(',').map(str::trim).filter(|part| !part.is_empty()).map(name).collect()
    }

    /// The role whose rights count.
    pub(crate) fn role(&self) -> Option<&str> {
        self.0.get("role").map(String::as_str).filter(|role| *role != "none")
    }
}

/// The text that the values of SET make. In a list of names, a string is one name.
pub(crate) fn text_of(values: &[Expr], are_names: bool) -> Result<String, SqlError> {
    let text = |value: &Expr| match value {
        Expr::Identifier(name) if name.quote_style.is_some() => Ok(format!("\"{}\"", name.value.replace('"', "\"\""))),
        Expr::Identifier(name) => Ok(name.value.clone()),
        Expr::Value(value) => match &value.value {
            Literal::SingleQuotedString(text) if are_names => Ok(format!("\"{}\"", text.replace('"', "\"\""))),
            Literal::SingleQuotedString(text) => Ok(text.clone()),
            Literal::Number(..) | Literal::Boolean(_) => Ok(value.value.to_string()),
            other => Err(SqlError::unsupported(format!("the value {other} of a parameter"))),
        },
        other => Err(SqlError::unsupported(format!("the value {other} of a parameter"))),
    };
    Ok(values.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(", "))
}

fn is_any(value: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(value))
}

fn switch(name: &str, value: &str) -> Result<&'static str, SqlError> {
    if is_any(value, &["on", "true", "yes", "1", "t", "y"]) {
        Ok("on")
    } else if is_any(value, &["off", "false", "no", "0", "f", "n"]) {
        Ok("off")
    } else {
        Err(SqlError::new("22023", format!("parameter \"{name}\" requires a Boolean value")))
    }
}
