/// Whoever waits for a build and is told how it goes on.
pub trait Progress {
    /// A step has begun; the one before it has ended.
    fn step(&mut self, what: &str);

    /// Cargo has written this line to standard error.
    fn cargo(&mut self, line: &str);

    /// Whether cargo's lines are to have colours.
    fn colours(&self) -> bool;
}
