//! Text of a bounded length.

use std::sync::Arc;

use crate::sql_error::SqlError;
use crate::values::kind::{Kind, MODIFIER_OFFSET, Modifier};

/// The bytes that a `name` has at the most.
const NAME_BYTES: usize = 63;

/// The text as a `varchar` or `bpchar` of this modifier holds it. What is too long is an error, unless
/// only blanks are cut or the cast is explicit.
pub(crate) fn fit(text: &str, kind: Kind, modifier: Modifier, is_explicit: bool) -> Result<Arc<str>, SqlError> {
    let Ok(limit) = usize::try_from(i64::from(modifier) - i64::from(MODIFIER_OFFSET)) else { return Ok(text.into()) };
    if let Some((at, _)) = text.char_indices().nth(limit) {
        let (kept, cut) = text.split_at(at);
        if !is_explicit && !cut.bytes().all(|byte| byte == b' ') {
            return Err(SqlError::new("22001", format!("value too long for type {}({limit})", kind.name())));
        }
        return Ok(kept.into());
    }
    if kind != Kind::Bpchar {
        return Ok(text.into());
    }
    let missing = limit - text.chars().count();
    Ok(format!("{text}{}", " ".repeat(missing)).into())
}

/// The text as a `name` holds it: cut silently, at a character's end.
pub(crate) fn name(text: &str) -> &str {
    text.get(..text.floor_char_boundary(NAME_BYTES)).unwrap_or(text)
}
