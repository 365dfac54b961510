//! The table of keys: one row for each answer, which makes it the one answer.

use tenet_core::{ColumnValues, Digest, Fault, IdempotencyKey, Mutant, RowSet, StoredAnswer, Timestamp, Value};

use crate::parameter::Encoded;

/// Reads nothing from the table, which has to be there for it.
pub(crate) fn is_there() -> Result<Encoded, Fault> {
    Encoded::of_host("SELECT 1 FROM tenet.keys LIMIT 0", Vec::new())
}

/// Finds the answer stored under a key.
pub(crate) fn look_up(operation: &str, key: &IdempotencyKey) -> Result<Encoded, Fault> {
    Encoded::of_host(
        "SELECT accepted, answer, digest, now FROM tenet.keys WHERE operation = $1 AND key = $2",
        vec![Value::Text(operation.to_owned()), Value::Text(key.as_str().to_owned())],
    )
}

/// The answer that a look-up has found.
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

/// Stores the answer. It gives one row if it did.
pub(crate) fn store(
    operation: &str,
    key: &IdempotencyKey,
    answer: StoredAnswer,
    region: &str,
) -> Result<Encoded, Fault> {
    let otherwise = if Mutant::KeyRowGivesWay.is_alive() { "ON CONFLICT DO NOTHING" } else { "" };
    Encoded::of_host(
        &format!(
            "INSERT INTO tenet.keys (operation, key, digest, accepted, answer, now, region) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) {otherwise} RETURNING 1"
        ),
        vec![
            Value::Text(operation.to_owned()),
            Value::Text(key.as_str().to_owned()),
            Value::Bytea(answer.digest.as_bytes().to_vec()),
            Value::Bool(answer.accepted),
            Value::Text(answer.body),
            Value::Timestamptz(answer.now.micros()),
            Value::Text(region.to_owned()),
        ],
    )
}
