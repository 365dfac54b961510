//! Rules compiled so that the engine counts what they compute: the harness's, kept next to the
//! code that is shipped.

use std::path::Path;

use tenet_core::bundle::{CompiledFor, File, Index};
use tenet_engine::Compiler;

use crate::error::{Context, Result};
use crate::progress::{Progress, Work};

/// The folder of it in a built bundle.
const FOLDER: &str = "metered";

/// The index of the built bundle in `folder` with code for a metered engine in the place of its
/// own. What was compiled before is used again.
pub(crate) fn compiled(folder: &Path, index: &Index, progress: &dyn Progress) -> Result<Index> {
    compile(folder, index, progress.begin().as_mut())
}

/// The same, with its progress shown as a part of work that goes on.
pub(crate) fn compile(folder: &Path, index: &Index, work: &mut dyn Work) -> Result<Index> {
    let compiler = Compiler::metered(tenet_build::user_cache().ok().as_deref())?;
    let engine = compiler.fingerprint();
    let mut index = index.clone();
    std::fs::create_dir_all(folder.join(FOLDER)).with_context(|| format!("cannot write to {}", folder.display()))?;
    for rule in &mut index.rules {
        // Named by what it is made of and by whom.
        let made_of = tenet_build::sha256(format!("{} {engine}", rule.component.sha256).as_bytes());
        let short = made_of.get(..16).unwrap_or_default();
        let path = format!("{FOLDER}/{}.{short}.cwasm", rule.name);
        let (code, digest) = (folder.join(&path), folder.join(format!("{path}.sha256")));
        let known = tenet_build::text_at_most(&digest, tenet_build::MAX_TEXT).ok();
        let sha256 = match known {
            Some(known)
                if tenet_build::read_at_most(&code, tenet_build::MAX_CODE)
                    .is_ok_and(|code| tenet_build::sha256(&code) == known) =>
            {
                known
            }
            _ => {
                work.step(&format!("compiling {} for the harness", rule.name));
                let component = tenet_build::read_at_most(&folder.join(&rule.component.path), Compiler::MAX_BYTES)
                    .with_context(|| format!("cannot read {}", rule.component.path))?;
                let bytes = compiler.compile(&component).with_context(|| format!("rule {}", rule.name))?;
                let sha256 = tenet_build::sha256(&bytes);
                tenet_build::write_whole(&code, &bytes)?;
                tenet_build::write_whole(&digest, sha256.as_bytes())?;
                forget_others(&folder.join(FOLDER), &rule.name, short);
                sha256
            }
        };
        rule.compiled = Some(File { path, sha256 });
    }
    index.compiled_for = Some(CompiledFor { target: compiler.target().to_owned(), engine });
    Ok(index)
}

/// Removes what was compiled of earlier versions of a rule: a runtime of a language is large. What
/// cannot be removed stays, and does no harm.
fn forget_others(folder: &Path, rule: &str, now: &str) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let version = name.to_str().and_then(|name| name.strip_prefix(rule)?.strip_prefix('.')?.split_once(".cwasm"));
        if version.is_some_and(|(version, _)| version.len() == now.len() && version != now) {
            let _gone = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_versions_of_a_rule_go_and_those_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "a.0000000000000000.cwasm",
            "a.0000000000000000.cwasm.sha256",
            "a.1111111111111111.cwasm",
            "a.b.0000000000000000.cwasm",
            "ab.0000000000000000.cwasm",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        forget_others(folder.path(), "a", "1111111111111111");
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, names[2..]);
    }
}
