//! Dates, times of day, moments and intervals.
//!
//! Texts are read as with `DateStyle` `ISO, MDY`, the default of PostgreSQL, in the time zone UTC.
//! Zones are offsets or a name of UTC; other names, and words that want a clock (`now`, `today`), are
//! refused.

pub(crate) mod calendar;
mod decode;
mod fault;
mod fields;
pub(crate) mod interval;
mod interval_input;
mod number;
mod seconds;
mod words;

use crate::sql_error::SqlError;
use crate::values::date_time::calendar::{
    END_OF_DATE, END_OF_TIMESTAMP, FIRST_DAY, FIRST_TIMESTAMP, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE,
    MICROS_PER_SECOND, date_from_days, days_from_date,
};
use crate::values::date_time::decode::{Decoded, Moment};
use crate::values::date_time::fault::Fault;
use crate::values::date_time::seconds::{round_micros, seconds_output};
use crate::values::kind::{Kind, Modifier};
use crate::values::value::Value;

/// Text that PostgreSQL reads into a buffer of this size at the most.
const DATE_BUFFER: usize = 129;
const TIMESTAMP_BUFFER: usize = 153;
const INTERVAL_BUFFER: usize = 256;

/// Reads a value of a type of this room.
pub(crate) fn input(text: &str, kind: Kind, modifier: Modifier) -> Result<Value, SqlError> {
    let report = |fault: Fault| fault.error(text, kind);
    let value = match kind {
        Kind::Interval => Value::Interval(interval_input::parse(text, modifier).map_err(report)?),
        Kind::Time => Value::Time(time_input(text).map_err(report)?),
        Kind::Date => Value::Date(date_input(text).map_err(report)??),
        _ => Value::Timestamp(timestamp_input(text, kind).map_err(report)??),
    };
    with_modifier(value, modifier)
}

fn time_input(text: &str) -> Result<i64, Fault> {
    let fields = fields::split(text, DATE_BUFFER)?;
    decode::time_only(&fields)
}

fn date_input(text: &str) -> Result<Result<i32, SqlError>, Fault> {
    let fields = fields::split(text, DATE_BUFFER)?;
    Ok(Ok(match decode::date_time(&fields)? {
        Decoded::Infinity => i32::MAX,
        Decoded::NegativeInfinity => i32::MIN,
        Decoded::Epoch => day(1970, 1, 1).unwrap_or_default(),
        Decoded::Moment(Moment { year, month, day: of_month, .. }) => match day(year, month, of_month) {
            Some(days) => days,
            None => return Ok(Err(SqlError::new("22008", format!("date out of range: \"{text}\"")))),
        },
    }))
}

fn timestamp_input(text: &str, kind: Kind) -> Result<Result<i64, SqlError>, Fault> {
    let fields = fields::split(text, TIMESTAMP_BUFFER)?;
    Ok(Ok(match decode::date_time(&fields)? {
        Decoded::Infinity => i64::MAX,
        Decoded::NegativeInfinity => i64::MIN,
        Decoded::Epoch => days_from_date(1970, 1, 1) * MICROS_PER_DAY,
        Decoded::Moment(moment) => {
            let zone = if kind == Kind::Timestamptz { moment.zone } else { 0 };
            match timestamp(&moment, zone) {
                Some(micros) => micros,
                None => return Ok(Err(SqlError::new("22008", format!("timestamp out of range: \"{text}\"")))),
            }
        }
    }))
}

/// The day of a date, where `date` has it.
fn day(year: i64, month: i64, of_month: i64) -> Option<i32> {
    let days = days_from_date(year, month, of_month);
    if (FIRST_DAY..END_OF_DATE).contains(&days) { i32::try_from(days).ok() } else { None }
}

/// The micros of a moment that is `zone` seconds east of UTC, where `timestamp` has it.
fn timestamp(moment: &Moment, zone: i64) -> Option<i64> {
    let days = days_from_date(moment.year, moment.month, moment.day);
    let micros = i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(moment.micros);
    let micros = i64::try_from(micros).ok()?.checked_sub(zone * MICROS_PER_SECOND)?;
    is_timestamp(micros).then_some(micros)
}

/// Whether these micros are within the bounds of `timestamp`; the infinities are not.
pub(crate) fn is_timestamp(micros: i64) -> bool {
    (FIRST_TIMESTAMP..END_OF_TIMESTAMP).contains(&micros)
}

/// Whether these days are within the bounds of `date`; the infinities are not.
pub(crate) fn is_date(days: i32) -> bool {
    (FIRST_DAY..END_OF_DATE).contains(&i64::from(days))
}

/// The midnight that a day begins with.
///
/// # Errors
/// 22008 where `timestamp` has none.
pub(crate) fn timestamp_of_date(days: i32) -> Result<i64, SqlError> {
    match days {
        i32::MIN => Ok(i64::MIN),
        i32::MAX => Ok(i64::MAX),
        days => {
            let micros = i64::from(days).checked_mul(MICROS_PER_DAY).filter(|micros| is_timestamp(*micros));
            micros.ok_or_else(|| SqlError::new("22008", "date out of range for timestamp"))
        }
    }
}

/// The day of a moment.
pub(crate) fn date_of_timestamp(micros: i64) -> i32 {
    match micros {
        i64::MIN => i32::MIN,
        i64::MAX => i32::MAX,
        micros => i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or_default(),
    }
}

/// Rounds a time, a moment or an interval as the modifier of its type says.
pub(crate) fn with_modifier(value: Value, modifier: Modifier) -> Result<Value, SqlError> {
    if modifier < 0 {
        return Ok(value);
    }
    Ok(match value {
        Value::Time(micros) => Value::Time(round_micros(micros, modifier)),
        Value::Timestamp(i64::MIN | i64::MAX) => value,
        // PostgreSQL does not look whether what it rounds up leaves the bounds.
        Value::Timestamp(micros) => Value::Timestamp(round_micros(micros, modifier)),
        Value::Interval(interval) => Value::Interval(interval.with_modifier(modifier)?),
        value => value,
    })
}

/// Shows a value of a type of this room.
pub(crate) fn output(value: &Value, kind: Kind) -> String {
    match value {
        Value::Date(i32::MIN) | Value::Timestamp(i64::MIN) => "-infinity".to_owned(),
        Value::Date(i32::MAX) | Value::Timestamp(i64::MAX) => "infinity".to_owned(),
        Value::Date(days) => {
            let (date, era) = date_output(i64::from(*days));
            format!("{date}{era}")
        }
        Value::Time(micros) => time_output(*micros),
        Value::Timestamp(micros) => {
            let (date, era) = date_output(micros.div_euclid(MICROS_PER_DAY));
            let time = time_output(micros.rem_euclid(MICROS_PER_DAY));
            let zone = if kind == Kind::Timestamptz { "+00" } else { "" };
            format!("{date} {time}{zone}{era}")
        }
        Value::Interval(interval) => interval.to_string(),
        _ => String::new(),
    }
}

/// A date and, before the year 1, the era.
fn date_output(days: i64) -> (String, &'static str) {
    let (year, month, day) = date_from_days(days);
    let (shown, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{shown:04}-{month:02}-{day:02}"), era)
}

fn time_output(micros: i64) -> String {
    let (hours, rest) = (micros / MICROS_PER_HOUR, micros % MICROS_PER_HOUR);
    let (minutes, rest) = (rest / MICROS_PER_MINUTE, rest % MICROS_PER_MINUTE);
    format!("{hours:02}:{minutes:02}:{}", seconds_output(rest))
}
