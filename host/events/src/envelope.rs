use aws_sdk_eventbridge::primitives::DateTimeFormat;

use crate::entry::Entry;

/// The account of every event on an embedded bus.
const ACCOUNT: &str = "000000000000";

/// The event that a bus makes of an entry, as JSON text with an id of its own
/// (<https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html>).
///
/// `region` is that of the bus that accepted the entry; forwarding keeps it. The detail is inserted
/// as text, so that its numbers stay as written.
pub(crate) fn envelope(entry: &Entry, region: &str) -> String {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    let time = entry.time.fmt(DateTimeFormat::DateTime).unwrap_or_default();
    format!(
        "{{\"version\":\"0\",\"id\":\"{id}\",\"detail-type\":{},\"source\":{},\"account\":\"{ACCOUNT}\",\
         \"time\":\"{time}\",\"region\":{},\"resources\":[],\"detail\":{}}}",
        text(&entry.detail_type),
        text(&entry.source),
        text(region),
        entry.detail,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::staged;

    #[test]
    fn has_the_members_of_the_service_and_the_detail_as_it_was_written() {
        let mut event = staged(0, "{ \"amount\" : 100.50, \"big\":12345678901234567890.10, \"e\":1E400}");
        event.event.detail_type = "Say \"hi\"\n".into();
        let entry = Entry::new(&event, "us-east-1").unwrap();
        let made = envelope(&entry, "us-east-1");
        let id = &made[21..57];
        assert_eq!(
            made,
            format!(
                "{{\"version\":\"0\",\"id\":\"{id}\",\"detail-type\":\"Say \\\"hi\\\"\\n\",\
                 \"source\":\"dsql.application\",\"account\":\"000000000000\",\"time\":\"2023-11-14T22:13:20Z\",\
                 \"region\":\"us-east-1\",\"resources\":[],\"detail\":{}}}",
                event.detail_for("us-east-1"),
            )
        );
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
        assert_ne!(envelope(&entry, "us-east-1"), made, "each envelope has an id of its own");
    }
}
