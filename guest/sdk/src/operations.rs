//! Schedules operations that run after the commit, each exactly once. They need grants.

use std::time::Duration;

use serde::Serialize;

use crate::bindings::tenet::rule::operations as host;
use crate::{Error, Result, TimestampTz};

/// An operation that follows.
///
/// ```no_run
/// # use std::time::Duration;
/// # use serde::Serialize;
/// use tenet::operations::FollowUp;
///
/// #[derive(Serialize)]
/// struct Order {
///     order: i64,
/// }
///
/// # fn main() -> tenet::Result<()> {
/// let order = Order { order: 17 };
/// let id: String = FollowUp::new("ship", &order)?
///     .after(Duration::from_secs(3_600))
///     .on_rejection("refund", &order)?
///     .on_failure("refund", &order)?
///     .label("order 17")
///     .schedule()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "nothing follows until it is scheduled"]
pub struct FollowUp {
    call: host::Call,
    when: host::When,
    options: host::Options,
}

impl FollowUp {
    /// The operation of this name with a payload that serialises to JSON. It runs at once after the commit unless
    /// [`after`](Self::after) or [`at`](Self::at) says when.
    ///
    /// ```
    /// # use tenet::operations::FollowUp;
    /// # #[derive(serde::Serialize)] struct Order { id: i64 }
    /// # let order = Order { id: 17 };
    /// let ship: FollowUp = FollowUp::new("ship", &order)?;
    /// # Ok::<(), tenet::Error>(())
    /// ```
    pub fn new(operation: impl Into<String>, payload: &impl Serialize) -> Result<Self> {
        let options = host::Options { on_rejection: None, on_failure: None, label: None };
        Ok(Self { call: call(operation, payload)?, when: host::When::AtOnce, options })
    }

    /// The same, due so long after the request's time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenet::operations::FollowUp;
    /// # #[derive(serde::Serialize)] struct Order { id: i64 }
    /// # let order = Order { id: 17 };
    /// let tomorrow = FollowUp::new("release-hold", &order)?.after(Duration::from_secs(86_400));
    /// # Ok::<(), tenet::Error>(())
    /// ```
    pub fn after(self, span: Duration) -> Self {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self { when: host::When::After(micros), ..self }
    }

    /// The same, due at this moment.
    ///
    /// ```
    /// # use tenet::operations::FollowUp;
    /// # #[derive(serde::Serialize)] struct Order { id: i64 }
    /// # let order = Order { id: 17 };
    /// let at_new_year = FollowUp::new("close-books", &order)?.at("2027-01-01T00:00:00Z".parse()?);
    /// # Ok::<(), tenet::Error>(())
    /// ```
    pub fn at(self, moment: TimestampTz) -> Self {
        Self { when: host::When::At(moment.micros()), ..self }
    }

    /// The same, with an operation that runs if this one is rejected. It is committed with the rejection.
    ///
    /// ```
    /// # use tenet::operations::FollowUp;
    /// # #[derive(serde::Serialize)] struct Order { id: i64 }
    /// # let order = Order { id: 17 };
    /// let ship = FollowUp::new("ship", &order)?.on_rejection("refund", &order)?;
    /// # Ok::<(), tenet::Error>(())
    /// ```
    pub fn on_rejection(mut self, operation: impl Into<String>, payload: &impl Serialize) -> Result<Self> {
        self.options.on_rejection = Some(call(operation, payload)?);
        Ok(self)
    }

    /// The same, with an operation that runs if this one fails so often that it is given up.
    ///
    /// ```
    /// # use tenet::operations::FollowUp;
    /// # #[derive(serde::Serialize)] struct Order { id: i64 }
    /// # let order = Order { id: 17 };
    /// let ship = FollowUp::new("ship", &order)?.on_failure("refund", &order)?;
    /// # Ok::<(), tenet::Error>(())
    /// ```
    pub fn on_failure(mut self, operation: impl Into<String>, payload: &impl Serialize) -> Result<Self> {
        self.options.on_failure = Some(call(operation, payload)?);
        Ok(self)
    }

    /// The same, with a label for people: at most 200 characters.
    ///
    /// ```
    /// # use tenet::operations::FollowUp;
    /// # #[derive(serde::Serialize)] struct Order { id: i64 }
    /// # let order = Order { id: 17 };
    /// let ship = FollowUp::new("ship", &order)?.label("order 17");
    /// # Ok::<(), tenet::Error>(())
    /// ```
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.options.label = Some(label.into());
        self
    }

    /// Schedules it, if the transaction commits. Returns its id, which is the same on every attempt.
    ///
    /// ```no_run
    /// # use tenet::operations::FollowUp;
    /// # #[derive(serde::Serialize)] struct Order { id: i64 }
    /// # let order = Order { id: 17 };
    /// let id: String = FollowUp::new("ship", &order)?.schedule()?;
    /// # Ok::<(), tenet::Error>(())
    /// ```
    ///
    /// One that the host refuses is a bug of the rule, and so is one of a read-only operation.
    pub fn schedule(self) -> Result<String> {
        let Self { call, when, options } = self;
        host::schedule(&call, when, &options).map_err(|why| Error::bug(format!("the operation was refused: {why}")))
    }
}

fn call(operation: impl Into<String>, payload: &impl Serialize) -> Result<host::Call> {
    let payload = serde_json::to_string(payload)
        .map_err(|error| Error::bug(format!("the payload of an operation that follows is not JSON: {error}")))?;
    Ok(host::Call { operation: operation.into(), payload })
}

/// Schedules an operation that runs as soon as the transaction is committed. Returns its id.
///
/// ```no_run
/// # fn main() -> tenet::Result<()> {
/// # #[derive(serde::Serialize)] struct Order { id: i64 }
/// # let order = Order { id: 17 };
/// let id: String = tenet::operations::at_once("ship", &order)?;
/// # Ok(())
/// # }
/// ```
pub fn at_once(operation: impl Into<String>, payload: &impl Serialize) -> Result<String> {
    FollowUp::new(operation, payload)?.schedule()
}

/// Schedules an operation that runs so long after the request's time. Returns its id.
///
/// ```no_run
/// # use std::time::Duration;
/// # fn main() -> tenet::Result<()> {
/// # #[derive(serde::Serialize)] struct Order { id: i64 }
/// # let order = Order { id: 17 };
/// tenet::operations::after(Duration::from_secs(86_400), "release-hold", &order)?;
/// # Ok(())
/// # }
/// ```
pub fn after(span: Duration, operation: impl Into<String>, payload: &impl Serialize) -> Result<String> {
    FollowUp::new(operation, payload)?.after(span).schedule()
}

/// Schedules an operation that runs at this moment. Returns its id.
///
/// ```no_run
/// # fn main() -> tenet::Result<()> {
/// # #[derive(serde::Serialize)] struct Order { id: i64 }
/// # let order = Order { id: 17 };
/// tenet::operations::at("2027-01-01T00:00:00Z".parse()?, "close-books", &order)?;
/// # Ok(())
/// # }
/// ```
pub fn at(moment: TimestampTz, operation: impl Into<String>, payload: &impl Serialize) -> Result<String> {
    FollowUp::new(operation, payload)?.at(moment).schedule()
}

/// Removes a follow-up by its id, so that it never runs, if the transaction commits. Nothing follows it. Returns whether
/// it waited: not if it has ended, was cancelled, or was never committed.
///
/// ```no_run
/// # fn main() -> tenet::Result<()> {
/// let id: String = tenet::query_one("SELECT expiry FROM orders WHERE id = $1", tenet::params![17])?;
/// tenet::operations::cancel(&id)?;
/// # Ok(())
/// # }
/// ```
///
/// It costs what a statement costs. One that the host refuses is a bug of the rule: of a read-only operation, of an
/// operation that is not granted, or of what this request itself has scheduled.
pub fn cancel(id: &str) -> Result<bool> {
    host::cancel(id).map_err(|why| Error::bug(format!("the follow-up was not cancelled: {why}")))
}

/// The id of the follow-up that this request is; none where a caller has sent it.
///
/// ```no_run
/// # fn main() -> tenet::Result<()> {
/// if tenet::operations::current().is_none() {
///     tenet::reject!("not-for-callers", "only a follow-up may do this");
/// }
/// # Ok(())
/// # }
/// ```
pub fn current() -> Option<String> {
    host::current()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_what_was_asked_for_and_the_last_time_counts() {
        let follow_up = FollowUp::new("ship", &[1, 2])
            .and_then(|ship| ship.on_rejection("refund", &"x"))
            .map(|ship| ship.after(Duration::from_millis(1)).label("one").at(TimestampTz::from_micros(5)))
            .unwrap();
        let call = |operation: &str, payload: &str| host::Call { operation: operation.into(), payload: payload.into() };
        assert_eq!(follow_up.call, call("ship", "[1,2]"));
        assert_eq!(follow_up.when, host::When::At(5));
        assert_eq!(follow_up.options.on_rejection, Some(call("refund", "\"x\"")));
        assert_eq!((follow_up.options.on_failure, follow_up.options.label), (None, Some("one".to_owned())));
        assert_eq!(FollowUp::new("a", &1).unwrap().after(Duration::MAX).when, host::When::After(u64::MAX));
    }
}
