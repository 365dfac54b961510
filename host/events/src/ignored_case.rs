/// A text that matches regardless of case: each character may appear in its lower-case or
/// upper-case form, so that `ß` also matches `SS`.
#[derive(Debug)]
pub(crate) struct IgnoredCase(Vec<[String; 2]>);

impl IgnoredCase {
    pub(crate) fn new(text: &str) -> Self {
        let cases = |character: char| [character.to_lowercase().collect(), character.to_uppercase().collect()];
        Self(text.chars().map(cases).collect())
    }

    /// Whether a text equals it.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.rests(text).any(str::is_empty)
    }

    /// Whether a text begins with it.
    pub(crate) fn begins(&self, text: &str) -> bool {
        self.rests(text).next().is_some()
    }

    /// Whether a text ends with it.
    pub(crate) fn ends(&self, text: &str) -> bool {
        let before = |rests: Vec<&'_ str>, cases: &[String; 2]| {
            let mut rests: Vec<_> = rests
                .into_iter()
                .flat_map(|rest| cases.iter().filter_map(|case| rest.strip_suffix(case.as_str())).collect::<Vec<_>>())
                .map(str::len)
                .collect();
            rests.sort_unstable();
            rests.dedup();
            rests.into_iter().filter_map(|length| text.get(..length)).collect()
        };
        !self.0.iter().rev().fold(vec![text], before).is_empty()
    }

    /// The possible rests of a text after it.
    fn rests<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let behind = |rests: Vec<&'t str>, cases: &[String; 2]| {
            let mut rests: Vec<_> = rests
                .into_iter()
                .flat_map(|rest| cases.iter().filter_map(|case| rest.strip_prefix(case.as_str())).collect::<Vec<_>>())
                .collect();
            // Both cases of many characters have the same length.
            rests.sort_unstable_by_key(|rest| rest.len());
            rests.dedup_by_key(|rest| rest.len());
            rests
        };
        self.0.iter().fold(vec![text], behind).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_is_taken_in_either_case() {
        for (pattern, text) in [("", ""), ("aBc1", "AbC1"), ("É", "é"), ("ß", "SS"), ("aßb", "ASSB"), ("ⱥ", "Ⱥ")]
        {
            let pattern = IgnoredCase::new(pattern);
            assert!(pattern.is(text) && pattern.begins(text) && pattern.ends(text), "{pattern:?} {text}");
            let (longer_behind, longer_before) = (format!("{text}x"), format!("x{text}"));
            assert!(!pattern.is(&longer_behind) && pattern.begins(&longer_behind), "{pattern:?} {text}");
            assert!(!pattern.is(&longer_before) && pattern.ends(&longer_before), "{pattern:?} {text}");
        }
        assert!(
            !IgnoredCase::new("ab").is("a") && !IgnoredCase::new("a").begins("") && !IgnoredCase::new("a").ends("ab")
        );
        // Only the pattern's characters have two cases.
        assert!(!IgnoredCase::new("ss").is("ß"));
    }
}
