//! Moments.

use super::{Part, ordinal, parts};
use crate::sql_error::SqlError;
use crate::values::date_time::calendar::{
    JULIAN_2000, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, date_from_days, days_from_date,
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// The patterns. Of those that begin alike the one that is looked for first is the first one.
const PATTERNS: [&str; 112] = [
    "A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "Day", "Dy", "D", "FF1", "FF2", "FF3",
    "FF4", "FF5", "FF6", "FX", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I", "J", "MI", "MM",
    "MONTH", "MON", "MS", "Month", "Mon", "OF", "P.M.", "PM", "Q", "RM", "SSSSS", "SSSS", "SS", "TZH", "TZM", "TZ",
    "US", "WW", "W", "Y,YYY", "YYYY", "YYY", "YY", "Y", "a.d.", "a.m.", "ad", "am", "b.c.", "bc", "cc", "day", "ddd",
    "dd", "dy", "d", "ff1", "ff2", "ff3", "ff4", "ff5", "ff6", "fx", "hh24", "hh12", "hh", "iddd", "id", "iw", "iyyy",
    "iyy", "iy", "i", "j", "mi", "mm", "month", "mon", "ms", "of", "p.m.", "pm", "q", "rm", "sssss", "ssss", "ss",
    "tzh", "tzm", "tz", "us", "ww", "w", "y,yyy", "yyyy", "yyy", "yy", "y",
];

/// A pattern with what stands before and behind it.
#[derive(Debug)]
struct Pattern {
    name: &'static str,
    /// FM: no padding.
    is_bare: bool,
    /// TM: names without padding.
    is_local: bool,
    /// TH or th: the ending of an ordinal, in capitals or not.
    ending: Option<bool>,
}

/// A moment by its fields.
struct Fields {
    days: i64,
    /// 0 is 1 BC.
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    is_zoned: bool,
}

/// Shows a moment; none where it is infinite, or the template is empty.
pub(super) fn show(micros: i64, template: &str, is_zoned: bool) -> Result<Option<String>, SqlError> {
    if template.is_empty() || micros == i64::MIN || micros == i64::MAX {
        return Ok(None);
    }
    let (days, time) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
    let (year, month, day) = date_from_days(days);
    let fields = Fields {
        days,
        year,
        month,
        day,
        hour: time / MICROS_PER_HOUR,
        minute: time % MICROS_PER_HOUR / MICROS_PER_MINUTE,
        second: time % MICROS_PER_MINUTE / MICROS_PER_SECOND,
        micros: time % MICROS_PER_SECOND,
        is_zoned,
    };
    let mut shown = String::new();
    for part in parts(template, |text| Ok(pattern(text)))? {
        match part {
            Part::Literal(letter) => shown.push(letter),
            Part::Pattern(pattern) => fields.append(&pattern, &mut shown)?,
        }
    }
    Ok(Some(shown))
}

fn pattern(text: &str) -> (usize, Option<Pattern>) {
    // What stands before a pattern is read even where none follows.
    let before = ["FM", "fm", "TM", "tm"].into_iter().find(|before| text.starts_with(before));
    let mut read = before.map_or(0, str::len);
    let rest = text.get(read..).unwrap_or_default();
    let Some(name) = PATTERNS.into_iter().find(|name| rest.starts_with(name)) else { return (read, None) };
    read += name.len();
    let rest = text.get(read..).unwrap_or_default();
    let ending = [("TH", Some(true)), ("th", Some(false)), ("SP", None)];
    let behind = ending.into_iter().find(|(behind, _)| rest.starts_with(behind));
    read += behind.map_or(0, |(behind, _)| behind.len());
    let is = |names: [&str; 2]| before.is_some_and(|before| names.contains(&before));
    let (is_bare, is_local) = (is(["FM", "fm"]), is(["TM", "tm"]));
    (read, Some(Pattern { name, is_bare, is_local, ending: behind.and_then(|(_, ending)| ending) }))
}

/// The Monday of the ISO 8601 week, and its year.
fn iso_week(days: i64) -> (i64, i64) {
    // 2000-01-03 was a Monday.
    let monday = days - (days - 2).rem_euclid(7);
    (monday, date_from_days(monday + 3).0)
}

/// The year as it is shown: there is no year 0, and no sign before Christ.
fn shown_year(year: i64) -> i64 {
    if year <= 0 { 1 - year } else { year }
}

impl Fields {
    fn append(&self, pattern: &Pattern, shown: &mut String) -> Result<(), SqlError> {
        let Pattern { name, is_bare, is_local, ending } = pattern;
        let number = |number: i64, width: usize| {
            let width = if *is_bare { 0 } else { width };
            format!("{number:0width$}")
        };
        let word = |word: &str, width: usize| {
            let width = if *is_bare || *is_local { 0 } else { width };
            format!("{word:<width$}")
        };
        let weekday = (self.days + 6).rem_euclid(7);
        let of = |names: &[&'static str], place: i64| {
            usize::try_from(place).ok().and_then(|place| names.get(place).copied()).unwrap_or_default()
        };
        let (month, day) = (of(&MONTHS, self.month - 1), of(&DAYS, weekday));
        let short = |name: &'static str| name.get(..3).unwrap_or(name);
        let day_of_year = self.days - days_from_date(self.year, 1, 1) + 1;
        let (monday, iso_year) = iso_week(self.days);
        let (iso_start, _) = iso_week(days_from_date(iso_year, 1, 4));
        let is_late = self.hour % 24 >= 12;
        let is_common = self.year > 0;
        let lower = name.to_ascii_lowercase();
        let text = match *name {
            "DAY" => word(&day.to_uppercase(), 9),
            "Day" => word(day, 9),
            "day" => word(&day.to_lowercase(), 9),
            "DY" => short(day).to_uppercase(),
            "Dy" => short(day).to_owned(),
            "dy" => short(day).to_lowercase(),
            "MONTH" => word(&month.to_uppercase(), 9),
            "Month" => word(month, 9),
            "month" => word(&month.to_lowercase(), 9),
            "MON" => short(month).to_uppercase(),
            "Mon" => short(month).to_owned(),
            "mon" => short(month).to_lowercase(),
            "RM" | "rm" => {
                let roman = of(&ROMAN, self.month - 1);
                let roman = if *name == "rm" { roman.to_lowercase() } else { roman.to_owned() };
                let width = if *is_bare { 0 } else { 4 };
                format!("{roman:<width$}")
            }
            "A.M." | "P.M." => if is_late { "P.M." } else { "A.M." }.to_owned(),
            "AM" | "PM" => if is_late { "PM" } else { "AM" }.to_owned(),
            "a.m." | "p.m." => if is_late { "p.m." } else { "a.m." }.to_owned(),
            "am" | "pm" => if is_late { "pm" } else { "am" }.to_owned(),
            "A.D." | "B.C." => if is_common { "A.D." } else { "B.C." }.to_owned(),
            "AD" | "BC" => if is_common { "AD" } else { "BC" }.to_owned(),
            "a.d." | "b.c." => if is_common { "a.d." } else { "b.c." }.to_owned(),
            "ad" | "bc" => if is_common { "ad" } else { "bc" }.to_owned(),
            "TZ" => if self.is_zoned { "UTC" } else { "" }.to_owned(),
            "tz" => if self.is_zoned { "utc" } else { "" }.to_owned(),
            "FX" | "fx" => String::new(),
            _ => match lower.as_str() {
                "hh" | "hh12" => number(if self.hour % 12 == 0 { 12 } else { self.hour % 12 }, 2),
                "hh24" => number(self.hour, 2),
                "mi" => number(self.minute, 2),
                "ss" => number(self.second, 2),
                "ff1" => format!("{:01}", self.micros / 100_000),
                "ff2" => format!("{:02}", self.micros / 10_000),
                "ff3" | "ms" => format!("{:03}", self.micros / 1_000),
                "ff4" => format!("{:04}", self.micros / 100),
                "ff5" => format!("{:05}", self.micros / 10),
                "ff6" | "us" => format!("{:06}", self.micros),
                "ssss" | "sssss" => (self.hour * 3_600 + self.minute * 60 + self.second).to_string(),
                "tzh" => "+00".to_owned(),
                "tzm" => "00".to_owned(),
                "of" => format!("+{}", number(0, 2)),
                "mm" => number(self.month, 2),
                "ddd" => number(day_of_year, 3),
                "iddd" => number(self.days - iso_start + 1, 3),
                "dd" => number(self.day, 2),
                "d" => (weekday + 1).to_string(),
                "id" => if weekday == 0 { 7 } else { weekday }.to_string(),
                "ww" => number((day_of_year - 1) / 7 + 1, 2),
                "iw" => number((monday - iso_start) / 7 + 1, 2),
                "q" => ((self.month - 1) / 3 + 1).to_string(),
                "cc" => {
                    let century = if is_common { (self.year - 1) / 100 + 1 } else { self.year / 100 - 1 };
                    let width = if century < 0 { 3 } else { 2 };
                    if century.abs() <= 99 { number(century, width) } else { century.to_string() }
                }
                "y,yyy" => {
                    let year = shown_year(self.year);
                    format!("{},{:03}", year / 1_000, year % 1_000)
                }
                "yyyy" => number(shown_year(self.year), 4),
                "yyy" => number(shown_year(self.year) % 1_000, 3),
                "yy" => number(shown_year(self.year) % 100, 2),
                "y" => (shown_year(self.year) % 10).to_string(),
                "iyyy" => number(shown_year(iso_year), 4),
                "iyy" => number(shown_year(iso_year) % 1_000, 3),
                "iy" => number(shown_year(iso_year) % 100, 2),
                "i" => (shown_year(iso_year) % 10).to_string(),
                "w" => ((self.day - 1) / 7 + 1).to_string(),
                "j" => (self.days + JULIAN_2000).to_string(),
                _ => String::new(),
            },
        };
        let has_ending = text.bytes().last().is_some_and(|last| last.is_ascii_digit())
            && !matches!(lower.as_str(), "tzh" | "tzm" | "of");
        shown.push_str(&text);
        if let Some(is_capital) = ending.filter(|_| has_ending) {
            let ending = ordinal(&text)?;
            if is_capital { shown.push_str(&ending.to_uppercase()) } else { shown.push_str(ending) }
        }
        Ok(())
    }
}
