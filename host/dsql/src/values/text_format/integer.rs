//! Integers in text.

use crate::sql_error::SqlError;
use crate::values::kind::Kind;
use crate::values::newer_number::refuse_newer_number;
use crate::values::text_format::invalid;
use crate::values::white_space::is_space;

/// Reads a `smallint`, `integer` or `bigint`.
pub(super) fn parse<N: TryFrom<i128>>(text: &str, kind: Kind) -> Result<N, SqlError> {
    let out_of_range = || SqlError::new("22003", format!("value \"{text}\" is out of range for type {}", kind.name()));
    let trimmed = text.trim_start_matches(is_space);
    refuse_newer_number(trimmed.trim_end_matches(is_space), kind.name())?;
    let (is_negative, unsigned) = match trimmed.strip_prefix(['+', '-']) {
        Some(rest) => (trimmed.starts_with('-'), rest),
        None => (false, trimmed),
    };
    let mut magnitude: i128 = 0;
    let mut digits = 0;
    for digit in unsigned.chars().map_while(|character| character.to_digit(10)) {
        magnitude = (magnitude * 10 + i128::from(digit)).min(i128::from(u64::MAX));
        digits += 1;
    }
    if digits == 0 {
        return Err(invalid(kind, text));
    }
    if !unsigned.get(digits..).unwrap_or_default().chars().all(is_space) {
        // A number that is far too large is seen before what is behind it.
        let is_far = N::try_from(-magnitude).is_err();
        if is_far && N::try_from(magnitude / 10 * -10).is_ok() {
            return Err(SqlError::unsupported(format!("\"{text}\", whose error depends on PostgreSQL's version,")));
        }
        return Err(if is_far { out_of_range() } else { invalid(kind, text) });
    }
    N::try_from(if is_negative { -magnitude } else { magnitude }).map_err(|_| out_of_range())
}

/// Reads an `oid`: a number of 32 bits, also as the signed number with the same bits.
pub(super) fn parse_oid(text: &str) -> Result<u32, SqlError> {
    let trimmed = text.trim_matches(is_space);
    refuse_newer_number(trimmed, "oid")?;
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let length = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, behind) = unsigned.split_at_checked(length).unwrap_or((unsigned, ""));
    if digits.is_empty() {
        return Err(invalid(Kind::Oid, text));
    }
    if digits.len() > 1 && digits.starts_with('0') {
        // PostgreSQL 15 reads decimals here, and 16 octal digits.
        return Err(SqlError::unsupported(format!("\"{text}\" as an oid")));
    }
    let out_of_range = || SqlError::new("22003", format!("value \"{text}\" is out of range for type oid"));
    let magnitude = digits.parse::<u64>().map_err(|_| out_of_range())?;
    if !behind.is_empty() {
        return Err(invalid(Kind::Oid, text));
    }
    let bits = if trimmed.starts_with('-') { magnitude.wrapping_neg() } else { magnitude };
    let signed = || i32::try_from(bits.cast_signed()).map(i32::cast_unsigned);
    u32::try_from(bits).or_else(|_| signed()).map_err(|_| out_of_range())
}
