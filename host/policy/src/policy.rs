use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tenet_core::bundle::Index;
use tenet_core::{
    Catalog, Event, EventError, Grants, Policy, ScheduleError, SqlError, SqlState, VaultError, VaultField, VaultVerb,
};

use crate::StatementCache;
use crate::shown::shown;

/// The port `Policy`: the grants of each rule of a bundle, and the cached results for the texts
/// that it has sent.
pub struct StatementPolicy {
    rules: BTreeMap<String, Rule>,
    catalog: Catalog,
}

struct Rule {
    grants: Grants,
    /// The printed text or the error for each text. Each rule has its own cache, so that a rule
    /// that builds its texts dynamically evicts no entry of another.
    known: StatementCache<Result<Arc<str>, Box<SqlError>>>,
}

impl StatementPolicy {
    /// The policy of a bundle, with the grants of each rule in the index.
    pub fn new(index: &Index) -> Self {
        let rule = |grants: &Grants| Rule { grants: grants.clone(), known: StatementCache::default() };
        let rules = index.rules.iter().map(|each| (each.name.clone(), rule(&each.grants))).collect();
        Self { rules, catalog: index.catalog.clone() }
    }
}

impl Policy for StatementPolicy {
    fn statement(&self, rule: &str, sql: &str) -> Result<Arc<str>, Box<SqlError>> {
        let Some(Rule { grants, known }) = self.rules.get(rule) else {
            let error = SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, "this rule is granted nothing");
            return Err(Box::new(error));
        };
        known.get(sql).unwrap_or_else(|| {
            let sent: Result<Arc<str>, _> = match crate::canonical(sql, grants, &self.catalog) {
                Ok(text) => Ok(text.into()),
                Err(refusal) => Err(Box::new(refusal.error(sql))),
            };
            known.keep_with(sql, sent.clone(), sent.as_ref().map_or(0, |text| text.len()));
            sent
        })
    }

    fn shown(&self, rule: &str, sql: &str, error: SqlError) -> SqlError {
        let none = Grants::default();
        shown(sql, self.rules.get(rule).map_or(&none, |rule| &rule.grants), &self.catalog, error)
    }

    fn event(&self, rule: &str, event: &Event) -> Result<(), EventError> {
        let granted = self.rules.get(rule).is_some_and(|rule| rule.grants.publishes(&event.source, &event.detail_type));
        if granted { Ok(()) } else { Err(EventError::not_granted(event)) }
    }

    fn schedule(&self, rule: &str, operation: &str) -> Result<(), ScheduleError> {
        let granted = self.rules.get(rule).is_some_and(|rule| rule.grants.schedules(operation));
        if granted { Ok(()) } else { Err(ScheduleError::not_granted(operation)) }
    }

    fn vault(&self, rule: &str, verb: VaultVerb, field: &VaultField) -> Result<(), VaultError> {
        let rule = self.rules.get(rule);
        let granted = rule.is_some_and(|rule| rule.grants.vaults(verb, &field.table, &field.column));
        if granted { Ok(()) } else { Err(VaultError::not_granted(verb, field)) }
    }
}

impl fmt::Debug for StatementPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatementPolicy").field("rules", &self.rules.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_builds_its_texts_takes_no_place_from_anothers() {
        let rule = || Rule { grants: Grants::default(), known: StatementCache::default() };
        let policy = StatementPolicy {
            rules: ["builds", "steady"].map(|name| (name.to_owned(), rule())).into(),
            catalog: Catalog::default(),
        };
        let is_known = |rule: &str, sql: &str| policy.rules[rule].known.get(sql).is_some();
        policy.statement("steady", "SELECT 1").unwrap();
        for number in 0..2000 {
            policy.statement("builds", &format!("SELECT {number}")).unwrap();
        }
        assert!(is_known("steady", "SELECT 1") && is_known("builds", "SELECT 1999"));
        assert!(!is_known("builds", "SELECT 0"));
    }
}
