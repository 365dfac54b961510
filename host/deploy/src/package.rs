use serde_json::Value;
use sha2::{Digest, Sha256};

/// What is deployed: the function with a bundle's rules, and what a deployment has to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The zip that Lambda is given.
    pub zip: Vec<u8>,
    /// How many connections a sandbox has at most.
    pub connections: u32,
    /// Whether operations are asked for by events.
    pub takes_events: bool,
    /// A pattern of the bundle's own events that operations of it may take, if there are any.
    pub follows: Option<Value>,
    /// Whether a rule seals or opens fields.
    pub has_vault: bool,
    /// CloudWatch's namespace for the host's metrics.
    pub metrics: String,
}

impl Package {
    /// The zip's SHA-256, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        Sha256::digest(&self.zip).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
