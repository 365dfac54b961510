//! Arithmetic of dates, times of day, moments and intervals. All moments are in UTC.

use crate::scalars::implementations::floats::float;
use crate::scalars::implementations::{int_at, mismatch};
use crate::scalars::{Call, Moment};
use crate::sql_error::SqlError;
use crate::values::date_time::calendar::{
    END_OF_DATE, END_OF_TIMESTAMP, FIRST_DAY, FIRST_TIMESTAMP, MICROS_PER_DAY, MICROS_PER_SECOND, date_from_days,
    days_from_date, days_of_month,
};
use crate::values::value::{Interval, Value};

pub(super) const MONTHS_PER_YEAR: i64 = 12;
const DAYS_PER_MONTH: i64 = 30;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// A moment or a day in parts. The year 0 is 1 BC.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    /// Microseconds since midnight.
    pub(super) micros: i64,
}

impl Parts {
    pub(super) fn of(timestamp: i64) -> Self {
        let (year, month, day) = date_from_days(timestamp.div_euclid(MICROS_PER_DAY));
        Self { year, month, day, micros: timestamp.rem_euclid(MICROS_PER_DAY) }
    }

    pub(super) fn timestamp(self) -> Result<i64, SqlError> {
        let days = i128::from(days_from_date(self.year, self.month, self.day));
        checked_timestamp(days * i128::from(MICROS_PER_DAY) + i128::from(self.micros))
    }
}

pub(super) fn out_of_range(what: &str) -> SqlError {
    SqlError::new("22008", format!("{what} out of range"))
}

pub(super) fn checked_timestamp(micros: i128) -> Result<i64, SqlError> {
    let is_within = |micros: &i64| (FIRST_TIMESTAMP..END_OF_TIMESTAMP).contains(micros);
    i64::try_from(micros).ok().filter(is_within).ok_or_else(|| out_of_range("timestamp"))
}

fn checked_date(days: i128) -> Result<Value, SqlError> {
    let is_within = |days: &i64| (FIRST_DAY..END_OF_DATE).contains(days);
    let days = i64::try_from(days).ok().filter(is_within).and_then(|days| i32::try_from(days).ok());
    days.map(Value::Date).ok_or_else(|| out_of_range("date"))
}

pub(super) fn timestamp_at(values: &[Value], place: usize) -> Result<i64, SqlError> {
    match values.get(place) {
        Some(Value::Timestamp(micros)) => Ok(*micros),
        _ => Err(mismatch()),
    }
}

pub(super) fn date_at(values: &[Value], place: usize) -> Result<i32, SqlError> {
    match values.get(place) {
        Some(Value::Date(days)) => Ok(*days),
        _ => Err(mismatch()),
    }
}

pub(super) fn time_at(values: &[Value], place: usize) -> Result<i64, SqlError> {
    match values.get(place) {
        Some(Value::Time(micros)) => Ok(*micros),
        _ => Err(mismatch()),
    }
}

pub(super) fn interval_at(values: &[Value], place: usize) -> Result<Interval, SqlError> {
    match values.get(place) {
        Some(Value::Interval(interval)) => Ok(*interval),
        _ => Err(mismatch()),
    }
}

pub(super) fn is_finite(timestamp: i64) -> bool {
    timestamp != i64::MIN && timestamp != i64::MAX
}

fn is_finite_date(date: i32) -> bool {
    date != i32::MIN && date != i32::MAX
}

/// The midnight at which a day begins.
pub(super) fn midnight(date: i32) -> Result<i64, SqlError> {
    match date {
        i32::MIN => Ok(i64::MIN),
        i32::MAX => Ok(i64::MAX),
        days => {
            let micros = i128::from(days) * i128::from(MICROS_PER_DAY);
            checked_timestamp(micros).map_err(|_| SqlError::new("22008", "date out of range for timestamp"))
        }
    }
}

/// A moment and an interval: months first, which keep the day where the month has it, then days,
/// then the time.
pub(super) fn plus(timestamp: i64, interval: Interval) -> Result<i64, SqlError> {
    if !is_finite(timestamp) {
        return Ok(timestamp);
    }
    let mut moved = timestamp;
    if interval.months != 0 {
        let mut parts = Parts::of(moved);
        let months = parts.year * MONTHS_PER_YEAR + parts.month - 1 + i64::from(interval.months);
        parts.year = months.div_euclid(MONTHS_PER_YEAR);
        parts.month = months.rem_euclid(MONTHS_PER_YEAR) + 1;
        parts.day = parts.day.min(days_of_month(parts.year, parts.month));
        moved = parts.timestamp()?;
    }
    if interval.days != 0 {
        moved = checked_timestamp(i128::from(moved) + i128::from(interval.days) * i128::from(MICROS_PER_DAY))?;
    }
    checked_timestamp(i128::from(moved) + i128::from(interval.micros))
}

pub(super) fn negated(interval: Interval) -> Result<Interval, SqlError> {
    let negate = || {
        Some(Interval {
            months: interval.months.checked_neg()?,
            days: interval.days.checked_neg()?,
            micros: interval.micros.checked_neg()?,
        })
    };
    negate().ok_or_else(|| out_of_range("interval"))
}

fn minus(timestamp: i64, interval: Interval) -> Result<i64, SqlError> {
    let negated = Interval {
        months: interval.months.wrapping_neg(),
        days: interval.days.wrapping_neg(),
        micros: interval.micros.wrapping_neg(),
    };
    plus(timestamp, negated)
}

pub(super) fn sum(left: Interval, right: Interval) -> Result<Interval, SqlError> {
    let add = || {
        Some(Interval {
            months: left.months.checked_add(right.months)?,
            days: left.days.checked_add(right.days)?,
            micros: left.micros.checked_add(right.micros)?,
        })
    };
    add().ok_or_else(|| out_of_range("interval"))
}

fn difference(left: Interval, right: Interval) -> Result<Interval, SqlError> {
    let subtract = || {
        Some(Interval {
            months: left.months.checked_sub(right.months)?,
            days: left.days.checked_sub(right.days)?,
            micros: left.micros.checked_sub(right.micros)?,
        })
    };
    subtract().ok_or_else(|| out_of_range("interval"))
}

/// Rounded to microseconds, as PostgreSQL does it in between.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e6).round_ties_even() / 1e6
}

/// An interval of which each part is scaled; what is left of months becomes days, and of days time.
fn scaled(interval: Interval, scale: impl Fn(f64) -> f64) -> Result<Interval, SqlError> {
    let fit = |number: f64| {
        let is_within = !number.is_nan() && number <= f64::from(i32::MAX) && number >= f64::from(i32::MIN);
        if is_within { Ok(number as i32) } else { Err(out_of_range("interval")) }
    };
    let (months, days) = (scale(interval.months.into()), scale(interval.days.into()));
    let (whole_months, mut whole_days) = (fit(months)?, fit(days)?);
    let of_months = rounded((months - f64::from(whole_months)) * DAYS_PER_MONTH as f64);
    let mut seconds = rounded((days - f64::from(whole_days) + of_months - of_months.trunc()) * SECONDS_PER_DAY);
    if seconds.abs() >= SECONDS_PER_DAY {
        let over = (seconds / SECONDS_PER_DAY).trunc();
        whole_days = whole_days.checked_add(over as i32).ok_or_else(|| out_of_range("interval"))?;
        seconds -= over * SECONDS_PER_DAY;
    }
    whole_days = whole_days.checked_add(of_months as i32).ok_or_else(|| out_of_range("interval"))?;
    let micros = (scale(interval.micros as f64) + seconds * 1e6).round_ties_even();
    // The bounds of an i64, as a float has them.
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&micros) {
        return Err(out_of_range("interval"));
    }
    Ok(Interval { months: whole_months, days: whole_days, micros: micros as i64 })
}

pub(super) fn divided(interval: Interval, divisor: f64) -> Result<Interval, SqlError> {
    if divisor == 0.0 {
        return Err(super::integers::division_by_zero());
    }
    // PostgreSQL does not look at the bounds here.
    scaled(interval, |number| number / divisor).map_err(|_| SqlError::unsupported("an interval that large"))
}

/// The time between two moments, in days and less.
fn between(later: i64, earlier: i64) -> Result<Interval, SqlError> {
    if !is_finite(later) || !is_finite(earlier) {
        return Err(SqlError::new("22008", "cannot subtract infinite timestamps"));
    }
    // PostgreSQL's difference wraps around.
    let far = || SqlError::unsupported("a difference of timestamps that far apart");
    let micros = later.checked_sub(earlier).ok_or_else(far)?;
    justified_hours(Interval { months: 0, days: 0, micros })
}

fn justified_hours(interval: Interval) -> Result<Interval, SqlError> {
    let days = i32::try_from(interval.micros / MICROS_PER_DAY).map_err(|_| out_of_range("interval"))?;
    let mut own = Interval { micros: interval.micros % MICROS_PER_DAY, ..interval };
    own.days = own.days.checked_add(days).ok_or_else(|| out_of_range("interval"))?;
    if own.days > 0 && own.micros < 0 {
        own.micros += MICROS_PER_DAY;
        own.days -= 1;
    } else if own.days < 0 && own.micros > 0 {
        own.micros -= MICROS_PER_DAY;
        own.days += 1;
    }
    Ok(own)
}

fn justified_days(interval: Interval) -> Result<Interval, SqlError> {
    let month = DAYS_PER_MONTH as i32;
    let mut own = Interval { days: interval.days % month, ..interval };
    own.months = own.months.checked_add(interval.days / month).ok_or_else(|| out_of_range("interval"))?;
    if own.months > 0 && own.days < 0 {
        own.days += month;
        own.months -= 1;
    } else if own.months < 0 && own.days > 0 {
        own.days -= month;
        own.months += 1;
    }
    Ok(own)
}

/// All parts with one sign, days below 30 and hours below 24.
fn justified(interval: Interval) -> Result<Interval, SqlError> {
    let range = || out_of_range("interval");
    let month = DAYS_PER_MONTH as i32;
    let mut own = interval;
    // Days and time may be far apart: days go into months first where they have one sign.
    if (own.days > 0 && own.micros > 0) || (own.days < 0 && own.micros < 0) {
        let whole = own.days / month;
        own.days -= whole * month;
        own.months = own.months.checked_add(whole).ok_or_else(range)?;
    }
    let days = i32::try_from(own.micros / MICROS_PER_DAY).map_err(|_| range())?;
    own.micros %= MICROS_PER_DAY;
    own.days = own.days.checked_add(days).ok_or_else(range)?;
    let whole = own.days / month;
    own.days -= whole * month;
    own.months = own.months.checked_add(whole).ok_or_else(range)?;
    if own.months > 0 && (own.days < 0 || (own.days == 0 && own.micros < 0)) {
        own.days += month;
        own.months -= 1;
    } else if own.months < 0 && (own.days > 0 || (own.days == 0 && own.micros > 0)) {
        own.days -= month;
        own.months += 1;
    }
    if own.days > 0 && own.micros < 0 {
        own.micros += MICROS_PER_DAY;
        own.days -= 1;
    } else if own.days < 0 && own.micros > 0 {
        own.micros -= MICROS_PER_DAY;
        own.days += 1;
    }
    Ok(own)
}

/// The time between two moments in years, months and days of the calendar.
pub(super) fn age(one: i64, other: i64) -> Result<Interval, SqlError> {
    if !is_finite(one) || !is_finite(other) {
        // PostgreSQL takes an infinity for a moment here.
        return Err(SqlError::unsupported("the age of an infinite timestamp"));
    }
    let is_negative = one < other;
    let (later, earlier) =
        if is_negative { (Parts::of(other), Parts::of(one)) } else { (Parts::of(one), Parts::of(other)) };
    let mut micros = later.micros - earlier.micros;
    let mut days = later.day - earlier.day;
    let mut months = later.month - earlier.month;
    let mut years = later.year - earlier.year;
    if micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    while days < 0 {
        days += days_of_month(earlier.year, earlier.month);
        months -= 1;
    }
    while months < 0 {
        months += MONTHS_PER_YEAR;
        years -= 1;
    }
    let months = i32::try_from(years * MONTHS_PER_YEAR + months).map_err(|_| out_of_range("interval"))?;
    let days = i32::try_from(days).map_err(|_| out_of_range("interval"))?;
    let interval = Interval { months, days, micros };
    if is_negative { negated(interval) } else { Ok(interval) }
}

fn time_plus(time: i64, micros: i128) -> Value {
    let moved = (i128::from(time) + micros).rem_euclid(i128::from(MICROS_PER_DAY));
    Value::Time(i64::try_from(moved).unwrap_or(0))
}

fn date_and_time(date: i32, time: i64) -> Result<Value, SqlError> {
    let midnight = midnight(date)?;
    if !is_finite(midnight) {
        return Ok(Value::Timestamp(midnight));
    }
    checked_timestamp(i128::from(midnight) + i128::from(time)).map(Value::Timestamp)
}

fn dates_apart(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = (date_at(values, 0)?, date_at(values, 1)?);
    if !is_finite_date(left) || !is_finite_date(right) {
        return Err(SqlError::new("22008", "cannot subtract infinite dates"));
    }
    Ok(Value::Int4(left.wrapping_sub(right)))
}

fn date_moved(date: i32, days: i128) -> Result<Value, SqlError> {
    if is_finite_date(date) { checked_date(i128::from(date) + days) } else { Ok(Value::Date(date)) }
}

/// The day of the moment that the transaction began at.
fn today(moment: &Moment) -> i64 {
    moment.transaction.div_euclid(MICROS_PER_DAY)
}

fn of_today(moment: &Moment, values: &[Value]) -> Result<Value, SqlError> {
    age(today(moment) * MICROS_PER_DAY, timestamp_at(values, 0)?).map(Value::Interval)
}

/// The month and the day of a year that a caller names; the year -1 is 1 BC.
fn named_date(values: &[Value], shows_own: bool) -> Result<i64, SqlError> {
    let (year, month, day) = (int_at(values, 0)?, int_at(values, 1)?, int_at(values, 2)?);
    let own = i64::try_from(year).map_err(|_| mismatch())?;
    if own == i64::from(i32::MIN) {
        return Err(SqlError::unsupported("a year that far before Christ"));
    }
    let astronomical = if own < 0 { own + 1 } else { own };
    let year = if shows_own { own } else { astronomical };
    let out_of_range = || SqlError::new("22008", format!("date field value out of range: {year}-{month:02}-{day:02}"));
    let (month, day) = (i64::try_from(month).unwrap_or(0), i64::try_from(day).unwrap_or(0));
    let is_date =
        year != 0 && (1..=MONTHS_PER_YEAR).contains(&month) && day >= 1 && day <= days_of_month(astronomical, month);
    if !is_date {
        return Err(out_of_range());
    }
    let days = days_from_date(astronomical, month, day);
    if !(FIRST_DAY..END_OF_DATE).contains(&days) {
        let message = format!("date out of range: {year}-{month:02}-{day:02}");
        return Err(SqlError::new("22008", message));
    }
    Ok(days)
}

fn named_time(values: &[Value], place: usize) -> Result<i64, SqlError> {
    let (hour, minute) = (int_at(values, place)?, int_at(values, place + 1)?);
    let second = float(values.get(place + 2))?;
    let shown = if second.is_finite() && second.fract() == 0.0 && second.abs() < 1e6 {
        format!("{second:02.0}")
    } else {
        // The C library shows six digits; the model does not.
        return named_fraction(hour, minute, second);
    };
    let micros = (hour * 3600 + minute * 60) * i128::from(MICROS_PER_SECOND) + second as i128 * 1_000_000;
    let is_time = (0..=24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..=60.0).contains(&second)
        && (0..=i128::from(MICROS_PER_DAY)).contains(&micros);
    if !is_time {
        let message = format!("time field value out of range: {hour}:{minute:02}:{shown}");
        return Err(SqlError::new("22008", message));
    }
    i64::try_from(micros).map_err(|_| mismatch())
}

fn named_fraction(hour: i128, minute: i128, second: f64) -> Result<i64, SqlError> {
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..60.0).contains(&second) {
        return Err(SqlError::unsupported("a time out of range with a fraction of a second"));
    }
    let micros = (hour * 3600 + minute * 60) * i128::from(MICROS_PER_SECOND);
    i64::try_from(micros + (second * 1e6).round_ties_even() as i128).map_err(|_| mismatch())
}

fn make_timestamp(values: &[Value]) -> Result<Value, SqlError> {
    let days = named_date(values, true)?;
    let time = named_time(values, 3)?;
    checked_timestamp(i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(time)).map(Value::Timestamp)
}

fn make_interval(values: &[Value]) -> Result<Value, SqlError> {
    let given = |place: usize| if place < values.len() { int_at(values, place) } else { Ok(0) };
    let seconds = if values.len() > 6 { float(values.get(6))? } else { 0.0 };
    if !seconds.is_finite() {
        return Err(out_of_range("interval"));
    }
    let large = || SqlError::unsupported("an interval that large");
    let months = given(0)? * i128::from(MONTHS_PER_YEAR) + given(1)?;
    let days = given(2)? * 7 + given(3)?;
    let micros = (given(4)? * 3600 + given(5)? * 60) * i128::from(MICROS_PER_SECOND);
    let micros = micros.checked_add((seconds * 1e6).round_ties_even() as i128).ok_or_else(large)?;
    Ok(Value::Interval(Interval {
        months: months.try_into().map_err(|_| large())?,
        days: days.try_into().map_err(|_| large())?,
        micros: micros.try_into().map_err(|_| large())?,
    }))
}

/// The start of the stride, counted from an origin, that a moment is in.
fn bin(values: &[Value]) -> Result<Value, SqlError> {
    let (stride, moment, origin) = (interval_at(values, 0)?, timestamp_at(values, 1)?, timestamp_at(values, 2)?);
    if !is_finite(moment) {
        return Ok(Value::Timestamp(moment));
    }
    if !is_finite(origin) {
        return Err(SqlError::new("22008", "origin out of range"));
    }
    if stride.months != 0 {
        return Err(SqlError::new("0A000", "timestamps cannot be binned into intervals containing months or years"));
    }
    let stride = i128::from(stride.days) * i128::from(MICROS_PER_DAY) + i128::from(stride.micros);
    if i64::try_from(stride).is_err() {
        return Err(out_of_range("interval"));
    }
    if stride <= 0 {
        return Err(SqlError::new("22008", "stride must be greater than zero"));
    }
    let distance = i128::from(moment) - i128::from(origin);
    if i64::try_from(distance).is_err() {
        return Err(out_of_range("interval"));
    }
    checked_timestamp(i128::from(origin) + distance.div_euclid(stride) * stride).map(Value::Timestamp)
}

fn interval(value: Result<Interval, SqlError>) -> Result<Value, SqlError> {
    value.map(Value::Interval)
}

fn timestamp(value: Result<i64, SqlError>) -> Result<Value, SqlError> {
    value.map(Value::Timestamp)
}

pub(super) fn find(source: &str) -> Option<Call> {
    let plain: fn(&[Value]) -> Result<Value, SqlError> = match source {
        "date_mi" => dates_apart,
        "date_pli" => |values| date_moved(date_at(values, 0)?, int_at(values, 1)?),
        "date_mii" => |values| date_moved(date_at(values, 0)?, -int_at(values, 1)?),
        "integer_pl_date/int4,date" => |values| date_moved(date_at(values, 1)?, int_at(values, 0)?),
        "date_pl_interval" => |values| timestamp(plus(midnight(date_at(values, 0)?)?, interval_at(values, 1)?)),
        "date_mi_interval" => |values| timestamp(minus(midnight(date_at(values, 0)?)?, interval_at(values, 1)?)),
        "interval_pl_date/interval,date" => {
            |values| timestamp(plus(midnight(date_at(values, 1)?)?, interval_at(values, 0)?))
        }
        "datetime_pl" => |values| date_and_time(date_at(values, 0)?, time_at(values, 1)?),
        "timedate_pl/time,date" => |values| date_and_time(date_at(values, 1)?, time_at(values, 0)?),
        "timestamp_pl_interval" | "timestamptz_pl_interval" => {
            |values| timestamp(plus(timestamp_at(values, 0)?, interval_at(values, 1)?))
        }
        "timestamp_mi_interval" | "timestamptz_mi_interval" => {
            |values| timestamp(minus(timestamp_at(values, 0)?, interval_at(values, 1)?))
        }
        "interval_pl_timestamp/interval,timestamp" | "interval_pl_timestamptz/interval,timestamptz" => {
            |values| timestamp(plus(timestamp_at(values, 1)?, interval_at(values, 0)?))
        }
        "timestamp_mi" | "timestamptz_mi" => {
            |values| interval(between(timestamp_at(values, 0)?, timestamp_at(values, 1)?))
        }
        "time_pl_interval" => |values| Ok(time_plus(time_at(values, 0)?, interval_at(values, 1)?.micros.into())),
        "time_mi_interval" => |values| Ok(time_plus(time_at(values, 0)?, -i128::from(interval_at(values, 1)?.micros))),
        "interval_pl_time/interval,time" => {
            |values| Ok(time_plus(time_at(values, 1)?, interval_at(values, 0)?.micros.into()))
        }
        "time_mi_time" => |values| {
            let micros = time_at(values, 0)? - time_at(values, 1)?;
            Ok(Value::Interval(Interval { months: 0, days: 0, micros }))
        },
        "interval_pl" => |values| interval(sum(interval_at(values, 0)?, interval_at(values, 1)?)),
        "interval_mi" => |values| interval(difference(interval_at(values, 0)?, interval_at(values, 1)?)),
        "interval_um" => |values| interval(negated(interval_at(values, 0)?)),
        "interval_mul" => |values| {
            let factor = float(values.get(1))?;
            interval(scaled(interval_at(values, 0)?, |number| number * factor))
        },
        "mul_d_interval" => |values| {
            let factor = float(values.first())?;
            interval(scaled(interval_at(values, 1)?, |number| number * factor))
        },
        "interval_div" => |values| interval(divided(interval_at(values, 0)?, float(values.get(1))?)),
        "timestamp_age" | "timestamptz_age" => {
            |values| interval(age(timestamp_at(values, 0)?, timestamp_at(values, 1)?))
        }
        "interval_justify_hours" => |values| interval(justified_hours(interval_at(values, 0)?)),
        "interval_justify_days" => |values| interval(justified_days(interval_at(values, 0)?)),
        "interval_justify_interval" => |values| interval(justified(interval_at(values, 0)?)),
        "date_finite" => |values| Ok(Value::Bool(is_finite_date(date_at(values, 0)?))),
        "timestamp_finite" => |values| Ok(Value::Bool(is_finite(timestamp_at(values, 0)?))),
        "interval_finite" => |_| Ok(Value::Bool(true)),
        "make_date" => |values| checked_date(named_date(values, false)?.into()),
        "make_time" => |values| named_time(values, 0).map(Value::Time),
        "make_timestamp" | "make_timestamptz" => make_timestamp,
        "make_interval" => make_interval,
        "timestamp_bin" | "timestamptz_bin" => bin,
        _ => {
            return Some(Call::Moment(match source {
                "now" | "localtimestamp" => |moment, _| Ok(Value::Timestamp(moment.transaction)),
                "statement_timestamp" => |moment, _| Ok(Value::Timestamp(moment.statement)),
                "clock_timestamp" => |moment, _| Ok(Value::Timestamp(moment.clock)),
                "current_date" => |moment, _| checked_date(today(moment).into()),
                "localtime" => |moment, _| Ok(Value::Time(moment.transaction.rem_euclid(MICROS_PER_DAY))),
                "age/timestamp" | "age/timestamptz" => of_today,
                _ => return None,
            }));
        }
    };
    Some(Call::Plain(plain))
}
