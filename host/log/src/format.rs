/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// Words for people: `2026-11-24T18:00:00.000000Z INFO target: message name=value`. A span
    /// within another's line is `name{...}`.
    Text,
}

impl Format {
    /// What stands behind each member, and goes again after the last.
    pub(crate) fn separator(self) -> u8 {
        match self {
            Self::Json => b',',
            Self::Text => b' ',
        }
    }

    /// Ends a list or an object: the separator after its last part goes.
    pub(crate) fn end(self, out: &mut Vec<u8>, with: &[u8]) {
        if out.last() == Some(&self.separator()) {
            out.pop();
        }
        out.extend_from_slice(with);
    }
}
