//! What goes wrong, with its code and whose fault it is.

pub(crate) mod code;
pub(crate) mod fault;
