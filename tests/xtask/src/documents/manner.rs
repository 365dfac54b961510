use super::{Text, line_of, markdown, rust_prose};

/// Phrases that plain technical English does without, one a line.
const PHRASES: &str = include_str!("phrases.txt");

/// Phrases that are names, one a line after the source that has it.
const NAMES: &str = include_str!("names.txt");

/// The phrases in documents.
pub(super) fn in_documents(documents: &[Text]) -> Vec<String> {
    let mut problems = Vec::new();
    for document in documents {
        problems.extend(found(document, &markdown::prose(&document.text)));
    }
    problems
}

/// The phrases in comments and strings.
pub(super) fn in_sources(sources: &[Text]) -> Vec<String> {
    let found = |source: &Text| found(source, &rust_prose::prose(&source.text));
    sources.iter().flat_map(found).collect()
}

fn found(text: &Text, prose: &str) -> Vec<String> {
    let words = words(prose);
    let mut problems = Vec::new();
    let names = || NAMES.lines().filter_map(|line| line.split_once(' ')).filter(|(path, _)| *path == text.path);
    for phrase in PHRASES.lines().filter(|phrase| names().all(|(_, name)| name != *phrase)) {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        for window in words.windows(phrase.len()) {
            if follow_each_other(window, prose) && window.iter().map(|(_, word)| word).eq(phrase.iter()) {
                let place = window.first().map_or(0, |(place, _)| *place);
                problems.push(format!("{}:{}: say `{}` plainly", text.path, line_of(prose, place), phrase.join(" ")));
            }
        }
    }
    problems
}

/// The words of a text in lower case, with their places.
fn words(prose: &str) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    let mut start = None;
    for (place, c) in prose.char_indices().chain([(prose.len(), ' ')]) {
        match (start, c.is_alphanumeric() || c == '_') {
            (None, true) => start = Some(place),
            (Some(begin), false) => {
                words.push((begin, prose.get(begin..place).unwrap_or_default().to_lowercase()));
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// Whether there is only white space between these words.
fn follow_each_other(window: &[(usize, String)], prose: &str) -> bool {
    window.windows(2).all(|pair| match pair {
        [(first, word), (second, _)] => {
            prose.get(first + word.len()..*second).is_some_and(|between| between.trim().is_empty())
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, text: &str) -> Text {
        Text { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_phrase_is_found_over_the_end_of_a_line_and_not_in_code_or_in_another_word() {
        let phrase = PHRASES.lines().find(|phrase| phrase.contains(' ')).unwrap();
        let (first, rest) = phrase.split_once(' ').unwrap();
        let of = |prose: String| in_documents(&[text("a.md", &prose)]);
        assert_eq!(of(format!("x\n\n{first}\n{rest} y")), [format!("a.md:3: say `{phrase}` plainly")]);
        for good in [format!("`{phrase}`"), format!("{first}. {rest}"), format!("x{phrase}y")] {
            assert_eq!(of(good.clone()), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn a_phrase_is_found_in_comments_and_strings_of_a_source() {
        let phrase = PHRASES.lines().find(|phrase| phrase.contains(' ')).unwrap();
        let (first, rest) = phrase.split_once(' ').unwrap();
        let source = format!("//! {first}\n//! {rest}\nlet {first} = \"{phrase}\";");
        assert_eq!(in_sources(&[text("clean/crate/src/lib.rs", &source)]).len(), 2);
    }
}
