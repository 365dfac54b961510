use std::cell::RefCell;

use crate::query::expression::{Expression, Typed};
use crate::values::kind::{Kind, Modifier};
use crate::{ErrorObject, SqlError};

/// A column that an expression can refer to.
#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) modifier: Modifier,
    /// How it is computed from the row.
    pub(crate) expression: Expression,
    /// Whether it is left out of `*`: the merged column of a USING replaces it there.
    pub(crate) is_hidden: bool,
}

/// The columns of one source of rows.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// Its name or alias. Merged columns of a USING belong to none.
    pub(crate) name: Option<String>,
    /// The schema of a table without an alias.
    pub(crate) schema: Option<String>,
    pub(crate) columns: Vec<ScopeColumn>,
    /// Whether its name alone refers to its only column: a function that returns no columns.
    pub(crate) is_scalar: bool,
    /// The columns of the primary key of a table, by their numbers.
    pub(crate) primary_key: Vec<usize>,
}

/// What is captured from the row of the enclosing query.
#[derive(Debug, Default)]
pub(crate) struct Captures(RefCell<Vec<Typed>>);

/// Where names are looked up: the sources of one SELECT, and the enclosing queries.
pub(crate) struct Scope<'p> {
    pub(crate) relations: Vec<Relation>,
    /// The captures of the query that the sources belong to.
    pub(crate) captures: &'p Captures,
    pub(crate) parent: Option<&'p Scope<'p>>,
}

impl Captures {
    /// The number of a captured value.
    fn capture(&self, value: Typed) -> usize {
        let mut all = self.0.borrow_mut();
        if let Some(known) = all.iter().position(|known| known.expression.is_same(&value.expression)) {
            return known;
        }
        all.push(value);
        all.len() - 1
    }

    /// The captured values, as expressions over the enclosing query's row.
    pub(crate) fn into_expressions(self) -> Vec<Expression> {
        self.0.into_inner().into_iter().map(|value| value.expression).collect()
    }
}

impl<'p> Scope<'p> {
    /// A scope without sources.
    pub(crate) fn empty(captures: &'p Captures, parent: Option<&'p Self>) -> Self {
        Self { relations: Vec::new(), captures, parent }
    }

    /// The column with this name.
    pub(crate) fn column(&self, name: &str) -> Result<Typed, SqlError> {
        self.find(&|scope| scope.own_column(name))?
            .ok_or_else(|| SqlError::new("42703", format!("column \"{name}\" does not exist")))
    }

    /// The column with this name, of the relation with this name.
    pub(crate) fn column_of(&self, schema: Option<&str>, relation: &str, name: &str) -> Result<Typed, SqlError> {
        let found = self.find(&|scope| {
            let Some(relation) = scope.relation(schema, relation)? else { return Ok(None) };
            match relation.column(name)? {
                Some(column) => Ok(Some(column)),
                None => Err(no_column(relation.name.as_deref().unwrap_or_default(), name)),
            }
        })?;
        found.ok_or_else(|| SqlError::new("42P01", format!("missing FROM-clause entry for table \"{relation}\"")))
    }

    /// What `look` finds in this scope, or in an enclosing one.
    fn find(&self, look: &dyn Fn(&Self) -> Result<Option<Typed>, SqlError>) -> Result<Option<Typed>, SqlError> {
        if let Some(found) = look(self)? {
            return Ok(Some(found));
        }
        let Some(parent) = self.parent else { return Ok(None) };
        let Some(found) = parent.find(look)? else { return Ok(None) };
        let (kind, modifier) = (found.kind, found.modifier);
        Ok(Some(Typed { expression: Expression::Outer(self.captures.capture(found)), kind, modifier }))
    }

    fn own_column(&self, name: &str) -> Result<Option<Typed>, SqlError> {
        let mut found = None;
        for relation in &self.relations {
            for column in relation.columns.iter().filter(|column| !column.is_hidden && column.name == name) {
                if found.replace(column.typed()).is_some() {
                    return Err(SqlError::new("42702", format!("column reference \"{name}\" is ambiguous")));
                }
            }
        }
        Ok(found)
    }

    /// The relation with this name among the own ones.
    pub(crate) fn relation(&self, schema: Option<&str>, name: &str) -> Result<Option<&Relation>, SqlError> {
        let mut named = self.relations.iter().filter(|relation| {
            relation.name.as_deref() == Some(name)
                && schema.is_none_or(|schema| relation.schema.as_deref() == Some(schema))
        });
        let first = named.next();
        if named.next().is_some() {
            return Err(SqlError::new("42P09", format!("table reference \"{name}\" is ambiguous")));
        }
        Ok(first)
    }

    /// The row of a relation, or the value of a function that has no columns, by a name that no
    /// column has.
    pub(crate) fn whole(&self, name: &str) -> Result<Option<Typed>, SqlError> {
        self.find(&|scope| {
            let Some(relation) = scope.relation(None, name)? else { return Ok(None) };
            match relation.columns.as_slice() {
                [only] if relation.is_scalar => Ok(Some(only.typed())),
                columns => {
                    let values = columns.iter().map(|column| column.expression.clone()).collect();
                    Ok(Some(Typed::new(Expression::Row(values), Kind::Record)))
                }
            }
        })
    }
}

impl Relation {
    /// The column with this name.
    fn column(&self, name: &str) -> Result<Option<Typed>, SqlError> {
        let mut named = self.columns.iter().filter(|column| column.name == name);
        let first = named.next();
        if named.next().is_some() {
            return Err(SqlError::new("42702", format!("column reference \"{name}\" is ambiguous")));
        }
        Ok(first.map(ScopeColumn::typed))
    }
}

impl ScopeColumn {
    pub(crate) fn typed(&self) -> Typed {
        Typed { expression: self.expression.clone(), kind: self.kind, modifier: self.modifier }
    }
}

fn no_column(relation: &str, name: &str) -> SqlError {
    let error = SqlError::new("42703", format!("column {relation}.{name} does not exist"));
    SqlError { object: Box::<ErrorObject>::default(), ..error }
}
