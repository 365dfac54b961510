//! The items of the SDK for JavaScript, from the comments of its types.

use crate::commands::explain::item::{Item, about};
use crate::vendored;

pub(crate) fn items() -> Vec<Item> {
    let mut lines = vendored::source("guest/javascript/sdk/tenet.d.ts").lines();
    let mut items = Vec::new();
    let mut comment = String::new();
    let mut owner: Option<String> = None;
    while let Some(line) = lines.next() {
        let inner = line.trim();
        if let Some(rest) = inner.strip_prefix("/**") {
            comment = comment_of(rest, &mut lines);
            continue;
        }
        let documented = std::mem::take(&mut comment);
        if line == "}" {
            owner = None;
        }
        let (declared, is_member) = match (line.strip_prefix("export "), &owner) {
            (Some(declared), _) => (declared, false),
            (None, Some(_)) if !documented.is_empty() => (inner, true),
            _ => continue,
        };
        let is_type = declared.starts_with("class ") || declared.starts_with("interface ");
        let signature = if is_type { declared.trim_end_matches(" {").to_owned() } else { whole(declared, &mut lines) };
        let name = name_of(declared);
        let (name, is_field) = match &owner {
            Some(owner) if is_member => (format!("{owner}.{name}"), !declared.contains('(')),
            _ => (name.to_owned(), false),
        };
        if is_type && declared.ends_with('{') {
            owner = Some(name.clone());
        }
        let signature = signature.trim_end_matches(" {}").to_owned();
        let language = if declared.starts_with("interface ") || declared.starts_with("type ") { "ts" } else { "js" };
        items.push(Item { name, signature, about: words(&documented, language), is_field });
    }
    items
}

/// The text of a comment, its first line given.
fn comment_of<'a>(first: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    if let Some(alone) = first.strip_suffix("*/") {
        return alone.trim().to_owned();
    }
    let mut text = first.trim().to_owned();
    for line in lines {
        let line = line.trim();
        if line == "*/" {
            break;
        }
        text.push('\n');
        text.push_str(line.strip_prefix("* ").unwrap_or(line.trim_start_matches('*')));
    }
    text
}

/// A declaration to its end, which may be lines below.
fn whole<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut text = first.to_owned();
    let open = |text: &str| {
        let count = |signs: [char; 3]| text.matches(|sign| signs.contains(&sign)).count();
        count(['(', '{', '[']) > count([')', '}', ']'])
    };
    while open(&text) {
        let Some(next) = lines.next() else { break };
        text.push('\n');
        text.push_str(next);
    }
    text.trim_end_matches(';').to_owned()
}

fn name_of(declared: &str) -> &str {
    let words = ["class ", "interface ", "type ", "function ", "const ", "static ", "readonly "];
    let rest = words.iter().find_map(|word| declared.strip_prefix(word)).unwrap_or(declared);
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn words(comment: &str, language: &str) -> String {
    let (words, example) = comment.split_once("@example").unwrap_or((comment, ""));
    about(words, language, example.trim_start_matches('\n'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What `tenet.js` exports has a type and is on the page.
    #[test]
    fn nothing_exported_is_left_out() {
        let names: BTreeSet<String> = items().into_iter().map(|item| item.name).collect();
        let mut exported = BTreeSet::new();
        for line in vendored::source("guest/javascript/sdk/tenet.js").lines() {
            let Some(declared) = line.strip_prefix("export ") else { continue };
            let list = declared.strip_prefix("const ").unwrap_or(declared);
            match list.strip_prefix('{').and_then(|list| list.split('}').next()) {
                Some(list) => exported.extend(list.split(',').map(|name| name.trim().to_owned())),
                None => drop(exported.insert(name_of(declared).to_owned())),
            }
        }
        assert!(exported.len() > 25, "{exported:?}");
        let missing: Vec<_> = exported.difference(&names).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
