//! Intervals.

use std::fmt::{Display, Formatter};

use crate::sql_error::SqlError;
use crate::values::date_time::calendar::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE};
use crate::values::date_time::seconds::{round_micros, seconds_output};
use crate::values::modifier::{ANY_PRECISION, DAY, MINUTE, MONTH, Modifier, SECOND, YEAR, interval_fields};
use crate::values::value::Interval;

impl Interval {
    /// The length by which intervals are compared, in micros: a month has 30 days, a day 24 hours.
    pub(crate) fn span(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(MICROS_PER_DAY) + i128::from(self.micros)
    }

    /// The interval cut to the fields of a modifier, and its seconds rounded.
    pub(crate) fn with_modifier(mut self, modifier: Modifier) -> Result<Self, SqlError> {
        match interval_fields(modifier) {
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
