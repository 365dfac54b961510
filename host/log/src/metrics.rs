use serde_json::json;

use crate::members::Members;
use crate::rfc3339::Rfc3339;

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
    /// The metric that a line may lack, and the directive of such a line.
    optional: Option<(&'static str, String)>,
}

impl Metrics {
    /// The metrics in the lines of events of this name, which are of the level INFO or more
    /// severe: under `namespace`, once for each of `dimensions`, which are members
    /// with texts, `metrics`, which are members with numbers, each with its unit. A line has to
    /// have all of these members, but for the metric that is `optional`.
    pub fn new(
        name: &'static str,
        namespace: &str,
        dimensions: &[&[&'static str]],
        metrics: &[(&'static str, &'static str)],
        optional: Option<&'static str>,
    ) -> Self {
        let without = |lacking| directive(namespace, dimensions, metrics.iter().filter(|(name, _)| *name != lacking));
        let optional = optional.map(|name| (name, without(name)));
        Self { name, level: None, directive: directive(namespace, dimensions, metrics.iter()), optional }
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

    /// Writes the member `_aws` for a line of this moment with these members.
    pub(crate) fn write(&self, out: &mut Vec<u8>, moment: Rfc3339, members: &Members) {
        let directive = match &self.optional {
            Some((name, without)) if !members.has(name) => without,
            _ => &self.directive,
        };
        out.extend_from_slice(br#""_aws":{"Timestamp":"#);
        crate::members::write(out, moment.millis());
        out.extend_from_slice(directive.as_bytes());
    }
}

fn directive<'a>(
    namespace: &str,
    dimensions: &[&[&'static str]],
    metrics: impl Iterator<Item = &'a (&'static str, &'static str)>,
) -> String {
    let metrics: Vec<_> = metrics.map(|(name, unit)| json!({ "Name": name, "Unit": unit })).collect();
    let directive = json!([{ "Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics }]);
    format!(",\"CloudWatchMetrics\":{directive}}}")
}
