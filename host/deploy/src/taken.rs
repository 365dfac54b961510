use crate::config::Config;
use crate::deployment::{Deployment, WORKFLOWS};
use crate::error::{DeployError, code, refused};
use crate::regional::Regional;
use crate::stack::Stack;

/// What a stack makes under a name that the account has once in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Bus(String),
    Function(String),
    LogGroup(String),
    Queue(String),
    Role(String),
}

impl Deployment {
    /// Looks whether a stack is there or can be made: that no stack of its name is another's and, while there is none,
    /// that none of the names of its bus, function, log groups, queues and roles is taken.
    ///
    /// # Errors
    /// Names what is taken.
    pub(crate) async fn stack_in(&self, region: &Regional, stack: &str) -> Result<String, DeployError> {
        let template = if stack == self.names.stack() { self.template.as_str() } else { WORKFLOWS };
        if let Some(standing) = Stack::of(region, &self.names, stack, self.polling).look().await? {
            return Ok(format!("{}: the stack {stack} is {}", region.name, standing.status));
        }
        let named = names_of(template, &self.names.name, &region.name, &self.config);
        let mut taken = Vec::new();
        for named in &named {
            if let Some(what) = named.found(region).await? {
                taken.push(what);
            }
        }
        if taken.is_empty() {
            let count = named.len();
            return Ok(format!("{}: there is no stack {stack}, and none of {count} names is taken", region.name));
        }
        let what = format!("{}: there is no stack {stack}, and it would make what is there already", region.name);
        Err(DeployError::new(format!("{what}: {}", taken.join(", ")))
            .help("choose another `name`, or delete what is left of an earlier deployment"))
    }
}

impl Named {
    /// What it is, if it exists.
    async fn found(&self, region: &Regional) -> Result<Option<String>, DeployError> {
        const MISSING: Option<&str> = Some("ResourceNotFoundException");
        // Of its query protocol, whose codes SQS still sends in a header, and of its own.
        const NO_QUEUE: [&str; 2] = ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];
        let at = &region.name;
        let (is_there, what) = match self {
            Self::Bus(name) => {
                let is_there = match region.events.describe_event_bus().name(name).send().await {
                    Ok(_) => true,
                    Err(error) if code(&error) == MISSING => false,
                    Err(error) => return Err(refused(at, "DescribeEventBus", &error)),
                };
                (is_there, format!("the bus {name}"))
            }
            Self::Function(name) => {
                let is_there = match region.functions.get_function_concurrency().function_name(name).send().await {
                    Ok(_) => true,
                    Err(error) if code(&error) == MISSING => false,
                    Err(error) => return Err(refused(at, "GetFunctionConcurrency", &error)),
                };
                (is_there, format!("the function {name}"))
            }
            Self::LogGroup(name) => {
                let groups = region.logs.describe_log_groups().log_group_name_prefix(name).send().await;
                let groups = groups.map_err(|error| refused(at, "DescribeLogGroups", &error))?;
                // The one whose name is the prefix is the first.
                let first = groups.log_groups.unwrap_or_default().into_iter().next();
                let is_there = first.is_some_and(|group| group.log_group_name.as_ref() == Some(name));
                (is_there, format!("the log group {name}"))
            }
            Self::Queue(name) => {
                let is_there = match region.queues.get_queue_url().queue_name(name).send().await {
                    Ok(_) => true,
                    Err(error) if code(&error).is_some_and(|code| NO_QUEUE.contains(&code)) => false,
                    Err(error) => return Err(refused(at, "GetQueueUrl", &error)),
                };
                (is_there, format!("the queue {name}"))
            }
            Self::Role(name) => {
                let is_there = match region.roles.get_role().role_name(name).send().await {
                    Ok(_) => true,
                    Err(error) if code(&error) == Some("NoSuchEntity") => false,
                    Err(error) => return Err(refused(at, "GetRole", &error)),
                };
                (is_there, format!("the role {name}"))
            }
        };
        Ok(is_there.then_some(what))
    }
}

/// The names in a template, with the deployment's and the region's in them. What another template than Tenet's writes
/// in another form is not found.
fn names_of(template: &str, name: &str, region: &str, config: &Config) -> Vec<Named> {
    let mut found = Vec::new();
    let (mut kind, mut is_made) = ("", true);
    let resources = template.split_once("\nResources:\n").map_or("", |(_, resources)| resources);
    for line in resources.lines() {
        let indent = line.len() - line.trim_start().len();
        let Some((key, value)) = line.trim().split_once(':') else { continue };
        let value = value.trim();
        match (indent, key) {
            (2, _) => (kind, is_made) = ("", true),
            (4, "Type") => kind = value,
            (4, "Condition") => is_made = is_configured(value, config),
            (6, _) if is_made => {
                let value = value.trim_start_matches("!Sub ").trim_matches('"').replace("!Ref Name", "${Name}");
                let value = value.replace("${Name}", name).replace("${AWS::Region}", region);
                match (kind, key) {
                    ("AWS::Events::EventBus", "Name") => found.push(Named::Bus(value)),
                    ("AWS::Lambda::Function", "FunctionName") => found.push(Named::Function(value)),
                    ("AWS::Logs::LogGroup", "LogGroupName") => found.push(Named::LogGroup(value)),
                    ("AWS::SQS::Queue", "QueueName") => found.push(Named::Queue(value)),
                    ("AWS::IAM::Role", "RoleName") => found.push(Named::Role(value)),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    found
}

/// Whether a condition of the template is met that a name depends on.
fn is_configured(condition: &str, config: &Config) -> bool {
    match condition {
        "HasRoute" => config.events.route.is_some(),
        "HasSmoke" => config.smoke.as_ref().is_some_and(|smoke| smoke.event.is_some()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::REGION;

    #[test]
    fn the_names_are_those_of_the_templates() {
        let text = "version = 1\nname = \"shop\"\nregions = [\"us-east-1\", \"us-west-2\"]\n";
        let names = |template: &str, config: &str| {
            let config = Config::parse(config).unwrap();
            let mut found = names_of(template, "shop", "us-west-2", &config);
            found.sort_by_key(|of| format!("{of:?}"));
            found
        };
        let named = |of: fn(String) -> Named, name: &str| of(name.to_owned());
        assert_eq!(
            names(REGION, text),
            [
                named(Named::Bus, "shop"),
                named(Named::Function, "shop"),
                named(Named::LogGroup, "/aws/lambda/shop"),
                named(Named::LogGroup, "/aws/vendedlogs/shop-access"),
                named(Named::Queue, "shop-dead-letters"),
                named(Named::Role, "shop-us-west-2-forward"),
                named(Named::Role, "shop-us-west-2-function"),
                named(Named::Role, "shop-us-west-2-relay"),
            ]
        );
        let text = format!(
            "{text}[events]\nroute = {{ operation = \"a\", amount = 1 }}\n[smoke]\noperation = \"a\"\nevent = \"id\"\n"
        );
        assert_eq!(names(REGION, &text).len(), 10);
        assert_eq!(
            names(WORKFLOWS, &text),
            [
                named(Named::LogGroup, "/aws/vendedlogs/shop-reviews"),
                named(Named::Queue, "shop-reviews"),
                named(Named::Queue, "shop-settlement"),
                named(Named::Queue, "shop-workflows-dead-letters"),
            ]
        );
    }
}
