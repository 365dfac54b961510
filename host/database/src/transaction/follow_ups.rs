//! The follow-ups: operations that committed transactions have scheduled, until their own transactions have ended.
//!
//! Rows are found by `(bucket, due)`. A row's bucket is a part of its id, which is a digest: so rows that are written at
//! the same time go to places all over the index, and not all to its end.

use std::fmt::Write as _;

use tenet_core::{
    Column, ColumnValues, DueFollowUps, Fault, FollowUp, FollowUpCounts, FollowUpId, FollowUpPosition, OperationCall,
    RowSet, Timestamp, Trace, Value, ValueType,
};

use crate::statements::parameter::Encoded;

/// Follow-ups in one statement. Far below what one message can hold.
const AT_ONCE: usize = 50;

/// How many buckets there are.
const BUCKETS: i16 = 16;

/// The most characters of a reason that its column holds.
const REASON: usize = 500;

/// When a parked one is due: SQL's `infinity`, which is behind every time in the index.
const NEVER: i64 = i64::MAX;

pub(crate) const WRITTEN: &str = "id, bucket, due, operation, payload, caller, chain, parent, on_rejection, rejection_payload, \
                       on_failure, failure_payload, label, region, trace, failures";
const COLUMNS: usize = 16;

/// The bucket of a follow-up.
fn bucket(id: FollowUpId) -> i16 {
    let [first, ..] = id.as_bytes();
    i16::from(*first) % BUCKETS
}

/// Writes follow-ups.
pub(crate) fn store(follow_ups: Vec<FollowUp>) -> Result<Vec<Encoded>, Fault> {
    let mut statements = Vec::new();
    let mut follow_ups = follow_ups.into_iter().peekable();
    while follow_ups.peek().is_some() {
        let mut sql = format!("INSERT INTO tenet.follow_ups ({WRITTEN}) VALUES ");
        let mut parameters = Vec::new();
        for (row, follow_up) in follow_ups.by_ref().take(AT_ONCE).enumerate() {
            let places = (1..=COLUMNS).map(|place| format!("${}", row * COLUMNS + place)).collect::<Vec<_>>();
            // Writing to a String cannot fail.
            let _ = write!(sql, "{}({})", if row == 0 { "" } else { ", " }, places.join(", "));
            parameters.extend(values(follow_up)?);
        }
        statements.push(Encoded::of_host(&sql, parameters)?);
    }
    Ok(statements)
}

fn values(follow_up: FollowUp) -> Result<[Value; COLUMNS], Fault> {
    let FollowUp { id, call, due, caller, chain, parent, on_rejection, on_failure, label, region, trace, failures } =
        follow_up;
    let text = |text: Option<String>| text.map_or(Value::Null(Some(ValueType::Text)), Value::Text);
    let parts = |call: Option<OperationCall>| {
        let (operation, payload) = call.map(|call| (call.operation, call.payload)).unzip();
        [text(operation), text(payload)]
    };
    let [on_rejection, rejection_payload] = parts(on_rejection);
    let [on_failure, failure_payload] = parts(on_failure);
    Ok([
        Value::Uuid(*id.as_bytes()),
        Value::Int2(bucket(id)),
        Value::Timestamptz(due.micros()),
        Value::Text(call.operation),
        Value::Text(call.payload),
        text(caller),
        Value::Uuid(*chain.as_bytes()),
        parent.map_or(Value::Null(Some(ValueType::Uuid)), |parent| Value::Uuid(*parent.as_bytes())),
        on_rejection,
        rejection_payload,
        on_failure,
        failure_payload,
        text(label),
        Value::Text(region),
        text(trace.map(|trace| trace.to_string())),
        Value::Int4(i32::try_from(failures).map_err(|_| unreadable())?),
    ])
}

/// Removes one, with the transaction that ends it.
pub(crate) fn remove(id: FollowUpId) -> Result<Encoded, Fault> {
    Encoded::of_host("DELETE FROM tenet.follow_ups WHERE id = $1", vec![Value::Uuid(*id.as_bytes())])
}

/// Finds those that are due, one statement for each bucket: the `most` soonest of it after a position.
pub(crate) fn list(which: DueFollowUps<'_>, after: Option<FollowUpPosition>, most: u32) -> Result<Vec<Encoded>, Fault> {
    let sql = format!(
        "SELECT id, due FROM tenet.follow_ups WHERE bucket = $1 AND due <= $2 AND (region = $3 OR due <= $4) \
         AND (due > $5 OR due = $5 AND id > $6) ORDER BY due, id LIMIT {most}"
    );
    let (due, id) = after.unwrap_or((Timestamp(i64::MIN), FollowUpId::from_bytes([0; 16])));
    let statement = |bucket| {
        let parameters = vec![
            Value::Int2(bucket),
            Value::Timestamptz(which.now.micros()),
            Value::Text(which.region.to_owned()),
            Value::Timestamptz(which.of_others.micros()),
            Value::Timestamptz(due.micros()),
            Value::Uuid(*id.as_bytes()),
        ];
        Encoded::of_host(&sql, parameters)
    };
    (0..BUCKETS).map(statement).collect()
}

/// The positions in a result of [`list`].
pub(crate) fn listed(rows: RowSet) -> Result<Vec<FollowUpPosition>, Fault> {
    if rows.rows == 0 {
        return Ok(Vec::new());
    }
    let columns: Vec<_> = rows.columns.into_iter().map(|column| column.values).collect();
    let Ok([ColumnValues::Uuid(ids), ColumnValues::Timestamptz(moments)]) = <[ColumnValues; 2]>::try_from(columns)
    else {
        return Err(unreadable());
    };
    Ok(moments.into_iter().map(Timestamp).zip(ids.into_iter().map(FollowUpId::from_bytes)).collect())
}

/// Reads some by their ids. Those that have ended or are not due any more are not in the result.
pub(crate) fn read(ids: &[FollowUpId], now: Timestamp) -> Result<Encoded, Fault> {
    let places = (2..ids.len() + 2).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
    let now = Value::Timestamptz(now.micros());
    Encoded::of_host(
        &format!("SELECT {WRITTEN} FROM tenet.follow_ups WHERE due <= $1 AND id IN ({places}) ORDER BY due, id"),
        [now].into_iter().chain(ids.iter().map(|id| Value::Uuid(*id.as_bytes()))).collect(),
    )
}

/// The follow-ups in the result of [`read`].
pub(crate) fn found(rows: RowSet) -> Result<Vec<FollowUp>, Fault> {
    if rows.rows == 0 {
        return Ok(Vec::new());
    }
    let Ok(columns) = <[Column; COLUMNS]>::try_from(rows.columns) else { return Err(unreadable()) };
    let [
        ids,
        _bucket,
        due,
        operations,
        payloads,
        callers,
        chains,
        parents,
        on_rejection,
        rejection_payloads,
        on_failure,
        failure_payloads,
        labels,
        regions,
        traces,
        failures,
    ] = columns.map(Cells::new);
    let one = |row: usize| {
        let call = |operation: &Cells, payload: &Cells| {
            let (operation, payload) = (operation.text(row)?, payload.text(row)?);
            Some(operation.zip(payload).map(|(operation, payload)| OperationCall { operation, payload }))
        };
        Some(FollowUp {
            id: ids.id(row)??,
            call: call(&operations, &payloads)??,
            due: due.moment(row)?,
            caller: callers.text(row)?,
            chain: chains.id(row)??,
            parent: parents.id(row)?,
            on_rejection: call(&on_rejection, &rejection_payloads)?,
            on_failure: call(&on_failure, &failure_payloads)?,
            label: labels.text(row)?,
            region: regions.text(row)??,
            trace: traces.text(row)?.and_then(|trace| Trace::x_ray(&trace)),
            failures: failures.number(row)?,
        })
    };
    (0..rows.rows as usize).map(|row| one(row).ok_or_else(unreadable)).collect()
}

/// The cells of a column. Each getter gives none where the column is of another type.
struct Cells(Column);

impl Cells {
    fn new(column: Column) -> Self {
        Self(column)
    }

    fn is_null(&self, row: usize) -> bool {
        u32::try_from(row).is_ok_and(|row| self.0.nulls.binary_search(&row).is_ok())
    }

    fn text(&self, row: usize) -> Option<Option<String>> {
        match &self.0.values {
            ColumnValues::Text(texts) => Some(texts.get(row).filter(|_| !self.is_null(row)).cloned()),
            _ => None,
        }
    }

    fn id(&self, row: usize) -> Option<Option<FollowUpId>> {
        match &self.0.values {
            ColumnValues::Uuid(ids) => {
                Some(ids.get(row).filter(|_| !self.is_null(row)).copied().map(FollowUpId::from_bytes))
            }
            _ => None,
        }
    }

    fn moment(&self, row: usize) -> Option<Timestamp> {
        match &self.0.values {
            ColumnValues::Timestamptz(moments) => moments.get(row).copied().map(Timestamp),
            _ => None,
        }
    }

    fn number(&self, row: usize) -> Option<u32> {
        match &self.0.values {
            ColumnValues::Int4(numbers) => numbers.get(row).copied().and_then(|number| u32::try_from(number).ok()),
            _ => None,
        }
    }
}

/// Notes one more failure than `failures`, unless another host has.
pub(crate) fn postpone(id: FollowUpId, failures: u32, due: Timestamp) -> Result<Encoded, Fault> {
    Encoded::of_host(
        "UPDATE tenet.follow_ups SET failures = failures + 1, due = $3 \
         WHERE id = $1 AND failures = $2 AND parked IS NULL",
        vec![
            Value::Uuid(*id.as_bytes()),
            Value::Int4(i32::try_from(failures).map_err(|_| unreadable())?),
            Value::Timestamptz(due.micros()),
        ],
    )
}

/// Parks one, unless another host has noted the failure or an operator has released it.
pub(crate) fn park(id: FollowUpId, failures: u32, reason: &str) -> Result<Encoded, Fault> {
    let reason = reason.chars().filter(|c| *c != '\0').take(REASON).collect();
    Encoded::of_host(
        "UPDATE tenet.follow_ups SET parked = $3, due = $4, failures = failures + 1 \
         WHERE id = $1 AND failures = $2 AND parked IS NULL",
        vec![
            Value::Uuid(*id.as_bytes()),
            Value::Int4(i32::try_from(failures).map_err(|_| unreadable())?),
            Value::Text(reason),
            Value::Timestamptz(NEVER),
        ],
    )
}

/// Counts those that are due at a time, with the first time, and those that are parked: one statement for each bucket.
pub(crate) fn count(now: Timestamp) -> Result<Vec<Encoded>, Fault> {
    let sql = "SELECT (SELECT count(*) FROM tenet.follow_ups WHERE bucket = $1 AND due <= $2), \
               (SELECT min(due) FROM tenet.follow_ups WHERE bucket = $1 AND due <= $2), \
               (SELECT count(*) FROM tenet.follow_ups WHERE bucket = $1 AND due = $3)";
    let statement = |bucket| {
        let times = [now.micros(), NEVER].map(Value::Timestamptz);
        Encoded::of_host(sql, [Value::Int2(bucket)].into_iter().chain(times).collect())
    };
    (0..BUCKETS).map(statement).collect()
}

/// Adds a result of [`count`].
pub(crate) fn add_counted(counts: &mut FollowUpCounts, rows: &RowSet, now: Timestamp) -> Result<(), Fault> {
    let [due, first, parked] = rows.columns.as_slice() else { return Err(unreadable()) };
    let count = |column: &Column| match &column.values {
        ColumnValues::Int8(counts) => counts.first().and_then(|count| u64::try_from(*count).ok()),
        _ => None,
    };
    counts.due += count(due).ok_or_else(unreadable)?;
    counts.parked += count(parked).ok_or_else(unreadable)?;
    if let ColumnValues::Timestamptz(first_due) = &first.values
        && first.nulls.is_empty()
        && let Some(first_due) = first_due.first()
    {
        let lag_s = u64::try_from(now.micros().saturating_sub(*first_due) / 1_000_000).unwrap_or_default();
        counts.lag_s = counts.lag_s.max(lag_s);
    }
    Ok(())
}

fn unreadable() -> Fault {
    Fault::other(None, "a row of the table tenet.follow_ups cannot be read")
}
