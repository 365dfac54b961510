//! How an error is shown: what, where, and what to do next.

use std::fmt;
use std::ops::Range;

use console::Term;
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode,
    ThemeCharacters, ThemeStyles,
};

use tenet_core::Code;
use tenet_harness::Place;

use crate::exit::Exit;
use crate::problem::Problem;
use crate::terminal::{self, shown, shown_in_place};

/// What an error says, whole and without colours.
pub(crate) fn text(error: &tenet_harness::Error) -> String {
    let report = Report::of(error, error.help().map(str::to_owned), error.place(), Severity::Error);
    render(&report, error.code(), ThemeCharacters::ascii(), ThemeStyles::none()).trim_end().to_owned()
}

/// Tells standard error; gives the code that the command ends with.
pub(crate) fn tell(error: &anyhow::Error) -> Exit {
    terminal::tell_text(&drawn(error, Severity::Error));
    if code(error) == Some(Code::Payload) { Exit::Unusable } else { Exit::Broken }
}

/// Tells standard error what does not keep a command from going on.
pub(crate) fn warn(warning: tenet_harness::Error) {
    terminal::tell_text(&drawn(&warning.into(), Severity::Warning));
}

/// With colours and lines where standard error is a terminal and wants them.
fn drawn(error: &anyhow::Error, severity: Severity) -> String {
    let terminal = Term::stderr();
    let lines = terminal.is_term() && terminal.features().wants_emoji();
    let colours = terminal.is_term() && console::colors_enabled_stderr();
    let characters = if lines { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() };
    let styles = if colours { ThemeStyles::ansi() } else { ThemeStyles::none() };
    render(&Report::of_command(error, severity), code(error), characters, styles)
}

fn render(report: &Report, code: Option<Code>, characters: ThemeCharacters, styles: ThemeStyles) -> String {
    let word = |word| match code {
        Some(code) => format!("{word}[{code}]:"),
        None => format!("{word}:"),
    };
    let characters = ThemeCharacters { error: word("error"), warning: word("warning"), ..characters };
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme { characters, styles });
    let mut text = String::new();
    // A path or a command that is broken into two lines cannot be copied or searched for.
    match handler.with_links(false).with_wrap_lines(false).render_report(&mut text, report) {
        Ok(()) => text,
        Err(_) => format!("error: {}\n", report.what),
    }
}

/// The code of the first in the chain that has one.
fn code(error: &anyhow::Error) -> Option<Code> {
    let of_context = error.downcast_ref::<Problem>().and_then(Problem::code);
    let of_harness = || error.downcast_ref::<tenet_harness::Error>().and_then(tenet_harness::Error::code);
    let of_build = || error.downcast_ref::<tenet_build::Error>().and_then(tenet_build::Error::code);
    of_context.or_else(of_harness).or_else(of_build)
}

/// An error as miette wants it.
#[derive(Debug)]
struct Report {
    what: String,
    cause: Option<Box<Cause>>,
    help: Option<String>,
    source: Option<NamedSource<String>>,
    span: Range<usize>,
    severity: Severity,
}

/// What led to it.
#[derive(Debug)]
struct Cause {
    what: String,
    cause: Option<Box<Cause>>,
}

impl Report {
    /// Of what a command ended with.
    fn of_command(error: &anyhow::Error, severity: Severity) -> Self {
        let (problem, of_harness) = (error.downcast_ref::<Problem>(), error.downcast_ref::<tenet_harness::Error>());
        // An error of the build is shown as the harness has it.
        let of_build = error.downcast_ref::<tenet_build::Error>();
        let place = of_harness.and_then(tenet_harness::Error::place);
        let place = place.or_else(|| of_build.and_then(tenet_build::Error::place).map(Place::of));
        let help = problem.map(Problem::help);
        let help = help.or_else(|| of_harness.and_then(tenet_harness::Error::help));
        let help = help.or_else(|| of_build.and_then(tenet_build::Error::help));
        Self::of(error.as_ref(), help.map(str::to_owned), place, severity)
    }

    fn of(
        error: &(dyn std::error::Error + 'static),
        help: Option<String>,
        place: Option<Place>,
        severity: Severity,
    ) -> Self {
        let mut chain = vec![what(error)];
        let mut next = error.source();
        while let Some(cause) = next {
            chain.push(what(cause));
            next = cause.source();
        }
        let mut causes = chain.into_iter();
        let what = causes.next().unwrap_or_default();
        let cause = causes.rev().fold(None, |cause, what| Some(Box::new(Cause { what, cause })));
        let help = help.map(|help| shown(&help).into_owned());
        let span = place.as_ref().map(|place| underlined(&place.text, place.span.clone())).unwrap_or_default();
        let source = place.map(|place| NamedSource::new(shown(&place.name), shown_in_place(&place.text).into_owned()));
        Self { what, cause, help, source, span, severity }
    }
}

/// The text of one error of a chain, without its place and its help, which are shown apart.
fn what(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<tenet_build::Error>() {
        return shown(error.what()).into_owned();
    }
    match error.downcast_ref::<tenet_harness::Error>() {
        Some(error) => shown(&error.what()).into_owned(),
        None => shown(&error.to_string()).into_owned(),
    }
}

/// A span that can be underlined: whole characters of the text. Where it is empty that is the
/// character there or, at the end of a line, the one before.
fn underlined(text: &str, span: Range<usize>) -> Range<usize> {
    let span = text.floor_char_boundary(span.start)..text.ceil_char_boundary(span.end);
    if !span.is_empty() {
        return span;
    }
    let (before, after) = text.split_at_checked(span.start).unwrap_or((text, ""));
    match (after.chars().next().filter(|next| *next != '\n'), before.chars().next_back()) {
        (Some(next), _) => span.start..span.start + next.len_utf8(),
        (None, Some(last)) => before.len() - last.len_utf8()..before.len(),
        (None, None) => span,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Report {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl Diagnostic for Report {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = LabeledSpan::underline(self.span.clone());
        self.source.as_ref().map(|_| Box::new(std::iter::once(span)) as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(error: &anyhow::Error) -> String {
        let report = Report::of_command(error, Severity::Error);
        render(&report, None, ThemeCharacters::ascii(), ThemeStyles::none())
    }

    #[test]
    fn causes_are_told_once_and_below_what_they_led_to() {
        let cause = std::io::Error::other("the disk is full");
        let error = anyhow::Error::new(cause).context(Problem::new("nothing is written", "make room")).context("no");
        let told = "  error: no\n  |-> nothing is written\n  `-> the disk is full\n  help: make room\n";
        assert_eq!(plain(&error), told);
    }

    #[test]
    fn a_place_where_something_is_missing_can_be_seen() {
        let told = |text: &str, at: usize| {
            let place = Place { name: "f".to_owned(), text: text.to_owned(), span: at..at };
            let problem = Problem::new("no", "do");
            let report = Report::of(&problem, Some("do".to_owned()), Some(place), Severity::Error);
            render(&report, None, ThemeCharacters::ascii(), ThemeStyles::none())
        };
        assert!(told("a\nbc", 4).contains(",-[f:2:2]\n 1 | a\n 2 | bc\n   :  ^\n"));
        assert!(told("a\nbc", 1).contains(" 1 | a\n   : ^\n"));
        assert!(told("ü = ", 0).contains(" 1 | ü = \n   : ^\n"));
        assert!(told("", 0).contains("error: no"));
        assert!(told("“", 1).contains(" 1 | “\n   : ^\n"));
        assert!(told("a", 7).contains(" 1 | a\n   : ^\n"));
    }
}
