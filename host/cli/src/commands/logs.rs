use std::time::Duration;

use tenet_core::moment_text;

use crate::args::LogsArgs;
use crate::deployment::{begin, explain};
use crate::terminal::{self, show};

/// Shows what the functions of both regions have said of a request.
pub(crate) async fn logs(args: &LogsArgs) -> anyhow::Result<()> {
    let before = Duration::from_secs(args.hours.saturating_mul(3600));
    let lines = begin(&args.deployment).await?.logs(&args.request, before).await.map_err(explain)?;
    if lines.is_empty() {
        terminal::tell(&format!("no line of the last {} hours has {:?} in it", args.hours, args.request));
    }
    let line = |line: &tenet_deploy::LogLine| {
        format!("{} {} {}", moment_text(line.at.saturating_mul(1000)), line.region, line.text)
    };
    show(&lines.iter().map(line).collect::<Vec<_>>())
}
