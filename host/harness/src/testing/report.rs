use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tenet_build::Bundle;

use super::coverage::{Coverage, Reached};
use super::outcome::TestOutcome;
use crate::error::Result;

/// What the tests of a bundle have shown.
#[derive(Debug)]
pub struct Report {
    /// Each test, in the order of their files.
    pub outcomes: Vec<TestOutcome>,
    /// How long they took together, without the build.
    pub took: Duration,
    pub(crate) bundle: PathBuf,
}

impl Report {
    /// Whether all passed.
    pub fn has_passed(&self) -> bool {
        self.outcomes.iter().all(TestOutcome::has_passed)
    }

    /// The tests that did not pass.
    pub fn failures(&self) -> impl Iterator<Item = &TestOutcome> {
        self.outcomes.iter().filter(|outcome| !outcome.has_passed())
    }

    /// Ends a test of one's own, with what a person reads of each failure.
    ///
    /// # Panics
    /// Panics unless all passed.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.has_passed(), "tests of rules failed\n{self}");
    }

    /// What the tests have reached of the bundle's rules.
    ///
    /// # Errors
    /// Fails where the sources of the bundle are not there or cannot be read.
    pub fn coverage(&self) -> Result<Coverage> {
        let mut reached = Reached::default();
        self.outcomes.iter().for_each(|outcome| reached.merge(&outcome.reached));
        reached.coverage(&Bundle::open(&self.bundle)?)
    }
}

/// What a person reads of each test that did not pass; nothing where all passed.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failures().try_for_each(|outcome| write!(f, "{outcome}"))
    }
}
