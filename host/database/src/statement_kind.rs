//! Whether a statement only reads, told from its text alone.
//!
//! A statement that travels with BEGIN must be harmless outside a transaction, because
//! that is where it runs if BEGIN fails. The answer is allowed to be wrong in one
//! direction only: whatever is not understood may write. What a text cannot show, a view
//! or an operator of the team's own schema with a writing function behind it, is not seen.

/// Words that can make a statement do more than read.
const WRITING: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "INTO", "CALL", "COPY"];

/// Words that stand before a parenthesis without calling anything, and types with a size.
const BEFORE_PARENTHESIS: &[&str] = &[
    "ALL",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "BETWEEN",
    "CASE",
    "CAST",
    "DISTINCT",
    "ELSE",
    "EXCEPT",
    "EXISTS",
    "FROM",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INTERSECT",
    "IS",
    "JOIN",
    "LATERAL",
    "LIKE",
    "LIMIT",
    "NOT",
    "OFFSET",
    "ON",
    "OR",
    "ROW",
    "SELECT",
    "SOME",
    "THEN",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE", //
    "BIT",
    "CHAR",
    "CHARACTER",
    "DECIMAL",
    "FLOAT",
    "INTERVAL",
    "NUMERIC",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "VARCHAR",
    "VARYING",
];

/// Built-in functions that change nothing.
const PURE: &[&str] = &[
    "ABS",
    "AGE",
    "ARRAY_AGG",
    "AVG",
    "BOOL_AND",
    "BOOL_OR",
    "BTRIM",
    "CEIL",
    "CEILING",
    "CHAR_LENGTH",
    "COALESCE",
    "CONCAT",
    "CONCAT_WS",
    "COUNT",
    "DATE_PART",
    "DATE_TRUNC",
    "DENSE_RANK",
    "DIV",
    "ENCODE",
    "DECODE",
    "EVERY",
    "EXP",
    "EXTRACT",
    "FIRST_VALUE",
    "FLOOR",
    "GENERATE_SERIES",
    "GEN_RANDOM_UUID",
    "GREATEST",
    "JSONB_AGG",
    "JSONB_ARRAY_ELEMENTS",
    "JSONB_ARRAY_LENGTH",
    "JSONB_BUILD_ARRAY",
    "JSONB_BUILD_OBJECT",
    "JSONB_OBJECT_AGG",
    "JSONB_TYPEOF",
    "JSON_AGG",
    "JSON_BUILD_OBJECT",
    "LAG",
    "LAST_VALUE",
    "LEAD",
    "LEAST",
    "LEFT",
    "LENGTH",
    "LN",
    "LOG",
    "LOWER",
    "LPAD",
    "LTRIM",
    "MAKE_DATE",
    "MAX",
    "MD5",
    "MIN",
    "MOD",
    "NOW",
    "NTH_VALUE",
    "NTILE",
    "NULLIF",
    "OCTET_LENGTH",
    "PERCENT_RANK",
    "POSITION",
    "POWER",
    "RANK",
    "REPEAT",
    "REPLACE",
    "REVERSE",
    "RIGHT",
    "ROUND",
    "ROW_NUMBER",
    "RPAD",
    "RTRIM",
    "SHA256",
    "SIGN",
    "SPLIT_PART",
    "SQRT",
    "STARTS_WITH",
    "STRING_AGG",
    "STRPOS",
    "SUBSTR",
    "SUBSTRING",
    "SUM",
    "TO_CHAR",
    "TO_DATE",
    "TO_JSONB",
    "TO_NUMBER",
    "TO_TIMESTAMP",
    "TRANSLATE",
    "TRIM",
    "TRUNC",
    "UNNEST",
    "UPPER",
];

/// Whether running this text certainly writes nothing and changes no session.
pub(crate) fn only_reads(sql: &str) -> bool {
    tokens(sql).is_some_and(|tokens| all_read(&tokens))
}

fn all_read(tokens: &[Token<'_>]) -> bool {
    let begins = tokens.iter().find(|token| **token != Token::Sign('('));
    if !matches!(begins, Some(Token::Word(word)) if is_one_of(word, &["SELECT", "WITH", "VALUES"])) {
        return false;
    }
    let mut before = [None, None, None];
    for (at, token) in tokens.iter().enumerate() {
        let [third, second, first] = before;
        let fine = match token {
            // Harmless at the end, and another statement otherwise.
            Token::Sign(';') => at + 1 == tokens.len(),
            Token::Sign('(') => match first {
                Some(Token::Quoted) => false,
                Some(Token::Word(word)) => {
                    is_one_of(word, BEFORE_PARENTHESIS)
                        // A function of somebody's schema may do anything.
                        || (is_one_of(word, PURE) && second != Some(Token::Sign('.')))
                        // The columns of an alias, or MATERIALIZED.
                        || matches!(second, Some(Token::Word(word)) if is_one_of(word, &["AS"]))
                        || stands_by_its_place(word, second)
                }
                _ => true,
            },
            // FOR UPDATE and FOR NO KEY UPDATE lock for as long as the statement takes.
            Token::Word(word) if word.eq_ignore_ascii_case("UPDATE") => {
                let is = |token, word| matches!(token, Some(Token::Word(other)) if is_one_of(other, &[word]));
                is(first, "FOR") || (is(first, "KEY") && is(second, "NO") && is(third, "FOR"))
            }
            Token::Word(word) => !is_one_of(word, WRITING),
            Token::Quoted | Token::Literal | Token::Sign(_) => true,
        };
        if !fine {
            return false;
        }
        before = [second, first, Some(*token)];
    }
    true
}

/// Key words that may also name a function, where what stands before them says that they
/// do not.
fn stands_by_its_place(word: &str, before: Option<Token<'_>>) -> bool {
    match before {
        Some(Token::Sign(')')) => is_one_of(word, &["FILTER", "OVER"]),
        Some(Token::Word(before)) => is_one_of(word, &["BY"]) && is_one_of(before, &["GROUP", "ORDER", "PARTITION"]),
        _ => false,
    }
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|other| word.eq_ignore_ascii_case(other))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A key word or a plain identifier.
    Word(&'a str),
    /// An identifier in double quotes.
    Quoted,
    /// A string, a number or a parameter.
    Literal,
    /// One character of anything else.
    Sign(char),
}

/// The tokens of a text, without its comments. None if something in it has no end, or
/// depends on settings.
fn tokens(sql: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_whitespace() {
            rest = rest.trim_ascii_start();
        } else if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once(['\n', '\r']).map_or("", |(_, rest)| rest);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest)?;
        } else if let Some(string) = rest.strip_prefix('\'') {
            let (text, after) = quoted(string, '\'')?;
            // Whether a backslash escapes here depends on a setting and on what precedes
            // the string.
            if text.contains('\\') {
                return None;
            }
            tokens.push(Token::Literal);
            rest = after;
        } else if let Some(string) = rest.strip_prefix(['e', 'E']).and_then(|rest| rest.strip_prefix('\'')) {
            rest = after_escaped(string)?;
            tokens.push(Token::Literal);
        } else if let Some(name) = rest.strip_prefix('"') {
            rest = quoted(name, '"')?.1;
            tokens.push(Token::Quoted);
        } else if let Some(dollar) = rest.strip_prefix('$') {
            rest = after_dollar(dollar)?;
            tokens.push(Token::Literal);
        } else if is_start(first) {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            tokens.push(Token::Word(word));
            rest = after;
        } else if first.is_ascii_digit() {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            tokens.push(Token::Literal);
        } else if first.is_ascii_control() {
            return None;
        } else {
            tokens.push(Token::Sign(first));
            rest = rest.get(first.len_utf8()..)?;
        }
    }
    Some(tokens)
}

fn is_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_part(c: char) -> bool {
    is_start(c) || c.is_ascii_digit() || c == '$'
}

/// What follows a comment, which may hold others.
fn after_comment(sql: &str) -> Option<&str> {
    let mut depth = 0_u32;
    let mut rest = sql;
    loop {
        if let Some(inner) = rest.strip_prefix("/*") {
            depth += 1;
            rest = inner;
        } else if let Some(outer) = rest.strip_prefix("*/") {
            depth -= 1;
            rest = outer;
            if depth == 0 {
                return Some(rest);
            }
        } else {
            rest = rest.get(rest.chars().next()?.len_utf8()..)?;
        }
    }
}

/// What stands before and after the closing quote; a doubled quote closes nothing.
fn quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find(quote)?;
        let after = text.get(at + 1..)?;
        if !after.starts_with(quote) {
            return Some((text.get(..at)?, after));
        }
        from = at + 2;
    }
}

/// What follows a string in which a backslash escapes.
fn after_escaped(text: &str) -> Option<&str> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next()?;
            }
            '\'' if matches!(chars.peek(), Some((_, '\''))) => {
                chars.next();
            }
            '\'' => return text.get(at + 1..),
            _ => {}
        }
    }
    None
}

/// What follows a parameter, or a string between two equal tags in dollar signs. `text`
/// begins after the first dollar sign.
fn after_dollar(text: &str) -> Option<&str> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(text.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    let (tag, body) = text.split_once('$')?;
    if !tag.chars().all(|c| is_part(c) && c != '$') {
        return None;
    }
    let close = format!("${tag}$");
    body.split_once(&close).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_reads_are_recognised() {
        for sql in [
            "SELECT 1",
            "select count(*) from transactions",
            "  -- how many\n SELECT sum(amount) FROM t WHERE a IN (1, 2) AND NOT (b OR c);",
            "SELECT 1; -- nothing more\n /* at all */",
            "WITH x AS (SELECT 1 AS a) SELECT a FROM x WHERE EXISTS (SELECT 1)",
            "WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x",
            "(SELECT 1) UNION ALL (SELECT 2)",
            "VALUES (1), (2)",
            "SELECT balance FROM accounts WHERE id = $1 FOR UPDATE",
            "SELECT balance FROM accounts WHERE id = $1 FOR NO KEY UPDATE",
            "SELECT 'DELETE FROM t; nextval(1)'",
            "SELECT 'it''s (' || E'\\'; DELETE' || $$ INSERT $$ || $a$ $$ UPDATE $$ $a$",
            "SELECT \"delete\", \"a\"\"(b\" FROM \"insert\"",
            "SELECT /* DELETE /* nested */ INTO */ 1",
            "SELECT CAST($1 AS numeric(10, 2)), x::varchar(3), row_number() OVER (PARTITION BY a ORDER BY b)",
            "SELECT v.a FROM (VALUES (1, 2)) AS v(a, b)",
            "SELECT coalesce (max(amount), 0) FROM t",
            "SELECT count(*) FILTER (WHERE a) OVER (ORDER BY (b)) FROM t GROUP BY (a)",
            "SELECT a FROM t JOIN u USING (id) WHERE (a, b) = ($1, $2) LIMIT 1",
            "SELECT updated, deleted_at, into_account FROM t",
        ] {
            assert!(only_reads(sql), "{sql}");
        }
    }

    #[test]
    fn whatever_may_write_is_recognised() {
        for sql in [
            "",
            ";",
            "INSERT INTO t VALUES (1)",
            "update t set a = 1",
            "DELETE FROM t",
            "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
            "WITH x AS (INSERT INTO t VALUES (1) RETURNING id) SELECT id FROM x",
            "WITH x AS (SELECT 1 FOR UPDATE) UPDATE t SET a = 1",
            "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
            "SELECT * INTO u FROM t",
            "SELECT 1; DELETE FROM t",
            "SELECT 1;;",
            "SELECT nextval('s')",
            "SELECT setval ('s', 1)",
            "SELECT nextval/* x */('s')",
            "SELECT nextval -- x\n ('s')",
            "SELECT \"nextval\"('s')",
            "SELECT app.lower('x')",
            "SELECT app . \"f\" (1)",
            "SELECT pg_catalog.set_config('a', 'b', false)",
            "SELECT pg_advisory_lock(1)",
            "SELECT transfer(1)",
            "SELECT größe(1)",
            "SELECT f$1(1)",
            // Key words that may also name somebody's function.
            "SELECT first(1)",
            "SELECT by(1)",
            "SELECT over(1)",
            "SELECT filter(1)",
            "SELECT materialized(1)",
            "CALL p()",
            "EXPLAIN ANALYZE DELETE FROM t",
            "SET a = 1",
            "BEGIN",
            "COPY t TO STDOUT",
            "TRUNCATE t",
        ] {
            assert!(!only_reads(sql), "{sql}");
        }
    }

    #[test]
    fn a_text_that_could_be_read_in_two_ways_may_write() {
        for sql in [
            // An escape or not, by a setting of the server.
            "SELECT '\\'; DELETE FROM t; --'",
            // The second line goes on in the manner of the first.
            "SELECT E'a'\n'\\'; DELETE FROM t; --'",
            "SELECT U&'\\0027'",
            "SELECT 'no end",
            "SELECT \"no end",
            "SELECT $$ no end",
            "SELECT $a$ no end $b$",
            "SELECT /* no end /* */ 1",
            "SELECT E'no end\\'",
            "SELECT $",
            "SELECT $ä-$ DELETE $ä-$",
        ] {
            assert!(!only_reads(sql), "{sql}");
        }
    }

    #[test]
    fn nothing_hides_between_quotes_and_comments() {
        for sql in [
            "SELECT 'a' /* ' */ ; DELETE FROM t /* ' */",
            "SELECT '--' ; DELETE FROM t",
            "SELECT '/*' ; DELETE FROM t -- */",
            "SELECT \"'\" ; DELETE FROM t --'\"",
            "SELECT $a$ $b$ $a$ ; DELETE FROM t --$b$",
            "SELECT a$b$ ; DELETE FROM t --$b$",
            "SELECT E'\\\\' ; DELETE FROM t --'",
            "SELECT '''' ; DELETE FROM t --'",
            "SELECT /* /* */ */ nextval('s')",
            "SELECT 1--\n; DELETE FROM t",
            // The server ends a comment at a carriage return too.
            "SELECT 1 --\r, nextval('s')",
            // White space to some versions of the server and not to others.
            "SELECT nextval\u{b}('s')",
            "SELECT nextval\0('s')",
        ] {
            assert!(!only_reads(sql), "{sql}");
        }
    }
}
