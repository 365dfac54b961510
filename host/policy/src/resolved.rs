use std::collections::{HashMap, HashSet};

use crate::Refusal;

/// The longest text that is sent, in bytes. What is written out of a `*`, and the relation before
/// each column, makes it longer than what was read.
pub(crate) const LONGEST_SENT: usize = 256 << 10;

/// What the names of a statement stand for, by the places in its text where they stand: what the
/// check has found and the printer writes.
#[derive(Debug, Default)]
pub(crate) struct Resolved<'t> {
    /// Each name of a column.
    pub(crate) columns: HashMap<usize, Column<'t>>,
    /// The columns that a `*` stands for.
    pub(crate) stars: HashMap<usize, Vec<(Option<&'t str>, &'t str)>>,
    /// The names of what comes out, where they are neither written nor a column's own.
    pub(crate) labels: HashMap<usize, &'t str>,
    /// The columns of an INSERT that has no list of them, by the place of the table.
    pub(crate) inserted: HashMap<usize, Vec<&'t str>>,
    /// Names that are those of queries of a WITH, and of no table.
    pub(crate) of_with: HashSet<usize>,
    written: usize,
}

/// How the name of a column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column<'t> {
    /// Behind its relation.
    Of(&'t str),
    /// Without one: what USING has made, and what comes out in ORDER BY.
    Alone,
    /// As the number of what comes out.
    Number(usize),
}

impl<'t> Resolved<'t> {
    /// Has the name of a column that stands here be written so.
    pub(crate) fn column(&mut self, at: usize, column: Column<'t>) -> Result<(), Refusal> {
        self.columns.insert(at, column);
        match column {
            Column::Of(relation) => self.write(at, relation.len()),
            Column::Alone | Column::Number(_) => Ok(()),
        }
    }

    /// Has the `*` that stands here be written out with one column more.
    pub(crate) fn star(&mut self, at: usize, relation: Option<&'t str>, column: &'t str) -> Result<(), Refusal> {
        self.stars.entry(at).or_default().push((relation, column));
        self.write(at, relation.map_or(0, str::len) + column.len())
    }

    /// Counts what is written beyond what was read.
    fn write(&mut self, at: usize, bytes: usize) -> Result<(), Refusal> {
        self.written += bytes;
        if self.written > LONGEST_SENT {
            return Err(too_long(at));
        }
        Ok(())
    }
}

/// The refusal of what would be sent as too long a text.
pub(crate) fn too_long(at: usize) -> Refusal {
    let what = format!("with its columns written out it has more than {LONGEST_SENT} bytes, which are the most");
    Refusal::not_understood(at, what)
}
