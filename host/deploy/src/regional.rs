use aws_config::SdkConfig;
use aws_sdk_s3::config::Region;

use crate::error::{DeployError, refused};

/// AWS clients for one region, with the credentials and the HTTP client of one configuration.
#[derive(Clone, Debug)]
pub(crate) struct Regional {
    pub(crate) name: String,
    pub(crate) dsql: aws_sdk_dsql::Client,
    pub(crate) stacks: aws_sdk_cloudformation::Client,
    pub(crate) functions: aws_sdk_lambda::Client,
    pub(crate) objects: aws_sdk_s3::Client,
    pub(crate) keys: aws_sdk_kms::Client,
    pub(crate) events: aws_sdk_eventbridge::Client,
    pub(crate) queues: aws_sdk_sqs::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) roles: aws_sdk_iam::Client,
    identity: aws_sdk_sts::Client,
}

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: String,
    /// Of a user, the root user, or an assumed role with its session.
    pub(crate) arn: String,
}

impl Regional {
    pub(crate) fn new(config: &SdkConfig, region: &str) -> Self {
        let config = config.to_builder().region(Region::new(region.to_owned())).build();
        // A host other than AWS's has no host name for each bucket.
        let objects =
            aws_sdk_s3::config::Builder::from(&config).force_path_style(config.endpoint_url().is_some()).build();
        Self {
            name: region.to_owned(),
            dsql: aws_sdk_dsql::Client::new(&config),
            stacks: aws_sdk_cloudformation::Client::new(&config),
            functions: aws_sdk_lambda::Client::new(&config),
            objects: aws_sdk_s3::Client::from_conf(objects),
            keys: aws_sdk_kms::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            queues: aws_sdk_sqs::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            roles: aws_sdk_iam::Client::new(&config),
            identity: aws_sdk_sts::Client::new(&config),
        }
    }

    /// Who the credentials belong to.
    pub(crate) async fn caller(&self) -> Result<Caller, DeployError> {
        let caller = self.identity.get_caller_identity().send().await;
        let caller = caller.map_err(|error| refused(&self.name, "GetCallerIdentity", &error))?;
        let account = caller.account;
        let account =
            account.ok_or_else(|| DeployError::new(format!("{}: AWS does not tell the account", self.name)))?;
        Ok(Caller { account, arn: caller.arn.unwrap_or_default() })
    }
}
