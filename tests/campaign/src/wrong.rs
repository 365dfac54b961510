use std::fmt;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// In one word.
    pub kind: Kind,
    /// What it is about, where that is one request: operation and key.
    pub about: Option<(String, String)>,
    /// What was found.
    pub text: String,
}

/// The kinds of promises that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something that was told is not there.
    Lost,
    /// Something is there twice, or was told in two ways.
    Doubled,
    /// Something is there that nobody was to make.
    Invented,
    /// A rule was blamed for what the weather did: by an answer, or in the log.
    Blamed,
    /// A host failed, or never came to rest.
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
        if let Some((operation, key)) = &self.about {
            write!(f, "{operation} {key:?}: ")?;
        }
        f.write_str(&self.text)
    }
}
