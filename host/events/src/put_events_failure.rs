use aws_sdk_eventbridge::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::operation::put_events::PutEventsError;
use tenet_core::error_chain;

/// A call that failed as a whole. Its events are sent later: the cause is the connection to the
/// bus, its state or the host's configuration, all of which may recover, and a lost response says
/// nothing about the entries.
#[derive(Debug)]
pub(crate) struct PutEventsFailure {
    /// The cause, for the log: codes and messages, never headers, credentials or payloads.
    pub(crate) text: String,
    /// Whether another call now would probably fail too: the service was unreachable or failing. A
    /// response to this call says nothing about the next one.
    pub(crate) ends_all: bool,
}

impl PutEventsFailure {
    /// The deadline passed during a call or before it.
    pub(crate) fn deadline() -> Self {
        Self { text: "the deadline passed before EventBridge answered".to_owned(), ends_all: true }
    }

    /// The SDK gave up after its own retries.
    pub(crate) fn of<R: std::fmt::Debug>(error: &SdkError<PutEventsError, R>) -> Self {
        let Some(refusal) = error.as_service_error() else {
            return Self { text: format!("EventBridge was not reached: {}", error_chain(error)), ends_all: true };
        };
        let code = refusal.code().unwrap_or("an error without a code");
        let text = match refusal.message() {
            Some(message) => format!("EventBridge refused the call: {code}: {message}"),
            None => format!("EventBridge refused the call: {code}"),
        };
        let ends_all = !matches!(code, "ValidationException" | "SerializationException");
        Self { text, ends_all }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eventbridge::error::{ConnectorError, ErrorMetadata};

    use super::*;

    fn refused(code: &str) -> PutEventsFailure {
        let meta = ErrorMetadata::builder().code(code).message("why").build();
        PutEventsFailure::of(&SdkError::service_error(PutEventsError::generic(meta), "authorization: secret"))
    }

    #[test]
    fn a_refusal_gives_code_and_message_and_nothing_of_the_wire() {
        assert_eq!(refused("AccessDeniedException").text, "EventBridge refused the call: AccessDeniedException: why");
    }

    #[test]
    fn only_a_complaint_about_the_call_itself_leaves_the_next_one_a_chance() {
        assert!(!refused("ValidationException").ends_all);
        for code in ["AccessDeniedException", "ThrottlingException", "InternalException", "ResourceNotFoundException"] {
            assert!(refused(code).ends_all, "{code}");
        }
    }

    #[test]
    fn a_lost_connection_names_its_cause_once() {
        let inner = std::io::Error::other("connection reset");
        let error = SdkError::<PutEventsError, ()>::dispatch_failure(ConnectorError::io(Box::new(inner)));
        let failure = PutEventsFailure::of(&error);
        assert!(failure.ends_all);
        assert_eq!(failure.text.matches("connection reset").count(), 1, "{}", failure.text);
    }
}
