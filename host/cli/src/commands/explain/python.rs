//! The items of the SDK for Python, from its docstrings: those that `__all__` names.

use crate::commands::explain::item::{Item, about};
use crate::vendored;

pub(crate) fn items() -> Vec<Item> {
    let source = vendored::source("guest/python/sdk/tenet.py");
    let mut items = Vec::new();
    let mut lines = source.lines();
    let mut owner: Option<String> = None;
    while let Some(line) = lines.next() {
        let inner = line.trim_start();
        let indent = line.len() - inner.len();
        if indent == 0 && !inner.is_empty() {
            owner = None;
        }
        let Some((name, signature)) = declared(inner) else { continue };
        match &owner {
            None if indent == 0 && is_public(source, name) => {
                // What comes next is its docstring, or it has none.
                let docs = docstring(&mut lines);
                if inner.starts_with("class ") {
                    owner = Some(name.to_owned());
                }
                items.push(Item {
                    name: format!("tenet.{name}"),
                    signature: if inner.starts_with("class ") { of_class(source, inner) } else { signature.to_owned() },
                    about: words(&docs),
                    is_field: false,
                });
            }
            Some(owner) if indent == 4 && !name.starts_with('_') && inner.starts_with("def ") => {
                let docs = docstring(&mut lines);
                let name = format!("tenet.{owner}.{name}");
                items.push(Item { name, signature: signature.to_owned(), about: words(&docs), is_field: false });
            }
            _ => {}
        }
    }
    items
}

fn is_public(source: &str, name: &str) -> bool {
    let list = source.split("__all__ = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    list.contains(&format!("\"{name}\""))
}

/// The name and the signature of what a line declares: a function, a class or a name of the contract's.
fn declared(line: &str) -> Option<(&str, &str)> {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let rest = line.strip_prefix("def ").or_else(|| line.strip_prefix("class "));
    if let Some(rest) = rest {
        let name = rest.split(|c| !is_of_name(c)).next()?;
        return Some((name, line.trim_end_matches(':')));
    }
    let (name, value) = line.split_once(" = ")?;
    (name.chars().all(is_of_name) && value.starts_with("context.")).then_some((name, ""))
}

/// How a class is written: `class DataError(ValueError)`, and with its fields where it is made of them.
fn of_class(source: &str, line: &str) -> String {
    let declared = line.trim_end_matches(':');
    let body = source.split(&format!("\n{line}\n")).nth(1).unwrap_or_default();
    let body = body.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let field = |line: &str| {
        let (name, _) = line.strip_prefix("    ")?.split_once(": ")?;
        name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| name.to_owned())
    };
    let fields: Vec<String> = body.filter_map(field).collect();
    if fields.is_empty() { declared.to_owned() } else { format!("{declared}({})", fields.join(", ")) }
}

/// The docstring that begins in the next line.
fn docstring<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    let first = lines.next().unwrap_or_default();
    let Some(text) = first.trim_start().strip_prefix("\"\"\"") else { return String::new() };
    let indent = first.len() - first.trim_start().len();
    if let Some(text) = text.strip_suffix("\"\"\"") {
        return text.to_owned();
    }
    let mut whole = text.to_owned();
    for line in lines {
        let line = line.get(indent..).unwrap_or_default();
        if line == "\"\"\"" {
            break;
        }
        whole.push('\n');
        whole.push_str(line.strip_suffix("\"\"\"").unwrap_or(line));
        if line.ends_with("\"\"\"") {
            break;
        }
    }
    whole
}

fn words(docs: &str) -> String {
    let (words, example) = docs.split_once("\nExample:\n").unwrap_or((docs, ""));
    let example: String = example.lines().map(|line| format!("{}\n", line.get(4..).unwrap_or_default())).collect();
    about(words, "python", &example)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nothing_public_is_left_out() {
        let source = vendored::source("guest/python/sdk/tenet.py");
        let names: BTreeSet<String> = items().into_iter().map(|item| item.name).collect();
        let list = source.split("__all__ = [").nth(1).unwrap().split(']').next().unwrap();
        let public: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        assert!(public.len() > 20, "{public:?}");
        for name in public {
            assert!(names.contains(&format!("tenet.{name}")), "{name}: {names:?}");
        }
        for part in ["tenet.Field.seal", "tenet.Field.open", "tenet.Field.open_text"] {
            assert!(names.contains(part), "{part}");
        }
    }
}
