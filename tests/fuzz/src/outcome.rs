//! The outcome of a statement.

use tenet_core::{SqlError, SqlState};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::ErrorPosition;

/// The outcome of a statement, as far as a rule sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Rows {
        columns: Vec<String>,
        rows: Vec<Vec<Option<String>>>,
        affected: u64,
    },
    Error(Box<SqlError>),
    /// An outcome that cannot be compared with another.
    Unsteady(String),
}

impl Outcome {
    /// The outcome of a statement that begins after so many characters of the sent text.
    pub(crate) fn of(answer: Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>, offset: usize) -> Self {
        match answer {
            Ok(messages) => {
                let mut result = Rows::default();
                messages.into_iter().for_each(|message| result.add(message));
                result.outcome()
            }
            Err(error) => match sql_error(&error, offset as u32) {
                // Too long, too large or too deep: the exact limit does not depend on the rows.
                Some(error) if ["57", "53", "54", "40", "55"].contains(&error.sqlstate.class()) => {
                    Self::Unsteady(error.sqlstate.to_string())
                }
                Some(error) => Self::Error(Box::new(error)),
                None => Self::Unsteady(error.to_string()),
            },
        }
    }

    /// The outcomes of several statements in one text.
    pub(crate) fn of_each(messages: Vec<SimpleQueryMessage>) -> Vec<Self> {
        let (mut outcomes, mut result) = (Vec::new(), Rows::default());
        for message in messages {
            let is_last = matches!(message, SimpleQueryMessage::CommandComplete(_));
            result.add(message);
            if is_last {
                outcomes.push(std::mem::take(&mut result).outcome());
            }
        }
        outcomes
    }

    /// The columns of the first row.
    pub(crate) fn first_row(self) -> Vec<Option<String>> {
        match self {
            Self::Rows { rows, .. } => rows.into_iter().next().unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn is_rows(&self) -> bool {
        matches!(self, Self::Rows { .. })
    }

    pub(crate) fn is_steady(&self) -> bool {
        !matches!(self, Self::Unsteady(_))
    }

    /// Whether the statement exceeds PostgreSQL's stack.
    pub(crate) fn is_too_deep(&self) -> bool {
        matches!(self, Self::Unsteady(state) if state == "54001")
    }

    pub(crate) fn state(&self) -> Option<&str> {
        match self {
            Self::Error(error) => Some(error.sqlstate.as_str()),
            _ => None,
        }
    }

    /// Everything that a rule sees of it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Rows { rows, columns, .. } => {
                let mut text = columns.join(" ");
                for cell in rows.iter().flatten().flatten() {
                    text.push(' ');
                    text.push_str(cell);
                }
                text
            }
            Self::Error(error) => format!(
                "{} {:?} {:?} {:?} {:?}",
                error.message, error.constraint, error.table, error.column, error.details
            ),
            Self::Unsteady(_) => String::new(),
        }
    }

    /// Whether a statement ran, and the shape of its error.
    pub(crate) fn told_apart(&self) -> (bool, String) {
        match self {
            Self::Rows { .. } => (true, String::new()),
            Self::Error(error) => (false, format!("{} {}", error.sqlstate, shape(&error.message))),
            Self::Unsteady(state) => (false, state.clone()),
        }
    }
}

/// A result while it is received.
#[derive(Default)]
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
    affected: u64,
}

impl Rows {
    fn add(&mut self, message: SimpleQueryMessage) {
        match message {
            SimpleQueryMessage::RowDescription(description) => {
                self.columns.extend(description.iter().map(|column| column.name().to_owned()));
            }
            SimpleQueryMessage::Row(row) => {
                self.rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
            }
            SimpleQueryMessage::CommandComplete(count) => self.affected += count,
            _ => {}
        }
    }

    fn outcome(self) -> Outcome {
        let Self { columns, rows, affected } = self;
        Outcome::Rows { columns, rows, affected }
    }
}

pub(crate) fn in_one(messages: Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>) -> Vec<Vec<Option<String>>> {
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            let row: tokio_postgres::SimpleQueryRow = row;
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    };
    messages.map(|messages| messages.into_iter().filter_map(row).collect()).unwrap_or_default()
}

/// The error of the database, as the host reads it.
fn sql_error(error: &tokio_postgres::Error, offset: u32) -> Option<SqlError> {
    let db = error.as_db_error()?;
    let mut error = SqlError::new(SqlState::new(db.code().code())?, db.message());
    error.constraint = db.constraint().map(str::to_owned);
    error.table = db.table().map(str::to_owned);
    error.column = db.column().map(str::to_owned);
    let position = match db.position() {
        Some(ErrorPosition::Original(position)) => Some((position.saturating_sub(offset)).to_string()),
        _ => None,
    };
    let details = [("detail", db.detail()), ("hint", db.hint()), ("position", position.as_deref())];
    error.details =
        details.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    Some(error)
}

/// A message without its quoted parts and numbers.
fn shape(message: &str) -> String {
    let mut shape = String::new();
    let mut quoted = false;
    for c in message.chars() {
        if c == '"' {
            quoted = !quoted;
        } else if !quoted && !c.is_ascii_digit() {
            shape.push(c);
        }
    }
    shape.chars().take(60).collect()
}

pub(crate) fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

pub(crate) fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Rows { columns, rows, affected } => {
            let rows: Vec<String> = rows
                .iter()
                .map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join("|"))
                .collect();
            short(&format!("[{}] {affected}: {}", columns.join("|"), rows.join(" / ")))
        }
        Outcome::Error(error) => short(&format!(
            "{} {} {:?} {:?} {:?}",
            error.sqlstate, error.message, error.constraint, error.column, error.details
        )),
        Outcome::Unsteady(why) => why.clone(),
    }
}
