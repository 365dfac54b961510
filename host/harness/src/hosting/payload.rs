use serde_json::value::RawValue;

use crate::error::{Error, Place, Result};
use tenet_core::Code;

/// Refuses a payload that is not JSON, and says where it is not: the pipeline would as well,
/// but it does not show the place.
///
/// # Errors
/// Fails where it is not JSON, with the place.
pub fn check_payload(payload: &str) -> Result<()> {
    let Err(error) = serde_json::from_str::<&RawValue>(payload) else { return Ok(()) };
    let line_start: usize = payload.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let end = if error.is_eof() { payload.len() } else { line_start + error.column() };
    let start = if error.is_eof() { end } else { end.saturating_sub(1) };
    let text = error.to_string();
    let why = text.rsplit_once(" at line ").map_or(text.as_str(), |(why, _)| why);
    let place = Place { name: "--payload".to_owned(), text: payload.to_owned(), span: start..end };
    Err(Error::new(
        format!("the payload is not JSON: {why}"),
        "it is a JSON object; in a shell, put it in single quotes",
    )
    .at(place)
    .explained(Code::Payload))
}
