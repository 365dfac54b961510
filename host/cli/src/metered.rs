//! Rules compiled so that the engine counts what they compute: the harness's, kept beside the
//! code that is shipped.

use std::path::Path;

use anyhow::Context;
use tenet_core::bundle::{CompiledFor, File, Index};
use tenet_engine::Compiler;

use crate::waiting::Waiting;

/// The folder of it in a built bundle.
const FOLDER: &str = "metered";

/// The index of the built bundle in `folder` with code for a metered engine in the place of its
/// own. What was compiled before is used again.
pub(crate) fn compiled(folder: &Path, index: &Index) -> anyhow::Result<Index> {
    let compiler = Compiler::metered()?;
    let engine = compiler.fingerprint();
    let mut index = index.clone();
    let mut waiting = Waiting::new();
    std::fs::create_dir_all(folder.join(FOLDER)).with_context(|| format!("cannot write to {}", folder.display()))?;
    for rule in &mut index.rules {
        // Named by what it is made of and by whom.
        let made_of = tenet_build::sha256(format!("{} {engine}", rule.component.sha256).as_bytes());
        let short = made_of.get(..16).unwrap_or_default();
        let path = format!("{FOLDER}/{}.{short}.cwasm", rule.name);
        let (code, digest) = (folder.join(&path), folder.join(format!("{path}.sha256")));
        let known = std::fs::read_to_string(&digest).ok();
        let sha256 = match known {
            Some(known) if std::fs::read(&code).is_ok_and(|code| tenet_build::sha256(&code) == known) => known,
            _ => {
                waiting.show(&format!("compiling {} for the harness", rule.name));
                let component = std::fs::read(folder.join(&rule.component.path))
                    .with_context(|| format!("cannot read {}", rule.component.path))?;
                let bytes = compiler.compile(&component).with_context(|| format!("rule {}", rule.name))?;
                let sha256 = tenet_build::sha256(&bytes);
                tenet_build::write_whole(&code, &bytes)?;
                tenet_build::write_whole(&digest, sha256.as_bytes())?;
                sha256
            }
        };
        rule.compiled = Some(File { path, sha256 });
    }
    index.compiled_for = Some(CompiledFor { target: compiler.target().to_owned(), engine });
    Ok(index)
}
