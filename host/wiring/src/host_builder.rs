use std::sync::Arc;

use tenet_capsule::Shadow;
use tenet_clock::SystemClock;
use tenet_core::bundle::Index;
use tenet_core::{Clock, Ledger, Policy, Publisher, Rules, Vault};
use tenet_pipeline::{Backoff, FollowUpObserver, NoVault, Operations, Pipeline, UnusableOperation};
use tenet_policy::StatementPolicy;

/// The parts of one bundle's host. Three are required: the database, the rules and the bus. The
/// others have defaults suitable for a deployed host, except the vault: without one nothing can be
/// sealed.
pub struct HostBuilder<'a> {
    index: &'a Index,
    ledger: Ledger,
    rules: Arc<dyn Rules>,
    publisher: Arc<dyn Publisher>,
    policy: Arc<dyn Policy>,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    backoff: Backoff,
    concurrency: u32,
    are_outputs_checked: bool,
    observer: Option<Arc<dyn FollowUpObserver>>,
}

impl<'a> HostBuilder<'a> {
    /// A host for the operations in `index`, whose statements are checked against the bundle's
    /// grants.
    pub fn new(
        index: &'a Index,
        ledger: impl Into<Ledger>,
        rules: Arc<dyn Rules>,
        publisher: Arc<dyn Publisher>,
    ) -> Self {
        Self {
            index,
            ledger: ledger.into(),
            rules,
            publisher,
            policy: Arc::new(StatementPolicy::new(index)),
            vault: Arc::new(NoVault),
            clock: Arc::new(SystemClock),
            backoff: Backoff::default(),
            concurrency: index.host.connections,
            are_outputs_checked: false,
            observer: None,
        }
    }

    /// Checks statements with another policy: a test's own, or one that several hosts share.
    #[must_use]
    pub fn policy(self, policy: Arc<dyn Policy>) -> Self {
        Self { policy, ..self }
    }

    /// Sets the vault that seals and opens values.
    #[must_use]
    pub fn vault(self, vault: Arc<dyn Vault>) -> Self {
        Self { vault, ..self }
    }

    /// Uses another clock than the machine's.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Sets the backoff between the attempts of a request.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets how many requests are decided concurrently, instead of the bundle's `connections`. The
    /// ledger needs a connection, and the rules an instance, for each.
    #[must_use]
    pub fn concurrency(self, requests: u32) -> Self {
        Self { concurrency: requests, ..self }
    }

    /// Has the follow-ups observed that the host runs by itself.
    #[must_use]
    pub fn observer(self, observer: Arc<dyn FollowUpObserver>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Checks outputs against the schemas of their rules, as tests do. Deployed hosts do not.
    #[must_use]
    pub fn with_checked_outputs(self) -> Self {
        Self { are_outputs_checked: true, ..self }
    }

    /// Runs next versions of rules on recordings of this host's requests.
    pub fn shadow(&self) -> Shadow {
        Shadow {
            rules: Arc::clone(&self.rules),
            policy: Arc::clone(&self.policy),
            transactions: Arc::clone(&self.ledger.transactions),
            vault: Arc::clone(&self.vault),
            only_reads: tenet_policy::only_reads,
        }
    }

    /// Builds the host.
    ///
    /// # Errors
    /// Fails if the index has an operation that cannot be run.
    pub fn pipeline(self) -> Result<Pipeline, UnusableOperation> {
        let operations = match self.are_outputs_checked {
            true => Operations::strict(self.index)?,
            false => Operations::new(self.index)?,
        };
        let Self { ledger, rules, policy, publisher, clock, backoff, vault, concurrency, observer, .. } = self;
        let pipeline = Pipeline::new(operations, ledger, rules, policy, publisher, clock, backoff)
            .with_vault(vault)
            .with_concurrency(concurrency);
        Ok(match observer {
            Some(observer) => pipeline.with_observer(observer),
            None => pipeline,
        })
    }
}
