//! The outbox: events committed with their transaction, until a bus has taken them.

use std::fmt::Write as _;

use tenet_core::{
    CallerId, ColumnValues, Event, EventId, Fault, IdempotencyKey, OutboxPosition, RowSet, StagedEvent, Timestamp,
    Trace, Value,
};

use crate::statements::parameter::Encoded;
use crate::transaction::keys;

/// Events in one statement. Far below what one message can hold; most requests have only a few.
const EVENTS_A_STATEMENT: usize = 50;
const COLUMNS: usize = 11;

/// Events that are read at once to be relayed. An event has less than a megabyte, and a small
/// function has 128.
const EVENTS_LEFT: usize = 20;

/// Puts events into the outbox.
pub(crate) fn store(events: Vec<StagedEvent>) -> Result<Vec<Encoded>, Fault> {
    let mut statements = Vec::new();
    let mut events = events.into_iter().peekable();
    while events.peek().is_some() {
        let mut sql = "INSERT INTO tenet.outbox \
                       (id, operation, caller, key, ordinal, source, detail_type, detail, region, at, trace) VALUES "
            .to_owned();
        let mut parameters = Vec::new();
        for (row, event) in events.by_ref().take(EVENTS_A_STATEMENT).enumerate() {
            let places = (1..=COLUMNS).map(|place| format!("${}", row * COLUMNS + place)).collect::<Vec<_>>();
            // Writing to a String cannot fail.
            let _ = write!(sql, "{}({})", if row == 0 { "" } else { ", " }, places.join(", "));
            parameters.extend(values(event)?);
        }
        statements.push(Encoded::of_host(&sql, parameters)?);
    }
    Ok(statements)
}

fn values(event: StagedEvent) -> Result<[Value; COLUMNS], Fault> {
    let StagedEvent { id, operation, caller, key, ordinal, event, region, at, trace } = event;
    let Event { source, detail_type, detail } = event;
    let [operation, caller, key] = keys::name(&operation, caller, &key);
    let ordinal = i32::try_from(ordinal).map_err(|_| Fault::other(None, "a request has too many events"))?;
    Ok([
        Value::Uuid(*id.as_bytes()),
        operation,
        caller,
        key,
        Value::Int4(ordinal),
        Value::Text(source),
        Value::Text(detail_type),
        Value::Text(detail),
        Value::Text(region),
        Value::Timestamptz(at.micros()),
        trace.map_or(Value::Null(None), |trace| Value::Text(trace.to_string())),
    ])
}

/// Reads the events of one request that are still in the outbox and not parked.
pub(crate) fn read(operation: &str, caller: CallerId, key: &IdempotencyKey) -> Result<Encoded, Fault> {
    select(
        "WHERE parked IS NULL AND operation = $1 AND caller = $2 AND key = $3 ORDER BY ordinal",
        keys::name(operation, caller, key).into(),
    )
}

/// Reads the oldest events of requests from before a time, after a place and not parked.
pub(crate) fn read_left(before: Timestamp, after: Option<OutboxPosition>) -> Result<Encoded, Fault> {
    let order = format!("ORDER BY at, id LIMIT {EVENTS_LEFT}");
    let before = Value::Timestamptz(before.micros());
    match after {
        None => select(&format!("WHERE parked IS NULL AND at < $1 {order}"), vec![before]),
        Some((at, id)) => select(
            &format!("WHERE parked IS NULL AND at < $1 AND (at > $2 OR at = $2 AND id > $3) {order}"),
            vec![before, Value::Timestamptz(at.micros()), Value::Uuid(*id.as_bytes())],
        ),
    }
}

fn select(which: &str, parameters: Vec<Value>) -> Result<Encoded, Fault> {
    let columns = "id, operation, caller, key, ordinal, source, detail_type, detail, region, at, trace";
    Encoded::of_host(&format!("SELECT {columns} FROM tenet.outbox {which}"), parameters)
}

/// The events in the result.
pub(crate) fn found(rows: RowSet) -> Result<Vec<StagedEvent>, Fault> {
    if rows.rows == 0 {
        return Ok(Vec::new());
    }
    let unreadable = || Fault::other(None, "a row of the table tenet.outbox cannot be read");
    let columns: Vec<_> = rows.columns.into_iter().map(|column| column.values).collect();
    let Ok(
        [
            ColumnValues::Uuid(ids),
            ColumnValues::Text(operations),
            ColumnValues::Text(callers),
            ColumnValues::Text(keys),
            ColumnValues::Int4(ordinals),
            ColumnValues::Text(sources),
            ColumnValues::Text(detail_types),
            ColumnValues::Text(details),
            ColumnValues::Text(regions),
            ColumnValues::Timestamptz(moments),
            ColumnValues::Text(traces),
        ],
    ) = <[ColumnValues; COLUMNS]>::try_from(columns)
    else {
        return Err(unreadable());
    };
    let names = operations.into_iter().zip(callers).zip(keys);
    let texts = sources.into_iter().zip(detail_types).zip(details).zip(regions).zip(traces);
    let mut events = Vec::with_capacity(ids.len());
    for ((((id, ((operation, caller), key)), ordinal), at), ((((source, detail_type), detail), region), trace)) in
        ids.into_iter().zip(names).zip(ordinals).zip(moments).zip(texts)
    {
        events.push(StagedEvent {
            id: EventId::from_bytes(id),
            operation,
            caller: CallerId::parse(&caller).ok_or_else(unreadable)?,
            key: IdempotencyKey::new(key).map_err(|_| unreadable())?,
            ordinal: ordinal.unsigned_abs(),
            event: Event { source, detail_type, detail },
            region,
            at: Timestamp(at),
            // NULL is an empty text here, which is not a trace.
            trace: Trace::x_ray(&trace),
        });
    }
    Ok(events)
}

/// Deletes one event from the outbox.
pub(crate) fn remove(id: &EventId) -> Result<Encoded, Fault> {
    Encoded::of_host("DELETE FROM tenet.outbox WHERE id = $1", vec![Value::Uuid(*id.as_bytes())])
}
