/// Receives the progress of a build.
pub trait Progress {
    /// A step has begun, and the previous one has ended.
    fn step(&mut self, what: &str);

    /// Cargo has written this line to standard error.
    fn cargo(&mut self, line: &str);

    /// Whether cargo's lines should have colours.
    fn colours(&self) -> bool;
}
