//! Splits a text into tokens as PostgreSQL's own scanner does (`src/backend/parser/scan.l`), or
//! refuses it: a text that PostgreSQL could read differently because of a setting, a version or an
//! encoding is not accepted.

use std::borrow::Cow;

use crate::{Refusal, steps};

/// The longest identifier, in bytes; PostgreSQL cuts off the rest, and two names become one
/// (<https://www.postgresql.org/docs/16/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>).
pub(crate) const LONGEST_NAME: usize = 63;

/// The longest accepted text, in bytes. It bounds the cost of parsing and checking, and the number
/// of names.
pub(crate) const LONGEST_TEXT: usize = 64 << 10;

/// The most operator signs in a row; the longest known operator has four.
const MOST_SIGNS: usize = 16;

/// The characters of operators.
const OPERATOR: &str = "+-*/<>=~!@#%^&|`?";

/// An operator that contains one of these may end in a plus or a minus.
const SPECIAL: &str = "~!@#%^&|`?";

/// A piece of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Where it begins.
    pub(crate) at: usize,
    /// Where it ends.
    pub(crate) end: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A key word or an unquoted identifier, in lower case.
    Word(String),
    /// An identifier in double quotes, unchanged.
    Quoted(String),
    /// A string, with its value if it has no escapes.
    String(Option<String>),
    Number,
    /// `$1`.
    Parameter,
    Operator(String),
    /// `( ) [ ] , ; .` and, for `::`, a colon.
    Sign(char),
    End,
}

/// The tokens of a text without its comments, and an end token.
pub(crate) fn tokens(sql: &str) -> Result<Vec<Token>, Refusal> {
    if sql.len() > LONGEST_TEXT {
        let what = format!("it has {} bytes, and {LONGEST_TEXT} are the most; pass values as parameters", sql.len());
        return Err(Refusal::not_understood(LONGEST_TEXT, what));
    }
    cut(sql)
}

/// The same for a text of any length.
pub(crate) fn cut(sql: &str) -> Result<Vec<Token>, Refusal> {
    if let Some(at) = sql.find('\0') {
        return Err(Refusal::not_understood(at, "U+0000 cannot be sent"));
    }
    let mut scanner = Scanner { sql, at: 0, tokens: Vec::new() };
    while scanner.step()? {
        steps::add(1);
    }
    let at = sql.len();
    scanner.tokens.push(Token { kind: Kind::End, at, end: at });
    Ok(scanner.tokens)
}

struct Scanner<'a> {
    sql: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.sql.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, kind: Kind, end: usize) {
        steps::add(end - self.at);
        self.tokens.push(Token { kind, at: self.at, end });
        self.at = end;
    }

    fn refuse<T>(&self, what: &str) -> Result<T, Refusal> {
        Err(Refusal::not_understood(self.at, what))
    }

    /// Reads one token, or skips white space or a comment. False at the end.
    fn step(&mut self) -> Result<bool, Refusal> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(false) };
        match first {
            ' ' | '\t' | '\n' | '\r' | '\x0c' => self.at += 1,
            '-' if rest.starts_with("--") => {
                self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
            }
            '/' if rest.starts_with("/*") => self.comment()?,
            '\'' => self.string()?,
            '"' => self.quoted()?,
            '$' => self.dollar()?,
            'a'..='z' | 'A'..='Z' | '_' => self.word()?,
            '0'..='9' => self.number()?,
            '.' if rest.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) => self.number()?,
            '.' if rest.starts_with("..") => return self.refuse("two dots are not understood"),
            '(' | ')' | '[' | ']' | ',' | ';' | '.' => self.push(Kind::Sign(first), self.at + 1),
            ':' if rest.starts_with("::") => self.push(Kind::Sign(':'), self.at + 2),
            _ if OPERATOR.contains(first) => self.operator()?,
            _ if first.is_ascii() => return self.refuse("this sign is not understood"),
            _ => return self.refuse("a sign that is not ASCII stands outside of strings and quotes"),
        }
        Ok(true)
    }

    /// Comments may be nested.
    fn comment(&mut self) -> Result<(), Refusal> {
        let (mut depth, mut at) = (0_u32, self.at);
        loop {
            let rest = self.sql.get(at..).unwrap_or_default();
            if rest.starts_with("/*") {
                (depth, at) = (depth + 1, at + 2);
            } else if rest.starts_with("*/") {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    self.at = at;
                    return Ok(());
                }
            } else {
                match rest.chars().next() {
                    Some(sign) => at += sign.len_utf8(),
                    None => return self.refuse("the comment has no end"),
                }
            }
        }
    }

    fn string(&mut self) -> Result<(), Refusal> {
        let Some((value, end)) = until(self.sql, self.at + 1, '\'') else {
            return self.refuse("the string has no end");
        };
        if value.contains('\\') {
            return self.refuse(
                "whether a backslash in a string is one depends on a setting; pass the value as a parameter, or write E'\\\\'",
            );
        }
        self.push(Kind::String(Some(value)), end);
        Ok(())
    }

    /// A string after an E, in which a backslash escapes the next character.
    fn escaped(&mut self) -> Result<(), Refusal> {
        let mut signs = self.sql.get(self.at + 2..).unwrap_or_default().char_indices().peekable();
        while let Some((at, sign)) = signs.next() {
            match sign {
                '\\' => {
                    signs.next();
                }
                '\'' if signs.peek().is_some_and(|(_, next)| *next == '\'') => {
                    signs.next();
                }
                '\'' => {
                    self.push(Kind::String(None), self.at + 2 + at + 1);
                    return Ok(());
                }
                _ => {}
            }
        }
        self.refuse("the string has no end")
    }

    fn quoted(&mut self) -> Result<(), Refusal> {
        match until(self.sql, self.at + 1, '"') {
            None => self.refuse("the quoted name has no end"),
            Some((name, _)) if name.is_empty() => self.refuse("this is no name"),
            Some((name, _)) if name.len() > LONGEST_NAME => self.refuse("a name has at most 63 bytes"),
            Some((name, end)) => {
                self.push(Kind::Quoted(name), end);
                Ok(())
            }
        }
    }

    /// A parameter, or a dollar-quoted string.
    ///
    /// A protocol message has at most 65,535 parameters. PostgreSQL 16 uses only the last 32 bits
    /// of a longer number (`param` in `src/backend/parser/scan.l`), and allocates memory for as
    /// many parameters as the number says.
    fn dollar(&mut self) -> Result<(), Refusal> {
        let rest = self.rest().get(1..).unwrap_or_default();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 {
            let number = rest.get(..digits).unwrap_or_default();
            if number.starts_with('0') || number.parse::<u16>().is_err() {
                return self.refuse("a parameter is $1 to $65535, without zeros in front");
            }
            let end = self.at + 1 + digits;
            self.apart(end)?;
            self.push(Kind::Parameter, end);
            return Ok(());
        }
        let Some((tag, body)) = rest.split_once('$') else { return self.refuse("this sign is not understood") };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !tag.chars().all(plain) {
            return self.refuse("the tag of the string is not understood");
        }
        let close = format!("${tag}$");
        let Some(length) = body.find(&close) else { return self.refuse("the string has no end") };
        self.push(Kind::String(None), self.at + 1 + tag.len() + 1 + length + close.len());
        Ok(())
    }

    fn word(&mut self) -> Result<(), Refusal> {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if after.starts_with('\'') && word.eq_ignore_ascii_case("e") {
            return self.escaped();
        }
        if after.starts_with(['\'', '"']) || (word.eq_ignore_ascii_case("u") && after.starts_with('&')) {
            return self.refuse("a string or a name with a letter before its quote is not understood");
        }
        if after.starts_with(|c: char| !c.is_ascii()) {
            return self.refuse("a name with a sign that is not ASCII stands in double quotes");
        }
        if word.len() > LONGEST_NAME {
            return self.refuse("a name has at most 63 bytes");
        }
        self.push(Kind::Word(word.to_ascii_lowercase()), self.at + end);
        Ok(())
    }

    /// Decimal digits, a point, an exponent. Newer versions of PostgreSQL have more forms, which
    /// older ones read as a number and a name.
    fn number(&mut self) -> Result<(), Refusal> {
        let bytes = self.sql.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end = digits(self.at);
        if bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            end = digits(signed);
            if end == signed {
                return self.refuse("the number has no end");
            }
        }
        if bytes.get(end) == Some(&b'.') {
            return self.refuse("the number is not understood");
        }
        self.apart(end)?;
        self.push(Kind::Number, end);
        Ok(())
    }

    /// Refuses a number or a parameter that is directly followed by a name.
    fn apart(&self, end: usize) -> Result<(), Refusal> {
        let after = self.sql.get(end..).unwrap_or_default();
        if after.starts_with(|c: char| is_part(c) || !c.is_ascii() || c == '\'' || c == '"') {
            return self.refuse("a number and what follows it are not apart");
        }
        Ok(())
    }

    /// The signs up to another character or a comment. PostgreSQL scans all of them again for each
    /// operator that it splits off. The number of signs is limited, so that this takes bounded
    /// time.
    fn operator(&mut self) -> Result<(), Refusal> {
        let rest = self.rest();
        let run = rest.bytes().take(MOST_SIGNS + 2).take_while(|byte| OPERATOR.contains(char::from(*byte))).count();
        let mut text = rest.get(..run).unwrap_or_default();
        steps::add(run);
        // A comment ends an operator.
        for comment in ["--", "/*"] {
            if let Some(at) = text.find(comment) {
                text = text.get(..at).unwrap_or_default();
            }
        }
        if text.len() > MOST_SIGNS {
            return self.refuse("so many signs stand together that it is not plain which operators they are");
        }
        // So `a=-1` is a comparison, and `a @-1` is not.
        if !text.contains(|c| SPECIAL.contains(c)) {
            let kept = text.trim_end_matches(['+', '-']).len().max(1);
            text = text.get(..kept).unwrap_or_default();
        }
        self.push(Kind::Operator(text.to_owned()), self.at + text.len());
        Ok(())
    }
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

/// The value of a dollar-quoted string, or of one after an E.
pub(crate) fn unescaped(text: &str) -> Cow<'_, str> {
    if let Some(rest) = text.strip_prefix('$') {
        let inner = rest.split_once('$').and_then(|(tag, rest)| rest.get(..rest.len().checked_sub(tag.len() + 2)?));
        return Cow::Borrowed(inner.unwrap_or_default());
    }
    let inner = text.get(2..text.len().saturating_sub(1)).unwrap_or_default();
    let (mut value, mut signs) = (String::new(), inner.chars().peekable());
    while let Some(sign) = signs.next() {
        let next = if sign == '\\' || sign == '\'' { signs.next() } else { None };
        // A number in this base with at most so many digits.
        let (base, most, mut number) = match (sign, next) {
            ('\\', Some('x')) => (16, 2, 0),
            ('\\', Some('u')) => (16, 4, 0),
            ('\\', Some('U')) => (16, 8, 0),
            ('\\', Some(digit @ '0'..='7')) => (8, 2, digit.to_digit(8).unwrap_or_default()),
            (_, Some(next)) => {
                value.push(match (sign, next) {
                    ('\\', 'b') => '\u{8}',
                    ('\\', 'f') => '\u{c}',
                    ('\\', 'n') => '\n',
                    ('\\', 'r') => '\r',
                    ('\\', 't') => '\t',
                    (_, next) => next,
                });
                continue;
            }
            (sign, None) => {
                value.push(sign);
                continue;
            }
        };
        for _ in 0..most {
            let Some(digit) = signs.peek().and_then(|digit| digit.to_digit(base)) else { break };
            number = number.wrapping_mul(base).wrapping_add(digit);
            signs.next();
        }
        // PostgreSQL refuses a number that is not a character.
        value.extend(char::from_u32(number));
    }
    Cow::Owned(value)
}

/// The text before the closing quote, with doubled quotes made single, and the place after it.
fn until(sql: &str, from: usize, quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut at = from;
    loop {
        let rest = sql.get(at..)?;
        let length = rest.find(quote)?;
        text.push_str(rest.get(..length)?);
        at += length + 1;
        if !sql.get(at..)?.starts_with(quote) {
            return Some((text, at));
        }
        text.push(quote);
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(sql: &str) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = tokens(sql).unwrap().into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds.pop(), Some(Kind::End));
        kinds
    }

    fn word(text: &str) -> Kind {
        Kind::Word(text.into())
    }

    fn operator(text: &str) -> Kind {
        Kind::Operator(text.into())
    }

    #[test]
    fn a_parameter_has_one_number_for_every_reader() {
        for text in ["$0", "$01", "$65536", "$268435455", "$4294967297", "$8589934593", "$99999999999999999999"] {
            assert!(tokens(text).is_err(), "{text}");
        }
        assert_eq!(kinds("$1 $10 $65535"), [Kind::Parameter, Kind::Parameter, Kind::Parameter]);
    }

    #[test]
    fn pieces_are_cut_as_postgresql_cuts_them() {
        assert_eq!(
            kinds("SeLeCt A$b, \"A\"\"b\""),
            [word("select"), word("a$b"), Kind::Sign(','), Kind::Quoted("A\"b".into())]
        );
        assert_eq!(
            kinds("'it''s' E'\\'' $$ ' $$ $a$ $$ $a$"),
            [Kind::String(Some("it's".into())), Kind::String(None), Kind::String(None), Kind::String(None)]
        );
        assert_eq!(
            kinds("1 1.5 .5 1. 1e5 1.5E-3 $12"),
            [Kind::Number, Kind::Number, Kind::Number, Kind::Number, Kind::Number, Kind::Number, Kind::Parameter]
        );
        for (text, cut) in [
            ("=-", vec!["=", "-"]),
            ("<>", vec!["<>"]),
            ("@-", vec!["@-"]),
            ("+--x", vec!["+"]),
            ("*/*x*/+", vec!["*", "+"]),
            ("->>", vec!["->>"]),
        ] {
            assert_eq!(kinds(text), cut.into_iter().map(operator).collect::<Vec<_>>(), "{text}");
        }
        assert_eq!(kinds("a--b\rc/* /* */ d */e"), [word("a"), word("c"), word("e")]);
    }

    #[test]
    fn escapes_are_what_postgresql_makes_of_them() {
        for (text, value) in [
            (r"E'n\157w'", "now"),
            (r"e'\x6eow'", "now"),
            (r"E'\u006eo\U00000077'", "now"),
            (r"E'it''s \'a\' \\ \n'", "it's 'a' \\ \n"),
            (r"E'\x'", "\0"),
            ("$$now$$", "now"),
            ("$a$ $ $b$ $a$", " $ $b$ "),
            ("$$$$", ""),
        ] {
            assert_eq!(unescaped(text), value, "{text}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for sql in [
            "'a\\'",
            "U&'x'",
            "u&\"x\"",
            "x'00'",
            "b'0'",
            "n'x'",
            "date'2020-01-01'",
            "a\"b\"",
            "1a",
            "0x1f",
            "1_000",
            "1..2",
            "$1a",
            "1e",
            "gr\u{f6}\u{df}e",
            "a\u{a0}b",
            "\u{b}",
            "a\0",
            "'\0'",
            "a/*\0*/",
            "\"\"",
            "/* /* */",
            "'x",
            "\"x",
            "$$ x",
            "$\u{e4}$ $\u{e4}$",
            "a:b",
            ":=",
            "\\",
        ] {
            assert!(tokens(sql).is_err(), "{sql}");
        }
        assert!(tokens(&"a".repeat(64)).is_err() && tokens(&"a".repeat(63)).is_ok());
        assert!(tokens(&" ".repeat(LONGEST_TEXT + 1)).is_err());
    }
}
