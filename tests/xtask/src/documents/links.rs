use std::path::{Component, Path, PathBuf};

use super::{Text, line_of, markdown};

/// The relative links that lead to no file of the repository, or to no heading of it.
pub(super) fn broken(root: &Path, documents: &[Text]) -> Vec<String> {
    let mut problems = Vec::new();
    for document in documents {
        for (place, target) in targets(&document.text) {
            if let Err(why) = follow(root, documents, document, target) {
                problems.push(format!("{}:{}: the link {target} {why}", document.path, line_of(&document.text, place)));
            }
        }
    }
    problems
}

/// Where each link begins and what it leads to; those that lead out of the repository are not
/// looked at.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let prose = markdown::prose(text);
    let starts = prose.match_indices("](").map(|(place, mark)| place + mark.len());
    let read = |start: usize| {
        let target = text.get(start..)?.split([')', ' ', '\n']).next()?;
        (!target.contains("://") && !target.starts_with("mailto:")).then_some((start, target))
    };
    starts.filter_map(read).collect()
}

fn follow(root: &Path, documents: &[Text], from: &Text, target: &str) -> Result<(), String> {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { from.path.clone() } else { resolve(&from.path, file)? };
    if !root.join(&path).exists() {
        return Err(format!("leads to {path}, which does not exist"));
    }
    let Some(anchor) = anchor else { return Ok(()) };
    let document = documents.iter().find(|document| document.path == path);
    let document = document.ok_or_else(|| format!("names a heading of {path}, which is no document"))?;
    if markdown::anchors(&document.text).iter().any(|other| other == anchor) {
        return Ok(());
    }
    Err(format!("names a heading that {path} does not have"))
}

/// A path of the repository from the folder of one of its files.
fn resolve(from: &str, target: &str) -> Result<String, String> {
    let joined = Path::new(from).parent().unwrap_or(Path::new("")).join(target);
    let mut path = PathBuf::new();
    for part in joined.components() {
        match part {
            Component::ParentDir if !path.pop() => return Err("leads out of the repository".to_owned()),
            Component::Normal(part) => path.push(part),
            Component::RootDir | Component::Prefix(_) => return Err("is absolute".to_owned()),
            Component::ParentDir | Component::CurDir => {}
        }
    }
    Ok(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, text: &str) -> Text {
        Text { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_link_needs_its_file_and_its_heading() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("a")).unwrap();
        std::fs::write(scratch.path().join("a/b.md"), "").unwrap();
        let of = |link: &str| {
            let documents = [text("a/b.md", &format!("# One\n\n[x]({link})\n")), text("c.md", "# Two\n")];
            std::fs::write(scratch.path().join("c.md"), "").unwrap();
            broken(scratch.path(), &documents)
        };
        for good in ["b.md", "#one", "../c.md#two", "../a", "https://example.org/x#y"] {
            assert_eq!(of(good), Vec::<String>::new(), "{good}");
        }
        for (bad, why) in [
            ("d.md", "does not exist"),
            ("#two", "does not have"),
            ("../c.md#one", "does not have"),
            ("../a#one", "no document"),
            ("../../c.md", "leads out"),
            ("/c.md", "absolute"),
        ] {
            let problems = of(bad);
            assert!(problems.len() == 1 && problems[0].starts_with("a/b.md:3: ") && problems[0].contains(why), "{bad}");
        }
    }

    #[test]
    fn code_has_no_links() {
        assert!(targets("`a[b](c)`\n```\n[d](e)\n```\n").is_empty());
        assert_eq!(targets("[`a`](b.md)"), [(6, "b.md")]);
    }
}
