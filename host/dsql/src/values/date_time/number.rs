//! Numbers at the start of a text, as the C library reads them.

use crate::values::date_time::fault::Fault;

/// The integer that a text starts with, 0 where it starts with none, and what is behind it.
pub(crate) fn integer(text: &str) -> Result<(i64, &str), Fault> {
    let (is_negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = digits.split_at_checked(length).unwrap_or((digits, ""));
    if digits.is_empty() {
        return Ok((0, text));
    }
    let sign = if is_negative { "-" } else { "" };
    let number = format!("{sign}{digits}").parse().map_err(|_| Fault::FieldOverflow)?;
    Ok((number, rest))
}

/// The same for a number of 32 bits.
pub(crate) fn small_integer(text: &str) -> Result<(i64, &str), Fault> {
    let (number, rest) = integer(text)?;
    if i32::try_from(number).is_err() { Err(Fault::FieldOverflow) } else { Ok((number, rest)) }
}

/// A fraction with its point: nothing but digits may follow.
pub(crate) fn fraction(text: &str) -> Result<f64, Fault> {
    let digits = text.strip_prefix('.').ok_or(Fault::BadFormat)?;
    if digits.is_empty() {
        return Ok(0.0);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::BadFormat);
    }
    text.parse().map_err(|_| Fault::BadFormat)
}

/// A fraction of a second in micros.
pub(crate) fn fraction_of_second(text: &str) -> Result<i64, Fault> {
    Ok(truncated((fraction(text)? * 1_000_000.0).round_ties_even()))
}

/// A number without what is behind its point.
#[expect(clippy::cast_possible_truncation, reason = "what is out of range becomes the nearest, and is checked for")]
pub(crate) fn truncated(number: f64) -> i64 {
    number as i64
}
