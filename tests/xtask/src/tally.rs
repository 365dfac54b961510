use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::repository::words;

/// How many tests there were, from what cargo prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    ignored: u32,
}

impl Tally {
    /// Runs `cargo test` with its output going through, and counts.
    pub(crate) fn run(&mut self, command: &mut Command) -> anyhow::Result<()> {
        let starting = format!("cannot start {}", words(command));
        let mut child = command.stdout(Stdio::piped()).spawn().context(starting)?;
        let output = child.stdout.take().context("cargo has no output")?;
        let before = self.failed;
        self.follow(output, &mut std::io::stdout())?;
        let status = child.wait()?;
        // Tests that fail are counted and reported at the end; all else ends it here.
        if !status.success() && self.failed == before {
            bail!("`{}` failed ({status})", words(command));
        }
        Ok(())
    }

    fn follow(&mut self, output: impl Read, screen: &mut impl Write) -> anyhow::Result<()> {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            screen.write_all(&line)?;
            screen.write_all(b"\n")?;
            self.add(&String::from_utf8_lossy(&line));
        }
        Ok(())
    }

    /// An error unless there were tests and every one of them passed.
    pub(crate) fn check(self) -> anyhow::Result<()> {
        ensure!(self.failed == 0, "{} tests failed", self.failed);
        ensure!(self.ignored == 0, "{} tests are ignored; here every test runs", self.ignored);
        ensure!(self.passed > 0, "no test has that name");
        Ok(())
    }

    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ").and_then(|(_, rest)| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split(';') {
            let Some((number, what)) = count.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u32>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_cargo_prints() {
        let mut tally = Tally::default();
        let printed = "running 16 tests\n\
            test result: ok. 16 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 1.87s\n\
            test a_result: ok. 9 passed; it says ... ok\n\
            test result: FAILED. 15 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 1.62s\n";
        let mut screen = Vec::new();
        tally.follow(printed.as_bytes(), &mut screen).unwrap();
        assert_eq!(String::from_utf8(screen).unwrap(), printed);
        assert_eq!(tally, Tally { passed: 31, failed: 1, ignored: 3 });
    }

    #[test]
    fn only_a_run_in_which_every_test_passed_is_good() {
        assert!(Tally { passed: 1, failed: 0, ignored: 0 }.check().is_ok());
        assert!(Tally { passed: 1, failed: 1, ignored: 0 }.check().is_err());
        assert!(Tally { passed: 1, failed: 0, ignored: 1 }.check().is_err());
        assert!(Tally { passed: 0, failed: 0, ignored: 0 }.check().is_err());
    }

    #[test]
    fn a_command_that_fails_without_a_failing_test_is_an_error() {
        let mut tally = Tally::default();
        assert!(tally.run(Command::new("sh").args(["-c", "exit 1"])).is_err());
        assert!(tally.run(Command::new("sh").args(["-c", "exit 0"])).is_ok());
    }
}
