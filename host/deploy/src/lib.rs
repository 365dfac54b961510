//! Deploys, inspects and deletes a deployment of two regions with one database.
//!
//! A [`Deployment`] consists of a [`Config`] and of what exists in AWS; it stores no state of its
//! own. Clusters are found by their tag, everything else by its name. Every step first checks what
//! exists, creates what is missing, and waits until it is available. So an interrupted run can be
//! repeated with the same result.
//!
//! The two Aurora DSQL clusters and the vault's key are created first and outlive the rest: stored
//! data stays readable. The stack of a region (`deploy/region.yaml`) contains everything that can
//! be recreated. The served version of the function is a parameter of the stack, so that
//! CloudFormation knows of every shift and reports no drift.
//!
//! Work inside the database goes through the port [`Database`]; the deployed artifact is a
//! [`Package`]; steps are reported to a [`Progress`]. This crate must not know how rules are built,
//! a SQL driver, the pipeline, or a terminal.

mod bucket;
mod clusters;
mod config;
mod database;
mod deployment;
mod destroy;
mod error;
mod examine;
mod function;
mod logs;
mod names;
mod package;
mod parameters;
mod plan;
mod progress;
mod quotas;
mod recovery;
mod regional;
mod regions;
mod rights;
mod role_name;
mod service_values;
mod shift;
mod smoke;
mod spelling;
mod stack;
mod status;
mod taken;
mod times;
mod vault_key;
mod versions;
mod wait;

pub use clusters::Cluster;
pub use config::{
    Alarms, Architecture, Config, Database as DatabaseConfig, Domain, Events, Function, Http, Jwt, Route, Seen, Smoke,
    Workflows,
};
pub use database::{Database, Outbox, Pending, Prepared};
pub use deployment::{Deployed, Deployment, Served};
pub use destroy::DestroyOptions;
pub use error::DeployError;
pub use examine::{Finding, Severity};
pub use logs::LogLine;
pub use names::{LIVE, Names};
pub use package::{Package, Settings};
pub use parameters::{region_parameters, workflow_parameters};
pub use plan::Plan;
pub use progress::Progress;
pub use regions::Regions;
pub use smoke::Tested;
pub use status::{RegionStatus, Status};
pub use wait::PollPolicy;
