//! KMS keys on moto.

use aws_sdk_kms::Client;

use crate::eventbridge::{config, endpoint};

/// A symmetric key in `us-east-1`.
pub struct KmsKey {
    arn: String,
}

impl KmsKey {
    /// Creates a key.
    pub async fn create() -> Self {
        let client = Client::new(&config("us-east-1", &endpoint()));
        let key = client.create_key().send().await.unwrap();
        Self { arn: key.key_metadata.unwrap().arn.unwrap() }
    }

    /// Its ARN, for settings.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}
