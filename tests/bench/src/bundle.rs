use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;
use tenet_core::bundle::{File, INDEX, Index, Operation, Rule};

/// A bundle with this many rules, copies of the rule `rows` under other names, and with the
/// operation `rows-read` if there is a rule.
///
/// # Errors
/// Fails if the source bundle has no such rule.
pub fn bundle_of(count: usize, folder: &Path, index: &Index) -> anyhow::Result<TempDir> {
    let rule = index.rule("rows").context("the bundle has no rule `rows`")?;
    let made = tempfile::tempdir()?;
    fs::create_dir(made.path().join("rules"))?;
    let copied = |file: &File, number: usize| {
        let from = PathBuf::from(&file.path);
        let extension = from.extension().unwrap_or_default().to_string_lossy();
        let path = format!("rules/rows-{number}.{extension}");
        fs::copy(folder.join(&from), made.path().join(&path))?;
        anyhow::Ok(File { path, sha256: file.sha256.clone() })
    };
    let rules = (0..count).map(|number| {
        let compiled = rule.compiled.as_ref().context("the rule `rows` is not compiled")?;
        let (component, compiled) = (copied(&rule.component, number)?, Some(copied(compiled, number)?));
        Ok(Rule { name: format!("rows-{number}"), component, compiled, ..rule.clone() })
    });
    let rules: Vec<Rule> = rules.collect::<anyhow::Result<_>>()?;
    let operation = rules.first().map(|rule| Operation {
        name: "rows-read".into(),
        rules: vec![rule.name.clone()],
        key: None,
        read_only: true,
        callers: None,
        events: vec![],
        ..tenet_core::bundle::Operation::default()
    });
    let operations = operation.into_iter().collect();
    let made_of = Index { operations, rules, schema: Vec::new(), ..index.clone() };
    if let Some(openapi) = &made_of.openapi {
        fs::copy(folder.join(&openapi.path), made.path().join(&openapi.path))?;
    }
    fs::write(made.path().join(INDEX), made_of.to_json())?;
    Ok(made)
}
