use std::collections::BTreeSet;

use anyhow::Context;
use serde_json::Value;
use tenet_core::{HostSettings, Limits, Mutant};

use super::{Text, markdown};
use crate::repository::Repository;

/// A table without its header.
type Rows = Vec<Vec<String>>;

/// What the tables of the documents say and the code does not.
pub(super) fn untrue(repository: &Repository, documents: &[Text], sources: &[Text]) -> anyhow::Result<Vec<String>> {
    let mut problems = rooms(repository, &table(documents, "host/README.md", "room")?)?;
    problems.extend(limits(&table(documents, "host/policy/README.md", "limit")?));
    let function = "host/lambda/README.md";
    problems.extend(settings(&table(documents, function, "setting")?)?);

    let is_ours = |name: &String| name.starts_with("TENET_");
    let named = first_names(&table(documents, function, "variable")?).into_iter().filter(is_ours).collect();
    let read = quoted_after(sources, "host/lambda/src/settings.rs", &["\"TENET_"]);
    let read = read.into_iter().map(|name| format!("TENET_{name}")).filter(|name| is_variable(name));
    problems.extend(differences("variables of the function", &named, &read.collect()));

    let named = first_names(&table(documents, function, "metric")?).into_iter().collect();
    problems.extend(differences("metrics", &named, &metrics(sources)));

    let named = first_names(&table(documents, "host/pipeline/README.md", "`code`")?).into_iter().collect();
    let starts = ["Problem::new(\"", ".unavailable(\"", "Some((\"", "Status::Failed, \"", "Status::Unavailable, \""];
    let mut given = quoted_after(sources, "host/pipeline/src/pipeline.rs", &starts);
    given.extend(quoted_after(sources, "host/pipeline/src/answer.rs", &["&Problem::new(\""]));
    problems.extend(differences("codes of answers", &named, &given));

    let named = first_names(&table(documents, "host/http/README.md", "`code`")?).into_iter().collect();
    problems.extend(differences("codes of HTTP", &named, &http_codes(sources)));

    let named = first_names(&table(documents, "tests/README.md", "mutant")?).into_iter().collect();
    let all = Mutant::ALL.iter().map(|mutant| mutant.name().to_owned()).collect();
    problems.extend(differences("mutants", &named, &all));

    problems.extend(pages(repository, documents));
    problems.extend(tasks(documents));
    Ok(problems)
}

/// The rows of the table whose first column has this title.
fn table(documents: &[Text], path: &str, title: &str) -> anyhow::Result<Rows> {
    let document = documents.iter().find(|document| document.path == path);
    let document = document.with_context(|| format!("{path} does not exist"))?;
    let is_titled = |table: &Rows| table.first().and_then(|row| row.first()).is_some_and(|cell| cell == title);
    let mut table = markdown::tables(&document.text).into_iter().find(is_titled);
    let rows = table.as_mut().with_context(|| format!("{path} has no table of the column {title}"))?;
    Ok(rows.split_off(1))
}

/// All names in backticks of the first column.
fn first_names(rows: &Rows) -> Vec<String> {
    let cells = rows.iter().filter_map(|row| row.first());
    cells.flat_map(|cell| markdown::code_spans(cell)).map(str::to_owned).collect()
}

fn cell(row: &[String], number: usize) -> &str {
    row.get(number).map_or("", String::as_str)
}

fn differences(what: &str, named: &BTreeSet<String>, there: &BTreeSet<String>) -> Vec<String> {
    let missing = there.difference(named).map(|name| format!("{what}: {name} is in no table"));
    let unknown = named.difference(there).map(|name| format!("{what}: {name} is in a table and not in the code"));
    missing.chain(unknown).collect()
}

/// Holds the map of `host` against the manifests.
fn rooms(repository: &Repository, rows: &Rows) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut mapped = BTreeSet::new();
    for row in rows {
        let Some(room) = markdown::code_spans(cell(row, 0)).next() else { continue };
        mapped.insert(room.to_owned());
        let path = repository.path(&format!("host/{room}/Cargo.toml"));
        let Ok(manifest) = std::fs::read_to_string(path) else { continue };
        let named = markdown::code_spans(cell(row, 2)).map(str::to_owned).collect();
        problems.extend(differences(&format!("what {room} depends on"), &named, &dependencies(&manifest)));
    }
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(repository.path("host"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            there.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    problems.extend(differences("rooms of host", &mapped, &there));
    Ok(problems)
}

/// The crates of this repository that a manifest names outside of its dev-dependencies.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut named = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && !section.contains("dev-")
            && let Some(name) = line.strip_prefix("tenet-")
        {
            let end = name.find([' ', '.', '=']).unwrap_or(name.len());
            named.insert(name.get(..end).unwrap_or_default().to_owned());
        }
    }
    named
}

/// Holds the limits and their ceilings against those of the host.
fn limits(rows: &Rows) -> Vec<String> {
    let values = Limits::default().each().into_iter().zip(Limits::ceilings().each());
    let held: BTreeSet<String> =
        values.map(|((limit, unless_set), (_, ceiling))| format!("{} {unless_set} {ceiling}", limit.name())).collect();
    let said = rows.iter().map(|row| {
        let number = |place| amount(cell(row, place)).map_or_else(|| cell(row, place).to_owned(), |n| n.to_string());
        format!("{} {} {}", cell(row, 0).trim_matches('`'), number(1), number(2))
    });
    differences("limits", &said.collect(), &held)
}

/// A number as it is written for people: `10,000`, `64 MiB`.
fn amount(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let shift = match unit {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        _ => return None,
    };
    digits.replace(',', "").parse::<u64>().ok().map(|number| number << shift)
}

/// Holds the settings of `[host]` and their defaults against those of the host.
fn settings(rows: &Rows) -> anyhow::Result<Vec<String>> {
    let Value::Object(defaults) = serde_json::to_value(HostSettings::default())? else { return Ok(Vec::new()) };
    let held = defaults.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let said =
        rows.iter().map(|row| format!("{} = {}", cell(row, 0).trim_matches('`'), cell(row, 1).trim_matches('`')));
    Ok(differences("settings of [host]", &said.collect(), &held))
}

/// The codes of the HTTP interface's own problems.
fn http_codes(sources: &[Text]) -> BTreeSet<String> {
    let of_status = ["FORBIDDEN, \"", "NOT_FOUND, \"", "TOO_LARGE, \"", "MEDIA_TYPE, \"", "SERVER_ERROR, \""];
    let api = "host/http/src/api.rs";
    let mut codes = quoted_after(sources, api, &of_status);
    codes.extend(quoted_after(sources, "host/http/src/reply.rs", &["NOT_ALLOWED, \""]));
    // Pairs of a code and what it means.
    let pairs = quoted_after(sources, api, &["(\""]);
    codes.extend(pairs.into_iter().filter(|text| text.contains('-') && !text.contains(' ')));
    codes
}

/// The metrics that lines of the log have.
fn metrics(sources: &[Text]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let is_host = |source: &&Text| source.path.starts_with("host/") && source.text.contains("MetricSet {");
    for source in sources.iter().filter(is_host) {
        for unit in ["\", \"Count\")", "\", \"Microseconds\")", "\", \"Seconds\")"] {
            for (end, _) in source.text.match_indices(unit) {
                let name = source.text.get(..end).and_then(|before| before.rsplit('"').next());
                found.extend(name.map(str::to_owned));
            }
        }
    }
    found
}

/// The rest of each string of a source that begins right after one of these; tests are not looked
/// at.
fn quoted_after(sources: &[Text], path: &str, starts: &[&str]) -> BTreeSet<String> {
    let text = sources.iter().find(|source| source.path == path).map_or("", |source| source.text.as_str());
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    // A call that rustfmt has broken is the same call.
    let text: String = text.split("(\n").map(str::trim_start).collect::<Vec<_>>().join("(");
    let mut found = BTreeSet::new();
    for start in starts {
        for (place, _) in text.match_indices(start) {
            let string = text.get(place + start.len()..).and_then(|rest| rest.split('"').next());
            found.extend(string.map(str::to_owned));
        }
    }
    found
}

/// Whether it is the name of a variable that a shipped function takes, and not a prefix or a
/// sentence that begins with one.
fn is_variable(name: &str) -> bool {
    let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    is_name && !name.ends_with('_') && !["TENET_MUTANT", "TENET_DSQL", "TENET_DSQL_PEER"].contains(&name)
}

/// Each code that a document names has a page for `tenet explain`.
fn pages(repository: &Repository, documents: &[Text]) -> Vec<String> {
    let mut problems = Vec::new();
    for document in documents {
        let words = document.text.split(|c: char| !c.is_ascii_alphanumeric());
        let is_code =
            |word: &&str| word.strip_prefix('T').is_some_and(|rest| rest.len() == 4 && rest.parse::<u16>().is_ok());
        for code in words.filter(is_code).collect::<BTreeSet<_>>() {
            if !repository.path(&format!("host/cli/explain/{code}.md")).exists() {
                problems.push(format!("{}: `tenet explain {code}` has no page", document.path));
            }
        }
    }
    problems
}

/// Each task that a document names exists.
fn tasks(documents: &[Text]) -> Vec<String> {
    let mut problems = Vec::new();
    for document in documents {
        for (place, start) in document.text.match_indices("cargo xtask ") {
            let rest = document.text.get(place + start.len()..).unwrap_or_default();
            let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
            let task = rest.get(..end).unwrap_or_default();
            let is_task = crate::USAGE.lines().any(|line| line.trim_start().split(' ').next() == Some(task));
            if !task.is_empty() && !is_task {
                problems.push(format!("{}: there is no task `cargo xtask {task}`", document.path));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        assert_eq!(
            (amount("10,000"), amount("64 MiB"), amount("200 KiB")),
            (Some(10_000), Some(64 << 20), Some(200 << 10))
        );
        assert_eq!((amount("many"), amount("1 GB")), (None, None));
    }

    #[test]
    fn a_limit_that_is_not_what_the_host_has_is_named() {
        let mut rows: Rows = Limits::default()
            .each()
            .into_iter()
            .zip(Limits::ceilings().each())
            .map(|((limit, value), (_, most))| vec![format!("`{}`", limit.name()), value.to_string(), most.to_string()])
            .collect();
        assert_eq!(limits(&rows), Vec::<String>::new());
        rows[0][1] = "9,999".to_owned();
        let problems = limits(&rows);
        assert!(problems.len() == 2 && problems[0].contains("wall_ms 10000"), "{problems:?}");
    }

    #[test]
    fn dependencies_of_tests_are_no_arrows() {
        let manifest = "[dependencies]\ntenet-core = { workspace = true }\ntenet-log.workspace = true\nanyhow = \"1\"\n\
                        [dev-dependencies]\ntenet-http = { workspace = true }\n";
        assert_eq!(dependencies(manifest), BTreeSet::from(["core".to_owned(), "log".to_owned()]));
    }

    #[test]
    fn a_string_is_found_behind_its_call_also_where_that_is_broken() {
        let text = "a(Some((\n    \"one\", b))); Some((\"two\", c));\n#[cfg(test)]\nmod tests { Some((\"three\")) }";
        let sources = [Text { path: "x.rs".to_owned(), text: text.to_owned() }];
        let found = quoted_after(&sources, "x.rs", &["Some((\""]);
        assert_eq!(found, BTreeSet::from(["one".to_owned(), "two".to_owned()]));
    }
}
