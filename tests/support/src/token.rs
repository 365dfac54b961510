use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};

/// The access key that a stand-in accepts.
pub const ACCESS_KEY: &str = "test";
/// The access key of functions on ministack, with the same secret: their account.
const FUNCTIONS: &str = "000000000000";
/// The secret of both.
pub const SECRET_KEY: &str = "test";

/// How far the client's clock may be ahead.
const AHEAD: Duration = Duration::from_secs(300);
/// The longest lifetime of a token, in seconds.
const WEEK: u64 = 604_800;

/// The expected contents of a token.
pub(crate) struct Wanted<'a> {
    pub(crate) host: &'a str,
    pub(crate) region: &'a str,
    pub(crate) user: &'a str,
    pub(crate) now: SystemTime,
}

/// Why a token is invalid. The first text is sent to the client; DSQL does not disclose the second, but a stand-in
/// does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
}

/// Verifies a token as the service does, by computing the signature with the secret of its key
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).
pub(crate) fn check(token: &str, wanted: &Wanted<'_>) -> Result<(), Denied> {
    let (host, query) = token.split_once("/?").ok_or_else(|| denied("the password is no token"))?;
    if host != wanted.host {
        return Err(denied(format!("the token is for {host}, this is {}", wanted.host)));
    }
    let mut parameters = BTreeMap::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or_else(|| denied("the token's query is malformed"))?;
        if parameters.insert(decode(name), decode(value)).is_some() {
            return Err(denied(format!("the token has {name} twice")));
        }
    }
    let get = |name: &str| {
        let value = parameters.get(name).map(String::as_str);
        value.ok_or_else(|| denied(format!("the token has no {name}")))
    };
    let action = get("Action")?;
    if action != if wanted.user == "admin" { "DbConnectAdmin" } else { "DbConnect" } {
        let message = format!("Wrong user to action mapping. user: {}, action: {action}", wanted.user);
        return Err(Denied { message, detail: None });
    }
    let credential = get("X-Amz-Credential")?.split('/').collect::<Vec<_>>();
    let &[key, day, region, service, "aws4_request"] = credential.as_slice() else {
        return Err(denied("the token's credential scope is malformed"));
    };
    if ![ACCESS_KEY, FUNCTIONS].contains(&key) {
        return Err(denied(format!("there is no access key {key}")));
    }
    if service != "dsql" {
        return Err(denied(format!("the token is for the service {service}, this is dsql")));
    }
    if region != wanted.region {
        return Err(denied(format!("the token is for the region {region}, this is {}", wanted.region)));
    }
    let date = get("X-Amz-Date")?;
    let signed_at = moment(date).filter(|_| date.starts_with(day));
    let signed_at = signed_at.ok_or_else(|| denied("the token's date is malformed"))?;
    let lifetime = get("X-Amz-Expires")?.parse().ok().filter(|seconds| (1..=WEEK).contains(seconds));
    let lifetime = Duration::from_secs(lifetime.ok_or_else(|| denied("the token's lifetime is none"))?);
    if wanted.now + AHEAD < signed_at {
        return Err(denied("the token was signed in the future"));
    }
    if wanted.now > signed_at + lifetime {
        return Err(denied("the token has expired"));
    }
    if get("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" || get("X-Amz-SignedHeaders")? != "host" {
        return Err(denied("the token is signed in another way"));
    }
    let signature = get("X-Amz-Signature")?;
    let signed = parameters.iter().filter(|(name, _)| *name != "X-Amz-Signature");
    let query: Vec<_> = signed.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let request = format!("GET\n/\n{}\nhost:{host}\n\nhost\n{}", query.join("&"), hex(&sha256(b"")));
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&sha256(request.as_bytes())));
    let secret = format!("AWS4{SECRET_KEY}").into_bytes();
    let key = [day, region, service, "aws4_request"].iter().fold(secret, |key, part| hmac(&key, part));
    if hex(&hmac(&key, &text)) != signature {
        return Err(denied("the token's signature is not right"));
    }
    Ok(())
}

fn denied(detail: impl Into<String>) -> Denied {
    Denied { message: "unable to accept connection, access denied".to_owned(), detail: Some(detail.into()) }
}

/// `20261124T170000Z`
fn moment(date: &str) -> Option<SystemTime> {
    let digits = date.strip_suffix('Z')?.replacen('T', "", 1);
    if digits.len() != 14 || date.len() != 16 {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    // Years that begin in March have the leap day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = number(8, 10)? * 3600 + number(10, 12)? * 60 + number(12, 14)?;
    Some(UNIX_EPOCH + Duration::from_secs(days.checked_sub(719_468)? * 86_400 + seconds))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next().unwrap_or_default()).to_digit(16).unwrap_or_default() as u8;
                digit() * 16 + digit()
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_moment_that_it_says() {
        for (date, seconds) in [
            ("19700101T000000Z", 0),
            ("20240229T235959Z", 1_709_251_199),
            ("20240301T000000Z", 1_709_251_200),
            ("20240827T000000Z", 1_724_716_800),
        ] {
            assert_eq!(moment(date), Some(UNIX_EPOCH + Duration::from_secs(seconds)), "{date}");
        }
        assert_eq!(moment("2024-08-27T000000Z"), None);
    }

    #[test]
    fn what_is_no_token_is_told_so() {
        let wanted = Wanted { host: "db.example", region: "us-east-1", user: "app", now: SystemTime::now() };
        for (password, says) in [
            ("hunter2", "no token"),
            ("other.example/?Action=DbConnect", "is for other.example"),
            ("db.example/?Action=DbConnect&Action=DbConnectAdmin", "twice"),
            ("db.example/?Action=DbConnect", "no X-Amz-Credential"),
            ("db.example/?Action=DbConnect&X-Amz-Credential=test%2Fday", "credential scope"),
        ] {
            let detail = check(password, &wanted).unwrap_err().detail.unwrap();
            assert!(detail.contains(says), "{detail}");
        }
    }
}
