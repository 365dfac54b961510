//! The items of the SDK for Rust, from the comments of its source.

use std::collections::BTreeSet;

use crate::commands::explain::item::Item;
use crate::vendored;

/// What an item begins with.
const BEGINNINGS: &[&str] = &["pub fn ", "pub const fn ", "pub struct ", "pub enum ", "pub type ", "pub trait "];

/// The files whose items come first.
const FIRST: &[&str] = &["database.rs", "batch.rs", "params.rs", "error.rs", "events.rs", "context.rs", "log.rs"];

/// What each rule uses first, and then by the names of files.
pub(crate) fn items() -> Vec<Item> {
    let root = vendored::source("guest/sdk/src/lib.rs");
    let public = public(root);
    let mut items = Vec::new();
    let mut files = vendored::sources("guest/sdk/src");
    files.sort_by_key(|file| FIRST.iter().position(|first| *first == file.path).unwrap_or(FIRST.len()));
    for file in files {
        let module = file.path.trim_end_matches(".rs");
        let is_module = public.modules.contains(module);
        let is_private = matches!(module, "bindings" | "evaluate" | "describe" | "allocator" | "panic");
        if !is_private {
            items.extend(of_file(file.text, module, is_module, &public.names));
        }
    }
    items.sort_by_key(|item| !item.name.starts_with("#["));
    items
}

/// What the root of the crate makes public.
struct Public<'a> {
    names: BTreeSet<&'a str>,
    modules: BTreeSet<&'a str>,
}

fn public(root: &str) -> Public<'_> {
    let mut public = Public { names: BTreeSet::new(), modules: BTreeSet::new() };
    for line in root.lines() {
        if let Some(module) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            public.modules.insert(module);
        } else if let Some((_, last)) = line.strip_prefix("pub use ").and_then(|rest| rest.rsplit_once("::")) {
            let names = last.trim_end_matches(';').trim_matches(['{', '}']);
            public.names.extend(names.split(',').map(str::trim));
        }
    }
    public
}

/// Items of one file, as far as they are public.
fn of_file(text: &str, module: &str, is_module: bool, public: &BTreeSet<&str>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut docs: Vec<&str> = Vec::new();
    // The type whose `impl` we are in, and whether it is a trait.
    let mut owner: Option<(String, bool)> = None;
    let mut is_hidden = false;
    let mut lines = text.lines().take_while(|line| *line != "#[cfg(test)]" || !text.contains("mod tests {"));
    while let Some(line) = lines.next() {
        let inner = line.trim_start();
        if let Some(words) = inner.strip_prefix("///") {
            docs.push(words.strip_prefix(' ').unwrap_or(words));
            continue;
        }
        if inner.starts_with("#[") || inner.starts_with("#![") {
            is_hidden |= inner.starts_with("#[doc(hidden)]");
            let mut end = inner;
            while !end.ends_with(']') {
                let Some(next) = lines.next() else { break };
                end = next;
            }
            continue;
        }
        let documented = std::mem::take(&mut docs);
        let is_hidden = std::mem::take(&mut is_hidden);
        if line == "}" {
            owner = None;
        } else if let Some(rest) = line.strip_prefix("impl ") {
            let name = rest.split([' ', '<']).next().unwrap_or_default();
            owner = (!rest.contains(" for ")).then(|| (name.to_owned(), false));
        } else if let Some(name) = line.strip_prefix("macro_rules! ").and_then(|rest| rest.split(' ').next()) {
            let name = match name.strip_prefix("__log_") {
                Some(level) => format!("log::{level}!"),
                None => format!("{name}!"),
            };
            if !documented.is_empty() {
                items.push(Item { name, about: words(&documented), ..Item::default() });
            }
        } else if let Some(path) = line.strip_prefix("pub use ").filter(|_| !documented.is_empty() && module == "lib") {
            let name = path.trim_end_matches(';').rsplit("::").next().unwrap_or_default();
            let name = if path.starts_with("tenet_macros") { format!("#[tenet::{name}]") } else { name.to_owned() };
            items.push(Item { name, about: words(&documented), ..Item::default() });
        } else {
            let in_trait = owner.as_ref().is_some_and(|(_, is_trait)| *is_trait);
            let begins = BEGINNINGS.iter().find(|beginning| inner.starts_with(*beginning)).copied();
            let constant = owner.as_ref().and(inner.strip_prefix("pub const ")).filter(|_| begins.is_none());
            let declared = match (begins, constant) {
                (Some(beginning), _) => inner.strip_prefix(beginning),
                (None, Some(rest)) => Some(rest),
                (None, None) => inner.strip_prefix("fn ").filter(|_| in_trait),
            };
            let Some(declared) = declared else { continue };
            let name = declared.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let is_known = match &owner {
                Some((owner, _)) => is_module || public.contains(owner.as_str()),
                None => is_module || public.contains(name),
            };
            let signature = signature(inner, &mut lines);
            if begins == Some("pub trait ") && line.starts_with("pub trait ") && !inner.ends_with("{}") {
                owner = Some((name.to_owned(), true));
            }
            if !is_known || is_hidden {
                continue;
            }
            let of_trait = begins == Some("pub trait ");
            let full = match &owner {
                Some((owner, _)) if !of_trait => format!("{owner}::{name}"),
                _ => name.to_owned(),
            };
            let full = if is_module { format!("{module}::{full}") } else { full };
            items.push(Item { name: full, signature, about: words(&documented), is_field: false });
        }
    }
    items
}

/// A declaration up to its body.
fn signature<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut whole = first.to_owned();
    while !whole.contains(['{', ';']) {
        let Some(next) = lines.next() else { break };
        whole.push('\n');
        whole.push_str(next.trim_end());
    }
    let end = whole.find(['{', ';']).unwrap_or(whole.len());
    let whole = whole.get(..end).unwrap_or_default().trim_end();
    // What a type holds is its own matter.
    let visible = match whole.starts_with("pub struct") {
        true => whole.split('(').next().unwrap_or_default(),
        false => whole.split(" = Self").next().unwrap_or_default(),
    };
    visible.to_owned()
}

/// Comments as Markdown: examples without their hidden lines, and links as what they say.
fn words(lines: &[&str]) -> String {
    let mut text = String::new();
    let mut in_code = false;
    for line in lines {
        match line.strip_prefix("```") {
            Some(_) => {
                in_code = !in_code;
                text.push_str(if in_code { "```rust" } else { "```" });
            }
            None if in_code && (*line == "#" || line.starts_with("# ")) => continue,
            None if in_code => text.push_str(line),
            None => text.push_str(&without_links(line)),
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// `[text](path)` and `[text]` as their text.
fn without_links(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, inner)) = rest.split_once('[') {
        plain.push_str(before);
        let Some((text, after)) = inner.split_once(']') else {
            plain.push('[');
            rest = inner;
            continue;
        };
        plain.push_str(text);
        rest = after;
        if let Some(target) = after.strip_prefix('(') {
            // A target may have parentheses of its own: `(reject())`.
            let end = if target.starts_with("reject()") {
                "reject())".len()
            } else {
                target.find(')').map_or(0, |at| at + 1)
            };
            rest = target.get(end..).unwrap_or_default();
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `lib.rs` makes public is on the page.
    #[test]
    fn nothing_public_is_left_out() {
        let names: BTreeSet<String> = items().into_iter().map(|item| item.name).collect();
        let root = vendored::source("guest/sdk/src/lib.rs");
        let public = public(root);
        for name in public.names {
            let forms = [name.to_owned(), format!("{name}!"), format!("#[tenet::{name}]")];
            assert!(forms.iter().any(|form| names.contains(form)), "{name}: {names:?}");
        }
        for module in
            ["context::now", "log::info!", "log::write", "log::Level", "vault::Field::row", "vault::open_text"]
        {
            assert!(names.contains(module), "{module}: {names:?}");
        }
        for name in
            ["params!", "reject!", "reject", "Batch::run", "Decimal::ZERO", "Error::detail", "ToValue::to_value"]
        {
            assert!(names.contains(name), "{name}: {names:?}");
        }
    }

    #[test]
    fn an_example_is_shown_without_its_hidden_lines() {
        let text = words(&[
            "Gives [`Result`](crate::Result) of [a](b).",
            "```no_run",
            "# fn main() {",
            "let a = 1;",
            "# }",
            "```",
        ]);
        assert_eq!(text, "Gives `Result` of a.\n```rust\nlet a = 1;\n```");
    }
}
