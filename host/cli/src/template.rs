//! The files of a new bundle and of a new rule, with the names that go into them.

use crate::vendored::VERSION;

/// A file of a bundle: its path there, and its text.
pub(crate) type File = (String, String);

/// The parts of every new bundle.
const BUNDLE: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("../templates/bundle/Cargo.toml")),
    ("tenet.toml", include_str!("../templates/bundle/tenet.toml")),
    ("README.md", include_str!("../templates/bundle/README.md")),
    (".gitignore", include_str!("../templates/bundle/gitignore")),
];

/// The parts of every new rule, and the step of the schema with its table.
const RULE: [(&str, &str); 4] = [
    ("rules/{{rule}}/Cargo.toml", include_str!("../templates/rule/Cargo.toml")),
    ("rules/{{rule}}/rule.toml", include_str!("../templates/rule/rule.toml")),
    ("rules/{{rule}}/src/lib.rs", include_str!("../templates/rule/src/lib.rs")),
    ("schema/{{step}}_{{table}}.sql", include_str!("../templates/schema/table.sql")),
];

/// A payload that the new rule accepts.
pub(crate) const PAYLOAD: &str = r#"{"id": "1", "customer": "ada", "points": 5}"#;

/// The member of the payload that is the key.
pub(crate) const KEY: &str = "id";

/// The names that go into the files.
pub(crate) struct Names<'a> {
    pub(crate) title: &'a str,
    pub(crate) rule: &'a str,
    /// The number of the schema's step.
    pub(crate) step: u32,
}

impl Names<'_> {
    pub(crate) fn bundle(&self) -> Vec<File> {
        BUNDLE.iter().chain(&RULE).map(|file| self.fill(file)).collect()
    }

    pub(crate) fn rule(&self) -> Vec<File> {
        RULE.iter().map(|file| self.fill(file)).collect()
    }

    fn fill(&self, (path, text): &(&str, &str)) -> File {
        let function = self.rule.replace('-', "_");
        // A table is not called like the rule alone, which may be a word of SQL.
        let table = format!("{function}_balances");
        let step = format!("{:04}", self.step);
        let names = [
            ("{{title}}", self.title),
            ("{{rule}}", self.rule),
            ("{{function}}", &function),
            ("{{table}}", &table),
            ("{{step}}", &step),
            ("{{version}}", VERSION),
        ];
        let fill = |text: &str| names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        (fill(path), fill(text))
    }
}
