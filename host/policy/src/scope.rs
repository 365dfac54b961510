//! What names refer to at a place of a statement, by PostgreSQL's rules
//! (`src/backend/parser/parse_relation.c`). The time of a look-up depends on the depth of the
//! statement, not on its length.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::iter;
use std::rc::Rc;
use std::sync::LazyLock;

use tenet_core::{CatalogTable, TableGrant};

use crate::kind::Kind;
use crate::tree::Name;
use crate::untyped::Open;
use crate::{Refusal, steps, words};

/// The most columns of one result, as in PostgreSQL
/// (<https://www.postgresql.org/docs/16/limits.html>).
pub(crate) const MOST_COLUMNS: usize = 1664;

/// The names of the columns of VALUES.
static OF_VALUES: LazyLock<Vec<String>> =
    LazyLock::new(|| (1..=MOST_COLUMNS).map(|number| format!("column{number}")).collect());

/// Functions that return rows whose columns have fixed names, and these names.
const ROWS_OF: &[(&str, &[&str])] = &[
    ("json_array_elements", &["value"]),
    ("json_array_elements_text", &["value"]),
    ("json_each", &["key", "value"]),
    ("json_each_text", &["key", "value"]),
    ("jsonb_array_elements", &["value"]),
    ("jsonb_array_elements_text", &["value"]),
    ("jsonb_each", &["key", "value"]),
    ("jsonb_each_text", &["key", "value"]),
];

/// The names of the columns of rows, in order, and what is known of their types.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names<'t>(Rc<Listed<'t>>);

#[derive(Debug, Default)]
struct Listed<'t> {
    list: Vec<&'t str>,
    kinds: Vec<Kind>,
    /// The columns that are strings whose type may depend on the query around, by their numbers.
    open: Vec<(usize, Open)>,
    /// For each name the first column that has it, and whether there are two.
    index: OnceCell<HashMap<&'t str, (usize, bool)>>,
}

impl<'t> Names<'t> {
    pub(crate) fn new(columns: impl IntoIterator<Item = (&'t str, Kind)>) -> Self {
        // A parameter that is a result column is not written where it is used any more.
        let (list, kinds): (Vec<_>, _) = columns.into_iter().map(|(name, kind)| (name, kind.computed())).unzip();
        steps::add(list.len());
        Self(Rc::new(Listed { list, kinds, ..Listed::default() }))
    }

    /// With the columns, by their numbers, that are strings whose type may depend on the query
    /// around.
    pub(crate) fn with_open(self, open: Vec<(usize, Open)>) -> Self {
        if open.is_empty() {
            return self;
        }
        let (list, kinds) = self.columns().unzip();
        Self(Rc::new(Listed { list, kinds, open, ..Listed::default() }))
    }

    /// The columns that are strings whose type may depend on the query around, by their numbers.
    pub(crate) fn open(&self) -> &[(usize, Open)] {
        &self.0.open
    }

    /// The columns of VALUES with these kinds.
    pub(crate) fn of_values(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self::new(OF_VALUES.iter().map(String::as_str).zip(kinds))
    }

    /// The columns of a function in FROM, whose rows have this name.
    pub(crate) fn of_function(function: &str, name: &'t str, kind: Kind, ordinality: bool) -> Self {
        let own = ROWS_OF.iter().find(|(known, _)| *known == function).map(|(_, columns)| *columns);
        let list = own.map_or_else(|| vec![name], <[_]>::to_vec);
        let number = ordinality.then_some(("ordinality", Kind::Scalar));
        Self::new(list.into_iter().map(|name| (name, kind)).chain(number))
    }

    /// The columns of both, with the names of the first.
    pub(crate) fn united(self, other: &Self) -> Self {
        let columns = self.columns().enumerate();
        Self::new(columns.map(|(number, (name, kind))| (name, Kind::of_one_of([kind, other.kind(number)]))))
    }

    /// The columns of a query of a WITH RECURSIVE as the query itself sees them: a string in its
    /// first part may be any text in the others.
    pub(crate) fn begun(self) -> Self {
        let or_text = |kind: Kind| if kind.is_no_text() { kind } else { Kind::Text };
        Self::new(self.columns().map(|(name, kind)| (name, or_text(kind))))
    }

    fn columns(&self) -> impl Iterator<Item = (&'t str, Kind)> {
        self.0.list.iter().copied().zip(self.0.kinds.iter().copied())
    }

    /// The kind of the column with this number.
    pub(crate) fn kind(&self, number: usize) -> Kind {
        self.0.kinds.get(number).copied().unwrap_or_default()
    }

    /// With other names for the first columns.
    pub(crate) fn renamed(self, others: &'t [Name]) -> Result<Self, Refusal> {
        let Some(first) = others.first() else { return Ok(self) };
        if others.len() > self.list().len() {
            let what = format!("there are {} names for {} columns", others.len(), self.list().len());
            return Err(Refusal::not_understood(first.at, what));
        }
        let names = others.iter().map(|name| Some(name.text.as_str())).chain(iter::repeat(None));
        Ok(Self::new(names.zip(self.columns()).map(|(other, (name, kind))| (other.unwrap_or(name), kind))))
    }

    pub(crate) fn list(&self) -> &[&'t str] {
        &self.0.list
    }

    /// Whether two columns have this name; `None` if no column has it.
    pub(crate) fn find(&self, name: &str) -> Option<bool> {
        steps::add(1);
        self.index().get(name).map(|(_, is_doubled)| *is_doubled)
    }

    /// The kind of the column with this name, and whether two have the name.
    pub(crate) fn kind_of(&self, name: &str) -> Option<(Kind, bool)> {
        steps::add(1);
        self.index().get(name).map(|(position, is_doubled)| (self.kind(*position), *is_doubled))
    }

    /// The number of the first column with this name, from 0.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        steps::add(1);
        self.index().get(name).map(|(position, _)| *position)
    }

    fn index(&self) -> &HashMap<&'t str, (usize, bool)> {
        self.0.index.get_or_init(|| {
            let mut index = HashMap::with_capacity(self.0.list.len());
            steps::add(self.0.list.len());
            for (position, name) in self.0.list.iter().enumerate() {
                index.entry(*name).and_modify(|(_, is_doubled)| *is_doubled = true).or_insert((position, false));
            }
            index
        })
    }
}

/// A granted table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'t> {
    /// The name under which it is granted.
    pub(crate) name: &'t str,
    pub(crate) grant: &'t TableGrant,
    pub(crate) known: &'t CatalogTable,
}

impl<'t> Table<'t> {
    /// All of its columns.
    pub(crate) fn columns(&self) -> Names<'t> {
        Names::new(self.known.columns.iter().map(|column| (column.name.as_str(), Kind::of_column(&column.kind))))
    }
}

/// The rows that a name refers to.
#[derive(Clone, Debug)]
pub(crate) struct Relation<'t> {
    /// `None` for rows whose columns have no qualifier.
    pub(crate) name: Option<&'t str>,
    /// `None` for those of a query or a function, which were already checked.
    pub(crate) table: Option<Table<'t>>,
    pub(crate) columns: Names<'t>,
}

impl<'t> Relation<'t> {
    /// The kind of a column.
    pub(crate) fn kind(&self, column: &str) -> Kind {
        self.columns.kind_of(column).map_or(Kind::Text, |(kind, _)| kind)
    }

    /// The type of a column, if it is a table's.
    pub(crate) fn kind_of(&self, column: &str) -> Option<&'t str> {
        let position = self.columns.position(column)?;
        self.table?.known.columns.get(position).map(|column| column.kind.as_str())
    }
}

/// The relations of one FROM, or of its part that was checked so far.
#[derive(Debug, Default)]
pub(crate) struct Level<'t> {
    relations: Vec<Relation<'t>>,
    by_name: HashMap<&'t str, usize>,
    /// What each column name refers to without a qualifier, from the left.
    visible: HashMap<&'t str, Vec<Visible>>,
    /// What `*` refers to, from the left.
    parts: Vec<Part>,
    /// The names of the columns merged by each USING.
    merged: Vec<Vec<&'t str>>,
    /// Columns that USING has merged with another's.
    hidden: HashSet<(Part, &'t str)>,
    /// Whether a query is among them.
    pub(crate) has_query: bool,
}

#[derive(Clone, Copy, Debug)]
struct Visible {
    /// The relation that has the column, or the first of the joined ones.
    first: usize,
    of: Part,
}

/// The owner of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Relation(usize),
    /// A column merged by a USING.
    Merged(usize),
}

/// What a name without a qualifier refers to in a level.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a, 't> {
    Column(&'a Relation<'t>),
    /// A column that USING has merged from two.
    Merged,
    /// Two unrelated columns.
    Two,
}

impl<'t> Level<'t> {
    pub(crate) fn len(&self) -> usize {
        self.relations.len()
    }

    /// The number of parts of `*`. Parts added later come after these.
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Adds the next relation to the right. `at` is the place of its name.
    pub(crate) fn add(&mut self, relation: Relation<'t>, at: usize) -> Result<(), Refusal> {
        let number = self.relations.len();
        if let Some(name) = relation.name
            && self.by_name.insert(name, number).is_some()
        {
            let what = format!("{name} stands for two here: give one another name with AS");
            return Err(Refusal::not_understood(at, what));
        }
        steps::add(relation.columns.list().len());
        for name in relation.columns.list() {
            self.visible.entry(name).or_default().push(Visible { first: number, of: Part::Relation(number) });
        }
        self.relations.push(relation);
        self.parts.push(Part::Relation(number));
        Ok(())
    }

    /// Merges the columns with these names of the relations from `start` and of those from
    /// `middle`. The merged columns come first in the `*` parts from `part` on.
    pub(crate) fn merge(&mut self, using: &'t [Name], start: usize, middle: usize, part: usize) -> Result<(), Refusal> {
        let merged = Part::Merged(self.merged.len());
        for Name { text, at } in using {
            let visible = self.visible.get_mut(text.as_str());
            let visible = visible.map(Vec::as_mut_slice).unwrap_or_default();
            let sides = [start..middle, middle..self.relations.len()];
            let counted = sides.clone().map(|side| visible.iter().filter(|one| side.contains(&one.first)).count());
            if counted != [1, 1] {
                let what = match counted.contains(&0) {
                    true => format!("USING takes a column of both sides, and {text} is one of not both"),
                    false => format!("on one side there are two columns {text}"),
                };
                return Err(Refusal::not_understood(*at, what));
            }
            steps::add(visible.len());
            self.hidden.extend(visible.iter().filter(|one| one.first >= start).map(|one| (one.of, text.as_str())));
            if let Some(visible) = self.visible.get_mut(text.as_str()) {
                visible.retain(|one| one.first < start);
                visible.push(Visible { first: start, of: merged });
            }
        }
        self.merged.push(using.iter().map(|name| name.text.as_str()).collect());
        self.parts.insert(part, merged);
        Ok(())
    }

    /// The kind of a column that USING has merged from those with this name.
    pub(crate) fn kind_of_merged(&self, name: &str) -> Kind {
        let having = self.relations.iter().filter(|relation| relation.columns.find(name).is_some());
        Kind::of_one_of(having.map(|relation| relation.kind(name)))
    }

    /// All relations, from the left.
    pub(crate) fn relations(&self) -> &[Relation<'t>] {
        &self.relations
    }

    /// The relation with this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Relation<'t>> {
        self.by_name.get(name).and_then(|at| self.relations.get(*at))
    }

    /// The columns of `*`, each with its relation, or `None` if USING has merged it.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Option<&Relation<'t>>, &'t str)> {
        self.parts.iter().flat_map(move |part| {
            let (relation, names) = match part {
                Part::Relation(number) => {
                    let relation = self.relations.get(*number);
                    (relation, relation.map(|relation| relation.columns.list()))
                }
                Part::Merged(number) => (None, self.merged.get(*number).map(Vec::as_slice)),
            };
            let names = names.unwrap_or_default().iter();
            names.filter(|name| !self.hidden.contains(&(*part, **name))).map(move |name| (relation, *name))
        })
    }
}

/// What names can refer to at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a, 't> {
    pub(crate) level: &'a Level<'t>,
    /// The first relation of the level that is visible from here.
    pub(crate) from: usize,
    pub(crate) outer: Option<&'a Scope<'a, 't>>,
    pub(crate) with: &'a Tables<'a, 't>,
}

impl<'a, 't> Scope<'a, 't> {
    /// This scope and all outer ones.
    pub(crate) fn outwards(&'a self) -> impl Iterator<Item = &'a Scope<'a, 't>> {
        iter::successors(Some(self), |scope| scope.outer).inspect(|_| steps::add(1))
    }

    /// The inner scope with the relations of a level from `from` on.
    pub(crate) fn within<'b>(&'b self, level: &'b Level<'t>, from: usize) -> Scope<'b, 't> {
        Scope { level, from, outer: Some(self), with: self.with }
    }

    /// The relation of this level that a name before a dot refers to.
    pub(crate) fn relation(&self, name: &str) -> Option<&'a Relation<'t>> {
        let number = self.level.by_name.get(name).filter(|number| **number >= self.from)?;
        self.level.relations.get(*number)
    }

    /// What a column name without a qualifier refers to in this level.
    pub(crate) fn column(&self, name: &str) -> Option<Found<'a, 't>> {
        let visible = self.level.visible.get(name)?;
        let mut seen = visible.iter().rev().take_while(|one| one.first >= self.from);
        let one = seen.next()?;
        if seen.next().is_some() {
            return Some(Found::Two);
        }
        match one.of {
            Part::Merged(_) => Some(Found::Merged),
            Part::Relation(number) => self.level.relations.get(number).map(Found::Column),
        }
    }

    /// Whether the name is a system column of PostgreSQL's, and this level has a table.
    pub(crate) fn is_of_the_system(&self, name: &str) -> bool {
        let mut relations = self.level.relations.iter().skip(self.from);
        words::is_system_column(name) && relations.any(|relation| relation.table.is_some())
    }

    /// Whether a relation of this level has a column with this name.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.column(name).is_some() || self.is_of_the_system(name)
    }
}

/// The queries named by WITH.
#[derive(Debug, Default)]
pub(crate) struct Tables<'a, 't> {
    /// The names of their columns; `None` while these are unknown.
    named: RefCell<HashMap<&'t str, Option<Names<'t>>>>,
    outer: Option<&'a Tables<'a, 't>>,
}

impl<'a, 't> Tables<'a, 't> {
    pub(crate) fn within(outer: &'a Tables<'a, 't>) -> Self {
        Self { named: RefCell::default(), outer: Some(outer) }
    }

    /// Sets the columns of the name, or that they are not known yet.
    pub(crate) fn set(&self, name: &'t str, columns: Option<Names<'t>>) {
        self.named.borrow_mut().insert(name, columns);
    }

    /// The columns of the query with this name, if there is one; the inner `None` if they are not
    /// known yet.
    pub(crate) fn find(&self, name: &str) -> Option<Option<Names<'t>>> {
        iter::successors(Some(self), |tables| tables.outer)
            .inspect(|_| steps::add(1))
            .find_map(|tables| tables.named.borrow().get(name).cloned())
    }
}
