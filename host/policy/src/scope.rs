//! What names stand for in a place of a statement, so that each look-up takes as long as the
//! statement is deep and not as it is long.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::iter;
use std::rc::Rc;

use tenet_core::TableGrant;

use crate::tree::{Body, Expression, Item, Name, Statement, WithTable};
use crate::{Refusal, steps};

/// The names of the columns of rows, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names<'t> {
    list: Rc<Vec<Cow<'t, str>>>,
    /// Whether there are no other columns.
    pub(crate) is_complete: bool,
    /// Whether they are listed in the order of the columns.
    pub(crate) is_in_order: bool,
}

/// Functions that give rows whose columns have names of their own, and these names.
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

impl<'t> Names<'t> {
    /// Of no columns yet.
    pub(crate) fn none() -> Self {
        Self { list: Rc::default(), is_complete: true, is_in_order: true }
    }

    /// Of the rows of VALUES.
    pub(crate) fn of_values(rows: &[Vec<Expression>]) -> Self {
        let columns = rows.first().map_or(0, Vec::len);
        let list = (1..=columns).map(|number| Cow::Owned(format!("column{number}"))).collect();
        Self { list: Rc::new(list), ..Self::none() }
    }

    /// Of what a function in FROM gives, under the name that its rows have.
    pub(crate) fn of_function(function: &str, name: &'t Name, ordinality: bool) -> Self {
        let mut names = Self::none();
        match ROWS_OF.iter().find(|(known, _)| *known == function) {
            Some((_, columns)) => columns.iter().for_each(|column| names.add(Some(column))),
            None => names.add(Some(&name.text)),
        }
        if ordinality {
            names.add(Some("ordinality"));
        }
        names
    }

    /// Of a query of a WITH, before it has been checked.
    pub(crate) fn of_with(table: &'t WithTable) -> Self {
        let mut names = Self::none();
        let items = match &table.statement {
            Statement::Query(query) => {
                let mut body = &query.body;
                loop {
                    match body {
                        Body::Select(select) => break select.items.as_slice(),
                        Body::Query(query) => body = &query.body,
                        Body::Set(arms) => match arms.first() {
                            Some(first) => body = &first.body,
                            None => break &[],
                        },
                        Body::Values(rows) => return Self::of_values(rows).renamed(&table.columns),
                    }
                }
            }
            Statement::Insert(insert) => &insert.returning,
            Statement::Update(update) => &update.returning,
            Statement::Delete(delete) => &delete.returning,
        };
        for item in items {
            match item {
                Item::All { .. } => (names.is_complete, names.is_in_order) = (false, false),
                Item::One { .. } => names.add(item.label()),
            }
        }
        names.renamed(&table.columns)
    }

    /// One column more, whose name may not be known.
    pub(crate) fn add(&mut self, name: Option<&'t str>) {
        match name {
            Some(name) => Rc::make_mut(&mut self.list).push(Cow::Borrowed(name)),
            None => (self.is_complete, self.is_in_order) = (false, false),
        }
    }

    /// More columns.
    pub(crate) fn extend(&mut self, more: &Self) {
        steps::add(more.list.len());
        Rc::make_mut(&mut self.list).extend(more.list.iter().cloned());
        self.is_complete &= more.is_complete;
        self.is_in_order &= more.is_in_order;
    }

    /// With other names for the first of the columns.
    pub(crate) fn renamed(self, others: &'t [Name]) -> Self {
        if others.is_empty() {
            return self;
        }
        let is_known = self.is_complete && self.is_in_order;
        // Which of them goes by its own name still is not known where their order is not.
        let rest = if is_known { self.list.get(others.len()..).unwrap_or_default() } else { &[] };
        steps::add(others.len() + rest.len());
        let list = others.iter().map(|name| Cow::Borrowed(name.text.as_str())).chain(rest.iter().cloned()).collect();
        Self { list: Rc::new(list), is_complete: is_known, is_in_order: is_known }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Those that are known, to look more than one up.
    pub(crate) fn known(&self) -> HashSet<&str> {
        steps::add(self.list.len());
        self.list.iter().map(Cow::as_ref).collect()
    }
}

/// Rows that a name stands for.
#[derive(Clone, Debug)]
pub(crate) struct Relation<'g, 't> {
    name: Option<&'t str>,
    at: usize,
    pub(crate) of: Of<'g, 't>,
    /// The columns that it certainly has, where it is no table.
    columns: Rc<HashSet<Cow<'t, str>>>,
}

impl Relation<'_, '_> {
    /// Whether these rows of a query or a function certainly have this column.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.columns.contains(name)
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Of<'g, 't> {
    /// A table, by the name under which it is granted.
    Table(&'g str, &'g TableGrant),
    /// What a query or a function gives, which has been checked already.
    Rows(Names<'t>),
}

/// The relations of one FROM, or of a part of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame<'g, 't> {
    relations: Vec<Relation<'g, 't>>,
    by_name: HashMap<&'t str, usize>,
    /// Columns that rows of queries and functions certainly have.
    columns: HashSet<Cow<'t, str>>,
    /// Whether some of those rows may have others too.
    pub(crate) is_open: bool,
    /// The tables, each once.
    pub(crate) tables: BTreeMap<&'g str, &'g TableGrant>,
    /// Whether a query is among them.
    pub(crate) has_query: bool,
    /// Whether columns of two became one by USING.
    pub(crate) merges: bool,
}

impl<'g, 't> Frame<'g, 't> {
    /// One relation.
    pub(crate) fn of(name: Option<&'t Name>, of: Of<'g, 't>) -> Self {
        let at = name.map_or(0, |name| name.at);
        Self::one(name.map(|name| name.text.as_str()), at, of)
    }

    /// One relation that the statement does not name.
    pub(crate) fn named(name: &'static str, of: Of<'g, 't>) -> Self {
        Self::one(Some(name), 0, of)
    }

    fn one(name: Option<&'t str>, at: usize, of: Of<'g, 't>) -> Self {
        let mut frame = Self::default();
        match &of {
            Of::Table(table, grant) => {
                frame.tables.insert(table, grant);
            }
            Of::Rows(names) => {
                steps::add(names.len());
                frame.columns = names.list.iter().cloned().collect();
                frame.is_open = !names.is_complete;
            }
        }
        frame.by_name.extend(name.map(|name| (name, 0)));
        frame.relations.push(Relation { name, at, of, columns: Rc::new(frame.columns.clone()) });
        frame
    }

    /// Adds those that stand to the right.
    pub(crate) fn extend(&mut self, right: Self) -> Result<(), Refusal> {
        steps::add(right.relations.len() + right.columns.len() + right.tables.len());
        for relation in right.relations {
            if let Some(name) = relation.name
                && self.by_name.insert(name, self.relations.len()).is_some()
            {
                let what = format!("{name} stands for two here: give one another name with AS");
                return Err(Refusal::not_understood(relation.at, what));
            }
            self.relations.push(relation);
        }
        if self.columns.is_empty() {
            self.columns = right.columns;
        } else {
            self.columns.extend(right.columns);
        }
        self.tables.extend(right.tables);
        self.is_open |= right.is_open;
        self.has_query |= right.has_query;
        self.merges |= right.merges;
        Ok(())
    }

    /// All of them, from the left.
    pub(crate) fn relations(&self) -> impl Iterator<Item = &Relation<'g, 't>> {
        self.relations.iter()
    }

    /// The one of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Relation<'g, 't>> {
        self.by_name.get(name).and_then(|at| self.relations.get(*at))
    }

    /// Whether rows of a query or a function certainly have this column.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.columns.contains(name)
    }
}

/// What names can stand for in one place.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a, 'g, 't> {
    pub(crate) frame: &'a Frame<'g, 't>,
    pub(crate) outer: Option<&'a Scope<'a, 'g, 't>>,
    pub(crate) with: &'a Tables<'a, 't>,
}

impl<'a, 'g, 't> Scope<'a, 'g, 't> {
    /// This and all further out.
    pub(crate) fn outwards(&'a self) -> impl Iterator<Item = &'a Scope<'a, 'g, 't>> {
        iter::successors(Some(self), |scope| scope.outer).inspect(|_| steps::add(1))
    }
}

/// The queries that WITH has named.
#[derive(Default)]
pub(crate) struct Tables<'a, 't> {
    pub(crate) named: HashMap<&'t str, Names<'t>>,
    pub(crate) outer: Option<&'a Tables<'a, 't>>,
}

impl<'t> Tables<'_, 't> {
    pub(crate) fn find(&self, name: &str) -> Option<&Names<'t>> {
        steps::add(1);
        self.named.get(name).or_else(|| self.outer.and_then(|outer| outer.find(name)))
    }
}

/// What a name before a dot stands for.
pub(crate) fn relation<'a, 'g, 't>(name: &Name, scope: &'a Scope<'a, 'g, 't>) -> Result<&'a Relation<'g, 't>, Refusal> {
    scope
        .outwards()
        .find_map(|scope| scope.frame.find(&name.text))
        .ok_or_else(|| Refusal::not_understood(name.at, format!("there is no table {} here", name.text)))
}
