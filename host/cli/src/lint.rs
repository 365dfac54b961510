use std::path::Path;

use anyhow::bail;
use tenet_core::bundle::Index;

use crate::report::{Place, Problem};

/// Refuses a step of a bundle's schema that Aurora DSQL would refuse, by AWS's own linter, or
/// that is more than one statement: DSQL changes one thing of a schema in one transaction
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-ddl.html>).
pub(crate) fn check(folder: &Path, index: &Index) -> anyhow::Result<()> {
    for file in &index.schema {
        step(&file.path, &crate::schema::text(folder, &file.path)?)?;
    }
    Ok(())
}

fn step(name: &str, sql: &str) -> anyhow::Result<()> {
    let found = dsql_lint::lint_sql(sql);
    if let Some(diagnostic) = found.first() {
        let what = format!("{name} is not for Aurora DSQL: {}", diagnostic.message.trim_end_matches('.'));
        bail!(Problem::new(what, in_a_sentence(&diagnostic.suggestion)).at(place(name, sql, diagnostic.line)));
    }
    if let Some(second) = second_statement(sql) {
        let line = sql.get(..second).unwrap_or_default().lines().count().max(1);
        let what = format!("{name} has more than one statement");
        bail!(Problem::new(what, "make a step of each, with numbers of their own").at(place(name, sql, line)));
    }
    Ok(())
}

/// Where a second statement begins, if there is one. A semicolon in a literal is none.
fn second_statement(sql: &str) -> Option<usize> {
    let (mut quote, mut comment) = (None, false);
    let mut end = None;
    for (at, sign) in sql.char_indices() {
        let rest = sql.get(at..).unwrap_or_default();
        match (quote, comment) {
            (None, true) => comment = sign != '\n',
            (Some(open), _) => quote = Some(open).filter(|open| *open != sign),
            (None, false) if rest.starts_with("--") => comment = true,
            (None, false) if sign == '\'' || sign == '"' => {
                if end.is_some() {
                    return Some(at);
                }
                quote = Some(sign);
            }
            (None, false) if sign == ';' => end = Some(at),
            (None, false) if end.is_some() && !sign.is_whitespace() => return Some(at),
            (None, false) => {}
        }
    }
    None
}

fn place(name: &str, sql: &str, line: usize) -> Place {
    let mut start = 0;
    for text in sql.split_inclusive('\n').take(line.saturating_sub(1)) {
        start += text.len();
    }
    let text = sql.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    Place { name: name.to_owned(), text: sql.to_owned(), span: start..start + text.len() }
}

/// A suggestion as the rest of a sentence.
fn in_a_sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut signs = text.chars();
    match signs.next() {
        // What begins with a word of SQL keeps it.
        Some(first) if !signs.as_str().starts_with(char::is_uppercase) => first.to_lowercase().chain(signs).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &str) -> String {
        let error = step("schema/0001_x.sql", sql).unwrap_err();
        let problem = error.downcast_ref::<Problem>().unwrap();
        format!("{problem}; {}", problem.help())
    }

    #[test]
    fn what_dsql_would_refuse_is_refused_with_the_way_to_mend_it() {
        for (sql, says) in [
            ("CREATE INDEX i ON t (a)", "CREATE INDEX ASYNC"),
            ("CREATE SEQUENCE s", "CACHE 65536"),
            ("CREATE TABLE t (\n  id serial PRIMARY KEY)", "IDENTITY"),
            ("TRUNCATE t", "DELETE"),
            ("ALTER TABLE t ADD COLUMN x int DEFAULT 1", "without constraints"),
        ] {
            let refused = refused(sql);
            assert!(refused.contains(says) && refused.contains("schema/0001_x.sql"), "{refused}");
        }
    }

    #[test]
    fn what_it_takes_passes_and_one_statement_is_one_step() {
        for sql in [
            "CREATE TABLE IF NOT EXISTS t (id uuid PRIMARY KEY, note text DEFAULT ';');\n",
            "CREATE INDEX ASYNC IF NOT EXISTS i ON t (a); -- done; really\n",
            "CREATE SEQUENCE IF NOT EXISTS s CACHE 65536",
            "ALTER TABLE t ADD COLUMN x int",
        ] {
            step("s", sql).unwrap();
        }
        assert!(refused("CREATE TABLE a (i int);\nCREATE TABLE b (i int);").contains("more than one statement"));
    }
}
