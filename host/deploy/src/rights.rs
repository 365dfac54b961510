use std::collections::BTreeMap;

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum};
use serde::Deserialize;

use crate::config::Config;
use crate::error::{DeployError, code, refused};
use crate::names::Names;
use crate::regional::{Caller, Regional};

/// The rights that deploying takes: of CloudFormation's handlers, and of the calls of this crate.
const POLICIES: [&str; 3] = [
    include_str!("../../../deploy/rights/data.json"),
    include_str!("../../../deploy/rights/stacks.json"),
    include_str!("../../../deploy/rights/tenet.json"),
];

/// What a cluster with a key of one's own needs of that key
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/data-encryption.html>).
const OF_KEYS: [&str; 4] = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"];

/// Actions per simulation.
const AT_ONCE: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    statement: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: Vec<String>,
    resource: Vec<String>,
    /// Keys with their values, by operator.
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, OneOrMore>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// Where actions are asked about: resources, and the context of the request, as keys with their values.
type Place = (Vec<String>, Vec<(String, Vec<String>)>);

/// The result of a look at the caller's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// This many actions are allowed, and these are not.
    Known(usize, Vec<String>),
    /// IAM does not tell.
    Unknown(String),
}

/// Which actions the caller lacks in a region, by IAM's own simulation of its policies.
pub(crate) async fn look(
    region: &Regional,
    names: &Names,
    config: &Config,
    caller: &Caller,
) -> Result<Rights, DeployError> {
    if caller.arn.ends_with(":root") {
        return Ok(Rights::Known(wanted(region, names, config)?.values().map(Vec::len).sum(), Vec::new()));
    }
    let principal = match principal(region, caller).await? {
        Ok(principal) => principal,
        Err(why) => return Ok(Rights::Unknown(why)),
    };
    let (mut allowed, mut lacking) = (0, Vec::new());
    for ((resources, context), actions) in wanted(region, names, config)? {
        let here = ("aws:RequestedRegion".to_owned(), vec![region.name.clone()]);
        let entry = |(key, values): (String, Vec<String>)| {
            let entry = ContextEntry::builder().context_key_name(key).set_context_key_values(Some(values));
            entry.context_key_type(ContextKeyTypeEnum::String).build()
        };
        let context: Vec<_> = context.into_iter().chain([here]).map(entry).collect();
        for actions in actions.chunks(AT_ONCE) {
            let request = region.roles.simulate_principal_policy().policy_source_arn(&principal);
            let request = request.set_action_names(Some(actions.to_vec())).set_context_entries(Some(context.clone()));
            let mut pages = request.set_resource_arns(Some(resources.clone())).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = match page {
                    Ok(page) => page,
                    Err(error) if matches!(code(&error), Some("AccessDenied" | "AccessDeniedException")) => {
                        return Ok(Rights::Unknown("iam:SimulatePrincipalPolicy is not allowed".to_owned()));
                    }
                    Err(error) => return Err(refused(&region.name, "SimulatePrincipalPolicy", &error)),
                };
                for result in page.evaluation_results.unwrap_or_default() {
                    if result.eval_decision.as_str() == "allowed" {
                        allowed += 1;
                    } else {
                        lacking.push(result.eval_action_name);
                    }
                }
            }
        }
    }
    lacking.sort();
    lacking.dedup();
    Ok(Rights::Known(allowed, lacking))
}

/// The user or role whose policies apply to the caller, or why there is none to ask about.
async fn principal(region: &Regional, caller: &Caller) -> Result<Result<String, String>, DeployError> {
    let Some((_, session)) = caller.arn.split_once(":assumed-role/") else {
        let is_user = caller.arn.contains(":user/");
        return Ok(if is_user {
            Ok(caller.arn.clone())
        } else {
            Err(format!("{} is no user and no role", caller.arn))
        });
    };
    // The session's ARN lacks the role's path, which those of Identity Center have.
    let role = session.split_once('/').map_or(session, |(role, _)| role);
    match region.roles.get_role().role_name(role).send().await {
        Ok(got) => Ok(got.role.map(|role| role.arn).ok_or_else(|| format!("IAM does not tell of the role {role}"))),
        Err(error) if matches!(code(&error), Some("AccessDenied" | "AccessDeniedException" | "NoSuchEntity")) => {
            Ok(Err(format!("iam:GetRole of {role} is not allowed")))
        }
        Err(error) => Err(refused(&region.name, "GetRole", &error)),
    }
}

/// The actions by the resources that they are for and the context that these have, with the names of
/// this deployment. Left out are those of resources that are not configured.
fn wanted(region: &Regional, names: &Names, config: &Config) -> Result<BTreeMap<Place, Vec<String>>, DeployError> {
    let mut wanted: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    for policy in POLICIES {
        let policy: Policy = serde_json::from_str(policy)
            .map_err(|error| DeployError::new("the rights that deploying takes cannot be read").because(error))?;
        for Statement { action, resource, condition } in policy.statement {
            let resource = resource.iter().map(|arn| named(arn, &region.name, names)).collect();
            let context = condition.into_values().flatten().map(|(key, values)| {
                let values = match values {
                    OneOrMore::One(value) => vec![value],
                    OneOrMore::More(values) => values.into_iter().take(1).collect(),
                };
                (key, values.iter().map(|value| named(value, &region.name, names)).collect())
            });
            let actions = action.into_iter().filter(|action| {
                (config.http.domain.is_some() || !action.starts_with("route53"))
                    && (config.workflows.is_some() || !action.starts_with("states:"))
            });
            wanted.entry((resource, context.collect())).or_default().extend(actions);
        }
    }
    if let Some(key) = config.database.kms_keys.get(&region.name) {
        wanted.insert((vec![key.clone()], Vec::new()), OF_KEYS.map(str::to_owned).to_vec());
    }
    for actions in wanted.values_mut() {
        actions.sort();
        actions.dedup();
    }
    Ok(wanted)
}

/// What a pattern means for this deployment: a resource, or a value of the context. `*` by itself stays.
fn named(pattern: &str, region: &str, names: &Names) -> String {
    if pattern == "*" {
        return pattern.to_owned();
    }
    let pattern = pattern.replace("NAME", &names.name).replace("ACCOUNT", &names.account);
    pattern.replace('*', region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_resources_of_the_deployment() {
        let names = Names { name: "shop".to_owned(), account: "123456789012".to_owned() };
        for (pattern, meant) in [
            ("*", "*"),
            ("arn:aws:lambda:*:ACCOUNT:function:NAME", "arn:aws:lambda:us-east-1:123456789012:function:shop"),
            ("arn:aws:iam::ACCOUNT:role/NAME-*-relay", "arn:aws:iam::123456789012:role/shop-us-east-1-relay"),
            ("arn:aws:s3:::NAME-ACCOUNT-*-bundles", "arn:aws:s3:::shop-123456789012-us-east-1-bundles"),
            ("NAME", "shop"),
            ("lambda.*.amazonaws.com", "lambda.us-east-1.amazonaws.com"),
        ] {
            assert_eq!(named(pattern, "us-east-1", &names), meant);
        }
    }
}
