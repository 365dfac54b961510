use std::collections::BTreeSet;

use tenet_build::Bundle;
use tenet_core::{Grant, Grants};
use tenet_harness::building;
use tenet_harness::sources::survey;

use crate::args::InspectArgs;
use crate::terminal::show;

/// Shows what each rule asks for, is granted and uses: a line for each thing. What it uses is seen by
/// the tables that the last build has found.
pub(crate) fn inspect(args: &InspectArgs) -> anyhow::Result<()> {
    let bundle = Bundle::open(&args.bundle)?;
    let mut lines = Vec::new();
    let built = building::read(&building::default_out(&args.bundle)).ok();
    for rule in survey(&bundle, built.as_ref().map(|(_, index)| &index.catalog))? {
        lines.push(rule.rule.clone());
        let (asked, granted, used) = (rule.asked.each(), rule.granted.each(), rule.used.as_ref().map(Grants::each));
        let all: BTreeSet<&Grant> = asked.iter().chain(&granted).chain(used.iter().flatten()).collect();
        for grant in all {
            let mark = |set: &BTreeSet<Grant>, word| if set.iter().any(|of| of.covers(grant)) { word } else { "-" };
            // Events, operations and sensitive values are not seen in a statement.
            let seen = used.as_ref().filter(|_| grant.is_of_statements());
            let used = seen.map_or("?", |used| match mark(used, "used") {
                // Columns of a `*`, which have lines of their own.
                "-" if used.iter().any(|used| grant.covers(used)) => "part",
                mark => mark,
            });
            lines.push(format!("  {:<6} {:<8} {used:<5} {grant}", mark(&asked, "asked"), mark(&granted, "granted")));
        }
        let missing = rule.refused.len();
        if missing > 0 {
            lines.push(format!("  {missing} statements in its sources are refused: `tenet check` says why"));
        }
        if rule.used.is_none() {
            lines.push("  what its statements use is seen once it is built: `tenet build`".to_owned());
        }
        if rule.has_templates {
            lines.push("  it makes statements when it runs, which are not seen here".to_owned());
        }
        for above in bundle.lock().limits(&rule.rule).above(&tenet_core::Limits::default()) {
            lines.push(format!("  granted limit {} {}", above.limit.name(), above.used.unwrap_or_default()));
        }
    }
    show(&lines)
}
