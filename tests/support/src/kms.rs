//! Keys at KMS as moto serves it.

use aws_sdk_kms::Client;

use crate::eventbridge::{config, endpoint};

/// A symmetric key in `us-east-1`.
pub struct KmsKey {
    arn: String,
}

impl KmsKey {
    /// Makes one.
    pub async fn create() -> Self {
        let client = Client::new(&config("us-east-1", &endpoint()));
        let key = client.create_key().send().await.unwrap();
        Self { arn: key.key_metadata.unwrap().arn.unwrap() }
    }

    /// What a setting names it by.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}
