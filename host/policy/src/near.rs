/// The name among these that is most like another, if one is so like it that it may be meant.
pub(crate) fn near<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let most = 1 + name.len() / 4;
    let distances = known.iter().filter_map(|other| Some((distance(name, other, most)?, *other)));
    distances.min().map(|(_, other)| other)
}

/// How many letters have to be changed, put in, left out or exchanged with the next, if these are not
/// more than `most`.
fn distance(one: &str, other: &str, most: usize) -> Option<usize> {
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.iter().enumerate() {
        let mut next = vec![line + 1];
        for (at, theirs) in other.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let changed = cell(&row, at) + usize::from(letter != theirs);
            let mut least = changed.min(cell(&row, at + 1) + 1).min(cell(&next, at) + 1);
            let crossed = at > 0 && line > 0 && other.get(at - 1) == Some(letter) && one.get(line - 1) == Some(theirs);
            if crossed {
                least = least.min(cell(&before, at - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_is_meant_is_near() {
        let known = ["id", "day", "account", "opened_at"];
        for (name, meant) in [
            ("dya", Some("day")),
            ("days", Some("day")),
            ("acount", Some("account")),
            ("open_at", Some("opened_at")),
            ("secret", None),
            ("balance", None),
        ] {
            assert_eq!(near(name, &known), meant, "{name}");
        }
    }
}
