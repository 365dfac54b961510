use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use tenet_core::bundle::{Index, Operation};

/// The names that a bundle defines for an operation: the tables, columns, sequences, events and
/// operations that its rules are granted.
///
/// Any other word of a rule may contain a customer's data, even in the text of a statement and its
/// names: a rule can build them from its input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

/// Replaces what is left out of a statement.
const LEFT_OUT: char = '?';

/// SQL key words and standard functions, sorted. TRUE and FALSE are values.
const WORDS: &[&str] = &[
    "ALL",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "AVG",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COALESCE",
    "CONFLICT",
    "COUNT",
    "CROSS",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DO",
    "ELSE",
    "END",
    "EXCEPT",
    "EXCLUDED",
    "EXISTS",
    "FETCH",
    "FILTER",
    "FIRST",
    "FOR",
    "FROM",
    "FULL",
    "GREATEST",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "JOIN",
    "LAST",
    "LATERAL",
    "LEAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCKED",
    "MAX",
    "MIN",
    "NATURAL",
    "NO",
    "NOT",
    "NOTHING",
    "NOW",
    "NULL",
    "NULLIF",
    "NULLS",
    "OF",
    "OFFSET",
    "ON",
    "ONLY",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "RECURSIVE",
    "RETURNING",
    "RIGHT",
    "ROW",
    "ROWS",
    "SELECT",
    "SET",
    "SHARE",
    "SKIP",
    "SOME",
    "SUM",
    "THEN",
    "UNION",
    "UPDATE",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

/// Characters that are kept. Quotes are not: a quoted text is one token.
const SIGNS: &str = "(),.;:=<>+-*/%|&!~^[]";

impl Names {
    /// The names for `operation` in the bundle of this index.
    pub fn of(index: &Index, operation: &Operation) -> Self {
        let mut names = BTreeSet::new();
        for rule in operation.rules.iter().filter_map(|name| index.rule(name)) {
            let grants = &rule.grants;
            for (table, grant) in &grants.tables {
                names.insert(table.clone());
                let columns = [&grant.select, &grant.insert, &grant.update];
                names.extend(columns.into_iter().flat_map(|columns| columns.names()).map(str::to_owned));
            }
            for (table, grant) in &grants.vault {
                names.insert(table.clone());
                names.extend(grant.seal.iter().chain(&grant.open).cloned());
            }
            names.extend(grants.sequences.iter().cloned());
            for (source, types) in &grants.events {
                names.insert(source.clone());
                names.extend(types.iter().cloned());
            }
            names.extend(grants.operations.schedule.iter().cloned());
        }
        // In a statement, a table's schema and name are two words.
        let parts: Vec<String> = names.iter().flat_map(|name| name.split('.')).map(str::to_owned).collect();
        names.extend(parts);
        Self(names)
    }

    /// Clears a text that is not one of these names.
    pub(crate) fn leave_out_others(&self, text: &mut String) {
        if !self.0.contains(text) {
            text.clear();
        }
    }

    /// The shape of a statement, without anything that a rule could have put into its text: SQL key
    /// words, these names, punctuation, and the placeholders of `parameters` parameters. Everything
    /// else, including literals and aliases, becomes `?`; comments are removed.
    ///
    /// Quoted text is recognized as PostgreSQL does. A text that is not SQL may be split elsewhere,
    /// but still yields no other words.
    pub(crate) fn statement(&self, sql: &str, parameters: usize) -> String {
        let mut out = String::new();
        let mut rest = sql.chars().peekable();
        while let Some(first) = rest.next() {
            match first {
                _ if first.is_whitespace() => space(&mut out),
                '-' if rest.next_if_eq(&'-').is_some() => {
                    while rest.next_if(|next| *next != '\n').is_some() {}
                    space(&mut out);
                }
                '/' if rest.next_if_eq(&'*').is_some() => {
                    comment(&mut rest);
                    space(&mut out);
                }
                '\'' => {
                    quoted(&mut rest, '\'', false);
                    out.push(LEFT_OUT);
                }
                '"' => out.push_str(self.name(&quoted(&mut rest, '"', false))),
                '$' => match word(&mut rest) {
                    number if number.parse().is_ok_and(|number| (1..=parameters).contains(&number)) => {
                        out.push('$');
                        out.push_str(number.trim_start_matches('0'));
                    }
                    tag => {
                        if rest.next_if_eq(&'$').is_some() {
                            dollars(&mut rest, &tag);
                        }
                        out.push(LEFT_OUT);
                    }
                },
                _ if is_of_word(first) => {
                    let word = format!("{first}{}", word(&mut rest));
                    let has_escapes = word.eq_ignore_ascii_case("e") && rest.next_if_eq(&'\'').is_some();
                    if has_escapes {
                        quoted(&mut rest, '\'', true);
                    }
                    out.push_str(if has_escapes { "?" } else { self.word(&word) });
                }
                _ => out.push(if SIGNS.contains(first) { first } else { LEFT_OUT }),
            }
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// A quoted name.
    fn name(&self, text: &str) -> &str {
        self.0.get(text).map_or("?", String::as_str)
    }

    /// An unquoted word.
    fn word(&self, text: &str) -> &str {
        let name = self.name(&text.to_ascii_lowercase());
        let word = || WORDS.binary_search(&text.to_ascii_uppercase().as_str()).ok().and_then(|place| WORDS.get(place));
        if name == "?" { word().copied().unwrap_or(name) } else { name }
    }
}

fn space(out: &mut String) {
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Whether words and numbers can contain it.
fn is_of_word(of: char) -> bool {
    of.is_ascii_alphanumeric() || of == '_' || !of.is_ascii()
}

fn word(rest: &mut Peekable<Chars<'_>>) -> String {
    std::iter::from_fn(|| rest.next_if(|next| is_of_word(*next))).collect()
}

/// The text in quotes, after the opening quote; two quotes in a row are one quote of the text.
fn quoted(rest: &mut Peekable<Chars<'_>>, quote: char, has_escapes: bool) -> String {
    let mut text = String::new();
    while let Some(next) = rest.next() {
        if next == quote && rest.next_if_eq(&quote).is_none() {
            break;
        }
        text.push(next);
        if has_escapes && next == '\\' {
            text.extend(rest.next());
        }
    }
    text
}

/// Skips dollar-quoted text, after the opening delimiter.
fn dollars(rest: &mut Peekable<Chars<'_>>, tag: &str) {
    let mut text = String::new();
    let end = format!("${tag}$");
    while !text.ends_with(&end) {
        let Some(next) = rest.next() else { break };
        text.push(next);
    }
}

/// Skips a comment, after its beginning, including nested ones.
fn comment(rest: &mut Peekable<Chars<'_>>) {
    let mut depth = 1_usize;
    while depth > 0 {
        match rest.next() {
            Some('*') if rest.next_if_eq(&'/').is_some() => depth -= 1,
            Some('/') if rest.next_if_eq(&'*').is_some() => depth += 1,
            Some(_) => {}
            None => break,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn names(names: &[&str]) -> Names {
        Names(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_statement_keeps_what_it_does_and_nothing_that_its_rule_has_put_into_it() {
        let names = names(&["accounts", "app", "balance", "id", "Odd Name"]);
        for (sql, parameters, left) in [
            (
                "SELECT id, balance\n  FROM app.accounts AS a WHERE a.id = $1 FOR UPDATE",
                1,
                "SELECT id, balance FROM app.accounts AS ? WHERE ?.id = $1 FOR UPDATE",
            ),
            ("update Accounts set balance = balance - 100.50", 0, "UPDATE accounts SET balance = balance - ?.?"),
            ("select 'Ann''s', E'a\\'b', 'it' -- of Ann\n, $2, $3", 2, "SELECT ?, ?, ? , $2, ?"),
            ("select \"Odd Name\", \"Ann\", U&'Ann' /* /* Ann */ Ann */", 0, "SELECT Odd Name, ?, ?&?"),
            ("select $$Ann$$, $of$Ann $$ Ann$of$, 1e5, é, @id", 0, "SELECT ?, ?, ?, ?, ?id"),
            ("select 'select from accounts", 0, "SELECT ?"),
            ("select true, NULL", 0, "SELECT ?, NULL"),
            ("", 0, ""),
        ] {
            assert_eq!(names.statement(sql, parameters), left, "{sql}");
        }
    }

    #[test]
    fn words_are_found() {
        assert!(WORDS.is_sorted());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_the_text_its_words_are_known_ones(sql in "[a-zA-Z0-9'\"$\\\\/*é \n.,_-]{0,60}", parameters in 0..3_usize) {
            let names = names(&["id"]);
            let left = names.statement(&sql, parameters);
            let is_known = |word: &str| word.is_empty() || word == "id" || WORDS.contains(&word);
            let of_word = |char: char| char.is_alphanumeric() || char == '_';
            for word in left.split(|char| !of_word(char)) {
                // A parameter's placeholder, which may directly follow a word.
                let is_place = word.parse().is_ok_and(|place: usize| place <= parameters);
                prop_assert!(is_known(word) || is_place, "{left}");
            }
        }
    }
}
