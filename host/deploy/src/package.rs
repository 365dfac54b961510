use serde_json::Value;
use sha2::{Digest, Sha256};

/// The deployed artifact: the function with a bundle's rules, and what the deployment has to know
/// about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The zip for Lambda.
    pub zip: Vec<u8>,
    /// Whether operations handle events.
    pub takes_events: bool,
    /// A pattern of the bundle's own events that its operations may handle, if there are any.
    pub follows: Option<Value>,
    /// Whether a rule seals or opens fields.
    pub has_vault: bool,
    /// What its configuration has to agree with.
    pub settings: Settings,
}

/// What a bundle says of itself that a configuration has to agree with. It is known before the bundle is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most connections per sandbox.
    pub connections: u32,
    /// CloudWatch's namespace for the host's metrics.
    pub metrics: String,
    /// Seconds after which an event is left to the relay.
    pub relay_grace_s: u64,
    /// Milliseconds before a deadline by which the host responds.
    pub margin_ms: u64,
    /// The rules, each with the milliseconds that one call of it may wait for the database.
    pub database_ms: Vec<(String, u64)>,
}

impl Package {
    /// The zip's SHA-256.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.zip).into()
    }

    /// The zip's SHA-256, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        self.digest().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Its key in the bucket.
    pub(crate) fn key(&self) -> String {
        format!("bundles/{}.zip", self.sha256())
    }
}
