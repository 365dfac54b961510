//! Numbers.

use super::{Part, ordinal, parts};
use crate::scalars::implementations::mismatch;
use crate::sql_error::SqlError;
use crate::values::numeric::{Numeric, power_of_ten};
use crate::values::value::Value;

/// The digits that a `double precision` has for sure.
const DOUBLE_DIGITS: usize = 15;
/// The width of a Roman number.
const ROMAN_WIDTH: usize = 15;
/// What PostgreSQL writes in the place of a digit or a sign that is not there: its text ends there.
const END: char = '\0';
/// Numbers from here on have no Roman form.
const END_OF_ROMAN: i64 = 4_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    Comma,
    Point,
    /// `D`.
    LocalPoint,
    Zero,
    Nine,
    Blank,
    Fill,
    Group,
    Currency,
    Minus,
    Plus,
    Brackets,
    /// In capitals or not.
    Roman(bool),
    SignPlace,
    Sign,
    /// In capitals or not.
    Ordinal(bool),
    Shift,
    Scientific,
    /// `C` and `SP`, which do nothing.
    Nothing,
}

/// The patterns; of those that begin alike the first one is looked for first.
const PATTERNS: [(&str, Pattern); 36] = [
    (",", Pattern::Comma),
    (".", Pattern::Point),
    ("0", Pattern::Zero),
    ("9", Pattern::Nine),
    ("B", Pattern::Blank),
    ("C", Pattern::Nothing),
    ("D", Pattern::LocalPoint),
    ("EEEE", Pattern::Scientific),
    ("FM", Pattern::Fill),
    ("G", Pattern::Group),
    ("L", Pattern::Currency),
    ("MI", Pattern::Minus),
    ("PL", Pattern::Plus),
    ("PR", Pattern::Brackets),
    ("RN", Pattern::Roman(true)),
    ("SG", Pattern::SignPlace),
    ("SP", Pattern::Nothing),
    ("S", Pattern::Sign),
    ("TH", Pattern::Ordinal(true)),
    ("V", Pattern::Shift),
    ("b", Pattern::Blank),
    ("c", Pattern::Nothing),
    ("d", Pattern::LocalPoint),
    ("eeee", Pattern::Scientific),
    ("fm", Pattern::Fill),
    ("g", Pattern::Group),
    ("l", Pattern::Currency),
    ("mi", Pattern::Minus),
    ("pl", Pattern::Plus),
    ("pr", Pattern::Brackets),
    ("rn", Pattern::Roman(false)),
    ("sg", Pattern::SignPlace),
    ("sp", Pattern::Nothing),
    ("s", Pattern::Sign),
    ("th", Pattern::Ordinal(false)),
    ("v", Pattern::Shift),
];

/// Where `S` puts the sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SignIs {
    #[default]
    Usual,
    Before,
    Behind,
}

/// What the patterns of a template say together.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a pattern that is there or not")]
struct Description {
    /// Digits before the point, and behind it.
    before: usize,
    behind: usize,
    /// The digits by which `V` shifts.
    shift: usize,
    /// Of the digits before the point the first `0`, from 1; and the last `0` of all.
    zero_start: Option<usize>,
    zero_end: usize,
    sign: SignIs,
    has_sign: bool,
    /// The digits before `S`.
    before_sign: usize,
    has_point: bool,
    has_minus: bool,
    has_plus: bool,
    has_brackets: bool,
    is_fill: bool,
    is_blank: bool,
    is_roman: bool,
    is_shifted: bool,
    is_scientific: bool,
}

fn refused(text: &str) -> SqlError {
    SqlError::new("42601", text)
}

impl Description {
    fn add(&mut self, pattern: Pattern) -> Result<(), SqlError> {
        if self.is_scientific && pattern != Pattern::Scientific {
            return Err(refused("\"EEEE\" must be the last pattern used"));
        }
        match pattern {
            Pattern::Nine if self.has_brackets => return Err(refused("\"9\" must be ahead of \"PR\"")),
            Pattern::Nine if self.is_shifted => self.shift += 1,
            Pattern::Nine if self.has_point => self.behind += 1,
            Pattern::Nine => self.before += 1,
            Pattern::Zero if self.has_brackets => return Err(refused("\"0\" must be ahead of \"PR\"")),
            Pattern::Zero => {
                if self.zero_start.is_none() && !self.has_point {
                    self.zero_start = Some(self.before);
                }
                if self.has_point {
                    self.behind += 1
                } else {
                    self.before += 1
                }
                self.zero_end = self.before + self.behind;
            }
            Pattern::Blank if self.before == 0 && self.behind == 0 && self.zero_start.is_none() => self.is_blank = true,
            Pattern::Point | Pattern::LocalPoint => {
                if self.has_point {
                    return Err(refused("multiple decimal points"));
                }
                if self.is_shifted {
                    return Err(refused("cannot use \"V\" and decimal point together"));
                }
                self.has_point = true;
            }
            Pattern::Fill => self.is_fill = true,
            Pattern::Sign => {
                if self.has_sign {
                    return Err(refused("cannot use \"S\" twice"));
                }
                if self.has_plus || self.has_minus || self.has_brackets {
                    return Err(refused("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together"));
                }
                self.has_sign = true;
                if self.has_point {
                    self.sign = SignIs::Behind;
                } else {
                    (self.sign, self.before_sign) = (SignIs::Before, self.before);
                }
            }
            Pattern::Minus | Pattern::Plus | Pattern::SignPlace if self.has_sign => {
                let name = match pattern {
                    Pattern::Minus => "MI",
                    Pattern::Plus => "PL",
                    _ => "SG",
                };
                return Err(refused(&format!("cannot use \"S\" and \"{name}\" together")));
            }
            Pattern::Minus => self.has_minus = true,
            Pattern::Plus => self.has_plus = true,
            Pattern::SignPlace => (self.has_minus, self.has_plus) = (true, true),
            Pattern::Brackets => {
                if self.has_sign || self.has_plus || self.has_minus {
                    return Err(refused("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together"));
                }
                self.has_brackets = true;
            }
            Pattern::Roman(_) => self.is_roman = true,
            Pattern::Shift if self.has_point => {
                return Err(refused("cannot use \"V\" and decimal point together"));
            }
            Pattern::Shift => self.is_shifted = true,
            Pattern::Scientific => {
                if self.is_scientific {
                    return Err(refused("cannot use \"EEEE\" twice"));
                }
                let has_others = self.is_blank || self.is_fill || self.has_sign || self.has_brackets;
                if has_others || self.has_minus || self.has_plus || self.is_roman || self.is_shifted {
                    let detail = "\"EEEE\" may only be used together with digit and decimal point patterns.";
                    return Err(refused("\"EEEE\" is incompatible with other formats").with_detail(detail));
                }
                self.is_scientific = true;
            }
            Pattern::Blank
            | Pattern::Comma
            | Pattern::Group
            | Pattern::Currency
            | Pattern::Ordinal(_)
            | Pattern::Nothing => {}
        }
        Ok(())
    }
}

/// A number as the digits that a template shows: those before a point, and those behind it.
struct Digits {
    text: String,
    /// The length of what stands before the point.
    before: usize,
    is_negative: bool,
}

impl Digits {
    fn of(text: &str) -> Self {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let before = text.find('.').unwrap_or(text.len());
        Self { text: text.to_owned(), before, is_negative }
    }

    /// Those of an integer, with zeros behind the point.
    fn of_integer(number: i128, behind: usize) -> Self {
        let mut digits = Self::of(&number.to_string());
        if behind > 0 {
            digits.text.push('.');
            digits.text.push_str(&"0".repeat(behind));
        }
        digits
    }
}

/// Shows a number.
pub(super) fn show(number: &Value, template: &str) -> Result<String, SqlError> {
    let mut description = Description::default();
    let parts = parts(template, |text| {
        let Some((name, pattern)) = PATTERNS.into_iter().find(|(name, _)| text.starts_with(name)) else {
            return Ok((0, None));
        };
        description.add(pattern)?;
        Ok((name.len(), Some(pattern)))
    })?;
    if template.is_empty() {
        return Ok(String::new());
    }
    if description.is_scientific {
        return Err(SqlError::unsupported("\"EEEE\" in a template of to_char"));
    }
    if description.is_roman {
        let roman = roman(whole(number)?);
        let digits = Digits { text: roman, before: 0, is_negative: false };
        return Writer::roman(description, digits).write(&parts);
    }
    let mut digits = digits(number, &mut description)?;
    let blanks = description.before.saturating_sub(digits.before);
    if digits.before > description.before {
        // It does not fit.
        digits.text = format!("{}.{}", "#".repeat(description.before), "#".repeat(description.behind));
        digits.before = description.before;
    }
    Writer::new(description, digits, blanks).write(&parts)
}

/// The number rounded as the template says, shifted by `V`.
fn digits(number: &Value, description: &mut Description) -> Result<Digits, SqlError> {
    let shift = description.shift;
    if description.is_shifted {
        description.before += shift;
    }
    let power = || u32::try_from(shift).ok().and_then(|shift| 10_i128.checked_pow(shift));
    match number {
        Value::Int4(number) => {
            // PostgreSQL does not look whether it overflows.
            let power = power().and_then(|power| i32::try_from(power).ok());
            let power = power.ok_or_else(|| SqlError::unsupported("so many digits behind \"V\""))?;
            Ok(Digits::of_integer(number.wrapping_mul(power).into(), description.behind))
        }
        Value::Int8(number) => {
            let power = power().and_then(|power| i64::try_from(power).ok());
            let shifted = power.and_then(|power| number.checked_mul(power));
            let shifted = shifted.ok_or_else(|| SqlError::new("22003", "bigint out of range"))?;
            Ok(Digits::of_integer(shifted.into(), description.behind))
        }
        Value::Numeric(number) => {
            let places = i64::try_from(shift).map_err(|_| mismatch())?;
            let power = Numeric::from_parts(power_of_ten(places), 0)?;
            let shifted = if description.is_shifted { number.mul(&power)? } else { number.clone() };
            let behind = i32::try_from(description.behind).map_err(|_| mismatch())?;
            Ok(Digits::of(&shifted.round(behind)?.to_string()))
        }
        Value::Float8(number) => {
            let exponent = i32::try_from(shift).unwrap_or(i32::MAX);
            let shifted = if description.is_shifted { number * 10_f64.powi(exponent) } else { *number };
            if !shifted.is_finite() {
                return Err(SqlError::unsupported("to_char of a number that is not finite"));
            }
            let length = format!("{:.0}", shifted.abs()).len();
            if length >= DOUBLE_DIGITS {
                description.behind = 0;
            } else {
                description.behind = description.behind.min(DOUBLE_DIGITS - length);
            }
            Ok(Digits::of(&format!("{shifted:.*}", description.behind)))
        }
        _ => Err(mismatch()),
    }
}

/// The number as an integer of 32 bits.
fn whole(number: &Value) -> Result<i64, SqlError> {
    let out_of_range = || SqlError::new("22003", "integer out of range");
    let number = match number {
        Value::Int4(number) => i64::from(*number),
        Value::Int8(number) => *number,
        Value::Numeric(number) => number.round(0)?.to_i64("integer")?,
        // What is no number of 32 bits has no Roman form either.
        Value::Float8(number) if number.abs() < f64::from(i32::MAX) => {
            Numeric::from_f64(number.round_ties_even())?.to_i64("integer")?
        }
        Value::Float8(_) => 0,
        _ => return Err(mismatch()),
    };
    i32::try_from(number).map(i64::from).map_err(|_| out_of_range())
}

fn roman(number: i64) -> String {
    if !(1..END_OF_ROMAN).contains(&number) {
        return "#".repeat(ROMAN_WIDTH);
    }
    let steps = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut left = number;
    let mut roman = String::new();
    for (value, letters) in steps {
        while left >= value {
            roman.push_str(letters);
            left -= value;
        }
    }
    roman
}

/// Writes the digits of a number into the places of a template.
struct Writer {
    description: Description,
    number: Vec<u8>,
    /// The next digit, by its place.
    next: usize,
    /// The place in the template, counted in digits and points.
    place: usize,
    /// Places before the first digit.
    blanks: usize,
    sign: Option<char>,
    has_sign: bool,
    /// The last place that may be shown; the last digit that is not 0 behind the point, or the point.
    last: Option<usize>,
    /// The places that digits and a sign take.
    places: isize,
    /// Whether a digit was written last.
    is_in_number: bool,
    out: String,
}

impl Writer {
    fn roman(description: Description, digits: Digits) -> Self {
        let description = Description { is_fill: description.is_fill, is_roman: true, ..Description::default() };
        let number = digits.text.into_bytes();
        Self {
            description,
            number,
            next: 0,
            place: 0,
            blanks: 0,
            sign: None,
            has_sign: false,
            last: None,
            places: -1,
            is_in_number: false,
            out: String::new(),
        }
    }

    fn new(mut description: Description, digits: Digits, blanks: usize) -> Self {
        let sign = if digits.is_negative { '-' } else { '+' };
        let has_sign = if description.has_plus || description.has_minus {
            // MI, PL and SG write it. PL alone writes no minus.
            !description.has_plus || description.has_minus
        } else {
            if description.has_brackets && description.is_fill && sign != '-' {
                description.has_brackets = false;
            }
            if description.sign == SignIs::Before && description.before == description.before_sign {
                description.sign = SignIs::Behind;
            }
            sign == '+' && description.is_fill && !description.has_sign
        };
        let number = digits.text.into_bytes();
        let mut places = (description.before + description.behind).cast_signed() - 1;
        let mut last = None;
        if description.is_fill
            && description.has_point
            && let Some(point) = number.iter().position(|digit| *digit == b'.')
        {
            let end = number.iter().rposition(|digit| *digit != b'0').unwrap_or(point).max(point);
            last = Some(end);
            if description.zero_end > blanks {
                let zero = (number.len() - 1).min(description.zero_end - blanks);
                last = Some(end.max(zero));
            }
        }
        if !has_sign && blanks == 0 {
            places += 1;
        }
        let (next, place, is_in_number, out) = (0, 0, false, String::new());
        let sign = Some(sign);
        Self { description, number, next, place, blanks, sign, has_sign, last, places, is_in_number, out }
    }

    fn write(mut self, parts: &[Part<Pattern>]) -> Result<String, SqlError> {
        let is_fill = self.description.is_fill;
        for part in parts {
            let pattern = match part {
                Part::Literal(letter) => {
                    self.out.push(*letter);
                    continue;
                }
                Part::Pattern(pattern) => *pattern,
            };
            match pattern {
                Pattern::Nine | Pattern::Zero | Pattern::Point | Pattern::LocalPoint => self.digit(pattern),
                Pattern::Comma | Pattern::Group => match (self.is_in_number, is_fill) {
                    (true, _) => self.out.push(','),
                    (false, false) => self.out.push(' '),
                    (false, true) => {}
                },
                Pattern::Currency => self.out.push(' '),
                Pattern::Roman(is_capital) => {
                    let roman = String::from_utf8_lossy(&self.number).into_owned();
                    let roman = if is_capital { roman } else { roman.to_lowercase() };
                    let width = if is_fill { 0 } else { ROMAN_WIDTH };
                    self.out.push_str(&format!("{roman:>width$}"));
                }
                Pattern::Ordinal(is_capital) => self.ordinal(is_capital)?,
                Pattern::Minus if self.sign == Some('-') => self.out.push('-'),
                Pattern::Plus if self.sign == Some('+') => self.out.push('+'),
                Pattern::Minus | Pattern::Plus if !is_fill => self.out.push(' '),
                Pattern::SignPlace => self.out.push(self.sign.unwrap_or(END)),
                _ => {}
            }
        }
        if let Some(end) = self.out.find(END) {
            self.out.truncate(end);
        }
        Ok(self.out)
    }

    fn ordinal(&mut self, is_capital: bool) -> Result<(), SqlError> {
        let is_left_out = self.description.is_roman
            || self.number.first() == Some(&b'#')
            || self.sign == Some('-')
            || self.description.has_point;
        if !is_left_out {
            let ending = ordinal(&String::from_utf8_lossy(&self.number))?;
            if is_capital { self.out.push_str(&ending.to_uppercase()) } else { self.out.push_str(ending) }
        }
        Ok(())
    }

    fn is_at(&self, place: Option<usize>, digit: u8) -> bool {
        place.is_some_and(|place| self.number.get(place) == Some(&digit))
    }

    /// Whether the only digit before the point is a 0, which is not shown.
    fn is_hidden_zero(&self) -> bool {
        self.description.zero_start.is_none()
            && self.next == 0
            && self.number.first() == Some(&b'0')
            && self.description.behind != 0
    }

    fn digit(&mut self, pattern: Pattern) {
        if self.description.is_roman {
            return;
        }
        self.is_in_number = false;
        let ends_at_point = self.is_at(self.last, b'.');
        let is_zero_here = self.description.zero_start == Some(self.place);
        if !self.has_sign && (self.place >= self.blanks || is_zero_here) && (!self.is_hidden_zero() || ends_at_point) {
            self.write_sign();
        }
        let is_fill = self.description.is_fill;
        let is_zero_from_here = self.description.zero_start.is_some_and(|start| start <= self.place);
        if self.place < self.blanks && !is_zero_from_here {
            if !is_fill {
                self.out.push(' ');
            }
        } else if self.place < self.blanks {
            self.out.push('0');
            self.is_in_number = true;
        } else {
            let digit = self.number.get(self.next).copied();
            if digit == Some(b'.') {
                if !ends_at_point || is_fill {
                    self.out.push('.');
                }
            } else if self.last.is_some_and(|last| self.next > last) && pattern != Pattern::Zero {
                // A zero at the end.
            } else if self.is_hidden_zero() {
                if !is_fill {
                    self.out.push(' ');
                } else if ends_at_point {
                    self.out.push('0');
                }
            } else {
                self.out.push(digit.map_or(END, char::from));
                self.is_in_number = true;
            }
            if digit.is_some() {
                self.next += 1;
            }
        }
        let has_blanks = isize::from(self.blanks > 0);
        let mut end = self.places + has_blanks + isize::from(self.description.has_point);
        if self.last == Some(self.next) {
            end = self.place.cast_signed();
        }
        if self.place.cast_signed() + 1 == end {
            if self.has_sign && self.description.has_brackets {
                self.out.push(if self.sign == Some('+') { ' ' } else { '>' });
            } else if self.description.has_sign && self.description.sign == SignIs::Behind {
                self.out.extend(self.sign);
            }
        }
        self.place += 1;
    }

    fn write_sign(&mut self) {
        if self.description.has_sign {
            if self.description.sign == SignIs::Before {
                self.out.extend(self.sign);
                self.has_sign = true;
            }
            return;
        }
        let sign = match (self.description.has_brackets, self.sign) {
            (true, Some('+')) => Some(' '),
            (true, _) => Some('<'),
            (false, Some('+')) => (!self.description.is_fill).then_some(' '),
            (false, sign) => sign,
        };
        self.out.extend(sign);
        self.has_sign = true;
    }
}
