//! Functions by name.

use crate::scalars::catalog::{self, Class, FunctionRow, Oid, catalog};
use crate::scalars::resolution::{self, Choice};
use crate::scalars::{Call, Moment, implementations};
use crate::sql_error::SqlError;
use crate::values::kind::Kind;
use crate::values::value::Value;

/// A function, and the kinds that its arguments become first.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// One for each argument that is given. [`Kind::Unknown`] where a function takes any type and
    /// the argument has none: a string is passed as its text, a parameter is the error 42P18.
    pub(crate) arguments: Vec<Kind>,
    pub(crate) result: Kind,
    is_strict: bool,
    call: Call,
}

impl Function {
    /// Its result for arguments of its kinds.
    ///
    /// # Errors
    /// Those of the function.
    pub(crate) fn call(&self, moment: &Moment, values: &[Value]) -> Result<Value, SqlError> {
        self.call.run(self.is_strict, moment, &self.arguments, values)
    }
}

/// What a function with this name is called for; none if it is not known.
pub(crate) fn class(name: &str) -> Option<Class> {
    let rows = catalog().functions(name);
    // `rank` is a window function and an aggregate of a hypothetical row.
    let classes = || rows.iter().map(|row| row.class);
    classes().find(|class| *class == Class::Window).or_else(|| classes().next())
}

/// Whether PostgreSQL has a function with this name that the model does not know.
pub(crate) fn is_unlisted(name: &str) -> bool {
    catalog().is_other(name)
}

/// The function with this name for arguments of these kinds, where [`Kind::Unknown`] is a string or
/// a parameter without a type.
///
/// What is grammar in PostgreSQL has the name and the order of arguments of the function behind it:
/// `extract(text, timestamp)`, `substring(text, integer, integer)`, `position(text, text)` with the
/// text to look into first, `btrim`, `ltrim`, `rtrim`, `overlay`, `timezone(zone, timestamp)` for AT
/// TIME ZONE, `current_timestamp()`, `current_date()`. [`coalesce`](resolution::common) and its like
/// are not functions.
///
/// # Errors
/// 42883, 42725 and 42804 as PostgreSQL; 0A000 for one that the model cannot run.
pub(crate) fn resolve(name: &str, kinds: &[Kind]) -> Result<Function, SqlError> {
    if let Some(function) = word(name, kinds) {
        return Ok(function);
    }
    let found = find(name, kinds, Class::Scalar)?;
    let call = implementations::find(found.row.source).ok_or_else(|| found.unsupported(name))?;
    let (arguments, result) = found.kinds(name)?;
    Ok(Function { arguments, result, is_strict: found.row.is_strict, call })
}

/// The words of the grammar that return a time or a name, and what reads a type of the catalogue that the model
/// keeps as text.
fn word(name: &str, kinds: &[Kind]) -> Option<Function> {
    if let ("pg_get_expr", [Kind::Text, Kind::Oid]) = (name, kinds) {
        let call = implementations::find(name)?;
        return Some(Function { arguments: kinds.to_vec(), result: Kind::Text, is_strict: true, call });
    }
    if !kinds.is_empty() {
        return None;
    }
    let (source, result) = match name {
        "current_timestamp" => ("now", Kind::Timestamptz),
        "localtimestamp" => ("localtimestamp", Kind::Timestamp),
        "current_date" => ("current_date", Kind::Date),
        "localtime" => ("localtime", Kind::Time),
        "current_catalog" => ("current_database", Kind::Name),
        "current_role" | "user" => ("current_user", Kind::Name),
        _ => return None,
    };
    let call = implementations::find(source)?;
    Some(Function { arguments: Vec::new(), result, is_strict: false, call })
}

/// A function of the catalog for given arguments.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) row: &'static FunctionRow,
    /// The types that the given arguments become, with as many as are given.
    pub(super) taken: Vec<Oid>,
    given: Vec<Oid>,
}

impl Found {
    pub(super) fn unsupported(&self, name: &str) -> SqlError {
        SqlError::unsupported(format_args!("function {}", signature(name, &self.taken)))
    }

    /// The kinds of the arguments and of the result.
    pub(super) fn kinds(&self, name: &str) -> Result<(Vec<Kind>, Kind), SqlError> {
        let (taken, result) = resolution::polymorphic(&self.given, &self.taken, Some(self.row.result))?;
        let own = |(taken, given): (&Oid, &Oid)| Kind::from_oid(if *taken == catalog::ANY { *given } else { *taken });
        let arguments = taken.iter().zip(&self.given).map(own).collect::<Option<Vec<_>>>();
        match (arguments, Kind::from_oid(result)) {
            (Some(arguments), Some(result)) => Ok((arguments, result)),
            _ => Err(self.unsupported(name)),
        }
    }
}

/// The function of this class with a name and arguments of these kinds.
///
/// # Errors
/// 42883 and 42725 as PostgreSQL; 0A000 if it is one that the model does not know.
pub(super) fn find(name: &str, kinds: &[Kind], class: Class) -> Result<Found, SqlError> {
    let given: Vec<Oid> = kinds.iter().map(|kind| kind.oid()).collect();
    let missing = || {
        if catalog().is_other(name) {
            return SqlError::unsupported(format_args!("function {name}"));
        }
        SqlError::new("42883", format!("function {} does not exist", signature(name, &given))).with_hint(
            "No function matches the given name and argument types. You might need to add explicit type casts.",
        )
    };
    let rows: Vec<(&FunctionRow, Vec<Oid>)> =
        catalog().functions(name).iter().filter_map(|row| Some((row, taken(row, given.len())?))).collect();
    let exact = rows.iter().position(|(_, taken)| *taken == given && !given.contains(&catalog::UNKNOWN));
    let candidates: Vec<Vec<Oid>> = rows.iter().map(|(_, taken)| taken.clone()).collect();
    let choice = exact.map_or_else(|| resolution::choose(&given, &candidates), Choice::One);
    let (row, taken) = match choice {
        Choice::One(index) => rows.into_iter().nth(index).ok_or_else(missing)?,
        Choice::None => return Err(missing()),
        Choice::Several => {
            return Err(SqlError::new("42725", format!("function {} is not unique", signature(name, &given)))
                .with_hint("Could not choose a best candidate function. You might need to add explicit type casts."));
        }
    };
    let found = Found { row, taken, given };
    if found.row.class != class { Err(found.unsupported(name)) } else { Ok(found) }
}

/// The types that a function takes for this count of arguments.
fn taken(row: &FunctionRow, count: usize) -> Option<Vec<Oid>> {
    let own = row.arguments.len();
    if let Some(variadic) = row.variadic
        && own <= count
    {
        let fixed = row.arguments.iter().take(own.saturating_sub(1)).copied();
        return Some(fixed.chain(std::iter::repeat(variadic)).take(count).collect());
    }
    let is_enough = count <= own && own - count <= row.defaults;
    is_enough.then(|| row.arguments.iter().take(count).copied().collect())
}

/// `length(integer, text)`.
pub(super) fn signature(name: &str, oids: &[Oid]) -> String {
    let types: Vec<&str> = oids.iter().map(|oid| catalog().formatted(*oid)).collect();
    format!("{name}({})", types.join(", "))
}
