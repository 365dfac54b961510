use crate::session::failure::Notice;
use crate::values::value::Value;

/// What a statement gave.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) tag: String,
    pub(crate) notices: Vec<Notice>,
    /// Parameters of the session that are sent to the client.
    pub(crate) reported: Vec<(String, String)>,
}
