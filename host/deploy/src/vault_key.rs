use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::describe_key::DescribeKeyError;
use aws_sdk_kms::types::{KeyMetadata, KeyState, Tag};

use crate::error::{DeployError, code, refused};
use crate::names::{Names, TAG};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::regional::Regional;
use crate::stack::Stack;
use crate::wait::{Looked, PollPolicy, until};

/// How many days a key that is scheduled for deletion can be restored. A primary's days begin when its last replica is
/// deleted (<https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html>).
const PENDING_DAYS: i32 = 30;

/// The ARNs of the vault's key in both regions. It is one multi-Region key: values sealed in one
/// region are opened in the other. It is created before any stack and outlives them, because the
/// rows with sealed values do.
pub(crate) async fn ensure(
    regions: &[Regional; 2],
    names: &Names,
    polling: &PollPolicy,
    progress: &dyn Progress,
) -> Result<[String; 2], DeployError> {
    let [one, _] = regions;
    let key = match existing(regions, names, polling, progress).await? {
        Some(key) => key,
        None => create(one, names, progress).await?,
    };
    if matches!(key.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion | KeyState::Disabled))
    {
        let state = key.key_state.as_ref().map_or("", |state| state.as_str());
        return Err(DeployError::new(format!("the vault's key {} is {state}", key.key_id))
            .help("`aws kms cancel-key-deletion` and `aws kms enable-key` call it back, in both regions"));
    }
    // Only the primary key is replicated, and its rotation is that of its replicas.
    let primary_region = primary_region(&key).unwrap_or(&one.name);
    let at_primary = regions.iter().find(|region| region.name == primary_region).ok_or_else(|| {
        DeployError::new(format!("the primary of the vault's key {} is in {primary_region}", key.key_id))
            .help("`aws kms update-primary-region` moves it to a region of the deployment")
    })?;
    let mut arns = Vec::new();
    for region in regions {
        let here = match described(region, &key.key_id).await? {
            Some(here) if here.key_state != Some(KeyState::Creating) => here,
            _ => replicate(at_primary, region, &key, names, polling, progress).await?,
        };
        if described(region, &names.vault_key()).await?.is_none_or(|of| of.key_id != here.key_id) {
            name(region, &here, names).await?;
        }
        arns.push(arn(region, &here)?);
    }
    let rotation = at_primary.keys.enable_key_rotation().key_id(&key.key_id);
    rotation.send().await.map_err(|error| refused(&at_primary.name, "EnableKeyRotation", &error))?;
    arns.try_into().map_err(|_| DeployError::new("a deployment has two regions"))
}

/// Adds the key to a plan if it does not exist in a region.
pub(crate) async fn plan(regions: &[Regional; 2], names: &Names, plan: &mut Plan) -> Result<(), DeployError> {
    for region in regions {
        if described(region, &names.vault_key()).await?.is_none() {
            plan.change(&region.name, &format!("+ the vault's key {}", names.vault_key()));
        }
    }
    Ok(())
}

/// The key, in one of the regions: by its alias, or without one if a run was interrupted, or the alias deleted.
async fn existing(
    regions: &[Regional; 2],
    names: &Names,
    polling: &PollPolicy,
    progress: &dyn Progress,
) -> Result<Option<KeyMetadata>, DeployError> {
    for region in regions {
        if let Some(key) = described(region, &names.vault_key()).await? {
            return Ok(Some(key));
        }
    }
    // The key that a stack has is the one under which values are sealed.
    for region in regions {
        let standing = Stack::of(region, names, names.stack(), *polling).look().await?.unwrap_or_default();
        if let Some(arn) = standing.parameters.get("VaultKeyArn").filter(|arn| !arn.is_empty())
            && let Some(key) = described(region, arn).await?
        {
            return Ok(Some(key));
        }
    }
    let mut closed = Vec::new();
    for region in regions {
        if let Some(key) = lost(region, names, &mut closed).await? {
            return Ok(Some(key));
        }
    }
    if !closed.is_empty() {
        let text = format!(
            "no key has the alias {} or the tag of the vault's key, and these may not be looked at: {}. If one of them \
             is the vault's, give it the alias in both regions and delete the key that is made now",
            names.vault_key(),
            closed.join(", ")
        );
        progress.say(None, &text);
    }
    Ok(None)
}

/// The region of a key's primary.
fn primary_region(key: &KeyMetadata) -> Option<&str> {
    key.multi_region_configuration.as_ref()?.primary_key.as_ref()?.region.as_deref()
}

/// The description of the key, which identifies it if it has no alias.
fn description(names: &Names) -> String {
    format!("Sealed fields of {}", names.name)
}

fn arn(region: &Regional, key: &KeyMetadata) -> Result<String, DeployError> {
    key.arn.clone().ok_or_else(|| DeployError::new(format!("{}: the key {} has no ARN", region.name, key.key_id)))
}

/// A key by its id or alias.
pub(crate) async fn described(region: &Regional, id: &str) -> Result<Option<KeyMetadata>, DeployError> {
    match region.keys.describe_key().key_id(id).send().await {
        Ok(described) => Ok(described.key_metadata),
        Err(error) if code(&error) == Some("NotFoundException") => Ok(None),
        Err(error) => Err(refused(&region.name, "DescribeKey", &error)),
    }
}

/// A key that an interrupted run created without an alias. Those of others that may not be read are skipped; those
/// whose tags may not be read either are added to `closed`.
async fn lost(region: &Regional, names: &Names, closed: &mut Vec<String>) -> Result<Option<KeyMetadata>, DeployError> {
    let mut pages = region.keys.list_keys().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| refused(&region.name, "ListKeys", &error))?;
        for id in page.keys.unwrap_or_default().into_iter().filter_map(|key| key.key_id) {
            let key = match region.keys.describe_key().key_id(&id).send().await {
                Ok(described) => described.key_metadata,
                Err(error) if code(&error) == Some("NotFoundException") => continue,
                Err(error) if code(&error) == Some("AccessDeniedException") => {
                    match is_tagged(region, &id, names).await? {
                        Some(true) => return Err(unreadable(region, &id, names, &error)),
                        Some(false) => {}
                        None => closed.push(format!("{} in {}", id, region.name)),
                    }
                    continue;
                }
                Err(error) => return Err(refused(&region.name, "DescribeKey", &error)),
            };
            let is_it = |key: &KeyMetadata| {
                key.description.as_ref() == Some(&description(names))
                    && key.multi_region == Some(true)
                    && key.key_state == Some(KeyState::Enabled)
            };
            if key.as_ref().is_some_and(is_it) {
                return Ok(key);
            }
        }
    }
    Ok(None)
}

/// Whether a key that may not be described has the deployment's tag; `None` if its tags may not be read either.
async fn is_tagged(region: &Regional, id: &str, names: &Names) -> Result<Option<bool>, DeployError> {
    let mut pages = region.keys.list_resource_tags().key_id(id).into_paginator().send();
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => {
                let is_ours = |tag: &Tag| tag.tag_key() == TAG && tag.tag_value() == names.name;
                if page.tags.unwrap_or_default().iter().any(is_ours) {
                    return Ok(Some(true));
                }
            }
            Err(error) if code(&error) == Some("AccessDeniedException") => return Ok(None),
            Err(error) if code(&error) == Some("NotFoundException") => return Ok(Some(false)),
            Err(error) => return Err(refused(&region.name, "ListResourceTags", &error)),
        }
    }
    Ok(Some(false))
}

/// The deployment's own key may not be described. A second one is not created: the first may have sealed values.
fn unreadable(
    region: &Regional,
    id: &str,
    names: &Names,
    error: &SdkError<DescribeKeyError, HttpResponse>,
) -> DeployError {
    refused(&region.name, &format!("DescribeKey {id}, which has the tag {TAG}={}", names.name), error).help(
        "it is probably the vault's key of a run that was interrupted: allow kms:DescribeKey on it and run it again, \
         or take the tag off it if it is another",
    )
}

fn tag(names: &Names) -> Result<Tag, DeployError> {
    let tag = Tag::builder().tag_key(TAG).tag_value(&names.name).build();
    tag.map_err(|error| DeployError::new("a tag cannot be written").because(error))
}

async fn create(region: &Regional, names: &Names, progress: &dyn Progress) -> Result<KeyMetadata, DeployError> {
    let request = region.keys.create_key().multi_region(true).description(description(names)).tags(tag(names)?);
    let made = request.send().await.map_err(|error| refused(&region.name, "CreateKey", &error))?;
    let made = made.key_metadata;
    let made = made.ok_or_else(|| DeployError::new(format!("{}: CreateKey tells of no key", region.name)))?;
    progress.say(Some(&region.name), &format!("the vault's key {} is there", made.key_id));
    Ok(made)
}

async fn replicate(
    from: &Regional,
    to: &Regional,
    primary: &KeyMetadata,
    names: &Names,
    polling: &PollPolicy,
    progress: &dyn Progress,
) -> Result<KeyMetadata, DeployError> {
    let request = from
        .keys
        .replicate_key()
        .key_id(&primary.key_id)
        .replica_region(&to.name)
        .description(description(names))
        .tags(tag(names)?);
    match request.send().await {
        Ok(_) => {}
        Err(error) if code(&error) == Some("AlreadyExistsException") => {}
        Err(error) => return Err(refused(&from.name, "ReplicateKey", &error)),
    }
    let late = |state: &str| DeployError::new(format!("{}: the replica {} is {state}", to.name, primary.key_id));
    let replica = until(polling.cluster, polling.pause, late, async || {
        Ok(match described(to, &primary.key_id).await? {
            Some(key) if key.key_state == Some(KeyState::Enabled) => Looked::Seen(key),
            Some(key) => Looked::NotYet(key.key_state.map_or(String::new(), |state| state.as_str().to_owned())),
            None => Looked::NotYet("not there".to_owned()),
        })
    });
    let replica = replica.await?;
    progress.say(Some(&to.name), &format!("the vault's key {} is there too", replica.key_id));
    Ok(replica)
}

async fn name(region: &Regional, key: &KeyMetadata, names: &Names) -> Result<(), DeployError> {
    match region.keys.create_alias().alias_name(names.vault_key()).target_key_id(&key.key_id).send().await {
        Ok(_) => Ok(()),
        Err(error) if code(&error) == Some("AlreadyExistsException") => Err(DeployError::new(format!(
            "{}: {} is the name of another key than {}",
            region.name,
            names.vault_key(),
            key.key_id
        ))),
        Err(error) => Err(refused(&region.name, "CreateAlias", &error)),
    }
}

/// Schedules the deletion of the keys, and reports when each goes: the replica after the waiting period, the primary
/// after another one.
pub(crate) async fn delete(regions: &[Regional; 2], names: &Names, progress: &dyn Progress) -> Result<(), DeployError> {
    let [one, other] = regions;
    for region in [other, one] {
        let Some(key) = described(region, &names.vault_key()).await? else { continue };
        if key.key_state != Some(KeyState::PendingDeletion) && key.key_state != Some(KeyState::PendingReplicaDeletion) {
            let request = region.keys.schedule_key_deletion().key_id(&key.key_id).pending_window_in_days(PENDING_DAYS);
            request.send().await.map_err(|error| refused(&region.name, "ScheduleKeyDeletion", &error))?;
        }
        let request = region.keys.delete_alias().alias_name(names.vault_key());
        request.send().await.map_err(|error| refused(&region.name, "DeleteAlias", &error))?;
        let goes = if primary_region(&key) == Some(&region.name) {
            format!("{PENDING_DAYS} days after its replica, about {} days from now", 2 * PENDING_DAYS)
        } else {
            format!("in {PENDING_DAYS} days")
        };
        let text = format!("the vault's key {} goes {goes}; until then it can be called back", key.key_id);
        progress.say(Some(&region.name), &text);
    }
    Ok(())
}
