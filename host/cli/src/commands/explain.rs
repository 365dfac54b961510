//! Pages that come with the binary: one for each code of an error, and the references of what rules are
//! written with. Lists in them are made from the code that they are about.

mod item;
mod javascript;
mod python;
mod rust;
mod sql;
#[cfg(test)]
mod table;

use std::iter;

use anyhow::bail;
use include_dir::{Dir, include_dir};
use tenet_core::Code;

use crate::args::ExplainArgs;
use crate::commands::explain::item::Item;
use crate::problem::Problem;
use crate::terminal::{self, show};
use crate::vendored;

/// A page for each code.
static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/explain");

const BOOK: &str = include_str!("../../../../guest/README.md");
const RUST: &str = include_str!("../../reference/rust.md");
const JAVASCRIPT: &str = include_str!("../../reference/javascript.md");
const PYTHON: &str = include_str!("../../reference/python.md");
const TYPES: &str = include_str!("../../reference/types.md");
const LANGUAGES: &str = include_str!("../../reference/languages.md");

/// A page that is about no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Book,
    Rust,
    Javascript,
    Python,
    Types,
    Sql,
    Languages,
}

/// Each with its name and its title.
const TOPICS: [(Topic, &str, &str); 7] = [
    (Topic::Book, "book", "Writing rules, from nothing to conflicts and events"),
    (Topic::Rust, "rust", "Reference of the SDK for Rust, each item with an example"),
    (Topic::Javascript, "javascript", "Reference of the SDK for JavaScript and TypeScript"),
    (Topic::Python, "python", "Reference of the SDK for Python"),
    (Topic::Types, "types", "SQL types and the values that they are in each language"),
    (Topic::Sql, "sql", "Statements, functions, operators and types that rules may use"),
    (Topic::Languages, "languages", "What differs between Rust, JavaScript and Python"),
];

/// Shows the page of a code or of a topic, or the titles of all.
pub(crate) fn explain(args: &ExplainArgs) -> anyhow::Result<()> {
    let Some(wanted) = &args.page else {
        let codes = Code::ALL.map(|code| title(page_of_code(code)).to_owned());
        let topics = TOPICS.map(|(_, name, title)| format!("{name}: {title}"));
        return show(&[&topics[..], &codes].concat());
    };
    if let Some(code) = Code::ALL.into_iter().find(|code| code.as_str().eq_ignore_ascii_case(wanted)) {
        return print(page_of_code(code));
    }
    let topic = TOPICS.into_iter().find(|(_, name, _)| name.eq_ignore_ascii_case(wanted));
    match (topic, &args.item) {
        (Some((topic, ..)), None) => print(&page(topic)),
        (Some((topic, name, _)), Some(item)) => print(&one_item(topic, name, item)?),
        (None, _) => {
            let what = format!("there is no page {wanted}");
            bail!(Problem::new(what, "`tenet explain` lists the codes and the topics"))
        }
    }
}

fn print(page: &str) -> anyhow::Result<()> {
    terminal::write(&format!("{}\n", page.trim_end()))
}

fn title(page: &str) -> &str {
    page.lines().next().unwrap_or_default().trim_start_matches("# ")
}

fn page_of_code(code: Code) -> &'static str {
    let page = PAGES.get_file(format!("{code}.md")).and_then(|file| file.contents_utf8());
    page.unwrap_or_default()
}

fn page(topic: Topic) -> String {
    match topic {
        Topic::Book => BOOK.to_owned(),
        Topic::Types => TYPES.to_owned(),
        Topic::Languages => LANGUAGES.to_owned(),
        Topic::Sql => sql::page(),
        Topic::Rust => reference(RUST, &rust::items()),
        Topic::Javascript => reference(JAVASCRIPT, &javascript::items()),
        Topic::Python => reference(PYTHON, &python::items()),
    }
}

/// An introduction, and behind it the names of all items and the items.
fn reference(introduction: &str, items: &[Item]) -> String {
    let items = in_order(items);
    let names: Vec<String> = items.iter().map(|item| format!("`{}`", item.name)).collect();
    let introduction = introduction.replace("{{version}}", vendored::VERSION);
    let items: String = items.into_iter().map(Item::to_markdown).collect();
    format!("{introduction}\nItems: {}.\n{items}", names.join(", "))
}

/// Each item with its parts behind it.
fn in_order(items: &[Item]) -> Vec<&Item> {
    let is_part = |item: &Item| items.iter().any(|owner| item.is_part_of(owner));
    let with_parts = |item| iter::once(item).chain(items.iter().filter(move |part| part.is_part_of(item)));
    items.iter().filter(|item| !is_part(item)).flat_map(with_parts).collect()
}

/// The items of a language that have this name, with their parts.
fn one_item(topic: Topic, topic_name: &str, wanted: &str) -> anyhow::Result<String> {
    let items = match topic {
        Topic::Rust => rust::items(),
        Topic::Javascript => javascript::items(),
        Topic::Python => python::items(),
        _ => bail!(Problem::new(
            format!("the page {topic_name} has no items"),
            format!("`tenet explain {topic_name}` shows all of it"),
        )),
    };
    let found: String = items.iter().filter(|item| item.is_called(wanted)).map(Item::to_markdown).collect();
    if found.is_empty() {
        let what = format!("the SDK for {topic_name} has no {wanted}");
        bail!(Problem::new(what, format!("`tenet explain {topic_name}` shows all that it has")));
    }
    Ok(found.trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_page_and_each_page_a_code() {
        for code in Code::ALL {
            let page = page_of_code(code);
            assert!(page.starts_with(&format!("# {code}: ")) && page.lines().count() > 2, "{code}");
        }
        assert_eq!(PAGES.files().count(), Code::ALL.len());
        let mut codes = Code::ALL.map(Code::as_str);
        codes.sort_unstable();
        assert_eq!(codes, Code::ALL.map(Code::as_str), "in order, and none twice");
    }

    #[test]
    fn each_topic_has_a_page_with_nothing_left_to_fill_in() {
        for (topic, name, _) in TOPICS {
            let page = page(topic);
            assert!(page.starts_with("# ") && !page.contains("{{"), "{name}");
            for line in page.lines().filter(|_| topic != Topic::Book) {
                assert!(line.chars().count() <= 240 || line.starts_with("| ") || line.starts_with("Items"), "{line}");
            }
        }
    }

    /// What a page refers to with `tenet explain` is there.
    #[test]
    fn what_pages_refer_to_is_there() {
        for (topic, name, _) in TOPICS {
            for reference in page(topic).split("tenet explain ").skip(1) {
                let words = reference.split(['`', '\n', ')']).next().unwrap_or_default();
                let mut words = words.split(' ');
                let (wanted, item) = (words.next().unwrap_or_default(), words.next());
                if wanted == "CODE" {
                    continue;
                }
                let is_code = Code::ALL.iter().any(|code| code.as_str() == wanted);
                let topic = TOPICS.into_iter().find(|(_, name, _)| *name == wanted);
                assert!(is_code || topic.is_some(), "{name} refers to {wanted}");
                if let (Some((topic, name, _)), Some(item)) = (topic, item) {
                    one_item(topic, name, item).unwrap();
                }
            }
        }
    }

    #[test]
    fn each_item_of_each_sdk_is_told_and_shown_in_an_example() {
        let mut missing = Vec::new();
        for (language, items) in
            [("rust", rust::items()), ("javascript", javascript::items()), ("python", python::items())]
        {
            assert!(items.len() > 20, "{language}: {}", items.len());
            for item in &items {
                let owner = items.iter().find(|owner| item.is_part_of(owner));
                let is_shown = item.is_field || item.has_example() || owner.is_some_and(|owner| owner.shows(item));
                if item.about.is_empty() || !is_shown {
                    missing.push(format!("{language} {}", item.name));
                }
            }
        }
        assert!(missing.is_empty(), "no words or no example: {missing:#?}");
    }

    #[test]
    fn an_item_is_found_by_its_name() {
        for (topic, name, item, part) in [
            (Topic::Rust, "rust", "query_opt", "pub fn query_opt"),
            (Topic::Rust, "rust", "decimal", "### `Decimal::fits`"),
            (Topic::Rust, "rust", "context::now", "pub fn now() -> TimestampTz"),
            (Topic::Rust, "rust", "reject", "### `reject!`"),
            (Topic::Javascript, "javascript", "Decimal.plus", "The exact sum."),
            (Topic::Python, "python", "tenet.batch", "def batch(*statements)"),
        ] {
            let found = one_item(topic, name, item).unwrap();
            assert!(found.contains(part), "{item}: {found}");
        }
        assert!(one_item(Topic::Python, "python", "no_such").is_err());
        assert!(one_item(Topic::Sql, "sql", "abs").is_err());
    }
}
