use std::fmt;
use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, SimpleQueryMessage};
use tracing::debug;

use crate::connect::connection::Connection;
use crate::statements::failure;

/// Polling interval for a job.
const LOOK: Duration = Duration::from_millis(500);

/// A step whose work is done in the background, which only DSQL does: an index that is built
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-create-index-async.html>), or a constraint
/// that is validated
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-foreign-key-constraints.html>).
///
/// The statement returns at once. A build of a unique index that finds two equal rows leaves an
/// invalid index, which still costs every later write. So the step is complete when its job has
/// completed and the object is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackgroundJob {
    object: Object,
    /// The byte range of the word ASYNC in the statement.
    word: (usize, usize),
}

/// What a job makes valid, by its name in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Object {
    Index(String),
    Constraint(String),
}

/// Why the work was not done.
pub(crate) enum Unbuilt {
    /// The server refused the statement.
    Refused(Error),
    /// The job failed; the text says why.
    Failed(String),
}

impl BackgroundJob {
    /// The job that this statement starts, if it is such a statement.
    pub(crate) fn of(sql: &str) -> Option<Self> {
        let mut words = Words(sql, 0);
        let first = words.next()?;
        let (object, marker) = match () {
            () if first.is("CREATE") => of_index(&mut words)?,
            () if first.is("ALTER") => of_constraint(&mut words)?,
            () => return None,
        };
        Some(Self { object, word: (marker.1, marker.1 + marker.0.len()) })
    }

    /// The statement in PostgreSQL's form, which does the work before it returns.
    pub(crate) fn at_once(&self, sql: &str) -> String {
        let (before, after) = (sql.get(..self.word.0), sql.get(self.word.1..));
        [before.unwrap_or_default(), after.unwrap_or_default()].concat()
    }

    /// Starts the work and waits for it. The caller enforces a deadline.
    pub(crate) async fn run(&self, sql: &str, connection: &Connection) -> Result<(), Unbuilt> {
        let answers = connection.client.simple_query(sql).await.map_err(Unbuilt::Refused)?;
        let job = answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        match job {
            // No job: there is nothing to do, but an earlier job may still be running.
            None => {
                while self.is_under_way(connection).await? {
                    sleep(LOOK).await;
                }
            }
            Some(job) => self.wait_for(&job, connection).await?,
        }
        match self.is_valid(connection).await? {
            Some(true) => Ok(()),
            Some(false) => Err(self.failed("is not valid")),
            None => Err(self.failed("is not there after its job")),
        }
    }

    async fn wait_for(&self, job: &str, connection: &Connection) -> Result<(), Unbuilt> {
        loop {
            let sql = "SELECT status, details FROM sys.jobs WHERE job_id = $1";
            let rows = connection.client.query_typed(sql, &[(&job, Type::TEXT)]).await.map_err(Unbuilt::Refused)?;
            // DSQL removes completed jobs from the list after a while.
            let Some(row) = rows.first() else { return Ok(()) };
            let status: String = row.try_get(0).map_err(Unbuilt::Refused)?;
            debug!(object = %self.object, job, status, "a job of the schema is under way");
            match status.as_str() {
                "completed" => return Ok(()),
                "failed" | "cancelled" => {
                    let details: Option<String> = row.try_get(1).map_err(Unbuilt::Refused)?;
                    let details = details.unwrap_or_else(|| "without a reason".to_owned());
                    return Err(self.failed(&format!("is not valid: its job {status}: {details}")));
                }
                _ => sleep(LOOK).await,
            }
        }
    }

    /// Whether another session may be at it now: it is not valid, and some job is running.
    async fn is_under_way(&self, connection: &Connection) -> Result<bool, Unbuilt> {
        if self.is_valid(connection).await? != Some(false) {
            return Ok(false);
        }
        let sql = "SELECT count(*) FROM sys.jobs WHERE status IN ('submitted', 'processing')";
        let rows = connection.client.query_typed(sql, &[]).await.map_err(Unbuilt::Refused)?;
        let count: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose().map_err(Unbuilt::Refused)?;
        Ok(count.is_some_and(|count| count > 0))
    }

    /// Whether the catalogue says that it is valid; `None` if it does not exist.
    async fn is_valid(&self, connection: &Connection) -> Result<Option<bool>, Unbuilt> {
        let (sql, name) = match &self.object {
            Object::Index(name) => (
                "SELECT bool_and(indisvalid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
                 WHERE relname = $1",
                name,
            ),
            Object::Constraint(name) => ("SELECT bool_and(convalidated) FROM pg_constraint WHERE conname = $1", name),
        };
        let rows = connection.client.query_typed(sql, &[(name, Type::TEXT)]).await.map_err(Unbuilt::Refused)?;
        rows.first().map_or(Ok(None), |row| row.try_get(0)).map_err(Unbuilt::Refused)
    }

    fn failed(&self, what: &str) -> Unbuilt {
        let help = match &self.object {
            Object::Index(name) => format!("drop it (DROP INDEX {name}) and apply again"),
            Object::Constraint(_) => "and apply again".to_owned(),
        };
        Unbuilt::Failed(format!("{} {what}; see to the rows that it cannot hold, {help}", self.object))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(name) => write!(f, "the index {name}"),
            Self::Constraint(name) => write!(f, "the constraint {name}"),
        }
    }
}

impl Unbuilt {
    /// The server's error, if there is one.
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Failed(_) => None,
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Refused(error) => failure::describe(error),
            Self::Failed(text) => text.clone(),
        }
    }
}

/// The rest of CREATE INDEX ASYNC: the index, and the word ASYNC.
fn of_index<'a>(words: &mut Words<'a>) -> Option<(Object, Word<'a>)> {
    let mut word = words.next()?;
    if word.is("UNIQUE") {
        word = words.next()?;
    }
    if !word.is("INDEX") {
        return None;
    }
    let marker = words.next().filter(|marker| marker.is("ASYNC"))?;
    let mut name = words.next()?;
    if name.is("IF") {
        name = words.nth(2)?;
    }
    // An index without a name cannot be looked up.
    if name.is("ON") {
        return None;
    }
    Some((Object::Index(name.identifier()?), marker))
}

/// The rest of ALTER TABLE ASYNC ... VALIDATE CONSTRAINT: the constraint, and the word ASYNC.
fn of_constraint<'a>(words: &mut Words<'a>) -> Option<(Object, Word<'a>)> {
    words.next().filter(|word| word.is("TABLE"))?;
    let marker = words.next().filter(|marker| marker.is("ASYNC"))?;
    // Else the table is called so.
    words.next().filter(|word| !word.is("VALIDATE"))?;
    words.find(|word| word.is("VALIDATE"))?;
    words.next().filter(|word| word.is("CONSTRAINT"))?;
    Some((Object::Constraint(words.next()?.identifier()?), marker))
}

/// A word, a quoted name or a sign, and its offset.
struct Word<'a>(&'a str, usize);

impl Word<'_> {
    fn is(&self, word: &str) -> bool {
        self.0.eq_ignore_ascii_case(word)
    }

    /// The name in the catalogue that it stands for.
    fn identifier(&self) -> Option<String> {
        match self.0.strip_prefix('"') {
            Some(quoted) => Some(quoted.strip_suffix('"')?.replace("\"\"", "\"")),
            None => Some(self.0.to_lowercase()),
        }
    }
}

/// The words of a statement, without its comments.
struct Words<'a>(&'a str, usize);

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let Self(sql, at) = self;
        loop {
            let rest = sql.get(*at..)?;
            let blank = rest.len() - rest.trim_start().len();
            let skip = match rest {
                _ if blank > 0 => blank,
                _ if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
                _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
                _ => break,
            };
            *at += skip;
        }
        let rest = sql.get(*at..)?;
        let first = rest.chars().next()?;
        let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            '"' => rest.get(1..)?.find('"').map(|end| end + 2)?,
            _ if is_of_word(first) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let word = Word(rest.get(..length)?, *at);
        *at += length;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_done_in_the_background_and_its_statement_without_that() {
        for (sql, object, at_once) in [
            ("CREATE INDEX ASYNC a ON t (x)", "index a", "CREATE INDEX  a ON t (x)"),
            (
                "create unique index async if not exists A_b on t (x)",
                "index a_b",
                "create unique index  if not exists A_b on t (x)",
            ),
            (
                "-- ASYNC\nCREATE /* one */ INDEX ASYNC \"Of T\" ON t (x)",
                "index Of T",
                "-- ASYNC\nCREATE /* one */ INDEX  \"Of T\" ON t (x)",
            ),
            (
                "ALTER TABLE ASYNC s.t VALIDATE CONSTRAINT T_Fkey",
                "constraint t_fkey",
                "ALTER TABLE  s.t VALIDATE CONSTRAINT T_Fkey",
            ),
        ] {
            let job = BackgroundJob::of(sql).unwrap();
            assert_eq!(
                (job.object.to_string(), job.at_once(sql)),
                (format!("the {object}"), at_once.to_owned()),
                "{sql}"
            );
        }
        for sql in [
            "CREATE INDEX a ON t (x)",
            "CREATE TABLE async (x int)",
            "CREATE INDEX ASYNC ON t (x)",
            "ALTER TABLE async VALIDATE CONSTRAINT c",
            "ALTER TABLE ASYNC t ADD COLUMN c int",
            "",
            "CREATE",
        ] {
            assert_eq!(BackgroundJob::of(sql), None, "{sql}");
        }
    }
}
