//! The follow-ups that an operator looks at.

use tenet_core::{ColumnValues, Fault, FollowUp, FollowUpId, RowSet, Timestamp, Value};

use crate::statements::parameter::Encoded;
use crate::transaction::follow_ups;

/// The most follow-ups of a list, and of its parked ones.
pub const LISTED: usize = 100;

/// A follow-up that has not run, or that keeps failing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingFollowUp {
    /// The follow-up. A parked one is due never.
    pub follow_up: FollowUp,
    /// Why it is parked, if it is.
    pub parked: Option<String>,
}

/// Reads those that are not parked, due first, and then those that are.
pub(crate) fn list() -> Result<Vec<Encoded>, Fault> {
    ["parked IS NULL", "parked IS NOT NULL"]
        .into_iter()
        .map(|which| select(&format!("WHERE {which} ORDER BY due, id LIMIT {LISTED}"), Vec::new()))
        .collect()
}

/// Reads one.
pub(crate) fn one(id: FollowUpId) -> Result<Encoded, Fault> {
    select("WHERE id = $1", vec![Value::Uuid(*id.as_bytes())])
}

/// Reads others of the chain of one that wait.
pub(crate) fn others_of_chain(id: FollowUpId) -> Result<Encoded, Fault> {
    let chain = "chain = (SELECT chain FROM tenet.follow_ups WHERE id = $1) AND id <> $1";
    select(&format!("WHERE {chain} ORDER BY due, id LIMIT {LISTED}"), vec![Value::Uuid(*id.as_bytes())])
}

fn select(which: &str, parameters: Vec<Value>) -> Result<Encoded, Fault> {
    Encoded::of_host(&format!("SELECT {}, parked FROM tenet.follow_ups {which}", follow_ups::WRITTEN), parameters)
}

/// The follow-ups in the result.
pub(crate) fn listed(mut rows: RowSet) -> Result<Vec<WaitingFollowUp>, Fault> {
    let reasons = rows.columns.pop();
    let follow_ups = follow_ups::found(rows)?;
    let Some(reasons) = reasons else { return Ok(Vec::new()) };
    let (ColumnValues::Text(texts), nulls) = (reasons.values, reasons.nulls) else { return Ok(Vec::new()) };
    let reason = |(row, text)| (!nulls.contains(&row)).then_some(text);
    let parked = (0..).zip(texts).map(reason);
    Ok(follow_ups.into_iter().zip(parked).map(|(follow_up, parked)| WaitingFollowUp { follow_up, parked }).collect())
}

/// Makes one that is parked or has failed due at this time.
pub(crate) fn release(id: FollowUpId, now: Timestamp) -> Result<Encoded, Fault> {
    Encoded::of_host(
        "UPDATE tenet.follow_ups SET parked = NULL, failures = 0, due = $2 \
         WHERE id = $1 AND (parked IS NOT NULL OR failures > 0)",
        vec![Value::Uuid(*id.as_bytes()), Value::Timestamptz(now.micros())],
    )
}
