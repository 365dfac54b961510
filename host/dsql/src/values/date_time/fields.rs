//! A text cut into the fields that a date, a time or an interval is made of.

use crate::values::date_time::fault::Fault;
use crate::values::date_time::words;
use crate::values::white_space::is_space;

/// The most fields of a text.
const MAX_FIELDS: usize = 25;

/// A field, in lower case.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) kind: FieldKind,
    pub(crate) text: String,
}

/// What a field looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// Digits, perhaps with a point.
    Number,
    /// Letters.
    Word,
    /// Letters behind a sign.
    SignedWord,
    /// Digits, letters and delimiters; also a zone with punctuation in its name.
    Date,
    /// Digits with colons.
    Time,
    /// A sign and digits, colons, points and hyphens: a zone, or a number of an interval.
    Zone,
}

/// Cuts a text into fields. A text that does not fit into a buffer of this size is refused, as it is
/// by PostgreSQL.
pub(crate) fn split(text: &str, buffer: usize) -> Result<Vec<Field>, Fault> {
    let mut scanner = Scanner { rest: text.as_bytes(), taken: String::new() };
    let mut fields = Vec::new();
    let mut used = 0;
    while let Some(first) = scanner.peek() {
        if is_space(char::from(first)) || (first.is_ascii_punctuation() && !matches!(first, b'.' | b'+' | b'-')) {
            scanner.skip();
            continue;
        }
        let kind = scanner.field(first)?;
        let text = std::mem::take(&mut scanner.taken);
        used += text.len() + 1;
        if used > buffer || fields.len() >= MAX_FIELDS {
            return Err(Fault::BadFormat);
        }
        fields.push(Field { kind, text });
    }
    Ok(fields)
}

struct Scanner<'a> {
    rest: &'a [u8],
    /// The field so far.
    taken: String,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn skip(&mut self) {
        self.rest = self.rest.split_first().map_or(&[], |(_, rest)| rest);
    }

    fn take(&mut self) {
        if let Some(byte) = self.peek() {
            self.taken.push(char::from(byte.to_ascii_lowercase()));
        }
        self.skip();
    }

    fn take_while(&mut self, is_part: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is_part) {
            self.take();
        }
    }

    fn take_digits(&mut self) {
        self.take_while(|byte| byte.is_ascii_digit());
    }

    /// Takes the field that starts with this byte.
    fn field(&mut self, first: u8) -> Result<FieldKind, Fault> {
        match first {
            b'0'..=b'9' => Ok(self.digits_first()),
            b'.' => {
                self.take();
                self.take_digits();
                Ok(FieldKind::Number)
            }
            b'a'..=b'z' | b'A'..=b'Z' => Ok(self.letters_first()),
            b'+' | b'-' => self.sign_first(),
            _ => Err(Fault::BadFormat),
        }
    }

    fn digits_first(&mut self) -> FieldKind {
        self.take_digits();
        let Some(delimiter) = self.peek() else { return FieldKind::Number };
        match delimiter {
            b':' => {
                self.take_while(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
                FieldKind::Time
            }
            b'-' | b'/' | b'.' => {
                self.take();
                if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                    self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == delimiter);
                    return FieldKind::Date;
                }
                self.take_digits();
                // A date of three fields has the same delimiter twice.
                if self.peek() == Some(delimiter) {
                    self.take_while(|byte| byte.is_ascii_digit() || byte == delimiter);
                    return FieldKind::Date;
                }
                if delimiter == b'.' { FieldKind::Number } else { FieldKind::Date }
            }
            _ => FieldKind::Number,
        }
    }

    fn letters_first(&mut self) -> FieldKind {
        self.take_while(|byte| byte.is_ascii_alphabetic());
        let is_date = match self.peek() {
            Some(b'-' | b'/' | b'.') => true,
            Some(b'+' | b'0'..=b'9') => words::date_word(&self.taken).is_none(),
            _ => false,
        };
        if !is_date {
            return FieldKind::Word;
        }
        self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'/' | b'_' | b'.' | b':'));
        FieldKind::Date
    }

    fn sign_first(&mut self) -> Result<FieldKind, Fault> {
        self.take();
        while self.peek().is_some_and(|byte| is_space(char::from(byte))) {
            self.skip();
        }
        match self.peek() {
            Some(b'0'..=b'9') => {
                self.take_while(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'-'));
                Ok(FieldKind::Zone)
            }
            Some(byte) if byte.is_ascii_alphabetic() => {
                self.take_while(|byte| byte.is_ascii_alphabetic());
                Ok(FieldKind::SignedWord)
            }
            _ => Err(Fault::BadFormat),
        }
    }
}
