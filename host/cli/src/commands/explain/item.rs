//! An item of an SDK, as its source documents it.

/// A function, a type or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// As a rule writes it, `Decimal::fits` or `tenet.query`; a macro's with `!`.
    pub(crate) name: String,
    /// Its declaration; empty where the name says it all.
    pub(crate) signature: String,
    /// Words in Markdown, with an example in a fence.
    pub(crate) about: String,
    /// A field of a type, which its type's words are enough for.
    pub(crate) is_field: bool,
}

impl Item {
    pub(crate) fn to_markdown(&self) -> String {
        let Self { name, signature, about, .. } = self;
        let declared = match signature.is_empty() {
            true => String::new(),
            false => signature.lines().map(|line| format!("    {line}\n")).collect::<String>() + "\n",
        };
        format!("\n### `{name}`\n\n{declared}{}\n", about.trim())
    }

    /// Whether the name `wanted` means this item or the type that it is a part of.
    pub(crate) fn is_called(&self, wanted: &str) -> bool {
        let plain = |name: &str| {
            let name = name.trim_start_matches("tenet.").trim_start_matches("tenet::").trim_end_matches('!');
            name.replace("::", ".").to_ascii_lowercase()
        };
        let (name, wanted) = (plain(&self.name), plain(wanted));
        name == wanted || name.rsplit('.').any(|part| part == wanted) && !wanted.is_empty()
    }

    /// Whether it is a part of that type.
    pub(crate) fn is_part_of(&self, owner: &Self) -> bool {
        let rest = self.name.strip_prefix(&owner.name);
        rest.is_some_and(|rest| rest.starts_with("::") || rest.starts_with('.'))
    }
}

/// Words and an example in a language.
pub(crate) fn about(words: &str, language: &str, example: &str) -> String {
    match example.trim().is_empty() {
        true => words.trim().to_owned(),
        false => format!("{}\n\n```{language}\n{}\n```", words.trim(), example.trim_end()),
    }
}

#[cfg(test)]
impl Item {
    pub(crate) fn has_example(&self) -> bool {
        self.about.contains("```")
    }

    /// Whether its example uses that part of it.
    pub(crate) fn shows(&self, part: &Self) -> bool {
        let code = self.about.split("```").skip(1).step_by(2);
        let last = part.name.rsplit(['.', ':']).next().unwrap_or_default();
        let used = [format!(".{last}("), format!("::{last}("), format!("::{last}")];
        code.into_iter().any(|code| used.iter().any(|used| code.contains(used)))
    }
}
