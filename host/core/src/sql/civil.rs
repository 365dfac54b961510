//! Dates and times as text.

const DAY: i64 = 86_400_000_000;

/// The year, month and day of a date that is counted in days from 1970-01-01, in the proleptic
/// Gregorian calendar like SQL
/// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
pub fn date_of(days: i64) -> (i64, i64, i64) {
    // Counted from the first of March, so that a leap day is the last day of a year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// A date that is counted in days from 1970-01-01, as `2026-01-01`.
pub fn date_text(days: i64) -> String {
    let (year, month, day) = date_of(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Microseconds since 1970-01-01 00:00:00 as `2026-01-01T00:00:00`, with a fraction unless it is
/// zero.
pub fn moment_text(micros: i64) -> String {
    let (days, of_day) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, micros) = (of_day / 1_000_000, of_day % 1_000_000);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}{fraction}", date_text(days))
}

/// The days from 1970-01-01 to a date.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, text) in [(0, "1970-01-01"), (20_454, "2026-01-01"), (-1, "1969-12-31"), (19_782, "2024-02-29")] {
            assert_eq!(date_text(days), text);
        }
        assert_eq!(moment_text(1_767_225_600_000_001), "2026-01-01T00:00:00.000001");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_date_comes_back(days in -700_000..2_900_000_i64) {
            let text = date_text(days);
            let parts: Vec<i64> = text.split('-').map(|part| part.parse().unwrap()).collect();
            prop_assert_eq!(days_of(parts[0], parts[1], parts[2]), days);
            prop_assert_eq!(date_of(days), (parts[0], parts[1], parts[2]));
        }
    }
}
