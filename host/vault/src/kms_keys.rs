use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use aws_config::{Region, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use tenet_core::{BoxFuture, Fault, MetricSet};
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use zeroize::Zeroizing;

use crate::keys::{KeyFault, Keys, NewKey, Secret};

/// The metrics of the line of a KMS call.
pub const METRICS: [MetricSet; 1] = [MetricSet {
    name: "vault",
    dimensions: &[&["operation", "call"], &["call"], &[]],
    metrics: &[("VaultCalls", "Count"), ("VaultFailures", "Count")],
    optional: None,
}];

/// The operation's name in the encryption context. KMS unwraps a key only if the same operation is
/// given as when it was created, and a key policy can require it.
const OPERATION: &str = "tenet:operation";

/// The errors of KMS for a wrapped key that it did not create in this context.
const FOREIGN: [&str; 2] = ["InvalidCiphertextException", "IncorrectKeyException"];

/// Data keys from AWS KMS: created and wrapped by `GenerateDataKey`, unwrapped by `Decrypt`.
///
/// A wrapped key names its KMS key, so keys wrapped under an earlier KMS key can be unwrapped as
/// long as KMS has that one. With a multi-Region key, each region's replica unwraps the keys
/// wrapped in the other region.
#[derive(Clone, Debug)]
pub struct KmsKeys {
    client: Client,
    key: String,
}

/// A text does not name a KMS key in this region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKey(String);

impl KmsKeys {
    /// The key with this ARN, or behind the alias with this ARN, in `region`, reached with
    /// `config`.
    ///
    /// # Errors
    /// Fails if it is not such an ARN, or is one of another region: every call would fail.
    pub fn new(config: &SdkConfig, region: &str, key: &str) -> Result<Self, InvalidKey> {
        let parts: Vec<&str> = key.splitn(6, ':').collect();
        let is_one = matches!(parts.as_slice(), ["arn", _, "kms", _, _, name]
            if name.strip_prefix("key/").or(name.strip_prefix("alias/")).is_some_and(|name| !name.is_empty()));
        if !is_one {
            let what = "it has to be arn:aws:kms:REGION:ACCOUNT:key/ID, or an alias's with alias/NAME";
            return Err(InvalidKey(what.to_owned()));
        }
        if let Some(of) = parts.get(3).filter(|of| **of != region) {
            return Err(InvalidKey(format!("it is a key of {of}, and this is {region}: name this region's replica")));
        }
        let config = aws_sdk_kms::config::Builder::from(config)
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(1))
                    .operation_attempt_timeout(Duration::from_secs(2))
                    .build(),
            )
            .build();
        Ok(Self { client: Client::from_conf(config), key: key.to_owned() })
    }
}

impl Keys for KmsKeys {
    fn make<'a>(&'a self, operation: &'a str, _: u64, deadline: Instant) -> BoxFuture<'a, Result<NewKey, Fault>> {
        Box::pin(async move {
            let call = self
                .client
                .generate_data_key()
                .key_id(&self.key)
                .key_spec(DataKeySpec::Aes256)
                .encryption_context(OPERATION, operation)
                .send();
            let answer = told("GenerateDataKey", operation, aside(call, deadline).await).map_err(|why| why.fault)?;
            let parts = (answer.plaintext.and_then(secret), answer.ciphertext_blob);
            let (Some(secret), Some(wrapped)) = parts else {
                return Err(Fault::vault("KMS: GenerateDataKey answered without a key of 32 bytes"));
            };
            Ok(NewKey { secret, wrapped: wrapped.into_inner() })
        })
    }

    fn unwrap<'a>(
        &'a self,
        operation: &'a str,
        wrapped: &'a [u8],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Secret, KeyFault>> {
        Box::pin(async move {
            let call = self
                .client
                .decrypt()
                .ciphertext_blob(Blob::new(wrapped))
                .encryption_context(OPERATION, operation)
                .send();
            match told("Decrypt", operation, aside(call, deadline).await) {
                Ok(answer) => {
                    let without = || KeyFault::Away(Fault::vault("KMS: Decrypt answered without a key of 32 bytes"));
                    answer.plaintext.and_then(secret).ok_or_else(without)
                }
                Err(why) if why.is_foreign => Err(KeyFault::Foreign),
                Err(why) => Err(KeyFault::Away(why.fault)),
            }
        })
    }
}

/// Runs a call in a task of its own: the processor time of handshakes and signatures is not charged
/// to the waiting rule, and others may wait for the same key. None on timeout.
async fn aside<T: Send + 'static>(call: impl Future<Output = T> + Send + 'static, deadline: Instant) -> Option<T> {
    let mut calls = JoinSet::new();
    calls.spawn(call);
    timeout_at(deadline.into(), calls.join_next()).await.ok()??.ok()
}

/// Why a call failed: codes and messages, never a key.
struct Refused {
    fault: Fault,
    is_foreign: bool,
}

/// Logs a call and its result. `answer` is none on timeout.
fn told<T, E, R>(call: &'static str, operation: &str, answer: Option<Result<T, SdkError<E, R>>>) -> Result<T, Refused>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    let answer = match answer {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => Err(why(call, error)),
        None => {
            let fault = Fault::vault(format!("KMS: {call} was not answered in time"));
            Err(Refused { fault, is_foreign: false })
        }
    };
    let why = answer.as_ref().err();
    tracing::info!(
        name: "vault",
        message = "vault key",
        call,
        operation,
        reason = why.map(|why| format!("{:#}", why.fault)),
        VaultCalls = 1,
        VaultFailures = u8::from(why.is_some_and(|why| !why.is_foreign)),
    );
    answer
}

fn why<E, R>(call: &str, error: SdkError<E, R>) -> Refused
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    let Some(refusal) = error.as_service_error() else {
        let fault = Fault::vault(format!("KMS was not reached: {call}: {error}"));
        // Its causes, without the answer, which may contain a key.
        let fault = match error.into_source() {
            Ok(cause) => fault.with_source(cause),
            Err(_) => fault,
        };
        return Refused { fault, is_foreign: false };
    };
    let code = refusal.code().unwrap_or("an error without a code");
    let text = match refusal.message() {
        Some(message) => format!("KMS refused {call}: {code}: {message}"),
        None => format!("KMS refused {call}: {code}"),
    };
    Refused { is_foreign: FOREIGN.contains(&code), fault: Fault::vault(text) }
}

fn secret(blob: Blob) -> Option<Secret> {
    let bytes = Zeroizing::new(blob.into_inner());
    Some(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?))
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;
    use aws_sdk_kms::error::{ConnectorError, ErrorMetadata};
    use aws_sdk_kms::operation::decrypt::DecryptError;

    use super::*;

    #[test]
    fn only_a_key_of_this_region_is_one() {
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let new = |key: &str| KmsKeys::new(&config, "us-east-1", key);
        for key in ["arn:aws:kms:us-east-1:111122223333:key/mrk-1", "arn:aws-cn:kms:us-east-1:1:alias/tenet/rules"] {
            assert!(new(key).is_ok(), "{key}");
        }
        for key in ["", "mrk-1", "alias/tenet", "arn:aws:s3:us-east-1:1:key/a", "arn:aws:kms:us-east-1:1:key/"] {
            assert!(new(key).unwrap_err().to_string().contains("arn:aws:kms:"), "{key}");
        }
        let elsewhere = new("arn:aws:kms:us-west-2:1:key/mrk-1").unwrap_err().to_string();
        assert!(elsewhere.contains("us-west-2") && elsewhere.contains("us-east-1"), "{elsewhere}");
    }

    #[test]
    fn a_key_that_is_not_ours_is_told_from_keys_that_are_out_of_reach() {
        let refused = |code: &str| {
            let meta = ErrorMetadata::builder().code(code).message("why").build();
            why("Decrypt", SdkError::service_error(DecryptError::generic(meta), "authorization: secret"))
        };
        assert!(refused("InvalidCiphertextException").is_foreign);
        for code in ["AccessDeniedException", "KMSInvalidStateException", "NotFoundException", "ThrottlingException"] {
            let why = refused(code);
            let text = format!("{:#}", why.fault);
            assert!(!why.is_foreign && text == format!("KMS refused Decrypt: {code}: why"), "{text}");
        }
        let inner = std::io::Error::other("connection reset");
        let lost = SdkError::<DecryptError, ()>::dispatch_failure(ConnectorError::io(Box::new(inner)));
        let why = why("Decrypt", lost);
        let text = format!("{:#}", why.fault);
        assert!(text.starts_with("KMS was not reached") && text.contains("connection reset"), "{text}");
    }
}
