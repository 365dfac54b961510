//! The README shows files of the project; they have to be those files.

use std::path::Path;

use crate::support;
use crate::support::tenet::run;

#[test]
fn the_rule_and_the_manifest_in_the_readme_are_the_ones_that_are_built() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for shown in [
        "guest/rules/rules/record-transaction/src/lib.rs",
        "guest/rules/rules/record-transaction/rule.toml",
        "guest/rules/tenet.toml",
    ] {
        let text = std::fs::read_to_string(root.join(shown)).unwrap();
        assert!(readme.contains(text.trim()), "README.md does not show {shown} as it is");
    }
}

/// A part of the book: a file that it has its reader write, or commands with what they say.
enum Part {
    File { path: String, text: String },
    Commands(Vec<(String, String)>),
}

fn parts(book: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut lines = book.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some((_, path)) = info.split_once(" file=") {
            parts.push(Part::File { path: path.to_owned(), text: body.join("\n") + "\n" });
        } else if info == "console" {
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

/// Every file is written and every command run, in the order of the book.
#[test]
fn the_book_is_true() {
    let root = std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    let book = std::fs::read_to_string(root.join("guest/README.md")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    // Below the repository's own target folder, beside the bundles whose dependencies it shares.
    let built = tempfile::tempdir_in(root.join("target/tenet")).unwrap();
    let mut folder = scratch.path().to_owned();
    let mut ran = 0;
    for part in parts(&book) {
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
                // The versions that this repository has, so that most of it is compiled already.
                std::fs::copy(root.join("guest/Cargo.lock"), folder.join("Cargo.lock")).unwrap();
                continue;
            }
            let builds = ["test", "run", "replay"].iter().any(|word| command.starts_with(&format!("tenet {word} ")))
                || command == "tenet test";
            let out = if builds { format!(" --out {}", built.path().display()) } else { String::new() };
            let mut shell = std::process::Command::new("sh");
            // `tenet` is a function of the shell here, and a program where it is installed.
            let script = format!("tenet() {{ \"$TENET\" \"$@\"; }}\n{command}{out}");
            let mut wrapped = std::process::Command::new("env");
            wrapped.arg(format!("TENET={}", support::path("TENET_TEST_TENET").display()));
            shell.args(["-c", &script]);
            let ended = run(wrapped.arg("sh").args(shell.get_args()).current_dir(&folder));
            assert!(matches!(ended.code, 0 | 1), "{command}: {}{}", ended.stdout, ended.stderr);
            assert_eq!(ended.code == 1, said.contains("FAIL"), "{command}: {}{}", ended.stdout, ended.stderr);
            if !said.is_empty() {
                snapbox::Assert::new().eq(ended.stdout, said);
            }
            ran += 1;
        }
    }
    assert!(ran > 15, "the book has commands");
}
