//! Intervals.

use std::fmt::{Display, Formatter};

use crate::sql_error::SqlError;
use crate::values::date_time::calendar::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE};
use crate::values::date_time::{round_micros, seconds_output};
use crate::values::kind::Modifier;
use crate::values::value::Interval;

/// The fields of a modifier (`src/include/utils/datetime.h`).
pub(super) const MONTH: i32 = 1 << 1;
pub(super) const YEAR: i32 = 1 << 2;
pub(super) const DAY: i32 = 1 << 3;
pub(super) const HOUR: i32 = 1 << 10;
pub(super) const MINUTE: i32 = 1 << 11;
pub(super) const SECOND: i32 = 1 << 12;
const ALL_FIELDS: i32 = 0x7fff;
const ANY_PRECISION: i32 = 0xffff;

/// The sets of fields that a modifier may have, with their names.
const FIELD_SETS: [(i32, &str); 13] = [
    (YEAR, " year"),
    (MONTH, " month"),
    (YEAR | MONTH, " year to month"),
    (DAY, " day"),
    (HOUR, " hour"),
    (MINUTE, " minute"),
    (SECOND, " second"),
    (DAY | HOUR, " day to hour"),
    (DAY | HOUR | MINUTE, " day to minute"),
    (DAY | HOUR | MINUTE | SECOND, " day to second"),
    (HOUR | MINUTE, " hour to minute"),
    (HOUR | MINUTE | SECOND, " hour to second"),
    (MINUTE | SECOND, " minute to second"),
];

/// The fields of a modifier; `None` for all.
pub(super) fn fields(modifier: Modifier) -> Option<i32> {
    Some(modifier >> 16 & ALL_FIELDS).filter(|fields| modifier >= 0 && *fields != ALL_FIELDS)
}

/// The modifier as `format_type` shows it.
pub(crate) fn modifier_text(modifier: Modifier) -> String {
    let set = fields(modifier).and_then(|fields| FIELD_SETS.iter().find(|(set, _)| *set == fields));
    let name = set.map_or("", |(_, name)| name);
    match modifier & ANY_PRECISION {
        ANY_PRECISION => name.to_owned(),
        precision => format!("{name}({precision})"),
    }
}

impl Interval {
    /// The length by which intervals are compared, in micros: a month has 30 days, a day 24 hours.
    pub(crate) fn span(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(MICROS_PER_DAY) + i128::from(self.micros)
    }

    /// The interval cut to the fields of a modifier, and its seconds rounded.
    pub(super) fn with_modifier(mut self, modifier: Modifier) -> Result<Self, SqlError> {
        match fields(modifier) {
            None => {}
            Some(YEAR) => {
                self = Self { months: self.months / 12 * 12, ..Self::default() };
            }
            Some(set) if set & !(YEAR | MONTH) == 0 => self = Self { months: self.months, ..Self::default() },
            Some(DAY) => self.micros = 0,
            Some(set) if set & SECOND != 0 => {}
            Some(set) if set & MINUTE != 0 => self.micros = self.micros / MICROS_PER_MINUTE * MICROS_PER_MINUTE,
            Some(_) => self.micros = self.micros / MICROS_PER_HOUR * MICROS_PER_HOUR,
        }
        match modifier & ANY_PRECISION {
            ANY_PRECISION => {}
            precision => {
                // PostgreSQL does not look whether this overflows.
                if self.micros.unsigned_abs() > i64::MAX.unsigned_abs() - 1_000_000 {
                    return Err(SqlError::unsupported("the rounding of an interval of so many hours"));
                }
                self.micros = round_micros(self.micros, precision);
            }
        }
        Ok(self)
    }
}

/// With `IntervalStyle` postgres.
impl Display for Interval {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let parts = [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")];
        let mut is_first = true;
        // What follows something negative shows its sign.
        let mut is_behind_negative = false;
        for (number, unit) in parts {
            if number == 0 {
                continue;
            }
            let blank = if is_first { "" } else { " " };
            let sign = if is_behind_negative && number > 0 { "+" } else { "" };
            let plural = if number == 1 { "" } else { "s" };
            write!(formatter, "{blank}{sign}{number} {unit}{plural}")?;
            is_behind_negative = number < 0;
            is_first = false;
        }
        if !is_first && self.micros == 0 {
            return Ok(());
        }
        let blank = if is_first { "" } else { " " };
        let sign = match self.micros {
            ..0 => "-",
            _ if is_behind_negative => "+",
            _ => "",
        };
        // The least number has no positive one of 64 bits.
        let micros = self.micros.unsigned_abs();
        let hours = micros / MICROS_PER_HOUR.unsigned_abs();
        let rest = i64::try_from(micros % MICROS_PER_HOUR.unsigned_abs()).unwrap_or_default();
        let (minutes, rest) = (rest / MICROS_PER_MINUTE, rest % MICROS_PER_MINUTE);
        write!(formatter, "{blank}{sign}{hours:02}:{minutes:02}:{}", seconds_output(rest))
    }
}
