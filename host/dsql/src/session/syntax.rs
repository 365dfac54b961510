use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::session::bounded_dialect::BoundedDialect;
use crate::session::nesting;
use crate::session::refusal;
use crate::session::set_constraints;
use crate::sql_error::SqlError;

/// How often the parser may call itself: more often than a statement does that is not too deep.
const RECURSION: usize = 500;

/// One statement of a text: what it says, or why DSQL does not run such statements.
pub(crate) type Parsed = Result<Statement, SqlError>;

/// The statements of a text, which semicolons separate. The outer error is one of the syntax: then
/// none of them runs.
pub(crate) fn parse(sql: &str) -> Result<Vec<Parsed>, SqlError> {
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| positioned(sql, error.location, error.message))?;
    let statements = tokens.split(|token| token.token == Token::SemiColon);
    let statements =
        statements.filter(|tokens| tokens.iter().any(|token| !matches!(token.token, Token::Whitespace(_))));
    statements.map(|tokens| statement(sql, tokens)).collect()
}

fn statement(sql: &str, tokens: &[TokenWithSpan]) -> Result<Parsed, SqlError> {
    let words: Vec<_> = tokens.iter().filter_map(|token| word(&token.token)).collect();
    if let Some(refusal) = refusal::of_words(&words) {
        return Ok(Err(refusal));
    }
    nesting::check(tokens)?;
    let dialect = BoundedDialect::of(tokens.len());
    let mut parser = Parser::new(&dialect).with_recursion_limit(RECURSION).with_tokens_with_locations(tokens.to_vec());
    let parsed =
        if set_constraints::is_one(&words) { set_constraints::parse(&mut parser) } else { parser.parse_statement() };
    if dialect.is_exhausted() {
        return Err(nesting::too_complex());
    }
    let parsed = parsed.map_err(|error| match error {
        ParserError::ParserError(text) => unparsable(sql, &text),
        ParserError::TokenizerError(text) => SqlError::new("42601", text),
        ParserError::RecursionLimitExceeded => nesting::too_deep(),
    })?;
    let rest = parser.peek_token();
    match rest.token {
        Token::EOF => Ok(Ok(parsed)),
        token => Err(positioned(sql, rest.span.start, near(&token.to_string()))),
    }
}

/// A word, a quoted name with its quotes, or a sign.
fn word(token: &Token) -> Option<String> {
    match token {
        Token::Whitespace(_) => None,
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
        token => Some(token.to_string()),
    }
}

fn near(token: &str) -> String {
    match token {
        "EOF" => "syntax error at end of input".to_owned(),
        token => format!("syntax error at or near \"{token}\""),
    }
}

/// The parser's error in PostgreSQL's words, as far as it names the place.
fn unparsable(sql: &str, text: &str) -> SqlError {
    let (what, place) = text.split_once(" at Line: ").unwrap_or((text, ""));
    let message = match what.split_once(", found: ") {
        Some((_, found)) => near(found),
        None => format!("syntax error: {what}"),
    };
    let place = place.split_once(", Column: ").and_then(|(line, column)| {
        let (line, column) = (line.parse().ok()?, column.trim().parse().ok()?);
        Some(Location { line, column })
    });
    match place {
        Some(place) => positioned(sql, place, message),
        None => SqlError::new("42601", message),
    }
}

fn positioned(sql: &str, place: Location, message: String) -> SqlError {
    let mut error = SqlError::new("42601", message);
    let lines = usize::try_from(place.line.saturating_sub(1)).unwrap_or(0);
    let before: usize = sql.split_inclusive('\n').take(lines).map(|line| line.chars().count()).sum();
    error.position = usize::try_from(place.column).ok().filter(|column| *column > 0).map(|column| before + column);
    error
}
