use std::process::Command;

use crate::repository::{Repository, run};
use crate::venv::Venv;

/// What CloudFormation is given.
const TEMPLATES: [&str; 2] = ["deploy/region.yaml", "deploy/workflows.yaml"];

/// Where it is given to, and the region of the witness, where it could be.
const REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "us-east-2"];

/// Checks the templates before they are deployed: cfn-lint for what CloudFormation takes, in every
/// region, checkov for what is safe, and that the rights which deploying them takes are written. Checks that are suppressed stand in the template, with
/// the reason.
pub(crate) fn check(repository: &Repository, venv: &Venv) -> anyhow::Result<()> {
    let lint = [&["--regions"], &REGIONS[..], &["--"], &TEMPLATES[..]].concat();
    run(&mut repository.command(&venv.program("cfn-lint"), &lint))?;
    let arguments = ["--framework", "cloudformation", "--compact", "--quiet", "--skip-download"];
    let mut checkov = repository.command(&venv.program("checkov"), &arguments);
    for template in TEMPLATES {
        checkov.args(["--file", template]);
    }
    run(checkov.env("LOG_LEVEL", "ERROR"))?;
    run(&mut rights(repository, venv))
}

/// Writes the rights that deploying takes, of the templates' resources and of the deployer's calls.
pub(crate) fn write_rights(repository: &Repository) -> anyhow::Result<()> {
    run(rights(repository, &Venv::for_templates(repository)?).arg("--write"))
}

fn rights(repository: &Repository, venv: &Venv) -> Command {
    repository.command(&venv.program("python"), &["tests/xtask/rights.py"])
}
