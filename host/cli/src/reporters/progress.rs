//! Shows progress: on a terminal in one line that is updated, elsewhere in plain lines.

use std::time::Duration;

use super::errors;
use crate::terminal;
use console::Term;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use tenet_harness::Work;

/// How often the line on a terminal is drawn anew.
const TICK: Duration = Duration::from_millis(100);

/// Where cargo's words about its own work end on a line.
const STATUS_WIDTH: usize = 12;

/// Tells standard error how long work goes on. What is shown goes with the value.
pub(crate) struct Waiting {
    /// None where standard error is no terminal.
    line: Option<ProgressBar>,
    step: String,
}

impl Waiting {
    pub(crate) fn new() -> Self {
        let line = Term::stderr().is_term().then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner()).tick_chars("-\\|/ ");
            ProgressBar::new_spinner().with_style(style).with_finish(ProgressFinish::AndClear)
        });
        Self { line, step: String::new() }
    }

    fn line(&self, text: &str) {
        match &self.line {
            Some(line) => line.println(text),
            None => terminal::tell_text(&format!("{text}\n")),
        }
    }
}

/// Tells standard error of what takes long, and of warnings.
pub(crate) struct OnTerminal;

impl tenet_harness::Progress for OnTerminal {
    fn begin(&self) -> Box<dyn Work> {
        Box::new(Waiting::new())
    }

    fn warn(&self, warning: tenet_harness::Error) {
        errors::warn(warning);
    }
}

impl Work for Waiting {
    /// Only a terminal shows what takes seconds.
    fn show(&mut self, what: &str) {
        if let Some(line) = &self.line {
            line.reset_elapsed();
            line.set_message(terminal::shown(what).into_owned());
            // Not before there is something to show.
            if self.step.is_empty() {
                line.enable_steady_tick(TICK);
            }
        }
        what.clone_into(&mut self.step);
    }
}

impl tenet_build::Progress for Waiting {
    fn step(&mut self, what: &str) {
        self.show(what);
        if self.line.is_none() {
            self.line(&terminal::shown(what));
        }
    }

    fn cargo(&mut self, line: &str) {
        match &self.line {
            Some(shown) if let Some(status) = status(line) => {
                shown.set_message(terminal::shown(&format!("{status}, {}", self.step)).into_owned());
            }
            // What is compiled can make the compiler say anything.
            _ => self.line(&terminal::coloured(line)),
        }
    }

    fn colours(&self) -> bool {
        self.line.is_some() && console::colors_enabled_stderr() && std::env::var_os("CARGO_TERM_COLOR").is_none()
    }
}

/// What cargo says about its own work, `Compiling serde v1.0.228`, if the line is that: one
/// word with a capital letter that ends where all of them do, and what it is about.
fn status(line: &str) -> Option<String> {
    let plain = console::strip_ansi_codes(line);
    let (word, about) = plain.split_at_checked(STATUS_WIDTH)?;
    let word = word.trim_start();
    let is_word = word.starts_with(|first: char| first.is_ascii_uppercase())
        && word.bytes().skip(1).all(|letter| letter.is_ascii_lowercase());
    (is_word && about.starts_with(' ')).then(|| format!("{word}{about}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_about_its_own_work_is_told_from_what_it_says_about_the_code() {
        for (line, told) in [
            ("   Compiling serde v1.0.228", Some("Compiling serde v1.0.228")),
            ("\u{1b}[1m\u{1b}[92m    Finished\u{1b}[0m `rule` profile", Some("Finished `rule` profile")),
            (" Downloading crates ...", Some("Downloading crates ...")),
            ("warning: unused variable: `x`", None),
            ("error[E0308]: mismatched types", None),
            ("  --> rules/award/src/lib.rs:3:5", None),
            ("   |     let  X = 1;", None),
            ("", None),
        ] {
            assert_eq!(status(line).as_deref(), told, "{line}");
        }
    }
}
