//! The vault: values that only rules with the grant can read.
//!
//! A [`FieldVault`] is the port `Vault`. It seals a value with a data key of its own making, by
//! AES-256-GCM, and says over it where it belongs: table, column and row, so that what was sealed
//! for one place opens as no other's. What comes of it is an envelope, a value of type `bytea` that
//! carries everything but the key that unwraps its data key.
//!
//! Data keys come from [`Keys`]: in a region of AWS from KMS ([`KmsKeys`]), one an operation and
//! period, wrapped under a key that never leaves it; in the harness from a file, or from a secret
//! that everybody knows ([`LocalKeys`]). Opened ones are kept for as long and as many as
//! [`KeyCachePolicy`] says, and requests that want the same one wait for one call.
//!
//! What this crate must never know: rules and their grants, the database, where sealed bytes are
//! kept. A value is neither logged nor shown by anything here, and no key is.

mod data_key;
mod envelope;
mod field_vault;
mod keyring;
mod keys;
mod kms_keys;
mod local_keys;

pub use field_vault::FieldVault;
pub use keyring::KeyCachePolicy;
pub use keys::{KeyFault, Keys, NewKey, Secret};
pub use kms_keys::{InvalidKey, KmsKeys, METRICS};
pub use local_keys::{InvalidSecret, LocalKeys};
