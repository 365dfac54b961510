//! Types and values as PostgreSQL has them: their forms in text and in bytes, and their order.

pub(crate) mod binary_format;
pub(crate) mod date_time;
pub(crate) mod float8;
pub(crate) mod jsonb;
pub(crate) mod kind;
pub(crate) mod modifier;
pub(crate) mod newer_number;
pub(crate) mod numeric;
pub(crate) mod order;
pub(crate) mod text_format;
pub(crate) mod utf8;
pub(crate) mod value;
pub(crate) mod white_space;
