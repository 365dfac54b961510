//! Finds the modules of a rule in JavaScript or TypeScript without a compiler: those that `import`
//! and `export ... from` name by a path.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::bounded::{MAX_RECORD, read_at_most};

/// The endings that bundlers try for a path without one.
const ENDINGS: [&str; 9] = ["", ".ts", ".mts", ".js", ".mjs", ".cjs", ".json", "/index.ts", "/index.js"];

/// The files that determine the packages, in the folders above a module. The lock file fixes the
/// content of each package.
const LOCKS: [&str; 7] = [
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "tsconfig.json",
];

/// The folder of packages, which are not a team's own source.
pub(crate) const PACKAGES: &str = "node_modules";

/// A module, all modules that it imports by a path, directly or indirectly, and the files that
/// determine their packages. `root` is the folder above all of the team's sources. Missing imports
/// are left to the bundler, which reports them better.
pub(crate) fn modules(main: &Path, root: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let main = fs::canonicalize(main).map_err(Error::io("open", main))?;
    let root = fs::canonicalize(root).map_err(Error::io("open", root))?;
    let (mut found, mut left) = (BTreeSet::new(), vec![main.clone()]);
    while let Some(module) = left.pop() {
        if !found.insert(module.clone()) {
            continue;
        }
        let text = read_at_most(&module, MAX_RECORD).map_err(Error::io("read", &module))?;
        for specifier in specifiers(&String::from_utf8_lossy(&text)) {
            if specifier.starts_with('.') {
                left.extend(resolved(&module, &specifier));
            }
        }
    }
    let folders = main.ancestors().skip(1).take_while(|folder| folder.starts_with(&root));
    let locks = folders.flat_map(|folder| LOCKS.map(|name| folder.join(name)));
    found.extend(locks.filter(|file| file.is_file()));
    Ok(found)
}

/// The file that a path in a module refers to.
fn resolved(module: &Path, specifier: &str) -> Option<PathBuf> {
    let named = module.with_file_name("").join(specifier);
    let with = |ending: &str| {
        let mut path = named.clone().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    // TypeScript names a module by its compiled file.
    let typed = named.extension().is_some_and(|ending| ending == "js").then(|| named.with_extension("ts"));
    let path = ENDINGS.map(with).into_iter().chain(typed).find(|path| path.is_file())?;
    fs::canonicalize(path).ok()
}

/// A token, as far as needed to find imports.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// The imports of the module: each text after `from`, `import` and `import(`.
pub(crate) fn specifiers(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let is = |at: Option<usize>, word: &str| matches!(at.and_then(|at| tokens.get(at)), Some(Token::Word(found)) if found == word);
    let texts = tokens.iter().enumerate().filter_map(|(at, token)| match token {
        Token::Text(text) => Some((at, text)),
        _ => None,
    });
    let imported = texts.filter(|(at, _)| {
        let before = at.checked_sub(1);
        let called = before.is_some_and(|before| tokens.get(before) == Some(&Token::Sign('(')));
        let ahead = before.and_then(|before| before.checked_sub(1));
        is(before, "from") || is(before, "import") || (called && (is(ahead, "import") || is(ahead, "require")))
    });
    imported.map(|(_, text)| text.clone()).collect()
}

/// Whether a module uses this variable, other than in `typeof`.
pub(crate) fn names(text: &str, variable: &str) -> bool {
    let tokens = tokens(text);
    let is = |at: usize| matches!(tokens.get(at), Some(Token::Word(word)) if word == variable);
    (0..tokens.len()).filter(|at| is(*at)).any(|at| match at.checked_sub(1).and_then(|before| tokens.get(before)) {
        Some(Token::Word(word)) => word != "typeof",
        Some(Token::Sign(sign)) => *sign != '.',
        _ => true,
    })
}

/// Words, texts and signs, without comments, numbers and regular expressions.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    // The number of open braces in each enclosing `${` of a template.
    let mut templates: Vec<usize> = Vec::new();
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else if matches!(first, '\'' | '"') {
            let (text, after) = quoted(rest.get(1..).unwrap_or_default(), first);
            tokens.push(Token::Text(text));
            rest = after;
        } else if first == '`' {
            rest = template(rest.get(1..).unwrap_or_default(), &mut tokens, &mut templates);
        } else if first == '/' && begins_pattern(tokens.last()) {
            rest = pattern(rest.get(1..).unwrap_or_default());
            tokens.push(Token::Text(String::new()));
        } else if first.is_alphanumeric() || matches!(first, '_' | '$' | '#') {
            let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '#');
            let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest.get(..end).unwrap_or_default().to_owned()));
            rest = rest.get(end..).unwrap_or_default();
        } else {
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            match (first, templates.last_mut()) {
                ('}', Some(0)) => {
                    templates.pop();
                    rest = template(rest, &mut tokens, &mut templates);
                    continue;
                }
                ('}', Some(open)) => *open -= 1,
                ('{', Some(open)) => *open += 1,
                _ => {}
            }
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
        }
    }
    tokens
}

/// Whether a slash after this token begins a regular expression rather than a division.
fn begins_pattern(before: Option<&Token>) -> bool {
    const BEFORE: [&str; 8] = ["return", "typeof", "case", "in", "of", "void", "await", "yield"];
    match before {
        None => true,
        Some(Token::Text(_)) => false,
        Some(Token::Word(word)) => BEFORE.contains(&word.as_str()),
        Some(Token::Sign(sign)) => !matches!(sign, ')' | ']' | '}'),
    }
}

/// A text up to its quote or the end of its line, and the rest after it.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut string = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => string.extend(signs.next().map(|(_, escaped)| escaped)),
            '\n' => return (string, text.get(at..).unwrap_or_default()),
            _ if sign == quote => return (string, text.get(at + sign.len_utf8()..).unwrap_or_default()),
            _ => string.push(sign),
        }
    }
    (string, "")
}

/// The rest after a part of a template, which ends with the template or at a `${`.
fn template<'a>(text: &'a str, tokens: &mut Vec<Token>, templates: &mut Vec<usize>) -> &'a str {
    let start = text;
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        let after = || text.get(at + sign.len_utf8()..).unwrap_or_default();
        match sign {
            '\\' => drop(signs.next()),
            '`' => {
                tokens.push(Token::Text(start.get(..at).unwrap_or_default().to_owned()));
                return after();
            }
            '$' if after().starts_with('{') => {
                templates.push(0);
                tokens.push(Token::Sign('{'));
                return after().get(1..).unwrap_or_default();
            }
            _ => {}
        }
    }
    ""
}

/// The rest after a regular expression, which ends on its line.
fn pattern(text: &str) -> &str {
    let mut in_class = false;
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => drop(signs.next()),
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => return text.get(at + 1..).unwrap_or_default(),
            '\n' => return text.get(at..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_imported_is_seen_however_it_is_written() {
        for (text, all) in [
            ("import a from './a.js'", &["./a.js"][..]),
            ("import{a}from\"./a.js\";import'./b.js';export*from'./c.js'", &["./a.js", "./b.js", "./c.js"]),
            ("import {\n  a, // './no.js'\n} from /* './no.js' */ './a.js';", &["./a.js"]),
            ("const b = await import('./b.js'); const c = require(\"./c.cjs\")", &["./b.js", "./c.cjs"]),
            ("// import './no.js'\n/* import './no.js' */ import './a.js'", &["./a.js"]),
            ("const t = `import './no.js' ${f({ a: `${1}` })} from './no.js'`; import './a.js'", &["./a.js"]),
            ("const r = /from '/; const s = x / y; import './a.js'", &["./a.js"]),
            ("const r = [/['\"`]/g, 1]; import './a.js'", &["./a.js"]),
            ("const from = 'x'; log('import \"./no.js\"'); import(`./a.js`)", &["./a.js"]),
            ("it's open\nimport './a.js'", &["./a.js"]),
            ("", &[]),
        ] {
            assert_eq!(specifiers(text), all, "{text}");
        }
    }

    #[test]
    fn a_variable_is_told_from_a_member_a_text_and_the_question_for_its_type() {
        for yes in ["new Intl.NumberFormat()", "Intl", "x(Intl)"] {
            assert!(names(yes, "Intl"), "{yes}");
        }
        for no in ["typeof Intl === 'undefined'", "a.Intl", "'Intl'", "// Intl\n", "`Intl`", "International"] {
            assert!(!names(no, "Intl"), "{no}");
        }
    }

    #[test]
    fn a_module_comes_with_all_that_it_imports_by_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let write = |path: &str, text: &str| {
            let place = root.join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        };
        write("sdk/tenet.js", "import * as d from 'tenet:rule/database@1.0.0';export{a}from\"./a.js\"");
        write("sdk/a.js", "export const a = 'text from \"here\"';\nimport('./none.js');\n");
        write("lib/money.ts", "");
        write("lib/more/index.ts", "import '../../rules/r/rule.js';");
        write("sdk/unused.js", "");
        write("package-lock.json", "{}");
        write(
            "rules/r/rule.js",
            "import {\n  b,\n} from '../../sdk/tenet.js';import'../../lib/money.js';import '../../lib/more';import 'left-pad';",
        );
        let names =
            ["lib/money.ts", "lib/more/index.ts", "package-lock.json", "rules/r/rule.js", "sdk/a.js", "sdk/tenet.js"];
        let all = modules(&root.join("rules/r/rule.js"), &root).unwrap();
        assert_eq!(all, BTreeSet::from(names.map(|name| root.join(name))));
    }
}
