use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use aws_config::BehaviorVersion;
use tenet_database::{Dsql, Endpoint};
use tenet_harness::schema;

use crate::args::DatabaseArgs;

/// The database that the arguments name.
pub(crate) async fn endpoint(args: &DatabaseArgs) -> anyhow::Result<Endpoint> {
    let Some(cluster) = &args.dsql_endpoint else {
        return Ok(Endpoint::parse(args.database_url.as_deref().unwrap_or_default())?);
    };
    let read = |path: &PathBuf| schema::text(Path::new(""), path).context("--dsql-ca");
    let cluster = Dsql {
        endpoint: cluster.clone(),
        address: args.dsql_address.clone(),
        region: args.dsql_region.clone(),
        role: Dsql::ADMIN.to_owned(),
        authorities: args.dsql_ca.as_ref().map(read).transpose()?,
        application: "tenet".to_owned(),
    };
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    Endpoint::dsql(&cluster, &aws).map_err(|error| match error.part() {
        Some(part) => anyhow!("--dsql-{part}: {error}"),
        None => anyhow!(error),
    })
}
