use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, Parameter, StackDriftDetectionStatus, StackStatus, Tag,
};

use tokio::time::sleep;

use crate::error::{DeployError, code, message, refused};
use crate::names::{Names, TAG};
use crate::progress::Progress;
use crate::recovery::{Recovery, passes};
use crate::regional::Regional;
use crate::spelling;
use crate::wait::{Looked, PollPolicy, until};

/// The timeout for computing a change set or detecting drift.
const LOOKING: Duration = Duration::from_secs(300);

/// How many times a change is tried that fails for a reason that passes, and the pause between two,
/// in polling intervals: together more than the 60 seconds for which a queue's name is taken.
const TRIES: u32 = 4;
const PAUSES: u32 = 10;

/// A CloudFormation stack in a region.
pub(crate) struct Stack<'a> {
    region: &'a Regional,
    deployment: String,
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
    pub(crate) fn of(region: &'a Regional, names: &Names, name: &str, polling: PollPolicy) -> Self {
        Self { region, deployment: names.name.clone(), name: name.to_owned(), polling }
    }

    /// Its state; none if it does not exist. Fails if it is not the deployment's: another stack may
    /// have the name.
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
        let is_ours = |tag: &Tag| tag.key() == Some(TAG) && tag.value() == Some(&self.deployment);
        if !stack.tags.unwrap_or_default().iter().any(is_ours) {
            return Err(DeployError::new(format!(
                "{}: the stack {} is not the deployment's: it has no tag {TAG}={}",
                self.region.name, self.name, self.deployment
            ))
            .help("choose another `name`, or give it the tag if it is"));
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
                // A stack that waits for a review waits permanently.
                Some(standing)
                    if standing.status.ends_with("_IN_PROGRESS") && standing.status != "REVIEW_IN_PROGRESS" =>
                {
                    Looked::NotYet(standing.status)
                }
                standing => Looked::Seen(standing),
            })
        })
        .await
    }

    /// Its state once it can be updated; none if it does not exist, or could only be deleted and was.
    pub(crate) async fn mended(&self, progress: &dyn Progress) -> Result<Option<Standing>, DeployError> {
        let Some(standing) = self.settled().await? else { return Ok(None) };
        let stacks = &self.region.stacks;
        match Recovery::of(&standing.status) {
            Recovery::None => return Ok(Some(standing)),
            Recovery::Delete => {
                self.say(progress, &format!("is {}: it can only be deleted, and is created again", standing.status));
                self.delete(progress).await?;
                return Ok(None);
            }
            Recovery::ContinueRollback => {
                self.say(progress, &format!("is {}: its rollback is completed first", standing.status));
                let rollback = stacks.continue_update_rollback().stack_name(&self.name).send().await;
                rollback.map_err(|error| refused(&self.region.name, "ContinueUpdateRollback", &error))?;
            }
            Recovery::RollBack => {
                self.say(progress, &format!("is {}: its update is rolled back first", standing.status));
                let rollback = stacks.rollback_stack().stack_name(&self.name).send().await;
                rollback.map_err(|error| refused(&self.region.name, "RollbackStack", &error))?;
            }
            Recovery::ByHand => return Err(self.by_hand(&standing.status)),
        }
        let standing = self.settled().await?;
        match &standing {
            Some(of) if Recovery::of(&of.status) != Recovery::None => Err(self.failed(&of.status).await?),
            _ => Ok(standing),
        }
    }

    fn by_hand(&self, status: &str) -> DeployError {
        DeployError::new(format!("{}: the stack {} is {status}, and cannot be updated", self.region.name, self.name))
            .help("bring it to a state that ends in _COMPLETE at CloudFormation, or delete it there, and run it again")
    }

    /// Creates or updates the stack to match the template and the parameters, from any state.
    pub(crate) async fn apply(
        &self,
        template: &str,
        parameters: &BTreeMap<String, String>,
        progress: &dyn Progress,
    ) -> Result<Applied, DeployError> {
        let mut tries = 1;
        loop {
            let applied = match self.mended(progress).await? {
                None => self.create(template, parameters).await?,
                Some(_) => self.update(template, parameters).await?,
            };
            if applied == Applied::Unchanged {
                return Ok(applied);
            }
            self.say(progress, if applied == Applied::Created { "is being created" } else { "is being updated" });
            let status = self.settled().await?.unwrap_or_default().status;
            if matches!(status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE") {
                self.say(progress, &format!("is {status}"));
                return Ok(applied);
            }
            match self.failure().await? {
                Some(why) if tries < TRIES && passes(&why) => {
                    self.say(progress, &format!("is {status}: {why}; this passes, and it is tried again"));
                    sleep(self.polling.pause * PAUSES).await;
                    tries += 1;
                }
                why => return Err(self.stopped(&status, why)),
            }
        }
    }

    fn tag(&self) -> Tag {
        Tag::builder().key(TAG).value(&self.deployment).build()
    }

    fn say(&self, progress: &dyn Progress, what: &str) {
        progress.say(Some(&self.region.name), &format!("stack {} {what}", self.name));
    }

    async fn create(&self, template: &str, parameters: &BTreeMap<String, String>) -> Result<Applied, DeployError> {
        let request = self.region.stacks.create_stack().stack_name(&self.name).template_body(template);
        let request = request
            .set_parameters(Some(listed(parameters)))
            .tags(self.tag())
            .capabilities(Capability::CapabilityNamedIam);
        match request.send().await {
            Ok(_) => Ok(Applied::Created),
            Err(error) => Err(refused(&self.region.name, "CreateStack", &error)),
        }
    }

    async fn update(&self, template: &str, parameters: &BTreeMap<String, String>) -> Result<Applied, DeployError> {
        let request = self.region.stacks.update_stack().stack_name(&self.name).template_body(template);
        let request = request
            .set_parameters(Some(listed(parameters)))
            .tags(self.tag())
            .capabilities(Capability::CapabilityNamedIam);
        match request.send().await {
            Ok(_) => Ok(Applied::Updated),
            Err(error) if message(&error).is_some_and(|text| text.contains("No updates are to be performed")) => {
                Ok(Applied::Unchanged)
            }
            Err(error) => Err(refused(&self.region.name, "UpdateStack", &error)),
        }
    }

    /// The first resource that failed in the last operation, and the reason.
    async fn failure(&self) -> Result<Option<String>, DeployError> {
        let mut pages = self.region.stacks.describe_stack_events().stack_name(&self.name).into_paginator().send();
        let mut first = None;
        // The newest events come first, and those of earlier operations may follow.
        'pages: while let Some(page) = pages.next().await {
            let page = page.map_err(|error| refused(&self.region.name, "DescribeStackEvents", &error))?;
            for event in page.stack_events.unwrap_or_default() {
                let status = event.resource_status.as_ref().map_or("", |status| status.as_str());
                let is_stack = event.physical_resource_id == event.stack_id;
                if is_stack && matches!(status, "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS") {
                    break 'pages;
                }
                let reason = event.resource_status_reason.unwrap_or_default();
                if status.ends_with("_FAILED") && !is_stack && !reason.contains("cancelled") {
                    first = Some(format!("{}: {reason}", event.logical_resource_id.unwrap_or_default()));
                }
            }
        }
        Ok(first)
    }

    /// The error of an operation that has ended with this status.
    async fn failed(&self, status: &str) -> Result<DeployError, DeployError> {
        Ok(self.stopped(status, self.failure().await?))
    }

    fn stopped(&self, status: &str, why: Option<String>) -> DeployError {
        let why = why.unwrap_or_else(|| "CloudFormation does not say why".to_owned());
        let help = match status {
            "DELETE_FAILED" => {
                "delete what it names, or the stack with \"force delete\" of CloudFormation, and run it again"
            }
            "UPDATE_ROLLBACK_FAILED" => {
                "mend what it names, or continue the rollback without it at CloudFormation, and run it again"
            }
            _ => "mend what it names and run it again: it goes on where it is",
        };
        DeployError::new(format!("{}: the stack {} is {status}: {why}", self.region.name, self.name)).help(help)
    }

    /// What [`Self::apply`] would change, one line for each resource. `parameters` gives those of an
    /// update of this stack.
    pub(crate) async fn plan(
        &self,
        template: &str,
        parameters: impl FnOnce(&Standing) -> BTreeMap<String, String>,
    ) -> Result<Vec<String>, DeployError> {
        let Some(standing) = self.settled().await? else { return Ok(vec![self.created(template)]) };
        let status = &standing.status;
        match Recovery::of(status) {
            Recovery::None => self.changes(template, &parameters(&standing)).await,
            Recovery::Delete => Ok(vec![
                format!("- stack {}, which is {status} and can only be deleted", self.name),
                self.created(template),
            ]),
            Recovery::ContinueRollback | Recovery::RollBack => {
                Ok(vec![format!("~ stack {}, which is {status}: it is rolled back, and then updated", self.name)])
            }
            Recovery::ByHand => Err(self.by_hand(status)),
        }
    }

    /// The line of a plan for a stack that does not exist.
    pub(crate) fn created(&self, template: &str) -> String {
        let resources = template.lines().filter(|line| line.starts_with("    Type: AWS::")).count();
        format!("+ stack {} with {resources} resources, some of them only where they are asked for", self.name)
    }

    /// What an update would change.
    async fn changes(&self, template: &str, parameters: &BTreeMap<String, String>) -> Result<Vec<String>, DeployError> {
        const NAME: &str = "tenet-plan";
        let stacks = &self.region.stacks;
        let late = |state: &str| DeployError::new(format!("{}: the change set is still {state}", self.region.name));
        until(LOOKING, self.polling.pause, late, async || {
            let request = stacks
                .create_change_set()
                .stack_name(&self.name)
                .change_set_name(NAME)
                .change_set_type(ChangeSetType::Update)
                .template_body(template)
                .set_parameters(Some(listed(parameters)))
                .tags(self.tag())
                .capabilities(Capability::CapabilityNamedIam);
            match request.send().await {
                Ok(_) => Ok(Looked::Seen(())),
                // Left over from an interrupted plan. One that is being computed cannot be deleted.
                Err(error) if code(&error) == Some("AlreadyExistsException") => {
                    let old = stacks.delete_change_set().stack_name(&self.name).change_set_name(NAME).send().await;
                    match old {
                        Err(error) if code(&error) != Some("InvalidChangeSetStatus") => {
                            Err(refused(&self.region.name, "DeleteChangeSet", &error))
                        }
                        _ => Ok(Looked::NotYet("another's".to_owned())),
                    }
                }
                Err(error) => Err(refused(&self.region.name, "CreateChangeSet", &error)),
            }
        })
        .await?;
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

    /// What was changed by hand: one line per resource. Another spelling of the same value is no change.
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
                let differences = drift.property_differences.unwrap_or_default();
                let is_spelling = !differences.is_empty()
                    && differences.iter().all(|of| {
                        let value = |text: &Option<String>| text.clone().unwrap_or_default();
                        spelling::is_same(&value(&of.expected_value), &value(&of.actual_value))
                    });
                if matches!(status, "MODIFIED" | "DELETED") && !is_spelling {
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

fn listed(parameters: &BTreeMap<String, String>) -> Vec<Parameter> {
    let one = |(key, value): (&String, &String)| {
        Parameter::builder().parameter_key(key.as_str()).parameter_value(value.as_str()).build()
    };
    parameters.iter().map(one).collect()
}
