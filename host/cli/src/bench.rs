use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tenet_capsule::Tape;
use tenet_core::Receipt;
use tenet_pipeline::Backoff;

use crate::args::BenchArgs;
use crate::built;
use crate::report::{Problem, show};
use crate::testing::file::{TestFile, What};
use crate::testing::site::{Site, request};

/// Measures a request of a test again and again, each with a key of its own on the rows that are
/// given: what it costs, and how much of that is the rule's.
pub(crate) async fn bench(args: &BenchArgs) -> anyhow::Result<()> {
    let opened = built::open_for(&args.bundle, args.out.as_deref(), built::Wanted::Tests).await?;
    let file = TestFile::read(&args.test)?;
    let Some(What::Ask(ask, _)) = file.steps.first().map(|step| &step.what) else {
        bail!(Problem::new("the first step of the test is no request", "name a test that begins with one"));
    };
    let site = Arc::new(Site::start(opened, true).await?);
    let rig = site.rig(0).await?;
    rig.given(&file).await?;
    let hosts = site.hosts(&rig, Backoff::default())?;
    let given = rig.tables.contents().await?;
    let mut receipts = Vec::new();
    let mut status = 0;
    for number in 0..args.requests {
        rig.tables.restore(&given).await?;
        let mut each = request(ask)?;
        each.key = Some(tenet_core::IdempotencyKey::new(format!("bench-{number}"))?);
        let handled = hosts.decide(each, &Tape::new()).await?;
        status = handled.answer.status.code();
        receipts.push(handled.receipt);
    }
    show(&lines(&receipts, status).context("nothing was measured")?)?;
    drop((hosts, rig));
    Arc::into_inner(site).map_or(Ok(()), Site::close)
}

/// The middle of each part.
fn lines(receipts: &[Receipt], status: u16) -> Option<Vec<String>> {
    let middle = |part: &dyn Fn(&Receipt) -> Duration| {
        let mut all: Vec<Duration> = receipts.iter().map(part).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    };
    let last = receipts.last()?;
    let micros = |duration: Duration| format!("{:>9.1} us", duration.as_secs_f64() * 1e6);
    let mut lines = vec![
        format!("{} requests, each answered {status}; the middle one of each part", receipts.len()),
        format!("  in all            {}", micros(middle(&|receipt| receipt.elapsed)?)),
        format!("  the database      {}", micros(middle(&|receipt| receipt.database)?)),
        format!("  the rules         {}", micros(middle(&|receipt| receipt.computing)?)),
    ];
    for rule in &last.rules {
        let fuel = rule.fuel.map(|fuel| fuel.to_string()).unwrap_or_default();
        lines.push(format!(
            "  {:<17} {fuel:>9} fuel, {} statements, {} rows read, {} KiB of memory",
            rule.rule,
            rule.statements,
            rule.rows_read,
            rule.memory_bytes >> 10
        ));
    }
    lines.push(format!("  {} round trips, {} attempts", last.round_trips, last.attempts));
    Some(lines)
}
