//! Converts the error output of the compilers of scripts to an error with a place and advice.

use std::path::Path;

use tenet_core::Code;

use crate::error::{Error, Place};
use crate::line_table::LineTable;

/// componentize-js's text before the exception of a module that it loads.
const EXCEPTION: &str = "Exception while evaluating top-level script\n";

/// Its text before the name of a host function that a module calls while it is loaded.
const CALLED: &str = "attempted to call an unknown imported function: '";

/// The SDK's folder, in the repository and in a bundle.
const SDK: &str = "javascript/sdk/";

/// Advice for an exception, by a part of its text.
const HELPS: [(&str, &str); 4] = [
    ("at the top of a module", "move it into the function that is given to `rule`"),
    ("Intl is not defined", "rules have no Intl: write the format out, or leave it to the caller"),
    (
        "invalid property name in regular expression",
        "patterns know no \\p{..} in rules: list the ranges, such as [A-Za-z]",
    ),
    ("normalize is not a function", "texts have no normalize() in rules: leave it to the caller"),
];

/// The error for componentize-js's output about the rule `main`. Sources are named relative to
/// `root`.
pub(crate) fn of_javascript(main: &Path, root: &Path, said: &str, lines: &LineTable) -> Error {
    if let Some(function) = said.split_once(CALLED).and_then(|(_, rest)| rest.lines().next()) {
        let words: Vec<&str> = function.split('\'').filter(|word| !word.trim().is_empty()).collect();
        let what = format!("{}: it calls the host while its modules are loaded ({})", main.display(), words.join(" "));
        let help = "there is no request yet then: move the call into the function that is given to `rule`";
        return Error::new(what).coded(Code::Script).with_help(help);
    }
    let Some((_, exception)) = said.split_once(EXCEPTION) else {
        let what = format!("{}: componentize-js does not compile it: {}", main.display(), without_own_stack(said));
        return Error::new(what).coded(Code::Script);
    };
    let first = exception.lines().next().unwrap_or_default();
    let (at, what) = first.split_once(' ').unwrap_or(("", first));
    let stack = exception.lines().filter_map(|line| line.trim().split_once('@')).map(|(_, place)| place);
    let places = stack.chain([at]).filter_map(|place| {
        let mut parts = place.rsplitn(3, ':').map(str::parse);
        let (Some(Ok(column)), Some(Ok(line))) = (parts.next(), parts.next()) else { return None };
        lines.place(line, column)
    });
    let of_rule = |(source, _): &(&str, usize)| !source.contains(SDK) && !source.ends_with("loading.js");
    let place = places.into_iter().find(of_rule).map(|(source, line)| Place::of_line(&root.join(source), line));
    let error = Error::new(format!("the rule cannot be loaded: {what}")).coded(Code::Script);
    let error = match place {
        Some(Ok(place)) => error.at(place),
        _ => error.because(&main.display().to_string()),
    };
    let help = HELPS.iter().find(|(says, _)| what.contains(says)).map(|(_, help)| *help);
    error
        .with_help(help.unwrap_or("modules are run when the rule is built, up to the function that is given to `rule`"))
}

/// The error for componentize-py's output about the rule `main`. The last line of Python's
/// traceback is the exception, and the lines above are its place.
pub(crate) fn of_python(main: &Path, said: &str) -> Error {
    // After the exception componentize-py prints its own details.
    let report =
        said.rsplit_once("Traceback (most recent call last):").map(|(_, report)| report.trim_start_matches('\n'));
    let exception = report.and_then(|report| report.lines().find(|line| !line.starts_with(' ') && !line.is_empty()));
    let (Some(report), Some(exception)) = (report, exception) else {
        let what = format!("{}: componentize-py does not compile it: {}", main.display(), said.trim());
        return Error::new(what).coded(Code::Script);
    };
    let report = report.split_once(exception).map_or(report, |(above, _)| above);
    let own = |line: &&str| line.trim_start().starts_with("File \"") && !line.contains("/tenet.py\"");
    let place = report.lines().rfind(own).and_then(|line| {
        let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once('"')?;
        let number = rest.strip_prefix(", line ")?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        // Python sees the rule's folders under other names.
        let name = Path::new(file).file_name()?;
        Place::of_line(&main.with_file_name(name), number).ok()
    });
    let error = Error::new(format!("the rule cannot be loaded: {}", exception.trim())).coded(Code::Script);
    let error = match place {
        Some(place) => error.at(place),
        None => error.because(&main.display().to_string()),
    };
    error.with_help("modules are run when the rule is built, up to the function that is given to `tenet.rule`")
}

/// The output of a Node.js program, without its own stack trace.
fn without_own_stack(said: &str) -> String {
    let own = |line: &str| line.starts_with("    at ") || line.starts_with("file://") || line.starts_with("Node.js v");
    let lines = said.lines().filter(|line| !own(line) && !line.trim().is_empty());
    lines.map(str::trim).collect::<Vec<_>>().join("; ")
}
