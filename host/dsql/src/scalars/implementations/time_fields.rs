//! The fields of dates, times and intervals: `extract`, `date_part` and `date_trunc`.

use crate::scalars::Call;
use crate::scalars::implementations::times::{
    MONTHS_PER_YEAR, Parts, date_at, interval_at, is_finite, midnight, time_at, timestamp_at,
};
use crate::scalars::implementations::{mismatch, text_at};
use crate::sql_error::SqlError;
use crate::values::date_time::calendar::{
    JULIAN_2000, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, days_from_date,
};
use crate::values::kind::Kind;
use crate::values::numeric::Numeric;
use crate::values::value::{Interval, Value};

/// The Julian day of 1970-01-01.
const JULIAN_1970: i64 = 2_440_588;
/// The letters of a unit that count.
const UNIT_LETTERS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Julian,
    IsoYear,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Epoch,
    Zone,
    ZoneHour,
    ZoneMinute,
    /// A word for a moment, which is no unit.
    Word,
}

fn lowered(unit: &str) -> String {
    unit.to_ascii_lowercase()
}

/// The unit of this name, with its short forms (`src/backend/utils/adt/datetime.c`).
fn unit(name: &str) -> Option<Unit> {
    let end = name.floor_char_boundary(UNIT_LETTERS);
    Some(match name.get(..end).unwrap_or(name) {
        "us" | "usec" | "usecs" | "useconds" | "microsecon" => Unit::Microsecond,
        "ms" | "msec" | "msecs" | "mseconds" | "millisecon" => Unit::Millisecond,
        "s" | "sec" | "second" | "seconds" | "secs" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hour" | "hours" | "hr" | "hrs" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "qtr" | "quarter" => Unit::Quarter,
        "y" | "year" | "years" | "yr" | "yrs" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
        "j" | "jd" | "julian" => Unit::Julian,
        "isoyear" => Unit::IsoYear,
        "dow" => Unit::DayOfWeek,
        "isodow" => Unit::IsoDayOfWeek,
        "doy" => Unit::DayOfYear,
        "epoch" => Unit::Epoch,
        "timezone" => Unit::Zone,
        "timezone_h" => Unit::ZoneHour,
        "timezone_m" => Unit::ZoneMinute,
        "infinity" | "-infinity" | "now" | "today" | "tomorrow" | "yesterday" | "allballs" => Unit::Word,
        _ => return None,
    })
}

fn refused(name: &str, kind: Kind, is_known: bool) -> SqlError {
    if is_known {
        SqlError::new("0A000", format!("unit \"{name}\" not supported for type {}", kind.name()))
    } else {
        SqlError::new("22023", format!("unit \"{name}\" not recognized for type {}", kind.name()))
    }
}

/// The ISO 8601 year and week of a day.
fn iso_week(days: i64) -> (i64, i64) {
    // 2000-01-03 was a Monday.
    let thursday = days - (days - 2).rem_euclid(7) + 3;
    let (year, _, _) = crate::values::date_time::calendar::date_from_days(thursday);
    (year, (thursday - days_from_date(year, 1, 1)) / 7 + 1)
}

/// The year as people count it: there is no year 0.
fn shown_year(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

fn decade(year: i64) -> i64 {
    if year >= 0 { year / 10 } else { -((8 - (year - 1)) / 10) }
}

fn century(year: i64) -> i64 {
    if year > 0 { (year + 99) / 100 } else { -((99 - (year - 1)) / 100) }
}

fn millennium(year: i64) -> i64 {
    if year > 0 { (year + 999) / 1000 } else { -((999 - (year - 1)) / 1000) }
}

/// A field as a number with so many digits after the point.
fn scaled(number: i128, scale: i64) -> Result<Numeric, SqlError> {
    Numeric::from_parts(number.into(), scale)
}

fn whole(number: i64) -> Result<Numeric, SqlError> {
    Ok(Numeric::from(number))
}

/// A field of a day.
fn of_day(days: i64, unit: Unit) -> Option<i64> {
    let Parts { year, month, day, .. } = day_parts(days);
    Some(match unit {
        Unit::Day => day,
        Unit::Month => month,
        Unit::Quarter => (month - 1) / 3 + 1,
        Unit::Week => iso_week(days).1,
        Unit::Year => shown_year(year),
        Unit::Decade => decade(year),
        Unit::Century => century(year),
        Unit::Millennium => millennium(year),
        Unit::Julian => days + JULIAN_2000,
        Unit::IsoYear => shown_year(iso_week(days).0),
        // 2000-01-01 was a Saturday.
        Unit::DayOfWeek => (days + 6).rem_euclid(7),
        Unit::IsoDayOfWeek => (days + 5).rem_euclid(7) + 1,
        Unit::DayOfYear => days - days_from_date(year, 1, 1) + 1,
        _ => return None,
    })
}

fn day_parts(days: i64) -> Parts {
    let (year, month, day) = crate::values::date_time::calendar::date_from_days(days);
    Parts { year, month, day, micros: 0 }
}

/// A field of a time of day.
fn of_time(micros: i64, unit: Unit) -> Option<Result<Numeric, SqlError>> {
    let within_minute = micros % MICROS_PER_MINUTE;
    Some(match unit {
        Unit::Microsecond => whole(within_minute),
        Unit::Millisecond => scaled(within_minute.into(), 3),
        Unit::Second => scaled(within_minute.into(), 6),
        Unit::Minute => whole(micros / MICROS_PER_MINUTE % 60),
        Unit::Hour => whole(micros / MICROS_PER_HOUR),
        _ => return None,
    })
}

/// The field of an infinity: none where it goes round, else infinite too.
fn of_infinity(unit: Unit, is_negative: bool, is_timestamp: bool, has_zone: bool) -> Option<Option<Numeric>> {
    match unit {
        Unit::Day
        | Unit::Month
        | Unit::Quarter
        | Unit::Week
        | Unit::DayOfWeek
        | Unit::IsoDayOfWeek
        | Unit::DayOfYear => Some(None),
        Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour if is_timestamp => Some(None),
        Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute if has_zone => Some(None),
        Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium | Unit::Julian | Unit::IsoYear | Unit::Epoch => {
            Some(Some(if is_negative { Numeric::NegativeInfinity } else { Numeric::Infinity }))
        }
        _ => None,
    }
}

fn field_of_timestamp(name: &str, timestamp: i64, kind: Kind) -> Result<Option<Numeric>, SqlError> {
    let has_zone = kind == Kind::Timestamptz;
    let unit = unit(name).ok_or_else(|| refused(name, kind, false))?;
    if !is_finite(timestamp) {
        let found = of_infinity(unit, timestamp < 0, true, has_zone);
        return found.ok_or_else(|| refused(name, kind, true));
    }
    let (days, micros) = (timestamp.div_euclid(MICROS_PER_DAY), timestamp.rem_euclid(MICROS_PER_DAY));
    match unit {
        Unit::Epoch => {
            let since = i128::from(timestamp) + i128::from(JULIAN_2000 - JULIAN_1970) * i128::from(MICROS_PER_DAY);
            if since > i128::from(i64::MAX) {
                // PostgreSQL divides here, and keeps the digits of a quotient.
                scaled(since, 0)?.div(&Numeric::from(MICROS_PER_SECOND))?.round(6)
            } else {
                scaled(since, 6)
            }
        }
        Unit::Julian => {
            let part = Numeric::from(micros).div(&Numeric::from(MICROS_PER_DAY))?;
            Numeric::from(days + JULIAN_2000).add(&part)
        }
        Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute if has_zone => whole(0),
        unit => match of_day(days, unit).map(whole).or_else(|| of_time(micros, unit)) {
            Some(field) => field,
            None => Err(refused(name, kind, true)),
        },
    }
    .map(Some)
}

fn field_of_date(name: &str, date: i32) -> Result<Option<Numeric>, SqlError> {
    let unit = unit(name).ok_or_else(|| refused(name, Kind::Date, false))?;
    if date == i32::MIN || date == i32::MAX {
        let found = of_infinity(unit, date < 0, false, false);
        return found.ok_or_else(|| refused(name, Kind::Date, true));
    }
    let days = i64::from(date);
    match unit {
        Unit::Epoch => whole((days + JULIAN_2000 - JULIAN_1970) * 86_400),
        unit => match of_day(days, unit) {
            Some(field) => whole(field),
            None => Err(refused(name, Kind::Date, true)),
        },
    }
    .map(Some)
}

fn field_of_time(name: &str, micros: i64) -> Result<Option<Numeric>, SqlError> {
    let unit = unit(name).ok_or_else(|| refused(name, Kind::Time, false))?;
    match unit {
        Unit::Epoch => scaled(micros.into(), 6),
        unit => of_time(micros, unit).unwrap_or_else(|| Err(refused(name, Kind::Time, true))),
    }
    .map(Some)
}

fn field_of_interval(name: &str, interval: Interval) -> Result<Option<Numeric>, SqlError> {
    let unit = unit(name).ok_or_else(|| refused(name, Kind::Interval, false))?;
    let (years, months) = (i64::from(interval.months) / MONTHS_PER_YEAR, i64::from(interval.months) % MONTHS_PER_YEAR);
    match unit {
        Unit::Day => whole(interval.days.into()),
        Unit::Month => whole(months),
        Unit::Quarter => whole(months / 3 + 1),
        Unit::Year => whole(years),
        Unit::Decade => whole(years / 10),
        Unit::Century => whole(years / 100),
        Unit::Millennium => whole(years / 1000),
        Unit::Epoch => {
            // A year has 365.25 days here, a month 30.
            let quarters = 1461 * i128::from(years) + 120 * i128::from(months) + 4 * i128::from(interval.days);
            scaled(quarters * i128::from(MICROS_PER_DAY / 4) + i128::from(interval.micros), 6)
        }
        unit => of_time(interval.micros, unit).unwrap_or_else(|| Err(refused(name, Kind::Interval, true))),
    }
    .map(Some)
}

fn field(values: &[Value], kind: Kind) -> Result<Option<Numeric>, SqlError> {
    let name = lowered(text_at(values, 0)?);
    match kind {
        Kind::Date => field_of_date(&name, date_at(values, 1)?),
        Kind::Time => field_of_time(&name, time_at(values, 1)?),
        Kind::Interval => field_of_interval(&name, interval_at(values, 1)?),
        kind => field_of_timestamp(&name, timestamp_at(values, 1)?, kind),
    }
}

fn extracted(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    let kind = kinds.get(1).copied().ok_or_else(mismatch)?;
    Ok(field(values, kind)?.map_or(Value::Null, Value::Numeric))
}

/// The same as a `double precision`. Of a date it is that of its midnight.
fn part(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    let kind = kinds.get(1).copied().ok_or_else(mismatch)?;
    let name = lowered(text_at(values, 0)?);
    let field = match kind {
        Kind::Date => field_of_timestamp(&name, midnight(date_at(values, 1)?)?, Kind::Timestamp)?,
        kind => field(values, kind)?,
    };
    match field {
        None => Ok(Value::Null),
        Some(Numeric::Infinity) => Ok(Value::Float8(f64::INFINITY)),
        Some(Numeric::NegativeInfinity) => Ok(Value::Float8(f64::NEG_INFINITY)),
        Some(field) => field.to_f64().map(Value::Float8),
    }
}

/// The start of the unit that a moment is in.
fn truncated(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    let kind = kinds.get(1).copied().ok_or_else(mismatch)?;
    let timestamp = timestamp_at(values, 1)?;
    let name = lowered(text_at(values, 0)?);
    let own = unit(&name);
    if !is_finite(timestamp) {
        return Ok(Value::Timestamp(timestamp));
    }
    let mut parts = Parts::of(timestamp);
    let cut = |parts: &mut Parts, unit: i64| parts.micros -= parts.micros % unit;
    let year = parts.year;
    let start = |parts: &mut Parts, year: i64| *parts = Parts { year, month: 1, day: 1, micros: 0 };
    match own.ok_or_else(|| refused(&name, kind, false))? {
        Unit::Microsecond => {}
        Unit::Millisecond => cut(&mut parts, 1000),
        Unit::Second => cut(&mut parts, MICROS_PER_SECOND),
        Unit::Minute => cut(&mut parts, MICROS_PER_MINUTE),
        Unit::Hour => cut(&mut parts, MICROS_PER_HOUR),
        Unit::Day => parts.micros = 0,
        Unit::Week => {
            let days = timestamp.div_euclid(MICROS_PER_DAY);
            parts = day_parts(days - (days - 2).rem_euclid(7));
        }
        Unit::Month => parts = Parts { day: 1, micros: 0, ..parts },
        Unit::Quarter => parts = Parts { month: (parts.month - 1) / 3 * 3 + 1, day: 1, micros: 0, ..parts },
        Unit::Year => start(&mut parts, year),
        Unit::Decade => {
            start(&mut parts, if year > 0 { year / 10 * 10 } else { -((8 - (year - 1)) / 10) * 10 });
        }
        Unit::Century => {
            start(&mut parts, if year > 0 { (year + 99) / 100 * 100 - 99 } else { century(year) * 100 + 1 });
        }
        Unit::Millennium => {
            start(&mut parts, if year > 0 { (year + 999) / 1000 * 1000 - 999 } else { millennium(year) * 1000 + 1 });
        }
        // These are not of the units that `date_trunc` looks up.
        Unit::Epoch
        | Unit::Word
        | Unit::Julian
        | Unit::IsoYear
        | Unit::DayOfWeek
        | Unit::IsoDayOfWeek
        | Unit::DayOfYear => {
            return Err(refused(&name, kind, false));
        }
        Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute => return Err(refused(&name, kind, true)),
    }
    parts.timestamp().map(Value::Timestamp)
}

fn truncated_interval(_kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    let name = lowered(text_at(values, 0)?);
    let own = interval_at(values, 1)?;
    let months = |unit: i32| Interval { months: own.months / unit * unit, days: 0, micros: 0 };
    let micros = |unit: i64| Interval { micros: own.micros / unit * unit, ..own };
    let unit = unit(&name).ok_or_else(|| refused(&name, Kind::Interval, false))?;
    Ok(Value::Interval(match unit {
        Unit::Microsecond => own,
        Unit::Millisecond => micros(1000),
        Unit::Second => micros(MICROS_PER_SECOND),
        Unit::Minute => micros(MICROS_PER_MINUTE),
        Unit::Hour => micros(MICROS_PER_HOUR),
        Unit::Day => Interval { micros: 0, ..own },
        Unit::Month => months(1),
        Unit::Quarter => months(3),
        Unit::Year => months(12),
        Unit::Decade => months(120),
        Unit::Century => months(1_200),
        Unit::Millennium => months(12_000),
        Unit::Week => {
            return Err(refused(&name, Kind::Interval, true).with_detail("Months usually have fractional weeks."));
        }
        Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute => return Err(refused(&name, Kind::Interval, true)),
        _ => return Err(refused(&name, Kind::Interval, false)),
    }))
}

/// Only of UTC, whose name in any case it may have.
fn refuse_other_zones(zone: &str) -> Result<(), SqlError> {
    let is_utc = ["utc", "gmt", "z", "etc/utc", "uct", "zulu"].contains(&zone.to_ascii_lowercase().as_str());
    if is_utc { Ok(()) } else { Err(SqlError::unsupported(format_args!("the time zone \"{zone}\""))) }
}

fn in_zone(values: &[Value]) -> Result<Value, SqlError> {
    refuse_other_zones(text_at(values, 0)?)?;
    Ok(Value::Timestamp(timestamp_at(values, 1)?))
}

fn truncated_in_zone(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    refuse_other_zones(text_at(values, 2)?)?;
    truncated(kinds, values)
}

/// Seconds since 1970 as a moment.
fn from_seconds(values: &[Value]) -> Result<Value, SqlError> {
    let seconds = crate::scalars::implementations::floats::float(values.first())?;
    if seconds.is_nan() {
        return Err(SqlError::new("22008", "timestamp cannot be NaN"));
    }
    if seconds.is_infinite() {
        return Ok(Value::Timestamp(if seconds > 0.0 { i64::MAX } else { i64::MIN }));
    }
    let range = || SqlError::new("22008", format!("timestamp out of range: \"{}\"", short(seconds)));
    let since = seconds - ((JULIAN_2000 - JULIAN_1970) * 86_400) as f64;
    let micros = (since * 1e6).round_ties_even();
    if micros.abs() >= 9.2e18 {
        return Err(range());
    }
    super::times::checked_timestamp(micros as i128).map(Value::Timestamp).map_err(|_| range())
}

/// A number as the C library's `%g` shows it.
fn short(number: f64) -> String {
    let shown = format!("{number:.5e}");
    let (digits, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

pub(super) fn find(source: &str) -> Option<Call> {
    Some(match source {
        "extract_date" | "extract_time" | "extract_timestamp" | "extract_timestamptz" | "extract_interval" => {
            Call::Kinds(extracted)
        }
        "date_part/text,date" | "time_part" | "timestamp_part" | "timestamptz_part" | "interval_part" => {
            Call::Kinds(part)
        }
        "timestamp_trunc" | "timestamptz_trunc" => Call::Kinds(truncated),
        "timestamptz_trunc_zone" => Call::Kinds(truncated_in_zone),
        "interval_trunc" => Call::Kinds(truncated_interval),
        "timestamp_zone" | "timestamptz_zone" => Call::Plain(in_zone),
        "float8_timestamptz" => Call::Plain(from_seconds),
        _ => return None,
    })
}
