use std::path::Path;

use tenet_core::Code;
use tenet_core::bundle::Index;

use super::steps::text;
use crate::error::{Error, Place, Result};

/// Refuses a step of a bundle's schema that Aurora DSQL would refuse, by AWS's own linter, or
/// that is more than one statement: DSQL changes one thing of a schema in one transaction
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-ddl.html>).
///
/// # Errors
/// Fails with the first such step, and its place.
pub fn check(folder: &Path, index: &Index) -> Result<()> {
    for file in &index.schema {
        step(&file.path, &text(folder, &file.path)?)?;
    }
    Ok(())
}

fn step(name: &str, sql: &str) -> Result<()> {
    let found = dsql_lint::lint_sql(sql);
    if let Some(diagnostic) = found.first() {
        let what = format!("{name} is not for Aurora DSQL: {}", diagnostic.message.trim_end_matches('.'));
        return Err(Error::new(what, in_a_sentence(&diagnostic.suggestion)).explained(Code::SchemaStep).at(place(
            name,
            sql,
            diagnostic.line,
        )));
    }
    let line = |at: usize| sql.get(..at).unwrap_or_default().lines().count().max(1);
    // AWS's linter lets it pass.
    if let Some(at) = tenet_policy::grant_on_public(sql) {
        let what = format!(
            "{name} is not for Aurora DSQL: it grants or revokes on the schema public, which belongs to the system"
        );
        let help = "leave it out: every role may use public, and rights are granted on its tables";
        return Err(Error::new(what, help).explained(Code::SchemaStep).at(place(name, sql, line(at))));
    }
    match tenet_policy::second_statement(sql) {
        Ok(None) => {}
        Ok(Some(second)) => {
            let what = format!("{name} has more than one statement");
            let help = "make a step of each, with numbers of their own";
            return Err(Error::new(what, help).explained(Code::SchemaStep).at(place(name, sql, line(second))));
        }
        Err(refusal) => {
            let what = format!("{name} cannot be read: {refusal}");
            let help = "write it so that every server reads it the same way";
            return Err(Error::new(what, help).explained(Code::SchemaStep).at(place(name, sql, line(refusal.at()))));
        }
    }
    Ok(())
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
        format!("{error}; {}", error.help().unwrap())
    }

    #[test]
    fn what_dsql_would_refuse_is_refused_with_the_way_to_mend_it() {
        for (sql, says) in [
            ("CREATE INDEX i ON t (a)", "CREATE INDEX ASYNC"),
            ("CREATE SEQUENCE s", "CACHE 65536"),
            ("CREATE TABLE t (\n  id serial PRIMARY KEY)", "IDENTITY"),
            ("TRUNCATE t", "DELETE"),
            ("GRANT USAGE ON SCHEMA public TO reports", "every role may use public"),
            ("revoke create on schema bank, \"public\" from public", "every role may use public"),
            ("ALTER TABLE t ADD COLUMN x int DEFAULT 1", "without constraints"),
            ("ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p (id)", "NOT VALID"),
            ("ALTER TABLE c VALIDATE CONSTRAINT k", "ASYNC"),
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
            "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p)",
            "ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p (id) NOT VALID",
            "ALTER TABLE ASYNC c VALIDATE CONSTRAINT k",
            "GRANT USAGE ON SCHEMA bank TO PUBLIC",
            "GRANT SELECT ON public.t TO reports",
            "/* ; one */ CREATE TABLE IF NOT EXISTS t (id uuid PRIMARY KEY); /* and /* ; */ done; */ ;",
            "CREATE TABLE IF NOT EXISTS t (id uuid PRIMARY KEY, note text DEFAULT $$;$$ CHECK (note <> E'\\';'))",
        ] {
            step("s", sql).unwrap();
        }
        assert!(refused("CREATE TABLE a (i int); /* x */ ALTER TABLE a ADD COLUMN j int").contains("more than one"));
        assert!(refused("CREATE TABLE a (i int DEFAULT '\\')").contains("cannot be read"));
        assert!(refused("CREATE TABLE a (i int);\nCREATE TABLE b (i int);").contains("more than one statement"));
    }
}
