use crate::words::{Word, statements};

/// The PostgreSQL features that DSQL refuses, checked for one connection.
///
/// Codes and messages are DSQL's where they are known
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-postgresql-compatibility-unsupported-features.html>).
#[derive(Default)]
pub(crate) struct Dialect {
    /// The kinds of statements in the open transaction.
    transaction: Option<Mix>,
}

/// How a text is handled.
pub(crate) enum Verdict {
    Pass,
    /// It builds an index in the background; the server receives this text instead.
    Job(String),
    Refuse(Refusal),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) sqlstate: &'static str,
    pub(crate) message: String,
}

#[derive(Clone, Copy, Default)]
struct Mix {
    ddl: bool,
    dml: bool,
}

/// The session parameters that may be set, in addition to those that begin with `enable_`.
const PARAMETERS: [&str; 10] = [
    "application_name",
    "client_encoding",
    "datestyle",
    "disable_sync_create_index",
    "dsql.enable_batched_nestloop",
    "extra_float_digits",
    "intervalstyle",
    "role",
    "search_path",
    "timezone",
];

/// Unsupported statements, by their first words.
const STATEMENTS: [&str; 36] = [
    "ALTER SYSTEM",
    "CHECKPOINT",
    "CLUSTER",
    "CREATE AGGREGATE",
    "CREATE COLLATION",
    "CREATE CONSTRAINT TRIGGER",
    "CREATE DATABASE",
    "CREATE EVENT TRIGGER",
    "CREATE EXTENSION",
    "CREATE FOREIGN",
    "CREATE MATERIALIZED VIEW",
    "CREATE OPERATOR",
    "CREATE POLICY",
    "CREATE PROCEDURE",
    "CREATE PUBLICATION",
    "CREATE RULE",
    "CREATE SERVER",
    "CREATE SUBSCRIPTION",
    "CREATE TABLESPACE",
    "CREATE TRIGGER",
    "CREATE TYPE",
    "DECLARE",
    "DISCARD",
    "DO",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "NOTIFY",
    "PREPARE",
    "REFRESH",
    "REINDEX",
    "SAVEPOINT",
    "TRUNCATE",
    "UNLISTEN",
    "VACUUM",
];

/// The schemas with DSQL's own objects.
const SYSTEM_SCHEMAS: [&str; 3] = ["PG_CATALOG", "INFORMATION_SCHEMA", "SYS"];

impl Dialect {
    pub(crate) fn judge(&mut self, sql: &str) -> Verdict {
        let statements = statements(sql);
        let alone = statements.len() == 1;
        // Several statements in one message form one transaction.
        let mut implicit = Mix::default();
        for words in &statements {
            let statement = Statement(words);
            if let Some(refusal) = statement.refusal().or_else(|| self.mix(&statement, &mut implicit)) {
                return Verdict::Refuse(refusal);
            }
            if let Some((at, end)) = statement.asynchronous() {
                if !alone {
                    let text = "asynchronous DDL is not supported in multi-statement queries";
                    return Verdict::Refuse(unsupported(text));
                }
                return Verdict::Job([&sql[..at], "CONCURRENTLY", &sql[end..]].concat());
            }
        }
        Verdict::Pass
    }

    /// Refuses a second schema change in one transaction, and one together with other statements.
    fn mix(&mut self, statement: &Statement<'_>, implicit: &mut Mix) -> Option<Refusal> {
        match statement.first() {
            "BEGIN" | "START" => self.transaction = Some(Mix::default()),
            "COMMIT" | "END" | "ROLLBACK" | "ABORT" => self.transaction = None,
            _ => {}
        }
        let mix = self.transaction.as_mut().unwrap_or(implicit);
        let (ddl, dml) = match statement.first() {
            "CREATE" | "ALTER" | "DROP" | "GRANT" | "REVOKE" => (true, false),
            "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "WITH" | "VALUES" | "COPY" => (false, true),
            _ => (false, false),
        };
        if ddl && mix.ddl {
            return Some(unsupported("multiple ddl statements are not supported in a transaction"));
        }
        *mix = Mix { ddl: mix.ddl || ddl, dml: mix.dml || dml };
        (mix.ddl && mix.dml).then(|| unsupported("ddl and dml are not supported in the same transaction"))
    }
}

/// Why a session parameter cannot be set, if it cannot.
pub(crate) fn parameter(name: &str) -> Option<Refusal> {
    let name = name.to_lowercase();
    let known = PARAMETERS.contains(&name.as_str()) || name.starts_with("enable_");
    (!known).then(|| unsupported(format!("setting configuration parameter \"{name}\" not supported")))
}

/// The words of one statement.
struct Statement<'w>(&'w [Word]);

impl Statement<'_> {
    fn word(&self, at: usize) -> &str {
        self.0.get(at).map_or("", |word| &word.text)
    }

    fn first(&self) -> &str {
        self.word(0)
    }

    /// The position where these words follow one another, if they do.
    fn find(&self, words: &str) -> Option<usize> {
        (0..self.0.len()).find(|at| self.is_at(*at, words))
    }

    fn has(&self, words: &str) -> bool {
        self.find(words).is_some()
    }

    fn is_at(&self, at: usize, words: &str) -> bool {
        words.split(' ').enumerate().all(|(offset, word)| self.word(at + offset) == word)
    }

    /// The position of the word ASYNC in a statement that builds an index.
    fn asynchronous(&self) -> Option<(usize, usize)> {
        let at = self.index()?;
        (self.word(at) == "ASYNC").then(|| self.0[at].at)
    }

    /// The position after CREATE INDEX.
    fn index(&self) -> Option<usize> {
        ["CREATE INDEX", "CREATE UNIQUE INDEX"]
            .iter()
            .find(|words| self.is_at(0, words))
            .map(|words| words.split(' ').count())
    }

    fn refusal(&self) -> Option<Refusal> {
        if let Some(statement) = STATEMENTS.iter().find(|words| self.is_at(0, words)) {
            return Some(unsupported(format!("{statement} is not supported")));
        }
        if self.has("FOR SHARE") || self.has("FOR NO KEY UPDATE") {
            return Some(unsupported("locking clauses other than FOR UPDATE/FOR KEY SHARE are not supported"));
        }
        match self.first() {
            "BEGIN" | "START" => self.transaction(),
            "RELEASE" => Some(unsupported("RELEASE SAVEPOINT is not supported")),
            "ROLLBACK" if self.has("TO") => Some(unsupported("ROLLBACK TO SAVEPOINT is not supported")),
            "DEALLOCATE" if !self.has("ALL") => Some(unsupported("DEALLOCATE of one statement is not supported")),
            "SET" | "RESET" => self.setting(),
            "CREATE" => self.create(),
            "ALTER" if self.word(1) == "TABLE" => self.alter_table(),
            "GRANT" | "REVOKE" => self.privileges(),
            _ => None,
        }
    }

    /// GRANT and REVOKE know no databases, and leave system entities alone. That the schema `public`
    /// is one was measured on clusters (<https://github.com/aws-samples/aurora-dsql-samples/pull/1492>).
    /// Of the other schemas of the system no measurement is known.
    fn privileges(&self) -> Option<Refusal> {
        let on = self.find("ON")? + 1;
        if self.word(on) == "DATABASE" {
            return Some(unsupported("unsupported object type in GRANT"));
        }
        let objects = self.0.get(on..)?.split(|word| matches!(word.text.as_str(), "TO" | "FROM")).next()?;
        let name = |word: &Word| word.text.trim_matches('"').to_uppercase();
        let is_of_system = |word: &Word| SYSTEM_SCHEMAS.contains(&name(word).as_str());
        let refused = if self.word(on) == "SCHEMA" {
            objects.iter().any(|word| name(word) == "PUBLIC" || is_of_system(word))
        } else {
            objects.windows(2).any(|pair| pair[1].text == "." && is_of_system(&pair[0]))
        };
        refused.then(|| unsupported("feature not supported on system entity"))
    }

    fn transaction(&self) -> Option<Refusal> {
        if self.has("DEFERRABLE") {
            return Some(unsupported("DEFERRABLE transactions are not supported"));
        }
        let level = self.find("ISOLATION LEVEL")? + 2;
        (!self.is_at(level, "REPEATABLE READ")).then(|| {
            let text = "only the isolation level REPEATABLE READ is supported";
            unsupported(text)
        })
    }

    fn setting(&self) -> Option<Refusal> {
        let at = 1 + usize::from(matches!(self.word(1), "SESSION" | "LOCAL"));
        match self.word(at) {
            "TRANSACTION" | "CHARACTERISTICS" => Some(unsupported("SET TRANSACTION is not supported")),
            "CONSTRAINTS" => Some(unsupported("SET CONSTRAINTS is not supported")),
            "NAMES" | "ALL" | "TIME" => None,
            name if self.word(at + 1) == "." => parameter(&format!("{name}.{}", self.word(at + 2))),
            name => parameter(name.trim_matches('"')),
        }
    }

    fn create(&self) -> Option<Refusal> {
        if let Some(at) = self.index() {
            return self.create_index(at);
        }
        let at = if self.is_at(1, "OR REPLACE") { 3 } else { 1 };
        match self.word(at) {
            "PROCEDURE" | "TRIGGER" | "RULE" => Some(unsupported(format!("CREATE {} is not supported", self.word(at)))),
            "FUNCTION" => {
                let language = self.word(self.find("LANGUAGE")? + 1);
                (language != "SQL").then(|| unsupported(format!("LANGUAGE {language} is not supported").to_lowercase()))
            }
            "SEQUENCE" => self.cache("CREATE SEQUENCE"),
            "TEMP" | "TEMPORARY" | "UNLOGGED" | "GLOBAL" | "LOCAL" => {
                Some(unsupported("temporary and unlogged tables are not supported"))
            }
            "TABLE" => self.create_table(),
            _ => None,
        }
    }

    fn create_index(&self, at: usize) -> Option<Refusal> {
        let refusal = |text: &str| Some(unsupported(text));
        if self.has("CONCURRENTLY") {
            refusal("CONCURRENTLY not supported for CREATE INDEX")
        } else if self.has("USING") {
            refusal("USING not supported for CREATE INDEX")
        } else if self.has("ASC") || self.has("DESC") {
            refusal("ASC and DESC not supported for CREATE INDEX")
        } else if self.word(at) != "ASYNC" {
            refusal("unsupported mode. please use CREATE INDEX ASYNC.")
        } else {
            None
        }
    }

    fn create_table(&self) -> Option<Refusal> {
        let serial =
            ["SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL4", "SERIAL8"].into_iter().find(|word| self.has(word));
        if let Some(serial) = serial {
            return Some(unsupported(format!("type \"{}\" is not supported", serial.to_lowercase())));
        }
        if self.0.iter().any(|word| word.depth == 0 && word.text == "AS") {
            return Some(unsupported("CREATE TABLE AS is not supported"));
        }
        if self.has("PARTITION BY") || self.has("PARTITION OF") || self.has("INHERITS") {
            return Some(unsupported("table partitioning is not supported"));
        }
        if self.has("COLLATE") {
            return Some(unsupported("COLLATE clause not supported"));
        }
        if self.has("[") || self.has("ARRAY") {
            return Some(unsupported("columns of arrays are not supported"));
        }
        if self.has("AS IDENTITY") { self.cache("an identity column") } else { None }
    }

    /// A sequence has to declare how many numbers a session caches.
    fn cache(&self, what: &str) -> Option<Refusal> {
        let Some(at) = self.find("CACHE") else {
            return Some(unsupported(format!("{what} requires an explicit CACHE value")));
        };
        let numbers = self.word(at + 1).parse::<u64>().unwrap_or_default();
        (numbers != 1 && numbers < 65_536).then(|| unsupported("CACHE must be 1 or at least 65536"))
    }

    fn alter_table(&self) -> Option<Refusal> {
        if let Some(at) = self.find("ADD COLUMN") {
            let refused = ["DEFAULT", "NOT NULL", "CHECK", "UNIQUE", "PRIMARY", "REFERENCES", "CONSTRAINT", "COLLATE"];
            let rest = Statement(&self.0[at..]);
            let refused = refused.iter().any(|words| rest.has(words));
            return refused.then(|| unsupported("ALTER TABLE ADD COLUMN with constraint not supported"));
        }
        if self.has("SET NOT NULL") {
            return Some(unsupported("SET NOT NULL is not supported (only DROP NOT NULL)"));
        }
        if self.has("SET DATA TYPE") || self.find("ALTER COLUMN").is_some_and(|at| self.word(at + 3) == "TYPE") {
            return Some(unsupported("ALTER COLUMN TYPE is not supported"));
        }
        if self.has("ROW LEVEL SECURITY") {
            return Some(unsupported("ROW LEVEL SECURITY is not supported"));
        }
        let adds_key = self.has("ADD") && (self.has("PRIMARY KEY") || self.has("UNIQUE"));
        (adds_key && !self.has("USING INDEX")).then(|| unsupported("unsupported ALTER TABLE ADD CONSTRAINT statement"))
    }
}

fn unsupported(message: impl Into<String>) -> Refusal {
    Refusal { sqlstate: "0A000", message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(dialect: &mut Dialect, sql: &str) -> Option<String> {
        match dialect.judge(sql) {
            Verdict::Pass => None,
            Verdict::Job(instead) => Some(format!("-> {instead}")),
            Verdict::Refuse(refusal) => Some(refusal.message),
        }
    }

    #[test]
    fn what_dsql_understands_passes() {
        for sql in [
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "begin transaction isolation level repeatable read, read only",
            "START TRANSACTION READ ONLY",
            "SET search_path = s",
            "SET SESSION application_name = 'statement_timeout'",
            "SET enable_hashjoin TO off",
            "SET dsql.enable_batched_nestloop = on",
            "SET TIME ZONE 'UTC'",
            "RESET ALL",
            "DEALLOCATE ALL",
            "SELECT * FROM t WHERE id = $1 FOR UPDATE",
            "SELECT * FROM t FOR KEY SHARE",
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            "INSERT INTO t VALUES ('; SAVEPOINT a')",
            "CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY (CACHE 1) PRIMARY KEY, n int CHECK (n > 0))",
            "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a + 1) STORED)",
            "CREATE SEQUENCE s CACHE 65536",
            "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'SELECT 1'",
            "ALTER TABLE t ADD COLUMN c int",
            "ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i",
            "GRANT USAGE ON SCHEMA \"bank\" TO PUBLIC",
            "GRANT SELECT (\"sys\"), DELETE ON \"public\".\"a\" TO \"app\"",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO app",
            "GRANT USAGE ON SEQUENCE public.s TO app",
            "GRANT app TO admin",
            "ROLLBACK",
        ] {
            assert_eq!(said(&mut Dialect::default(), sql), None, "{sql}");
        }
    }

    #[test]
    fn what_it_does_not_is_refused_in_its_words() {
        for (sql, says) in [
            ("SET statement_timeout = 0", "setting configuration parameter \"statement_timeout\" not supported"),
            ("set local lock_timeout to '1s'", "setting configuration parameter \"lock_timeout\" not supported"),
            ("SET a.b = 1", "setting configuration parameter \"a.b\" not supported"),
            ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET TRANSACTION"),
            ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET TRANSACTION"),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE", "REPEATABLE READ"),
            ("START TRANSACTION ISOLATION LEVEL READ COMMITTED", "REPEATABLE READ"),
            ("/* x */ SAVEPOINT a", "SAVEPOINT"),
            ("RELEASE a", "SAVEPOINT"),
            ("ROLLBACK TO a", "SAVEPOINT"),
            ("SELECT 1; TRUNCATE t", "TRUNCATE"),
            ("SELECT * FROM t FOR SHARE", "locking clauses"),
            ("SELECT * FROM t FOR NO KEY UPDATE", "locking clauses"),
            ("CREATE INDEX i ON t (a)", "unsupported mode. please use CREATE INDEX ASYNC."),
            ("CREATE UNIQUE INDEX ASYNC i ON t (a DESC)", "DESC"),
            ("CREATE TEMP TABLE t (id int)", "temporary"),
            ("CREATE TABLE t AS SELECT 1", "CREATE TABLE AS"),
            ("CREATE TABLE t (id bigserial)", "bigserial"),
            ("CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY)", "CACHE"),
            ("CREATE SEQUENCE s", "CACHE"),
            ("CREATE SEQUENCE s CACHE 10", "CACHE"),
            ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ $$", "plpgsql"),
            ("ALTER TABLE t ADD COLUMN c int DEFAULT 0", "ADD COLUMN"),
            ("ALTER TABLE t ALTER COLUMN c TYPE text", "TYPE"),
            ("ALTER TABLE t ALTER COLUMN c SET NOT NULL", "NOT NULL"),
            ("ALTER TABLE t ADD PRIMARY KEY (a)", "ADD CONSTRAINT"),
            ("CREATE TABLE a (i int); CREATE TABLE b (i int)", "multiple ddl"),
            ("GRANT USAGE ON SCHEMA \"public\" TO app", "feature not supported on system entity"),
            ("grant usage on schema bank, public to app", "feature not supported on system entity"),
            ("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "feature not supported on system entity"),
            ("GRANT SELECT ON sys.jobs TO app", "feature not supported on system entity"),
            ("GRANT CONNECT ON DATABASE postgres TO app", "unsupported object type in GRANT"),
        ] {
            let said = said(&mut Dialect::default(), sql);
            assert!(said.as_ref().is_some_and(|said| said.contains(says)), "{sql}: {said:?}");
        }
    }

    #[test]
    fn an_index_is_built_in_the_background_and_alone() {
        let mut dialect = Dialect::default();
        let sql = "CREATE UNIQUE INDEX ASYNC IF NOT EXISTS i ON t (a)";
        assert_eq!(said(&mut dialect, sql).unwrap(), "-> CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)");
        assert!(said(&mut dialect, "SELECT 1; CREATE INDEX ASYNC i ON t (a)").is_some());
    }

    #[test]
    fn a_transaction_has_one_change_of_the_schema_and_nothing_beside_it() {
        let mut dialect = Dialect::default();
        for (sql, passes) in [
            ("BEGIN", true),
            ("CREATE TABLE a (i int)", true),
            ("CREATE TABLE b (i int)", false),
            ("INSERT INTO a VALUES (1)", false),
            ("ROLLBACK", true),
            ("BEGIN", true),
            ("INSERT INTO a VALUES (1)", true),
            ("DROP TABLE a", false),
            ("COMMIT", true),
            ("DROP TABLE a", true),
            ("DROP TABLE b", true),
        ] {
            assert_eq!(said(&mut dialect, sql).is_none(), passes, "{sql}");
        }
    }
}
