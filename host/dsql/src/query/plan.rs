//! What a statement is made of once its names and types are known. An expression may hold a query, and a query
//! is made of expressions.

use std::sync::Arc;

use crate::scalars::aggregate::Aggregate;
use crate::scalars::cast::Cast;
use crate::scalars::function::Function;
use crate::scalars::operator::Operator;
use crate::scalars::set_function::SetFunction;
use crate::store::sequence::Sequence;
use crate::store::system::SystemTable;
use crate::store::table::Table;
use crate::values::kind::{Kind, Modifier};
use crate::values::value::Value;

/// A statement that can be run.
#[derive(Debug)]
pub(crate) enum Plan {
    Query(Query),
    Modify(Box<Modify>),
}

/// A result column.
#[derive(Clone, Debug)]
pub(crate) struct OutputColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) modifier: Modifier,
}

/// A query and the values of the enclosing query's row that it needs, which are
/// [`Expression::Outer`] within it.
#[derive(Clone, Debug)]
pub(crate) struct Subplan {
    pub(crate) plan: Arc<Query>,
    pub(crate) captures: Vec<Expression>,
}

/// A query of a WITH.
#[derive(Debug)]
pub(crate) struct WithQuery {
    /// Its number in the statement.
    pub(crate) id: usize,
    pub(crate) plan: WithPlan,
    pub(crate) captures: Vec<Expression>,
}

#[derive(Debug)]
pub(crate) enum WithPlan {
    Query(Query),
    /// It runs whether its rows are read or not.
    Modify(Box<Modify>),
    /// A first part, and one that reads the rows of the previous turn.
    Recursive {
        first: Query,
        next: Query,
        all: bool,
    },
}

/// A query, with everything around its body.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) with: Vec<WithQuery>,
    pub(crate) body: Body,
    /// The columns of the result: the first ones of the body's rows.
    pub(crate) columns: Vec<OutputColumn>,
    pub(crate) sort: Vec<SortKey>,
    pub(crate) limit: Option<Expression>,
    pub(crate) offset: Option<Expression>,
    /// FETCH ... WITH TIES.
    pub(crate) with_ties: bool,
}

/// A column of the body's rows to sort by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SortKey {
    pub(crate) column: usize,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

#[derive(Debug)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expression>>),
    Query(Box<Query>),
    Set { operator: SetOperator, all: bool, left: Box<Converted>, right: Box<Converted> },
}

/// An arm of a set operation and the conversions of its columns to those of the result.
#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) body: Query,
    /// Over the columns of the body.
    pub(crate) columns: Vec<Expression>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetOperator {
    Union,
    Intersect,
    Except,
}

#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) from: From,
    pub(crate) filter: Option<Expression>,
    pub(crate) group: Option<Group>,
    pub(crate) windows: Vec<Window>,
    /// The result columns, and then those that are only sorted by.
    pub(crate) items: Vec<Item>,
    pub(crate) distinct: Distinct,
    pub(crate) locks: Vec<Lock>,
}

#[derive(Debug)]
pub(crate) enum Item {
    Value(Expression),
    /// The rows of a function in the select list.
    Rows(SetFunction, Vec<Expression>),
}

#[derive(Debug)]
pub(crate) enum Distinct {
    No,
    /// By the result columns.
    All,
    /// By these columns, in the order of the query.
    On(Vec<usize>),
}

/// GROUP BY and HAVING. The rows after it have the keys as columns, and then the aggregates.
#[derive(Debug)]
pub(crate) struct Group {
    /// Empty for one group of all rows.
    pub(crate) keys: Vec<Expression>,
    /// Whether there is one group even if there are no rows.
    pub(crate) is_one: bool,
    pub(crate) aggregates: Vec<AggregateCall>,
    pub(crate) having: Option<Expression>,
}

#[derive(Clone, Debug)]
pub(crate) struct AggregateCall {
    pub(crate) aggregate: Aggregate,
    pub(crate) arguments: Vec<Expression>,
    pub(crate) distinct: bool,
    pub(crate) filter: Option<Expression>,
    pub(crate) order: Vec<Sorted>,
}

/// An expression that rows are sorted by.
#[derive(Clone, Debug)]
pub(crate) struct Sorted {
    pub(crate) by: Expression,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

/// A window function. Its result is a further column of the rows.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) function: WindowFunction,
    pub(crate) partition: Vec<Expression>,
    pub(crate) order: Vec<Sorted>,
    pub(crate) frame: Frame,
}

#[derive(Clone, Debug)]
pub(crate) enum WindowFunction {
    Aggregate(AggregateCall),
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    /// `cume_dist`.
    CumulativeDistribution,
    /// `ntile`.
    Tile(Expression),
    /// `nth_value`: the value, and the number of the row in its frame.
    Nth(Expression, Expression),
    /// `lag` and `lead`: the value, how many rows forward, and the value if there is no such row.
    Shifted {
        value: Expression,
        by: Expression,
        forward: bool,
        otherwise: Expression,
    },
    First(Expression),
    Last(Expression),
}

/// The rows around the current one that an aggregate adds.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// By rows, or else by rows with equal sort keys.
    pub(crate) by_rows: bool,
    pub(crate) start: Edge,
    pub(crate) end: Edge,
}

#[derive(Clone, Debug)]
pub(crate) enum Edge {
    First,
    Before(Expression),
    Current,
    After(Expression),
    Last,
}

/// A source of rows.
#[derive(Debug)]
pub(crate) enum From {
    /// One row without columns.
    Nothing,
    Table(Scan),
    System(SystemTable),
    With(usize),
    /// Its captures refer to the row of the sources before it, if it is LATERAL.
    Query(Subplan),
    Function {
        function: SetFunction,
        arguments: Vec<Expression>,
        ordinality: bool,
    },
    Join(Box<Join>),
}

#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) table: Arc<Table>,
    /// Values of the first columns of the primary key, if only rows with these are needed.
    pub(crate) key: Vec<Expression>,
    /// Whether a last column has the row's place for changes.
    pub(crate) with_place: bool,
}

#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) left: From,
    pub(crate) right: From,
    pub(crate) left_width: usize,
    pub(crate) right_width: usize,
    /// Whether the right side is read anew for each row of the left side.
    pub(crate) lateral: bool,
    pub(crate) on: Option<Expression>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// FOR UPDATE or FOR KEY SHARE of one source.
#[derive(Debug)]
pub(crate) struct Lock {
    pub(crate) table: Arc<Table>,
    /// The column with the row's place.
    pub(crate) place: usize,
    pub(crate) key_share: bool,
}

/// INSERT, UPDATE or DELETE.
#[derive(Debug)]
pub(crate) struct Modify {
    pub(crate) with: Vec<WithQuery>,
    pub(crate) table: Arc<Table>,
    pub(crate) change: Change,
    /// The row after the change, and then the columns of the other sources.
    pub(crate) returning: Vec<Expression>,
    pub(crate) columns: Vec<OutputColumn>,
    /// Of each column that has one: its default.
    pub(crate) defaults: Vec<Option<Expression>>,
    pub(crate) checks: Vec<(String, Expression)>,
}

#[derive(Debug)]
pub(crate) enum Change {
    Insert {
        /// The rows: for each column of the table a value, [`Expression::Default`], or nothing.
        source: Query,
        /// For each column of the table: its value over the source's row.
        values: Vec<Expression>,
        conflict: Option<Conflict>,
    },
    Update {
        from: From,
        filter: Option<Expression>,
        /// The column with the row's place.
        place: usize,
        /// The changed columns and their values over the joined row.
        set: Vec<(usize, Expression)>,
    },
    Delete {
        from: From,
        filter: Option<Expression>,
        place: usize,
    },
}

/// ON CONFLICT.
#[derive(Debug)]
pub(crate) struct Conflict {
    /// The name of the unique index, or any.
    pub(crate) target: Option<String>,
    /// `None` for DO NOTHING.
    pub(crate) update: Option<ConflictUpdate>,
}

#[derive(Debug)]
pub(crate) struct ConflictUpdate {
    /// Over the existing row, and then the row that was to be inserted.
    pub(crate) set: Vec<(usize, Expression)>,
    pub(crate) filter: Option<Expression>,
}

/// An expression whose names and types are known.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Constant(Value),
    /// The value of a parameter, from 0.
    Parameter(usize),
    /// A column of the current row.
    Column(usize),
    /// A value of the enclosing query's row, by its number in the captures of the query.
    Outer(usize),
    /// The result of an aggregate of the query, until the query is grouped.
    Aggregate(usize),
    /// The result of a window function of the query, until the rows have it as a column.
    Window(usize),
    Call(Arc<CallOf>),
    Cast(Arc<CastOf>),
    And(Box<[Expression]>),
    Or(Box<[Expression]>),
    Not(Box<Expression>),
    IsNull(Box<Expression>),
    /// IS TRUE and IS FALSE.
    Is(bool, Box<Expression>),
    /// Whether two values are not distinct, by their equality.
    NotDistinct(Arc<CallOf>),
    /// The first branch whose condition is true.
    Case {
        branches: Box<[(Expression, Expression)]>,
        otherwise: Box<Expression>,
    },
    /// The first value that is not NULL.
    Coalesce(Box<[Expression]>),
    /// NULL if the call, an equality, is true, and its first argument otherwise.
    NullIf(Arc<CallOf>),
    /// The greatest or the least value that is not NULL.
    Extreme {
        greatest: bool,
        values: Box<[Expression]>,
    },
    /// A comparison of one value with each element of an array.
    Any {
        call: Arc<CallOf>,
        all: bool,
    },
    Row(Box<[Expression]>),
    /// A field of a row.
    Field(Box<Expression>, usize),
    Array(Box<[Expression]>),
    /// An element of an array, from 1.
    Element(Box<Expression>, Box<Expression>),
    Subquery(Arc<Subquery>),
    /// The next value of a sequence.
    NextValue(Arc<Sequence>),
    /// A sequence is given its last number, of which is said whether it was given away.
    SetValue(Arc<Sequence>, Box<[Expression; 2]>),
    /// DEFAULT in the VALUES of an INSERT.
    Default,
}

/// A function or an operator with its arguments.
#[derive(Debug)]
pub(crate) struct CallOf {
    /// The name and the types of the arguments identify the call.
    pub(crate) name: String,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) callee: Callee,
    pub(crate) is_volatile: bool,
    pub(crate) arguments: Vec<Expression>,
}

/// What is called.
#[derive(Clone, Debug)]
pub(crate) enum Callee {
    Operator(Operator),
    Function(Function),
}

/// A value converted to another type.
#[derive(Debug)]
pub(crate) struct CastOf {
    pub(crate) cast: Cast,
    pub(crate) kind: Kind,
    pub(crate) modifier: Modifier,
    pub(crate) explicit: bool,
    pub(crate) value: Expression,
}

/// A query within an expression.
#[derive(Debug)]
pub(crate) struct Subquery {
    pub(crate) plan: Subplan,
    pub(crate) test: SubqueryTest,
}

/// What is asked of the rows of a subquery.
#[derive(Debug)]
pub(crate) enum SubqueryTest {
    /// The value of its only row.
    Value,
    /// Whether there is a row.
    Exists,
    /// Whether the comparisons of these values with the columns of a row are true for any row, or
    /// for all. The arguments of each call are [`Expression::Column`] 0, the value, and 1, the
    /// column.
    Compare { values: Vec<Expression>, calls: Vec<Arc<CallOf>>, all: bool },
}

impl Query {
    /// Whether it may change or lock rows.
    pub(crate) fn writes(&self) -> bool {
        let locks = matches!(&self.body, Body::Select(select) if !select.locks.is_empty());
        locks || self.with.iter().any(|with| matches!(with.plan, WithPlan::Modify(_)))
    }
}

impl Modify {
    /// What the command tag begins with.
    pub(crate) fn verb(&self) -> &'static str {
        match self.change {
            Change::Insert { .. } => "INSERT 0",
            Change::Update { .. } => "UPDATE",
            Change::Delete { .. } => "DELETE",
        }
    }
}
