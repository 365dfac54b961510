//! Text that comes as bytes.

use crate::sql_error::SqlError;

/// The bytes as text.
///
/// # Errors
/// 22021, with the bytes that are none, as PostgreSQL names them.
pub(crate) fn check(bytes: &[u8]) -> Result<&str, SqlError> {
    let (valid, wrong) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let (valid, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or((bytes, &[]));
            (std::str::from_utf8(valid).unwrap_or_default(), Some(rest))
        }
    };
    // A zero byte ends a string of the server's.
    let wrong = if valid.contains('\0') { Some([0].as_slice()) } else { wrong };
    let Some(wrong) = wrong else { return Ok(valid) };
    let length = match wrong.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => 1,
    };
    let shown: Vec<String> = wrong.iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
    Err(SqlError::new("22021", format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "))))
}
