#![allow(missing_docs)]
#[path = "../../../tests/system/tests/system/events.rs"]
mod events;
mod support {
    #[path = "../../../../tests/system/tests/system/support/eventbridge.rs"]
    pub(crate) mod eventbridge;
    #[path = "../../../../tests/system/tests/system/support/eventbridge_relay.rs"]
    pub(crate) mod eventbridge_relay;
}
