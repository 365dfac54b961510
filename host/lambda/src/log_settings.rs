use crate::recorder;
use anyhow::{Context as _, bail};
use tenet_core::MetricSet;
use tenet_log::{Format, Metrics};
use tracing::Subscriber;

/// What the function logs, and in which format, from Lambda's variables
/// (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html>).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogSettings {
    format: Format,
    filter: String,
    /// The level below which Lambda drops JSON lines, if it is above INFO.
    drops_below: Option<&'static str>,
    /// Whose metrics they are.
    deployment: String,
}

/// The dimension of all metrics that tells deployments of one account apart: the function's name.
const DEPLOYMENT: &str = "deployment";

/// Lambda's levels, the filter for each, and the level that a line of metrics has to have so that
/// Lambda keeps it. The host logs nothing at FATAL. By these filters other crates are not logged below
/// INFO, because they would log payloads there.
const LEVELS: [(&str, &str, Option<&str>); 6] = [
    ("TRACE", "info,tenet=trace,bootstrap=trace", None),
    ("DEBUG", "info,tenet=debug,bootstrap=debug", None),
    ("INFO", "info", None),
    ("WARN", "warn", Some("WARN")),
    ("ERROR", "error", Some("ERROR")),
    ("FATAL", "off", Some("FATAL")),
];

/// The runtime's own line about a failed invocation: it has the whole error, which may quote the
/// event. The function logs its own line, and a panic is on standard error too.
const REPEATED: &str = ",lambda_runtime::layers::panic=off";

const FORMATS: [(&str, Format); 2] = [("JSON", Format::Json), ("Text", Format::Text)];

impl LogSettings {
    /// Reads `AWS_LAMBDA_LOG_FORMAT` (default JSON), `AWS_LAMBDA_LOG_LEVEL` (default INFO), and
    /// `TENET_LOG`, a filter that overrides the level. `AWS_LAMBDA_FUNCTION_NAME` names the deployment.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let format = choice("AWS_LAMBDA_LOG_FORMAT", &variable, FORMATS)?.unwrap_or(Format::Json);
        let levels = LEVELS.map(|(name, filter, drops_below)| (name, (filter, drops_below)));
        let (level, drops_below) = choice("AWS_LAMBDA_LOG_LEVEL", &variable, levels)?.unwrap_or(("info", None));
        let filter = variable("TENET_LOG").unwrap_or_else(|| level.to_owned() + REPEATED);
        let deployment = variable("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "none".to_owned());
        Ok(Self { format, filter, drops_below, deployment })
    }

    /// Writes the log to standard output, with metrics in this namespace unless it is empty.
    pub(crate) fn subscriber(&self, namespace: &str) -> anyhow::Result<impl Subscriber + Send + Sync + use<>> {
        let metrics = measured().filter(|_| !namespace.is_empty()).map(|measured| {
            let MetricSet { name, dimensions, metrics, optional } = *measured;
            let always = [(DEPLOYMENT, self.deployment.as_str())];
            let metrics = Metrics::new(name, namespace, &always, dimensions, metrics, optional);
            self.drops_below.map_or(metrics.clone(), |level| metrics.at_level(level))
        });
        tenet_log::subscriber(self.format, &self.filter, metrics.collect(), std::io::stdout)
            .context("TENET_LOG is not a valid filter")
    }
}

/// The metrics of all the function's log lines.
fn measured() -> impl Iterator<Item = &'static MetricSet> {
    let measured = tenet_pipeline::METRICS.iter().chain(&tenet_database::METRICS);
    measured.chain(&tenet_vault::METRICS).chain(&recorder::METRICS)
}

/// Reads a variable with a few allowed values.
fn choice<T: Copy, const N: usize>(
    name: &str,
    variable: impl Fn(&str) -> Option<String>,
    choices: [(&str, T); N],
) -> anyhow::Result<Option<T>> {
    let Some(value) = variable(name) else { return Ok(None) };
    match choices.iter().find(|(choice, _)| value.eq_ignore_ascii_case(choice)) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => bail!("{name} is {value:?}; it has to be one of {}", choices.map(|(choice, _)| choice).join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> anyhow::Result<LogSettings> {
        LogSettings::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn lambdas_own_variables_say_what_is_logged_and_a_filter_overrides_their_level() {
        let settings = |format, filter: &str, drops_below| LogSettings {
            format,
            filter: filter.into(),
            drops_below,
            deployment: "none".to_owned(),
        };
        for (variables, expected) in [
            (&[][..], settings(Format::Json, "info", None)),
            (&[("AWS_LAMBDA_LOG_FORMAT", "Text")], settings(Format::Text, "info", None)),
            (
                &[("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "TRACE")],
                settings(Format::Json, "info,tenet=trace,bootstrap=trace", None),
            ),
            (&[("AWS_LAMBDA_LOG_LEVEL", "WARN")], settings(Format::Json, "warn", Some("WARN"))),
            (&[("AWS_LAMBDA_LOG_LEVEL", "FATAL")], settings(Format::Json, "off", Some("FATAL"))),
            (
                &[("TENET_LOG", "info,tenet_events=debug"), ("AWS_LAMBDA_LOG_LEVEL", "ERROR")],
                settings(Format::Json, "info,tenet_events=debug", Some("ERROR")),
            ),
        ] {
            let mut read = read(variables).unwrap();
            read.filter = read.filter.replace(REPEATED, "");
            assert_eq!(read, expected, "{variables:?}");
        }
    }

    /// The host's own metrics that a template names, each with the names of its dimensions.
    fn named(template: &str) -> BTreeSet<(&str, Vec<&str>)> {
        let mut named = BTreeSet::new();
        // A resource ends with an empty line.
        for alarm in template.split("\n\n").filter(|of| of.contains("Namespace: !Ref MetricsNamespace")) {
            let after =
                |text: &'static str| alarm.split(text).skip(1).filter_map(|rest| rest.split([',', '\n']).next());
            named.insert((after("MetricName: ").next().unwrap(), after("{Name: ").collect()));
        }
        for shown in template.split("[\"${MetricsNamespace}\", ").skip(1) {
            let words = shown.split(']').next().unwrap().split(", ").take_while(|word| word.starts_with('"'));
            let words: Vec<_> = words.map(|word| word.trim_matches('"')).collect();
            named.insert((words[0], words[1..].iter().step_by(2).copied().collect()));
        }
        named
    }

    #[test]
    fn every_metric_that_an_alarm_or_the_dashboard_names_is_one_that_the_host_emits() {
        let named = named(include_str!("../../../deploy/region.yaml"));
        assert!(named.len() > 18 && named.contains(&("Lag", vec![DEPLOYMENT])), "{named:?}");
        for (name, dimensions) in named {
            let (deployment, dimensions) = dimensions.split_first().unwrap();
            assert_eq!(*deployment, DEPLOYMENT, "{name}");
            let is_emitted = measured().any(|measured| {
                measured.metrics.iter().any(|(metric, _)| *metric == name) && measured.dimensions.contains(&dimensions)
            });
            assert!(is_emitted, "{name} by {dimensions:?} is nowhere emitted");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (name, value) in [("AWS_LAMBDA_LOG_FORMAT", "XML"), ("AWS_LAMBDA_LOG_LEVEL", "LOUD")] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains(value), "{error}");
        }
        let settings = read(&[("TENET_LOG", "tenet=loud")]).unwrap();
        let error = settings.subscriber("Tenet").err().unwrap();
        assert!(format!("{error:#}").starts_with("TENET_LOG"), "{error:#}");
    }
}
