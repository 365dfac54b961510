use std::time::{Duration, Instant};

use tenet_harness::schema;

use super::bundles;
use crate::args::ApplyArgs;
use crate::endpoint::endpoint;
use crate::terminal;

/// Applies Tenet's own steps and then those of the built bundles, in order.
pub(crate) async fn apply(ApplyArgs { schema: args, timeout }: &ApplyArgs) -> anyhow::Result<()> {
    let bundles = bundles(args).await?;
    let deadline = Instant::now() + Duration::from_secs(*timeout);
    let steps = schema::apply_by(&endpoint(&args.database).await?, &bundles, deadline).await?;
    terminal::tell(&format!("schema: {steps} steps are in place"));
    Ok(())
}
