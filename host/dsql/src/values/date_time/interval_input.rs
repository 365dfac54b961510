//! Intervals in text.

use crate::values::date_time::INTERVAL_BUFFER;
use crate::values::date_time::calendar::{
    MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, micros_of_day,
};
use crate::values::date_time::decode::parse_time;
use crate::values::date_time::fault::Fault;
use crate::values::date_time::fields::{self, Field, FieldKind};
use crate::values::date_time::number::{fraction, integer, small_integer, truncated};
use crate::values::date_time::words::{self, IntervalWord, Unit};
use crate::values::float8;
use crate::values::kind::Modifier;
use crate::values::modifier::{DAY, HOUR, MINUTE, MONTH, SECOND, YEAR, interval_fields};
use crate::values::value::Interval;

/// Numbers of the ISO form beyond this are out of range.
const MAX_ISO_NUMBER: f64 = 1e15;

/// Reads an interval; its modifier says what a number without a unit is.
pub(crate) fn parse(text: &str, modifier: Modifier) -> Result<Interval, Fault> {
    let parsed = fields::split(text, INTERVAL_BUFFER).and_then(|fields| decode(&fields, interval_fields(modifier)));
    let sum = match parsed {
        Err(Fault::BadFormat) => iso(text)?,
        parsed => parsed?,
    };
    sum.interval()
}

/// The parts that were found, one bit for each unit.
fn bit(unit: Unit) -> u32 {
    1 << unit as u32
}

fn all_seconds() -> u32 {
    bit(Unit::Second) | bit(Unit::Millisecond) | bit(Unit::Microsecond)
}

fn all_of_time() -> u32 {
    all_seconds() | bit(Unit::Minute) | bit(Unit::Hour)
}

/// What a number is that comes next, from the right.
enum Next {
    /// Nothing was said yet: the last field of the type.
    LastUnit,
    Unit(Unit),
    /// It may be none.
    NoNumber,
}

/// Reads the fields from right to left: a unit stands behind its number.
fn decode(fields: &[Field], set: Option<i32>) -> Result<Sum, Fault> {
    let mut sum = Sum::default();
    let mut found = 0;
    let mut unit = Next::LastUnit;
    let mut is_ago = false;
    // Whether a unit waits for its number.
    let mut is_waiting = false;
    let mut is_lenient = false;
    for (at, field) in fields.iter().enumerate().rev() {
        let text = field.text.as_str();
        let parts = match field.kind {
            FieldKind::Word | FieldKind::SignedWord => {
                match words::interval_word(text).ok_or(Fault::BadFormat)? {
                    IntervalWord::Ago => {
                        is_lenient |= at + 1 != fields.len();
                        is_ago = true;
                        unit = Next::NoNumber;
                    }
                    IntervalWord::Unit(found) => {
                        is_lenient |= is_waiting;
                        is_waiting = true;
                        unit = Next::Unit(found);
                    }
                    IntervalWord::OtherUnit => return Err(Fault::refused(format!("\"{text}\" in an interval"))),
                }
                0
            }
            FieldKind::Time => {
                is_lenient |= is_waiting;
                sum.micros = time(text, set)?;
                unit = Next::Unit(Unit::Day);
                all_of_time()
            }
            FieldKind::Zone if text.contains(':') && time(text.get(1..).unwrap_or_default(), set).is_ok() => {
                is_lenient |= is_waiting;
                let micros = time(text.get(1..).unwrap_or_default(), set)?;
                sum.micros = if text.starts_with('-') { -micros } else { micros };
                unit = Next::Unit(Unit::Day);
                all_of_time()
            }
            FieldKind::Zone | FieldKind::Date | FieldKind::Number => {
                is_waiting = false;
                let of_number = match unit {
                    Next::LastUnit => last_unit(set),
                    Next::Unit(unit) => unit,
                    Next::NoNumber => return Err(Fault::BadFormat),
                };
                let (number, of_fraction, of_number) = quantity(text, of_number)?;
                // Days stand before hours.
                unit = Next::Unit(if of_number == Unit::Hour { Unit::Day } else { of_number });
                sum.add(number, of_fraction, of_number)?;
                if of_number == Unit::Second && of_fraction != 0.0 { all_seconds() } else { bit(of_number) }
            }
        };
        if found & parts != 0 {
            return Err(Fault::BadFormat);
        }
        found |= parts;
    }
    if found == 0 {
        return Err(Fault::BadFormat);
    }
    if is_lenient || is_waiting {
        // PostgreSQL 15 overlooks it, 16 does not.
        return Err(Fault::refused("a unit without its number, or \"ago\" before the end of an interval,"));
    }
    if is_ago { sum.negated() } else { Ok(sum) }
}

/// The unit of a number that has none: the last field of the type.
fn last_unit(set: Option<i32>) -> Unit {
    match set {
        None => Unit::Second,
        Some(set) if set & SECOND != 0 => Unit::Second,
        Some(set) if set & MINUTE != 0 => Unit::Minute,
        Some(set) if set & HOUR != 0 => Unit::Hour,
        Some(set) if set & DAY != 0 => Unit::Day,
        Some(set) if set & MONTH != 0 => Unit::Month,
        Some(set) if set & YEAR != 0 => Unit::Year,
        Some(_) => Unit::Second,
    }
}

fn time(text: &str, set: Option<i32>) -> Result<i64, Fault> {
    let time = parse_time(text, set == Some(MINUTE | SECOND))?;
    let hours = time.hour.checked_mul(MICROS_PER_HOUR).ok_or(Fault::FieldOverflow)?;
    let rest = micros_of_day(0, time.minute, time.second, time.micros);
    hours.checked_add(rest).ok_or(Fault::FieldOverflow)
}

/// The whole number of a field, its fraction, and its unit, which is another one in `years-months`.
fn quantity(text: &str, unit: Unit) -> Result<(i64, f64, Unit), Fault> {
    let is_negative = text.starts_with('-');
    let (number, rest) = integer(text)?;
    if let Some(months) = rest.strip_prefix('-') {
        let (months, rest) = small_integer(months)?;
        if !(0..12).contains(&months) {
            return Err(Fault::FieldOverflow);
        }
        if !rest.is_empty() {
            return Err(Fault::BadFormat);
        }
        let months = if is_negative { -months } else { months };
        let total = number.checked_mul(12).and_then(|years| years.checked_add(months));
        return Ok((total.ok_or(Fault::FieldOverflow)?, 0.0, Unit::Month));
    }
    let of_fraction = if rest.is_empty() { 0.0 } else { fraction(rest)? };
    Ok((number, if is_negative { -of_fraction } else { of_fraction }, unit))
}

/// The form of ISO 8601 with designators: `P1Y2M3DT4H5M6.7S`.
fn iso(text: &str) -> Result<Sum, Fault> {
    let mut rest = text.strip_prefix('P').filter(|rest| !rest.is_empty()).ok_or(Fault::BadFormat)?;
    let mut sum = Sum::default();
    let mut is_date = true;
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix('T') {
            is_date = false;
            rest = behind;
            continue;
        }
        let (number, of_fraction, behind) = iso_number(rest)?;
        let designator = behind.chars().next();
        let unit = match (is_date, designator) {
            (true, Some('Y')) => Unit::Year,
            (true, Some('M')) => Unit::Month,
            (true, Some('W')) => Unit::Week,
            (true, Some('D')) => Unit::Day,
            (false, Some('H')) => Unit::Hour,
            (false, Some('M')) => Unit::Minute,
            (false, Some('S')) => Unit::Second,
            (true, Some('T' | '-') | None) | (false, Some(':') | None) => {
                return Err(Fault::refused("the alternative format of ISO 8601 for intervals"));
            }
            _ => return Err(Fault::BadFormat),
        };
        sum.add(number, of_fraction, unit)?;
        rest = behind.get(1..).unwrap_or_default();
    }
    Ok(sum)
}

/// The number that a text starts with, cut to an integer and its fraction, and what is behind it.
fn iso_number(text: &str) -> Result<(i64, f64, &str), Fault> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '.')) {
        return Err(Fault::BadFormat);
    }
    let length = float8::prefix_length(text).ok_or(Fault::BadFormat)?;
    let (digits, rest) = text.split_at_checked(length).ok_or(Fault::BadFormat)?;
    if digits == "0" && rest.starts_with(['x', 'X']) {
        return Err(Fault::refused("a hexadecimal number in an interval"));
    }
    let number: f64 = digits.parse().map_err(|_| Fault::BadFormat)?;
    if number.is_subnormal() {
        return Err(Fault::refused("so small a number in an interval"));
    }
    // The C library reports what it rounds to infinity or to zero.
    let is_zero = !digits.split(['e', 'E']).next().unwrap_or_default().contains(|digit| ('1'..='9').contains(&digit));
    if number.is_infinite() || (number == 0.0 && !is_zero) {
        return Err(Fault::BadFormat);
    }
    if !(-MAX_ISO_NUMBER..=MAX_ISO_NUMBER).contains(&number) {
        return Err(Fault::FieldOverflow);
    }
    Ok((truncated(number), number - number.trunc(), rest))
}

/// The sum of the parts, each of which must stay within its type.
#[derive(Default)]
struct Sum {
    years: i32,
    months: i32,
    days: i32,
    micros: i64,
}

impl Sum {
    fn add(&mut self, number: i64, of_fraction: f64, unit: Unit) -> Result<(), Fault> {
        match unit {
            Unit::Microsecond => self.add_micros(number, of_fraction, 1),
            Unit::Millisecond => self.add_micros(number, of_fraction, 1_000),
            Unit::Second => self.add_micros(number, of_fraction, MICROS_PER_SECOND),
            Unit::Minute => self.add_micros(number, of_fraction, MICROS_PER_MINUTE),
            Unit::Hour => self.add_micros(number, of_fraction, MICROS_PER_HOUR),
            Unit::Day => {
                add_to(&mut self.days, number, 1)?;
                self.add_fraction(of_fraction, MICROS_PER_DAY)
            }
            Unit::Week => {
                add_to(&mut self.days, number, 7)?;
                self.add_fraction_of_days(of_fraction, 7.0)
            }
            Unit::Month => {
                add_to(&mut self.months, number, 1)?;
                self.add_fraction_of_days(of_fraction, 30.0)
            }
            Unit::Year => self.add_years(number, of_fraction, 1),
            Unit::Decade => self.add_years(number, of_fraction, 10),
            Unit::Century => self.add_years(number, of_fraction, 100),
            Unit::Millennium => self.add_years(number, of_fraction, 1_000),
        }
    }

    fn add_micros(&mut self, number: i64, of_fraction: f64, scale: i64) -> Result<(), Fault> {
        let micros = number.checked_mul(scale).and_then(|micros| self.micros.checked_add(micros));
        self.micros = micros.ok_or(Fault::FieldOverflow)?;
        self.add_fraction(of_fraction, scale)
    }

    fn add_fraction(&mut self, of_fraction: f64, scale: i64) -> Result<(), Fault> {
        #[expect(clippy::cast_precision_loss, reason = "the micros of a day at the most")]
        let scaled = of_fraction * scale as f64;
        let whole = scaled.trunc();
        let rest = scaled - whole;
        let rounding = i64::from(rest > 0.5) - i64::from(rest < -0.5);
        let micros = self.micros.checked_add(truncated(whole) + rounding);
        self.micros = micros.ok_or(Fault::FieldOverflow)?;
        Ok(())
    }

    fn add_fraction_of_days(&mut self, of_fraction: f64, scale: f64) -> Result<(), Fault> {
        let scaled = of_fraction * scale;
        add_to(&mut self.days, truncated(scaled), 1)?;
        self.add_fraction(scaled - scaled.trunc(), MICROS_PER_DAY)
    }

    fn add_years(&mut self, number: i64, of_fraction: f64, scale: i32) -> Result<(), Fault> {
        add_to(&mut self.years, number, scale)?;
        let months = (of_fraction * f64::from(scale) * 12.0).round_ties_even();
        add_to(&mut self.months, truncated(months), 1)
    }

    fn negated(self) -> Result<Self, Fault> {
        let small = |number: i32| number.checked_neg().ok_or(Fault::FieldOverflow);
        let micros = self.micros.checked_neg().ok_or(Fault::FieldOverflow)?;
        Ok(Self { years: small(self.years)?, months: small(self.months)?, days: small(self.days)?, micros })
    }

    fn interval(&self) -> Result<Interval, Fault> {
        let months = i32::try_from(i64::from(self.years) * 12 + i64::from(self.months));
        let out_of_range = || crate::sql_error::SqlError::new("22008", "interval out of range");
        let months = months.map_err(|_| Fault::Refused(out_of_range()))?;
        Ok(Interval { months, days: self.days, micros: self.micros })
    }
}

fn add_to(sum: &mut i32, number: i64, scale: i32) -> Result<(), Fault> {
    let added = i32::try_from(number).ok().and_then(|number| number.checked_mul(scale));
    *sum = added.and_then(|added| sum.checked_add(added)).ok_or(Fault::FieldOverflow)?;
    Ok(())
}
