use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_config::{Region, SdkConfig};
use aws_sdk_dsql::auth_token::{AuthTokenGenerator, Config};
use aws_sdk_dsql::config::{Credentials, ProvideCredentials};
use tokio::sync::Mutex;

use crate::connect::endpoint_error::EndpointError;

/// Credentials that expire sooner than this are looked up again.
const GOOD_FOR: Duration = Duration::from_secs(5 * 60);

/// Signs the tokens that one DSQL endpoint accepts as passwords.
///
/// Signing takes microseconds and needs no network, so each connection gets its own token. Looking
/// up credentials may need the network: one connection does it while the others wait.
pub(crate) struct Signer {
    aws: SdkConfig,
    host: String,
    region: Region,
    admin: bool,
    credentials: Mutex<Option<Credentials>>,
}

impl Signer {
    /// A signer for the cluster's endpoint `host` in its own `region`, which may differ from the
    /// configuration's.
    pub(crate) fn new(aws: &SdkConfig, host: &str, region: &str, admin: bool) -> Result<Self, EndpointError> {
        if aws.credentials_provider().is_none() {
            return Err(EndpointError::new("the AWS configuration has no credentials to sign with"));
        }
        if aws.time_source().is_none() {
            return Err(EndpointError::new("the AWS configuration has no clock to sign with"));
        }
        Ok(Self {
            aws: aws.clone(),
            host: host.to_owned(),
            region: Region::new(region.to_owned()),
            admin,
            credentials: Mutex::new(None),
        })
    }

    /// A token that is valid for 15 minutes, or the reason why there is none.
    pub(crate) async fn sign(&self) -> Result<String, String> {
        let credentials = self.credentials().await?;
        let config = Config::builder().hostname(&self.host).region(self.region.clone()).credentials(credentials);
        let generator = AuthTokenGenerator::new(config.build().map_err(|why| why.to_string())?);
        let token = match self.admin {
            true => generator.db_connect_admin_auth_token(&self.aws).await,
            false => generator.db_connect_auth_token(&self.aws).await,
        };
        token.map(|token| token.as_str().to_owned()).map_err(|why| why.to_string())
    }

    async fn credentials(&self) -> Result<Credentials, String> {
        let mut known = self.credentials.lock().await;
        let good = |credentials: &&Credentials| {
            credentials.expiry().is_some_and(|expiry| SystemTime::now() + GOOD_FOR < expiry)
        };
        if let Some(credentials) = known.as_ref().filter(good) {
            return Ok(credentials.clone());
        }
        let provider = self.aws.credentials_provider().ok_or("there are none")?;
        let credentials = provider.provide_credentials().await.map_err(|error| chain(&error))?;
        *known = Some(credentials.clone());
        Ok(credentials)
    }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error: &&dyn Error| (*error).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_config::BehaviorVersion;
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::future;
    use futures_util::future::join_all;

    use super::*;

    /// Credentials that are valid for so long, and a count of look-ups.
    #[derive(Debug)]
    struct Source {
        good_for: Option<Duration>,
        look_ups: Arc<AtomicU32>,
        at_once: AtomicU32,
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async {
                assert_eq!(self.at_once.fetch_add(1, Ordering::SeqCst), 0, "two look-ups at once");
                tokio::task::yield_now().await;
                self.at_once.fetch_sub(1, Ordering::SeqCst);
                self.look_ups.fetch_add(1, Ordering::SeqCst);
                let good_for = self.good_for.ok_or_else(|| CredentialsError::not_loaded("none are set"))?;
                Ok(Credentials::new("AKID", "secret", None, Some(SystemTime::now() + good_for), "test"))
            })
        }
    }

    async fn signer(good_for: Option<Duration>) -> (Signer, Arc<AtomicU32>) {
        let look_ups = Arc::new(AtomicU32::new(0));
        let source = Source { good_for, look_ups: Arc::clone(&look_ups), at_once: AtomicU32::new(0) };
        let region = Region::new("us-east-1");
        let aws = aws_config::defaults(BehaviorVersion::latest()).region(region).credentials_provider(source);
        (Signer::new(&aws.load().await, "db.example", "us-east-1", false).unwrap(), look_ups)
    }

    #[tokio::test]
    async fn credentials_are_looked_up_once_at_a_time_and_again_before_they_expire() {
        for (good_for, expected) in [(GOOD_FOR * 2, 1), (GOOD_FOR / 2, 10)] {
            let (signer, look_ups) = signer(Some(good_for)).await;
            let tokens = join_all((0..10).map(|_| signer.sign())).await;
            assert!(tokens.iter().all(Result::is_ok), "{tokens:?}");
            assert_eq!(look_ups.load(Ordering::SeqCst), expected);
        }
    }

    #[tokio::test]
    async fn without_credentials_there_is_no_token_and_the_reason_is_told() {
        let why = signer(None).await.0.sign().await.unwrap_err();
        assert!(why.contains("none are set"), "{why}");
    }
}
