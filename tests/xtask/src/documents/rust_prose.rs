/// The text of a Rust source with everything but comments and strings replaced by spaces. What is
/// left stands where it stood, without the marks of comments.
pub(super) fn prose(source: &str) -> String {
    let mut reader = Reader { rest: source, out: String::with_capacity(source.len()) };
    while !reader.rest.is_empty() {
        reader.next();
    }
    reader.out
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
}

impl Reader<'_> {
    fn next(&mut self) {
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            let marks = self.rest.len() - self.rest.trim_start_matches(['/', '!']).len();
            self.blank(marks.min(end));
            self.keep(end.saturating_sub(marks));
        } else if self.rest.starts_with("/*") {
            let end = self.rest.find("*/").map_or(self.rest.len(), |end| end + 2);
            self.keep(end);
        } else if let Some(hashes) = self.raw_string() {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 2;
            let length = self.rest.get(start..).and_then(|rest| rest.find(&end));
            self.blank(start);
            self.keep(length.unwrap_or(self.rest.len()));
            self.blank(end.len());
        } else if self.rest.starts_with('"') {
            self.blank(1);
            let end = end_of_string(self.rest);
            self.keep(end);
            self.blank(1);
        } else if let Some(length) = self.character() {
            self.blank(length);
        } else {
            let name = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
            self.blank(name.max(self.rest.chars().next().map_or(1, char::len_utf8)));
        }
    }

    /// The number of `#` of a raw string that begins here.
    fn raw_string(&self) -> Option<usize> {
        let rest = self.rest.strip_prefix('r')?;
        let text = rest.trim_start_matches('#');
        text.starts_with('"').then_some(rest.len() - text.len())
    }

    /// The length of a character literal that begins here; a lifetime is none.
    fn character(&self) -> Option<usize> {
        let rest = self.rest.strip_prefix('\'')?;
        if rest.starts_with('\\') {
            let after = rest.get(2..)?;
            return Some(1 + 2 + after.find('\'')? + 1);
        }
        let first = rest.chars().next()?;
        rest.get(first.len_utf8()..)?.starts_with('\'').then_some(2 + first.len_utf8())
    }

    fn keep(&mut self, length: usize) {
        let (kept, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.out.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.out.extend(gone.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// Where the quotation mark is that ends a string whose text begins here.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return place,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_kept_in_place() {
        for (source, expected) in [
            ("let a = 1; // b\nc", "              b\n "),
            ("/// a\n//! b", "    a\n    b"),
            (r#"f("a \" b", 'c')"#, r#"   a \" b       "#),
            ("r#\"a \" b\"# 'x: 'y'", "   a \" b          "),
            (r#"'"' "a" '\'' b"#, "     a        "),
            ("/* a */ bar\"c\"", "/* a */     c "),
        ] {
            assert_eq!(prose(source), expected, "{source}");
        }
    }
}
