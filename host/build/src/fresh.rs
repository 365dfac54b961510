use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tenet_core::bundle::{INDEX, Index};
use tenet_core::hex;

use crate::bounded::{MAX_CODE, MAX_RECORD, read_at_most, text_at_most};
use crate::{Bundle, Error};

/// SHA-256 of `bytes`, in lower-case hexadecimal, as in the index.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Writes the index of the built bundle in `out` atomically.
pub fn write_index(out: &Path, index: &Index) -> Result<(), Error> {
    write_whole(&out.join(INDEX), index.to_json().as_bytes())
}

/// Writes a file of a built bundle atomically. Does not write if the file already has this content,
/// because another harness may be reading it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if read_at_most(path, bytes.len()).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // A name that only this process uses.
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    fs::write(&new, bytes).map_err(Error::io("write", &new))?;
    fs::rename(&new, path).map_err(Error::io("write", path))
}

/// The index in `out`, if it is a build of the current bundle in `source`. Otherwise an error that
/// names `command`, which makes one.
pub fn check_fresh(source: &Path, out: &Path, command: &str) -> Result<Index, Error> {
    let stale = |why: &str| Error::new(format!("{} {why}", out.display())).with_help(format!("run `{command}`"));
    let sources = Bundle::open(source)?.source_digest()?;
    if !out.join(INDEX).is_file() {
        return Err(stale("is not there"));
    }
    existing(out, &sources).ok_or_else(|| stale(&format!("was not built from {} as it is now", source.display())))
}

/// The index in `out`, if it was built from these sources and its files match.
pub(crate) fn existing(out: &Path, sources: &str) -> Option<Index> {
    let index = Index::parse(&text_at_most(&out.join(INDEX), MAX_RECORD).ok()?).ok()?;
    let sound = |path: PathBuf, digest: &str| {
        read_at_most(&path, MAX_CODE).is_ok_and(|bytes| sha256(&bytes).eq_ignore_ascii_case(digest))
    };
    (index.sources == sources && index.files().all(|file| sound(out.join(&file.path), &file.sha256))).then_some(index)
}

#[cfg(test)]
mod tests {
    use tenet_core::bundle::{CONTRACT, File, VERSION};

    use super::*;
    use crate::Progress;
    use crate::packages::scratch::Scratch;

    #[test]
    fn a_build_is_fresh_until_a_source_or_a_file_of_it_changes() {
        let scratch = Scratch::bundle();
        let out = scratch.path().join("target/tenet");
        let check = || check_fresh(scratch.path(), &out, "tenet build HERE");
        assert!(check().unwrap_err().to_string().ends_with("is not there; run `tenet build HERE`"));

        scratch.write("target/tenet/schema/0001_start.sql", "select 1");
        let index = Index {
            version: VERSION,
            contract: CONTRACT.into(),
            contract_sha256: tenet_core::bundle::contract_digest(),
            sources: Bundle::open(scratch.path()).unwrap().source_digest().unwrap(),
            compiled_for: None,
            host: tenet_core::HostSettings::default(),
            ceilings: tenet_core::Limits::ceilings(),
            bootstrap: None,
            operations: Vec::new(),
            rules: Vec::new(),
            schema: vec![File { path: "schema/0001_start.sql".into(), sha256: sha256(b"select 1") }],
            catalog: tenet_core::Catalog::default(),
            openapi: None,
            api: tenet_core::bundle::Api::default(),
        };
        write_index(&out, &index).unwrap();
        assert_eq!(check().unwrap(), index);

        scratch.write("target/tenet/schema/0001_start.sql", "select 2");
        assert!(check().unwrap_err().to_string().contains("as it is now; run `tenet build HERE`"));
        scratch.write("target/tenet/schema/0001_start.sql", "select 1");
        scratch.write("rules/record/src/lib.rs", "// changed");
        assert!(check().unwrap_err().to_string().contains("as it is now"));
    }

    #[test]
    fn a_file_that_holds_it_already_is_not_written_and_nothing_is_left_beside_one_that_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_whole(&path, b"one").unwrap();
        let written = || fs::metadata(&path).unwrap().modified().unwrap();
        let before = written();
        write_whole(&path, b"one").unwrap();
        assert_eq!(written(), before);
        write_whole(&path, b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::read_dir(folder.path()).unwrap().count()), (b"two".to_vec(), 1));
    }

    /// Expects no step and no output.
    struct Silence;

    impl Progress for Silence {
        fn step(&mut self, what: &str) {
            panic!("{what}");
        }

        fn cargo(&mut self, line: &str) {
            panic!("{line}");
        }

        fn colours(&self) -> bool {
            false
        }
    }

    #[test]
    fn building_a_fresh_bundle_again_gives_the_index_that_is_there() {
        let scratch = Scratch::bundle();
        let bundle = Bundle::open(scratch.path()).unwrap();
        let out = scratch.path().join("target/tenet");
        fs::create_dir_all(&out).unwrap();
        let index = Index {
            version: VERSION,
            contract: CONTRACT.into(),
            contract_sha256: tenet_core::bundle::contract_digest(),
            sources: bundle.source_digest().unwrap(),
            compiled_for: None,
            host: tenet_core::HostSettings::default(),
            ceilings: tenet_core::Limits::ceilings(),
            bootstrap: None,
            operations: Vec::new(),
            rules: Vec::new(),
            schema: Vec::new(),
            catalog: tenet_core::Catalog::default(),
            openapi: None,
            api: tenet_core::bundle::Api::default(),
        };
        write_index(&out, &index).unwrap();
        assert_eq!(bundle.build(&out, &mut Silence).unwrap(), index);
    }
}
