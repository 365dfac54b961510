use std::fmt;

use crate::name::Name;

/// A violated guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The kind of violation.
    pub kind: Kind,
    /// The request concerned, if it is about one.
    pub about: Option<Name>,
    /// The description.
    pub text: String,
}

/// The kinds of violations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something that was confirmed is missing.
    Lost,
    /// Something exists twice, or was answered in two ways.
    Doubled,
    /// Something exists that was not requested.
    Invented,
    /// A rule was blamed for an injected fault, in an answer or in the log.
    Blamed,
    /// A host failed, or did not come to rest.
    Failed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Lost, Self::Doubled, Self::Invented, Self::Blamed, Self::Failed];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Invented => "invented",
            Self::Blamed => "blamed",
            Self::Failed => "failed",
        })
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind)?;
        if let Some(name) = &self.about {
            write!(f, "{name}: ")?;
        }
        f.write_str(&self.text)
    }
}
