/// A word, a number or a sign of a statement, without literals and comments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// In upper case; a quoted identifier is kept as written, with its quotes.
    pub(crate) text: String,
    /// The nesting depth of parentheses.
    pub(crate) depth: usize,
    /// Its start and end in the text.
    pub(crate) at: (usize, usize),
}

/// The words of each statement in a text, in order. Empty statements are skipped.
pub(crate) fn statements(sql: &str) -> Vec<Vec<Word>> {
    let mut statements = vec![Vec::new()];
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(first) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let length = match first {
            '\'' => literal(rest, 0, is_escaping(sql, at)),
            '"' => literal(rest, 0, false),
            '$' => dollar_quoted(rest),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            _ if is_of_word(first) => rest.find(|c| !is_of_word(c) && c != '$').unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let end = at + length;
        match first {
            ';' => statements.push(Vec::new()),
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let text = match first {
            '"' => Some(rest[..length].to_owned()),
            _ if is_of_word(first) => Some(rest[..length].to_uppercase()),
            '\'' | '$' | '-' | '/' if length > 1 => None,
            ';' => None,
            _ if first.is_whitespace() => None,
            _ => Some(first.to_string()),
        };
        if let (Some(text), Some(words)) = (text, statements.last_mut()) {
            words.push(Word { text, depth, at: (at, end) });
        }
        if matches!(first, '(' | '[') {
            depth += 1;
        }
        at = end;
    }
    statements.retain(|words| !words.is_empty());
    statements
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the quote at this position opens a literal with backslash escapes.
fn is_escaping(sql: &str, at: usize) -> bool {
    let mut before = sql[..at].chars().rev();
    matches!(before.next(), Some('e' | 'E')) && !before.next().is_some_and(is_of_word)
}

/// The length of a quoted text, including its quotes. A doubled quote is read as two texts.
fn literal(rest: &str, from: usize, escapes: bool) -> usize {
    let quote = rest.as_bytes()[from];
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(from + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if escapes => escaped = true,
            byte if byte == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn dollar_quoted(rest: &str) -> usize {
    let Some(end) = rest[1..].find('$').map(|end| end + 2) else { return 1 };
    let tag = &rest[..end];
    if !tag[1..end - 1].chars().all(is_of_word) || tag[1..].starts_with(|c: char| c.is_ascii_digit()) {
        // A parameter.
        return 1;
    }
    rest[end..].find(tag).map_or(rest.len(), |close| end + close + end)
}

fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let next = &rest.as_bytes()[at..];
        at += match next {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<Vec<String>> {
        statements(sql).into_iter().map(|words| words.into_iter().map(|word| word.text).collect()).collect()
    }

    #[test]
    fn nothing_in_a_literal_or_a_comment_is_a_word() {
        for sql in [
            "select ';SAVEPOINT'",
            "select 'it''s; SAVEPOINT'",
            r"select E'\'; SAVEPOINT'",
            "select $$; SAVEPOINT$$",
            "select $a$; $$ SAVEPOINT$a$",
            "-- SAVEPOINT;\nselect",
            "/* ; /* SAVEPOINT */ ; */ select",
        ] {
            let words = texts(sql);
            assert!(
                matches!(words.as_slice(), [words] if words[0] == "SELECT" && words.len() <= 2),
                "{sql}: {words:?}"
            );
        }
        assert_eq!(texts("a $1, \"Set\"(b);;c"), [vec!["A", "$", "1", ",", "\"Set\"", "(", "B", ")"], vec!["C"]]);
    }

    #[test]
    fn brackets_are_counted() {
        let words = statements("a (b (c) d) e").remove(0);
        let depths: Vec<_> = words.iter().filter(|word| word.text.len() == 1 && !"()".contains(&word.text)).collect();
        assert_eq!(depths.iter().map(|word| word.depth).collect::<Vec<_>>(), [0, 1, 2, 1, 0]);
    }
}
