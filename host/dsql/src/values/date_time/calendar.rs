//! The proleptic Gregorian calendar, counted from 2000-01-01.

/// The days from the start of the Julian period to 2000-01-01.
pub(crate) const JULIAN_2000: i64 = 2_451_545;
pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
pub(crate) const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
pub(crate) const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

/// The earliest day, 4714-11-24 BC, in days from 2000-01-01.
pub(crate) const FIRST_DAY: i64 = -JULIAN_2000;
/// The day after the last one of `date`, which is 5874897-12-31.
pub(crate) const END_OF_DATE: i64 = 2_147_483_494 - JULIAN_2000;
/// The earliest `timestamp`: 4714-11-24 BC, midnight.
pub(crate) const FIRST_TIMESTAMP: i64 = FIRST_DAY * MICROS_PER_DAY;
/// The first moment after the last `timestamp`: 294277-01-01, midnight.
pub(crate) const END_OF_TIMESTAMP: i64 = 9_223_371_331_200_000_000;

/// Days from 2000-01-01 to this day; the year 0 is 1 BC.
pub(crate) fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March put the leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // 2000-03-01 starts an era.
    (era - 5) * 146_097 + day_of_era + 60
}

/// The year (0 is 1 BC), month and day of a day that is counted from 2000-01-01.
pub(crate) fn date_from_days(days: i64) -> (i64, i64, i64) {
    let days = days - 60;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = (era + 5) * 400 + year_of_era + i64::from(month > 9);
    (year, if month > 9 { month - 9 } else { month + 3 }, day)
}

pub(crate) fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days of a month, from 1 to 12, of a year (0 is 1 BC).
pub(crate) fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The micros of an hour, minute, second and fraction.
pub(crate) fn micros_of_day(hour: i64, minute: i64, second: i64, micros: i64) -> i64 {
    ((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + micros
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_lead_to_each_other() {
        assert_eq!(days_from_date(2000, 1, 1), 0);
        assert_eq!(days_from_date(1970, 1, 1), -10_957);
        assert_eq!(days_from_date(-4713, 11, 24), FIRST_DAY);
        assert_eq!(days_from_date(5_874_898, 1, 1), END_OF_DATE);
        assert_eq!(days_from_date(294_277, 1, 1) * MICROS_PER_DAY, END_OF_TIMESTAMP);
        for days in (FIRST_DAY..4_000_000).step_by(7) {
            let (year, month, day) = date_from_days(days);
            assert_eq!(days_from_date(year, month, day), days);
            assert!((1..=days_of_month(year, month)).contains(&day));
        }
    }
}
