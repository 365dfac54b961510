//! From the start of the process to the first answer: the released `bootstrap` under a runtime
//! API in this process, with a bundle of 1, 10 and 100 rules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tenet_bench::{Pairs, RuntimeApi, place};
use tenet_core::bundle::{File, INDEX, Index, Operation, Rule};

const ROUNDS: usize = 40;
const RULES: [usize; 3] = [1, 10, 100];

/// Each kind of request, and what its answer begins with.
const REQUESTS: [(&str, &str, &str); 2] = [
    ("a query", r#"{"operation":"rows-read","rows":10}"#, r#"{"statusCode":200,"#),
    ("no such operation", r#"{"operation":"other"}"#, r#"{"statusCode":400,"#),
];

fn main() -> anyhow::Result<()> {
    let (bootstrap, database) = (place::bootstrap()?, place::database()?);
    let (folder, index) = place::guests()?;
    let api = RuntimeApi::start()?;
    let bundles: Vec<TempDir> = RULES.iter().map(|count| bundle(&folder, &index, *count)).collect::<Result<_, _>>()?;
    let name = |request: &str, rules: usize| format!("{request}, bundle of {rules}");

    let mut pairs = Pairs::default();
    for (request, event, answer) in REQUESTS {
        for (rules, bundle) in RULES.iter().zip(&bundles) {
            let (api, database, bootstrap) = (&api, &database, &bootstrap);
            pairs.add(name(request, *rules), move || {
                let start = Instant::now();
                let mut function = Function(function(bootstrap, api.address(), bundle.path(), database).spawn()?);
                let (answered, body) = api.invoke(event, || Ok(function.0.try_wait()?.is_none()))?;
                ensure!(body.starts_with(answer), "bootstrap answered {body}");
                Ok::<Duration, anyhow::Error>(answered - start)
            });
        }
    }
    let measured = pairs.run(ROUNDS)?;
    for (request, ..) in REQUESTS {
        println!("\nFrom the start to the first answer: {request}\n{:>54}{:>10}", "ms", "ratio");
        for rules in RULES {
            let ms = measured.median(&name(request, rules)) / 1e3;
            let ratio = measured.ratio(&name(request, rules), &name(request, 1));
            println!("  {:<42}{ms:>10.1}{ratio:>10.2}", format!("bundle of {rules}"));
        }
    }
    Ok(())
}

/// Ends with its value.
struct Function(Child);

impl Drop for Function {
    fn drop(&mut self) {
        // One that has ended by itself needs no end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The function as Lambda starts it.
fn function(bootstrap: &Path, api: &str, bundle: &Path, database: &str) -> Command {
    let mut command = Command::new(bootstrap);
    command
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", api),
            ("AWS_LAMBDA_FUNCTION_NAME", "tenet"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("TENET_DATABASE_URL", database),
            ("TENET_EVENT_BUS", "default"),
        ])
        .env("TENET_BUNDLE", bundle)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// A bundle of so many rules: the rule `rows` under other names.
fn bundle(folder: &Path, index: &Index, count: usize) -> anyhow::Result<TempDir> {
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
    let operations = vec![Operation {
        name: "rows-read".into(),
        rules: vec!["rows-0".into()],
        key: None,
        read_only: true,
        callers: None,
        events: vec![],
    }];
    let made_of =
        Index { operations, rules: rules.collect::<anyhow::Result<_>>()?, schema: Vec::new(), ..index.clone() };
    if let Some(openapi) = &made_of.openapi {
        fs::copy(folder.join(&openapi.path), made.path().join(&openapi.path))?;
    }
    fs::write(made.path().join(INDEX), made_of.to_json())?;
    Ok(made)
}
