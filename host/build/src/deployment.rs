use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use tenet_core::bundle::{File as Named, INDEX, Index};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::bounded::{MAX_CODE, read_at_most};
use crate::{Error, sha256};

/// The file that Lambda starts.
const BOOTSTRAP: &str = "bootstrap";

/// The zip for Lambda: the function and the bundle that it serves, at its root.
///
/// The same function and bundle give the same bytes: files have a fixed order, no times, and fixed
/// permissions.
#[derive(Debug)]
pub struct Deployment {
    files: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    path: String,
    bytes: Vec<u8>,
    permissions: u32,
}

impl Deployment {
    /// The zip of a function and a built bundle: the index, with the function in it, and the files
    /// that it names for deployment. Refuses a bundle that does not match its index, and a function
    /// for another architecture than the rules.
    pub fn new(bootstrap: Vec<u8>, bundle: &Path) -> Result<Self, Error> {
        let read = |path: &str| {
            let path = bundle.join(path);
            read_at_most(&path, MAX_CODE).map_err(Error::io("read", &path))
        };
        let text = String::from_utf8_lossy(&read(INDEX)?).into_owned();
        let invalid = |error| Error::new(format!("{}: {error}", bundle.join(INDEX).display()));
        let mut index = Index::parse(&text).map_err(invalid)?;
        let Some(compiled_for) = &index.compiled_for else {
            let what = format!("the rules in {} are not compiled", bundle.display());
            return Err(Error::new(what).with_help("`tenet build` compiles them"));
        };
        if machine(&bootstrap) != Some(compiled_for.target.as_str()) {
            let runs = machine(&bootstrap).unwrap_or("no machine of Lambda's");
            let what = format!("the function runs on {runs}, and the rules are compiled for {}", compiled_for.target);
            return Err(Error::new(what));
        }
        index.bootstrap = Some(Named { path: BOOTSTRAP.to_owned(), sha256: sha256(&bootstrap) });
        let plain = |path: &str, bytes| Entry { path: path.to_owned(), bytes, permissions: 0o644 };
        let mut files = vec![
            Entry { path: BOOTSTRAP.to_owned(), bytes: bootstrap, permissions: 0o755 },
            plain(INDEX, index.to_json().into_bytes()),
        ];
        for file in index.deployed() {
            let bytes = read(&file.path)?;
            if !file.is(&bytes) {
                return Err(Error::new(format!("{} is not the file that the index describes", file.path)));
            }
            files.push(plain(&file.path, bytes));
        }
        Ok(Self { files })
    }

    /// Writes the zip and returns its size in bytes.
    pub fn write(&self, zip: &Path) -> Result<u64, Error> {
        let writing = || Error::io("write", zip);
        let mut writer = ZipWriter::new(BufWriter::new(File::create(zip).map_err(writing())?));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::default());
        for Entry { path, bytes, permissions } in &self.files {
            let start = writer.start_file(path.as_str(), options.unix_permissions(*permissions));
            start.map_err(std::io::Error::other).map_err(writing())?;
            writer.write_all(bytes).map_err(writing())?;
        }
        let mut file = writer.finish().map_err(std::io::Error::other).map_err(writing())?;
        file.flush().map_err(writing())?;
        Ok(fs::metadata(zip).map_err(writing())?.len())
    }
}

/// The target of a Linux program, by the machine number in its ELF header
/// (<https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html>).
fn machine(program: &[u8]) -> Option<&'static str> {
    if !program.starts_with(b"\x7fELF") {
        return None;
    }
    match program.get(18..20) {
        Some([62, 0]) => Some("x86_64-unknown-linux-gnu"),
        Some([183, 0]) => Some("aarch64-unknown-linux-gnu"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use tenet_core::bundle::{CONTRACT, CompiledFor, Rule, VERSION};
    use tenet_core::{HostSettings, Limits};
    use zip::ZipArchive;

    use super::*;

    /// A built bundle of one rule.
    fn bundle() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        let file = |path: &str, text: &str| {
            fs::write(folder.path().join(path), text).unwrap();
            Named { path: path.into(), sha256: sha256(text.as_bytes()) }
        };
        let rule = Rule {
            name: "record".into(),
            description: String::new(),
            component: file("rules/record.wasm", "component"),
            compiled: Some(file("rules/record.cwasm", "code")),
            limits: Limits::default(),
            grants: tenet_core::Grants::default(),
            input: None,
            output: None,
        };
        let index = Index {
            version: VERSION,
            contract: CONTRACT.into(),
            contract_sha256: tenet_core::bundle::contract_digest(),
            sources: String::new(),
            compiled_for: Some(CompiledFor { target: "x86_64-unknown-linux-gnu".into(), engine: "e".into() }),
            host: HostSettings::default(),
            ceilings: tenet_core::Limits::ceilings(),
            bootstrap: None,
            operations: Vec::new(),
            rules: vec![rule],
            schema: Vec::new(),
            catalog: tenet_core::Catalog::default(),
            openapi: Some(file("openapi.json", "{}")),
            api: tenet_core::bundle::Api::default(),
        };
        crate::write_index(folder.path(), &index).unwrap();
        folder
    }

    /// The start of a program.
    fn program(machine: u8) -> Vec<u8> {
        [b"\x7fELF".as_slice(), &[0; 14], &[machine, 0]].concat()
    }

    fn packed(bundle: &Path) -> Result<Vec<u8>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let zip = folder.path().join("tenet.zip");
        let size = Deployment::new(program(62), bundle)?.write(&zip)?;
        let bytes = fs::read(zip).unwrap();
        assert_eq!(size, u64::try_from(bytes.len()).unwrap());
        Ok(bytes)
    }

    #[test]
    fn the_function_comes_first_and_can_be_started_and_components_stay_behind() {
        let bundle = bundle();
        let mut zip = ZipArchive::new(std::io::Cursor::new(packed(bundle.path()).unwrap())).unwrap();
        let mut files = Vec::new();
        for place in 0..zip.len() {
            let mut file = zip.by_index(place).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            files.push((file.name().unwrap().into_owned(), file.unix_mode().unwrap(), bytes));
        }
        let mut index = Index::parse(&fs::read_to_string(bundle.path().join(INDEX)).unwrap()).unwrap();
        index.bootstrap = Some(Named { path: "bootstrap".into(), sha256: sha256(&program(62)) });
        let expected = [
            ("bootstrap", 0o100_755, program(62)),
            ("index.json", 0o100_644, index.to_json().into_bytes()),
            ("rules/record.cwasm", 0o100_644, b"code".to_vec()),
            ("openapi.json", 0o100_644, b"{}".to_vec()),
        ];
        assert_eq!(files, expected.map(|(name, mode, bytes)| (name.to_owned(), mode, bytes)));
    }

    #[test]
    fn the_same_files_make_the_same_bytes_wherever_and_whenever_they_were_written() {
        let (one, other) = (bundle(), bundle());
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        let file = File::options().write(true).open(other.path().join("openapi.json")).unwrap();
        file.set_modified(later).unwrap();
        assert_eq!(packed(one.path()).unwrap(), packed(other.path()).unwrap());
    }

    #[test]
    fn a_function_for_other_machines_is_not_packed() {
        let bundle = bundle();
        for (bytes, runs) in
            [(program(183), "aarch64"), (program(3), "no machine"), (b"#!/bin/sh".to_vec(), "no machine")]
        {
            let refused = Deployment::new(bytes, bundle.path()).unwrap_err().to_string();
            assert!(refused.contains(runs) && refused.contains("x86_64"), "{refused}");
        }
    }

    #[test]
    fn a_file_that_the_index_does_not_describe_is_not_packed() {
        let bundle = bundle();
        fs::write(bundle.path().join("rules/record.cwasm"), "other code").unwrap();
        assert!(packed(bundle.path()).unwrap_err().to_string().contains("rules/record.cwasm"));
    }
}
