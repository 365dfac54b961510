/// The metrics in one kind of log line.
#[derive(Clone, Copy, Debug)]
pub struct MetricSet {
    /// The name of the log event.
    pub name: &'static str,
    /// The members that are dimensions: one set each.
    pub dimensions: &'static [&'static [&'static str]],
    /// The members that are metrics, with CloudWatch's name of the unit.
    pub metrics: &'static [(&'static str, &'static str)],
    /// The metric that a line omits if its value is unknown.
    pub optional: Option<&'static str>,
}
