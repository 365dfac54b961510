use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{PoisonError, RwLock};

use tenet_core::bundle::Index;
use tenet_core::{Event, EventError, Grants, Policy, SqlError, SqlState};

/// The most texts of one rule whose verdicts are kept, and the most bytes of them. A rule has a
/// handful; one that makes a new text for each request is checked each time.
const MOST_KEPT: usize = 256;
const MOST_BYTES: usize = 256 << 10;

/// The port `Policy`: what each rule of a bundle is granted, and the verdicts on the texts that
/// it has sent.
pub struct StatementPolicy {
    rules: BTreeMap<String, Rule>,
}

struct Rule {
    grants: Grants,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    verdicts: HashMap<Box<str>, Option<Box<SqlError>>>,
    bytes: usize,
}

impl StatementPolicy {
    /// The policy of a bundle: each rule has what the index says that it is granted.
    pub fn new(index: &Index) -> Self {
        let rule = |grants: &Grants| Rule { grants: grants.clone(), known: RwLock::default() };
        Self { rules: index.rules.iter().map(|each| (each.name.clone(), rule(&each.grants))).collect() }
    }
}

impl Policy for StatementPolicy {
    fn statement(&self, rule: &str, sql: &str) -> Result<(), Box<SqlError>> {
        let Some(Rule { grants, known }) = self.rules.get(rule) else {
            let error = SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, "this rule is granted nothing");
            return Err(Box::new(error));
        };
        if let Some(verdict) = known.read().unwrap_or_else(PoisonError::into_inner).verdicts.get(sql) {
            return verdict.clone().map_or(Ok(()), Err);
        }
        let verdict = crate::check(sql, grants).map(drop).map_err(|refusal| Box::new(refusal.error(sql)));
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        if known.verdicts.len() < MOST_KEPT && known.bytes + sql.len() <= MOST_BYTES {
            known.bytes += sql.len();
            known.verdicts.insert(sql.into(), verdict.clone().err());
        }
        verdict
    }

    fn event(&self, rule: &str, event: &Event) -> Result<(), EventError> {
        let granted = self.rules.get(rule).is_some_and(|rule| rule.grants.publishes(&event.source, &event.detail_type));
        if granted { Ok(()) } else { Err(EventError::not_granted(event)) }
    }
}

impl fmt::Debug for StatementPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatementPolicy").field("rules", &self.rules.keys()).finish_non_exhaustive()
    }
}
