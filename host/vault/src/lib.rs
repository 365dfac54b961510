//! The vault: encrypts values so that only rules with the grant can read them.
//!
//! A [`FieldVault`] implements the port `Vault`. It encrypts a value with a data key by
//! AES-256-GCM. The value's place (table, column and row) is associated data, so a value sealed for
//! one place cannot be opened in another. The result is an envelope, a value of type `bytea` that
//! contains everything except the key that unwraps its data key.
//!
//! Data keys come from [`Keys`]: on AWS from KMS ([`KmsKeys`]), one per operation and period,
//! wrapped under a key that never leaves KMS; on a laptop from a file, or from a publicly known
//! secret ([`LocalKeys`]). Unwrapped keys are cached within the limits of [`KeyCachePolicy`], and
//! concurrent requests for the same key share one call.
//!
//! This crate must not know rules and their grants, the database, or where sealed bytes are stored.
//! It never logs or shows a value or a key.

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
