/// What a deploy would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    lines: Vec<String>,
    has_changes: bool,
}

impl Plan {
    /// One line for each change, and for each part that stays as it is.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether a deploy would change anything.
    pub fn has_changes(&self) -> bool {
        self.has_changes
    }

    /// Adds a change.
    pub(crate) fn change(&mut self, region: &str, what: &str) {
        self.has_changes = true;
        self.keep(region, what);
    }

    /// Adds what stays as it is.
    pub(crate) fn keep(&mut self, region: &str, what: &str) {
        self.lines.push(format!("{region}: {what}"));
    }

    /// Adds the changes of a stack, or that it stays as it is.
    pub(crate) fn stack(&mut self, region: &str, name: &str, changes: Vec<String>) {
        if changes.is_empty() {
            self.keep(region, &format!("stack {name} stays as it is"));
        }
        for change in changes {
            self.change(region, &change);
        }
    }
}
