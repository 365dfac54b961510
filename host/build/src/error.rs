use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tenet_core::Code;

use crate::bounded::{MAX_TEXT, text_at_most};

/// Why something could not be read, built or started.
///
/// Its text is complete: the place, the problem and the advice. A caller that shows the file itself
/// uses the three parts separately.
#[derive(Debug)]
pub struct Error {
    what: String,
    code: Option<Code>,
    place: Option<Box<Place>>,
    help: Option<String>,
    source: Option<io::Error>,
}

/// A place in a file that a team wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    text: String,
    span: Range<usize>,
}

impl Error {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), code: None, place: None, help: None, source: None }
    }

    /// For `map_err`: the failed operation and its file.
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("cannot {doing} {}", path.display());
        move |source| Self { source: Some(source), ..Self::new(what) }
    }

    /// For `map_err`: the program that did not start.
    pub(crate) fn starting(program: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io("start", program)
    }

    /// The same error at this place.
    pub(crate) fn at(self, place: Place) -> Self {
        Self { place: Some(Box::new(place)), ..self }
    }

    /// The same error with advice for the user.
    pub(crate) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same error with a code that `tenet explain` explains.
    pub(crate) fn coded(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The same error as the cause of another problem.
    pub(crate) fn because(self, what: &str) -> Self {
        Self { what: format!("{what}: {}", self.what), ..self }
    }

    /// The problem, without the place and the advice.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The code under which the error is explained.
    pub fn code(&self) -> Option<Code> {
        self.code
    }

    /// The place of the error, if it is in a file.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }

    /// The advice: the rest of a sentence, without a full stop.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl Place {
    /// A place in the file at `path` with this text. The span is cut to the text and to character
    /// boundaries.
    pub(crate) fn new(path: &Path, text: &str, span: Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let end = text.floor_char_boundary(span.end).max(start);
        Self { path: path.to_owned(), text: text.to_owned(), span: start..end }
    }

    /// One line of a file, counted from 1, without its indentation.
    pub(crate) fn of_line(path: &Path, number: usize) -> io::Result<Self> {
        let text = text_at_most(path, MAX_TEXT)?;
        let start: usize = text.split_inclusive('\n').take(number.saturating_sub(1)).map(str::len).sum();
        let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        Ok(Self::new(path, &text, start + indent..start + line.len()))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text of the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The byte range that the error is about. Empty if something is missing.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The line and column where the span begins, both counted from 1.
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = self.text.get(..self.span.start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }
}

/// `PATH:LINE:COLUMN`, which editors and terminals turn into a link.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_and_column();
        write!(f, "{}:{line}:{column}", self.path.display())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_text_it_says_where_and_what_and_what_to_do() {
        let text = "version = 1\nname = \"ä\" # ü\n";
        let start = text.find('#').unwrap();
        let place = Place::new(Path::new("b/tenet.toml"), text, start..start + 1);
        let error = Error::new("a comment").at(place).with_help("leave it out");
        assert_eq!(error.to_string(), "b/tenet.toml:2:12: a comment; leave it out");
        assert_eq!((error.what(), error.help()), ("a comment", Some("leave it out")));
    }

    #[test]
    fn a_place_is_inside_its_file() {
        let place = |span| Place::new(Path::new("f"), "a\nü", span);
        assert_eq!(place(3..9).span(), 2..4);
        assert_eq!(place(7..9).line_and_column(), (2, 2));
        assert_eq!(Place::new(Path::new("f"), "", 0..1).line_and_column(), (1, 1));
    }
}
