use std::error::Error;

/// What an error and its causes say, in one text: `what: cause: its cause`. A cause that only
/// repeats what was said is left out, as those of AWS's crates do.
pub fn error_chain(error: &dyn Error) -> String {
    with_causes(error.to_string(), error)
}

/// The text of an error, and after it what its causes say.
pub(crate) fn with_causes(mut text: String, error: &dyn Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
