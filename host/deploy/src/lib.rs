//! Two regions on one database: brought up, watched and taken down.
//!
//! A [`Deployment`] is what a [`Config`] asks for and what AWS says there is, and nothing
//! besides: it keeps no file of its own. Clusters are found by their tag, everything else by its
//! name. So every step begins with a look, does what is missing, and waits until it is there,
//! and a run that was interrupted anywhere is the same as one that was not when it is run again.
//!
//! The two clusters of Aurora DSQL and the key of the vault come first and outlive the rest:
//! what was written stays readable. The stack of a region (`deploy/region.yaml`) has all that can
//! be made anew. Which version of the function is served is a parameter of the stack, so that
//! CloudFormation knows of every shift and finds no drift in one.
//!
//! What happens inside the database is done through the port [`Database`]; what is deployed is a
//! [`Package`]; whoever watches is a [`Progress`]. What this crate must never know: how rules are
//! built, a SQL driver, the pipeline, a terminal.

mod bucket;
mod clusters;
mod config;
mod database;
mod deployment;
mod destroy;
mod error;
mod function;
mod logs;
mod names;
mod package;
mod progress;
mod regional;
mod regions;
mod shift;
mod smoke;
mod stack;
mod status;
mod vault_key;
mod versions;
mod wait;

pub use clusters::Cluster;
pub use config::{
    Alarms, Architecture, Config, Database as DatabaseConfig, Domain, Events, Function, Http, Jwt, Route, Seen, Smoke,
    Workflows,
};
pub use database::{Database, Outbox, Prepared};
pub use deployment::{Deployed, Deployment, Served};
pub use destroy::DestroyOptions;
pub use error::DeployError;
pub use logs::LogLine;
pub use names::{LIVE, Names};
pub use package::Package;
pub use progress::Progress;
pub use regions::Regions;
pub use smoke::Tested;
pub use status::{RegionStatus, Status};
pub use wait::PollPolicy;
