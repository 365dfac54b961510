use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, Parameter, StackDriftDetectionStatus, StackStatus, Tag,
};

use crate::error::{DeployError, code, message, refused};
use crate::names::TAG;
use crate::progress::Progress;
use crate::regional::Regional;
use crate::wait::{Looked, PollPolicy, until};

/// The timeout for computing a change set or detecting drift.
const LOOKING: Duration = Duration::from_secs(300);

/// A CloudFormation stack in a region.
pub(crate) struct Stack<'a> {
    region: &'a Regional,
    name: String,
    polling: PollPolicy,
}

/// The state of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) status: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) outputs: BTreeMap<String, String>,
}

/// The result of updating a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    Created,
    Updated,
    Unchanged,
}

impl<'a> Stack<'a> {
    pub(crate) fn of(region: &'a Regional, name: &str, polling: PollPolicy) -> Self {
        Self { region, name: name.to_owned(), polling }
    }

    /// Its state; none if it does not exist.
    pub(crate) async fn look(&self) -> Result<Option<Standing>, DeployError> {
        let described = match self.region.stacks.describe_stacks().stack_name(&self.name).send().await {
            Ok(described) => described,
            Err(error)
                if code(&error) == Some("ValidationError")
                    && message(&error).is_some_and(|text| text.contains("does not exist")) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(refused(&self.region.name, "DescribeStacks", &error)),
        };
        let Some(stack) = described.stacks.unwrap_or_default().pop() else { return Ok(None) };
        let status = stack.stack_status.unwrap_or(StackStatus::from(""));
        if status == StackStatus::DeleteComplete {
            return Ok(None);
        }
        let parameters = stack.parameters.unwrap_or_default().into_iter();
        let outputs = stack.outputs.unwrap_or_default().into_iter();
        Ok(Some(Standing {
            status: status.as_str().to_owned(),
            parameters: parameters.filter_map(|of| Some((of.parameter_key?, of.parameter_value?))).collect(),
            outputs: outputs.filter_map(|of| Some((of.output_key?, of.output_value?))).collect(),
        }))
    }

    /// Waits until no operation is in progress.
    pub(crate) async fn settled(&self) -> Result<Option<Standing>, DeployError> {
        let late = |state: &str| {
            DeployError::new(format!("{}: the stack {} is still {state}", self.region.name, self.name))
                .help("run it again: it goes on where it is")
        };
        until(self.polling.stack, self.polling.pause, late, async || {
            let standing = self.look().await?;
            Ok(match standing {
                Some(standing) if standing.status.ends_with("_IN_PROGRESS") && !is_review(&standing) => {
                    Looked::NotYet(standing.status)
                }
                standing => Looked::Seen(standing),
            })
        })
        .await
    }

    /// Creates or updates the stack to match the template and the parameters, from any state.
    pub(crate) async fn apply(
        &self,
        template: &str,
        parameters: &BTreeMap<String, String>,
        deployment: &str,
        progress: &dyn Progress,
    ) -> Result<Applied, DeployError> {
        let mut standing = self.settled().await?;
        // A stack whose creation failed, or that waits for a review, can only be deleted.
        let is_useless = |of: &Standing| {
            is_review(of)
                || matches!(
                    of.status.as_str(),
                    "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED"
                )
        };
        if standing.as_ref().is_some_and(is_useless) {
            self.say(progress, "is left of a creation that failed, and goes first");
            self.delete(progress).await?;
            standing = None;
        }
        if standing.as_ref().is_some_and(|of| of.status == "UPDATE_ROLLBACK_FAILED") {
            let rollback = self.region.stacks.continue_update_rollback().stack_name(&self.name);
            rollback.send().await.map_err(|error| refused(&self.region.name, "ContinueUpdateRollback", &error))?;
            standing = self.settled().await?;
        }
        let applied = match standing {
            None => self.create(template, parameters, deployment).await?,
            Some(_) => self.update(template, parameters, deployment).await?,
        };
        if applied == Applied::Unchanged {
            return Ok(applied);
        }
        self.say(progress, if applied == Applied::Created { "is being created" } else { "is being updated" });
        let standing = self.settled().await?.unwrap_or_default();
        if !matches!(standing.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE") {
            return Err(self.failed(&standing.status).await?);
        }
        self.say(progress, &format!("is {}", standing.status));
        Ok(applied)
    }

    fn say(&self, progress: &dyn Progress, what: &str) {
        progress.say(Some(&self.region.name), &format!("stack {} {what}", self.name));
    }

    async fn create(
        &self,
        template: &str,
        parameters: &BTreeMap<String, String>,
        deployment: &str,
    ) -> Result<Applied, DeployError> {
        let request = self.region.stacks.create_stack().stack_name(&self.name).template_body(template);
        let request = request
            .set_parameters(Some(listed(parameters)))
            .tags(tag(deployment))
            .capabilities(Capability::CapabilityNamedIam);
        match request.send().await {
            Ok(_) => Ok(Applied::Created),
            Err(error) => Err(refused(&self.region.name, "CreateStack", &error)),
        }
    }

    async fn update(
        &self,
        template: &str,
        parameters: &BTreeMap<String, String>,
        deployment: &str,
    ) -> Result<Applied, DeployError> {
        let request = self.region.stacks.update_stack().stack_name(&self.name).template_body(template);
        let request = request
            .set_parameters(Some(listed(parameters)))
            .tags(tag(deployment))
            .capabilities(Capability::CapabilityNamedIam);
        match request.send().await {
            Ok(_) => Ok(Applied::Updated),
            Err(error) if message(&error).is_some_and(|text| text.contains("No updates are to be performed")) => {
                Ok(Applied::Unchanged)
            }
            Err(error) => Err(refused(&self.region.name, "UpdateStack", &error)),
        }
    }

    /// The first failed resource, and the reason.
    async fn failed(&self, status: &str) -> Result<DeployError, DeployError> {
        let mut pages = self.region.stacks.describe_stack_events().stack_name(&self.name).into_paginator().send();
        let mut first = None;
        // The newest events come first, and those of earlier runs may follow.
        'pages: while let Some(page) = pages.next().await {
            let page = page.map_err(|error| refused(&self.region.name, "DescribeStackEvents", &error))?;
            for event in page.stack_events.unwrap_or_default() {
                let status = event.resource_status.as_ref().map_or("", |status| status.as_str());
                let is_stack = event.physical_resource_id == event.stack_id;
                if is_stack && matches!(status, "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS") {
                    break 'pages;
                }
                let reason = event.resource_status_reason.unwrap_or_default();
                if status.ends_with("_FAILED") && !reason.contains("cancelled") {
                    first = Some(format!("{}: {reason}", event.logical_resource_id.unwrap_or_default()));
                }
            }
        }
        let why = first.unwrap_or_else(|| "CloudFormation does not say why".to_owned());
        Ok(DeployError::new(format!("{}: the stack {} is {status}: {why}", self.region.name, self.name))
            .help("mend what it names and run it again: it goes on where it is"))
    }

    /// What an update would change: one line per resource.
    pub(crate) async fn plan(
        &self,
        template: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Vec<String>, DeployError> {
        if self.settled().await?.is_none_or(|of| is_review(&of)) {
            return Ok(vec!["+ all of it".to_owned()]);
        }
        const NAME: &str = "tenet-plan";
        let stacks = &self.region.stacks;
        let request = stacks
            .create_change_set()
            .stack_name(&self.name)
            .change_set_name(NAME)
            .change_set_type(ChangeSetType::Update)
            .template_body(template)
            .set_parameters(Some(listed(parameters)))
            .capabilities(Capability::CapabilityNamedIam);
        // Left over from an interrupted plan.
        let old = stacks.delete_change_set().stack_name(&self.name).change_set_name(NAME);
        let _ = old.send().await;
        request.send().await.map_err(|error| refused(&self.region.name, "CreateChangeSet", &error))?;
        let late = |state: &str| DeployError::new(format!("{}: the change set is still {state}", self.region.name));
        let seen = until(LOOKING, self.polling.pause, late, async || {
            let described = stacks.describe_change_set().stack_name(&self.name).change_set_name(NAME).send().await;
            let described = described.map_err(|error| refused(&self.region.name, "DescribeChangeSet", &error))?;
            Ok(match described.status {
                Some(ChangeSetStatus::CreateComplete | ChangeSetStatus::Failed) => Looked::Seen(described),
                status => Looked::NotYet(status.map_or(String::new(), |status| status.as_str().to_owned())),
            })
        });
        let seen = seen.await?;
        let delete = stacks.delete_change_set().stack_name(&self.name).change_set_name(NAME);
        delete.send().await.map_err(|error| refused(&self.region.name, "DeleteChangeSet", &error))?;
        let why = seen.status_reason.unwrap_or_default();
        if seen.status == Some(ChangeSetStatus::Failed)
            && !(why.contains("No updates") || why.contains("didn't contain changes"))
        {
            return Err(DeployError::new(format!(
                "{}: the stack {} cannot be changed: {why}",
                self.region.name, self.name
            )));
        }
        let changes = seen.changes.unwrap_or_default().into_iter().filter_map(|change| change.resource_change);
        Ok(changes
            .map(|change| {
                let action = change.action.as_ref().map_or("", |action| action.as_str());
                let sign = match action {
                    "Add" => '+',
                    "Remove" => '-',
                    _ => '~',
                };
                let replaced = change.replacement.as_ref().is_some_and(|of| of.as_str() == "True");
                format!(
                    "{sign} {} {}{}",
                    change.resource_type.unwrap_or_default(),
                    change.logical_resource_id.unwrap_or_default(),
                    if replaced { ", which is replaced" } else { "" }
                )
            })
            .collect())
    }

    /// What was changed by hand: one line per resource.
    pub(crate) async fn drift(&self) -> Result<Vec<String>, DeployError> {
        let stacks = &self.region.stacks;
        let begun = stacks.detect_stack_drift().stack_name(&self.name).send().await;
        let begun = begun.map_err(|error| refused(&self.region.name, "DetectStackDrift", &error))?;
        let id = begun.stack_drift_detection_id.unwrap_or_default();
        let late = |state: &str| DeployError::new(format!("{}: looking for drift is still {state}", self.region.name));
        until(LOOKING, self.polling.pause, late, async || {
            let status = stacks.describe_stack_drift_detection_status().stack_drift_detection_id(&id).send().await;
            let status =
                status.map_err(|error| refused(&self.region.name, "DescribeStackDriftDetectionStatus", &error))?;
            Ok(match status.detection_status {
                Some(StackDriftDetectionStatus::DetectionInProgress) => Looked::NotYet("under way".to_owned()),
                // Some resources cannot be compared; the others were.
                _ => Looked::Seen(()),
            })
        })
        .await?;
        let mut pages = stacks.describe_stack_resource_drifts().stack_name(&self.name).into_paginator().send();
        let mut lines = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| refused(&self.region.name, "DescribeStackResourceDrifts", &error))?;
            for drift in page.stack_resource_drifts.unwrap_or_default() {
                let status = drift.stack_resource_drift_status.as_ref().map_or("", |status| status.as_str());
                if matches!(status, "MODIFIED" | "DELETED") {
                    lines.push(format!("{} is {status}", drift.logical_resource_id.unwrap_or_default()));
                }
            }
        }
        lines.sort();
        Ok(lines)
    }

    /// Deletes it and waits for the end. Returns whether it existed.
    pub(crate) async fn delete(&self, progress: &dyn Progress) -> Result<bool, DeployError> {
        if self.settled().await?.is_none() {
            return Ok(false);
        }
        let delete = self.region.stacks.delete_stack().stack_name(&self.name);
        delete.send().await.map_err(|error| refused(&self.region.name, "DeleteStack", &error))?;
        self.say(progress, "is being deleted");
        match self.settled().await? {
            None => {
                self.say(progress, "is gone");
                Ok(true)
            }
            Some(standing) => Err(self.failed(&standing.status).await?),
        }
    }
}

/// A stack that a change set announced and that was never created.
fn is_review(standing: &Standing) -> bool {
    standing.status == "REVIEW_IN_PROGRESS"
}

fn listed(parameters: &BTreeMap<String, String>) -> Vec<Parameter> {
    let one = |(key, value): (&String, &String)| {
        Parameter::builder().parameter_key(key.as_str()).parameter_value(value.as_str()).build()
    };
    parameters.iter().map(one).collect()
}

fn tag(deployment: &str) -> Tag {
    Tag::builder().key(TAG).value(deployment).build()
}
