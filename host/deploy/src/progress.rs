/// Receives the steps of a run as they happen.
pub trait Progress: Send + Sync {
    /// Reports a completed step, in one region or in both.
    fn say(&self, region: Option<&str>, what: &str);
}
