//! Event buses on moto, or on another server, each with a queue that receives all its events.
//!
//! One server serves every region and every test, which use unique names.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_eventbridge::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_eventbridge::types::builders::TargetBuilder;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, Target};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, QueueAttributeName};

/// The most messages that a queue gives at once.
pub const BATCH: i32 = 10;

/// The URL of moto.
pub fn endpoint() -> String {
    std::env::var("TENET_TEST_EVENTBRIDGE")
        .unwrap_or_else(|_| panic!("TENET_TEST_EVENTBRIDGE is not set: run `cargo xtask test`"))
}

/// The configuration for AWS's APIs in `region` at `endpoint`.
pub fn config(region: &'static str, endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(region))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test")))
        .build()
}

/// A bus with a queue that receives all its events.
pub struct Bus {
    name: String,
    region: &'static str,
    arn: String,
    queue: String,
    // A client takes long to make, and a queue is read again and again.
    events: aws_sdk_eventbridge::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Bus {
    /// A bus in `us-east-1`.
    pub async fn create() -> Self {
        Self::create_in("us-east-1").await
    }

    /// A bus in this region.
    pub async fn create_in(region: &'static str) -> Self {
        Self::create_at(&endpoint(), region).await
    }

    /// A bus on another server than moto.
    pub async fn create_at(endpoint: &str, region: &'static str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let name = format!("test-{now}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));

        let config = config(region, endpoint);
        let events = aws_sdk_eventbridge::Client::new(&config);
        let bus = events.create_event_bus().name(&name).send().await.unwrap();
        let sqs = aws_sdk_sqs::Client::new(&config);
        let queue = sqs.create_queue().queue_name(&name).send().await.unwrap().queue_url.unwrap();
        let arn = QueueAttributeName::QueueArn;
        let attributes =
            sqs.get_queue_attributes().queue_url(&queue).attribute_names(arn.clone()).send().await.unwrap();
        let queue_arn = attributes.attributes.unwrap().remove(&arn).unwrap();

        let bus = Self { name, region, arn: bus.event_bus_arn.unwrap(), queue, events, sqs };
        bus.rule("everything", r#"{"source":[{"prefix":""}]}"#, &queue_arn).await;
        bus
    }

    /// Its unique name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Forwards events that hosts put on this bus to the bus of another region, by the rule of a
    /// deployment.
    pub async fn forward_to(&self, other: &Self) {
        let pattern = format!(r#"{{"detail":{{"tenet":{{"bus":["{}"]}}}}}}"#, self.region);
        self.rule("forward", &pattern, &other.arn).await;
    }

    /// Invokes a function with the details of events that match this pattern.
    pub async fn invoke(&self, name: &str, pattern: &str, function: &str) {
        self.rule_with(name, pattern, Target::builder().input_path("$.detail").arn(function)).await;
    }

    /// Puts an event.
    pub async fn put(&self, source: &str, detail_type: &str, detail: &str) {
        let entry = PutEventsRequestEntry::builder().event_bus_name(&self.name).source(source);
        let entry = entry.detail_type(detail_type).detail(detail).build();
        let put = self.events.put_events().entries(entry).send().await.unwrap();
        assert_eq!(put.failed_entry_count, 0, "{put:?}");
    }

    async fn rule(&self, name: &str, pattern: &str, target: &str) {
        self.rule_with(name, pattern, Target::builder().arn(target)).await;
    }

    async fn rule_with(&self, name: &str, pattern: &str, target: TargetBuilder) {
        let rule = self.events.put_rule().event_bus_name(&self.name).name(name).event_pattern(pattern);
        rule.send().await.unwrap();
        let target = target.id(name).build().unwrap();
        let put = self.events.put_targets().event_bus_name(&self.name).rule(name).targets(target);
        let put = put.send().await.unwrap();
        assert_eq!(put.failed_entry_count, 0, "{put:?}");
    }

    /// Waits for `count` events. Returns them and any more that have arrived by then: each whole
    /// event as JSON text.
    pub async fn receive(&self, count: usize) -> Vec<String> {
        let mut events = Vec::new();
        loop {
            let batch = self.hear(if events.len() < count { 20 } else { 0 }).await;
            if batch.is_empty() {
                assert!(events.len() >= count, "of {count} events {} have arrived: {events:?}", events.len());
                return events;
            }
            events.extend(batch);
        }
    }

    /// Waits up to `seconds` for events, and removes and returns some of those that have arrived.
    pub async fn hear(&self, seconds: i32) -> Vec<String> {
        let batch = self.sqs.receive_message().queue_url(&self.queue).wait_time_seconds(seconds);
        let batch = batch.max_number_of_messages(BATCH);
        let messages = batch.send().await.unwrap().messages.unwrap_or_default();
        if messages.is_empty() {
            return Vec::new();
        }
        let heard = messages.iter().enumerate().map(|(place, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
            entry.receipt_handle(message.receipt_handle().unwrap()).build().unwrap()
        });
        let delete = self.sqs.delete_message_batch().queue_url(&self.queue).set_entries(Some(heard.collect()));
        let deleted = delete.send().await.unwrap();
        assert!(deleted.failed.is_empty(), "{deleted:?}");
        messages.into_iter().map(|message| message.body.unwrap()).collect()
    }
}
