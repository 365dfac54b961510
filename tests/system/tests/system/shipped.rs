//! Building, packing and loading when something is wrong: foreign components, damaged bundles,
//! rules in other languages.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use serde_json::json;
use tenet_core::bundle::{INDEX, Index};
use tenet_core::{Ended, Limits, Request, Rules, Timestamp, Verdict};
use tenet_engine::{Compiler, Engine, Library, OWN_TARGET};
use wasm_smith::{Component, Config, Module};

use crate::hostile::Willing;
use crate::support;
use crate::support::bundle::{bundle, copy, languages};
use crate::support::tenet::tenet;

/// Pseudo-random bytes from a seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit.max(1)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// Makes a few random changes.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.next() as u8),
                2 if at < bytes.len() => {
                    bytes.remove(at);
                }
                _ if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => {}
            }
        }
    }
}

#[test]
fn components_and_modules_at_random_are_refused_as_no_rules() {
    let compiler = Compiler::new(OWN_TARGET).unwrap();
    let mut noise = Noise(6);
    let (mut components, mut modules) = (0, 0);
    for _ in 0..300 {
        let bytes = noise.bytes(4096);
        let config = Config { max_components: 3, ..Config::default() };
        if let Ok(component) = Component::new(config, &mut Unstructured::new(&bytes)) {
            assert!(compiler.compile(&component.to_bytes()).is_err());
            components += 1;
        }
        if let Ok(module) = Module::new(Config::default(), &mut Unstructured::new(&bytes)) {
            let refused = compiler.compile(&module.to_bytes()).unwrap_err().to_string();
            assert!(refused.contains("a core module"), "{refused}");
            modules += 1;
        }
    }
    assert!(components > 50 && modules > 200, "{components} {modules}");
}

#[test]
fn a_damaged_component_is_refused_or_a_rule_and_never_more() {
    let (folder, index) = bundle("guests");
    let whole = std::fs::read(folder.join(&index.rule("veto").unwrap().component.path)).unwrap();
    let compiler = Compiler::new(OWN_TARGET).unwrap();
    let mut noise = Noise(7);
    let mut refused = 0;
    for _ in 0..40 {
        let mut bytes = whole.clone();
        noise.damage(&mut bytes);
        refused += u32::from(compiler.compile(&bytes).is_err());
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn a_bundle_that_was_changed_anywhere_is_refused_before_anything_is_loaded() {
    let (folder, index) = copy("guests");
    let whole = std::fs::read(folder.path().join(INDEX)).unwrap();
    let engine = Engine::new(1).unwrap();
    let mut noise = Noise(8);
    for _ in 0..3_000 {
        let mut bytes = whole.clone();
        noise.damage(&mut bytes);
        // It may or may not still be an index; what it names has the right digest, or is not
        // loaded.
        let Ok(changed) = Index::parse(&String::from_utf8_lossy(&bytes)) else { continue };
        if changed.rules != index.rules {
            let of_code = |index: &Index| index.rules.iter().map(|rule| rule.compiled.clone()).collect::<Vec<_>>();
            let loaded = Library::open(Arc::clone(&engine), folder.path(), &changed).is_ok();
            assert!(!loaded || of_code(&changed) == of_code(&index) || changed.rules.len() < index.rules.len());
        }
    }
    for rule in &index.rules {
        let path = folder.path().join(&rule.compiled.as_ref().unwrap().path);
        let code = std::fs::read(&path).unwrap();
        for _ in 0..20 {
            let mut bytes = code.clone();
            noise.damage(&mut bytes);
            if bytes == code {
                continue;
            }
            std::fs::write(&path, &bytes).unwrap();
            let refused = Library::open(Arc::clone(&engine), folder.path(), &index).unwrap_err();
            assert_eq!(refused.rule_name(), Some(rule.name.as_str()));
            assert!(refused.to_string().contains("SHA-256"), "{refused}");
        }
        std::fs::write(&path, &code).unwrap();
    }
    Library::open(engine, folder.path(), &index).unwrap();
}

#[tokio::test]
async fn a_rule_in_python_runs_and_tells_no_two_runs_apart() {
    let (folder, index) = languages();
    let library = Library::open(Engine::new(1).unwrap(), &folder, &index).unwrap();
    let limits = Limits { cpu_ms: 30_000, memory_bytes: 256 << 20, ..Limits::default() };
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let request = Request {
            operation: "python".into(),
            key: None,
            source_key: None,
            payload: r#"{"id":"1","do":"machine"}"#.into(),
            caller: None,
            region: "us-east-1".into(),
            now: Timestamp(1_700_000_000_000_000),
            seed: [7; 32],
            deadline: Instant::now() + Duration::from_secs(60),
            trace: None,
            follow_up: None,
        };
        let willing = Arc::new(Willing::default());
        let call = library.call("python", &request, &limits, Arc::clone(&willing) as _).await;
        let Ended::Verdict(Verdict::Accept(output)) = call.ended else {
            panic!("{:?} {:?}", call.ended, willing.lines())
        };
        assert_eq!(willing.lines(), ["hello from python"]);
        seen.insert(output);
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    let output: serde_json::Value = serde_json::from_str(seen.first().unwrap()).unwrap();
    assert_eq!(output["time"], 1_700_000_000.0);
    assert_eq!((&output["slept"], &output["environment"], &output["files"]), (&json!(0.0), &json!({}), &json!("none")));
    assert!(output["uuid"].as_str().unwrap().len() == 36 && output["hash"].is_i64(), "{output}");
}

#[test]
fn packing_twice_gives_the_same_bytes_and_the_index_has_the_function_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, _) = bundle("rules");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/rules").canonicalize().unwrap();
    let function = support::path("TENET_TEST_BOOTSTRAP");
    let packing = |out: &Path| {
        let [source, function, out] = [&source, &function, out].map(|path| path.to_str().unwrap());
        let arguments = ["pack", source, "--target", OWN_TARGET, "--bootstrap", function, "--out", out];
        tenet(folder.path(), &arguments)
    };
    let pack = |out: &str| {
        let out = folder.path().join(out);
        // Existing builds are reused.
        let at = out.join(OWN_TARGET);
        std::fs::create_dir_all(&at).unwrap();
        let copied = std::process::Command::new("cp").args(["-r"]).arg(rules.join(".")).arg(&at).status().unwrap();
        assert!(copied.success());
        let done = packing(&out);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let zip = std::fs::read(out.join(format!("tenet-{OWN_TARGET}.zip"))).unwrap();
        assert!(done.stdout.starts_with(&tenet_build::sha256(&zip)), "{}", done.stdout);
        zip
    };
    let (one, other) = (pack("one"), pack("other"));
    assert!(one == other, "two packings differ");

    // Code of another compiler, although the index has its digest.
    let at = folder.path().join("one").join(OWN_TARGET);
    let mut index = Index::parse(&std::fs::read_to_string(at.join(INDEX)).unwrap()).unwrap();
    let file = index.rules[0].compiled.as_mut().unwrap();
    std::fs::write(at.join(&file.path), b"\x7fELF of another owner").unwrap();
    file.sha256 = tenet_build::sha256(b"\x7fELF of another owner");
    let path = file.path.clone();
    std::fs::write(at.join(INDEX), index.to_json()).unwrap();
    let done = packing(&folder.path().join("one"));
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains(&path) && done.stderr.contains("other settings"), "{}", done.stderr);
}
