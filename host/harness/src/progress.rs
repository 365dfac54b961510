use tenet_build::Progress as BuildProgress;

use crate::error::Error;

/// Gets reports of work that takes seconds, and warnings.
pub trait Progress: Send + Sync {
    /// Long work begins. It ends with the value.
    fn begin(&self) -> Box<dyn Work>;

    /// Something that the author may want to change. The work goes on.
    fn warn(&self, warning: Error);
}

/// Long work while it goes on.
pub trait Work: BuildProgress + Send {
    /// A part of seconds has begun; the one before it has ended.
    fn show(&mut self, what: &str);
}

/// Ignores all reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self) -> Box<dyn Work> {
        Box::new(Self)
    }

    fn warn(&self, _: Error) {}
}

impl Work for Silent {
    fn show(&mut self, _: &str) {}
}

impl BuildProgress for Silent {
    fn step(&mut self, _: &str) {}

    fn cargo(&mut self, _: &str) {}

    fn colours(&self) -> bool {
        false
    }
}
