//! Guests that no compiler would generate: WebAssembly text in `tests/guests/raw`.

use std::path::{Path, PathBuf};

use tenet_core::bundle::{CONTRACT, CompiledFor, File, INDEX, Index, Operation, Rule, VERSION, contract_digest};
use tenet_core::{Grants, HostSettings, Limits};
use tenet_engine::{Compiler, OWN_TARGET};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The grants of the guests, so that missing grants do not stop them.
const GRANTS: &str = r#"{
    "tables": { "counters": { "select": "*", "insert": "*" } },
    "events": { "hostile": ["*"] }
}"#;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/raw")
}

/// All their names.
pub(crate) fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let guests = files.filter(|path| path.extension().is_some_and(|extension| extension == "wat"));
    let mut names: Vec<String> = guests
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "frame")
        .collect();
    names.sort();
    names
}

/// The guest of this name as a component.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let read = |file: &str| std::fs::read_to_string(folder().join(file)).unwrap();
    let text = format!("(module\n{}\n{})", read(&format!("{name}.wat")), read("frame.wat"));
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/v1")).unwrap();
    let package = match name.starts_with("wasi-") {
        true => resolve.push_str("wasi.wit", &read("wasi.wit")).unwrap(),
        false => contract,
    };
    let world = resolve.select_world(&[package], Some("rule")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default().validate(true).module(&module).unwrap();
    encoder.encode().unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

/// A built bundle with these guests, one operation each, in a folder of its own.
pub(crate) fn bundle(names: &[&str]) -> (tempfile::TempDir, Index) {
    let folder = tempfile::tempdir().unwrap();
    let compiler = Compiler::new(OWN_TARGET).unwrap();
    let keep = |path: String, bytes: &[u8]| {
        std::fs::write(folder.path().join(&path), bytes).unwrap();
        File { path, sha256: tenet_build::sha256(bytes) }
    };
    let grants: Grants = serde_json::from_str(GRANTS).unwrap();
    let rule = |name: &&str| {
        let component = component(name);
        let code = compiler.compile(&component).unwrap_or_else(|error| panic!("{name}: {error}"));
        Rule {
            name: (*name).to_owned(),
            description: String::new(),
            component: keep(format!("{name}.wasm"), &component),
            compiled: Some(keep(format!("{name}.cwasm"), &code)),
            limits: Limits::default(),
            grants: grants.clone(),
            input: None,
            output: None,
        }
    };
    let operation = |name: &&str| Operation {
        name: (*name).to_owned(),
        rules: vec![(*name).to_owned()],
        key: None,
        read_only: false,
        callers: None,
        events: Vec::new(),
        ..tenet_core::bundle::Operation::default()
    };
    let index = Index {
        version: VERSION,
        contract: CONTRACT.to_owned(),
        contract_sha256: contract_digest(),
        sources: String::new(),
        compiled_for: Some(CompiledFor { target: compiler.target().to_owned(), engine: compiler.fingerprint() }),
        bootstrap: None,
        host: HostSettings::default(),
        ceilings: Limits::ceilings(),
        operations: names.iter().map(operation).collect(),
        rules: names.iter().map(rule).collect(),
        schema: Vec::new(),
        catalog: crate::support::bundle::bundle("guests").1.catalog,
        openapi: None,
        api: tenet_core::bundle::Api::default(),
    };
    std::fs::write(folder.path().join(INDEX), index.to_json()).unwrap();
    (folder, index)
}
