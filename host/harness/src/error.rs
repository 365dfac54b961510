use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;

use tenet_core::Code;

/// Why a bundle could not be built, run, tested or replayed.
///
/// As text it says what is wrong, with its causes in the alternate form (`{:#}`). [`help`](Self::help),
/// [`place`](Self::place) and [`code`](Self::code) are for those that show them apart.
pub struct Error(Box<Repr>);

enum Repr {
    /// This crate's own.
    Own(Own),
    /// Another crate's, as it is.
    Other(Box<dyn StdError + Send + Sync>),
}

#[derive(Default)]
struct Own {
    what: String,
    help: Option<String>,
    place: Option<Place>,
    code: Option<Code>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A part of a text: a file's, or an argument's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's path, or what the text is.
    pub name: String,
    /// The text, whole.
    pub text: String,
    /// The bytes of the text that are meant.
    pub span: Range<usize>,
}

/// What a function of this crate gives.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What is wrong, and what to do about it: the rest of a sentence, without a full stop.
    pub(crate) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::plain(what).with(|own| own.help = Some(help.into()))
    }

    /// What is wrong, where nothing is to be done about it.
    pub(crate) fn plain(what: impl Into<String>) -> Self {
        Self(Box::new(Repr::Own(Own { what: what.into(), ..Own::default() })))
    }

    /// The same, about this place.
    pub(crate) fn at(self, place: Place) -> Self {
        self.with(|own| own.place = Some(place))
    }

    /// The same, with a page of its own in `tenet explain`.
    pub(crate) fn explained(self, code: Code) -> Self {
        self.with(|own| own.code = Some(code))
    }

    /// The same, of which `source` is the cause.
    pub(crate) fn caused_by(self, source: Self) -> Self {
        let source = match *source.0 {
            Repr::Own(_) => Box::new(source),
            Repr::Other(other) => other,
        };
        self.with(|own| own.source = Some(source))
    }

    fn with(mut self, change: impl FnOnce(&mut Own)) -> Self {
        if let Repr::Own(own) = &mut *self.0 {
            change(own);
        }
        self
    }

    /// Another crate's error, which keeps its text and its causes.
    pub(crate) fn other(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Box::new(Repr::Other(Box::new(error))))
    }

    /// What is wrong, without its place, its causes and what to do.
    pub fn what(&self) -> String {
        match &*self.0 {
            Repr::Own(own) => own.what.clone(),
            Repr::Other(other) => what(other.as_ref()),
        }
    }

    /// What to do: the rest of a sentence, without a full stop.
    pub fn help(&self) -> Option<&str> {
        self.first(|own| own.help.as_deref(), tenet_build::Error::help)
    }

    /// Where it is wrong, if that is a place in a text.
    pub fn place(&self) -> Option<Place> {
        self.first(|own| own.place.clone(), |error| error.place().map(Place::of))
    }

    /// The code under which `tenet explain` has more.
    pub fn code(&self) -> Option<Code> {
        self.first(|own| own.code, tenet_build::Error::code)
    }

    /// Of the errors that led to each other the first that has it.
    fn first<'a, T>(
        &'a self,
        of_own: impl Fn(&'a Own) -> Option<T>,
        of_build: impl Fn(&'a tenet_build::Error) -> Option<T>,
    ) -> Option<T> {
        let mut error = self;
        loop {
            let other = match &*error.0 {
                Repr::Own(own) => match of_own(own) {
                    Some(found) => return Some(found),
                    None => own.source.as_deref()?,
                },
                Repr::Other(other) => other.as_ref(),
            };
            match other.downcast_ref::<Self>() {
                Some(next) => error = next,
                None => return other.downcast_ref().and_then(&of_build),
            }
        }
    }
}

impl Place {
    /// A place in a team's file, as one would name it from here.
    pub fn of(place: &tenet_build::Place) -> Self {
        let here = std::env::current_dir().and_then(std::fs::canonicalize).unwrap_or_default();
        let path = place.path().strip_prefix(here).unwrap_or(place.path());
        Self { name: path.display().to_string(), text: place.text().to_owned(), span: place.span() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Repr::Own(own) => f.write_str(&own.what)?,
            Repr::Other(other) => write!(f, "{other}")?,
        }
        let mut cause = self.source().filter(|_| f.alternate());
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// All of it, for a test that ends with it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { name, text, span }) = self.place() {
            let line = text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
            write!(f, "{name}:{line}: ")?;
        }
        f.write_str(&self.what())?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {}", what(error))?;
            cause = error.source();
        }
        match self.help() {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &*self.0 {
            Repr::Own(own) => own.source.as_deref().map(|source| source as _),
            Repr::Other(other) => other.source(),
        }
    }
}

/// What an error says, without a place and a help that are shown apart.
fn what(error: &(dyn StdError + 'static)) -> String {
    match error.downcast_ref::<tenet_build::Error>() {
        Some(error) => error.what().to_owned(),
        None => error.to_string(),
    }
}

/// Errors of others that end what this crate does.
macro_rules! from {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::other(error)
            }
        })+
    };
}

from!(
    notify::Error,
    serde_json::Error,
    std::io::Error,
    tenet_build::Error,
    tenet_capsule::CapsuleError,
    Box<tenet_core::SqlError>,
    tenet_core::Fault,
    tenet_core::KeyError,
    tenet_core::VaultError,
    tenet_core::bundle::IndexError,
    tenet_database::EndpointError,
    tenet_database::SchemaError,
    tenet_engine::CompileError,
    tenet_engine::DescribeError,
    tenet_engine::EngineError,
    tenet_engine::LoadError,
    tenet_events::BusesError,
    tenet_events::RouteError,
    tenet_http::DescriptionError,
    tenet_http::OpenError,
    tenet_pipeline::UnusableOperation,
    tenet_vault::InvalidSecret,
    tokio::task::JoinError,
    toml_edit::TomlError,
);

/// Says what was being done when an error came.
pub(crate) trait Context<T> {
    fn context(self, what: impl Into<What>) -> Result<T>
    where
        Self: Sized,
    {
        self.with_context(|| what)
    }

    fn with_context<W: Into<What>>(self, what: impl FnOnce() -> W) -> Result<T>;
}

/// A text, or an error without a cause.
pub(crate) struct What(Error);

impl From<&str> for What {
    fn from(what: &str) -> Self {
        Self(Error::plain(what))
    }
}

impl From<String> for What {
    fn from(what: String) -> Self {
        Self(Error::plain(what))
    }
}

impl From<Error> for What {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn with_context<W: Into<What>>(self, what: impl FnOnce() -> W) -> Result<T> {
        self.map_err(|error| what().into().0.caused_by(error.into()))
    }
}

impl<T> Context<T> for Option<T> {
    fn with_context<W: Into<What>>(self, what: impl FnOnce() -> W) -> Result<T> {
        self.ok_or_else(|| what().into().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_kept_and_the_first_help_place_and_code_are_those_of_the_error() {
        let place = Place { name: "f".to_owned(), text: "a\nb".to_owned(), span: 2..3 };
        let inner = Error::new("no row", "give one").at(place).explained(Code::Rows);
        let error = Err::<(), _>(inner).context("the test").context(Error::new("all of it", "mend it")).unwrap_err();
        assert_eq!(format!("{error}, {error:#}"), "all of it, all of it: the test: no row");
        assert_eq!((error.help(), error.code()), (Some("mend it"), Some(Code::Rows)));
        assert_eq!(format!("{error:?}"), "f:2: all of it: the test: no row; mend it");
    }

    #[test]
    fn an_error_of_the_build_is_said_once_with_its_place_and_its_help() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tenet.toml"), "version = 9\n").unwrap();
        let build = || tenet_build::Bundle::open(folder.path()).map(drop).unwrap_err();
        let (of_build, error) = (build(), Error::from(build()));
        assert_eq!(error.to_string(), of_build.to_string());
        assert_eq!(
            (error.what().as_str(), error.help(), error.code()),
            (of_build.what(), of_build.help(), of_build.code())
        );
        let within = Err::<(), _>(build()).context("outer").unwrap_err();
        assert_eq!((within.help(), within.place()), (of_build.help(), error.place()));
        assert_eq!(format!("{within:?}").matches(of_build.what()).count(), 1);
    }
}
