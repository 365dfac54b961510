use crate::bindings::tenet::rule::log::{Level, write};

/// Logs the message and the place of a panic. Without this, a panic in WebAssembly is a trap
/// without a message.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let text = match panic.location() {
            Some(location) => format!("panic at {location}: {message}"),
            None => format!("panic: {message}"),
        };
        write(Level::Error, &text);
    }));
}
