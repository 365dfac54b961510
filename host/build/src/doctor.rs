use std::path::Path;
use std::process::Command;

use crate::machine::{on_path, output};
use crate::script::Written;
use crate::toolchain::{TARGET, Toolchain};
use crate::{Bundle, Programs, tools};

/// A tool with which rules are built or run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name and purpose.
    pub what: &'static str,
    /// Its path or version; `None` if it is missing.
    pub found: Option<String>,
    /// The command that installs it.
    pub help: String,
    /// Whether the bundle needs it, or without a bundle, whether every bundle does.
    pub is_needed: bool,
}

/// Checks the tools on this machine. Installs nothing.
pub fn examine(bundle: Option<&Bundle>) -> Vec<Finding> {
    let uses = |is: fn(&Written) -> bool| bundle.is_none_or(|bundle| bundle.rules.iter().any(|rule| is(&rule.written)));
    let writes = |language: &str| {
        bundle.is_some_and(|bundle| {
            bundle
                .rules
                .iter()
                .any(|rule| matches!(&rule.written, Written::Script(script) if script.language() == language))
        })
    };
    let rust = uses(|written| matches!(written, Written::Rust));
    let here = Path::new(".");
    let version = |program: &str, argument: &str| output(Command::new(program).arg(argument));
    let tool = |language| tools::missing(language).map_or_else(|| Some(tools::place(language)), |_| None);
    let help = |text: &str| text.to_owned();
    vec![
        Finding {
            what: "Rust",
            found: version("cargo", "--version"),
            help: help("curl https://sh.rustup.rs -sSf | sh"),
            is_needed: rust,
        },
        Finding {
            what: "Rust's WebAssembly target",
            found: Toolchain::present(here),
            help: format!("rustup target add {TARGET}"),
            is_needed: rust,
        },
        Finding {
            what: "PostgreSQL, for run and test",
            found: Programs::present().map(|programs| programs.path("postgres").display().to_string()),
            help: help("sudo apt-get install -y postgresql"),
            is_needed: true,
        },
        Finding {
            what: "for JavaScript and TypeScript",
            found: tool("javascript"),
            help: help("sudo apt-get install -y npm"),
            is_needed: writes("javascript"),
        },
        Finding {
            what: "for Python",
            found: tool("python"),
            help: help("sudo apt-get install -y python3-venv"),
            is_needed: writes("python"),
        },
        Finding {
            what: "git, for a bundle's own history",
            found: on_path("git").map(|path| path.display().to_string()),
            help: help("sudo apt-get install -y git"),
            is_needed: false,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_there_or_comes_with_a_command() {
        let findings = examine(None);
        assert!(findings.iter().all(|finding| finding.found.is_some() || !finding.help.is_empty()));
        let rust = findings.iter().find(|finding| finding.what == "Rust").unwrap();
        assert!(rust.found.as_deref().is_some_and(|version| version.starts_with("cargo 1.")), "{rust:?}");
    }
}
