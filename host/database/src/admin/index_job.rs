use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, SimpleQueryMessage};
use tracing::debug;

use crate::connect::connection::Connection;
use crate::statements::failure;

/// Polling interval for a job.
const LOOK: Duration = Duration::from_millis(500);

/// A step that builds an index in the background, which only DSQL does
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-create-index-async.html>).
///
/// The statement returns at once. A build of a unique index that finds two equal rows leaves an
/// invalid index, which still costs every later write. So the step is complete when its job has
/// completed and the index is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexJob {
    /// The index's name, as in the catalogue.
    index: String,
    /// The byte range of the word ASYNC in the statement.
    word: (usize, usize),
}

/// Why an index was not built.
pub(crate) enum Unbuilt {
    /// The server refused the statement.
    Refused(Error),
    /// The build failed; the text says why.
    Failed(String),
}

impl IndexJob {
    /// The index that this statement builds in the background, if it is such a statement.
    pub(crate) fn of(sql: &str) -> Option<Self> {
        let mut words = Words(sql, 0);
        let mut next = || words.next();
        if !next()?.is("CREATE") {
            return None;
        }
        let mut word = next()?;
        if word.is("UNIQUE") {
            word = next()?;
        }
        if !word.is("INDEX") {
            return None;
        }
        let marker = next()?;
        if !marker.is("ASYNC") {
            return None;
        }
        let mut name = next()?;
        if name.is("IF") {
            next()?;
            next()?;
            name = next()?;
        }
        // An index without a name cannot be looked up.
        let index = match name.0.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?.replace("\"\"", "\""),
            None if name.is("ON") => return None,
            None => name.0.to_lowercase(),
        };
        Some(Self { index, word: (marker.1, marker.1 + marker.0.len()) })
    }

    /// The statement in PostgreSQL's form, which builds the index before it returns.
    pub(crate) fn at_once(&self, sql: &str) -> String {
        let (before, after) = (sql.get(..self.word.0), sql.get(self.word.1..));
        [before.unwrap_or_default(), after.unwrap_or_default()].concat()
    }

    /// Starts the build and waits for it. The caller enforces a deadline.
    pub(crate) async fn run(&self, sql: &str, connection: &Connection) -> Result<(), Unbuilt> {
        let answers = connection.client.simple_query(sql).await.map_err(Unbuilt::Refused)?;
        let job = answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        match job {
            // No job: the index already exists, but its build may still be running.
            None => {
                while self.is_building(connection).await? {
                    sleep(LOOK).await;
                }
            }
            Some(job) => self.wait_for(&job, connection).await?,
        }
        match self.is_valid(connection).await? {
            Some(true) => Ok(()),
            Some(false) => Err(self.failed("is not valid")),
            None => Err(self.failed("is not there after its build")),
        }
    }

    async fn wait_for(&self, job: &str, connection: &Connection) -> Result<(), Unbuilt> {
        loop {
            let sql = "SELECT status, details FROM sys.jobs WHERE job_id = $1";
            let rows = connection.client.query_typed(sql, &[(&job, Type::TEXT)]).await.map_err(Unbuilt::Refused)?;
            // DSQL removes completed jobs from the list after a while.
            let Some(row) = rows.first() else { return Ok(()) };
            let status: String = row.try_get(0).map_err(Unbuilt::Refused)?;
            debug!(index = self.index, job, status, "index is built");
            match status.as_str() {
                "completed" => return Ok(()),
                "failed" | "cancelled" => {
                    let details: Option<String> = row.try_get(1).map_err(Unbuilt::Refused)?;
                    let details = details.unwrap_or_else(|| "without a reason".to_owned());
                    return Err(self.failed(&format!("could not be built: its job {status}: {details}")));
                }
                _ => sleep(LOOK).await,
            }
        }
    }

    /// Whether another session may be building it now: it is not valid, and some job is running.
    async fn is_building(&self, connection: &Connection) -> Result<bool, Unbuilt> {
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
        let sql =
            "SELECT bool_and(indisvalid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname = $1";
        let rows = connection.client.query_typed(sql, &[(&self.index, Type::TEXT)]).await.map_err(Unbuilt::Refused)?;
        rows.first().map_or(Ok(None), |row| row.try_get(0)).map_err(Unbuilt::Refused)
    }

    fn failed(&self, what: &str) -> Unbuilt {
        let Self { index, .. } = self;
        Unbuilt::Failed(format!(
            "the index {index} {what}; see to the rows that it cannot hold, drop it (DROP INDEX {index}) and apply again"
        ))
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

/// A word, a quoted name or a sign, and its offset.
struct Word<'a>(&'a str, usize);

impl Word<'_> {
    fn is(&self, word: &str) -> bool {
        self.0.eq_ignore_ascii_case(word)
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
    fn knows_an_index_that_is_built_in_the_background_and_its_statement_without_that() {
        for (sql, index, at_once) in [
            ("CREATE INDEX ASYNC a ON t (x)", "a", "CREATE INDEX  a ON t (x)"),
            (
                "create unique index async if not exists A_b on t (x)",
                "a_b",
                "create unique index  if not exists A_b on t (x)",
            ),
            (
                "-- ASYNC\nCREATE /* one */ INDEX ASYNC \"Of T\" ON t (x)",
                "Of T",
                "-- ASYNC\nCREATE /* one */ INDEX  \"Of T\" ON t (x)",
            ),
        ] {
            let job = IndexJob::of(sql).unwrap();
            assert_eq!((job.index.as_str(), job.at_once(sql).as_str()), (index, at_once), "{sql}");
        }
        for sql in
            ["CREATE INDEX a ON t (x)", "CREATE TABLE async (x int)", "CREATE INDEX ASYNC ON t (x)", "", "CREATE"]
        {
            assert_eq!(IndexJob::of(sql), None, "{sql}");
        }
    }
}
