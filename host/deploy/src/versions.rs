use std::collections::BTreeMap;

use aws_sdk_lambda::types::{LastUpdateStatus, State};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::error::{DeployError, refused};
use crate::names::Names;
use crate::regional::Regional;
use crate::stack::Standing;
use crate::wait::{Looked, PollPolicy, until};

/// Which versions of the function a region serves. The stack's parameters keep it, so that
/// nothing that CloudFormation does not know of moves the alias.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    /// The one that the stack has made, which is served until another is named.
    first: Option<String>,
    /// The one that is named.
    named: Option<String>,
    /// What was served before.
    pub(crate) previous: Option<String>,
    /// What gets a part of the calls, of 100.
    pub(crate) canary: Option<(String, u8)>,
}

impl Versions {
    /// Those of a stack.
    pub(crate) fn read(standing: &Standing) -> Self {
        let parameter = |name: &str| standing.parameters.get(name).filter(|value| !value.is_empty()).cloned();
        let weight = parameter("CanaryWeight").and_then(|weight| weight.parse::<f64>().ok()).unwrap_or_default();
        Self {
            first: standing.outputs.get("FirstVersion").cloned(),
            named: parameter("Version"),
            previous: parameter("PreviousVersion"),
            canary: parameter("CanaryVersion").map(|version| (version, (weight * 100.0).round() as u8)),
        }
    }

    /// As parameters of the stack.
    pub(crate) fn write(&self, parameters: &mut BTreeMap<String, String>) {
        let (canary, weight) = self.canary.clone().unwrap_or_default();
        for (name, value) in [
            ("Version", self.named.clone().unwrap_or_default()),
            ("PreviousVersion", self.previous.clone().unwrap_or_default()),
            ("CanaryVersion", canary),
            ("CanaryWeight", format!("{}", f64::from(weight) / 100.0)),
        ] {
            parameters.insert(name.to_owned(), value);
        }
    }

    /// What is served.
    pub(crate) fn served(&self) -> &str {
        self.named.as_deref().or(self.first.as_deref()).unwrap_or_default()
    }

    /// With a new version, for all calls or for some.
    pub(crate) fn with(&self, new: &str, percent: Option<u8>) -> Self {
        match percent {
            _ if new == self.served() => Self { canary: None, ..self.clone() },
            Some(percent) => Self { canary: Some((new.to_owned(), percent)), ..self.clone() },
            None => Self {
                first: self.first.clone(),
                named: Some(new.to_owned()),
                previous: Some(self.served().to_owned()).filter(|of| !of.is_empty()),
                canary: None,
            },
        }
    }

    /// With the canary for all calls.
    pub(crate) fn promoted(&self) -> Option<Self> {
        self.canary.as_ref().map(|(canary, _)| self.with(canary, None))
    }

    /// Without the canary or, where there is none, with what was served before.
    pub(crate) fn rolled_back(&self) -> Option<Self> {
        if self.canary.is_some() {
            return Some(Self { canary: None, ..self.clone() });
        }
        self.previous.as_ref().map(|previous| self.with(previous, None))
    }
}

/// Publishes what the function's code and settings are now. It gives the version that has them
/// already where there is one.
pub(crate) async fn publish(
    region: &Regional,
    names: &Names,
    sha256: &str,
    patience: &PollPolicy,
) -> Result<String, DeployError> {
    settled(region, names, None, patience).await?;
    let published = region.functions.publish_version().function_name(names.stack()).description(sha256).send().await;
    let published = published.map_err(|error| refused(&region.name, "PublishVersion", &error))?;
    let version = published.version.unwrap_or_default();
    settled(region, names, Some(&version), patience).await?;
    Ok(version)
}

/// The digest of the zip that a version was published with.
pub(crate) async fn digest(region: &Regional, names: &Names, version: &str) -> Result<Option<String>, DeployError> {
    let got = region.functions.get_function_configuration().function_name(names.stack()).qualifier(version);
    let got = got.send().await.map_err(|error| refused(&region.name, "GetFunctionConfiguration", &error))?;
    // Lambda tells it in another alphabet than everybody else.
    let digest = got.code_sha256.and_then(|digest| BASE64_STANDARD.decode(digest).ok());
    Ok(digest.map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Waits until a version has its code and its settings, and may be called.
async fn settled(
    region: &Regional,
    names: &Names,
    version: Option<&str>,
    patience: &PollPolicy,
) -> Result<(), DeployError> {
    let late = |state: &str| DeployError::new(format!("{}: the function is still {state}", region.name));
    until(patience.stack, patience.pause, late, async || {
        let request = region.functions.get_function_configuration().function_name(names.stack());
        let got = request.set_qualifier(version.map(str::to_owned)).send().await;
        let got = got.map_err(|error| refused(&region.name, "GetFunctionConfiguration", &error))?;
        if got.state == Some(State::Failed) || got.last_update_status == Some(LastUpdateStatus::Failed) {
            let why = got.state_reason.or(got.last_update_status_reason).unwrap_or_default();
            return Err(DeployError::new(format!("{}: the function cannot be run: {why}", region.name)));
        }
        let is_pending =
            got.state == Some(State::Pending) || got.last_update_status == Some(LastUpdateStatus::InProgress);
        Ok(if is_pending { Looked::NotYet("being updated".to_owned()) } else { Looked::Seen(()) })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(named: &str, previous: Option<&str>, canary: Option<(&str, u8)>) -> Versions {
        Versions {
            first: Some("1".to_owned()),
            named: Some(named.to_owned()).filter(|named| !named.is_empty()),
            previous: previous.map(str::to_owned),
            canary: canary.map(|(version, percent)| (version.to_owned(), percent)),
        }
    }

    #[test]
    fn the_stack_keeps_them_and_a_new_one_serves_its_first() {
        let mut standing = Standing::default();
        standing.outputs.insert("FirstVersion".to_owned(), "1".to_owned());
        let new = Versions::read(&standing);
        assert_eq!((new.served(), &new), ("1", &versions("", None, None)));
        for of in [new, versions("3", Some("2"), None), versions("3", Some("2"), Some(("4", 7)))] {
            of.write(&mut standing.parameters);
            assert_eq!(Versions::read(&standing), of);
        }
    }

    #[test]
    fn a_new_one_takes_over_or_gets_its_part_and_what_was_served_is_gone_back_to() {
        let one = versions("", None, None);
        // What is served already is not named: nothing changes.
        assert_eq!(one.with("1", None), one);
        let two = one.with("2", None);
        assert_eq!(two, versions("2", Some("1"), None));
        // Said once more, nothing changes: what was served before is not forgotten.
        assert_eq!(two.with("2", None), two);
        let canary = two.with("3", Some(10));
        assert_eq!(canary, versions("2", Some("1"), Some(("3", 10))));
        assert_eq!(canary.promoted(), Some(versions("3", Some("2"), None)));
        assert_eq!(canary.rolled_back(), Some(two.clone()));
        assert_eq!(two.rolled_back(), Some(versions("1", Some("2"), None)));
        assert_eq!((one.rolled_back(), one.promoted()), (None, None));
    }
}
