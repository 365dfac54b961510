//! What the sources of rules show without being run: the statements, which are strings that begin
//! as SQL does or stand where a statement is sent, and the codes that are rejected with.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::Lit;

use super::script;
use crate::error::{Context, Place, Result};

/// How a statement begins, and what one of the kind has further on.
const BEGINNINGS: [(&str, &str); 5] =
    [("select", ""), ("insert", "into"), ("update", "set"), ("delete", "from"), ("with", "as")];

/// What sends a statement: its first argument is one, however it begins.
const SENDERS: [&str; 4] = ["query", "query_one", "query_opt", "execute"];

/// The same of a batch, where the file has one: other things have a method of this name too.
const BATCH: (&str, &str) = ("Batch", "add");

/// A string that is taken for a statement.
pub struct Found {
    /// Its text.
    pub sql: String,
    /// Where it is.
    pub place: Place,
    /// Whether it is filled in when the rule runs, so that it cannot be read here.
    pub is_template: bool,
}

/// The statements in a rule's folder, in the order of its files.
pub(crate) fn find(rule: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for (file, text) in sources(rule)? {
        let mut each = |sql: String, span: Range<usize>, is_sent: bool| {
            if is_sent || is_statement(&sql) {
                let is_template = sql.contains('{');
                let place = Place { name: file.display().to_string(), text: text.clone(), span };
                found.push(Found { sql, place, is_template });
            }
        };
        if script::Language::of(&file).is_some() {
            for (sql, span) in script::strings(&file, &text) {
                // A part of one is none.
                let is_whole = text.get(span.end..).is_some_and(|after| !after.trim_start().starts_with('+'));
                let is_sent = is_whole && text.get(..span.start).is_some_and(sends);
                each(sql, span, is_sent);
            }
        } else if let Ok(tokens) = TokenStream::from_str(&text) {
            // What is no Rust the compiler tells better.
            let mut senders = SENDERS.to_vec();
            senders.extend(text.contains(BATCH.0).then_some(BATCH.1));
            strings(tokens, &senders, false, &mut each);
        }
    }
    Ok(found)
}

/// The codes that a rule's sources reject with: what stands first in `reject(...)` or `reject!(...)`.
pub(crate) fn codes(rule: &Path) -> Result<BTreeSet<String>> {
    let mut codes = BTreeSet::new();
    for (file, text) in sources(rule)? {
        if script::Language::of(&file).is_some() {
            let strings = script::strings(&file, &text).into_iter();
            let is_code = |span: &Range<usize>| {
                text.get(..span.start).is_some_and(|before| before.trim_end().ends_with("reject("))
            };
            codes.extend(strings.filter(|(_, span)| is_code(span)).map(|(code, _)| code));
        } else if let Ok(tokens) = TokenStream::from_str(&text) {
            reject_calls(tokens, &mut |code| _ = codes.insert(code));
        }
    }
    Ok(codes)
}

/// The same with those of the bundle's own crates that the rule depends on.
pub(crate) fn rejections(rule: &Path, bundle: &Path) -> Result<BTreeSet<String>> {
    let mut all = codes(rule)?;
    let (mut seen, mut left) = (BTreeSet::new(), own_crates(rule, bundle));
    while let Some(folder) = left.pop() {
        if seen.insert(folder.clone()) {
            all.extend(codes(&folder)?);
            left.extend(own_crates(&folder, bundle));
        }
    }
    Ok(all)
}

/// The folders of the crates that a crate names by their path, itself or by way of its workspace, and that
/// are the bundle's and no SDK of it. What cannot be read here cargo has told of.
fn own_crates(folder: &Path, bundle: &Path) -> Vec<PathBuf> {
    let manifest = |folder: &Path| -> Option<toml::Table> {
        tenet_build::text_at_most(&folder.join("Cargo.toml"), tenet_build::MAX_TEXT).ok()?.parse().ok()
    };
    let path = |of: &toml::Value, folder: &Path| Some(folder.join(of.get("path")?.as_str()?));
    let (Ok(root), Some(own)) = (bundle.canonicalize(), manifest(folder)) else { return Vec::new() };
    let shared = manifest(bundle).unwrap_or_default();
    let shared = shared.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let dependencies = own.get("dependencies").and_then(toml::Value::as_table);
    let places = dependencies.into_iter().flatten().filter_map(|(name, of)| {
        path(of, folder).or_else(|| path(shared?.get(name).filter(|_| of.get("workspace").is_some())?, bundle))
    });
    let places = places.filter_map(|place| place.canonicalize().ok());
    places.filter(|place| place.starts_with(&root) && !place.starts_with(root.join("vendor"))).collect()
}

fn reject_calls(tokens: TokenStream, each: &mut impl FnMut(String)) {
    let mut after_reject = false;
    for token in tokens {
        let was = std::mem::take(&mut after_reject);
        match token {
            TokenTree::Ident(word) => after_reject = word == "reject",
            TokenTree::Punct(sign) => after_reject = was && sign.as_char() == '!',
            TokenTree::Group(group) => {
                if was
                    && let Some(TokenTree::Literal(literal)) = group.stream().into_iter().next()
                    && let Lit::Str(code) = Lit::new(literal)
                {
                    each(code.value());
                }
                reject_calls(group.stream(), each);
            }
            TokenTree::Literal(_) => {}
        }
    }
}

/// Whether a call of a sender ends a text in JavaScript, TypeScript or Python, its arguments left out:
/// `query(`, `tenet.execute(`, `query<Row>(`.
fn sends(before: &str) -> bool {
    let Some(callee) = before.trim_end().strip_suffix('(').map(str::trim_end) else { return false };
    let callee = match callee.strip_suffix('>') {
        Some(generic) => generic.rsplit_once('<').map_or("", |(name, _)| name),
        None => callee,
    };
    let word = callee.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
    word.is_some_and(|word| ["query", "execute"].contains(&word))
}

/// The files of a rule's sources with their texts, in order.
fn sources(rule: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    collect(&rule.join("src"), &mut files)?;
    files.extend(
        ["rule.js", "rule.ts", "rule.py"].map(|name| rule.join(name)).into_iter().filter(|file| file.is_file()),
    );
    files.sort();
    let read = |file: PathBuf| {
        let text = tenet_build::text_at_most(&file, tenet_build::MAX_TEXT);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        Ok((file, text))
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Each string with the bytes that it stands at, and whether it is sent as a statement. Attributes,
/// and with them comments of documentation, are left out.
fn strings(tokens: TokenStream, senders: &[&str], is_sent: bool, each: &mut impl FnMut(String, Range<usize>, bool)) {
    let mut after_hash = false;
    // How many `<` are open behind a sender: `query_one::<(i64, String)>(..)`.
    let mut after_sender = None;
    for (place, token) in tokens.into_iter().enumerate() {
        let is_hash =
            matches!(&token, TokenTree::Punct(sign) if sign.as_char() == '#' || (after_hash && sign.as_char() == '!'));
        match token {
            TokenTree::Group(group) if !after_hash => {
                let is_call = after_sender == Some(0) && group.delimiter() == Delimiter::Parenthesis;
                strings(group.stream(), senders, is_call, each);
                after_sender = after_sender.filter(|_| !is_call);
            }
            TokenTree::Literal(literal) => {
                let span = literal.span().byte_range();
                if let Lit::Str(string) = Lit::new(literal) {
                    each(string.value(), span, is_sent && place == 0);
                }
            }
            TokenTree::Ident(word) if senders.iter().any(|sender| word == sender) => after_sender = Some(0),
            TokenTree::Punct(sign) => {
                after_sender = after_sender.and_then(|open: usize| match sign.as_char() {
                    '<' => Some(open + 1),
                    '>' => open.checked_sub(1),
                    ':' => Some(open),
                    _ => Some(open).filter(|open| *open > 0),
                });
            }
            _ => {}
        }
        after_hash = is_hash;
    }
}

fn is_statement(text: &str) -> bool {
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return false };
    let beginning = BEGINNINGS.iter().find(|(word, _)| first.eq_ignore_ascii_case(word));
    // A sentence may begin with one of these words, and does not go on in capitals.
    let shouts = first.chars().all(|c| c.is_ascii_uppercase());
    beginning.is_some_and(|(_, then)| {
        let mut words = words.clone();
        (shouts || words.clone().any(|word| word.eq_ignore_ascii_case("from") || word.eq_ignore_ascii_case("into")))
            && (then.is_empty() || words.any(|word| word.eq_ignore_ascii_case(then)))
            && text.trim_start().contains(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_where_they_stand_and_sentences_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let source = r##"
//! SELECT not me FROM documentation
#[doc = "SELECT nor me FROM attributes"]
const PAY: &str = "INSERT INTO totals (day) \
     VALUES ($1)";
fn f() {
    // DELETE FROM comments
    query(r#"select "a" from b"#, &[]);
    reject!("with-care", "select one of the two");
    let sql = format!("SELECT {column} FROM t");
    let other = "Update the address";
    let word = "SELECT";
    tenet::execute("COMMIT", &[]);
    tenet::query_one::<(i64, String)>("SET ROLE other", params!["not me"]);
    Batch::new().add("TRUNCATE b", &[]).add(sql, params!["nor me"]);
    tenet::reject!("COMMIT", "no statement");
}
"##;
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("src/lib.rs"), source).unwrap();
        let found = find(folder.path()).unwrap();
        let told: Vec<_> = found.iter().map(|found| (found.sql.as_str(), found.is_template)).collect();
        assert_eq!(
            told,
            [
                ("INSERT INTO totals (day) VALUES ($1)", false),
                ("select \"a\" from b", false),
                ("SELECT {column} FROM t", true),
                ("COMMIT", false),
                ("SET ROLE other", false),
                ("TRUNCATE b", false)
            ]
        );
        assert!(source[found[1].place.span.clone()].starts_with("r#\"select"));
    }

    #[test]
    fn a_statement_that_is_sent_is_one_however_it_begins() {
        for before in ["query(", "  tenet.execute( ", "const [a] = query<Row>(", "query<[bigint, string]>("] {
            assert!(sends(before), "{before}");
        }
        for before in ["requery(", "query", "query([", "(", "reject('a', "] {
            assert!(!sends(before), "{before}");
        }
    }
}
