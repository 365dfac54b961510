//! Reads JSON as PostgreSQL does: which texts are JSON, and in which words the others are refused.

mod lexer;

use std::sync::Arc;

use crate::sql_error::SqlError;
use crate::values::jsonb::Jsonb;
use crate::values::jsonb::parser::lexer::{Lexer, Token, invalid};
use crate::values::numeric::Numeric;

/// Deeper values are refused: what reads, shows and compares them calls itself, on threads with
/// stacks of two mebibytes. PostgreSQL's own bound is its stack, at some thousands.
pub(super) const MAX_DEPTH: usize = 100;

/// Reads a `jsonb`.
pub(crate) fn parse(text: &str) -> Result<Jsonb, SqlError> {
    read(text, true)
}

/// Holds the text of a `json` against the grammar. Its strings may have escapes that no text of the
/// database can stand for.
pub(crate) fn validate(text: &str) -> Result<(), SqlError> {
    read(text, false).map(drop)
}

fn read(text: &str, is_jsonb: bool) -> Result<Jsonb, SqlError> {
    let mut parser = Parser { lexer: Lexer::new(text, is_jsonb), token: Token::End, is_jsonb };
    parser.advance()?;
    let value = parser.value(0)?;
    match parser.token {
        Token::End => Ok(value),
        _ => Err(parser.unexpected("Expected end of input")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next token.
    token: Token,
    /// Whether the values are wanted, not the grammar alone.
    is_jsonb: bool,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, SqlError> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn unexpected(&self, expected: &str) -> SqlError {
        let detail = match self.token {
            Token::End => "The input string ended unexpectedly.".to_owned(),
            _ => format!("{expected}, but found \"{}\".", self.lexer.found()),
        };
        invalid().with_detail(detail)
    }

    fn value(&mut self, depth: usize) -> Result<Jsonb, SqlError> {
        if depth > MAX_DEPTH {
            return Err(SqlError::unsupported(format!("JSON nested deeper than {MAX_DEPTH} values")));
        }
        match self.token {
            Token::Punctuation(b'{') => self.object(depth),
            Token::Punctuation(b'[') => self.array(depth),
            Token::Punctuation(_) | Token::End => Err(self.unexpected("Expected JSON value")),
            Token::Null | Token::Bool(_) | Token::Number(_) | Token::String(_) => match self.advance()? {
                Token::Bool(truth) => Ok(Jsonb::Bool(truth)),
                Token::Number(digits) if self.is_jsonb => Ok(Jsonb::Number(Numeric::parse(&digits, -1)?)),
                Token::String(text) => Ok(Jsonb::String(text)),
                _ => Ok(Jsonb::Null),
            },
        }
    }

    fn object(&mut self, depth: usize) -> Result<Jsonb, SqlError> {
        self.advance()?;
        let mut members = Vec::new();
        if !matches!(self.token, Token::Punctuation(b'}')) {
            if !matches!(self.token, Token::String(_)) {
                return Err(self.unexpected("Expected string or \"}\""));
            }
            loop {
                members.push(self.member(depth)?);
                match self.token {
                    Token::Punctuation(b',') => self.advance()?,
                    Token::Punctuation(b'}') => break,
                    _ => return Err(self.unexpected("Expected \",\" or \"}\"")),
                };
            }
        }
        self.advance()?;
        Ok(Jsonb::object(members))
    }

    fn member(&mut self, depth: usize) -> Result<(Arc<str>, Jsonb), SqlError> {
        let Token::String(key) = &self.token else { return Err(self.unexpected("Expected string")) };
        let key = key.clone();
        self.advance()?;
        if !matches!(self.token, Token::Punctuation(b':')) {
            return Err(self.unexpected("Expected \":\""));
        }
        self.advance()?;
        Ok((key, self.value(depth + 1)?))
    }

    fn array(&mut self, depth: usize) -> Result<Jsonb, SqlError> {
        self.advance()?;
        let mut elements = Vec::new();
        if !matches!(self.token, Token::Punctuation(b']')) {
            loop {
                elements.push(self.value(depth + 1)?);
                match self.token {
                    Token::Punctuation(b',') => self.advance()?,
                    Token::Punctuation(b']') => break,
                    _ => return Err(self.unexpected("Expected \",\" or \"]\"")),
                };
            }
        }
        self.advance()?;
        Ok(Jsonb::Array(elements))
    }
}
