//! The database's tables.

pub(crate) mod apply;
pub(crate) mod grants;
pub(crate) mod plan;

use std::path::{Path, PathBuf};

use tenet_core::bundle::Index;
use tenet_harness::building::{self, MANIFEST, Opened};
use tenet_harness::schema;

use crate::args::SchemaArgs;
use crate::reporters::progress::OnTerminal;

/// The bundles that are named, with nothing in their steps that DSQL would refuse.
async fn bundles(args: &SchemaArgs) -> anyhow::Result<Vec<(PathBuf, Index)>> {
    let bundles = opened(&args.bundles).await?;
    bundles.iter().try_for_each(|(folder, index)| schema::lint(folder, index))?;
    Ok(bundles)
}

/// The built bundles in these folders. Without any it is the one that the command is given in, if there
/// is one, which is built first.
async fn opened(folders: &[PathBuf]) -> anyhow::Result<Vec<(PathBuf, Index)>> {
    if folders.is_empty() && Path::new(MANIFEST).is_file() {
        let Opened { folder, index, .. } = building::open(Path::new("."), None, &OnTerminal).await?;
        return Ok(vec![(folder, index)]);
    }
    folders.iter().map(|folder| Ok(building::read(folder)?)).collect()
}
