use crate::sql_error::SqlError;

/// Refuses what PostgreSQL 16 takes for a number and 15 does not: `0x1F`, `0o17`, `0b1` and `1_000`.
pub(crate) fn refuse_newer_number(text: &str, kind: &str) -> Result<(), SqlError> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text).to_ascii_lowercase();
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2)];
    let prefixed = prefixes.iter().find_map(|(prefix, base)| Some((unsigned.strip_prefix(prefix)?, *base)));
    let is_newer = match prefixed {
        Some((digits, base)) => !digits.is_empty() && digits.chars().all(|digit| digit == '_' || digit.is_digit(base)),
        None => unsigned.contains('_') && unsigned.chars().all(|part| part.is_ascii_digit() || "_.e+-".contains(part)),
    };
    if is_newer { Err(SqlError::unsupported(format!("\"{text}\" as a value of type {kind}"))) } else { Ok(()) }
}
