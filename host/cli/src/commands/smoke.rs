use crate::args::DeploymentArgs;
use crate::deployment::{begin, explain};
use crate::terminal;

/// Has both regions show that they serve, and that they are one database.
pub(crate) async fn smoke(args: &DeploymentArgs) -> anyhow::Result<()> {
    begin(args).await?.smoke().await.map_err(explain)?;
    terminal::say("passed");
    Ok(())
}
