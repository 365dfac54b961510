/// Why a value cannot be passed to a rule.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// Not in the form of its type.
    Malformed,
    /// A `numeric` that is NaN or infinite.
    NotADecimal(&'static str),
    /// A date or time that cannot be counted from 1970.
    OutOfRange,
    /// Text that is not UTF-8.
    NotUtf8,
}
