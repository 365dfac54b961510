//! A statement as a tree, complete enough to print it again.

/// A name and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) at: usize,
}

/// `TABLE` or `SCHEMA.TABLE`.
#[derive(Clone, Debug)]
pub(crate) struct TableName {
    pub(crate) schema: Option<Name>,
    pub(crate) name: Name,
}

/// An alias for rows, and for their columns.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Name>,
}

#[derive(Clone, Debug)]
pub(crate) enum Statement {
    Query(Query),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct With {
    pub(crate) recursive: bool,
    pub(crate) tables: Vec<WithTable>,
}

/// `NAME (COLUMNS) AS (STATEMENT)`.
#[derive(Clone, Debug)]
pub(crate) struct WithTable {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Name>,
    /// Whether AS was followed by MATERIALIZED or NOT MATERIALIZED.
    pub(crate) materialized: Option<bool>,
    pub(crate) statement: Statement,
}

#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) with: With,
    pub(crate) body: Body,
    pub(crate) order: Vec<Order>,
    /// The place of ORDER BY, or where it would be.
    pub(crate) order_at: usize,
    /// LIMIT, OFFSET and FETCH, in the order of the text.
    pub(crate) limits: Vec<Bound>,
    pub(crate) locks: Vec<Lock>,
}

impl Query {
    /// Whether no clause is before or after the body.
    pub(crate) fn is_only_body(&self) -> bool {
        self.with.tables.is_empty() && self.order.is_empty() && self.limits.is_empty() && self.locks.is_empty()
    }
}

/// One expression of ORDER BY, and the words after it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) by: Expression,
    pub(crate) words: &'static str,
}

/// How many rows to return or to skip.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    /// `None` is ALL.
    Limit(Option<Expression>),
    Offset(Expression),
    /// `None` is one row.
    Fetch(Option<Expression>),
}

impl Bound {
    pub(crate) fn expression(&self) -> Option<&Expression> {
        match self {
            Self::Limit(expression) | Self::Fetch(expression) => expression.as_ref(),
            Self::Offset(expression) => Some(expression),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expression>>),
    Query(Box<Query>),
    /// UNION, INTERSECT and EXCEPT in the order of the text: a list, so that recursion does not
    /// grow with its length. Their precedence does not change what is accessed.
    Set(Vec<Arm>),
}

/// A query and the words between it and the previous one.
#[derive(Clone, Debug)]
pub(crate) struct Arm {
    pub(crate) operator: &'static str,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) struct Select {
    pub(crate) distinct: bool,
    pub(crate) distinct_on: Vec<Expression>,
    pub(crate) items: Vec<Item>,
    pub(crate) from: Vec<Source>,
    pub(crate) filter: Option<Expression>,
    pub(crate) group: Vec<Expression>,
    pub(crate) having: Option<Expression>,
    /// The windows with their names.
    pub(crate) windows: Vec<(Name, Expression)>,
}

/// One result column of a SELECT or a RETURNING.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// `*` or `NAME.*`.
    All {
        of: Option<Name>,
        at: usize,
    },
    One {
        expression: Expression,
        alias: Option<Name>,
        at: usize,
    },
}

/// A source of rows.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Table {
        table: TableName,
        alias: Option<Alias>,
    },
    Query {
        query: Box<Query>,
        alias: Option<Alias>,
        lateral: bool,
    },
    Function {
        call: Call,
        ordinality: bool,
        alias: Option<Alias>,
    },
    /// Joins from left to right: a list, so that recursion does not grow with its length.
    Joined {
        first: Box<Source>,
        joins: Vec<Join>,
    },
}

/// A source that is joined to all before it.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) words: &'static str,
    pub(crate) right: Source,
    pub(crate) on: Option<Expression>,
    pub(crate) using: Vec<Name>,
}

/// `FOR UPDATE` and `FOR NO KEY UPDATE`.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) no_key: bool,
    pub(crate) of: Vec<Name>,
    /// NOWAIT or SKIP LOCKED, or empty.
    pub(crate) wait: &'static str,
    pub(crate) at: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Insert {
    pub(crate) with: With,
    pub(crate) table: TableName,
    pub(crate) alias: Option<Name>,
    /// `None` if there is no list.
    pub(crate) columns: Option<Vec<Name>>,
    /// `None` for DEFAULT VALUES.
    pub(crate) rows: Option<Query>,
    pub(crate) conflict: Option<Conflict>,
    pub(crate) returning: Vec<Item>,
}

#[derive(Clone, Debug)]
pub(crate) struct Conflict {
    pub(crate) columns: Vec<Name>,
    pub(crate) constraint: Option<Name>,
    pub(crate) index_filter: Option<Expression>,
    /// Empty for DO NOTHING.
    pub(crate) set: Vec<Assignment>,
    pub(crate) filter: Option<Expression>,
}

#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) columns: Vec<Name>,
    /// Whether they are in parentheses.
    pub(crate) is_row: bool,
    pub(crate) value: Expression,
}

#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) with: With,
    pub(crate) table: TableName,
    pub(crate) alias: Option<Name>,
    pub(crate) set: Vec<Assignment>,
    pub(crate) from: Vec<Source>,
    pub(crate) filter: Option<Expression>,
    pub(crate) returning: Vec<Item>,
}

#[derive(Clone, Debug)]
pub(crate) struct Delete {
    pub(crate) with: With,
    pub(crate) table: TableName,
    pub(crate) alias: Option<Name>,
    pub(crate) using: Vec<Source>,
    pub(crate) filter: Option<Expression>,
    pub(crate) returning: Vec<Item>,
}

/// A call of a function.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: Name,
    /// Whether it is part of the grammar, and not a function of a schema.
    pub(crate) is_grammar: bool,
    /// Everything after the name, including parentheses.
    pub(crate) pieces: Vec<Piece>,
    /// The only argument, if it is a string.
    pub(crate) literal: Option<String>,
}

impl Call {
    /// The sequence that `nextval` names, as the grants name it.
    ///
    /// PostgreSQL parses the string as a name: a string with nothing to fold is the name itself,
    /// and so is a quoted one, as it is printed.
    pub(crate) fn sequence(&self) -> Option<String> {
        let literal = self.literal.as_deref()?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
        if literal.chars().all(plain) {
            return Some(literal.strip_prefix("public.").unwrap_or(literal).to_owned());
        }
        let (schema, name) = literal.strip_prefix('"')?.strip_suffix('"')?.split_once("\".\"")?;
        let is_name = |name: &str| !name.contains(['"', '.']);
        match (is_name(schema) && is_name(name), schema) {
            (false, _) => None,
            (true, "public") => Some(name.to_owned()),
            (true, schema) => Some(format!("{schema}.{name}")),
        }
    }
}

/// An expression. Operator precedence does not change what is accessed, so the tree does not
/// contain it. But a name alone, which may be a result column, differs from a name within a larger
/// expression.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    /// A value, a parameter, DEFAULT: as it is printed.
    Leaf(String, usize),
    /// A string with a word that PostgreSQL reads as its current time, sent as text.
    Moment {
        /// As it is printed.
        printed: String,
        value: String,
        word: &'static str,
        at: usize,
    },
    /// `NAME`, which may also refer to a row.
    Column(Name),
    /// `RELATION.NAME`.
    Of(Name, Name),
    Call(Call),
    Query(Box<Query>),
    /// `(A, B)`, or with ROW before it.
    Row {
        is_named: bool,
        values: Vec<Expression>,
    },
    /// An expression made of others: operators, CASE, lists.
    Made(Vec<Piece>),
}

/// A part of an expression.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// An operator, a key word, a sign or a number, and its place.
    Word(String, usize),
    /// The name of a window, which has no other meaning.
    Window(Name),
    Inner(Expression),
}

impl Piece {
    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word, _) => Some(word),
            Self::Window(_) | Self::Inner(_) => None,
        }
    }

    pub(crate) fn inner(&self) -> Option<&Expression> {
        match self {
            Self::Inner(inner) => Some(inner),
            Self::Word(..) | Self::Window(_) => None,
        }
    }
}

/// The number of pieces of the type at the start of these pieces.
pub(crate) fn length_of_type(pieces: &[Piece]) -> usize {
    let word = |at: usize| pieces.get(at).and_then(Piece::word).unwrap_or_default();
    let mut at = 1;
    if matches!(word(at), "PRECISION" | "VARYING") {
        at += 1;
    }
    if word(at) == "(" {
        while !matches!(word(at), ")" | "") {
            at += 1;
        }
        at += 1;
    }
    if matches!(word(at), "WITH" | "WITHOUT") {
        at += 3;
    }
    while word(at) == "[" && word(at + 1) == "]" {
        at += 2;
    }
    at
}
