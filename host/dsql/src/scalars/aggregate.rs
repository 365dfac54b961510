//! Aggregates by name.

use crate::scalars::accumulator::Accumulator;
use crate::scalars::catalog::Class;
use crate::scalars::function;
use crate::scalars::implementations::aggregates;
use crate::sql_error::SqlError;
use crate::values::kind::Kind;

/// An aggregate, and the kinds that its arguments become first.
#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) arguments: Vec<Kind>,
    pub(crate) result: Kind,
    start: aggregates::Start,
}

impl Aggregate {
    /// Begins it for one group.
    pub(crate) fn start(&self) -> Box<dyn Accumulator> {
        (self.start)(&self.arguments)
    }
}

/// Aggregates of sorted rows, which are written with WITHIN GROUP.
const ORDERED: [&str; 7] =
    ["cume_dist", "dense_rank", "mode", "percent_rank", "percentile_cont", "percentile_disc", "rank"];

/// The aggregate with this name for arguments of these kinds; `count(*)` has none.
///
/// # Errors
/// 42883, 42725 and 42804 as PostgreSQL; 0A000 for one that the model cannot run.
pub(crate) fn resolve(name: &str, kinds: &[Kind]) -> Result<Aggregate, SqlError> {
    if ORDERED.contains(&name) {
        return Err(SqlError::unsupported(format_args!("aggregate {name}")));
    }
    let found = function::find(name, kinds, Class::Aggregate)?;
    let (arguments, result) = found.kinds(name)?;
    let start = aggregates::find(name, &arguments).ok_or_else(|| found.unsupported(name))?;
    Ok(Aggregate { arguments, result, start })
}
