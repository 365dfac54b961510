//! What a reader of the documents relies on: links lead somewhere, tables say what the code does,
//! and sentences are plain.

mod links;
mod manner;
mod markdown;
mod rust_prose;
mod tables;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::repository::Repository;

/// The most lines of the page that a reader meets first.
const FRONT_PAGE: usize = 150;

/// A text file of the repository.
struct Text {
    /// From the repository's root, with slashes.
    path: String,
    text: String,
}

/// Checks every document, and the prose in every Rust source. The error names all that is wrong.
pub(crate) fn check(repository: &Repository) -> anyhow::Result<()> {
    let documents = files(repository, "md")?;
    let sources = files(repository, "rs")?;
    let mut problems = Vec::new();
    for Text { path, text } in &documents {
        if path == "README.md" && text.lines().count() > FRONT_PAGE {
            problems.push(format!("{path} has {} lines, and at most {FRONT_PAGE} are read", text.lines().count()));
        }
    }
    problems.extend(links::broken(repository.root(), &documents));
    problems.extend(tables::untrue(repository, &documents, &sources)?);
    problems.extend(manner::in_documents(&documents));
    problems.extend(manner::in_sources(&sources));
    if !problems.is_empty() {
        bail!("{} problems in documents:\n  {}", problems.len(), problems.join("\n  "));
    }
    println!("{} documents", documents.len());
    Ok(())
}

/// The files of the repository with this extension, in the order of their paths. What is built or
/// hidden is not of the repository.
fn files(repository: &Repository, extension: &str) -> anyhow::Result<Vec<Text>> {
    let mut found = Vec::new();
    let mut folders = vec![repository.root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "node_modules" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|other| other == extension) {
                found.push(read(repository.root(), path)?);
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn read(root: &Path, path: PathBuf) -> anyhow::Result<Text> {
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let path = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
    Ok(Text { path, text })
}

/// The number of the line in which a byte of a text is.
fn line_of(text: &str, place: usize) -> usize {
    1 + text.bytes().take(place).filter(|byte| *byte == b'\n').count()
}
