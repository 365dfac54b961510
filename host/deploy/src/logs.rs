use std::time::{Duration, SystemTime};

use crate::deployment::Deployment;
use crate::error::{DeployError, code, refused};

/// A log line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLine {
    /// Its time, in milliseconds since 1970-01-01 00:00:00 UTC.
    pub at: i64,
    /// Its region.
    pub region: String,
    /// Its text.
    pub text: String,
}

impl Deployment {
    /// The log lines of the functions of both regions about a request, from the time `before` now,
    /// in order. A request is found by its id at Lambda, its reference or any other text in its
    /// lines.
    ///
    /// # Errors
    /// Fails if a region's log cannot be read.
    pub async fn logs(&self, request: &str, before: Duration) -> Result<Vec<LogLine>, DeployError> {
        let start =
            SystemTime::now().checked_sub(before).and_then(|start| start.duration_since(SystemTime::UNIX_EPOCH).ok());
        let start = start.and_then(|start| i64::try_from(start.as_millis()).ok()).unwrap_or_default();
        // A quoted pattern is a literal text and cannot contain quotes.
        let pattern = format!("\"{}\"", request.replace('"', ""));
        let mut lines = Vec::new();
        let mut missing = Vec::new();
        for region in &self.regions {
            let filter = region.logs.filter_log_events().log_group_name(self.names.logs());
            let mut pages = filter.start_time(start).filter_pattern(&pattern).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = match page {
                    Ok(page) => page,
                    Err(error) if code(&error) == Some("ResourceNotFoundException") => {
                        missing.push(region.name.as_str());
                        break;
                    }
                    Err(error) => return Err(refused(&region.name, "FilterLogEvents", &error)),
                };
                lines.extend(page.events.unwrap_or_default().into_iter().map(|event| LogLine {
                    at: event.timestamp.unwrap_or_default(),
                    region: region.name.clone(),
                    text: event.message.unwrap_or_default().trim_end().to_owned(),
                }));
            }
        }
        if missing.len() == self.regions.len() {
            let what = format!("{}: there is no log group {}", missing.join(" and "), self.names.logs());
            return Err(DeployError::new(what).help("`tenet deploy` makes it"));
        }
        lines.sort();
        Ok(lines)
    }
}
