use std::path::Path;

use anyhow::{Context, bail};
use tenet_harness::Watching;
use tenet_harness::building;

use crate::args::DevArgs;
use crate::problem::Problem;
use crate::server::{self, Telling};

/// Serves a bundle's operations, and what is saved meanwhile.
pub(crate) async fn dev(args: &DevArgs) -> anyhow::Result<()> {
    let bundle = &args.serve.bundle;
    if !bundle.join(building::MANIFEST).is_file() {
        let what = format!("{} is no source of a bundle", bundle.display());
        bail!(Problem::new(what, "name the folder with tenet.toml; `tenet serve` serves one that is built"));
    }
    if let Some(folder) = &args.record {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let out = args.serve.out.clone().unwrap_or_else(|| building::default_out(bundle));
    let kept = args.keep.then(|| out.join("kept.json"));
    let telling = Telling { statements: true, record: args.record.clone() };
    let outputs: Vec<&Path> = args.serve.out.as_deref().into_iter().chain(args.record.as_deref()).collect();
    server::run(&args.serve, telling, Some(Watching::new(bundle, &outputs)?), kept).await
}
