use crate::store::catalog::Objects;
use crate::store::job::{Job, Work};
use crate::store::sequence::Sequence;
use crate::store::system::{Columns, PG_CLASS, text};
use crate::store::transaction::Transaction;
use crate::values::kind::Kind;
use crate::values::value::Value;

pub(super) const SEQUENCES: Columns = &[
    ("schemaname", Kind::Name),
    ("sequencename", Kind::Name),
    ("sequenceowner", Kind::Name),
    ("data_type", Kind::Text),
    ("start_value", Kind::Int8),
    ("min_value", Kind::Int8),
    ("max_value", Kind::Int8),
    ("increment_by", Kind::Int8),
    ("cycle", Kind::Bool),
    ("cache_size", Kind::Int8),
    ("last_value", Kind::Int8),
];

/// As recorded from a cluster
/// (<https://github.com/Dreamescaper/dsql-emulator/blob/main/test/conformance/golden/index.json>).
pub(super) const JOBS: Columns = &[
    ("job_id", Kind::Text),
    ("status", Kind::Text),
    ("details", Kind::Text),
    ("job_type", Kind::Text),
    ("class_id", Kind::Oid),
    ("object_id", Kind::Oid),
    ("object_name", Kind::Text),
    ("start_time", Kind::Timestamptz),
    ("update_time", Kind::Timestamptz),
];

pub(super) fn sequences(objects: &Objects, transaction: &Transaction) -> Vec<Vec<Value>> {
    let row = |sequence: &std::sync::Arc<Sequence>| {
        vec![
            text(&sequence.schema),
            text(&sequence.name),
            text(&sequence.owner),
            text("bigint"),
            Value::Int8(sequence.start),
            Value::Int8(sequence.min),
            Value::Int8(sequence.max),
            Value::Int8(sequence.increment),
            Value::Bool(sequence.cycle),
            Value::Int8(sequence.cache),
            transaction.last_value(sequence).map_or(Value::Null, Value::Int8),
        ]
    };
    objects.sequences.values().map(row).collect()
}

pub(super) fn jobs(objects: &Objects, transaction: &Transaction) -> Vec<Vec<Value>> {
    let tables = || objects.tables.values();
    let exists = |job: &Job| match job.work {
        Work::Index(id) => tables().any(|table| {
            table.uniques.iter().any(|index| index.id == id) || table.indexes.iter().any(|index| index.id == id)
        }),
        Work::Validation(_) => tables().any(|table| table.id == job.table),
    };
    let row = |job: Job| {
        let (kind, id) = match job.work {
            Work::Index(id) => ("INDEX_BUILD", id),
            Work::Validation(_) => ("VALIDATE_CONSTRAINT", job.table),
        };
        vec![
            text(&job.id),
            text(job.status.name()),
            job.details.as_deref().map_or(Value::Null, text),
            text(kind),
            Value::Oid(PG_CLASS),
            Value::Oid(id),
            if exists(&job) { text(&job.object) } else { Value::Null },
            Value::Timestamp(job.started),
            job.updated.map_or(Value::Null, Value::Timestamp),
        ]
    };
    transaction.jobs().into_iter().map(row).collect()
}
