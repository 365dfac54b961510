use aws_sdk_eventbridge::primitives::{DateTime, DateTimeFormat};
use tenet_core::StagedEvent;

/// The limit on the total size of the entries of one call, in bytes. The size has to be below it.
///
/// The service documents "less than 1 MB" without saying which megabyte
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>). This is the
/// smaller one, 4 % below the larger.
pub const MAX_TOTAL_BYTES: usize = 1_000_000;

/// What a `Time` adds to an entry's size.
const TIME_BYTES: usize = 14;

/// An event in the form that a bus accepts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) source: String,
    pub(crate) detail_type: String,
    /// JSON text whose numbers are not parsed.
    pub(crate) detail: String,
    /// In whole seconds, the resolution of an event's `time` on the bus.
    pub(crate) time: DateTime,
    /// X-Ray's header. It does not count towards the size, and targets do not receive it
    /// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-related-service-xray.html>).
    pub(crate) trace: Option<String>,
}

impl Entry {
    /// The entry of `staged` for the bus of `region`, or why no bus would accept it.
    pub(crate) fn new(staged: &StagedEvent, region: &str) -> Result<Self, String> {
        // The event was checked when it was staged, but possibly by an older host.
        staged.event.check().map_err(|error| error.to_string())?;
        let time = DateTime::from_secs(staged.at.micros().div_euclid(1_000_000));
        if let Err(error) = time.fmt(DateTimeFormat::DateTime) {
            return Err(format!("the event's time cannot be written: {error}"));
        }
        let entry = Self {
            source: staged.event.source.clone(),
            detail_type: staged.event.detail_type.clone(),
            detail: staged.detail_for(region),
            time,
            trace: staged.trace.map(|trace| trace.to_string()),
        };
        let size = entry.size();
        if size >= MAX_TOTAL_BYTES {
            return Err(format!(
                "the event has {size} bytes as an entry, and EventBridge takes less than {MAX_TOTAL_BYTES}"
            ));
        }
        Ok(entry)
    }

    /// The size in bytes, as the service counts it
    /// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/calculate-putevents-entry-size.html>);
    /// there are no `Resources`.
    pub(crate) fn size(&self) -> usize {
        TIME_BYTES + self.source.len() + self.detail_type.len() + self.detail.len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use tenet_core::{CallerId, Event, EventId, IdempotencyKey, Timestamp};

    use super::*;

    /// An event that `us-east-1` committed.
    pub(crate) fn staged(ordinal: u32, detail: &str) -> StagedEvent {
        let (key, at) = (IdempotencyKey::new("key").unwrap(), Timestamp(1_700_000_000_999_999));
        StagedEvent {
            id: EventId::derive("write", CallerId::ANONYMOUS, &key, at, ordinal),
            operation: "write".into(),
            caller: CallerId::ANONYMOUS,
            key,
            ordinal,
            event: Event { source: "dsql.application".into(), detail_type: "Created".into(), detail: detail.into() },
            region: "us-east-1".into(),
            at,
            trace: None,
        }
    }

    #[test]
    fn an_entry_carries_the_published_detail_and_whole_seconds() {
        let event = staged(0, "{\"amount\":100.50}");
        let entry = Entry::new(&event, "us-west-2").unwrap();
        assert_eq!(entry.detail, event.detail_for("us-west-2"));
        assert_eq!(entry.time.fmt(DateTimeFormat::DateTime).unwrap(), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn size_counts_utf8_bytes_and_fourteen_for_the_time() {
        let time = DateTime::from_secs(0);
        let entry = Entry { source: "ä".into(), detail_type: "€".into(), detail: "{}".into(), time, trace: None };
        assert_eq!(entry.size(), 14 + 2 + 3 + 2);
    }

    #[test]
    fn the_largest_entry_is_one_byte_below_the_limit() {
        let of = |filler: usize| Entry::new(&staged(0, &format!("{{\"x\":\"{}\"}}", "x".repeat(filler))), "us-east-1");
        let room = MAX_TOTAL_BYTES - of(0).unwrap().size();
        assert_eq!(of(room - 1).unwrap().size(), MAX_TOTAL_BYTES - 1);
        let refusal = of(room).unwrap_err();
        assert!(refusal.contains("1000000 bytes") && refusal.contains("less than 1000000"), "{refusal}");
    }

    #[test]
    fn refuses_what_the_service_would() {
        let changed = |change: fn(&mut StagedEvent)| {
            let mut event = staged(0, "{}");
            change(&mut event);
            Entry::new(&event, "us-east-1").unwrap_err()
        };
        assert!(changed(|e| e.event.detail_type = "t".repeat(129)).contains("detail-type"));
        assert!(changed(|e| e.event.source.clear()).contains("source"));
        assert!(changed(|e| e.event.detail = "[]".into()).contains("JSON object"));
        assert!(changed(|e| e.at = Timestamp(i64::MAX)).contains("time"));
    }
}
