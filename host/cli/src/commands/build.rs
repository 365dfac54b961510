use tenet_engine::OWN_TARGET;
use tenet_harness::building::{default_out, make};

use crate::args::BuildArgs;
use crate::reporters::progress::OnTerminal;
use crate::terminal;

/// Builds a bundle: components, then code for this machine or the named one, then their descriptions
/// for callers, then the index.
pub(crate) async fn build(args: &BuildArgs) -> anyhow::Result<()> {
    let out = match (&args.out, args.target) {
        (Some(out), _) => out.clone(),
        (None, Some(target)) => default_out(&args.bundle).join(target),
        (None, None) => default_out(&args.bundle),
    };
    let built = make(&args.bundle, &out, args.target.unwrap_or(OWN_TARGET), &OnTerminal).await?;
    let index = built.index_after(&OnTerminal);
    terminal::tell(&format!("built {} rules into {}", index.rules.len(), out.display()));
    Ok(())
}
