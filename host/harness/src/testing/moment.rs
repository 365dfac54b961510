//! Moments as people write them, in microseconds since 1970-01-01 00:00:00 UTC.

use tenet_core::{days_of, moment_text};
use toml::value::{Datetime, Offset};

const DAY: i64 = 86_400_000_000;

/// The moment of `2026-01-01T00:00:00Z`, or of one in another zone; none where it is no moment.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let Datetime { date: Some(date), time: Some(time), offset: Some(offset) } = text.parse().ok()? else { return None };
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds =
        i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0)) - minutes * 60;
    let micros = i64::from(time.nanosecond.unwrap_or(0) / 1000);
    Some(days_of(i64::from(date.year), i64::from(date.month), i64::from(date.day)) * DAY + seconds * 1_000_000 + micros)
}

/// The same moment as text.
pub(crate) fn text(micros: i64) -> String {
    moment_text(micros) + "Z"
}

/// The span of `90 min` in microseconds; none where it is no span.
pub(crate) fn span(text: &str) -> Option<i64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let micros = match unit.trim() {
        "ms" => 1_000,
        "s" | "second" | "seconds" => 1_000_000,
        "min" | "minute" | "minutes" => 60_000_000,
        "h" | "hour" | "hours" => 3_600_000_000,
        "day" | "days" => DAY,
        "week" | "weeks" => 7 * DAY,
        _ => return None,
    };
    i64::from(number.parse::<u32>().ok()?).checked_mul(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, micros) in [("0 s", 0), ("1 s", 1_000_000), ("90 min", 5_400_000_000), ("3 days", 3 * DAY)] {
            assert_eq!(span(text), Some(micros), "{text}");
        }
        for bad in ["", "3", "days", "3days", "-1 s", "1.5 h", "3 months", "99999999999 weeks"] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments_are_read_and_written() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-01T00:00:00Z", 1_767_225_600_000_000),
            ("2024-02-29T23:59:59.000001Z", 1_709_251_199_000_001),
            ("1969-12-31T23:59:59Z", -1_000_000),
        ] {
            assert_eq!(parse(text), Some(micros), "{text}");
            assert_eq!(super::text(micros), text);
        }
        assert_eq!(parse("2026-01-01T02:00:00+02:00"), Some(1_767_225_600_000_000));
        for bad in ["", "2026-01-01", "2026-01-01T00:00:00", "12:00:00", "2026-13-01T00:00:00Z"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
