/// What a kind of line in the log counts, for whoever makes metrics of it.
#[derive(Clone, Copy, Debug)]
pub struct MetricSet {
    /// The name of the event that is the line.
    pub name: &'static str,
    /// The members that its metrics are kept apart by: one set each.
    pub dimensions: &'static [&'static [&'static str]],
    /// The members that are metrics, and CloudWatch's name of their unit.
    pub metrics: &'static [(&'static str, &'static str)],
    /// The one of the metrics that a line lacks where it is not known.
    pub optional: Option<&'static str>,
}
