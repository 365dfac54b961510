use serde_json::json;

use crate::line_time::LineTime;
use crate::members::Members;

/// Which members of one kind of line are metrics, in CloudWatch's embedded metric format
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
///
/// Such a line is JSON in every format, and filters do not apply to it: alarms depend on it. In the text format it is
/// written after the readable line.
#[derive(Clone, Debug)]
pub struct Metrics {
    name: &'static str,
    level: Option<&'static str>,
    /// Members that every line has, each with a comma.
    always: String,
    /// The member `_aws`, except its time.
    directive: String,
    /// The optional metric, and the directive of lines without it.
    optional: Option<(&'static str, String)>,
}

impl Metrics {
    /// The metrics in the lines of events with this name, whose level has to be INFO or more severe. They are reported
    /// under `namespace`, once for each set of `dimensions`, which are members with texts. Each set also has those that
    /// are `always` the same, with their values, which are added to each line. `metrics` are members with
    /// numbers, each with its unit. A line has to have all of these members, except the metric named by `optional`.
    pub fn new(
        name: &'static str,
        namespace: &str,
        always: &[(&'static str, &str)],
        dimensions: &[&[&'static str]],
        metrics: &[(&'static str, &'static str)],
        optional: Option<&'static str>,
    ) -> Self {
        let set = |set: &&[&'static str]| always.iter().map(|(name, _)| *name).chain(set.iter().copied()).collect();
        let dimensions: Vec<Vec<_>> = dimensions.iter().map(set).collect();
        let without = |lacking| directive(namespace, &dimensions, metrics.iter().filter(|(name, _)| *name != lacking));
        let optional = optional.map(|name| (name, without(name)));
        let always = always.iter().map(|(name, value)| format!("{}:{},", json!(name), json!(value))).collect();
        Self { name, level: None, always, directive: directive(namespace, &dimensions, metrics.iter()), optional }
    }

    /// Lets the lines state this level instead of their own, because their receiver drops less severe lines.
    pub fn at_level(self, level: &'static str) -> Self {
        Self { level: Some(level), ..self }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn level(&self) -> Option<&'static str> {
        self.level
    }

    /// Writes the member `_aws` for a line with this time and these members, after the members of every line.
    pub(crate) fn write(&self, out: &mut Vec<u8>, moment: LineTime, members: &Members) {
        let directive = match &self.optional {
            Some((name, without)) if !members.has(name) => without,
            _ => &self.directive,
        };
        out.extend_from_slice(self.always.as_bytes());
        out.extend_from_slice(br#""_aws":{"Timestamp":"#);
        crate::members::write(out, moment.millis());
        out.extend_from_slice(directive.as_bytes());
    }
}

fn directive<'a>(
    namespace: &str,
    dimensions: &[Vec<&'static str>],
    metrics: impl Iterator<Item = &'a (&'static str, &'static str)>,
) -> String {
    let metrics: Vec<_> = metrics.map(|(name, unit)| json!({ "Name": name, "Unit": unit })).collect();
    let directive = json!([{ "Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics }]);
    format!(",\"CloudWatchMetrics\":{directive}}}")
}
