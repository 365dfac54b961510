use std::net::{Ipv4Addr, Ipv6Addr};

use tenet_core::{Number, date_of, days_of};

/// A supported `format`.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    Date,
    /// With a time zone, as in RFC 3339.
    Time,
    DateTime,
    /// Without a time zone.
    PartialTime,
    PartialDateTime,
    Uuid,
    Ipv4,
    Ipv6,
    Ip,
    /// An integer type: its name, its minimum and its maximum.
    Integer(&'static str, Number, Number),
    /// A floating-point type: its name, and the bound that a number has to stay below.
    Float(&'static str, Number),
}

impl Format {
    /// All names.
    pub(crate) const NAMES: &str = "date, time, date-time, partial-time, partial-date-time, uuid, ipv4, ipv6, ip, \
                                    int8 to int128, uint8 to uint128, float, double";

    /// The format with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let signed = |name, bits: u32| Some(Self::Integer(name, bound(bits - 1, true)?, bound(bits - 1, false)?));
        let unsigned = |name, bits| Some(Self::Integer(name, Number::parse("0")?, bound(bits, false)?));
        match name {
            "date" => Some(Self::Date),
            "time" => Some(Self::Time),
            "date-time" => Some(Self::DateTime),
            "partial-time" => Some(Self::PartialTime),
            "partial-date-time" => Some(Self::PartialDateTime),
            "uuid" => Some(Self::Uuid),
            "ipv4" => Some(Self::Ipv4),
            "ipv6" => Some(Self::Ipv6),
            "ip" => Some(Self::Ip),
            // Half a step beyond the largest value: from here a number is read as infinity.
            "float" => Some(Self::Float("float", Number::parse("340282356779733661637539395458142568448")?)),
            "double" => Some(Self::Float("double", Number::parse("1.797693134862315807937289714053034150799e308")?)),
            "int8" => signed("int8", 8),
            "int16" => signed("int16", 16),
            "int32" => signed("int32", 32),
            "int64" => signed("int64", 64),
            "uint8" => unsigned("uint8", 8),
            "uint16" => unsigned("uint16", 16),
            "uint32" => unsigned("uint32", 32),
            "uint64" => unsigned("uint64", 64),
            "int128" => signed("int128", 128),
            "uint128" => unsigned("uint128", 128),
            // For the 32-bit machine of a rule; a rule built for native tests has more bits.
            "int" => signed("int", 32),
            "uint" => unsigned("uint", 32),
            _ => None,
        }
    }

    /// The reason why a text does not match, if it does not.
    pub(crate) fn misses_text(&self, text: &str) -> Option<&'static str> {
        let (fits, what) = match self {
            Self::Date => (is_date(text), "is not a date: 2026-01-31"),
            Self::Time => (is_time(text), "is not a time with a zone: 23:59:59Z"),
            Self::DateTime => (parts(text).is_some_and(|(date, time)| is_date(date) && is_time(time)), NO_DATE_TIME),
            Self::PartialTime => (is_partial_time(text), "is not a time without a zone: 23:59:59"),
            Self::PartialDateTime => (
                parts(text).is_some_and(|(date, time)| is_date(date) && is_partial_time(time)),
                "is not a date and time without a zone: 2026-01-31T23:59:59",
            ),
            Self::Uuid => (is_uuid(text), "is not a UUID"),
            Self::Ipv4 => (text.parse::<Ipv4Addr>().is_ok(), "is not an IPv4 address"),
            Self::Ipv6 => (text.parse::<Ipv6Addr>().is_ok(), "is not an IPv6 address"),
            Self::Ip => (text.parse::<std::net::IpAddr>().is_ok(), "is not an IP address"),
            Self::Integer(..) | Self::Float(..) => (true, ""),
        };
        (!fits).then_some(what)
    }

    /// The reason why a number does not match, if it does not.
    pub(crate) fn misses_number(&self, number: &Number) -> Option<String> {
        match self {
            Self::Integer(name, least, most) if number < least || number > most => {
                Some(format!("is out of range for an {name}"))
            }
            Self::Float(name, beyond) if number.abs() >= *beyond => Some(format!("is out of range for a {name}")),
            _ => None,
        }
    }
}

/// The minimum or maximum of an integer with this many bits in addition to the sign.
fn bound(bits: u32, is_least: bool) -> Option<Number> {
    let greatest = u128::MAX.checked_shr(128 - bits)?;
    Number::parse(&if is_least { format!("-{}", greatest + 1) } else { greatest.to_string() })
}

const NO_DATE_TIME: &str = "is not a date and time with a zone: 2026-01-31T23:59:59Z";

/// RFC 3339 allows a space instead of `T`, which databases write.
fn parts(text: &str) -> Option<(&str, &str)> {
    text.split_once(['T', 't', ' '])
}

/// A number of exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_date(text: &str) -> bool {
    let mut fields = text.splitn(3, '-');
    let mut field = |count| fields.next().and_then(|field| digits(field, count));
    let (Some(year), Some(month), Some(day)) = (field(4), field(2), field(2)) else { return false };
    let date = (i64::from(year), i64::from(month), i64::from(day));
    // The calendar has every other month and day on another date.
    date_of(days_of(date.0, date.1, date.2)) == date
}

fn is_partial_time(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(clock, fraction)| (clock, Some(fraction)));
    let mut fields = clock.splitn(3, ':');
    let mut field = |most| fields.next().and_then(|field| digits(field, 2)).is_some_and(|value| value <= most);
    // Leap seconds are refused: no type of a rule and no database can hold them.
    field(23) && field(59) && field(59) && fraction.is_none_or(is_fraction)
}

fn is_fraction(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_time(text: &str) -> bool {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return is_partial_time(time);
    }
    let Some(at) = text.rfind(['+', '-']) else { return false };
    let (time, zone) = text.split_at(at);
    let zone = zone.get(1..).and_then(|zone| zone.split_once(':'));
    let is_zone = zone.is_some_and(|(hours, minutes)| {
        digits(hours, 2).is_some_and(|hours| hours <= 23) && digits(minutes, 2).is_some_and(|minutes| minutes <= 59)
    });
    is_zone && is_partial_time(time)
}

fn is_uuid(text: &str) -> bool {
    let groups = [8, 4, 4, 4, 12];
    let is_group =
        |(group, length): (&str, usize)| group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('-').count() == groups.len() && text.split('-').zip(groups).all(is_group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_form_that_is_named() {
        for (format, fit, misfit) in [
            (
                "date",
                &["2026-01-31", "2024-02-29", "0000-01-01"][..],
                &["2026-02-29", "2026-1-31", "2026-13-01", "26-01-01", "2026-01-31T"][..],
            ),
            (
                "time",
                &["23:59:59Z", "00:00:00.123456789+05:30", "12:00:00z"],
                &["24:00:00Z", "23:59:60Z", "12:00:00", "12:00Z", "12:00:00.Z", "12:00:00+0530"],
            ),
            (
                "date-time",
                &["2026-01-31T23:59:59Z", "2026-01-31t23:59:59.1z", "2026-01-31 00:00:00-23:59"],
                &["2026-01-31", "2026-01-31T23:59:59", "2026-01-32T00:00:00Z", "x"],
            ),
            ("partial-time", &["23:59:59.5"], &["23:59:59Z"]),
            ("partial-date-time", &["2026-01-31T23:59:59"], &["2026-01-31T23:59:59Z"]),
            (
                "uuid",
                &["2EB8AA08-aa98-11ea-b4aa-73b441d16380"],
                &[
                    "2eb8aa08aa9811eab4aa73b441d16380",
                    "2eb8aa08-aa98-11ea-b4aa-73b441d1638",
                    "2eb8aa08-aa98-11ea-b4aa-73b441d1638g",
                ],
            ),
            ("ipv4", &["127.0.0.1"], &["127.0.0.256", "::1"]),
            ("ipv6", &["::1"], &["127.0.0.1"]),
            ("ip", &["::1", "127.0.0.1"], &["localhost"]),
        ] {
            let format = Format::named(format).unwrap();
            fit.iter().for_each(|text| assert_eq!(format.misses_text(text), None, "{text}"));
            misfit.iter().for_each(|text| assert!(format.misses_text(text).is_some(), "{text}"));
        }
        assert!(Format::named("email").is_none());
    }

    #[test]
    fn floats_end_where_infinity_begins() {
        for (format, most, beyond) in
            [("float", "3.4028235e38", "3.41e38"), ("double", "-1.7976931348623157e308", "-1e309")]
        {
            let format = Format::named(format).unwrap();
            let misses = |text| format.misses_number(&Number::parse(text).unwrap()).is_some();
            assert!(!misses(most) && misses(beyond), "{format:?}");
        }
    }

    #[test]
    fn integers_have_the_bounds_of_their_type() {
        for (format, least, most, beyond) in [
            ("int8", "-128", "127", ["-129", "128"]),
            ("uint16", "0", "65535", ["-1", "65536"]),
            ("int64", "-9223372036854775808", "9223372036854775807", ["-9223372036854775809", "9223372036854775808"]),
            ("uint64", "0", "18446744073709551615", ["-1", "1e30"]),
        ] {
            let format = Format::named(format).unwrap();
            let misses = |text| format.misses_number(&Number::parse(text).unwrap()).is_some();
            assert!(!misses(least) && !misses(most) && beyond.into_iter().all(misses), "{format:?}");
        }
    }
}
