//! What may be in the tree: licences, versions, one TLS stack, neither compiler nor sign-in in Lambda.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::repository::{GUESTS, Repository, words};

/// Licences that ask for no more than a notice.
const ALLOWED: [&str; 10] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    // Asks for nothing: what tells that a file was saved, in the harness alone.
    "CC0-1.0",
    // Of lists of data: the certificate authorities of webpki-roots.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that are there in two versions, and why that cannot be helped.
const DUPLICATES: [(&str, &str); 16] = [
    ("base64", "tokio-postgres and lambda_runtime are one behind hyper-util"),
    ("block-buffer", "with sha2"),
    ("const-oid", "tokio-postgres-rustls reads certificates with a crate that is one behind digest"),
    ("cpufeatures", "with sha2"),
    ("crypto-common", "with sha2"),
    ("digest", "with sha2"),
    ("getrandom", "with rand; ring, below lambda-simulator, has the older one too"),
    ("hashbrown", "gimli, below Cranelift, is one behind indexmap"),
    ("hmac", "with sha2"),
    ("io-lifetimes", "fs-set-times is one behind cap-primitives, both below wasmtime-wasi"),
    ("rand", "aws-config signs refreshed sign-ins with a p256 that is one behind; the harness alone has it"),
    ("rand_core", "with rand"),
    ("sha1", "aws-config is one behind the AWS SDK"),
    ("sha2", "Cranelift and this repository have 0.10, tokio-postgres and the AWS SDK 0.11"),
    ("syn", "procedural macros move from 2 to 3 one by one; the harness reads Rust with 2"),
    ("unicode-width", "miette is one behind textwrap, which it uses"),
];

/// Other people's TLS; rustls is the one.
const OTHER_TLS: [&str; 5] = ["boring-sys", "native-tls", "openssl", "openssl-sys", "ring"];

/// What compiles WebAssembly. The Lambda function loads what was compiled ahead of time.
const COMPILERS: [&str; 3] = ["cranelift-codegen", "wasmtime-cranelift", "wasmtime-internal-cranelift"];

/// How people sign in. A function has its role's credentials.
const SIGN_INS: [&str; 4] = ["aws-sdk-signin", "aws-sdk-sso", "aws-sdk-ssooidc", "p256"];

/// A crate in the tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
    /// Whether it lies in this repository, whose licence it has.
    own: bool,
}

/// Checks the trees of all workspaces.
pub(crate) fn check(repository: &Repository) -> anyhow::Result<()> {
    let of_host = tree(repository, &["--workspace", "-e", "normal,build,dev"])?;
    check_licences(&of_host)?;
    let mut doubled = duplicates(&of_host);
    for guests in GUESTS {
        let mut of_guests = BTreeSet::new();
        for platform in [&[][..], &["--target", "wasm32-unknown-unknown"]] {
            let arguments = [&["--workspace", "-e", "normal,build,dev", "--manifest-path", guests], platform].concat();
            of_guests.extend(tree(repository, &arguments)?);
        }
        check_licences(&of_guests)?;
        doubled.extend(duplicates(&of_guests));
    }
    check_duplicates(&doubled)?;
    // Of what is shipped: a simulator that the tests use has a TLS of its own.
    let shipped = tree(repository, &["-p", "tenet-lambda", "-p", "tenet-cli", "-e", "normal,build"])?;
    for other in OTHER_TLS {
        ensure!(!has(&shipped, other), "{other} is in the tree: rustls on aws-lc-rs is the one TLS stack");
    }
    let of_lambda = tree(repository, &["-p", "tenet-lambda", "-e", "normal"])?;
    for compiler in COMPILERS {
        ensure!(!has(&of_lambda, compiler), "{compiler} is in the tree of tenet-lambda, which has no compiler in it");
    }
    for sign_in in SIGN_INS {
        ensure!(
            !has(&of_lambda, sign_in),
            "{sign_in} is in the tree of tenet-lambda, which has its role's credentials"
        );
    }
    println!("{} crates in the host, {} of them in the Lambda function", of_host.len(), of_lambda.len());
    Ok(())
}

fn tree(repository: &Repository, arguments: &[&str]) -> anyhow::Result<BTreeSet<Crate>> {
    let mut cargo: Command = repository.cargo(&["tree", "--quiet", "--locked", "--prefix", "none"]);
    cargo.args(["--format", "{p};{l}"]).args(arguments);
    let output = cargo.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{}` failed: {}", words(&cargo), said.trim());
    let text = String::from_utf8(output.stdout)?;
    text.lines().filter(|line| !line.is_empty()).map(crate_of).collect()
}

/// `NAME vVERSION (PLACE);LICENCE (*)`, where the place and the star may be missing.
fn crate_of(line: &str) -> anyhow::Result<Crate> {
    let (package, licence) = line.split_once(';').with_context(|| format!("cargo tree printed {line:?}"))?;
    let mut words = package.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (name, version, place) = (word(), word(), word());
    let licence = licence.trim_end_matches(" (*)").to_owned();
    Ok(Crate { name, version, licence, own: place.contains("(/") })
}

fn has(tree: &BTreeSet<Crate>, name: &str) -> bool {
    tree.iter().any(|other| other.name == name)
}

fn check_licences(tree: &BTreeSet<Crate>) -> anyhow::Result<()> {
    for Crate { name, version, licence, .. } in tree.iter().filter(|other| !other.own) {
        ensure!(!licence.is_empty(), "{name} {version} has no licence");
        ensure!(is_allowed(licence), "{name} {version} has the licence {licence}, which is not among those allowed");
    }
    Ok(())
}

fn duplicates(tree: &BTreeSet<Crate>) -> BTreeMap<String, String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Crate { name, version, .. } in tree {
        versions.entry(name).or_default().insert(version);
    }
    let doubled = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
    doubled.map(|(name, versions)| (name.to_owned(), Vec::from_iter(versions).join(" and "))).collect()
}

/// Both ways: a reason that is no longer needed goes.
fn check_duplicates(doubled: &BTreeMap<String, String>) -> anyhow::Result<()> {
    for (name, versions) in doubled {
        if !DUPLICATES.iter().any(|(known, _)| known == name) {
            bail!("{name} is there as {versions}: bring them together, or give the reason in licences.rs");
        }
    }
    for (name, reason) in DUPLICATES {
        ensure!(doubled.contains_key(name), "{name} is no longer there twice ({reason}): strike it from licences.rs");
    }
    Ok(())
}

/// Whether the licences that an SPDX expression leaves one the choice of are allowed. `/` is
/// how `OR` was once written.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let allowed = either(&mut words);
    allowed && words.peek().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>) -> bool {
    let mut allowed = both(words);
    while words.next_if_eq(&"OR").is_some() {
        allowed |= both(words);
    }
    allowed
}

fn both(words: &mut Words<'_>) -> bool {
    let mut allowed = one(words);
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words);
    }
    allowed
}

fn one(words: &mut Words<'_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let allowed = either(words);
        return words.next_if_eq(&")").is_some() && allowed;
    }
    let mut licence = words.next().unwrap_or_default().to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    ALLOWED.contains(&licence.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_allowed_if_one_of_its_choices_is() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "GPL-3.0/MIT",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "ISC AND (Apache-2.0 OR ISC) AND MIT",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR ISC) AND GPL-3.0",
            "Apache-2.0 WITH other",
            "(MIT",
            "MIT)",
            "MIT ISC",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn a_line_of_the_tree_is_read_whatever_is_in_it() {
        let read = |line| crate_of(line).unwrap();
        let expected =
            |licence: &str, own| Crate { name: "a".into(), version: "v1.0.0".into(), licence: licence.into(), own };
        assert_eq!(read("a v1.0.0;MIT"), expected("MIT", false));
        assert_eq!(read("a v1.0.0 (proc-macro);MIT OR ISC (*)"), expected("MIT OR ISC", false));
        assert_eq!(read("a v1.0.0 (/some place/a);"), expected("", true));
        assert_eq!(read("a v1.0.0 (proc-macro) (/some place/a);MIT"), expected("MIT", true));
        assert!(crate_of("something else").is_err());
    }

    #[test]
    fn a_second_version_needs_a_reason_and_a_reason_a_second_version() {
        let all: BTreeMap<String, String> =
            DUPLICATES.iter().map(|(name, _)| ((*name).to_owned(), String::new())).collect();
        assert!(check_duplicates(&all).is_ok());
        let mut more = all.clone();
        more.insert("other".into(), "v1 and v2".into());
        assert!(check_duplicates(&more).unwrap_err().to_string().contains("other is there as v1 and v2"));
        let mut fewer = all;
        fewer.remove("syn");
        assert!(check_duplicates(&fewer).unwrap_err().to_string().contains("syn"));
    }
}
