use crate::args::DeploymentArgs;
use crate::deployment::{begin, explain};

/// Serves the canary's version for all calls.
pub(crate) async fn promote(args: &DeploymentArgs) -> anyhow::Result<()> {
    begin(args).await?.promote().await.map_err(explain)
}
