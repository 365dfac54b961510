use crate::args::StatusArgs;
use crate::deployment::begin;
use crate::exit::Exit;
use crate::terminal;

/// Shows how a deployment stands.
pub(crate) async fn status(args: &StatusArgs) -> anyhow::Result<Exit> {
    let status = begin(&args.deployment).await?.status().await;
    if args.json {
        terminal::write_json(&status.to_json())?;
    } else {
        let text: String = status.regions.iter().map(ToString::to_string).collect();
        text.lines().for_each(terminal::say);
    }
    Ok(Exit::success_or(status.is_well(), Exit::NotWell))
}
