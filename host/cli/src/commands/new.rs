use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use tenet_build::Bundle;
use tenet_harness::building::MANIFEST;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::args::NewArgs;
use crate::commands::grant;
use crate::problem::Problem;
use crate::reporters::progress::Waiting;
use crate::template::{File, KEY, Language, Names, PAYLOAD, WORKSPACE};
use crate::terminal;
use crate::vendored;

/// The rule of a new bundle that is not given another name.
const FIRST_RULE: &str = "award";

/// Longest name of a rule: its table's, which is longer, has 63 bytes in PostgreSQL.
const LONGEST: usize = 50;

/// Words of Rust, which no crate and no function is called.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Crates that a rule is built with; another of the same name hides them.
const CRATES: &[&str] = &["alloc", "core", "proc-macro", "serde", "std", "tenet", "test"];

/// Makes a bundle, or a rule in one.
pub(crate) fn new(args: &NewArgs) -> anyhow::Result<()> {
    let stands_in_one = args.bundle.join(MANIFEST).is_file();
    match (&args.path, &args.rule) {
        // Where there is a bundle a name is a rule's; a path leads elsewhere.
        (Some(name), None) if stands_in_one && is_plain(name) => add(&args.bundle, &name.to_string_lossy(), args.lang),
        (Some(path), rule) => bundle(path, rule.as_deref().unwrap_or(FIRST_RULE), args.lang),
        (None, Some(rule)) => add(&args.bundle, rule, args.lang),
        (None, None) => bail!(Problem::new("neither a bundle nor a rule is named", "`tenet new PATH`, or --rule NAME")),
    }
}

/// Whether this is a name, and leads nowhere else.
fn is_plain(name: &Path) -> bool {
    let mut parts = name.components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

fn bundle(folder: &Path, rule: &str, language: Language) -> anyhow::Result<()> {
    check_name(rule)?;
    if fs::read_dir(folder).map_or_else(|_| folder.symlink_metadata().is_ok(), |mut inside| inside.next().is_some()) {
        let what = format!("{} is there already, and not an empty folder", folder.display());
        bail!(Problem::new(what, "name another; in a bundle, `tenet new --rule NAME` adds a rule"));
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let full = fs::canonicalize(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    let title = full.file_name().unwrap_or_default().to_string_lossy();
    let vendored = folder.join(vendored::folder());
    vendored::write(&vendored).with_context(|| format!("cannot write {}", vendored.display()))?;
    write(folder, &Names { title: &title, rule, step: 1, language }.bundle())?;
    workspace(folder, language)?;
    grant(folder, rule)?;
    terminal::tell(&format!("made the bundle {} with the rule {rule}", folder.display()));
    begin_repository(folder);
    terminal::tell(&format!("next: cd {} && tenet test", folder.display()));
    terminal::tell(&format!("then: tenet run {rule} --payload '{PAYLOAD}'"));
    terminal::tell(&format!("learn: tenet explain book, and the reference: tenet explain {}", language.name()));
    Ok(())
}

fn add(folder: &Path, rule: &str, language: Language) -> anyhow::Result<()> {
    check_name(rule)?;
    let bundle = Bundle::open(folder)?;
    let place = folder.join("rules").join(rule);
    if place.exists() {
        bail!(Problem::new(format!("{} is there already", place.display()), "give the new rule another name"));
    }
    let vendored = vendored::folder();
    if !folder.join(&vendored).is_dir() {
        let what = format!("{} has no {vendored}, which a new rule is written with", folder.display());
        bail!(Problem::new(what, "use the tenet that made the bundle, or copy a rule that is there"));
    }
    let manifest = folder.join(MANIFEST);
    let text = fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let text = with_operation(&text, rule).with_context(|| manifest.display().to_string())?;
    write(folder, &Names { title: "", rule, step: bundle.next_step()?, language }.rule())?;
    workspace(folder, language)?;
    fs::write(&manifest, text).with_context(|| format!("cannot write {}", manifest.display()))?;
    grant(folder, rule)?;
    if language == Language::Rust {
        tenet_build::lock_new_rule(folder, &mut Waiting::new())?;
    }
    let elsewhere = if folder == Path::new(".") { String::new() } else { format!(" --bundle {}", folder.display()) };
    terminal::tell(&format!("made the rule {rule}, its operation, its table and its tests"));
    terminal::tell(&format!("next: tenet test{elsewhere} --filter {rule}"));
    Ok(())
}

/// Makes the crates of a bundle one workspace, and keeps the rules out of it that are none.
fn workspace(folder: &Path, language: Language) -> anyhow::Result<()> {
    let (path, text) = WORKSPACE;
    let place = folder.join(path);
    if language == Language::Rust && !place.exists() {
        write(folder, &[(path.to_owned(), text.to_owned())])?;
    }
    if !place.exists() {
        return Ok(());
    }
    let mut scripts = Vec::new();
    let rules = folder.join("rules");
    for entry in fs::read_dir(&rules).with_context(|| format!("cannot read {}", rules.display()))? {
        let rule = entry?;
        if !rule.path().join("Cargo.toml").is_file() {
            scripts.push(format!("rules/{}", rule.file_name().to_string_lossy()));
        }
    }
    scripts.sort();
    let text = fs::read_to_string(&place).with_context(|| format!("cannot read {}", place.display()))?;
    let without = without_members(&text, &scripts).with_context(|| place.display().to_string())?;
    if without != text {
        fs::write(&place, without).with_context(|| format!("cannot write {}", place.display()))?;
    }
    Ok(())
}

/// The manifest of a workspace that leaves these folders out, and is otherwise as it was.
fn without_members(manifest: &str, folders: &[String]) -> anyhow::Result<String> {
    let mut document: DocumentMut = manifest.parse()?;
    // A bundle whose rules are no workspace has nothing to be left out of.
    let Some(workspace) = document.get_mut("workspace").and_then(Item::as_table_like_mut) else {
        return Ok(manifest.to_owned());
    };
    let exclude = workspace.entry("exclude").or_insert(value(Array::new()));
    let exclude = exclude.as_array_mut().context("`exclude` is no list")?;
    for folder in folders {
        if !exclude.iter().any(|known| known.as_str() == Some(folder)) {
            exclude.push(folder.as_str());
        }
    }
    Ok(document.to_string())
}

/// Makes the new bundle a repository of its own, unless it lies in one. Where there is no git it is
/// a folder like any other.
fn begin_repository(folder: &Path) {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        git.status().is_ok_and(|status| status.success())
    };
    if !git(&["rev-parse", "--git-dir"]) && git(&["init", "--quiet"]) {
        terminal::tell("made it a repository of git");
    }
}

/// Grants the new rule what its template requests: the caller of `tenet new` wants to run it.
fn grant(folder: &Path, rule: &str) -> anyhow::Result<()> {
    let granted = Bundle::open(folder)?.granted(&[rule.to_owned()])?;
    grant::write(folder, &granted)
}

/// Refuses what cannot be a rule, a crate, a function and part of a table's name at once.
fn check_name(name: &str) -> Result<(), Problem> {
    let refuse = |what: String| Err(Problem::new(what, "give it another name, such as `record-payment`"));
    let letters = |word: &str| !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.split('-').all(letters) {
        return refuse(format!(
            "{name:?} is no name of a rule: that is words of lower-case letters and digits, with hyphens"
        ));
    }
    if name.len() > LONGEST {
        return refuse(format!("a rule's name has at most {LONGEST} letters, and this has {}", name.len()));
    }
    if KEYWORDS.contains(&name) || CRATES.contains(&name) {
        return refuse(format!("no rule can be called {name}, which is a word or a crate of Rust"));
    }
    Ok(())
}

/// `tenet.toml` with an operation for the rule, and otherwise as it was.
fn with_operation(manifest: &str, rule: &str) -> anyhow::Result<String> {
    let mut document: DocumentMut = manifest.parse()?;
    let mut implicit = Table::new();
    implicit.set_implicit(true);
    let operations = document.entry("operations").or_insert(Item::Table(implicit));
    let operations = operations.as_table_like_mut().context("`operations` is no table")?;
    if operations.contains_key(rule) {
        let what = format!("there is an operation {rule} already");
        bail!(Problem::new(what, "give the rule another name, or the operation"));
    }
    let mut operation = Table::new();
    operation.insert("rules", value(Array::from_iter([rule])));
    operation.insert("key", value(KEY));
    operations.insert(rule, Item::Table(operation));
    Ok(document.to_string())
}

/// Writes files that are not there yet.
fn write(folder: &Path, files: &[File]) -> anyhow::Result<()> {
    for (path, text) in files {
        let place: PathBuf = folder.join(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let file = fs::OpenOptions::new().write(true).create_new(true).open(&place);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", place.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_operation_leaves_what_the_manifest_says_as_it_is() {
        let manifest = "# Ours.\nversion = 1\n\n[operations.write] # first\nrules = [ \"record\" ]\n";
        let with = with_operation(manifest, "award").unwrap();
        assert_eq!(with, format!("{manifest}\n[operations.award]\nrules = [\"award\"]\nkey = \"id\"\n"));
        let alone = with_operation("version = 1\n", "award").unwrap();
        assert_eq!(alone, "version = 1\n\n[operations.award]\nrules = [\"award\"]\nkey = \"id\"\n");
        let dotted = with_operation("version = 1\noperations.write = { rules = [\"record\"] }\n", "award").unwrap();
        let operations = &dotted.parse::<DocumentMut>().unwrap()["operations"];
        assert_eq!(
            (operations["write"]["rules"][0].as_str(), operations["award"]["key"].as_str()),
            (Some("record"), Some("id"))
        );
        assert!(with_operation(manifest, "write").unwrap_err().to_string().contains("operation write already"));
    }

    #[test]
    fn a_rule_that_is_no_crate_is_left_out_of_the_workspace_once() {
        let manifest = "[workspace]\nmembers = [\"rules/*\"]\n# Ours.\nexclude = [\"vendor\"]\n";
        let folders = ["rules/a".to_owned()];
        let without = without_members(manifest, &folders).unwrap();
        assert_eq!(without, manifest.replace("[\"vendor\"]", "[\"vendor\", \"rules/a\"]"));
        assert_eq!(without_members(&without, &folders).unwrap(), without);
        assert_eq!(without_members("[package]\nname = \"a\"\n", &folders).unwrap(), "[package]\nname = \"a\"\n");
    }

    #[test]
    fn a_name_that_no_rule_can_have_is_refused() {
        for bad in ["", "-a", "a-", "a--b", "1a", "A", "a_b", "a/b", "../a", "ä", "match", "tenet", &"a".repeat(51)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        for good in ["award", "record-payment", "order", "a1-2b"] {
            check_name(good).unwrap();
        }
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        for language in [Language::Rust, Language::Javascript, Language::Python] {
            for (path, text) in (Names { title: "shop", rule: "record-payment", step: 12, language }).bundle() {
                assert!(!path.contains("{{") && !text.contains("{{"), "{path}");
            }
        }
    }
}
