use std::fmt;
use std::io;
use std::path::Path;

/// Why something could not be read, built or started: what it is about, and what to do.
#[derive(Debug)]
pub struct Error {
    text: String,
    source: Option<io::Error>,
}

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    /// For `map_err`: what was being done to which file.
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let text = format!("cannot {doing} {}", path.display());
        move |source| Self { text, source: Some(source) }
    }

    /// For `map_err`: which program did not start.
    pub(crate) fn starting(program: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io("start", program)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
