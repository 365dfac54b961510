//! Arrays of one dimension in text.

use std::sync::Arc;

use crate::sql_error::SqlError;
use crate::values::kind::{Kind, Modifier};
use crate::values::text_format::{input, output};
use crate::values::value::Value;
use crate::values::white_space::is_space;

/// Reads `{a,NULL,"b c"}`.
pub(super) fn parse(text: &str, element: Kind, modifier: Modifier) -> Result<Arc<[Value]>, SqlError> {
    let malformed = |text: &str, detail: &str| {
        SqlError::new("22P02", format!("malformed array literal: \"{text}\"")).with_detail(detail)
    };
    let trimmed = text.trim_start_matches(is_space);
    if trimmed.starts_with('[') {
        return Err(SqlError::unsupported("an array with given bounds"));
    }
    let inner = trimmed.strip_prefix('{');
    let inner = inner.ok_or_else(|| malformed(text, "Array value must start with \"{\" or dimension information."))?;
    let malformed = |detail: &str| malformed(trimmed, detail);
    let mut scanner = Scanner { rest: inner };
    let written = scanner.elements().map_err(|fault| match fault {
        Fault::MoreDimensions => SqlError::unsupported("an array of more than one dimension"),
        Fault::Unexpected(character) => malformed(&format!("Unexpected \"{character}\" character.")),
        Fault::Element => malformed("Unexpected array element."),
        Fault::End => malformed("Unexpected end of input."),
    })?;
    if !scanner.rest.chars().all(is_space) {
        return Err(malformed("Junk after closing right brace."));
    }
    let values = written.into_iter().map(|element_text| match element_text {
        Some(element_text) => input(&element_text, element, modifier),
        None => Ok(Value::Null),
    });
    values.collect()
}

/// What is wrong with the text of an array.
enum Fault {
    MoreDimensions,
    Unexpected(char),
    Element,
    End,
}

struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn next(&mut self) -> Result<char, Fault> {
        let mut characters = self.rest.chars();
        let next = characters.next().ok_or(Fault::End)?;
        self.rest = characters.as_str();
        Ok(next)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
    }

    /// The texts of the elements up to the closing brace; `None` is NULL.
    fn elements(&mut self) -> Result<Vec<Option<String>>, Fault> {
        let mut elements = Vec::new();
        self.skip_space();
        if let Some(rest) = self.rest.strip_prefix('}') {
            self.rest = rest;
            return Ok(elements);
        }
        loop {
            self.skip_space();
            let (element, end) = match self.rest.strip_prefix('"') {
                Some(rest) => {
                    self.rest = rest;
                    (Some(self.quoted()?), self.end_of_quoted()?)
                }
                None => self.plain()?,
            };
            elements.push(element);
            if end == '}' {
                return Ok(elements);
            }
        }
    }

    fn quoted(&mut self) -> Result<String, Fault> {
        let mut element = String::new();
        loop {
            match self.next()? {
                '"' => return Ok(element),
                '\\' => element.push(self.next()?),
                other => element.push(other),
            }
        }
    }

    fn end_of_quoted(&mut self) -> Result<char, Fault> {
        self.skip_space();
        match self.next()? {
            end @ (',' | '}') => Ok(end),
            other @ ('{' | '\\') => Err(Fault::Unexpected(other)),
            _ => Err(Fault::Element),
        }
    }

    /// An element without quotes, and the character that ends it.
    fn plain(&mut self) -> Result<(Option<String>, char), Fault> {
        let mut element = String::new();
        // What is kept at the least: blanks that were escaped stay at the end.
        let mut kept = 0;
        let mut is_escaped = false;
        loop {
            match self.next()? {
                end @ (',' | '}') if kept == 0 => return Err(Fault::Unexpected(end)),
                end @ (',' | '}') => {
                    element.truncate(kept);
                    let is_null = !is_escaped && element.eq_ignore_ascii_case("null");
                    return Ok(((!is_null).then_some(element), end));
                }
                '{' if kept == 0 => return Err(Fault::MoreDimensions),
                '{' => return Err(Fault::Unexpected('{')),
                '"' => return Err(Fault::Element),
                '\\' => {
                    element.push(self.next()?);
                    is_escaped = true;
                    kept = element.len();
                }
                other => {
                    element.push(other);
                    if !is_space(other) {
                        kept = element.len();
                    }
                }
            }
        }
    }
}

pub(super) fn format(elements: &[Value], kind: Kind) -> Result<String, SqlError> {
    let mut text = "{".to_owned();
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        if matches!(element, Value::Null) {
            text.push_str("NULL");
            continue;
        }
        let shown = output(element, kind)?;
        if !needs_quotes(&shown) {
            text.push_str(&shown);
            continue;
        }
        text.push('"');
        for character in shown.chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push('"');
    }
    text.push('}');
    Ok(text)
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case("null")
        || text.contains(|character| matches!(character, '"' | '\\' | '{' | '}' | ',') || is_space(character))
}
