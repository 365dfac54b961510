use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::TextError;
use crate::row::{Native, native};

/// A calendar date: SQL's `date`. In JSON a string, `2026-01-31`.
///
/// ```
/// use tenet::Date;
///
/// let day: Date = "2026-01-31".parse()?;
/// assert_eq!(Date::from_days(day.days() + 14).to_string(), "2026-02-14");
/// # Ok::<(), tenet::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

/// A time of day without time zone: SQL's `time`. In JSON a string, `23:59:59.5`.
///
/// ```
/// use tenet::Time;
///
/// let closes: Time = "18:30:00".parse()?;
/// assert!(Time::from_micros(closes.micros() + 1) > closes);
/// # Ok::<(), tenet::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// A date and a time of day without time zone: SQL's `timestamp`. In JSON a string,
/// `2026-01-31T23:59:59`.
///
/// ```
/// use tenet::Timestamp;
///
/// let at: Timestamp = "2026-01-31T23:59:59".parse()?;
/// assert_eq!(at.date().to_string(), "2026-01-31");
/// assert_eq!(Timestamp::from_micros(at.micros() + 1_000_000).to_string(), "2026-02-01T00:00:00");
/// # Ok::<(), tenet::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A point in time: SQL's `timestamp with time zone`. In JSON a string, `2026-01-31T23:59:59Z`; an
/// offset (`+01:00`) is converted to UTC. Every form of RFC 3339 is accepted except leap seconds.
/// Further digits than microseconds are cut off, not rounded, as in the other types of this module.
/// The time of the request is [`context::now`](crate::context::now).
///
/// ```
/// use tenet::TimestampTz;
///
/// let at: TimestampTz = "2026-01-31T23:59:59+01:00".parse()?;
/// assert_eq!(at.to_string(), "2026-01-31T22:59:59Z");
/// assert_eq!(at.utc().to_string(), "2026-01-31T22:59:59");
/// assert!(TimestampTz::from_micros(at.micros() + 1) > at);
/// # Ok::<(), tenet::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampTz(i64);

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

impl Date {
    /// The date this many days after 1970-01-01. The largest and the smallest number represent
    /// SQL's `infinity` and `-infinity`.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }
}

impl Time {
    /// The time this many microseconds after midnight.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since midnight.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl Timestamp {
    /// The time this many microseconds after 1970-01-01 00:00:00. The largest and the smallest
    /// number represent SQL's `infinity` and `-infinity`.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01 00:00:00.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The date.
    pub const fn date(self) -> Date {
        match self.0 {
            i64::MAX => Date(i32::MAX),
            i64::MIN => Date(i32::MIN),
            // Far fewer days than an `i32` can hold: a day has 86,400,000,000 microseconds.
            micros => Date(micros.div_euclid(DAY) as i32),
        }
    }
}

impl TimestampTz {
    /// The time this many microseconds after 1970-01-01 00:00:00 UTC. The largest and the smallest
    /// number represent SQL's `infinity` and `-infinity`.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01 00:00:00 UTC.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The date and time in UTC: for columns of type `timestamp`.
    pub const fn utc(self) -> Timestamp {
        Timestamp(self.0)
    }
}

/// Converts a date of the Gregorian calendar to days from 1970-01-01 and back, with Howard
/// Hinnant's algorithms (<https://howardhinnant.github.io/date_algorithms.html>), which count years
/// from March so that the leap day is the last one.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

fn write_date(f: &mut fmt::Formatter<'_>, days: i64) -> fmt::Result {
    let (year, month, day) = date_of(days);
    let sign = if year < 0 { "-" } else { "" };
    write!(f, "{sign}{:04}-{month:02}-{day:02}", year.abs())
}

fn write_time(f: &mut fmt::Formatter<'_>, micros: i64) -> fmt::Result {
    let (seconds, fraction) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    write!(f, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
    if fraction == 0 {
        return Ok(());
    }
    let digits = format!("{fraction:06}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

fn write_timestamp(f: &mut fmt::Formatter<'_>, micros: i64, zone: &str) -> fmt::Result {
    match micros {
        i64::MAX => f.write_str("infinity"),
        i64::MIN => f.write_str("-infinity"),
        _ => {
            write_date(f, micros.div_euclid(DAY))?;
            f.write_str("T")?;
            write_time(f, micros.rem_euclid(DAY))?;
            f.write_str(zone)
        }
    }
}

/// A number of at least `length` digits and at most `most`.
fn number(text: &str, length: usize, most: i64) -> Option<i64> {
    let digits = text.len() >= length && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= most)
}

fn read_date(text: &str) -> Option<i64> {
    let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut parts = unsigned.split('-');
    let year = sign * number(parts.next()?, 4, 9_999_999)?;
    let month = number(parts.next().filter(|part| part.len() == 2)?, 2, 12)?;
    let day = number(parts.next().filter(|part| part.len() == 2)?, 2, 31)?;
    let days = days_of(year, month, day);
    (parts.next().is_none() && date_of(days) == (year, month, day)).then_some(days)
}

fn read_time(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let mut next = |most| number(parts.next().filter(|part| part.len() == 2)?, 2, most);
    let seconds = next(24)? * 3_600 + next(59)? * 60 + next(59)?;
    if parts.next().is_some() || fraction.is_empty() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let kept = fraction.get(..6).unwrap_or(fraction);
    let micros = seconds * SECOND + number(&format!("{kept:0<6}"), 6, SECOND - 1)?;
    // Midnight of the next day is the last valid time, without a fraction, even one that would be
    // cut off.
    if seconds * SECOND == DAY && fraction.bytes().any(|digit| digit != b'0') {
        return None;
    }
    (micros <= DAY).then_some(micros)
}

fn read_timestamp(text: &str) -> Option<i64> {
    match text {
        "infinity" => Some(i64::MAX),
        "-infinity" => Some(i64::MIN),
        _ => {
            let (date, time) = text.split_once(['T', 't', ' '])?;
            let micros = read_date(date)?.checked_mul(DAY)?.checked_add(read_time(time)?)?;
            // The largest and the smallest number represent infinities, not dates.
            (!matches!(micros, i64::MAX | i64::MIN)).then_some(micros)
        }
    }
}

fn read_timestamptz(text: &str) -> Option<i64> {
    if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        return read_timestamp(utc).filter(|_| utc.contains(':'));
    }
    if text.ends_with("infinity") {
        return read_timestamp(text);
    }
    let (rest, minutes) = text.rsplit_once(':')?;
    let (local, hours) = rest.rsplit_once(['+', '-'])?;
    let of_two = |text: &str, most| number(text, 2, most).filter(|_| text.len() == 2);
    let offset = (of_two(hours, 23)? * 60 + of_two(minutes, 59)?) * 60 * SECOND;
    let east = rest.as_bytes().get(local.len()) == Some(&b'+');
    let at = read_timestamp(local).filter(|_| local.contains(':'))?;
    at.checked_sub(if east { offset } else { -offset }).filter(|micros| !matches!(*micros, i64::MAX | i64::MIN))
}

impl FromStr for Date {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let days = match text {
            "infinity" => Some(i32::MAX),
            "-infinity" => Some(i32::MIN),
            // The largest and the smallest number represent infinities, not dates.
            _ => read_date(text)
                .and_then(|days| i32::try_from(days).ok())
                .filter(|days| !matches!(*days, i32::MAX | i32::MIN)),
        };
        days.map(Self).ok_or(TextError::because("expected a date: 2026-01-31"))
    }
}

impl FromStr for Time {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        read_time(text).map(Self).ok_or(TextError::because("expected a time: 23:59:59.999999"))
    }
}

impl FromStr for Timestamp {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        read_timestamp(text)
            .map(Self)
            .ok_or(TextError::because("expected a date and a time: 2026-01-31T23:59:59.999999"))
    }
}

impl FromStr for TimestampTz {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        read_timestamptz(text)
            .map(Self)
            .ok_or(TextError::because("expected a moment with its offset: 2026-01-31T23:59:59.999999Z"))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            i32::MAX => f.write_str("infinity"),
            i32::MIN => f.write_str("-infinity"),
            days => write_date(f, days.into()),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_time(f, self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_timestamp(f, self.0, "")
    }
}

impl fmt::Display for TimestampTz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_timestamp(f, self.0, "Z")
    }
}

macro_rules! in_text {
    ($($type:ident, $name:literal, $expected:literal, |$number:ident| $from:expr;)+) => {
        $(
            impl fmt::Debug for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(self, f)
                }
            }

            impl Serialize for $type {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $type {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    native(deserializer)
                }
            }

            impl Native for $type {
                const NAME: &'static str = $name;
                const EXPECTED: &'static str = $expected;

                fn from_text(text: &str) -> Result<Self, TextError> {
                    text.parse()
                }

                fn from_number($number: i64) -> Option<Self> {
                    $from
                }
            }
        )+
    };
}

in_text! {
    Date, "tenet::Date", "a date", |days| i32::try_from(days).ok().map(Self);
    Time, "tenet::Time", "a time", |micros| Some(Self(micros));
    Timestamp, "tenet::Timestamp", "a timestamp", |micros| Some(Self(micros));
    TimestampTz, "tenet::TimestampTz", "a timestamp with time zone", |micros| Some(Self(micros));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (20_484, "2026-01-31"),
            (-719_468, "0000-03-01"),
            (i32::MAX, "infinity"),
            (i32::MIN, "-infinity"),
        ] {
            assert_eq!(Date::from_days(days).to_string(), text);
            assert_eq!(text.parse(), Ok(Date::from_days(days)), "{text}");
        }
        for days in (-800_000..800_000).step_by(97) {
            let date = Date::from_days(days);
            assert_eq!(date.to_string().parse(), Ok(date));
        }
    }

    #[test]
    fn times_and_timestamps_are_told_to_the_microsecond() {
        let at = Timestamp::from_micros(1_769_903_999_500_000);
        assert_eq!(at.to_string(), "2026-01-31T23:59:59.5");
        assert_eq!("2026-01-31 23:59:59.500".parse(), Ok(at));
        assert_eq!(Timestamp::from_micros(-1).to_string(), "1969-12-31T23:59:59.999999");
        assert_eq!(Time::from_micros(1).to_string(), "00:00:00.000001");
        assert_eq!("24:00:00".parse(), Ok(Time::from_micros(DAY)));
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string().parse(), Ok(Timestamp::from_micros(i64::MAX)));
    }

    #[test]
    fn a_moment_is_read_in_every_form_of_rfc_3339_and_cut_to_microseconds() {
        let at = TimestampTz::from_micros(1_769_903_999_123_456);
        for text in [
            "2026-01-31T23:59:59.123456Z",
            "2026-01-31t23:59:59.123456z",
            "2026-01-31T23:59:59.1234567Z",
            "2026-01-31T23:59:59.123456999-00:00",
        ] {
            assert_eq!(text.parse(), Ok(at), "{text}");
        }
        // Cut off, not rounded: no time moves to the next day.
        let last = "2026-01-31T23:59:59.999999999Z".parse::<TimestampTz>().unwrap();
        assert_eq!(last.to_string(), "2026-01-31T23:59:59.999999Z");
        assert!("24:00:00.0000001".parse::<Time>().is_err());
    }

    #[test]
    fn a_day_begins_at_midnight() {
        for (at, day) in [
            ("2026-01-31T23:59:59.999999", "2026-01-31"),
            ("2026-02-01T00:00:00", "2026-02-01"),
            ("1969-12-31T23:59:59", "1969-12-31"),
            ("infinity", "infinity"),
            ("-infinity", "-infinity"),
        ] {
            assert_eq!(at.parse::<Timestamp>().unwrap().date().to_string(), day, "{at}");
        }
    }

    #[test]
    fn a_moment_is_the_same_at_every_offset() {
        let at = TimestampTz::from_micros(1_769_903_999_000_000);
        assert_eq!(at.to_string(), "2026-01-31T23:59:59Z");
        assert_eq!(at.utc().to_string(), "2026-01-31T23:59:59");
        for text in ["2026-01-31T23:59:59Z", "2026-02-01T00:59:59+01:00", "2026-01-31T18:29:59-05:30"] {
            assert_eq!(text.parse(), Ok(at), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_or_time_is_refused() {
        for text in ["", "2026-02-29", "2026-13-01", "2026-1-1", "26-01-01", "2026-01-01-01", "2026-01-+1"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        for text in [
            "",
            "1:00:00",
            "25:00:00",
            "24:00:01",
            "12:60:00",
            "12:00",
            "12:00:00.",
            "12:00:00.1234567x",
            "12:00:00.-1",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        for text in ["2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+1:00", "infinityZ", "infinity+01:00"] {
            assert!(text.parse::<TimestampTz>().is_err(), "{text}");
        }
        assert!("2026-01-01T00:00:00Z".parse::<Timestamp>().is_err());
        // These would be the number that represents infinity.
        assert!("5881580-07-11".parse::<Date>().is_err());
        assert!("294247-01-10T04:00:54.775807".parse::<Timestamp>().is_err());
        assert!("294247-01-10T04:00:54.775807Z".parse::<TimestampTz>().is_err());
        assert!("294247-01-10T04:00:54.775806Z".parse::<TimestampTz>().is_ok());
    }

    #[test]
    fn in_json_they_are_strings() {
        let at = TimestampTz::from_micros(0);
        assert_eq!(serde_json::to_string(&at).unwrap(), "\"1970-01-01T00:00:00Z\"");
        assert_eq!(serde_json::from_str::<TimestampTz>("\"1970-01-01T00:00:00Z\"").unwrap(), at);
        assert!(serde_json::from_str::<TimestampTz>("0").is_err());
    }
}
