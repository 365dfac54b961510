//! The tokens of JSON.

use std::sync::Arc;

use crate::sql_error::SqlError;

pub(crate) enum Token {
    /// One of `{}[],:`.
    Punctuation(u8),
    Null,
    Bool(bool),
    /// Its text.
    Number(String),
    String(Arc<str>),
    End,
}

pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// Where the last token starts.
    start: usize,
    /// Where the next one is looked for.
    at: usize,
    /// Whether the escapes of strings must stand for text.
    is_decoding: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str, is_decoding: bool) -> Self {
        Self { text, start: 0, at: 0, is_decoding }
    }

    /// The text of the last token.
    pub(crate) fn found(&self) -> &'a str {
        self.text.get(self.start..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_while(&mut self, is_part: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is_part) {
            self.at += 1;
        }
    }

    fn invalid_token(&self) -> SqlError {
        invalid().with_detail(format!("Token \"{}\" is invalid.", self.found()))
    }

    pub(crate) fn next(&mut self) -> Result<Token, SqlError> {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.start = self.at;
        let Some(first) = self.peek() else { return Ok(Token::End) };
        match first {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                self.at += 1;
                Ok(Token::Punctuation(first))
            }
            b'"' => self.string().map(|text| Token::String(text.into())),
            b'-' | b'0'..=b'9' => self.number(),
            _ => {
                self.skip_while(is_word);
                if self.at == self.start {
                    self.at += 1;
                }
                match self.found() {
                    "null" => Ok(Token::Null),
                    "true" => Ok(Token::Bool(true)),
                    "false" => Ok(Token::Bool(false)),
                    _ => Err(self.invalid_token()),
                }
            }
        }
    }

    fn number(&mut self) -> Result<Token, SqlError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let mut is_valid = match self.peek() {
            Some(b'0') => {
                self.at += 1;
                true
            }
            Some(b'1'..=b'9') => self.digits(),
            _ => false,
        };
        if self.peek() == Some(b'.') {
            self.at += 1;
            is_valid &= self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            is_valid &= self.digits();
        }
        if self.peek().is_some_and(is_word) {
            is_valid = false;
            self.skip_while(is_word);
        }
        if is_valid { Ok(Token::Number(self.found().to_owned())) } else { Err(self.invalid_token()) }
    }

    /// Whether there is at least one digit; after them.
    fn digits(&mut self) -> bool {
        let before = self.at;
        self.skip_while(|byte| byte.is_ascii_digit());
        self.at > before
    }

    fn string(&mut self) -> Result<String, SqlError> {
        let mut text = String::new();
        self.at += 1;
        // The first half of a pair of surrogates.
        let mut high: Option<u32> = None;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(character) = rest.chars().next() else { return Err(self.invalid_token()) };
            if high.is_some() && !rest.starts_with("\\u") {
                self.at += character.len_utf8();
                // A control character or an unknown escape would be found first.
                self.check_plain(character)?;
                return Err(low_surrogate_missing());
            }
            self.at += character.len_utf8();
            match character {
                '"' => return Ok(text),
                '\\' => self.escape(&mut text, &mut high)?,
                _ => {
                    self.check_plain(character)?;
                    text.push(character);
                }
            }
        }
    }

    fn check_plain(&self, character: char) -> Result<(), SqlError> {
        let code = u32::from(character);
        if code >= 32 {
            return Ok(());
        }
        Err(invalid().with_detail(format!("Character with value 0x{code:02x} must be escaped.")))
    }

    fn escape(&mut self, text: &mut String, high: &mut Option<u32>) -> Result<(), SqlError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(escaped) = rest.chars().next() else { return Err(self.invalid_token()) };
        self.at += escaped.len_utf8();
        match escaped {
            'u' => return self.unicode(text, high),
            '"' | '\\' | '/' => text.push(escaped),
            'b' => text.push('\x08'),
            'f' => text.push('\x0c'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            _ => return Err(invalid().with_detail(format!("Escape sequence \"\\{escaped}\" is invalid."))),
        }
        Ok(())
    }

    fn unicode(&mut self, text: &mut String, high: &mut Option<u32>) -> Result<(), SqlError> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else { return Err(self.invalid_token()) };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(invalid().with_detail("\"\\u\" must be followed by four hexadecimal digits."));
            };
            self.at += 1;
            code = code * 16 + digit;
        }
        if !self.is_decoding {
            return Ok(());
        }
        let character = match (code, high.take()) {
            (0xd800..0xdc00, Some(_)) => {
                return Err(invalid().with_detail("Unicode high surrogate must not follow a high surrogate."));
            }
            (0xd800..0xdc00, None) => {
                *high = Some(code);
                return Ok(());
            }
            (0xdc00..0xe000, Some(high)) => char::from_u32(0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00)),
            (0xdc00..0xe000, None) | (_, Some(_)) => return Err(low_surrogate_missing()),
            (0, None) => {
                return Err(SqlError::new("22P05", "unsupported Unicode escape sequence")
                    .with_detail("\\u0000 cannot be converted to text."));
            }
            (code, None) => char::from_u32(code),
        };
        text.extend(character);
        Ok(())
    }
}

fn low_surrogate_missing() -> SqlError {
    invalid().with_detail("Unicode low surrogate must follow a high surrogate.")
}

/// The error of a text that is no JSON.
pub(crate) fn invalid() -> SqlError {
    SqlError::new("22P02", "invalid input syntax for type json")
}

/// What a word goes on with: letters, digits, `_` and everything beyond ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}
