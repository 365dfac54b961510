//! What the fields of a text say together: a moment or a time of day.

use crate::values::date_time::calendar::{
    JULIAN_2000, MICROS_PER_DAY, MICROS_PER_SECOND, date_from_days, days_from_date, days_of_month, micros_of_day,
};
use crate::values::date_time::fault::Fault;
use crate::values::date_time::fields::{Field, FieldKind};
use crate::values::date_time::number::{fraction_of_second, small_integer};
use crate::values::date_time::words::{self, DateWord};

/// What was said already, one bit for each part.
type Parts = u32;
const YEAR: Parts = 1;
const MONTH: Parts = 1 << 1;
const DAY: Parts = 1 << 2;
const TIME: Parts = 1 << 3;
const ZONE: Parts = 1 << 4;
const DAY_OF_YEAR: Parts = 1 << 5;
const WEEKDAY: Parts = 1 << 6;
const MERIDIEM: Parts = 1 << 7;
const ERA: Parts = 1 << 8;
const DATE: Parts = YEAR | MONTH | DAY;

/// The hours that a zone is away from UTC at the most.
const MAX_ZONE_HOURS: i64 = 15;

/// What a text says.
pub(crate) enum Decoded {
    Infinity,
    NegativeInfinity,
    Epoch,
    Moment(Moment),
}

/// A date and a time of day.
pub(crate) struct Moment {
    /// 0 is 1 BC.
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    /// Since midnight.
    pub(crate) micros: i64,
    /// Seconds east of UTC.
    pub(crate) zone: i64,
}

/// What the next field is, as the one before it said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announced {
    Julian,
    Time,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Meridiem {
    Am,
    Pm,
}

#[derive(Default)]
struct Decoder {
    found: Parts,
    year: i64,
    month: i64,
    day: i64,
    day_of_year: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    zone: i64,
    meridiem: Option<Meridiem>,
    is_before_christ: bool,
    is_julian: bool,
    /// Whether the year was written with two digits or one.
    is_short_year: bool,
    has_month_name: bool,
    announced: Option<Announced>,
}

/// Reads the fields of a `date` or a `timestamp`.
pub(crate) fn date_time(fields: &[Field]) -> Result<Decoded, Fault> {
    let mut decoder = Decoder::default();
    for (at, field) in fields.iter().enumerate() {
        let parts = match field.kind {
            FieldKind::Date => decoder.date_field(&field.text)?,
            FieldKind::Time => {
                if decoder.announced.take() == Some(Announced::Julian) {
                    return Err(Fault::BadFormat);
                }
                let parts = decoder.time(&field.text)?;
                decoder.check_time()?;
                parts
            }
            FieldKind::Zone => decoder.zone(&field.text)?,
            FieldKind::Number => decoder.number_field(&field.text)?,
            FieldKind::Word | FieldKind::SignedWord => {
                let word = words::zone(&field.text).or_else(|| words::date_word(&field.text));
                match word.ok_or(Fault::BadFormat)? {
                    DateWord::Ignored => continue,
                    word @ (DateWord::Infinity | DateWord::NegativeInfinity | DateWord::Epoch) => {
                        if fields.len() > 1 {
                            // The versions of PostgreSQL differ.
                            return Err(Fault::refused(format!("\"{}\" with other fields", field.text)));
                        }
                        return Ok(match word {
                            DateWord::Infinity => Decoded::Infinity,
                            DateWord::Epoch => Decoded::Epoch,
                            _ => Decoded::NegativeInfinity,
                        });
                    }
                    DateWord::IsoTime => {
                        if decoder.found & DATE != DATE || !is_before_time(fields, at) {
                            return Err(Fault::BadFormat);
                        }
                        decoder.announced = Some(Announced::Time);
                        0
                    }
                    DateWord::Month(month) => decoder.month_name(month),
                    DateWord::Weekday => WEEKDAY,
                    word => decoder.word(word, &field.text)?,
                }
            }
        };
        decoder.add(parts)?;
    }
    decoder.check_date()?;
    decoder.apply_meridiem()?;
    if decoder.found & DATE != DATE {
        return Err(Fault::BadFormat);
    }
    if decoder.announced.is_some() {
        return Err(Fault::refused("a prefix without its field"));
    }
    let micros = decoder.micros_of_day();
    let Decoder { year, month, day, zone, .. } = decoder;
    Ok(Decoded::Moment(Moment { year, month, day, micros, zone }))
}

/// Reads the fields of a `time`, in micros.
pub(crate) fn time_only(fields: &[Field]) -> Result<i64, Fault> {
    let mut decoder = Decoder::default();
    let kind_at = |at: usize| fields.get(at).map(|field| field.kind);
    let ends_with_date = fields.last().map(|field| field.kind) == Some(FieldKind::Date);
    for (at, field) in fields.iter().enumerate() {
        let text = field.text.as_str();
        let may_be_date = at == 0 && fields.len() >= 2;
        let parts = match field.kind {
            FieldKind::Date if may_be_date && (ends_with_date || kind_at(1) == Some(FieldKind::Time)) => {
                decoder.date(text)?
            }
            FieldKind::Date => decoder.time_with_zone(text)?,
            FieldKind::Time => decoder.time(text)?,
            FieldKind::Zone => decoder.zone(text)?,
            FieldKind::Number => match (decoder.announced.take(), text.split_once('.')) {
                (Some(Announced::Julian), _) => decoder.julian_day(text)?,
                (Some(Announced::Time), _) => decoder.announced_time(text)?,
                (None, Some(_)) if may_be_date && ends_with_date => decoder.date(text)?,
                (None, Some((digits, _))) if digits.len() > 2 => decoder.run_together(text, decoder.found | DATE)?,
                (None, Some(_)) => return Err(Fault::BadFormat),
                (None, None) if text.len() > 4 => decoder.run_together(text, decoder.found | DATE)?,
                (None, None) => decoder.number(text, false, decoder.found | DATE)?,
            },
            FieldKind::Word | FieldKind::SignedWord => {
                let word = words::zone(text).or_else(|| words::date_word(text));
                match word.ok_or(Fault::BadFormat)? {
                    DateWord::Ignored => continue,
                    DateWord::IsoTime if is_before_time(fields, at) => {
                        decoder.announced = Some(Announced::Time);
                        0
                    }
                    DateWord::Infinity
                    | DateWord::NegativeInfinity
                    | DateWord::Epoch
                    | DateWord::IsoTime
                    | DateWord::Month(_)
                    | DateWord::Weekday => return Err(Fault::BadFormat),
                    DateWord::Clock if text != "now" => return Err(Fault::BadFormat),
                    word => decoder.word(word, text)?,
                }
            }
        };
        decoder.add(parts)?;
    }
    decoder.check_date()?;
    decoder.apply_meridiem()?;
    decoder.check_time()?;
    if decoder.found & TIME == 0 {
        return Err(Fault::BadFormat);
    }
    if decoder.announced.is_some() {
        return Err(Fault::refused("a prefix without its field"));
    }
    Ok(decoder.micros_of_day())
}

/// Whether a field that a time may be follows.
fn is_before_time(fields: &[Field], at: usize) -> bool {
    let next = fields.get(at + 1).map(|field| field.kind);
    matches!(next, Some(FieldKind::Number | FieldKind::Time | FieldKind::Date))
}

impl Decoder {
    /// Notes parts that were found; each may be there once.
    fn add(&mut self, parts: Parts) -> Result<(), Fault> {
        if self.found & parts != 0 {
            return Err(Fault::BadFormat);
        }
        self.found |= parts;
        Ok(())
    }

    fn micros_of_day(&self) -> i64 {
        micros_of_day(self.hour, self.minute, self.second, self.micros)
    }

    /// A word whose meaning is the same in all types.
    fn word(&mut self, word: DateWord, text: &str) -> Result<Parts, Fault> {
        Ok(match word {
            DateWord::Allballs => {
                (self.hour, self.minute, self.second, self.micros, self.zone) = (0, 0, 0, 0, 0);
                TIME | ZONE
            }
            DateWord::Utc => {
                self.zone = 0;
                ZONE
            }
            DateWord::Julian => {
                self.announced = Some(Announced::Julian);
                0
            }
            DateWord::Am | DateWord::Pm => {
                self.meridiem = Some(if word == DateWord::Am { Meridiem::Am } else { Meridiem::Pm });
                MERIDIEM
            }
            DateWord::Ad | DateWord::Bc => {
                self.is_before_christ = word == DateWord::Bc;
                ERA
            }
            DateWord::Clock => return Err(Fault::refused(format!("\"{text}\" in a date or a time"))),
            DateWord::Zone | DateWord::DaylightSaving => {
                return Err(Fault::refused(format!("the time zone \"{text}\"")));
            }
            _ => return Err(Fault::refused(format!("\"{text}\" before a field of a date or a time"))),
        })
    }

    /// A name of a month. A number that was taken for the month is the day.
    fn month_name(&mut self, month: i64) -> Parts {
        let is_day = self.found & (MONTH | DAY) == MONTH && !self.has_month_name && (1..=31).contains(&self.month);
        self.has_month_name = true;
        if is_day {
            self.day = self.month;
        }
        self.month = month;
        if is_day { DAY } else { MONTH }
    }

    /// A field with delimiters: a date; or, behind a date, a time with its zone.
    fn date_field(&mut self, text: &str) -> Result<Parts, Fault> {
        let has_day = self.found & (MONTH | DAY) == MONTH | DAY;
        match self.announced.take() {
            None if !has_day => self.date(text),
            None => self.time_with_zone(text),
            Some(Announced::Time) if text.starts_with(|first: char| first.is_ascii_digit()) => {
                self.time_with_zone(text)
            }
            Some(Announced::Time) => Err(Fault::BadFormat),
            Some(Announced::Julian) => Err(Fault::refused("a Julian day with a zone")),
        }
    }

    /// `hhmmss-zz`, or a zone with punctuation in its name.
    fn time_with_zone(&mut self, text: &str) -> Result<Parts, Fault> {
        if !text.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(Fault::refused(format!("the time zone \"{text}\"")));
        }
        let at = text.find('-').filter(|_| self.found & TIME == 0).ok_or(Fault::BadFormat)?;
        let (time, zone) = text.split_at_checked(at).ok_or(Fault::BadFormat)?;
        self.zone(zone)?;
        Ok(self.run_together(time, self.found | DATE)? | ZONE)
    }

    fn number_field(&mut self, text: &str) -> Result<Parts, Fault> {
        match self.announced.take() {
            Some(Announced::Julian) => return self.julian_day(text),
            Some(Announced::Time) => return self.announced_time(text),
            None => {}
        }
        let point = text.find('.');
        if point.is_some() && self.found & DATE == 0 {
            return self.date(text);
        }
        let has_gap = self.found & DATE == 0 || self.found & TIME == 0;
        let is_run_together = point.is_some_and(|digits| digits > 2) || (text.len() >= 6 && has_gap);
        if is_run_together {
            self.run_together(text, self.found)
        } else {
            self.number(text, self.has_month_name, self.found)
        }
    }

    fn julian_day(&mut self, text: &str) -> Result<Parts, Fault> {
        let (days, rest) = small_integer(text)?;
        if !rest.is_empty() {
            return Err(Fault::refused("a Julian day with a fraction"));
        }
        self.is_julian = true;
        (self.year, self.month, self.day) = date_from_days(days - JULIAN_2000);
        Ok(DATE)
    }

    /// A time without colons behind the `T` of ISO 8601.
    fn announced_time(&mut self, text: &str) -> Result<Parts, Fault> {
        let (_, rest) = small_integer(text)?;
        if !rest.is_empty() && !rest.starts_with('.') {
            return Err(Fault::BadFormat);
        }
        let parts = self.run_together(text, self.found | DATE)?;
        if parts == TIME { Ok(parts) } else { Err(Fault::BadFormat) }
    }

    /// A date of numbers and perhaps a month's name.
    fn date(&mut self, text: &str) -> Result<Parts, Fault> {
        let mut found = self.found;
        let mut parts = 0;
        let mut numbers = Vec::new();
        let mut has_month_name = false;
        for part in date_parts(text)? {
            if !part.starts_with(|first: char| first.is_ascii_alphabetic()) {
                numbers.push(part);
                continue;
            }
            match words::date_word(part) {
                Some(DateWord::Ignored) => {}
                Some(DateWord::Month(month)) if found & MONTH == 0 => {
                    self.month = month;
                    has_month_name = true;
                    found |= MONTH;
                    parts |= MONTH;
                }
                _ => return Err(Fault::BadFormat),
            }
        }
        for number in numbers {
            let part = self.number(number, has_month_name, found)?;
            if found & part != 0 {
                return Err(Fault::BadFormat);
            }
            found |= part;
            parts |= part;
        }
        // A time, a weekday or an era before the date leaves it no date.
        if found & !(DAY_OF_YEAR | ZONE) == DATE { Ok(parts) } else { Err(Fault::BadFormat) }
    }

    /// A number that is one part: which one, depends on what is there.
    fn number(&mut self, text: &str, has_month_name: bool, found: Parts) -> Result<Parts, Fault> {
        let (number, rest) = small_integer(text)?;
        let digits = text.len() - rest.len();
        if digits == 0 {
            return Err(Fault::BadFormat);
        }
        if rest.starts_with('.') {
            if digits > 2 {
                return self.run_together(text, found | DATE);
            }
            self.micros = fraction_of_second(rest)?;
        } else if !rest.is_empty() {
            return Err(Fault::BadFormat);
        }
        let length = text.len();
        if length == 3 && found & DATE == YEAR && (1..=366).contains(&number) {
            self.day_of_year = number;
            return Ok(DAY_OF_YEAR | MONTH | DAY);
        }
        let part = match found & DATE {
            0 if length >= 3 => YEAR,
            0 => MONTH,
            YEAR => MONTH,
            MONTH if has_month_name && length >= 3 => YEAR,
            MONTH => DAY,
            parts if parts == YEAR | MONTH => {
                if has_month_name && length >= 3 && self.is_short_year {
                    // What was taken for the year is the day.
                    self.day = self.year;
                    self.year = number;
                    self.is_short_year = false;
                    return Ok(DAY);
                }
                DAY
            }
            DAY => MONTH,
            parts if parts == MONTH | DAY => YEAR,
            DATE => return self.run_together(text, found),
            _ => return Err(Fault::BadFormat),
        };
        match part {
            YEAR => {
                self.year = number;
                self.is_short_year = length <= 2;
            }
            MONTH => self.month = number,
            _ => self.day = number,
        }
        Ok(part)
    }

    /// Digits of several parts: `yyyymmdd`, `hhmmss` or `hhmm`.
    fn run_together(&mut self, text: &str, found: Parts) -> Result<Parts, Fault> {
        let (digits, fraction) = match text.find('.') {
            Some(at) => text.split_at_checked(at).ok_or(Fault::BadFormat)?,
            None => (text, ""),
        };
        let cut = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().parse::<i64>().unwrap_or(0);
        let length = digits.len();
        if !fraction.is_empty() {
            self.micros = fraction_of_second(fraction)?;
        } else if found & DATE != DATE && length >= 6 {
            self.day = cut(length - 2, length);
            self.month = cut(length - 4, length - 2);
            self.year = cut(0, length - 4);
            if i32::try_from(self.year).is_err() {
                return Err(Fault::refused("a year of so many digits"));
            }
            self.is_short_year = length - 4 == 2;
            return Ok(DATE);
        }
        if found & TIME != 0 || !matches!(length, 4 | 6) {
            return Err(Fault::BadFormat);
        }
        (self.hour, self.minute) = (cut(0, 2), cut(2, 4));
        self.second = if length == 6 { cut(4, 6) } else { 0 };
        Ok(TIME)
    }

    /// `hh:mm`, `hh:mm:ss.fff` or `mm:ss.fff`.
    fn time(&mut self, text: &str) -> Result<Parts, Fault> {
        let time = parse_time(text, false)?;
        if i32::try_from(time.hour).is_err() {
            return Err(Fault::FieldOverflow);
        }
        (self.hour, self.minute, self.second, self.micros) = (time.hour, time.minute, time.second, time.micros);
        Ok(TIME)
    }

    /// `+hh`, `+hhmm`, `+hh:mm` or `+hh:mm:ss`.
    fn zone(&mut self, text: &str) -> Result<Parts, Fault> {
        let overflow = |fault: Fault| if matches!(fault, Fault::FieldOverflow) { Fault::ZoneOverflow } else { fault };
        let is_west = text.starts_with('-');
        let unsigned = text.strip_prefix(['+', '-']).ok_or(Fault::BadFormat)?;
        let (mut hour, mut rest) = small_integer(unsigned).map_err(overflow)?;
        let (mut minute, mut second) = (0, 0);
        if let Some(after) = rest.strip_prefix(':') {
            (minute, rest) = small_integer(after).map_err(overflow)?;
            if let Some(after) = rest.strip_prefix(':') {
                (second, rest) = small_integer(after).map_err(overflow)?;
            }
        } else if rest.is_empty() && text.len() > 3 {
            (hour, minute) = (hour / 100, hour % 100);
        }
        if !(0..=MAX_ZONE_HOURS).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
            return Err(Fault::ZoneOverflow);
        }
        if !rest.is_empty() {
            return Err(Fault::BadFormat);
        }
        let seconds = (hour * 60 + minute) * 60 + second;
        self.zone = if is_west { -seconds } else { seconds };
        Ok(ZONE)
    }

    fn check_time(&self) -> Result<(), Fault> {
        // An hour of 24 or a second of 60 is taken where the whole stays within the day.
        let is_valid = (0..=24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..=60).contains(&self.second)
            && (0..=MICROS_PER_SECOND).contains(&self.micros)
            && self.micros_of_day() <= MICROS_PER_DAY;
        if is_valid { Ok(()) } else { Err(Fault::FieldOverflow) }
    }

    fn apply_meridiem(&mut self) -> Result<(), Fault> {
        let Some(meridiem) = self.meridiem else { return Ok(()) };
        if self.hour > 12 {
            return Err(Fault::FieldOverflow);
        }
        self.hour = self.hour % 12 + if meridiem == Meridiem::Pm { 12 } else { 0 };
        Ok(())
    }

    fn check_date(&mut self) -> Result<(), Fault> {
        if self.found & YEAR != 0 && !self.is_julian {
            if self.is_before_christ {
                if self.year <= 0 {
                    return Err(Fault::FieldOverflow);
                }
                self.year = 1 - self.year;
            } else if self.is_short_year {
                self.year += match self.year {
                    0..70 => 2000,
                    70..100 => 1900,
                    _ => 0,
                };
            } else if self.year <= 0 {
                return Err(Fault::FieldOverflow);
            }
        }
        if self.found & DAY_OF_YEAR != 0 {
            if !(-4713..5_874_898).contains(&self.year) {
                // PostgreSQL counts such days past the bounds of its integers.
                return Err(Fault::refused("the day of a year out of range"));
            }
            let first = days_from_date(self.year, 1, 1);
            (self.year, self.month, self.day) = date_from_days(first + self.day_of_year - 1);
        }
        if self.found & MONTH != 0 && !(1..=12).contains(&self.month)
            || self.found & DAY != 0 && !(1..=31).contains(&self.day)
        {
            return Err(Fault::MonthDayOverflow);
        }
        if self.found & DATE == DATE && self.day > days_of_month(self.year, self.month) {
            return Err(Fault::FieldOverflow);
        }
        Ok(())
    }
}

/// A time as it is written.
pub(crate) struct Time {
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) micros: i64,
}

/// Reads `hh:mm`, `hh:mm:ss.fff` or `mm:ss.fff`; the hours have no bound. `has_no_hours` says that two
/// numbers are minutes and seconds.
pub(crate) fn parse_time(text: &str, has_no_hours: bool) -> Result<Time, Fault> {
    let (first, rest) = super::number::integer(text)?;
    let rest = rest.strip_prefix(':').ok_or(Fault::BadFormat)?;
    let (second, rest) = small_integer(rest)?;
    let (micros, is_shifted) = match rest {
        "" => (0, has_no_hours),
        _ if rest.starts_with('.') => (fraction_of_second(rest)?, true),
        _ => (0, false),
    };
    let time = if is_shifted {
        if i32::try_from(first).is_err() {
            return Err(Fault::FieldOverflow);
        }
        Time { hour: 0, minute: first, second, micros }
    } else if rest.is_empty() {
        Time { hour: first, minute: second, second: 0, micros }
    } else {
        let (third, rest) = small_integer(rest.strip_prefix(':').ok_or(Fault::BadFormat)?)?;
        let micros = if rest.is_empty() { 0 } else { fraction_of_second(rest)? };
        Time { hour: first, minute: second, second: third, micros }
    };
    let is_valid = time.hour >= 0 && (0..60).contains(&time.minute) && (0..=60).contains(&time.second);
    if is_valid { Ok(time) } else { Err(Fault::FieldOverflow) }
}

/// The runs of digits and letters of a date. Behind a delimiter there must be one.
fn date_parts(text: &str) -> Result<Vec<&str>, Fault> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = rest.trim_start_matches(|character: char| !character.is_ascii_alphanumeric());
        let is_digits = rest.starts_with(|first: char| first.is_ascii_digit());
        let is_part = |character: char| {
            if is_digits { character.is_ascii_digit() } else { character.is_ascii_alphabetic() }
        };
        let length = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        let (part, behind) = rest.split_at_checked(length).ok_or(Fault::BadFormat)?;
        if part.is_empty() {
            return Err(Fault::BadFormat);
        }
        parts.push(part);
        // One character goes with the part, whatever it is.
        rest = behind.get(1..).unwrap_or_default();
    }
    Ok(parts)
}
