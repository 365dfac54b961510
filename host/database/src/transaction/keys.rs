//! The table of keys: one row for each answer, which makes the answer unique.

use std::time::Duration;

use tenet_core::{
    CallerId, Claim, ColumnValues, Digest, Fault, IdempotencyKey, Interval, Mutant, RowSet, StoredAnswer, Timestamp,
    Value,
};

use crate::statements::parameter::Encoded;

/// The answers that one transaction removes, and their bytes. Each answer counts twice, because of
/// its index entry. 3,000 rows and 10 MiB are allowed; one answer has at most a column's 1 MiB
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>).
const EXPIRED_AT_ONCE: u32 = 500;
const EXPIRED_BYTES: u32 = 4 << 20;

/// The longest duration of a transaction, by the same page. `stored_at` of a row is the time when
/// its transaction began.
const LONGEST: Duration = Duration::from_secs(300);

/// Reads no rows, but fails if the table does not exist.
pub(crate) fn is_there() -> Result<Encoded, Fault> {
    Encoded::of_host("SELECT 1 FROM tenet.keys LIMIT 0", Vec::new())
}

/// Finds the answer stored under a key.
pub(crate) fn look_up(claim: &Claim, key: &IdempotencyKey) -> Result<Encoded, Fault> {
    let sql = match Mutant::AnswerOfAnotherCaller.is_alive() {
        true => {
            "SELECT accepted, answer, digest, now FROM tenet.keys \
             WHERE operation = $1 AND (caller = $2 OR caller >= '') AND key = $3"
        }
        false => {
            "SELECT accepted, answer, digest, now FROM tenet.keys WHERE operation = $1 AND caller = $2 AND key = $3"
        }
    };
    Encoded::of_host(sql, name(&claim.operation, claim.caller, key).into())
}

/// The primary key of an answer.
pub(crate) fn name(operation: &str, caller: CallerId, key: &IdempotencyKey) -> [Value; 3] {
    [operation.to_owned(), caller.to_string(), key.as_str().to_owned()].map(Value::Text)
}

/// The answer in the result of a look-up.
pub(crate) fn found(rows: &RowSet) -> Result<Option<StoredAnswer>, Fault> {
    if rows.rows == 0 {
        return Ok(None);
    }
    let values: Vec<_> = rows.columns.iter().map(|column| &column.values).collect();
    let answer = match values.as_slice() {
        [
            ColumnValues::Bool(accepted),
            ColumnValues::Text(body),
            ColumnValues::Bytea(digest),
            ColumnValues::Timestamptz(now),
        ] => answer(accepted, body, digest, now),
        _ => None,
    };
    match answer {
        Some(answer) => Ok(Some(answer)),
        None => Err(Fault::other(None, "a row of the table tenet.keys cannot be read")),
    }
}

fn answer(accepted: &[bool], body: &[String], digest: &[Vec<u8>], now: &[i64]) -> Option<StoredAnswer> {
    Some(StoredAnswer {
        accepted: *accepted.first()?,
        body: body.first()?.clone(),
        digest: Digest::from_bytes(digest.first()?.as_slice().try_into().ok()?),
        now: Timestamp(*now.first()?),
    })
}

/// Stores the answer. It returns one row if it has done so.
///
/// That of a follow-up is stored only while the follow-up's row is there: without it the region is NULL, which fails the
/// transaction. The answer alone would not do, as it is removed some time after the follow-up has ended, and a host that
/// was frozen meanwhile still runs what it has read before.
pub(crate) fn store(claim: &Claim, key: &IdempotencyKey, answer: StoredAnswer) -> Result<Encoded, Fault> {
    let otherwise = if Mutant::KeyRowGivesWay.is_alive() { "ON CONFLICT DO NOTHING" } else { "" };
    let [operation, caller, key] = name(&claim.operation, claim.caller, key);
    let mut parameters = vec![
        operation,
        caller,
        key,
        Value::Bytea(answer.digest.as_bytes().to_vec()),
        Value::Bool(answer.accepted),
        Value::Text(answer.body),
        Value::Timestamptz(answer.now.micros()),
        Value::Text(claim.region.clone()),
    ];
    let region = match claim.follow_up {
        None => "$8",
        Some(id) => {
            parameters.push(Value::Uuid(*id.as_bytes()));
            "(SELECT $8 FROM tenet.follow_ups WHERE id = $9)"
        }
    };
    Encoded::of_host(
        &format!(
            "INSERT INTO tenet.keys (operation, caller, key, digest, accepted, answer, now, region, stored_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, {region}, now()) {otherwise} RETURNING 1"
        ),
        parameters,
    )
}

/// Removes the oldest of the answers that were `accepted` or not and were stored more than `kept`
/// ago. An answer stays while the outbox has events of its request, so that a repeated request
/// finds both.
pub(crate) fn expire(accepted: bool, kept: Duration) -> Result<Encoded, Fault> {
    let kept = kept.saturating_add(LONGEST);
    let microseconds = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
    Encoded::of_host(
        &format!(
            "DELETE FROM tenet.keys WHERE (operation, caller, key) IN ( \
             SELECT operation, caller, key FROM ( \
             SELECT operation, caller, key, \
             sum(octet_length(answer)) OVER (ORDER BY stored_at, operation, caller, key) AS bytes FROM ( \
             SELECT k.operation, k.caller, k.key, k.stored_at, k.answer FROM tenet.keys AS k \
             WHERE k.accepted = $1 AND k.stored_at < now() - $2 AND NOT EXISTS ( \
             SELECT 1 FROM tenet.outbox AS o \
             WHERE o.operation = k.operation AND o.caller = k.caller AND o.key = k.key) \
             ORDER BY k.stored_at LIMIT {EXPIRED_AT_ONCE}) AS oldest) AS summed \
             WHERE bytes <= {EXPIRED_BYTES})"
        ),
        vec![Value::Bool(accepted), Value::Interval(Interval { months: 0, days: 0, microseconds })],
    )
}
