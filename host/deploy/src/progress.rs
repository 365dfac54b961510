/// Hears what is done, as it is done.
pub trait Progress: Send + Sync {
    /// A step that was taken, in a region or in both.
    fn say(&self, region: Option<&str>, what: &str);
}
