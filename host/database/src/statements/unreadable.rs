/// Why a value cannot be given to a rule.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// Not the form that its type has.
    Malformed,
    /// A `numeric` without digits.
    NotADecimal(&'static str),
    /// A date or time beyond what counts from 1970.
    OutOfRange,
    /// Text in no encoding that the rule knows.
    NotUtf8,
}
