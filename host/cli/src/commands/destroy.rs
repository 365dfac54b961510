use tenet_deploy::DestroyOptions;

use crate::args::DestroyArgs;
use crate::deployment::{begin, explain};
use crate::terminal::{self, show};

/// Takes a deployment down, and lists what is left.
pub(crate) async fn destroy(args: &DestroyArgs) -> anyhow::Result<()> {
    let deployment = begin(&args.deployment).await?;
    let options = DestroyOptions { clusters: args.clusters, lift_protection: args.lift_protection.clone() };
    let left = deployment.destroy(&options).await.map_err(explain)?;
    if left.is_empty() {
        terminal::say("nothing is left");
    } else {
        terminal::say("left:");
        show(&left)?;
    }
    Ok(())
}
