use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tenet_audit::chains::{CHAIN, STEP};
use tenet_core::bundle::{INDEX, Index, Operation, Rule};
use tenet_core::{BoxFuture, HostCalls, Limits, Request, RuleCall, Rules};
use tenet_engine::{Engine, Library};

use crate::steady::Steady;

/// The operations that handle the same event.
pub(crate) const TAKERS: [&str; 2] = ["post-a", "post-b"];

/// The operation, and the rule, whose second statement passes a limit.
pub(crate) const LIMITED: &str = "limited";

/// The operation that increments a counter.
pub(crate) const INCREMENT: &str = "increment";

/// The rule of the tests that does what its payload says.
const PROBE: &str = "probe";

/// More processor time than any rule of these takes: the processor's clock is not simulated.
const CPU_MS: u64 = 600_000;

/// Calls at the same time, over all hosts.
const SLOTS: u32 = 96;

/// Seconds after which a row of the outbox is left to the relay.
const GRACE_S: u64 = 3;

/// The connections of a sandbox: fewer than the requests that some get at once.
const CONNECTIONS: u32 = 3;

/// The timeouts of a rule and of a statement, in milliseconds: the first pair for stories with an even seed, the second
/// for those with an odd one.
const TIMES: [(u64, u64); 2] = [(900, 400), (500, 900)];

/// The compiled rules of all hosts, loaded once: those of the example bundle and one of the tests' own.
pub struct Components {
    index: Index,
    steps: Vec<(String, String)>,
    examples: Library,
    guests: Library,
}

impl Components {
    /// Loads the built example rules and the built guests of the tests.
    ///
    /// # Errors
    /// Fails if a bundle is not built, or with another engine.
    pub fn load(examples: &Path, guests: &Path) -> anyhow::Result<Self> {
        let engine = Engine::new(SLOTS)?;
        let (mut index, mut steps) = read(examples)?;
        let (of_guests, more_steps) = read(guests)?;
        let library = |folder: &Path, index: &Index| Library::open(Arc::clone(&engine), folder, index);
        let (example_rules, guest_rules) = (library(examples, &index)?, library(guests, &of_guests)?);
        steps.extend(more_steps);

        let probe = of_guests.rule(PROBE).context("the guests have no probe")?;
        let limited = Limits { statements: 1, ..probe.limits.clone() };
        let limited = Rule { name: LIMITED.to_owned(), limits: limited, ..probe.clone() };
        let mut probe = probe.clone();
        probe.grants.operations.schedule = [STEP.to_owned()].into();
        index.rules.extend([probe, limited]);
        index.catalog.tables.extend(of_guests.catalog.tables.clone());
        let transfer = index.operations.iter().find(|operation| operation.name == "transfer");
        let transfer = transfer.context("the rules have no transfer")?.clone();
        let of_probe = of_guests.operations.iter().find(|operation| operation.name == PROBE);
        let of_probe = of_probe.context("the guests have no operation probe")?.clone();
        for name in TAKERS {
            index.operations.push(Operation { name: name.to_owned(), key: None, ..transfer.clone() });
        }
        for (name, rule) in [(INCREMENT, PROBE), (CHAIN, PROBE), (STEP, PROBE), (LIMITED, LIMITED)] {
            index.operations.push(Operation {
                name: name.to_owned(),
                rules: vec![rule.to_owned()],
                ..of_probe.clone()
            });
        }
        Ok(Self { index, steps, examples: example_rules, guests: guest_rules })
    }

    /// The steps of the schemas.
    pub(crate) fn steps(&self) -> &[(String, String)] {
        &self.steps
    }

    /// The index of the hosts of the story with this seed.
    pub(crate) fn index(&self, seed: u64) -> Index {
        let mut index = self.index.clone();
        let (wall_ms, statement_ms) = TIMES[usize::from(seed % 2 == 1)];
        index.host.relay_grace_s = GRACE_S;
        index.host.connections = CONNECTIONS;
        index.host.statement_ms = statement_ms;
        index.host.rule_failures = 3;
        for rule in &mut index.rules {
            (rule.limits.wall_ms, rule.limits.cpu_ms) = (wall_ms, CPU_MS);
        }
        index
    }
}

/// The index of a built bundle and the steps of its schema.
fn read(folder: &Path) -> anyhow::Result<(Index, Vec<(String, String)>)> {
    let read = |path: &str| {
        let path = folder.join(path);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let index = Index::parse(&read(INDEX)?)?;
    let step = |file: &tenet_core::bundle::File| {
        let name =
            Path::new(&file.path).file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok((format!("{}-{name}", folder.file_name().unwrap_or_default().to_string_lossy()), read(&file.path)?))
    };
    let steps = index.schema.iter().map(step).collect::<anyhow::Result<_>>()?;
    Ok((index, steps))
}

impl Rules for Components {
    fn call<'a>(
        &'a self,
        rule: &'a str,
        request: &'a Request,
        limits: &'a Limits,
        calls: Arc<dyn HostCalls>,
    ) -> BoxFuture<'a, RuleCall> {
        Box::pin(Steady(match rule {
            PROBE | LIMITED => self.guests.call(PROBE, request, limits, calls),
            rule => self.examples.call(rule, request, limits, calls),
        }))
    }
}
