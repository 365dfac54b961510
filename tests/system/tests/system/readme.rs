//! The examples in the READMEs: files of the project, and commands with their output.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use snapbox::Assert;

use crate::support::tenet::{Ended, run, tenet};
use crate::support::{self, http};

/// The READMEs whose `console run` blocks are run.
const READMES: [&str; 10] = [
    "README.md",
    "host/README.md",
    "host/database/README.md",
    "host/events/README.md",
    "host/http/README.md",
    "host/lambda/README.md",
    "host/pipeline/README.md",
    "host/policy/README.md",
    "host/vault/README.md",
    "tests/README.md",
];

fn root() -> PathBuf {
    std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn the_rule_and_the_manifests_in_the_readmes_are_the_ones_that_are_built() {
    for (readme, shown) in [
        ("README.md", "guest/rules/rules/record-transaction/src/lib.rs"),
        ("host/policy/README.md", "guest/rules/rules/record-transaction/rule.toml"),
        ("host/pipeline/README.md", "guest/rules/tenet.toml"),
        ("guest/README.md", "tests/system/tests/rules.rs"),
    ] {
        assert!(read(readme).contains(read(shown).trim()), "{readme} does not show {shown} as it is");
    }
}

/// A part of a document: a file that the reader writes, or commands with their output.
enum Part {
    File { path: String, text: String },
    Commands(Vec<(String, String)>),
}

/// The files, and the commands of the blocks with this info string.
fn parts(book: &str, commands_of: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut lines = book.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some((_, path)) = info.split_once(" file=") {
            parts.push(Part::File { path: path.to_owned(), text: body.join("\n") + "\n" });
        } else if info == commands_of {
            let mut commands: Vec<(String, String)> = Vec::new();
            for line in body {
                match line.strip_prefix("$ ") {
                    Some(command) => commands.push((command.to_owned(), String::new())),
                    None => {
                        let said = &mut commands.last_mut().unwrap().1;
                        said.push_str(line);
                        said.push('\n');
                    }
                }
            }
            parts.push(Part::Commands(commands));
        }
    }
    parts
}

/// Runs a command in a folder, where `tenet` is the harness.
fn shell(folder: &Path, command: &str) -> Ended {
    // `tenet` is a shell function here, instead of an installed program.
    let script = format!("tenet() {{ \"$TENET\" \"$@\"; }}\n{command}");
    let mut wrapped = std::process::Command::new("env");
    wrapped.arg(format!("TENET={}", support::path("TENET_TEST_TENET").display()));
    run(wrapped.args(["sh", "-c", &script]).current_dir(folder))
}

/// Writes every file and runs every command, in the order of the book.
#[test]
fn the_book_is_true() {
    let root = root();
    let book = read("guest/README.md");
    let scratch = tempfile::tempdir().unwrap();
    // Below the repository's own target folder, next to the bundles that have the same
    // dependencies.
    let built = tempfile::tempdir_in(root.join("target/tenet")).unwrap();
    let mut folder = scratch.path().to_owned();
    let mut ran = 0;
    for part in parts(&book, "console") {
        let commands = match part {
            Part::File { path, text } => {
                let place = folder.join(path);
                std::fs::create_dir_all(place.parent().unwrap()).unwrap();
                std::fs::write(place, text).unwrap();
                continue;
            }
            Part::Commands(commands) => commands,
        };
        for (command, said) in commands {
            if let Some(inner) = command.strip_prefix("cd ") {
                folder.push(inner);
                // The versions that this repository uses, so that most of it is compiled already.
                std::fs::copy(root.join("guest/Cargo.lock"), folder.join("Cargo.lock")).unwrap();
                continue;
            }
            let builds = ["test", "run", "replay"].iter().any(|word| command.starts_with(&format!("tenet {word} ")))
                || command == "tenet test";
            let out = if builds { format!(" --out {}", built.path().display()) } else { String::new() };
            let ended = shell(&folder, &format!("{command}{out}"));
            assert!(matches!(ended.code, 0 | 1), "{command}: {}{}", ended.stdout, ended.stderr);
            assert_eq!(ended.code == 1, said.contains("FAIL"), "{command}: {}{}", ended.stdout, ended.stderr);
            if !said.is_empty() {
                Assert::new().eq(ended.stdout, said);
            }
            ran += 1;
        }
    }
    assert!(ran > 15, "the book has commands");
}

/// Runs every `console run` block of a README, with the built example bundle and in an otherwise
/// empty folder.
#[test]
fn the_commands_of_the_readmes_print_what_is_shown() {
    let mut ran = BTreeSet::new();
    for readme in READMES {
        let scratch = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root().join("target"), scratch.path().join("target")).unwrap();
        for part in parts(&read(readme), "console run") {
            let Part::Commands(commands) = part else { continue };
            let mut folder = scratch.path().to_owned();
            for (command, said) in commands {
                if let Some(inner) = command.strip_prefix("cd ") {
                    folder.push(inner);
                    continue;
                }
                let ended = shell(&folder, &command);
                assert_eq!(ended.code, 0, "{readme}: {command}: {}{}", ended.stdout, ended.stderr);
                if !said.is_empty() {
                    Assert::new().eq(ended.stdout + &ended.stderr, said);
                }
                ran.insert(readme);
            }
        }
    }
    assert_eq!(ran, BTreeSet::from(["README.md", "host/policy/README.md"]));
}

/// The example of `tenet serve`, with ports of the test's own.
#[tokio::test]
async fn the_local_server_answers_as_its_readme_shows() {
    let mut blocks = parts(&read("host/http/README.md"), "console").into_iter();
    let Some(Part::Commands(commands)) = blocks.next() else { panic!("the README has no commands") };
    let database = support::database().await;
    let served = support::serve("rules", database.url()).await;
    let mut commands = commands.into_iter();
    let (start, regions) = commands.next().unwrap();
    assert_eq!(start, "tenet serve target/tenet/rules &");
    let ports: Vec<&str> = regions.lines().map(|line| line.rsplit(':').next().unwrap()).collect();
    let mut posted = 0;
    for (command, said) in commands.filter(|(command, _)| !command.starts_with("post()")) {
        let words: Vec<&str> = command.splitn(4, ' ').collect();
        let ["post", port, operation, payload] = words[..] else { panic!("{command}") };
        let address = if port == ports[0] { served.east() } else { served.west() };
        let (path, payload) = (format!("/operations/{operation}"), payload.trim_matches('\''));
        let (_, body) = http::post(address, &path, payload).await.unwrap();
        Assert::new().eq(body + "\n", said);
        posted += 1;
    }
    assert_eq!((ports.len(), posted), (2, 4));
    served.stop().await;
}

/// Every `tenet ...` command in a document exists, with the shown options.
#[test]
fn every_command_that_a_document_shows_has_the_options_that_it_is_shown_with() {
    let mut documents = READMES.to_vec();
    documents.extend(["deploy/README.md", "guest/README.md", "tests/bench/README.md", "wit/README.md"]);
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = 0;
    for document in documents {
        for command in commands(&read(document)) {
            let mut words = command.split_whitespace().skip(1).take_while(|word| !word.starts_with('#')).peekable();
            let is_name = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase());
            let Some(name) = words.next_if(is_name) else { continue };
            let mut names = vec![name];
            if matches!(name, "schema" | "events" | "operations") {
                names.extend(words.next_if(is_name));
            }
            let help = helps.entry(names.join(" ")).or_insert_with(|| {
                let ended = tenet(&root(), &[&names[..], &["--help"]].concat());
                assert_eq!(ended.code, 0, "{document} shows `{command}`: {}", ended.stderr);
                ended.stdout
            });
            for option in words.filter(|word| word.starts_with("--")) {
                let option = option.split(['=', ',']).next().unwrap();
                let has = help.split(|c: char| c.is_whitespace() || "[]=<>,".contains(c)).any(|word| word == option);
                assert!(has, "{document} shows `{command}`, and it has no {option}:\n{help}");
            }
            seen += 1;
        }
    }
    assert!(seen > 60 && helps.len() > 20, "{seen} commands of {} kinds", helps.len());
}

/// The `tenet ...` commands of a document: in `console` blocks and in backticks.
fn commands(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut prose = String::new();
    let mut fence: Option<&str> = None;
    for line in document.lines() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(info)) => fence = Some(info),
            (Some(_), Some(_)) => fence = None,
            (Some(info), None) if info.starts_with("console") => {
                let parts = line.strip_prefix("$ ").unwrap_or_default().split("&&");
                commands.extend(parts.map(|part| part.trim().to_owned()));
            }
            (Some(_), None) => {}
            (None, None) => {
                prose.push_str(line);
                prose.push('\n');
            }
        }
    }
    commands.extend(prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")));
    commands.retain(|command| command.starts_with("tenet "));
    commands
}
