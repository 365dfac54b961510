use std::time::{Duration, SystemTime};

use crate::deployment::Deployment;
use crate::error::{DeployError, code, refused};

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLine {
    /// When, in milliseconds since 1970-01-01 00:00:00 UTC.
    pub at: i64,
    /// In which region.
    pub region: String,
    /// What.
    pub text: String,
}

impl Deployment {
    /// What the functions of both regions have said of a request in the time before now, in
    /// order: by its id at Lambda, its reference or anything else that its lines have in them.
    ///
    /// # Errors
    /// Fails where a region's log cannot be read.
    pub async fn logs(&self, request: &str, before: Duration) -> Result<Vec<LogLine>, DeployError> {
        let start =
            SystemTime::now().checked_sub(before).and_then(|start| start.duration_since(SystemTime::UNIX_EPOCH).ok());
        let start = start.and_then(|start| i64::try_from(start.as_millis()).ok()).unwrap_or_default();
        // A pattern in quotes is a text, and has none in itself.
        let pattern = format!("\"{}\"", request.replace('"', ""));
        let mut lines = Vec::new();
        for region in &self.regions {
            let filter = region.logs.filter_log_events().log_group_name(self.names.logs());
            let mut pages = filter.start_time(start).filter_pattern(&pattern).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = match page {
                    Ok(page) => page,
                    Err(error) if code(&error) == Some("ResourceNotFoundException") => break,
                    Err(error) => return Err(refused(&region.name, "FilterLogEvents", &error)),
                };
                lines.extend(page.events.unwrap_or_default().into_iter().map(|event| LogLine {
                    at: event.timestamp.unwrap_or_default(),
                    region: region.name.clone(),
                    text: event.message.unwrap_or_default().trim_end().to_owned(),
                }));
            }
        }
        lines.sort();
        Ok(lines)
    }
}
