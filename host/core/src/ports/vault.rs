use std::fmt;
use std::time::Instant;

use crate::{BoxFuture, Fault, Timestamp};

/// The port to whoever seals sensitive values, and opens what was sealed.
pub trait Vault: Send + Sync {
    /// Does what a rule asks. The inner error is one that the rule may see; the fault is the
    /// host's, and so is whatever stands behind it.
    ///
    /// The same call on the same occasion gives the same bytes for as long as the same key is
    /// used, so that the attempts of a request cannot be told apart.
    fn ask<'a>(&'a self, call: &'a VaultCall, occasion: Occasion<'a>) -> BoxFuture<'a, Result<Vaulted, Fault>>;
}

/// What a rule is told by the vault.
pub type Vaulted = Result<Vec<u8>, VaultError>;

/// What a rule asks of the vault. Shown, it says nothing of the value and of its row.
#[derive(Clone, PartialEq, Eq)]
pub struct VaultCall {
    /// What is to be done.
    pub verb: VaultVerb,
    /// Where the value belongs.
    pub field: VaultField,
    /// The value, or what it was sealed to.
    pub bytes: Vec<u8>,
}

/// What a vault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VaultVerb {
    /// A value becomes bytes that are for the vault only.
    Seal,
    /// Those bytes become the value again.
    Open,
}

/// The place of a sensitive value: a column of one row. What was sealed for one place is nothing
/// in another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultField {
    /// The table, by the name under which it is granted.
    pub table: String,
    /// The column.
    pub column: String,
    /// What the row is told by: its key, as text.
    pub row_key: String,
}

/// When and for whom a vault is asked.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The operation whose rule asks.
    pub operation: &'a str,
    /// The request's moment.
    pub now: Timestamp,
    /// What tells this call from every other of its request and of other requests, and is the
    /// same on each attempt.
    pub salt: [u8; 32],
    /// When there has to be an answer.
    pub deadline: Instant,
}

/// Why the vault does not do what a rule asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultError {
    /// What it is, for programs.
    pub refusal: VaultRefusal,
    /// The same for people, without any value.
    pub message: String,
}

/// What the vault can refuse a rule for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultRefusal {
    /// The bytes are not what a vault has sealed.
    NotSealed,
    /// They were sealed for another place, or changed since.
    Elsewhere,
    /// The rule is not granted that.
    NotGranted,
    /// The value, or the name of its place, is none that the vault takes.
    Unusable,
}

impl VaultCall {
    /// The longest value, in bytes.
    pub const MAX_VALUE: usize = 64 << 10;

    /// The longest that one is once it is sealed.
    pub const MAX_SEALED: usize = Self::MAX_VALUE + (8 << 10);

    /// The longest key of a row.
    pub const MAX_ROW_KEY: usize = 1024;

    /// The longest name of a table, with its schema, or of a column.
    const MAX_NAME: usize = 127;

    /// Refuses what no vault takes.
    pub fn check(&self) -> Result<(), VaultError> {
        let unusable = |message: String| Err(VaultError { refusal: VaultRefusal::Unusable, message });
        let most = match self.verb {
            VaultVerb::Seal => Self::MAX_VALUE,
            VaultVerb::Open => Self::MAX_SEALED,
        };
        if self.bytes.len() > most {
            return unusable(format!(
                "there are {} bytes to {}, and {most} at most may be",
                self.bytes.len(),
                self.verb
            ));
        }
        if self.field.table.len() > Self::MAX_NAME || self.field.column.len() > Self::MAX_NAME {
            return unusable("a name of a table or of a column is longer than any".to_owned());
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
    /// The bytes are not what a vault has sealed.
    pub fn not_sealed() -> Self {
        let message = "the bytes are not what a vault has sealed".to_owned();
        Self { refusal: VaultRefusal::NotSealed, message }
    }

    /// They were sealed for another place, or changed since: nobody can say which of the two.
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

    /// The code that a rule is shown.
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

/// Without the row's key, which is a value of the row.
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

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for VaultError {}

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
