use bytes::{BufMut, BytesMut};

use crate::query::OutputColumn;
use crate::session::failure::Severity;
use crate::sql_error::SqlError;

/// The messages to a client that have not left yet.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    pub(crate) bytes: BytesMut,
    /// Whether they are to leave now rather than with the next ones.
    pub(crate) is_due: bool,
}

/// What the server says of the transaction when it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Idle,
    InTransaction,
    Failed,
}

impl Replies {
    fn message(&mut self, kind: u8, write: impl FnOnce(&mut BytesMut)) {
        self.bytes.put_u8(kind);
        let start = self.bytes.len();
        self.bytes.put_u32(0);
        write(&mut self.bytes);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// An answer to a request for encryption: no.
    pub(crate) fn no_encryption(&mut self) {
        self.bytes.put_u8(b'N');
        self.is_due = true;
    }

    pub(crate) fn ask_password(&mut self) {
        self.message(b'R', |out| out.put_i32(3));
        self.is_due = true;
    }

    pub(crate) fn authenticated(&mut self) {
        self.message(b'R', |out| out.put_i32(0));
    }

    /// The newest version of the protocol that is spoken, and the options that are not known.
    pub(crate) fn negotiate(&mut self, unknown: &[&str]) {
        self.message(b'v', |out| {
            out.put_i32(0);
            out.put_i32(count(unknown.len()).into());
            unknown.iter().for_each(|option| text(out, option));
        });
    }

    pub(crate) fn parameter(&mut self, name: &str, value: &str) {
        self.message(b'S', |out| {
            text(out, name);
            text(out, value);
        });
    }

    pub(crate) fn key_data(&mut self, process: u32, secret: u32) {
        self.message(b'K', |out| {
            out.put_u32(process);
            out.put_u32(secret);
        });
    }

    pub(crate) fn ready(&mut self, readiness: Readiness) {
        self.message(b'Z', |out| {
            out.put_u8(match readiness {
                Readiness::Idle => b'I',
                Readiness::InTransaction => b'T',
                Readiness::Failed => b'E',
            });
        });
        self.is_due = true;
    }

    pub(crate) fn error(&mut self, severity: Severity, error: &SqlError) {
        self.message(b'E', |out| report(out, severity, error));
        self.is_due = true;
    }

    pub(crate) fn notice(&mut self, severity: Severity, notice: &SqlError) {
        self.message(b'N', |out| report(out, severity, notice));
    }

    /// The names and types of a result's columns.
    pub(crate) fn row_description(&mut self, columns: &[OutputColumn], formats: &[i16]) {
        self.message(b'T', |out| {
            out.put_i16(count(columns.len()));
            for (column, format) in columns.iter().zip(formats) {
                text(out, &column.name);
                out.put_u32(0);
                out.put_i16(0);
                out.put_u32(column.kind.oid());
                out.put_i16(column.kind.size());
                out.put_i32(column.modifier);
                out.put_i16(*format);
            }
        });
    }

    pub(crate) fn no_data(&mut self) {
        self.message(b'n', |_| {});
    }

    pub(crate) fn parameter_description(&mut self, kinds: &[u32]) {
        self.message(b't', |out| {
            out.put_i16(count(kinds.len()));
            kinds.iter().for_each(|kind| out.put_u32(*kind));
        });
    }

    /// A row; `write` appends each value, or says that it is NULL.
    pub(crate) fn data_row(&mut self, columns: usize, mut write: impl FnMut(usize, &mut BytesMut) -> bool) {
        self.message(b'D', |out| {
            out.put_i16(count(columns));
            for column in 0..columns {
                let start = out.len();
                out.put_i32(-1);
                if write(column, out) {
                    let length = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
                    if let Some(place) = out.get_mut(start..start + 4) {
                        place.copy_from_slice(&length.to_be_bytes());
                    }
                }
            }
        });
    }

    pub(crate) fn complete(&mut self, tag: &str) {
        self.message(b'C', |out| text(out, tag));
    }

    pub(crate) fn empty_query(&mut self) {
        self.message(b'I', |_| {});
    }

    pub(crate) fn suspended(&mut self) {
        self.message(b's', |_| {});
    }

    pub(crate) fn parsed(&mut self) {
        self.message(b'1', |_| {});
    }

    pub(crate) fn bound(&mut self) {
        self.message(b'2', |_| {});
    }

    pub(crate) fn closed(&mut self) {
        self.message(b'3', |_| {});
    }
}

fn report(out: &mut BytesMut, severity: Severity, error: &SqlError) {
    let mut field = |kind: u8, value: &str| {
        out.put_u8(kind);
        text(out, value);
    };
    field(b'S', severity.name());
    field(b'V', severity.name());
    field(b'C', error.sqlstate);
    field(b'M', &error.message);
    let object = &error.object;
    let optional = [
        (b'D', &error.detail),
        (b'H', &error.hint),
        (b's', &object.schema),
        (b't', &object.table),
        (b'c', &object.column),
        (b'n', &object.constraint),
    ];
    for (kind, value) in optional {
        if let Some(value) = value {
            field(kind, value);
        }
    }
    if let Some(position) = error.position {
        field(b'P', &position.to_string());
    }
    out.put_u8(0);
}

/// Text with a zero byte at its end. A zero byte inside would end it early.
fn text(out: &mut BytesMut, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}

fn count(number: usize) -> i16 {
    u16::try_from(number).unwrap_or(u16::MAX).cast_signed()
}
