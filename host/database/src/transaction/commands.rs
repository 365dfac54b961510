use tenet_core::Mutant;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";
pub(crate) const ROLLBACK: &str = "ROLLBACK";
/// A query that does nothing: the answer shows that the session lives.
pub(crate) const EMPTY: &str = "";
pub(crate) const BEGIN_READ_ONLY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The BEGIN of a transaction that may write.
pub(crate) fn begin() -> &'static str {
    if Mutant::KeyRowGivesWay.is_alive() { "BEGIN ISOLATION LEVEL READ COMMITTED" } else { BEGIN }
}
