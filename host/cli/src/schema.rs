use std::path::{Path, PathBuf};

use anyhow::Context;
use tenet_core::bundle::Index;

use crate::args::SchemaArgs;
use crate::built;

/// Applies Tenet's own steps and then those of the built bundles, in order.
pub(crate) async fn apply(args: &SchemaArgs) -> anyhow::Result<()> {
    let bundles = args.bundles.iter().map(|folder| built::read(folder)).collect::<anyhow::Result<Vec<_>>>()?;
    let steps = apply_to(&args.database_url, &bundles).await?;
    eprintln!("schema: {steps} steps are in place");
    Ok(())
}

/// Gives the number of steps, those included that had been applied before.
pub(crate) async fn apply_to(url: &str, bundles: &[(PathBuf, Index)]) -> anyhow::Result<usize> {
    let endpoint = tenet_database::Endpoint::parse(url)?;
    let mut steps = Vec::new();
    for (folder, index) in bundles {
        for file in &index.schema {
            steps.push((file.path.clone(), text(folder, &file.path)?));
        }
    }
    Ok(tenet_database::Schema::apply(&endpoint, &steps).await?)
}

fn text(folder: &Path, path: &str) -> anyhow::Result<String> {
    let path = folder.join(path);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
