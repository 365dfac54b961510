//! How deep a statement is, before anything reads it that calls itself for each level.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::sql_error::SqlError;

/// The levels of a statement that a thread with the usual stack of 2 MiB reads and computes.
const LEVELS: usize = 160;

/// The terms of AND and OR that follow each other. They are one level: only dropping their tree goes down it.
const TERMS: usize = 4_000;

/// Refuses what is too deep. It counts every operator and every word of the language between two commas as a level,
/// which is at least as many as there are.
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    if is_too_deep(tokens) { Err(too_deep()) } else { Ok(()) }
}

pub(crate) fn too_deep() -> SqlError {
    SqlError::new("54001", "stack depth limit exceeded")
}

/// What the parser would read for too long.
pub(crate) fn too_complex() -> SqlError {
    SqlError::new("54001", "calls or other parts are nested too deeply for this model of Aurora DSQL")
}

/// What is between two parentheses, or CASE and END.
#[derive(Default)]
struct Part {
    is_case: bool,
    /// Operators and words since the last comma, term or clause.
    chain: usize,
    /// The deepest part within what the chain counts.
    inner: usize,
    /// The deepest of what came before.
    most: usize,
    terms: usize,
    joins: usize,
    sets: usize,
    is_after_from: bool,
    /// BETWEEN whose AND has not come yet.
    between: usize,
}

impl Part {
    fn cut(&mut self) {
        self.most = self.most.max(self.chain + self.inner);
        (self.chain, self.inner) = (0, 0);
    }

    fn depth(&self) -> usize {
        1 + self.most.max(self.chain + self.inner) + self.joins + self.sets
    }

    fn word(&mut self, keyword: Keyword, before: Option<Keyword>) {
        match keyword {
            Keyword::NoKeyword | Keyword::NULL | Keyword::TRUE | Keyword::FALSE | Keyword::DEFAULT => {}
            Keyword::BETWEEN => {
                self.between += 1;
                self.chain += 1;
            }
            Keyword::AND if self.between > 0 => {
                self.between -= 1;
                self.chain += 1;
            }
            Keyword::AND | Keyword::OR => {
                self.terms += 1;
                self.cut();
            }
            Keyword::JOIN => {
                self.joins += 1;
                self.cut();
            }
            Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT => {
                self.sets += 1;
                self.terms = 0;
                self.is_after_from = false;
                self.cut();
            }
            Keyword::FROM if before == Some(Keyword::DISTINCT) => self.chain += 1,
            Keyword::FROM => {
                self.is_after_from = true;
                self.cut();
            }
            Keyword::SELECT | Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::ORDER | Keyword::LIMIT => {
                self.is_after_from = false;
                self.cut();
            }
            Keyword::WHEN | Keyword::THEN | Keyword::ELSE if self.is_case => self.cut(),
            _ => self.chain += 1,
        }
    }
}

fn is_too_deep(tokens: &[TokenWithSpan]) -> bool {
    let mut open = vec![Part::default()];
    let mut before = None;
    for token in tokens {
        let Some(part) = open.last_mut() else { return false };
        let mut keyword = None;
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => {
                part.chain += usize::from(token.token == Token::LBracket);
                open.push(Part::default());
            }
            Token::RParen | Token::RBracket | Token::RBrace => close(&mut open),
            Token::Comma => {
                part.joins += usize::from(part.is_after_from);
                part.terms = 0;
                part.cut();
            }
            Token::Word(word) if word.quote_style.is_none() => {
                keyword = Some(word.keyword);
                match word.keyword {
                    Keyword::CASE => open.push(Part { is_case: true, ..Part::default() }),
                    Keyword::END if part.is_case => close(&mut open),
                    keyword => part.word(keyword, before),
                }
            }
            Token::Word(_)
            | Token::Period
            | Token::Placeholder(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_) => {}
            _ => part.chain += 1,
        }
        before = keyword;
        let is_deep = |part: &Part| part.depth() > LEVELS || part.terms > TERMS;
        if open.len() > LEVELS || open.last().is_some_and(is_deep) {
            return true;
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.first().is_some_and(|part| part.depth() > LEVELS)
}

/// Ends the innermost part, whose depth is that of its place in the part around it.
fn close(open: &mut Vec<Part>) {
    if open.len() > 1
        && let (Some(closed), Some(around)) = (open.pop(), open.last_mut())
    {
        around.inner = around.inner.max(closed.depth());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::syntax::parse;

    /// Texts that are repeated: what is before them, the part, and what is after them, once or as often.
    const CONSTRUCTS: [(&str, &str, &str, &str, &str); 30] = [
        ("SELECT 1", "+1", "", "", ""),
        ("SELECT 1", "-1", "", "", ""),
        ("SELECT 'a'", "||'a'", "", "", ""),
        ("SELECT 1", " UNION ALL SELECT 1", "", "", ""),
        ("SELECT 1", " EXCEPT SELECT 2", "", "", ""),
        ("SELECT 1 FROM a", " CROSS JOIN a", "", "", ""),
        ("SELECT 1 FROM a", " JOIN a ON true", "", "", ""),
        ("SELECT 1 FROM a", ", a", "", "", ""),
        ("SELECT true", " AND true", "", "", ""),
        ("SELECT true", " OR true AND false", "", "", ""),
        ("SELECT 1", "::int", "", "", ""),
        ("SELECT a", "[1]", "", "", ""),
        ("SELECT 1", " COLLATE \"C\"", "", "", ""),
        ("SELECT now()", " AT TIME ZONE 'utc'", "", "", ""),
        ("SELECT 1", " IS NULL", "", "", ""),
        ("SELECT true", " IS TRUE", "", "", ""),
        ("SELECT 1", " IS DISTINCT FROM 1", "", "", ""),
        ("SELECT 1", " BETWEEN 1 AND 1", "", "", ""),
        ("SELECT 1", " IN (1)", "", "", ""),
        ("SELECT 'a'", " LIKE 'a'", "", "", ""),
        ("SELECT 1", " = 1", "", "", ""),
        ("SELECT ", "NOT ", "true", "", ""),
        ("SELECT ", "- ", "1", "", ""),
        ("SELECT ", "~ ", "1", "", ""),
        ("SELECT ", "(", "1", ")", ""),
        ("SELECT ", "abs(", "1", ")", ""),
        ("SELECT ", "CASE WHEN true THEN ", "1", " END", ""),
        ("SELECT ", "CASE WHEN true THEN 1 ELSE ", "1", " END", ""),
        ("SELECT ", "(SELECT ", "1", ")", ""),
        ("SELECT ", "ARRAY[", "1", "]", ""),
    ];

    fn of(construct: (&str, &str, &str, &str, &str), times: usize) -> String {
        let (begin, each, middle, back, end) = construct;
        format!("{begin}{}{middle}{}{end}", each.repeat(times), back.repeat(times))
    }

    #[test]
    fn each_construct_is_refused_before_it_is_read_and_below_that_is_read() {
        let on_a_small_stack = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
            for construct in CONSTRUCTS {
                let error = parse(&of(construct, 10_000)).unwrap_err();
                assert_eq!(error.sqlstate, "54001", "{construct:?}");
                // The most of it that is taken is read, and dropped.
                let most = (1..=TERMS).find(|times| is_too_deep(&parse_tokens(&of(construct, times + 1)).unwrap()));
                let _ = parse(&of(construct, most.unwrap()));
            }
        });
        on_a_small_stack.unwrap().join().unwrap();
    }

    fn parse_tokens(sql: &str) -> Option<Vec<TokenWithSpan>> {
        let dialect = sqlparser::dialect::PostgreSqlDialect {};
        sqlparser::tokenizer::Tokenizer::new(&dialect, sql).tokenize_with_location().ok()
    }

    #[test]
    fn what_is_read_again_at_each_level_is_not_read_for_long() {
        let deep = [
            ("SELECT ", "abs(", "1", ")", ""),
            ("SELECT ", "f(a, ", "1", ")", ""),
            ("SELECT ", "convert(", "1", ")", ""),
            ("SELECT ", "case(", "1", ")", ""),
            ("SELECT ", "all(", "1", ")", ""),
            ("SELECT ", "ROW(", "1", ")", ""),
            ("SELECT ", "(VALUES (", "1", "))", ""),
            ("SELECT 1 FROM ", "f(", "1", ")", ""),
            ("SELECT 1 FROM ", "((SELECT 1 FROM ", "a", ") x)", ""),
            // What does not end, or has an error in it.
            ("SELECT ", "abs(", "%", ")", ""),
            ("SELECT ", "NOT (", "true", "", ""),
            ("SELECT ", "CAST(", "1", "", ""),
            ("SELECT ", "ARRAY[", "%", "]", ""),
            ("SELECT ", "CASE WHEN true THEN ", "1", "", ""),
        ];
        let on_a_small_stack = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
            for construct in deep {
                assert_eq!(parse(&of(construct, 50)).unwrap_err(), too_complex(), "{construct:?}");
            }
        });
        on_a_small_stack.unwrap().join().unwrap();
        for construct in &deep[..9] {
            let read = parse(&of(*construct, 7)).map(|statements| statements.len());
            assert_ne!(read, Err(too_complex()), "{construct:?}");
        }
        // Many are not deep.
        let rows = "(abs(abs(abs(abs(1))))),".repeat(3_000);
        assert!(parse(&format!("INSERT INTO t VALUES {rows} (1)")).is_ok());
    }

    #[test]
    fn what_people_write_is_not_deep() {
        let rows = "(1, -1, now() - interval '1 day', 'a' || 'b'),".repeat(3_000);
        let columns = "name text NOT NULL DEFAULT 'a' CHECK (name <> ''),".repeat(255);
        let terms = "(a = 1 AND b IS NOT NULL) OR ".repeat(1_000);
        let when = "WHEN a = 1 AND b = 2 THEN 'x' ".repeat(200);
        for sql in [
            format!("INSERT INTO t VALUES {rows} (1, 1, now(), 'a')"),
            format!("CREATE TABLE t ({columns} a int)"),
            format!("SELECT 1 FROM t WHERE {terms} a = 2"),
            format!("SELECT CASE {when} ELSE 'y' END"),
            format!("SELECT {}1", "NOT ".repeat(60)),
            format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(60), " END".repeat(60)),
        ] {
            assert!(!is_too_deep(&parse_tokens(&sql).unwrap()), "{}", &sql[..60]);
        }
    }
}
