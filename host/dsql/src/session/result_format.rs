use bytes::{BufMut, Bytes, BytesMut};

use crate::query::OutputColumn;
use crate::session::reader::violation;
use crate::session::replies::Replies;
use crate::sql_error::SqlError;
use crate::values::kind::Kind;
use crate::values::value::Value;
use crate::values::{binary_format, text_format, utf8};

const TEXT: i16 = 0;
const BINARY: i16 = 1;

/// The format of each of so many values: none is text for all, one is for all.
pub(crate) fn each(formats: &[i16], count: usize, mismatch: impl Fn() -> String) -> Result<Vec<i16>, SqlError> {
    if let Some(format) = formats.iter().find(|format| ![TEXT, BINARY].contains(format)) {
        return Err(SqlError::new("22023", format!("unsupported format code: {format}")));
    }
    match formats {
        [] => Ok(vec![TEXT; count]),
        [format] => Ok(vec![*format; count]),
        formats if formats.len() == count => Ok(formats.to_vec()),
        _ => Err(violation(mismatch())),
    }
}

/// The value of a parameter.
pub(crate) fn receive(value: Option<&Bytes>, format: i16, kind: Kind) -> Result<Value, SqlError> {
    match value {
        None => Ok(Value::Null),
        Some(bytes) if format == BINARY => binary_format::receive(bytes, kind),
        Some(bytes) => text_format::input(utf8::check(bytes)?, kind, -1),
    }
}

/// Appends a row to the replies.
pub(crate) fn send_row(
    replies: &mut Replies,
    row: &[Value],
    columns: &[OutputColumn],
    formats: &[i16],
) -> Result<(), SqlError> {
    let mut values = Vec::with_capacity(row.len());
    for ((value, column), format) in row.iter().zip(columns).zip(formats) {
        values.push(match value {
            Value::Null => None,
            value => {
                let mut bytes = BytesMut::new();
                if *format == BINARY {
                    binary_format::send(value, column.kind, &mut bytes)?;
                } else {
                    bytes.put_slice(text_format::output(value, column.kind)?.as_bytes());
                }
                Some(bytes)
            }
        });
    }
    replies.data_row(columns.len(), |column, out| match values.get(column) {
        Some(Some(bytes)) => {
            out.put_slice(bytes);
            true
        }
        _ => false,
    });
    Ok(())
}
