//! `double precision` in text.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

use crate::sql_error::SqlError;
use crate::values::white_space::is_space;

/// From this exponent on a number is shown with one.
const FIRST_LARGE_EXPONENT: i32 = 15;
/// Up to this exponent a number is shown with one.
const LAST_SMALL_EXPONENT: i32 = -5;
/// What a `double precision` needs at the most.
const MAX_DIGITS: usize = 17;

/// Reads a number, as `float8in` does.
pub(crate) fn parse(text: &str) -> Result<f64, SqlError> {
    let syntax = || SqlError::new("22P02", format!("invalid input syntax for type double precision: \"{text}\""));
    let trimmed = text.trim_matches(is_space);
    let (sign, unsigned) = match trimmed.strip_prefix(['+', '-']) {
        Some(rest) => (if trimmed.starts_with('-') { -1.0 } else { 1.0 }, rest),
        None => (1.0, trimmed),
    };
    let lower = unsigned.to_ascii_lowercase();
    match lower.as_str() {
        "nan" => return Ok(f64::NAN.copysign(sign)),
        "inf" | "infinity" => return Ok(sign * f64::INFINITY),
        _ => {}
    }
    if lower.starts_with("0x") || lower.starts_with("nan(") {
        // The C library of the server decides about these.
        return Err(SqlError::unsupported(format!("\"{text}\" as a double precision")));
    }
    let (number_text, behind) =
        trimmed.split_at_checked(prefix_length(trimmed).ok_or_else(syntax)?).ok_or_else(syntax)?;
    let number = number_text.parse::<f64>().map_err(|_| syntax())?;
    let mantissa = number_text.split(['e', 'E']).next().unwrap_or_default();
    let is_zero = !mantissa.contains(|digit: char| ('1'..='9').contains(&digit));
    if number.is_infinite() || (number == 0.0 && !is_zero) {
        return Err(SqlError::new("22003", format!("\"{number_text}\" is out of range for type double precision")));
    }
    if behind.is_empty() { Ok(number) } else { Err(syntax()) }
}

/// The length of the decimal number that a text starts with, as `strtod` reads it.
pub(crate) fn prefix_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits_from = |start: usize| bytes.iter().skip(start).take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.starts_with(['+', '-']));
    let integer = digits_from(at);
    at += integer;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        fraction = digits_from(at + 1);
        if integer + fraction > 0 {
            at += 1 + fraction;
        }
    }
    if integer + fraction == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits_from(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    Some(at)
}

/// Shows a number with as few digits as lead back to it.
pub(crate) fn format(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number == 0.0 {
        return format!("{sign}0");
    }
    let (digits, exponent) = shortest(number.abs());
    let body = if exponent <= LAST_SMALL_EXPONENT || exponent >= FIRST_LARGE_EXPONENT {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        format!("{first}{point}{rest}e{exponent_sign}{:02}", exponent.abs())
    } else if let Ok(before) = usize::try_from(exponent) {
        match digits.split_at_checked(before + 1) {
            Some((integer, "")) => integer.to_owned(),
            Some((integer, fraction)) => format!("{integer}.{fraction}"),
            None => format!("{digits:0<width$}", width = before + 1),
        }
    } else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        format!("0.{}{digits}", "0".repeat(zeros))
    };
    format!("{sign}{body}")
}

/// The fewest digits that lead back to a number above 0, and the exponent of the first one.
/// PostgreSQL, unlike Rust, takes no digits that are just in the middle of two numbers, and of two
/// that are as near it takes the even ones.
fn shortest(number: f64) -> (String, i32) {
    let shortest = split(&format!("{number:e}"));
    for precision in shortest.0.len() - 1..MAX_DIGITS {
        let exact = split(&format!("{number:.precision$e}"));
        let found = [exact, shortest.clone()].into_iter().find(|(digits, exponent)| {
            let shown = format!("{digits}e{}", exponent - digits_after(digits));
            shown.parse() == Ok(number) && !is_middle(number, digits, *exponent)
        });
        if let Some((digits, exponent)) = found {
            return (digits.trim_end_matches('0').to_owned(), exponent);
        }
    }
    shortest
}

fn digits_after(digits: &str) -> i32 {
    i32::try_from(digits.len()).unwrap_or(i32::MAX) - 1
}

/// The digits and the exponent of `d.ddde-d`.
fn split(text: &str) -> (String, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// Whether these digits are in the middle between a number and one of its neighbours.
fn is_middle(number: f64, digits: &str, exponent: i32) -> bool {
    let Ok(digits_number) = digits.parse::<BigInt>() else { return false };
    let shown = BigDecimal::new(digits_number, i64::from(digits_after(digits)) - i64::from(exponent));
    let exact = |number: f64| BigDecimal::try_from(number).ok();
    [number.next_down(), number.next_up()].into_iter().filter(|neighbour| neighbour.is_finite()).any(|neighbour| {
        let (Some(number), Some(neighbour)) = (exact(number), exact(neighbour)) else { return false };
        number + neighbour == shown.double()
    })
}
