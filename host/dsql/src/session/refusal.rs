//! Statements that DSQL knows and does not run.
//!
//! The words are those that were recorded from clusters in September 2026
//! (<https://github.com/Dreamescaper/dsql-emulator/tree/main/test/conformance/golden>). Where none
//! were recorded, the name of PostgreSQL's syntax node stands in their pattern.

use crate::sql_error::{SqlError, UNKNOWN};

/// Statements by their first words, and the name in `unsupported statement: ...`.
const STATEMENTS: [(&str, &str); 42] = [
    ("ALTER SYSTEM", "AlterSystem"),
    ("CHECKPOINT", "CheckPoint"),
    ("CLUSTER", "Cluster"),
    ("COPY", "Copy"),
    ("CREATE AGGREGATE", "Define"),
    ("CREATE COLLATION", "Define"),
    ("CREATE DATABASE", "Createdb"),
    ("CREATE EVENT TRIGGER", "CreateEventTrig"),
    ("CREATE EXTENSION", "CreateExtension"),
    ("CREATE FOREIGN DATA WRAPPER", "CreateFdw"),
    ("CREATE FOREIGN TABLE", "CreateForeignTable"),
    ("CREATE MATERIALIZED VIEW", "CreateTableAs"),
    ("CREATE OPERATOR", "Define"),
    ("CREATE POLICY", "CreatePolicy"),
    ("CREATE PROCEDURE", "CreateFunction"),
    ("CREATE PUBLICATION", "CreatePublication"),
    ("CREATE RULE", "Rule"),
    ("CREATE SERVER", "CreateForeignServer"),
    ("CREATE SUBSCRIPTION", "CreateSubscription"),
    ("CREATE TABLESPACE", "CreateTableSpace"),
    ("DECLARE", "DeclareCursor"),
    ("DISCARD", "Discard"),
    ("DO", "Do"),
    ("DROP DATABASE", "Dropdb"),
    ("EXECUTE", "Execute"),
    ("FETCH", "Fetch"),
    ("IMPORT FOREIGN SCHEMA", "ImportForeignSchema"),
    ("LISTEN", "Listen"),
    ("LOAD", "Load"),
    ("LOCK", "Lock"),
    ("MOVE", "Fetch"),
    ("NOTIFY", "Notify"),
    ("PREPARE", "Prepare"),
    ("REASSIGN OWNED", "ReassignOwned"),
    ("REFRESH", "RefreshMatView"),
    ("REINDEX", "Reindex"),
    ("SECURITY LABEL", "SecLabel"),
    ("TRUNCATE", "Truncate"),
    ("UNLISTEN", "Unlisten"),
    ("DROP OWNED", "DropOwned"),
    ("CLOSE", "ClosePortal"),
    ("CREATE LANGUAGE", "CreatePLang"),
];

/// Statements by their first words, with the whole message.
const SENTENCES: [(&str, &str); 18] = [
    ("SAVEPOINT", "unsupported transaction statement: SAVEPOINT"),
    ("RELEASE", "unsupported transaction statement: RELEASE"),
    ("ROLLBACK TO", "unsupported transaction statement: ROLLBACK TO"),
    ("ROLLBACK WORK TO", "unsupported transaction statement: ROLLBACK TO"),
    ("ROLLBACK TRANSACTION TO", "unsupported transaction statement: ROLLBACK TO"),
    ("PREPARE TRANSACTION", "unsupported transaction statement: PREPARE TRANSACTION"),
    ("CREATE TRIGGER", "CREATE TRIGGER not supported"),
    ("CREATE CONSTRAINT TRIGGER", "CREATE TRIGGER not supported"),
    ("CREATE OR REPLACE TRIGGER", "CREATE TRIGGER not supported"),
    ("CREATE TEMP", "TEMPORARY or TEMP table not supported for CREATE TABLE"),
    ("CREATE TEMPORARY", "TEMPORARY or TEMP table not supported for CREATE TABLE"),
    ("CREATE LOCAL", "TEMPORARY or TEMP table not supported for CREATE TABLE"),
    ("CREATE GLOBAL", "TEMPORARY or TEMP table not supported for CREATE TABLE"),
    ("CREATE UNLOGGED", "UNLOGGED table not supported for CREATE TABLE"),
    ("VACUUM", "unsupported VACUUM statement"),
    ("MERGE", "unsupported statement type: MERGE"),
    ("DROP TYPE", "unsupported object in DROP statement"),
    ("CREATE TYPE", "CREATE TYPE not supported"),
];

/// Why DSQL does not run the statement with these words, if it does not.
pub(crate) fn of_words(words: &[String]) -> Option<SqlError> {
    let statement = Words(words);
    let message = match statement.word(0) {
        "ALTER" if statement.begins("ALTER TYPE") && statement.has("RENAME") => {
            "unsupported object in RENAME statement".to_owned()
        }
        "ALTER" if statement.begins("ALTER TYPE") => "ALTER TYPE not supported".to_owned(),
        "ALTER" if statement.begins("ALTER TABLE") => of_alter_table(statement)?.to_owned(),
        "CREATE" if statement.begins("CREATE TYPE") && statement.has("AS RANGE") => {
            "unsupported statement: CreateRange".to_owned()
        }
        "CREATE" if statement.begins("CREATE TYPE") && statement.has("AS (") => {
            "unsupported statement: CompositeType".to_owned()
        }
        "CREATE" if statement.function().is_some() => {
            let language = statement.word(statement.find("LANGUAGE")? + 1).trim_matches('\'').to_lowercase();
            if language == "sql" {
                return None;
            }
            format!("CREATE FUNCTION with language {language} not supported")
        }
        _ if statement.has("BETWEEN SYMMETRIC") => format!("BETWEEN SYMMETRIC {UNKNOWN}"),
        _ if statement.has("FOR NO KEY UPDATE") => format!("FOR NO KEY UPDATE {UNKNOWN}"),
        "DEALLOCATE" if !statement.has("ALL") => "unsupported statement: Deallocate".to_owned(),
        "BEGIN" | "START" if statement.has("DEFERRABLE") => "DEFERRABLE transactions are not supported".to_owned(),
        _ => {
            let sentence = SENTENCES.iter().find(|(begin, _)| statement.begins(begin));
            let named = || STATEMENTS.iter().find(|(begin, _)| statement.begins(begin));
            match sentence {
                Some((_, sentence)) => (*sentence).to_owned(),
                None => format!("unsupported statement: {}", named()?.1),
            }
        }
    };
    Some(unsupported(message))
}

fn of_alter_table(statement: Words<'_>) -> Option<&'static str> {
    let adds = statement.has("ADD");
    if statement.has("ADD COLUMN") {
        let refused = ["DEFAULT", "NOT NULL", "CHECK", "UNIQUE", "PRIMARY", "REFERENCES", "CONSTRAINT", "GENERATED"];
        return refused
            .iter()
            .any(|words| statement.has(words))
            .then_some("ALTER TABLE ADD COLUMN with constraint not supported");
    }
    if adds && (statement.has("PRIMARY KEY") || statement.has("UNIQUE")) && !statement.has("USING INDEX") {
        return Some("unsupported ALTER TABLE ADD CONSTRAINT statement");
    }
    if adds && (statement.has("CHECK") || statement.has("FOREIGN KEY")) && !statement.has("NOT VALID") {
        return Some("unsupported ALTER TABLE ADD CONSTRAINT statement");
    }
    if statement.has("VALIDATE CONSTRAINT") && !statement.has("ASYNC") {
        return Some("unsupported ALTER TABLE VALIDATE CONSTRAINT statement");
    }
    let retypes = statement.find("ALTER COLUMN").is_some_and(|at| statement.word(at + 3) == "TYPE");
    if retypes || statement.has("SET DATA TYPE") {
        return Some("unsupported ALTER TABLE ALTER COLUMN ... SET DATA TYPE statement");
    }
    if statement.has("SET NOT NULL") {
        return Some("unsupported ALTER TABLE ALTER COLUMN ... SET NOT NULL statement");
    }
    statement.has("ROW LEVEL SECURITY").then_some("ROW LEVEL SECURITY is not supported")
}

/// What DSQL does not do.
pub(crate) fn unsupported(message: impl Into<String>) -> SqlError {
    SqlError::new("0A000", message)
}

#[derive(Clone, Copy)]
struct Words<'w>(&'w [String]);

impl Words<'_> {
    fn word(&self, at: usize) -> &str {
        self.0.get(at).map_or("", String::as_str)
    }

    fn is_at(&self, at: usize, words: &str) -> bool {
        words.split(' ').enumerate().all(|(offset, word)| self.word(at + offset) == word)
    }

    fn begins(&self, words: &str) -> bool {
        self.is_at(0, words)
    }

    fn find(&self, words: &str) -> Option<usize> {
        (0..self.0.len()).find(|at| self.is_at(*at, words))
    }

    fn has(&self, words: &str) -> bool {
        self.find(words).is_some()
    }

    fn function(&self) -> Option<()> {
        (self.begins("CREATE FUNCTION") || self.begins("CREATE OR REPLACE FUNCTION")).then_some(())
    }
}
