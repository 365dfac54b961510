use crate::args::DeploymentArgs;
use crate::deployment::{begin, explain};

/// Serves what was served before.
pub(crate) async fn rollback(args: &DeploymentArgs) -> anyhow::Result<()> {
    begin(args).await?.rollback().await.map_err(explain)
}
