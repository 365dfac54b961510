use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;
use serde_json::value::RawValue;
use tenet_core::Trace;

use crate::members::Members;

/// A batch of messages of one SQS queue.
#[derive(Debug, Default)]
pub(crate) struct SqsBatch {
    records: Vec<Record>,
}

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The id that all its deliveries share.
    pub(crate) id: String,
    /// Its text.
    pub(crate) body: String,
    /// Its group in a FIFO queue.
    group: Option<String>,
    /// The trace that the sender attached
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>).
    pub(crate) trace: Option<Trace>,
}

impl SqsBatch {
    /// Reads a batch: the records of an event source mapping, or the list of an EventBridge pipe. The error says what
    /// is missing.
    pub(crate) fn read(event: &str) -> Result<Self, String> {
        let records = Members::of(event).map_or(Some(event), |members| members.get("Records"));
        let records: Vec<&RawValue> = serde_json::from_str(records.unwrap_or_default())
            .map_err(|error| format!("this is not a batch of SQS messages: {error}"))?;
        let records = records.into_iter().map(|record| Record::read(record.get())).collect::<Result<_, _>>()?;
        Ok(Self { records })
    }

    /// Passes the records to `decide`, up to `limit` concurrently and as long as `has_time` holds. Returns the ids of
    /// the records that the queue has to keep. `decide` returns whether the record is settled. Records of one FIFO
    /// group run in order, and after an unsettled one the rest of the group is not tried.
    pub(crate) async fn run<'a, D, F>(&'a self, limit: usize, has_time: impl Fn() -> bool, decide: D) -> Vec<&'a str>
    where
        D: Fn(&'a Record) -> F,
        F: Future<Output = bool>,
    {
        let (has_time, decide) = (&has_time, &decide);
        let in_order = |records: Vec<&'a Record>| async move {
            let mut rest = records.into_iter();
            while let Some(record) = rest.next() {
                if !(has_time() && decide(record).await) {
                    return std::iter::once(record).chain(rest).map(|record| record.id.as_str()).collect();
                }
            }
            Vec::new()
        };
        let running: Vec<_> = self.sequences().into_iter().map(in_order).collect();
        let kept: Vec<Vec<&str>> = stream::iter(running).buffer_unordered(limit.max(1)).collect().await;
        let kept: HashSet<&str> = kept.into_iter().flatten().collect();
        self.records.iter().map(|record| record.id.as_str()).filter(|id| kept.contains(id)).collect()
    }

    /// Records that have to run in order, listed by the first record of each sequence.
    fn sequences(&self) -> Vec<Vec<&Record>> {
        let mut sequences: Vec<Vec<&Record>> = Vec::new();
        let mut of_groups: HashMap<&str, usize> = HashMap::new();
        for record in &self.records {
            let known = record.group.as_deref().map(|group| *of_groups.entry(group).or_insert(sequences.len()));
            match known.and_then(|place| sequences.get_mut(place)) {
                Some(sequence) => sequence.push(record),
                None => sequences.push(vec![record]),
            }
        }
        sequences
    }
}

impl Record {
    fn read(record: &str) -> Result<Self, String> {
        let record = Members::of(record).unwrap_or_default();
        // The queue identifies a message by this id alone.
        let id = record.text("messageId").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| "a message of the batch has no messageId".to_owned())?;
        let attributes = record.within("attributes");
        // A message of a standard queue may have a group too, which does not order it.
        let is_fifo = record.text("eventSourceARN").is_some_and(|arn| arn.ends_with(".fifo"));
        let group = is_fifo.then(|| attributes.text("MessageGroupId").unwrap_or_default());
        let trace = attributes.text("AWSTraceHeader").and_then(|header| Trace::x_ray(&header));
        Ok(Self { id, body: record.text("body").unwrap_or_default(), group, trace })
    }
}

/// The response that makes the queue keep these messages and delete all others.
pub(crate) fn write(kept: Vec<&str>) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response<'a> {
        batch_item_failures: Vec<BatchItemFailure<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct BatchItemFailure<'a> {
        item_identifier: &'a str,
    }
    let batch_item_failures = kept.into_iter().map(|id| BatchItemFailure { item_identifier: id }).collect();
    serde_json::to_string(&Response { batch_item_failures })
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    use serde_json::{Value, json};

    use super::*;

    fn batch(queue: &str, records: &[(&str, &str)]) -> SqsBatch {
        let record = |(id, group): &(&str, &str)| {
            json!({
                "messageId": id,
                "body": format!("body of {id}"),
                "attributes": { "MessageGroupId": group },
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:123456789012:{queue}"),
            })
        };
        let records: Vec<Value> = records.iter().map(record).collect();
        SqsBatch::read(&json!({ "Records": records }).to_string()).unwrap()
    }

    /// Runs a batch in which these records fail, with time for `time` records. Returns what was tried and what the
    /// queue keeps.
    async fn run(batch: &SqsBatch, limit: usize, failing: &[&str], time: usize) -> (String, String) {
        let tried = RefCell::new(Vec::new());
        let decide = |record: &Record| {
            tried.borrow_mut().push(record.id.clone());
            let done = !failing.contains(&record.id.as_str());
            async move {
                tokio::task::yield_now().await;
                done
            }
        };
        let kept = batch.run(limit, || tried.borrow().len() < time, decide).await.join(" ");
        (tried.take().join(" "), kept)
    }

    #[tokio::test]
    async fn a_standard_queues_records_do_not_depend_on_each_other() {
        let batch = batch("orders", &[("1", "a"), ("2", "a"), ("3", "a")]);
        assert_eq!(run(&batch, 8, &["1"], 9).await, ("1 2 3".into(), "1".into()));
        assert_eq!(run(&batch, 8, &[], 9).await.1, "");
        assert_eq!(batch.records[0].body, "body of 1");
    }

    #[tokio::test]
    async fn after_a_failure_the_rest_of_its_group_is_kept_untried() {
        let batch = batch("orders.fifo", &[("1", "a"), ("2", "b"), ("3", "a"), ("4", "b"), ("5", "a"), ("6", "c")]);
        let (tried, kept) = run(&batch, 8, &["3", "6"], 9).await;
        assert_eq!(kept, "3 5 6");
        assert!(!tried.contains('5') && tried.contains('4'), "{tried}");
        assert_eq!(run(&batch, 1, &[], 9).await, ("1 3 5 2 4 6".into(), String::new()));
    }

    #[tokio::test]
    async fn what_there_is_no_time_for_is_kept_and_never_begun() {
        let batch = batch("orders", &[("1", ""), ("2", ""), ("3", "")]);
        assert_eq!(run(&batch, 1, &[], 2).await, ("1 2".into(), "3".into()));
        assert_eq!(run(&batch, 8, &[], 0).await, (String::new(), "1 2 3".into()));
    }

    #[tokio::test]
    async fn as_many_records_are_decided_at_once_as_the_limit_says_and_no_more() {
        let batch = batch("orders", &[("1", ""), ("2", ""), ("3", ""), ("4", "")]);
        let (running, most) = (Cell::new(0), Cell::new(0));
        let kept = batch.run(
            2,
            || true,
            |_| async {
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                tokio::task::yield_now().await;
                running.set(running.get() - 1);
                true
            },
        );
        assert!(kept.await.is_empty());
        assert_eq!((running.get(), most.get()), (0, 2));
    }

    #[tokio::test]
    async fn the_order_in_a_group_is_kept_however_long_each_takes() {
        let batch = batch("orders.fifo", &[("1", "a"), ("2", "b"), ("3", "a"), ("4", "b")]);
        let (waits, order) = (RefCell::new(VecDeque::from([5, 1, 0, 0])), RefCell::new(Vec::new()));
        let kept = batch.run(
            4,
            || true,
            |record| {
                let wait = waits.borrow_mut().pop_front().unwrap();
                let order = &order;
                async move {
                    for _ in 0..wait {
                        tokio::task::yield_now().await;
                    }
                    order.borrow_mut().push(record.id.as_str());
                    true
                }
            },
        );
        assert!(kept.await.is_empty());
        assert_eq!(order.take(), ["2", "4", "1", "3"]);
    }

    #[tokio::test]
    async fn an_empty_batch_is_answered_with_an_empty_list() {
        let batch = SqsBatch::read(r#"{"Records":[]}"#).unwrap();
        let (tried, _) = run(&batch, 8, &[], 9).await;
        assert_eq!(tried, "");
        assert_eq!(write(Vec::new()).unwrap(), r#"{"batchItemFailures":[]}"#);
        assert_eq!(write(vec!["a"]).unwrap(), r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#);
    }

    #[test]
    fn the_list_of_a_pipe_is_the_batch_that_an_event_source_mapping_sends() {
        let record = json!({
            "messageId": "1", "body": "{}", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:r:1:q.fifo",
            "attributes": { "MessageGroupId": "a", "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793" },
        });
        let of_pipe = SqsBatch::read(&json!([record]).to_string()).unwrap();
        assert_eq!(of_pipe.records[0].group.as_deref(), Some("a"));
        assert!(of_pipe.records[0].trace.is_some());
        let of_mapping = SqsBatch::read(&json!({ "Records": [record] }).to_string()).unwrap();
        assert_eq!(of_pipe.records, of_mapping.records);
    }

    #[test]
    fn members_that_are_not_needed_may_be_anything() {
        for (name, value) in [
            ("attributes", Value::Null),
            ("attributes", json!([])),
            ("attributes", json!({ "SentTimestamp": 1586099404928_u64, "ApproximateReceiveCount": null })),
            ("attributes", json!({ "AWSTraceHeader": null })),
            ("messageAttributes", Value::Null),
            (
                "messageAttributes",
                json!({ "a": { "dataType": "String", "stringValue": "x", "binaryValue": null,
                               "stringListValues": null, "binaryListValues": null } }),
            ),
            ("messageAttributes", json!({ "a": { "Type": "String", "Value": "x" } })),
            ("md5OfMessageAttributes", Value::Null),
            ("receiptHandle", Value::Null),
            ("awsRegion", Value::Null),
            ("eventSourceARN", Value::Null),
        ] {
            let mut record = json!({
                "messageId": "1", "body": "{}", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:r:1:orders",
            });
            record[name] = value.clone();
            let batch = SqsBatch::read(&json!({ "Records": [record] }).to_string()).unwrap();
            let expected = Record { id: "1".into(), body: "{}".into(), group: None, trace: None };
            assert_eq!(batch.records, [expected], "{name}: {value}");
        }
    }

    #[test]
    fn a_batch_whose_messages_have_no_id_is_refused_as_a_whole() {
        for record in [json!({ "body": "{}" }), json!({ "messageId": "", "body": "{}" })] {
            let error = SqsBatch::read(&json!({ "Records": [record] }).to_string()).unwrap_err();
            assert!(error.contains("messageId"), "{error}");
        }
    }
}
