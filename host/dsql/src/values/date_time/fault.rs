use crate::sql_error::SqlError;
use crate::values::kind::Kind;

/// What is wrong with a text of a date, a time or an interval.
#[derive(Debug)]
pub(crate) enum Fault {
    BadFormat,
    FieldOverflow,
    /// A month or a day out of range: perhaps the fields are in another order.
    MonthDayOverflow,
    ZoneOverflow,
    /// What the model does not read.
    Refused(SqlError),
}

impl Fault {
    pub(crate) fn refused(what: impl std::fmt::Display) -> Self {
        Self::Refused(SqlError::unsupported(what))
    }

    /// The error in PostgreSQL's words.
    pub(crate) fn error(self, text: &str, kind: Kind) -> SqlError {
        let out_of_range = || SqlError::new("22008", format!("date/time field value out of range: \"{text}\""));
        match self {
            Self::BadFormat => {
                let name = match kind {
                    Kind::Time => "time",
                    Kind::Timestamp => "timestamp",
                    kind => kind.name(),
                };
                SqlError::new("22007", format!("invalid input syntax for type {name}: \"{text}\""))
            }
            Self::FieldOverflow if kind == Kind::Interval => {
                SqlError::new("22015", format!("interval field value out of range: \"{text}\""))
            }
            Self::FieldOverflow => out_of_range(),
            Self::MonthDayOverflow => out_of_range().with_hint("Perhaps you need a different \"datestyle\" setting."),
            Self::ZoneOverflow => SqlError::new("22009", format!("time zone displacement out of range: \"{text}\"")),
            Self::Refused(error) => error,
        }
    }
}
