use serde::Serialize;

use crate::bindings::tenet::rule::events::{self, Event};
use crate::{Error, Result};

/// Publishes an event, at least once, if the transaction commits.
///
/// The source names the publisher (`dsql.application`), and the detail-type what happened
/// (`Transaction Created`, 1 to 128 characters). The detail is a type that serialises to a JSON
/// object without a member `tenet`, which the host adds. Returns the event's id, which is the same
/// on every attempt, in every delivery and in both regions.
///
/// `rule.toml` lists the sources and detail-types that a rule may publish.
///
/// ```no_run
/// # use serde::Serialize;
/// #[derive(Serialize)]
/// struct Changed<'a> {
///     account: &'a str,
///     balance: tenet::Decimal,
/// }
///
/// # fn main() -> tenet::Result<()> {
/// let changed = Changed { account: "ann", balance: "9.50".parse()? };
/// let id: String = tenet::publish("bank", "Account Changed", &changed)?;
/// # Ok(())
/// # }
/// ```
///
/// An event that the host refuses is a bug of the rule, and so is an event of a read-only
/// operation.
pub fn publish(source: impl Into<String>, detail_type: impl Into<String>, detail: &impl Serialize) -> Result<String> {
    let detail = serde_json::to_string(detail)
        .map_err(|error| Error::bug(format!("the event's detail is not JSON: {error}")))?;
    let event = Event { source: source.into(), detail_type: detail_type.into(), detail };
    events::publish(&event).map_err(|why| Error::bug(format!("the event was refused: {why}")))
}
