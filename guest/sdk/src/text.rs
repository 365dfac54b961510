use std::fmt;

/// Why a text could not be parsed as a date, a UUID and so on. With `?` it becomes the rejection `invalid-data`.
///
/// ```
/// use tenet::{Date, TextError};
///
/// let wrong: TextError = "2026-02-30".parse::<Date>().unwrap_err();
/// assert_eq!(wrong.to_string(), "expected a date: 2026-01-31");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    what: &'static str,
}

impl TextError {
    pub(crate) const fn because(what: &'static str) -> Self {
        Self { what }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for TextError {}
