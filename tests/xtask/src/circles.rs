//! No two files of a crate need each other: what a file needs can then be read, tested and moved
//! without it.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream};

use crate::repository::Repository;

/// Files that still need each other: the crate, and the first and the number of files of the circle. A circle
/// that is gone has to be struck from here.
const KNOWN: [(&str, &str, usize); 5] = [
    ("host/build", "bundle", 6),
    ("host/database", "connect/pool", 2),
    ("host/engine", "call", 5),
    ("host/policy", "check", 3),
    ("host/schema", "check", 3),
];

/// Which files a file names.
type Needs = BTreeMap<String, BTreeSet<String>>;

/// Checks every crate of the host. The error names the files of each circle.
pub(crate) fn check(repository: &Repository) -> anyhow::Result<()> {
    let mut problems = Vec::new();
    let mut met = BTreeSet::new();
    let crates = std::fs::read_dir(repository.path("host")).context("host")?;
    for folder in crates {
        let folder = folder?.path();
        let name = format!("host/{}", folder.file_name().unwrap_or_default().to_string_lossy());
        let source = folder.join("src");
        if !source.is_dir() {
            continue;
        }
        for circle in circles(&needs(&files(&source)?)?) {
            let first = circle.first().map_or("", String::as_str);
            match KNOWN.iter().find(|known| **known == (name.as_str(), first, circle.len())) {
                Some(known) => drop(met.insert(known)),
                None => problems.push(format!("{name}: these files need each other: {}", circle.join(", "))),
            }
        }
    }
    for known in KNOWN.iter().filter(|known| !met.contains(known)) {
        problems.push(format!("{} has no such circle from {} any more: strike it from circles.rs", known.0, known.1));
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(())
}

/// The sources below a folder by their paths without `.rs`, but for the crate's root.
fn files(source: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(source)?.with_extension("").to_string_lossy().replace('\\', "/");
                if name != "lib" && name != "main" {
                    files.insert(name, std::fs::read_to_string(&path)?);
                }
            }
        }
    }
    Ok(files)
}

/// What each of these files needs of the others. What only its tests need does not count.
fn needs(files: &BTreeMap<String, String>) -> anyhow::Result<Needs> {
    let mut needs = Needs::new();
    for (name, text) in files {
        let tokens: TokenStream = text.parse().map_err(|error| anyhow!("{name}: {error}"))?;
        let mut paths = Vec::new();
        collect(tokens.into_iter().peekable(), &mut paths);
        let of_file = needs.entry(name.clone()).or_default();
        for path in paths {
            of_file.extend(file_of(name, &path, files).filter(|needed| needed != name));
        }
    }
    Ok(needs)
}

/// The file that a path leads to: the longest part of it that is one.
fn file_of(from: &str, path: &[String], files: &BTreeMap<String, String>) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let mut absolute: Vec<&str> = match first.as_str() {
        "crate" => Vec::new(),
        "self" => from.split('/').collect(),
        _ => from.rsplit_once('/').map(|(folder, _)| folder.split('/').collect()).unwrap_or_default(),
    };
    absolute.extend(rest.iter().map(String::as_str));
    (1..=absolute.len())
        .rev()
        .map(|length| absolute.iter().take(length).copied().collect::<Vec<_>>().join("/"))
        .find(|path| files.contains_key(path))
}

/// Collects the paths that begin with `crate`, `super` or `self`, each to its end.
fn collect(mut tokens: Peekable<token_stream::IntoIter>, paths: &mut Vec<Vec<String>>) {
    let mut is_of_tests = false;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket && is_cfg_test(&group.stream()) => {
                is_of_tests = true;
            }
            // The braces of the module behind the attribute.
            TokenTree::Group(group) if is_of_tests && group.delimiter() == Delimiter::Brace => is_of_tests = false,
            TokenTree::Group(group) => collect(group.stream().into_iter().peekable(), paths),
            TokenTree::Ident(word) if ["crate", "super", "self"].iter().any(|start| word == start) => {
                follow(vec![word.to_string()], &mut tokens, paths);
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => is_of_tests = false,
            _ => {}
        }
    }
}

fn is_cfg_test(attribute: &TokenStream) -> bool {
    attribute.to_string().replace(' ', "") == "cfg(test)"
}

/// Goes on with a path behind its first words, into each arm of braces.
fn follow(mut path: Vec<String>, tokens: &mut Peekable<token_stream::IntoIter>, paths: &mut Vec<Vec<String>>) {
    loop {
        let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ':');
        if tokens.next_if(is_colon).is_none() || tokens.next_if(is_colon).is_none() {
            break;
        }
        match tokens.next() {
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(TokenTree::Group(group)) => {
                let mut inner = group.stream().into_iter().peekable();
                while let Some(token) = inner.next() {
                    if let TokenTree::Ident(word) = token {
                        let mut arm = path.clone();
                        arm.push(word.to_string());
                        follow(arm, &mut inner, paths);
                    }
                }
                return;
            }
            _ => break,
        }
    }
    paths.push(path);
}

/// The sets of files of which each needs all others, by one way or another.
fn circles(needs: &Needs) -> Vec<Vec<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        needs.keys().map(|file| (file.as_str(), reached(file, needs))).collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|reached| reached.contains(to));
    let mut circles: Vec<Vec<String>> = Vec::new();
    for file in needs.keys() {
        if !reaches(file, file) || circles.iter().flatten().any(|other| other == file) {
            continue;
        }
        let circle = needs.keys().filter(|other| reaches(file, other) && reaches(other, file));
        circles.push(circle.cloned().collect());
    }
    circles
}

/// What a file needs, and what that needs, and so on.
fn reached<'n>(file: &str, needs: &'n Needs) -> BTreeSet<&'n str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = needs.get(file).into_iter().flatten().map(String::as_str).collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(needs.get(file).into_iter().flatten().map(String::as_str));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        circles(&needs(&files).unwrap())
    }

    #[test]
    fn files_that_need_each_other_are_a_circle_however_they_name_it() {
        let both = vec![vec!["a".to_owned(), "b".to_owned()]];
        assert_eq!(circles_of(&[("a", "use crate::b::B;"), ("b", "fn f() { crate::a::g() }")]), both);
        assert_eq!(circles_of(&[("a", "use crate::{c, b::{B, D}};"), ("b", "use super::a;"), ("c", "")]), both);
        let long = circles_of(&[("a", "use crate::b;"), ("b", "use crate::c::C;"), ("c", "type A = crate::a::A;")]);
        assert_eq!(long, [["a", "b", "c"]]);
        let folder = circles_of(&[("a", "mod b; use self::b::B;"), ("a/b", "use crate::a::A;")]);
        assert_eq!(folder, [["a", "a/b"]]);
    }

    #[test]
    fn one_way_is_no_circle_and_tests_comments_and_strings_do_not_count() {
        let none: Vec<Vec<String>> = Vec::new();
        assert_eq!(circles_of(&[("a", "use crate::b::B;"), ("b", "use crate::c;"), ("c", "")]), none);
        assert_eq!(
            circles_of(&[("a", "use crate::b::B;"), ("b", "#[cfg(test)] mod tests { use crate::a::A; }")]),
            none
        );
        assert_eq!(circles_of(&[("a", "use crate::b::B;"), ("b", "// crate::a\nconst A: &str = \"crate::a\";")]), none);
        assert_eq!(circles_of(&[("a", "use crate::b::B;"), ("b", "#[cfg(test)] use x::y; fn f() {}")]), none);
    }
}
