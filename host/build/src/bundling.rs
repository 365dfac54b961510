//! Bundles a rule in JavaScript or TypeScript and the packages that it uses into one module.

use std::fs;
use std::path::{Path, PathBuf};

use tenet_core::Code;

use crate::bounded::{MAX_RECORD, read_at_most, text_at_most};
use crate::error::{Error, Place};
use crate::imports::{PACKAGES, names};
use crate::line_table::LineTable;
use crate::sources::relative;
use crate::tools::{Said, Tool};

/// The module that wraps the rule's.
const ENTRY: &str = "tenet-main.js";

/// Prevents modules from using clocks and random numbers while they are loaded.
pub(crate) const LOADING: &str = include_str!("loading.js");

/// Bundles the rule `main` and all its imports into one module below `work`. Returns the module's
/// path and its line table, in which sources are named relative to `root`.
pub(crate) fn bundle(tool: &Tool, main: &Path, root: &Path, work: &Path) -> Result<(PathBuf, LineTable), Error> {
    let out = work.join("rule.js");
    let loading = work.join("loading.js");
    fs::write(&loading, LOADING).map_err(Error::io("write", &loading))?;
    let quoted = |path: &Path| serde_json::Value::from(path.to_string_lossy()).to_string();
    // The first import is loaded first, and the statements run after all imports.
    let entry = format!(
        "import {{ loaded }} from {};\nimport * as rule from {};\nloaded();\nexport const {{ evaluate, describe }} = rule;\n",
        quoted(&loading),
        quoted(main)
    );
    let mut command = tool.command("esbuild");
    // Packages are searched, and files named, from this folder.
    command.current_dir(root);
    command.args(["--bundle", "--format=esm", "--platform=neutral", "--target=esnext", "--keep-names"]);
    command.args(["--external:tenet:*", "--external:wasi:*", "--main-fields=module,main"]);
    command.args(["--conditions=import,module", "--sourcemap=external", "--sources-content=false"]);
    command.args(["--charset=utf8", "--log-level=warning", "--color=false", "--legal-comments=none"]);
    command.arg(format!("--sourcefile={ENTRY}")).arg(format!("--outfile={}", out.display()));
    match tool.run(&mut command, Some(&entry))? {
        Said::Done(_) => {}
        Said::Refused(said) => {
            let what = format!("{}: its modules cannot be put together: {}", main.display(), told(&said));
            let help = help(&said).unwrap_or("a package is installed with `npm install NAME` in the bundle's folder");
            return Err(Error::new(what).coded(Code::Script).with_help(help));
        }
    }
    let map = out.with_extension("js.map");
    let mut lines = LineTable::read(&read_at_most(&map, MAX_RECORD).map_err(Error::io("read", &map))?);
    lines.rename(|source| named(&work.join(source), root));
    let mut text = text_at_most(&out, MAX_RECORD).map_err(Error::io("read", &out))?;
    refuse_intl(&text, &lines, root)?;
    text.push_str(&lines.statement());
    fs::write(&out, text).map_err(Error::io("write", &out))?;
    Ok((out, lines))
}

/// Refuses a rule whose own modules use `Intl`, which does not exist here: it would fail at its
/// first request.
fn refuse_intl(text: &str, lines: &LineTable, root: &Path) -> Result<(), Error> {
    for (number, line) in text.lines().enumerate() {
        let Some(column) = line.find("Intl").filter(|_| names(line, "Intl")) else { continue };
        let Some((source, number)) = lines.place(number + 1, column + 1) else { continue };
        if !source.split('/').any(|part| part == PACKAGES) {
            let path = root.join(source);
            let place = Place::of_line(&path, number).map_err(Error::io("read", &path))?;
            let what = "rules in JavaScript have no Intl";
            let help = "write the format out, or leave it to the caller";
            return Err(Error::new(what).coded(Code::Script).at(place).with_help(help));
        }
    }
    Ok(())
}

/// The path of a source relative to `root`. A source map names it relative to the map.
fn named(source: &Path, root: &Path) -> String {
    fs::canonicalize(source).map_or_else(|_| source.to_string_lossy().into_owned(), |path| relative(root, &path))
}

/// The bundler's error messages, each with its place.
fn told(said: &str) -> String {
    let mut lines = said.lines().map(str::trim);
    let mut errors = Vec::new();
    while let Some(line) = lines.next() {
        if let Some((_, what)) = line.split_once("[ERROR] ") {
            let place = lines.find(|line| !line.is_empty()).map(|place| place.trim_end_matches(':'));
            errors.push(match place {
                Some(place) => format!("{place}: {what}"),
                None => what.to_owned(),
            });
        }
    }
    if errors.is_empty() { said.trim().to_owned() } else { errors.join("; ") }
}

/// Advice for the bundler's message, if there is any.
fn help(said: &str) -> Option<&'static str> {
    // Node.js's own modules are named like packages, or with a prefix.
    const OF_NODE: [&str; 16] = [
        "fs",
        "path",
        "http",
        "https",
        "net",
        "os",
        "crypto",
        "child_process",
        "stream",
        "util",
        "events",
        "buffer",
        "url",
        "process",
        "timers",
        "worker_threads",
    ];
    let of_node = |name: &str| name.starts_with("node:") || OF_NODE.contains(&name.split('/').next().unwrap_or(name));
    let mut missing = said.split("Could not resolve \"").skip(1).filter_map(|rest| rest.split('"').next());
    missing.any(of_node).then_some("a rule has no files, no network and nothing else of Node.js: leave it out, or take a package that does without")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_bundler_is_told_with_its_place_on_one_line() {
        let said = "✘ [ERROR] Could not resolve \"left-pad\"\n\n    rules/a/rule.js:2:17:\n      2 │ import pad from 'left-pad'\n        ╵   ~~~\n\n  You can mark the path as external\n\n1 error\n";
        assert_eq!(told(said), "rules/a/rule.js:2:17: Could not resolve \"left-pad\"");
        assert_eq!(help(said), None);
        assert!(help(&said.replace("left-pad", "node:fs")).is_some_and(|help| help.contains("no files")));
        assert_eq!(told("what?\n"), "what?");
    }
}
