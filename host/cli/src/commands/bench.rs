use std::time::Duration;

use anyhow::Context;
use tenet_core::Receipt;
use tenet_harness::building::{self, Wanted};
use tenet_harness::testing::measure;

use crate::args::BenchArgs;
use crate::reporters::progress::OnTerminal;
use crate::terminal::show;

/// Measures a request of a test again and again, each with a key of its own on the rows that are
/// given: what it costs, and how much of that is the rule's.
pub(crate) async fn bench(args: &BenchArgs) -> anyhow::Result<()> {
    let opened = building::open_for(&args.bundle, args.out.as_deref(), Wanted::Tests, &OnTerminal).await?;
    let measured = measure(opened, &args.test, args.requests, &OnTerminal).await?;
    show(&lines(&measured.receipts, measured.status).context("nothing was measured")?)
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
