use crate::config::Config;
use crate::error::{DeployError, code, refused};
use crate::names::Names;
use crate::regional::Regional;

/// The concurrency that Lambda keeps for functions without a reservation
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>).
const UNRESERVED: u64 = 100;

/// How many sandboxes the account may run at once in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Concurrency {
    /// Of all functions together.
    pub(crate) limit: u64,
    /// What no function has reserved.
    pub(crate) unreserved: u64,
    /// What this deployment's function has reserved already.
    pub(crate) own: u64,
}

impl Concurrency {
    pub(crate) async fn look(region: &Regional, names: &Names) -> Result<Self, DeployError> {
        let settings = region.functions.get_account_settings().send().await;
        let settings = settings.map_err(|error| refused(&region.name, "GetAccountSettings", &error))?;
        let limit = settings.account_limit.as_ref();
        let number = |value: Option<i32>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or_default();
        let own = match region.functions.get_function_concurrency().function_name(names.stack()).send().await {
            Ok(of) => of.reserved_concurrent_executions,
            Err(error) if code(&error) == Some("ResourceNotFoundException") => None,
            Err(error) => return Err(refused(&region.name, "GetFunctionConcurrency", &error)),
        };
        Ok(Self {
            limit: number(limit.map(|limit| limit.concurrent_executions)),
            unreserved: number(limit.and_then(|limit| limit.unreserved_concurrent_executions)),
            own: number(own),
        })
    }

    /// What this deployment's function can use without a reservation.
    pub(crate) fn free(&self) -> u64 {
        self.unreserved + self.own
    }

    /// Checks that Lambda allows this reservation.
    pub(crate) fn allows(&self, wanted: u64, region: &str) -> Result<(), DeployError> {
        let most = self.free().saturating_sub(UNRESERVED);
        if wanted <= most {
            return Ok(());
        }
        let refused = DeployError::new(format!(
            "{region}: function.reserved_concurrency is {wanted}: of the account's {} concurrent executions {} are free, \
             and Lambda keeps {UNRESERVED} of them unreserved",
            self.limit,
            self.free(),
        ));
        let raise = "or have Service Quotas raise `Concurrent executions` of Lambda";
        Err(refused.help(match most {
            0 => format!("0 reserves none; {raise}"),
            most => format!("{most} at most, or 0, which reserves none; {raise}"),
        }))
    }
}

/// Checks, before anything is created, that Lambda allows the reserved concurrency in both regions,
/// and that the clusters take the connections of all sandboxes.
///
/// # Errors
/// Names the region, its quota, and the values that are possible.
pub(crate) async fn check(
    regions: &[Regional; 2],
    names: &Names,
    config: &Config,
    connections: u32,
) -> Result<(), DeployError> {
    let wanted = u64::from(config.function.reserved_concurrency);
    let mut sandboxes = Vec::new();
    for region in regions {
        let concurrency = Concurrency::look(region, names).await?;
        concurrency.allows(wanted, &region.name)?;
        sandboxes.push((region, concurrency.free()));
    }
    let all: u64 = sandboxes.iter().map(|(_, free)| free).sum();
    let most = Config::sandboxes(connections);
    if wanted > 0 || all <= most {
        return Ok(());
    }
    let each: Vec<_> = sandboxes.iter().map(|(region, free)| format!("{free} in {}", region.name)).collect();
    Err(DeployError::new(format!(
        "function.reserved_concurrency is 0, so the account's quota bounds the sandboxes: {}; with {connections} \
         connections a sandbox one cluster takes {most}",
        each.join(" and ")
    ))
    .help(format!("reserve {} or fewer, or have fewer `connections` in [host] of tenet.toml", most / 2)))
}
