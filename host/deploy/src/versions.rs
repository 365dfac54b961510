use std::collections::{BTreeMap, HashMap};

use aws_sdk_lambda::types::{AliasRoutingConfiguration, LastUpdateStatus, State};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::error::{DeployError, code, message, refused};
use crate::names::{LIVE, Names};
use crate::package::Package;
use crate::regional::Regional;
use crate::stack::Standing;
use crate::wait::{Looked, PollPolicy, until};

/// Which versions of the function a region serves. They are parameters of the stack, so that only
/// CloudFormation moves the alias.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    /// The stack's first version, which is served until another is named.
    first: Option<String>,
    /// The named version.
    named: Option<String>,
    /// The previously served version.
    pub(crate) previous: Option<String>,
    /// The canary version and its percentage of the calls.
    pub(crate) canary: Option<(String, u8)>,
}

impl Versions {
    /// The versions in a stack.
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

    /// Writes them as parameters of the stack.
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

    /// The served version.
    pub(crate) fn served(&self) -> &str {
        self.named.as_deref().or(self.first.as_deref()).unwrap_or_default()
    }

    /// Adds a new version, for all calls or for some.
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

    /// The line of a plan for a deploy of this zip, if it would change what is served.
    pub(crate) async fn planned(
        &self,
        region: &Regional,
        names: &Names,
        sha256: &str,
        percent: Option<u8>,
    ) -> Result<Option<String>, DeployError> {
        let is_this = async |version: &str| Ok(digest(region, names, version).await?.as_deref() == Some(sha256));
        let served = self.served();
        if !served.is_empty() && is_this(served).await? {
            return Ok(self.canary.as_ref().map(|(version, _)| format!("- the canary version {version}")));
        }
        Ok(match (percent, &self.canary) {
            (Some(percent), Some((version, of))) if *of == percent && is_this(version).await? => None,
            (Some(percent), _) => Some(format!("~ a version of this zip gets {percent} of 100 calls")),
            (None, _) => Some("~ a version of this zip is served".to_owned()),
        })
    }

    /// Removes what the alias still has of a canary that ended. The page of UpdateAlias does not say
    /// whether Lambda keeps the weights if an update names none, so that the alias is read back.
    pub(crate) async fn settle(
        &self,
        region: &Regional,
        names: &Names,
        polling: &PollPolicy,
    ) -> Result<(), DeployError> {
        if self.canary.is_some() {
            return Ok(());
        }
        let late = |state: &str| DeployError::new(format!("{}: the alias {LIVE} still has {state}", region.name));
        until(polling.stack, polling.pause, late, async || {
            let alias = region.functions.get_alias().function_name(names.stack()).name(LIVE).send().await;
            let alias = alias.map_err(|error| refused(&region.name, "GetAlias", &error))?;
            let weights = alias.routing_config.and_then(|routing| routing.additional_version_weights);
            if weights.is_none_or(|weights| weights.is_empty()) {
                return Ok(Looked::Seen(()));
            }
            let none = AliasRoutingConfiguration::builder().set_additional_version_weights(Some(HashMap::new()));
            let update = region.functions.update_alias().function_name(names.stack()).name(LIVE);
            let update = update.routing_config(none.build()).send().await;
            update.map_err(|error| refused(&region.name, "UpdateAlias", &error))?;
            Ok(Looked::NotYet("a canary".to_owned()))
        })
        .await
    }

    /// Serves the canary for all calls.
    pub(crate) fn promoted(&self) -> Option<Self> {
        self.canary.as_ref().map(|(canary, _)| self.with(canary, None))
    }

    /// Removes the canary or, if there is none, serves the previous version.
    pub(crate) fn rolled_back(&self) -> Option<Self> {
        if self.canary.is_some() {
            return Some(Self { canary: None, ..self.clone() });
        }
        self.previous.as_ref().map(|previous| self.with(previous, None))
    }
}

/// Publishes the function's current code and settings, if the code is the package's. Returns the
/// existing version if they are already published.
pub(crate) async fn publish(
    region: &Regional,
    names: &Names,
    package: &Package,
    polling: &PollPolicy,
) -> Result<String, DeployError> {
    settled(region, names, None, polling).await?;
    let request = region.functions.publish_version().function_name(names.stack()).description(package.sha256());
    let published = request.code_sha256(BASE64_STANDARD.encode(package.digest())).send().await;
    let published = published.map_err(|error| {
        let is_other = code(&error) == Some("InvalidParameterValueException")
            && message(&error).is_some_and(|text| text.contains("CodeSHA256"));
        let refused = refused(&region.name, "PublishVersion", &error);
        if !is_other {
            return refused;
        }
        refused.help(format!(
            "the function's code is not what was uploaded: another deploy is running, or it was changed by hand; then \
             `aws lambda update-function-code --region {} --function-name {} --s3-bucket {} --s3-key {}`, and deploy \
             again",
            region.name,
            names.stack(),
            names.bucket(&region.name),
            package.key()
        ))
    })?;
    let version = published.version.unwrap_or_default();
    settled(region, names, Some(&version), polling).await?;
    Ok(version)
}

/// The digest of a version's zip.
pub(crate) async fn digest(region: &Regional, names: &Names, version: &str) -> Result<Option<String>, DeployError> {
    let got = region.functions.get_function_configuration().function_name(names.stack()).qualifier(version);
    let got = got.send().await.map_err(|error| refused(&region.name, "GetFunctionConfiguration", &error))?;
    // Lambda reports it in base64, not in hexadecimal.
    let digest = got.code_sha256.and_then(|digest| BASE64_STANDARD.decode(digest).ok());
    Ok(digest.map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Waits until a version is updated and can be invoked.
async fn settled(
    region: &Regional,
    names: &Names,
    version: Option<&str>,
    polling: &PollPolicy,
) -> Result<(), DeployError> {
    let late = |state: &str| DeployError::new(format!("{}: the function is still {state}", region.name));
    until(polling.stack, polling.pause, late, async || {
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
        // Naming the served version changes nothing.
        assert_eq!(one.with("1", None), one);
        let two = one.with("2", None);
        assert_eq!(two, versions("2", Some("1"), None));
        // Repeating it changes nothing: the previous version is kept.
        assert_eq!(two.with("2", None), two);
        let canary = two.with("3", Some(10));
        assert_eq!(canary, versions("2", Some("1"), Some(("3", 10))));
        assert_eq!(canary.promoted(), Some(versions("3", Some("2"), None)));
        assert_eq!(canary.rolled_back(), Some(two.clone()));
        assert_eq!(two.rolled_back(), Some(versions("1", Some("2"), None)));
        assert_eq!((one.rolled_back(), one.promoted()), (None, None));
    }
}
