use aws_sdk_eventbridge::operation::put_events::PutEventsOutput;
use aws_sdk_eventbridge::types::PutEventsResultEntry;
use tenet_core::Delivery;

/// The result of one entry of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A final result.
    Settled(Delivery),
    /// Failed for a reason that the service documents as retryable.
    Again(String),
}

/// Reads the response to a call with `sent` entries: one fate per entry. HTTP 200 only means that
/// the call was valid.
pub(crate) fn fates(answer: &PutEventsOutput, sent: usize) -> Vec<Fate> {
    let entries = answer.entries();
    if entries.len() != sent {
        // Entries are matched by position only, so none of these results can be trusted.
        let text = format!("EventBridge answered {} entries to a call with {sent}", entries.len());
        return vec![Fate::Settled(Delivery::Later(text)); sent];
    }
    entries.iter().map(fate).collect()
}

/// The error codes, and which of them to retry:
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html>.
fn fate(entry: &PutEventsResultEntry) -> Fate {
    let Some(code) = entry.error_code() else {
        return Fate::Settled(match entry.event_id() {
            Some(_) => Delivery::Taken,
            None => Delivery::Later("EventBridge answered neither an id nor an error".to_owned()),
        });
    };
    let text = match entry.error_message() {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    };
    match code {
        "InternalFailure" | "ThrottlingException" => Fate::Again(text),
        // The problem is the host's permissions or its bus, not the event: once it is fixed, the
        // event is accepted.
        "AccessDeniedException" | "InvalidAccountIdException" => Fate::Settled(Delivery::Later(text)),
        _ => Fate::Settled(Delivery::Refused(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> PutEventsResultEntry {
        PutEventsResultEntry::builder().event_id("id").build()
    }

    fn failed(code: &str) -> PutEventsResultEntry {
        PutEventsResultEntry::builder().error_code(code).error_message("why").build()
    }

    fn answer(entries: Vec<PutEventsResultEntry>) -> PutEventsOutput {
        PutEventsOutput::builder().set_entries(Some(entries)).build()
    }

    #[test]
    fn entries_keep_their_places() {
        let answer = answer(vec![taken(), failed("InternalFailure"), failed("MalformedDetail"), taken()]);
        assert_eq!(
            fates(&answer, 4),
            [
                Fate::Settled(Delivery::Taken),
                Fate::Again("InternalFailure: why".into()),
                Fate::Settled(Delivery::Refused("MalformedDetail: why".into())),
                Fate::Settled(Delivery::Taken),
            ]
        );
    }

    #[test]
    fn only_what_the_service_calls_retryable_is_sent_again() {
        for code in ["InternalFailure", "ThrottlingException"] {
            assert_eq!(fate(&failed(code)), Fate::Again(format!("{code}: why")));
        }
        for code in [
            "InvalidArgument",
            "MalformedDetail",
            "RedactionFailure",
            "NotAuthorizedForSourceException",
            "NotAuthorizedForDetailTypeException",
            "SomethingNew",
        ] {
            assert_eq!(fate(&failed(code)), Fate::Settled(Delivery::Refused(format!("{code}: why"))));
        }
        for code in ["AccessDeniedException", "InvalidAccountIdException"] {
            assert_eq!(fate(&failed(code)), Fate::Settled(Delivery::Later(format!("{code}: why"))));
        }
    }

    #[test]
    fn an_error_wins_over_an_id_and_needs_no_message() {
        let entry = PutEventsResultEntry::builder().event_id("id").error_code("InvalidArgument").build();
        assert_eq!(fate(&entry), Fate::Settled(Delivery::Refused("InvalidArgument".into())));
    }

    #[test]
    fn what_leaves_a_doubt_is_kept() {
        let doubt = |fate: &Fate| matches!(fate, Fate::Settled(Delivery::Later(_)));
        assert!(doubt(&fate(&PutEventsResultEntry::builder().build())));
        for entries in [vec![], vec![taken()], vec![taken(), taken(), taken()]] {
            let fates = fates(&answer(entries), 2);
            assert!(fates.len() == 2 && fates.iter().all(doubt), "{fates:?}");
        }
        assert!(fates(&PutEventsOutput::builder().build(), 1).iter().all(doubt));
    }
}
