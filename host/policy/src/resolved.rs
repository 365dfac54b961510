use std::collections::{HashMap, HashSet};

use crate::Refusal;

/// The longest text that is sent, in bytes. Expanding `*` and qualifying columns makes it longer
/// than the original.
pub(crate) const LONGEST_SENT: usize = 256 << 10;

/// What the names of a statement refer to, by their places in its text. The check fills it and the
/// printer uses it.
#[derive(Debug, Default)]
pub(crate) struct Resolved<'t> {
    /// The names of columns.
    pub(crate) columns: HashMap<usize, Column<'t>>,
    /// The columns of each `*`.
    pub(crate) stars: HashMap<usize, Vec<(Option<&'t str>, &'t str)>>,
    /// The names of result columns that are neither written nor a column's own.
    pub(crate) labels: HashMap<usize, &'t str>,
    /// The columns of an INSERT that has no list of them, by the place of the table.
    pub(crate) inserted: HashMap<usize, Vec<&'t str>>,
    /// The types of strings with a word of the time that are not sent as `TEXT`.
    pub(crate) strings: HashMap<usize, &'static str>,
    /// Names of queries of a WITH, which are not tables.
    pub(crate) of_with: HashSet<usize>,
    written: usize,
}

/// How the name of a column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column<'t> {
    /// With its relation.
    Of(&'t str),
    /// Without one: a column merged by USING, or a result column in ORDER BY.
    Alone,
    /// As the number of a result column.
    Number(usize),
}

impl<'t> Resolved<'t> {
    /// Sets how the column's name at this place is written.
    pub(crate) fn column(&mut self, at: usize, column: Column<'t>) -> Result<(), Refusal> {
        self.columns.insert(at, column);
        match column {
            Column::Of(relation) => self.write(at, relation.len()),
            Column::Alone | Column::Number(_) => Ok(()),
        }
    }

    /// Adds one column to the expansion of the `*` at this place.
    pub(crate) fn star(&mut self, at: usize, relation: Option<&'t str>, column: &'t str) -> Result<(), Refusal> {
        self.stars.entry(at).or_default().push((relation, column));
        self.write(at, relation.map_or(0, str::len) + column.len())
    }

    /// Counts the bytes that are added to the original.
    fn write(&mut self, at: usize, bytes: usize) -> Result<(), Refusal> {
        self.written += bytes;
        if self.written > LONGEST_SENT {
            return Err(too_long(at));
        }
        Ok(())
    }
}

/// The refusal of a text that would become too long.
pub(crate) fn too_long(at: usize) -> Refusal {
    let what = format!("with its columns written out it has more than {LONGEST_SENT} bytes, which are the most");
    Refusal::not_understood(at, what)
}
