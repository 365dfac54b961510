use std::collections::BTreeSet;

use tenet_build::Bundle;
use tenet_core::Grant;

use crate::args::InspectArgs;
use crate::report::show;
use crate::survey::survey;

/// Shows what each rule asks for, is granted and uses: a line for each thing.
pub(crate) fn inspect(args: &InspectArgs) -> anyhow::Result<()> {
    let bundle = Bundle::open(&args.bundle)?;
    let mut lines = Vec::new();
    for rule in survey(&bundle)? {
        lines.push(rule.rule.clone());
        let (asked, granted, used) = (rule.asked.each(), rule.granted.each(), rule.used.each());
        let all: BTreeSet<&Grant> = asked.iter().chain(&granted).chain(&used).collect();
        for grant in all {
            let mark = |set: &BTreeSet<Grant>, word| if set.contains(grant) { word } else { "-" };
            // Events and sensitive values are not seen in a statement.
            let used = if grant.is_of_statements() { mark(&used, "used") } else { "?" };
            lines.push(format!("  {:<6} {:<8} {used:<5} {grant}", mark(&asked, "asked"), mark(&granted, "granted")));
        }
        let missing = rule.refused.len();
        if missing > 0 {
            lines.push(format!("  {missing} statements in its sources are refused: `tenet check` says why"));
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
