//! The files of a new bundle and of a new rule, with the names that go into them.

use crate::vendored::VERSION;

/// A file of a bundle: its path there, and its text.
pub(crate) type File = (String, String);

/// What a rule is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    Rust,
    Javascript,
    Python,
}

impl Language {
    /// The name of its reference in `tenet explain`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Javascript => "javascript",
            Self::Python => "python",
        }
    }
}

/// What makes the rules of a bundle that are crates one workspace.
pub(crate) const WORKSPACE: (&str, &str) = ("Cargo.toml", include_str!("../templates/bundle/Cargo.toml"));

/// The parts of every new bundle.
const BUNDLE: [(&str, &str); 3] = [
    ("tenet.toml", include_str!("../templates/bundle/tenet.toml")),
    ("README.md", include_str!("../templates/bundle/README.md")),
    (".gitignore", include_str!("../templates/bundle/gitignore")),
];

/// The parts of every new rule, and the step of the schema with its table.
const RULE: [(&str, &str); 5] = [
    ("rules/{{rule}}/rule.toml", include_str!("../templates/rule/rule.toml")),
    ("rules/{{rule}}/tests/at-once.toml", include_str!("../templates/rule/tests/at-once.toml")),
    ("rules/{{rule}}/tests/changes-a-balance.toml", include_str!("../templates/rule/tests/changes-a-balance.toml")),
    ("rules/{{rule}}/tests/refuses.toml", include_str!("../templates/rule/tests/refuses.toml")),
    ("schema/{{step}}_{{table}}.sql", include_str!("../templates/schema/table.sql")),
];

/// What is of its language.
const RUST: [(&str, &str); 2] = [
    ("rules/{{rule}}/Cargo.toml", include_str!("../templates/rule/Cargo.toml")),
    ("rules/{{rule}}/src/lib.rs", include_str!("../templates/rule/src/lib.rs")),
];
const JAVASCRIPT: [(&str, &str); 1] = [("rules/{{rule}}/rule.js", include_str!("../templates/javascript/rule.js"))];
const PYTHON: [(&str, &str); 1] = [("rules/{{rule}}/rule.py", include_str!("../templates/python/rule.py"))];

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
    pub(crate) language: Language,
}

impl Names<'_> {
    pub(crate) fn bundle(&self) -> Vec<File> {
        BUNDLE.iter().map(|file| self.fill(file)).chain(self.rule()).collect()
    }

    pub(crate) fn rule(&self) -> Vec<File> {
        let of_language: &[(&str, &str)] = match self.language {
            Language::Rust => &RUST,
            Language::Javascript => &JAVASCRIPT,
            Language::Python => &PYTHON,
        };
        RULE.iter().chain(of_language).map(|file| self.fill(file)).collect()
    }

    fn fill(&self, (path, text): &(&str, &str)) -> File {
        let function = self.rule.replace('-', "_");
        // A table is not called like the rule alone, which may be a word of SQL.
        let table = format!("{function}_balances");
        let step = format!("{:04}", self.step);
        let python_path = match self.language {
            Language::Python => format!("python_path = [\"../../vendor/tenet-{VERSION}/guest/python/sdk\"]\n"),
            _ => String::new(),
        };
        let names = [
            ("{{title}}", self.title),
            ("{{rule}}", self.rule),
            ("{{function}}", &function),
            ("{{table}}", &table),
            ("{{step}}", &step),
            ("{{version}}", VERSION),
            ("{{language}}", self.language.name()),
            ("{{python_path}}", &python_path),
        ];
        let fill = |text: &str| names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        (fill(path), fill(text))
    }
}
