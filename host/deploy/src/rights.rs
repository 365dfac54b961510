use std::collections::BTreeMap;

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum};
use serde::Deserialize;

use crate::config::Config;
use crate::error::{DeployError, code, refused};
use crate::names::Names;
use crate::regional::{Caller, Regional};

/// The rights that deploying takes: of CloudFormation's handlers, and of the calls of this crate.
const POLICIES: [&str; 4] = [
    include_str!("../../../deploy/rights/data.json"),
    include_str!("../../../deploy/rights/roles.json"),
    include_str!("../../../deploy/rights/stacks.json"),
    include_str!("../../../deploy/rights/tenet.json"),
];

/// Those that a domain takes in addition.
const OF_DOMAINS: &str = include_str!("../../../deploy/rights/domain.json");

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

/// Where actions are asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    resources: Vec<String>,
    /// The context of the request: a value for each key of a condition.
    context: Vec<(String, String)>,
    /// The values that distinguish this request from others of the same action.
    variant: String,
}

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
    for (Place { resources, context, variant }, actions) in wanted(region, names, config)? {
        let here = ("aws:RequestedRegion".to_owned(), region.name.clone());
        let entry = |(key, value): (String, String)| {
            let entry = ContextEntry::builder().context_key_name(key).context_key_values(value);
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
                    // Two actions are in no list of AWS's.
                    Err(error) if code(&error) == Some("InvalidInput") => {
                        let why = refused(&region.name, "SimulatePrincipalPolicy", &error);
                        return Ok(Rights::Unknown(why.to_string()));
                    }
                    Err(error) => return Err(refused(&region.name, "SimulatePrincipalPolicy", &error)),
                };
                for result in page.evaluation_results.unwrap_or_default() {
                    if result.eval_decision.as_str() == "allowed" {
                        allowed += 1;
                    } else {
                        lacking.push(format!("{}{variant}", result.eval_action_name));
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
    for policy in POLICIES.into_iter().chain(config.http.domain.as_ref().map(|_| OF_DOMAINS)) {
        let policy: Policy = serde_json::from_str(policy)
            .map_err(|error| DeployError::new("the rights that deploying takes cannot be read").because(error))?;
        for Statement { action, resource, condition } in policy.statement {
            let meant = |pattern: &str| named(pattern, &region.name, names, config);
            let resources: Vec<_> = resource.iter().map(|arn| meant(arn)).collect();
            let is_configured = |service: &str| config.workflows.is_some() || !service.starts_with("states");
            let actions: Vec<_> = action.into_iter().filter(|action| is_configured(action)).collect();
            for (context, variant) in contexts(condition.into_values().flatten()) {
                if !context.iter().all(|(_, value)| is_configured(value)) {
                    continue;
                }
                let context = context.into_iter().map(|(key, value)| (key, meant(&value))).collect();
                let place = Place { resources: resources.clone(), context, variant: meant(&variant) };
                wanted.entry(place).or_default().extend(actions.clone());
            }
        }
    }
    if let Some(key) = config.database.kms_keys.get(&region.name) {
        let place = Place { resources: vec![key.clone()], context: Vec::new(), variant: String::new() };
        wanted.insert(place, OF_KEYS.map(str::to_owned).to_vec());
    }
    for actions in wanted.values_mut() {
        actions.sort();
        actions.dedup();
    }
    Ok(wanted)
}

/// The contexts that meet a condition: one for each choice of a value for each of its keys, with the values
/// that are one of several, as the end of an action's name.
fn contexts(keys: impl Iterator<Item = (String, OneOrMore)>) -> Vec<(Vec<(String, String)>, String)> {
    let mut contexts = vec![(Vec::new(), String::new())];
    for (key, values) in keys {
        let (values, is_one) = match values {
            OneOrMore::One(value) => (vec![value], true),
            OneOrMore::More(values) => (values, false),
        };
        contexts = contexts
            .into_iter()
            .flat_map(|(context, variant)| {
                values.iter().map({
                    let key = key.clone();
                    move |value| {
                        let context = context.iter().cloned().chain([(key.clone(), value.clone())]).collect();
                        let named = if is_one { String::new() } else { format!(" ({value})") };
                        (context, format!("{variant}{named}"))
                    }
                })
            })
            .collect();
    }
    contexts
}

/// What a pattern means for this deployment: a resource, or a value of the context. `*` by itself stays.
fn named(pattern: &str, region: &str, names: &Names, config: &Config) -> String {
    if pattern == "*" {
        return pattern.to_owned();
    }
    let [one, other] = &config.regions.served;
    let domain = config.http.domain.as_ref();
    let pattern = pattern.replace("NAME", &names.name).replace("ACCOUNT", &names.account);
    let pattern = pattern.replace("REGION1", one).replace("REGION2", other);
    let pattern = pattern.replace("DOMAIN", domain.map_or("", |domain| &domain.name));
    pattern.replace("ZONE", domain.map_or("", |domain| &domain.hosted_zone)).replace('*', region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_resources_of_the_deployment() {
        let names = Names { name: "shop".to_owned(), account: "123456789012".to_owned() };
        let config = "version = 1\nname = \"shop\"\nregions = [\"us-west-2\", \"us-east-1\"]\n[http]\n\
                      jwt = { issuer = \"https://x\", audience = [\"a\"] }\n[http.domain]\n\
                      name = \"api.example.com\"\nhosted_zone = \"Z1\"\n[http.domain.certificates]\n\
                      us-east-1 = \"arn:aws:acm:us-east-1:123456789012:certificate/a\"\n\
                      us-west-2 = \"arn:aws:acm:us-west-2:123456789012:certificate/b\"\n";
        let config = Config::parse(config).unwrap();
        for (pattern, meant) in [
            ("*", "*"),
            ("arn:aws:lambda:*:ACCOUNT:function:NAME", "arn:aws:lambda:us-east-1:123456789012:function:shop"),
            ("arn:aws:iam::ACCOUNT:role/NAME-REGION1-relay", "arn:aws:iam::123456789012:role/shop-us-west-2-relay"),
            ("arn:aws:s3:::NAME-ACCOUNT-REGION2-bundles", "arn:aws:s3:::shop-123456789012-us-east-1-bundles"),
            ("arn:aws:route53:::hostedzone/ZONE", "arn:aws:route53:::hostedzone/Z1"),
            ("arn:aws:apigateway:*::/domainnames/DOMAIN", "arn:aws:apigateway:us-east-1::/domainnames/api.example.com"),
            ("NAME", "shop"),
            ("lambda.*.amazonaws.com", "lambda.us-east-1.amazonaws.com"),
        ] {
            assert_eq!(named(pattern, "us-east-1", &names, &config), meant);
        }
    }

    #[test]
    fn each_value_of_a_condition_is_a_context_of_its_own() {
        let one = |key: &str, value: &str| (key.to_owned(), OneOrMore::One(value.to_owned()));
        let more = |key: &str, values: &[&str]| {
            (key.to_owned(), OneOrMore::More(values.iter().map(ToString::to_string).collect()))
        };
        let found = contexts([more("a", &["1", "2"]), one("b", "3"), more("c", &["4", "5"])].into_iter());
        let found: Vec<_> = found
            .iter()
            .map(|(context, variant)| {
                let values: Vec<_> = context.iter().map(|(key, value)| format!("{key}{value}")).collect();
                format!("{}{variant}", values.join(" "))
            })
            .collect();
        assert_eq!(found, ["a1 b3 c4 (1) (4)", "a1 b3 c5 (1) (5)", "a2 b3 c4 (2) (4)", "a2 b3 c5 (2) (5)"]);
        assert_eq!(contexts(std::iter::empty()), [(Vec::new(), String::new())]);
    }
}
