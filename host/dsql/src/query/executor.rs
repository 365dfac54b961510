pub(crate) mod budget;
pub(crate) mod changes;
pub(crate) mod evaluation;
pub(crate) mod folding;
pub(crate) mod grouping;
mod pending;
pub(crate) mod queries;
mod references;
pub(crate) mod sources;
pub(crate) mod windows;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use crate::SqlError;
use crate::query::executor::budget::Budget;
use crate::query::executor::pending::Pending;
use crate::query::expression::Expression;
use crate::query::plan::{WithPlan, WithQuery};
use crate::query::references::References;
use crate::scalars::Moment;
use crate::store::table::RowKey;
use crate::store::transaction::Transaction;
use crate::values::value::Value;

/// A row of a query.
pub(crate) type Values = Vec<Value>;

/// Runs one statement in a transaction.
pub(crate) struct Executor<'e> {
    pub(crate) transaction: RefCell<&'e mut Transaction>,
    pub(crate) parameters: &'e [Value],
    pub(crate) moment: &'e Moment,
    pub(crate) budget: Budget<'e>,
    with: RefCell<HashMap<usize, WithState<'e>>>,
    /// The keys of the rows that may be changed or locked, by their places.
    places: RefCell<Vec<RowKey>>,
    /// The queries of the WITH that write.
    writing: RefCell<Vec<usize>>,
    references: &'e References,
    /// What foreign keys still have to do, in the order in which it came up.
    pending: RefCell<VecDeque<Pending<'e>>>,
}

/// A query of a WITH, and its rows once it was run.
struct WithState<'e> {
    plan: &'e WithPlan,
    outer: Rc<[Value]>,
    rows: Option<Rc<Vec<Values>>>,
}

/// What an expression is computed from.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'r> {
    pub(crate) row: &'r [Value],
    /// The captures of the query.
    pub(crate) outer: &'r [Value],
    /// The results of the window functions.
    pub(crate) windows: &'r [Value],
}

impl<'r> Environment<'r> {
    pub(crate) fn new(row: &'r [Value], outer: &'r [Value]) -> Self {
        Self { row, outer, windows: &[] }
    }
}

impl<'e> Executor<'e> {
    pub(crate) fn new(
        transaction: &'e mut Transaction,
        parameters: &'e [Value],
        moment: &'e Moment,
        budget: Budget<'e>,
        references: &'e References,
    ) -> Self {
        Self {
            transaction: RefCell::new(transaction),
            parameters,
            moment,
            budget,
            with: RefCell::default(),
            places: RefCell::default(),
            writing: RefCell::default(),
            references,
            pending: RefCell::default(),
        }
    }

    /// Makes the queries of a WITH known. They run when they are read.
    fn enter(&self, queries: &'e [WithQuery], outer: &[Value]) -> Result<(), SqlError> {
        for WithQuery { id, plan, captures } in queries {
            let captured = self.captured(captures, Environment::new(&[], outer))?;
            let state = WithState { plan, outer: captured, rows: None };
            self.with.borrow_mut().insert(*id, state);
            if matches!(plan, WithPlan::Modify(_)) {
                self.writing.borrow_mut().push(*id);
            }
        }
        Ok(())
    }

    /// Runs the queries of a WITH that write and have not been read, the last one first, as PostgreSQL does, and
    /// then what foreign keys have to do.
    pub(crate) fn finish(&self) -> Result<(), SqlError> {
        loop {
            let last = self.writing.borrow_mut().pop();
            match last {
                Some(id) => drop(self.with_rows(id)?),
                None => return self.settle(),
            }
        }
    }

    /// The rows of a query of a WITH, which runs once.
    fn with_rows(&self, id: usize) -> Result<Rc<Vec<Values>>, SqlError> {
        let (plan, outer) = match self.with.borrow().get(&id) {
            Some(WithState { rows: Some(rows), .. }) => return Ok(Rc::clone(rows)),
            Some(WithState { plan, outer, .. }) => (*plan, Rc::clone(outer)),
            None => return Err(SqlError::unsupported("a WITH query out of its place")),
        };
        let rows = match plan {
            WithPlan::Query(query) => self.query(query, &outer)?,
            WithPlan::Modify(modify) => self.modify(modify, &outer)?.0,
            WithPlan::Recursive { first, next, all } => self.recursive(id, first, next, *all, &outer)?,
        };
        let rows = Rc::new(rows);
        self.keep(id, Some(Rc::clone(&rows)));
        Ok(rows)
    }

    /// Sets the rows of a query of a WITH.
    fn keep(&self, id: usize, rows: Option<Rc<Vec<Values>>>) {
        if let Some(state) = self.with.borrow_mut().get_mut(&id) {
            state.rows = rows;
        }
    }

    /// The values that a query captures from the row around it.
    fn captured(&self, captures: &'e [Expression], around: Environment<'_>) -> Result<Rc<[Value]>, SqlError> {
        captures.iter().map(|capture| self.evaluate(capture, around)).collect()
    }
}
