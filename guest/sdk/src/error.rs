use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::num::TryFromIntError;

use crate::bindings::tenet::rule::types::DatabaseError;
use crate::bindings::tenet::rule::vault::VaultError;
use crate::bindings::{Rejection, Verdict};
use crate::{DecimalError, TextError};

/// The code of the rejection of a value that does not fit its column or type.
const INVALID_DATA: &str = "invalid-data";

/// What a rule returns.
///
/// ```
/// fn half(number: i64) -> tenet::Result<i64> {
///     if number % 2 != 0 {
///         tenet::reject!("odd", "{number} is odd");
///     }
///     Ok(number / 2)
/// }
/// # assert_eq!(half(4).unwrap(), 2);
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a rule has no output: a rejection, an error of the database or of the vault, or a bug.
///
/// A rejection is an ordinary answer: it is stored under the request's key and returned to the caller. The others mean
/// that the rule has a bug: the request fails, nothing is stored, and the text goes to the operator's log, not to the
/// caller. A rule that expects an error of the database inspects it and returns a rejection: after such an error the
/// transaction has failed, and only a rejection can follow.
///
/// An invalid value in the request becomes the rejection `invalid-data` if a rule passes the error on with `?`: an
/// error of the database of class 22 (a number is out of range, a text is too long), a number that does not fit a
/// [`Decimal`](crate::Decimal) or an integer type, a text that is not a date. If a text of the payload with U+0000 is
/// used as a parameter, the request is rejected with `invalid-payload` and the `path` of the text, even if the rule
/// ignores the error.
///
/// ```
/// # use tenet::params;
/// # fn insert(id: &str) -> tenet::Result<()> {
/// tenet::execute("INSERT INTO accounts (id) VALUES ($1)", params![id]).map_err(|error| {
///     if error.is_unique_violation() { tenet::reject("account-exists", "the account is already there") } else { error }
/// })?;
/// # Ok(())
/// # }
/// ```
///
/// An error can be inspected:
///
/// ```
/// # fn answer(error: tenet::Error) -> tenet::Error {
/// match (error.sqlstate(), error.constraint()) {
///     (Some("23514"), Some("balance_not_negative")) => tenet::reject("no-funds", "there is too little"),
///     _ if error.is_foreign_key_violation() => tenet::reject("no-owner", "there is no such owner")
///         .with_detail("table", error.table().unwrap_or("unknown")),
///     _ => error,
/// }
/// # }
/// ```
///
/// With `?` any other error becomes a bug, with its whole chain of causes as text. Therefore this type does not
/// implement [`std::error::Error`] itself.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    details: Vec<(String, String)>,
}

enum Kind {
    Rejection { code: String, message: String },
    Database(DatabaseError),
    Vault(VaultError),
    Bug(String),
}

/// A rejection with a code for programs (`insufficient-funds`, 1 to 128 characters) and
/// a message for people. See also [`reject!`](crate::reject!), which returns it.
///
/// ```
/// let error = tenet::reject("sold-out", "all seats are booked").with_detail("left", 0);
/// assert!(error.is_rejection());
/// assert_eq!((error.code(), error.detail("left")), (Some("sold-out"), Some("0")));
/// ```
pub fn reject(code: impl Into<String>, message: impl Into<String>) -> Error {
    Error::new(Kind::Rejection { code: code.into(), message: message.into() })
}

/// Returns from the function with a rejection: `reject!("code", "a message with {}", values)`.
///
/// ```
/// # fn check(amount: i64) -> tenet::Result<()> {
/// if amount <= 0 {
///     tenet::reject!("invalid-amount", "an amount is more than 0, and this one is {amount}");
/// }
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! reject {
    ($code:expr, $($message:tt)+) => {
        return ::core::result::Result::Err($crate::reject($code, ::std::format!($($message)+)))
    };
}

impl Error {
    fn new(kind: Kind) -> Self {
        Self(Box::new(Inner { kind, details: Vec::new() }))
    }

    /// Reports a bug of the rule, for conditions that should not occur whatever the caller sends. If the payload is
    /// invalid, use a [rejection](reject()).
    ///
    /// ```
    /// let error = tenet::Error::bug("the table of rates is empty");
    /// assert!(!error.is_rejection());
    /// ```
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug(message.into()))
    }

    pub(crate) fn database(error: DatabaseError) -> Self {
        Self::new(Kind::Database(error))
    }

    pub(crate) fn vault(error: VaultError) -> Self {
        Self::new(Kind::Vault(error))
    }

    /// Adds a detail. The details of a rejection are returned to the caller; others are logged.
    #[must_use]
    pub fn with_detail(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.0.details.push((name.into(), value.to_string()));
        self
    }

    /// Whether this is a rejection.
    ///
    /// ```
    /// assert!(tenet::reject("sold-out", "all seats are booked").is_rejection());
    /// ```
    pub fn is_rejection(&self) -> bool {
        matches!(self.0.kind, Kind::Rejection { .. })
    }

    /// The code of a rejection.
    ///
    /// ```
    /// let amount = tenet::Decimal::parse("0.001")?;
    /// assert_eq!(amount.fits(10, 2).unwrap_err().code(), Some("invalid-amount"));
    /// # Ok::<(), tenet::Error>(())
    /// ```
    pub fn code(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Rejection { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The SQLSTATE of an error of the database: `23505`.
    pub fn sqlstate(&self) -> Option<&str> {
        self.from_database().map(|error| error.sqlstate.as_str())
    }

    /// The code of an error of the vault: `elsewhere`, `not-sealed`, `not-granted`, `unusable`.
    ///
    /// ```
    /// # use tenet::vault::{Field, open_text};
    /// # fn iban(sealed: &[u8]) -> tenet::Result<String> {
    /// match open_text(Field::of("accounts", "iban").row("ann"), sealed) {
    ///     Err(error) if error.vault_code() == Some("not-sealed") => Ok("none".to_owned()),
    ///     opened => opened,
    /// }
    /// # }
    /// ```
    pub fn vault_code(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Vault(error) => Some(&error.code),
            _ => None,
        }
    }

    /// Whether the database refused a row because its key already exists (23505).
    pub fn is_unique_violation(&self) -> bool {
        self.sqlstate() == Some("23505")
    }

    /// Whether the database refused a row because it refers to a missing row, or because other rows refer to it
    /// (23503).
    pub fn is_foreign_key_violation(&self) -> bool {
        self.sqlstate() == Some("23503")
    }

    /// Whether the database refused a row because of a CHECK constraint (23514).
    ///
    /// ```
    /// # fn answer(error: tenet::Error) -> tenet::Error {
    /// if error.is_check_violation() { tenet::reject("no-funds", "there is too little") } else { error }
    /// # }
    /// ```
    pub fn is_check_violation(&self) -> bool {
        self.sqlstate() == Some("23514")
    }

    /// The violated constraint, if the database names it.
    pub fn constraint(&self) -> Option<&str> {
        self.from_database()?.constraint.as_deref()
    }

    /// The table, if the database names it.
    pub fn table(&self) -> Option<&str> {
        self.from_database()?.table.as_deref()
    }

    /// The column, if the database names it.
    ///
    /// ```
    /// # fn answer(error: tenet::Error) -> tenet::Error {
    /// match (error.sqlstate(), error.column()) {
    ///     (Some("23502"), Some(column)) => tenet::reject("incomplete", format!("{column} is missing")),
    ///     _ => error,
    /// }
    /// # }
    /// ```
    pub fn column(&self) -> Option<&str> {
        self.from_database()?.column.as_deref()
    }

    /// A detail by its name: one from [`Error::with_detail`], or one of the database, such as `detail`, `hint`,
    /// `position`, or `statement`, the number of a statement in a batch, counted from 0.
    ///
    /// ```
    /// let error = tenet::reject("no-points", "there are too few points").with_detail("missing", 3);
    /// assert_eq!(error.detail("missing"), Some("3"));
    /// ```
    pub fn detail(&self, name: &str) -> Option<&str> {
        let of_database = self.from_database().map_or(&[][..], |error| &error.details);
        let found = self.0.details.iter().chain(of_database).find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The rule's answer to the host.
    pub(crate) fn into_verdict(self) -> Result<Verdict, String> {
        match *self.0 {
            Inner { kind: Kind::Rejection { code, message }, details } => {
                Ok(Verdict::Reject(Rejection { code, message, details }))
            }
            Inner { kind: Kind::Database(error), mut details } if error.sqlstate.starts_with("22") => {
                details.push(("sqlstate".to_owned(), error.sqlstate));
                // The database's own message quotes the value.
                let message = "the database does not take a value".to_owned();
                Ok(Verdict::Reject(Rejection { code: INVALID_DATA.to_owned(), message, details }))
            }
            inner => Err(inner.to_string()),
        }
    }

    #[expect(clippy::wrong_self_convention, reason = "an error that comes from the database")]
    fn from_database(&self) -> Option<&DatabaseError> {
        match &self.0.kind {
            Kind::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        if any.is::<DecimalError>() || any.is::<TextError>() || any.is::<TryFromIntError>() {
            return reject(INVALID_DATA, error.to_string());
        }
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::bug(text)
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Rejection { code, message } => write!(f, "{code}: {message}")?,
            Kind::Bug(message) => f.write_str(message)?,
            Kind::Vault(error) => write!(f, "the vault refused: {} ({})", error.message, error.code)?,
            Kind::Database(error) => {
                // This text is logged, and messages of class 22 quote the invalid value.
                let message = if error.sqlstate.starts_with("22") { "wrong data" } else { &error.message };
                write!(f, "SQLSTATE {}: {message}", error.sqlstate)?;
                let named = [("constraint", &error.constraint), ("table", &error.table), ("column", &error.column)];
                for (name, value) in named {
                    if let Some(value) = value {
                        write!(f, " ({name} {value})")?;
                    }
                }
            }
        }
        self.details.iter().try_for_each(|(name, value)| write!(f, " ({name} {value})"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.0, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duplicate() -> Error {
        Error::database(DatabaseError {
            sqlstate: "23505".into(),
            message: "duplicate key".into(),
            constraint: Some("accounts_pkey".into()),
            table: Some("accounts".into()),
            column: None,
            details: vec![("hint".into(), "choose another".into())],
        })
    }

    #[test]
    fn a_rejection_is_an_answer_with_its_details() {
        let error = reject("no-funds", "too little").with_detail("missing", 3);
        assert!(error.is_rejection());
        let Ok(Verdict::Reject(rejection)) = error.into_verdict() else { panic!("no rejection") };
        assert_eq!((rejection.code.as_str(), rejection.message.as_str()), ("no-funds", "too little"));
        assert_eq!(rejection.details, [("missing".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn a_database_error_answers_questions_and_goes_up_as_a_bug() {
        let error = duplicate();
        assert!(error.is_unique_violation() && !error.is_check_violation() && !error.is_rejection());
        assert_eq!(error.constraint(), Some("accounts_pkey"));
        assert_eq!((error.table(), error.column()), (Some("accounts"), None));
        assert_eq!((error.detail("hint"), error.detail("detail")), (Some("choose another"), None));
        let text = error.into_verdict().unwrap_err();
        assert_eq!(text, "SQLSTATE 23505: duplicate key (constraint accounts_pkey) (table accounts)");
    }

    #[test]
    fn an_error_of_the_vault_is_told_by_its_code_and_goes_up_as_a_bug() {
        let (code, message) = ("elsewhere".to_owned(), "not for this row".to_owned());
        let error = Error::vault(VaultError { code, message, details: vec![] });
        assert!(!error.is_rejection() && error.sqlstate().is_none());
        assert_eq!(error.vault_code(), Some("elsewhere"));
        assert_eq!(error.into_verdict().unwrap_err(), "the vault refused: not for this row (elsewhere)");
    }

    #[test]
    fn a_value_that_the_database_does_not_take_is_a_rejection_that_does_not_quote_it() {
        let error = Error::database(DatabaseError {
            sqlstate: "22P02".into(),
            message: "invalid input syntax for type integer: \"4711\"".into(),
            constraint: None,
            table: None,
            column: None,
            details: vec![],
        });
        assert_eq!((error.to_string().as_str(), error.is_rejection()), ("SQLSTATE 22P02: wrong data", false));
        let Ok(Verdict::Reject(rejection)) = error.with_detail("line", 3).into_verdict() else {
            panic!("no rejection")
        };
        assert_eq!(rejection.code, "invalid-data");
        assert!(!rejection.message.contains("4711"), "{}", rejection.message);
        let details = [("line", "3"), ("sqlstate", "22P02")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(rejection.details, details);
    }

    #[test]
    fn a_number_or_a_text_that_does_not_fit_is_a_rejection() {
        fn number() -> Result<i32> {
            Ok(i32::try_from(1_i64 << 31)?)
        }
        fn decimal() -> Result<crate::Decimal> {
            let long: crate::Decimal = "9".repeat(1_000).parse()?;
            Ok(long.try_add(&long)?)
        }
        fn date() -> Result<crate::Date> {
            Ok("2026-02-30".parse()?)
        }
        for error in [number().unwrap_err(), decimal().unwrap_err(), date().unwrap_err()] {
            assert_eq!(error.code(), Some("invalid-data"), "{error}");
        }
    }

    #[test]
    fn any_other_error_becomes_a_bug_with_its_causes_once() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no number")
            }
        }
        impl StdError for Outer {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.0)
            }
        }
        fn fails() -> Result<i32> {
            Ok("x".parse::<i32>().map_err(Outer)?)
        }
        let error = fails().unwrap_err();
        assert_eq!(error.sqlstate(), None);
        assert_eq!(error.into_verdict().unwrap_err(), "no number: invalid digit found in string");
    }

    #[test]
    fn the_macro_returns_a_rejection() {
        fn check(amount: i64) -> Result<i64> {
            if amount < 0 {
                reject!("negative", "{amount} is below {}", 0);
            }
            Ok(amount)
        }
        assert_eq!(check(1).unwrap(), 1);
        assert_eq!(check(-1).unwrap_err().to_string(), "negative: -1 is below 0");
    }
}
