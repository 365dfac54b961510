//! What a service accepts of a value. It is refused at its key, before any service sees it.

use crate::error::DeployError;

/// The periods that CloudWatch Logs offers, in days
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>).
const RETENTION_DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// Lambda's levels
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_LoggingConfig.html>).
const LOG_LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// The largest integer of API Gateway and EventBridge.
pub(crate) const INTEGER_MOST: u64 = 2_147_483_647;

/// The largest number of an event pattern
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).
pub(crate) const PATTERN_MOST: u64 = 5_000_000_000;

/// The decimals of a number of an event pattern.
const PATTERN_DECIMALS: usize = 6;

/// Names with these beginnings are reserved for buckets of S3
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
const RESERVED: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];

/// The whole numbers that a setting may have.
const RANGES: [(&str, u64, u64); 8] = [
    ("function.memory_mb", 128, 10_240),
    ("function.timeout_s", 5, 900),
    ("http.rate", 1, INTEGER_MOST),
    ("http.burst", 1, INTEGER_MOST),
    ("events.archive_days", 0, INTEGER_MOST),
    ("events.relay_minutes", 2, 10),
    ("workflows.review_amount", 1, PATTERN_MOST),
    // The queue keeps a review for 240 hours: an alarm leaves a day to make it.
    ("workflows.review_age_h", 1, 216),
];

type Checked = Result<(), DeployError>;

/// The end of the names of the second stack and of what is in it.
const WORKFLOWS: &str = "-workflows";

/// A name that a bus and the beginning of a bucket's may have, and that no other deployment's second stack has.
pub(crate) fn name(name: &str) -> Checked {
    if let Some(other) = name.strip_suffix(WORKFLOWS) {
        let what = format!("that is the stack of the workflows of {other:?}");
        return Err(DeployError::new(format!("name is {name:?}: {what}, and no name may end in {WORKFLOWS}")));
    }
    if name == "default" {
        return Err(DeployError::new(format!("name is {name:?}: the bus that each account has is named so")));
    }
    if let Some(reserved) = RESERVED.iter().find(|reserved| name.starts_with(**reserved)) {
        let what = format!("S3 reserves names that begin with {reserved}, and a bucket's begins with this one");
        return Err(DeployError::new(format!("name is {name:?}: {what}")));
    }
    Ok(())
}

/// The id of an account.
pub(crate) fn account(key: &str, text: &str) -> Checked {
    if is_account(text) { Ok(()) } else { Err(refused(key, text, "it has 12 digits")) }
}

/// A level of Lambda's logs.
pub(crate) fn log_level(key: &str, level: &str) -> Checked {
    if LOG_LEVELS.contains(&level) {
        return Ok(());
    }
    Err(refused(key, level, &format!("it may be {}", LOG_LEVELS.join(", "))))
}

/// A period of CloudWatch Logs.
pub(crate) fn retention(key: &str, days: u32) -> Checked {
    if RETENTION_DAYS.contains(&days) {
        return Ok(());
    }
    let may: Vec<_> = RETENTION_DAYS.iter().map(u32::to_string).collect();
    Err(DeployError::new(format!("{key} is {days}; CloudWatch Logs has {}", may.join(", "))))
}

/// An issuer of tokens.
pub(crate) fn issuer(key: &str, issuer: &str) -> Checked {
    let host = issuer.strip_prefix("https://").unwrap_or_default();
    if host.is_empty() || host.starts_with('/') || issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(refused(key, issuer, "it begins with https://"));
    }
    Ok(())
}

/// The audience of tokens, which is a list with commas for CloudFormation.
pub(crate) fn audience(key: &str, audience: &[String]) -> Checked {
    if audience.is_empty() {
        return Err(DeployError::new(format!("{key} is empty: a token needs one that is named there")));
    }
    let is_one = |one: &String| !one.is_empty() && !one.contains([',', ' ']) && !one.contains(char::is_control);
    match audience.iter().find(|one| !is_one(one)) {
        Some(one) => Err(refused(key, one, "it may have no comma and no space")),
        None => Ok(()),
    }
}

/// A domain name.
pub(crate) fn domain_name(key: &str, name: &str) -> Checked {
    let is_label = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.len() <= 253 && name.contains('.') && name.split('.').all(is_label) {
        return Ok(());
    }
    Err(refused(key, name, "it is a name like api.example.com"))
}

/// The id of a hosted zone.
pub(crate) fn hosted_zone(key: &str, zone: &str) -> Checked {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if (2..=32).contains(&zone.len()) && zone.starts_with('Z') && zone.bytes().all(plain) {
        return Ok(());
    }
    Err(refused(key, zone, "it is an id like Z0123456789ABCDEFGHIJ"))
}

/// A number within an event pattern.
pub(crate) fn pattern_number(key: &str, number: f64) -> Checked {
    let text = number.to_string();
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    #[expect(clippy::cast_precision_loss, reason = "the number is far below 2 to the power of 53")]
    if !number.is_finite() || number.abs() > PATTERN_MOST as f64 || decimals > PATTERN_DECIMALS {
        return Err(DeployError::new(format!(
            "{key} is {text}; in a pattern it may be up to {PATTERN_MOST}, with {PATTERN_DECIMALS} decimals"
        )));
    }
    Ok(())
}

/// A source of events.
pub(crate) fn source(key: &str, source: &str) -> Checked {
    if source.starts_with("aws.") {
        return Err(refused(key, source, "EventBridge keeps `aws.` for AWS's own events"));
    }
    text(key, source, 256)
}

/// A text that is a string of an event pattern as it is.
pub(crate) fn text(key: &str, text: &str, most: usize) -> Checked {
    let fits = !text.is_empty() && text.chars().count() <= most && !text.contains(['"', '\\']);
    if fits && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(refused(key, text, &format!("it may have 1 to {most} characters, without quotation marks and backslashes")))
}

/// A number that is in its range, where it has one.
pub(crate) fn range(key: &str, value: u64) -> Checked {
    match RANGES.iter().find(|(of, ..)| *of == key) {
        Some((_, least, most)) if !(*least..=*most).contains(&value) => {
            Err(DeployError::new(format!("{key} is {value}; it may be {least} to {most}")))
        }
        _ => Ok(()),
    }
}

/// The range of a setting by the last part of its key, with the whole key; otherwise that of its type.
pub(crate) fn range_of(setting: &str, type_most: u64) -> (&str, u64, u64) {
    let known = RANGES.into_iter().find(|(key, ..)| key.rsplit('.').next() == Some(setting));
    known.unwrap_or((setting, 0, type_most))
}

/// The ARN of something that this service has in the region.
pub(crate) fn arn(key: &str, text: &str, service: &str, region: &str) -> Checked {
    let mut parts = text.splitn(6, ':');
    let begins = ["arn", "aws", service, region].into_iter().all(|part| parts.next() == Some(part));
    let account = parts.next().is_some_and(is_account);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_/.:".contains(c);
    if begins && account && parts.next().is_some_and(|name| !name.is_empty() && name.chars().all(plain)) {
        return Ok(());
    }
    Err(refused(
        &format!("{key}.{region}"),
        text,
        &format!("it begins with arn:aws:{service}:{region}: and an account"),
    ))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn refused(key: &str, value: &str, why: &str) -> DeployError {
    DeployError::new(format!("{key} is {value:?}; {why}"))
}
