//! Parked events: rows of the outbox that no bus will ever accept as they are.

use tenet_core::{ColumnValues, EventId, Fault, RowSet, Timestamp, Value};

use crate::statements::parameter::Encoded;

/// The most characters of a reason that its column holds.
const REASON: usize = 500;

/// The most parked events in one list.
const LISTED: usize = 100;

/// A parked event, without its detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEvent {
    /// Its id.
    pub id: EventId,
    /// The operation whose transaction staged it.
    pub operation: String,
    /// The time of its request.
    pub at: Timestamp,
    /// Why no bus will accept it.
    pub reason: String,
}

/// Parks one event. If it is already parked, its first reason stays.
pub(crate) fn park((id, reason): &(EventId, String)) -> Result<Encoded, Fault> {
    let reason = reason.chars().filter(|c| *c != '\0').take(REASON).collect();
    Encoded::of_host(
        "UPDATE tenet.outbox SET parked = $2 WHERE id = $1 AND parked IS NULL",
        vec![Value::Uuid(*id.as_bytes()), Value::Text(reason)],
    )
}

/// Makes relays offer one event again.
pub(crate) fn release(id: &EventId) -> Result<Encoded, Fault> {
    Encoded::of_host(
        "UPDATE tenet.outbox SET parked = NULL WHERE id = $1 AND parked IS NOT NULL",
        vec![Value::Uuid(*id.as_bytes())],
    )
}

/// Counts the parked events.
pub(crate) fn count() -> Result<Encoded, Fault> {
    Encoded::of_host("SELECT count(*) FROM tenet.outbox WHERE parked IS NOT NULL", Vec::new())
}

/// The result of [`count`].
pub(crate) fn counted(rows: &RowSet) -> Result<u64, Fault> {
    let count = match rows.columns.first().map(|column| &column.values) {
        Some(ColumnValues::Int8(counts)) => counts.first().copied().and_then(|count| u64::try_from(count).ok()),
        _ => None,
    };
    count.ok_or_else(unreadable)
}

/// Reads the oldest parked events.
pub(crate) fn list() -> Result<Encoded, Fault> {
    let columns = "id, operation, at, parked";
    let which = format!("WHERE parked IS NOT NULL ORDER BY at, id LIMIT {LISTED}");
    Encoded::of_host(&format!("SELECT {columns} FROM tenet.outbox {which}"), Vec::new())
}

/// The events in the result of [`list`].
pub(crate) fn listed(rows: RowSet) -> Result<Vec<ParkedEvent>, Fault> {
    if rows.rows == 0 {
        return Ok(Vec::new());
    }
    let columns: Vec<_> = rows.columns.into_iter().map(|column| column.values).collect();
    let Ok(
        [
            ColumnValues::Uuid(ids),
            ColumnValues::Text(operations),
            ColumnValues::Timestamptz(moments),
            ColumnValues::Text(reasons),
        ],
    ) = <[ColumnValues; 4]>::try_from(columns)
    else {
        return Err(unreadable());
    };
    let event = |(((id, operation), at), reason)| ParkedEvent {
        id: EventId::from_bytes(id),
        operation,
        at: Timestamp(at),
        reason,
    };
    Ok(ids.into_iter().zip(operations).zip(moments).zip(reasons).map(event).collect())
}

fn unreadable() -> Fault {
    Fault::other(None, "the parked events of the table tenet.outbox cannot be read")
}
