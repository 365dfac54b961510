use serde_json::json;

use crate::moment::Moment;

/// Which members of one kind of line are metrics, in CloudWatch's embedded metric format
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
///
/// Such a line is JSON in every format, and no filter keeps it back: alarms live on it. In the
/// format for people that line comes for itself, after the readable one.
#[derive(Clone, Debug)]
pub struct Metrics {
    name: &'static str,
    level: Option<&'static str>,
    /// All of the member `_aws` but its time.
    directive: String,
}

impl Metrics {
    /// The metrics in the lines of events of this name, which are of the level INFO or more
    /// severe: under `namespace`, once for each of `dimensions`, which are members
    /// with texts, `metrics`, which are members with numbers, each with its unit. A line has to
    /// have all of these members.
    pub fn new(
        name: &'static str,
        namespace: &str,
        dimensions: &[&[&'static str]],
        metrics: &[(&'static str, &'static str)],
    ) -> Self {
        let metrics: Vec<_> = metrics.iter().map(|(name, unit)| json!({ "Name": name, "Unit": unit })).collect();
        let directive = json!([{ "Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics }]);
        Self { name, level: None, directive: format!(",\"CloudWatchMetrics\":{directive}}}") }
    }

    /// The same, in lines that say this level instead of their own, because whatever takes
    /// them drops those that are less severe.
    pub fn at_level(self, level: &'static str) -> Self {
        Self { level: Some(level), ..self }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn level(&self) -> Option<&'static str> {
        self.level
    }

    /// Writes the member `_aws` for a line of this moment.
    pub(crate) fn write(&self, out: &mut Vec<u8>, moment: Moment) {
        out.extend_from_slice(br#""_aws":{"Timestamp":"#);
        crate::members::write(out, moment.millis());
        out.extend_from_slice(self.directive.as_bytes());
    }
}
