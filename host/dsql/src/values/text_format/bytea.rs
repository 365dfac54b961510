//! `bytea` in text.

use crate::sql_error::SqlError;
use crate::values::text_format::hex_digit;

/// Reads bytes in the hex form (`\x00ff`) or the escape form (`a\000`).
pub(super) fn parse(text: &str) -> Result<Vec<u8>, SqlError> {
    match text.strip_prefix("\\x") {
        Some(digits) => parse_hex(digits),
        None => parse_escaped(text.as_bytes()),
    }
}

fn parse_hex(text: &str) -> Result<Vec<u8>, SqlError> {
    let digit = |character: char| {
        let digit = u8::try_from(character).ok().and_then(hex_digit);
        digit.ok_or_else(|| SqlError::new("22023", format!("invalid hexadecimal digit: \"{character}\"")))
    };
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut rest = text.chars();
    while let Some(high) = rest.next() {
        if matches!(high, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(high)?;
        let low = rest.next();
        let low = low.ok_or_else(|| SqlError::new("22023", "invalid hexadecimal data: odd number of digits"))?;
        bytes.push(high << 4 | digit(low)?);
    }
    Ok(bytes)
}

fn parse_escaped(mut rest: &[u8]) -> Result<Vec<u8>, SqlError> {
    let mut bytes = Vec::with_capacity(rest.len());
    loop {
        rest = match rest {
            [] => return Ok(bytes),
            [b'\\', b'\\', after @ ..] => {
                bytes.push(b'\\');
                after
            }
            [b'\\', high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', after @ ..] => {
                bytes.push((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'));
                after
            }
            [b'\\', ..] => return Err(SqlError::new("22P02", "invalid input syntax for type bytea")),
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        };
    }
}

pub(super) fn format(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text
}
