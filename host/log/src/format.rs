/// The format of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// Readable text: `2026-11-24T18:00:00.000000Z INFO target: message name=value`. A span within
    /// the line of another one is `name{...}`.
    Text,
}

impl Format {
    /// The byte after each member. It is removed after the last one.
    pub(crate) fn separator(self) -> u8 {
        match self {
            Self::Json => b',',
            Self::Text => b' ',
        }
    }

    /// Ends a list or an object: removes the separator after its last part.
    pub(crate) fn end(self, out: &mut Vec<u8>, with: &[u8]) {
        if out.last() == Some(&self.separator()) {
            out.pop();
        }
        out.extend_from_slice(with);
    }
}
