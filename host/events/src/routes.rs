use tenet_core::bundle::Operation;

use crate::{Pattern, PatternError};

/// Which operations of a bundle handle which events.
#[derive(Debug)]
pub struct Routes(Vec<Route>);

#[derive(Debug)]
struct Route {
    operation: String,
    patterns: Vec<Pattern>,
}

/// An operation's pattern that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the operation {operation} cannot take events by pattern {number}")]
pub struct RouteError {
    operation: String,
    /// Its number among the operation's patterns, from 1.
    number: usize,
    source: PatternError,
}

impl Routes {
    /// Reads the patterns of these operations.
    ///
    /// # Errors
    /// Refuses the first pattern that is not supported.
    pub fn new(operations: &[Operation]) -> Result<Self, RouteError> {
        let mut routes = Vec::new();
        for operation in operations.iter().filter(|operation| !operation.events.is_empty()) {
            let mut patterns = Vec::with_capacity(operation.events.len());
            for (place, pattern) in operation.events.iter().enumerate() {
                let pattern = Pattern::of(pattern).map_err(|source| RouteError {
                    operation: operation.name.clone(),
                    number: place + 1,
                    source,
                })?;
                patterns.push(pattern);
            }
            routes.push(Route { operation: operation.name.clone(), patterns });
        }
        Ok(Self(routes))
    }

    /// The operations that handle an event, JSON text: those with a matching pattern, in the
    /// bundle's order.
    pub fn takers(&self, event: &str) -> Vec<&str> {
        let takes = |route: &&Route| route.patterns.iter().any(|pattern| pattern.matches(event));
        self.0.iter().filter(takes).map(|route| route.operation.as_str()).collect()
    }

    /// The operations that handle events at all.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|route| route.operation.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn operation(name: &str, events: Vec<Value>) -> Operation {
        Operation {
            name: name.into(),
            rules: vec!["rule".into()],
            key: None,
            read_only: false,
            callers: None,
            events,
            ..tenet_core::bundle::Operation::default()
        }
    }

    #[test]
    fn an_event_goes_to_every_operation_of_which_a_pattern_matches() {
        let large = json!({ "detail": { "amount": [{ "numeric": [">", 100] }] } });
        let here = json!({ "source": ["bank"], "region": ["us-east-1"] });
        let routes = Routes::new(&[
            operation("audit", vec![large.clone()]),
            operation("by-hand", vec![]),
            operation("settle", vec![here, large]),
        ])
        .unwrap();
        let takers = |event: Value| routes.takers(&event.to_string()).join(" ");
        assert_eq!(takers(json!({ "source": "shop", "detail": { "amount": 100.01 } })), "audit settle");
        let small = json!({ "source": "bank", "region": "us-east-1", "detail": { "amount": 100 } });
        assert_eq!(takers(small), "settle");
        assert_eq!(takers(json!({ "source": "bank", "region": "us-west-2", "detail": {} })), "");
        assert_eq!(routes.operations().collect::<Vec<_>>(), ["audit", "settle"]);
    }

    #[test]
    fn a_pattern_that_is_not_understood_is_named_with_its_operation_and_the_reason() {
        let good = json!({ "source": ["bank"] });
        let error = Routes::new(&[operation("settle", vec![good, json!({ "source": [{ "cidr": "10.0.0.0/8" }] })])]);
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "the operation settle cannot take events by pattern 2");
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(reason, "the operator `cidr` is not understood (source)");
    }
}
