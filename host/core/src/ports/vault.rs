use std::fmt;
use std::time::Instant;

use crate::{BoxFuture, Fault, Timestamp};

/// The port to the vault, which seals sensitive values and opens sealed ones.
pub trait Vault: Send + Sync {
    /// Performs a rule's call. The inner error may be shown to the rule; the outer fault is that of
    /// the host or of a service behind it.
    ///
    /// The same call on the same occasion returns the same bytes while the same key is used, so the
    /// attempts of a request cannot be distinguished.
    fn ask<'a>(&'a self, call: &'a VaultCall, occasion: Occasion<'a>) -> BoxFuture<'a, Result<Vaulted, Fault>>;
}

/// What the vault returns to a rule.
pub type Vaulted = Result<Vec<u8>, VaultError>;

/// A rule's call of the vault. Its `Debug` shows neither the value nor the row.
#[derive(Clone, PartialEq, Eq)]
pub struct VaultCall {
    /// The action.
    pub verb: VaultVerb,
    /// The place of the value.
    pub field: VaultField,
    /// The plain value, or the sealed one.
    pub bytes: Vec<u8>,
}

/// The actions of a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VaultVerb {
    /// Encrypts a value.
    Seal,
    /// Decrypts a sealed value.
    Open,
}

/// The place of a sensitive value: a column of one row. A value sealed for one place cannot be
/// opened in another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultField {
    /// The table, by its name in the grants.
    pub table: String,
    /// The column.
    pub column: String,
    /// The row's key, as text.
    pub row_key: String,
}

/// When and for whom the vault is called.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The operation of the rule.
    pub operation: &'a str,
    /// The time of the request.
    pub now: Timestamp,
    /// Differs for every call of this request and of others, and is the same on each attempt.
    pub salt: [u8; 32],
    /// The deadline for the answer.
    pub deadline: Instant,
}

/// Why the vault refused a rule's call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct VaultError {
    /// What it is, for programs.
    pub refusal: VaultRefusal,
    /// The same for people, without any value.
    pub message: String,
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultRefusal {
    /// The bytes were not sealed by a vault.
    NotSealed,
    /// They were sealed for another place, or changed since.
    Elsewhere,
    /// The rule lacks the grant.
    NotGranted,
    /// The value, or the name of its place, is not valid.
    Unusable,
}

impl VaultCall {
    /// The longest value, in bytes.
    pub const MAX_VALUE: usize = 64 << 10;

    /// The longest sealed value.
    pub const MAX_SEALED: usize = Self::MAX_VALUE + (8 << 10);

    /// The longest row key.
    pub const MAX_ROW_KEY: usize = 1024;

    /// The longest name of a table, with its schema, or of a column.
    const MAX_NAME: usize = 127;

    /// Refuses an invalid call.
    pub fn check(&self) -> Result<(), VaultError> {
        let unusable = |message: String| Err(VaultError { refusal: VaultRefusal::Unusable, message });
        let most = match self.verb {
            VaultVerb::Seal => Self::MAX_VALUE,
            VaultVerb::Open => Self::MAX_SEALED,
        };
        if self.bytes.len() > most {
            return unusable(format!("there are {} bytes to {}, and the limit is {most}", self.bytes.len(), self.verb));
        }
        if self.field.table.len() > Self::MAX_NAME || self.field.column.len() > Self::MAX_NAME {
            return unusable("the name of the table or of the column is too long".to_owned());
        }
        let key = self.field.row_key.len();
        if key == 0 || key > Self::MAX_ROW_KEY {
            return unusable(format!("a row's key has 1 to {} bytes, and this one has {key}", Self::MAX_ROW_KEY));
        }
        Ok(())
    }
}

impl VaultVerb {
    /// As it is written in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Open => "open",
        }
    }
}

impl VaultError {
    /// The bytes were not sealed by a vault.
    pub fn not_sealed() -> Self {
        let message = "the bytes were not sealed by a vault".to_owned();
        Self { refusal: VaultRefusal::NotSealed, message }
    }

    /// The bytes were sealed for another place, or were changed since. The two cannot be
    /// distinguished.
    pub fn elsewhere(field: &VaultField) -> Self {
        let message = format!("the bytes were not sealed for this row's {field}, or were changed since");
        Self { refusal: VaultRefusal::Elsewhere, message }
    }

    /// The rule may not do this with that column.
    pub fn not_granted(verb: VaultVerb, field: &VaultField) -> Self {
        let message = format!(
            "{verb} of {field} is not granted to this rule: add the column to `{verb}` under [vault.TABLE] in rule.toml, \
             then `tenet grant`"
        );
        Self { refusal: VaultRefusal::NotGranted, message }
    }
}

impl VaultRefusal {
    const ALL: [Self; 4] = [Self::NotSealed, Self::Elsewhere, Self::NotGranted, Self::Unusable];

    /// The code that the rule receives.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotSealed => "not-sealed",
            Self::Elsewhere => "elsewhere",
            Self::NotGranted => "not-granted",
            Self::Unusable => "unusable",
        }
    }

    /// The one of this code.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }
}

impl fmt::Display for VaultVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Without the row's key, which is data.
impl fmt::Display for VaultField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

impl fmt::Debug for VaultCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultCall({} {}, {} bytes)", self.verb, self.field, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(verb: VaultVerb, bytes: usize, row_key: &str) -> VaultCall {
        let field = VaultField { table: "accounts".into(), column: "iban".into(), row_key: row_key.into() };
        VaultCall { verb, field, bytes: vec![7; bytes] }
    }

    #[test]
    fn what_is_too_large_or_has_no_row_is_refused_with_its_size() {
        assert!(call(VaultVerb::Seal, VaultCall::MAX_VALUE, "ann").check().is_ok());
        assert!(call(VaultVerb::Open, VaultCall::MAX_SEALED, "ann").check().is_ok());
        for call in [
            call(VaultVerb::Seal, VaultCall::MAX_VALUE + 1, "ann"),
            call(VaultVerb::Open, VaultCall::MAX_SEALED + 1, "ann"),
            call(VaultVerb::Seal, 1, ""),
            call(VaultVerb::Seal, 1, &"a".repeat(VaultCall::MAX_ROW_KEY + 1)),
        ] {
            assert_eq!(call.check().unwrap_err().refusal, VaultRefusal::Unusable, "{call:?}");
        }
    }

    #[test]
    fn what_is_shown_of_a_call_is_neither_the_value_nor_its_row() {
        let shown = format!("{:?}", call(VaultVerb::Seal, 3, "ann"));
        assert_eq!(shown, "VaultCall(seal accounts.iban, 3 bytes)");
        for refusal in VaultRefusal::ALL {
            assert_eq!(VaultRefusal::of_code(refusal.code()), Some(refusal));
        }
    }
}
