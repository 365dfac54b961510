//! Templates of CloudFormation, rendered for configurations and linted by cfn-lint.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::path;
use super::rehearsal::root;

/// A template with its parameters, in a region.
#[derive(Debug, Serialize)]
pub(crate) struct Asked {
    /// `region`, `workflows`, or `sam`, whose problems are those of a template before SAM's transform.
    pub(crate) template: &'static str,
    pub(crate) region: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

/// What CloudFormation would create of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Rendered {
    /// The template without parameters and conditions, unless its parameters are refused.
    rendered: Option<Value>,
    /// Why CloudFormation or a service would refuse it.
    pub(crate) problems: Vec<String>,
}

impl Rendered {
    /// Its resources of a type, by name.
    pub(crate) fn resources<'a>(&'a self, kind: &str) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let kind = kind.to_owned();
        let resources = self.rendered.as_ref().and_then(|template| template["Resources"].as_object());
        let all = resources.into_iter().flatten();
        all.filter(move |(_, of)| of["Type"] == kind.as_str()).map(|(name, of)| (name.as_str(), &of["Properties"]))
    }

    /// The properties of a resource with this type and name.
    pub(crate) fn resource(&self, kind: &str, name: &str) -> &Value {
        self.resources(kind).find(|(other, _)| *other == name).unwrap_or_else(|| panic!("there is no {kind} {name}")).1
    }
}

/// Renders and lints all of them in one process. What several have in common is linted once.
pub(crate) fn rendered(asked: &[Asked]) -> Vec<Rendered> {
    let deploy = root().join("deploy");
    let file = |name: &str| (name.to_owned(), json!(deploy.join(format!("{name}.yaml"))));
    let templates: Value = ["region", "workflows", "sam"].map(file).into_iter().collect();
    let script = root().join("tests/system/tests/system/support/rendered.py");
    let mut python = Command::new(path("TENET_TEST_TEMPLATES"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = json!({"templates": templates, "stacks": asked}).to_string();
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}
