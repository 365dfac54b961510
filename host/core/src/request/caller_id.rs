use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::hex;

/// The owner of a key: answers are stored under (operation, caller, key), so one caller never reads
/// another's.
///
/// It is a digest of the caller's identity from an authoriser (the first 16 bytes of SHA-256),
/// because identities vary in length and do not belong in a table. It does not depend on the
/// region: a caller has one answer per key in both regions.
///
/// The sessions of an assumed IAM role are one caller. A session has a name of its own in the ARN
/// (`arn:aws:sts::123456789012:assumed-role/ROLE/SESSION`,
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>), and a service that
/// is started again has another session: its repeated request would run twice.
///
/// Direct invocations, events, messages of a queue, and HTTP without an authoriser are
/// unauthenticated. They share one scope, [`ANONYMOUS`](Self::ANONYMOUS): all callers that the
/// function or the queue admits count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallerId(Option<[u8; 16]>);

impl CallerId {
    /// The scope of all unauthenticated requests.
    pub const ANONYMOUS: Self = Self(None);

    /// The scope of the caller with this identity.
    pub fn of(identity: Option<&str>) -> Self {
        Self(identity.map(|identity| first_half(Sha256::digest(without_session(identity)).into())))
    }

    /// The scope of the follow-ups of the caller with this identity. It is no caller's, so a caller who knows the id of
    /// a follow-up cannot take its key.
    pub fn of_follow_up(identity: Option<&str>) -> Self {
        let mut digest = Sha256::new();
        // No identity has this digest: it is UTF-8, in which there is no such byte.
        digest.update([0xff]);
        digest.update("tenet follow-up");
        if let Self(Some(id)) = Self::of(identity) {
            digest.update(id);
        }
        Self(Some(first_half(digest.finalize().into())))
    }

    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::ANONYMOUS);
        }
        let number = u128::from_str_radix(text, 16).ok()?;
        Some(Self(Some(number.to_be_bytes()))).filter(|id| id.to_string() == text)
    }

    /// The 16 bytes, if the caller is authenticated.
    pub fn as_bytes(&self) -> Option<&[u8; 16]> {
        self.0.as_ref()
    }
}

fn first_half(digest: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// The identity without the name of a session, if it is that of an assumed role.
fn without_session(identity: &str) -> &str {
    let resource = identity.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(4));
    let service = identity.split(':').nth(2);
    match (service, resource.and_then(|resource| resource.strip_prefix("assumed-role/"))) {
        (Some("sts"), Some(_)) => identity.rsplit_once('/').map_or(identity, |(role, _)| role),
        _ => identity,
    }
}

/// 32 hexadecimal digits, or nothing.
impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|id| hex(&id)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_one_scope_that_is_written_and_read_and_never_changes_between_releases() {
        let ann = CallerId::of(Some("ann"));
        assert_eq!(ann.to_string(), hex(&Sha256::digest("ann")[..16]));
        assert_eq!((CallerId::parse(&ann.to_string()), CallerId::parse("")), (Some(ann), Some(CallerId::ANONYMOUS)));
        assert_ne!(ann, CallerId::of(Some("bob")));
        assert_ne!(CallerId::of(Some("")), CallerId::ANONYMOUS);
        for text in ["x", "0", "ann", &ann.to_string().to_uppercase(), &format!("+{}", &ann.to_string()[1..])] {
            assert_eq!(CallerId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn no_identity_has_the_scope_of_follow_ups() {
        let unauthenticated = CallerId::of_follow_up(None);
        assert_ne!(unauthenticated, CallerId::of(Some("tenet follow-up")));
        assert_ne!(unauthenticated, CallerId::of_follow_up(Some("ann")));
        assert_ne!(CallerId::of_follow_up(Some("ann")), CallerId::of(Some("ann")));
    }

    #[test]
    fn sessions_of_a_role_are_one_caller_and_roles_and_accounts_are_not() {
        let of = |identity| CallerId::of(Some(identity));
        let role = of("arn:aws:sts::123456789012:assumed-role/teller/i-0123456789abcdef0");
        assert_eq!(of("arn:aws:sts::123456789012:assumed-role/teller/ann@example.com"), role);
        let others = [
            "arn:aws:sts::123456789012:assumed-role/tellers/i-0123456789abcdef0",
            "arn:aws:sts::210987654321:assumed-role/teller/i-0123456789abcdef0",
            "arn:aws-cn:sts::123456789012:assumed-role/teller/i-0123456789abcdef0",
            "arn:aws:sts::123456789012:federated-user/teller/ann",
            "arn:aws:iam::123456789012:assumed-role/teller/ann",
            "arn:aws:iam::123456789012:user/assumed-role/teller",
            "sts:assumed-role/teller/ann",
        ];
        for (place, other) in others.iter().enumerate() {
            assert_ne!(of(other), role, "{other}");
            assert!(others[..place].iter().all(|one| of(one) != of(other)), "{other}");
        }
        // The name of another kind of identity is not cut.
        assert_ne!(of("arn:aws:iam::1:user/team/ann"), of("arn:aws:iam::1:user/team/bob"));
    }
}
