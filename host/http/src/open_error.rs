use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a bundle's OpenAPI document could not be loaded.
#[derive(Debug)]
pub struct OpenError {
    pub(crate) file: Option<PathBuf>,
    pub(crate) what: &'static str,
    pub(crate) source: Option<io::Error>,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{} {}", file.display(), self.what),
            None => f.write_str(self.what),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
