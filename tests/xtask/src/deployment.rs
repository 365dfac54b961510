use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use tenet_core::bundle::{INDEX, Index};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// What Lambda starts.
const BOOTSTRAP: &str = "bootstrap";

/// The zip that Lambda is given: the function and the bundle that it serves, at its root.
///
/// The same function and the same bundle make the same bytes: files have an order, no times,
/// and permissions of their own.
#[derive(Debug)]
pub(crate) struct Deployment {
    files: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    path: String,
    bytes: Vec<u8>,
    permissions: u32,
}

impl Deployment {
    /// Of a function and a built bundle: the index and what it says is deployed. A bundle
    /// that is not as its index says is refused.
    pub(crate) fn new(bootstrap: Vec<u8>, bundle: &Path) -> anyhow::Result<Self> {
        let read = |path: &str| {
            let path = bundle.join(path);
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let text = read(INDEX)?;
        let index = Index::parse(std::str::from_utf8(&text)?).with_context(|| bundle.display().to_string())?;
        let mut files = vec![
            Entry { path: BOOTSTRAP.to_owned(), bytes: bootstrap, permissions: 0o755 },
            Entry { path: INDEX.to_owned(), bytes: text, permissions: 0o644 },
        ];
        for file in index.deployed() {
            let bytes = read(&file.path)?;
            ensure!(file.is(&bytes), "{} is not the file that the index describes", file.path);
            files.push(Entry { path: file.path.clone(), bytes, permissions: 0o644 });
        }
        Ok(Self { files })
    }

    /// Writes the zip and gives its size in bytes.
    pub(crate) fn write(&self, zip: &Path) -> anyhow::Result<u64> {
        let writing = || format!("cannot write {}", zip.display());
        let mut writer = ZipWriter::new(BufWriter::new(File::create(zip).with_context(writing)?));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::default());
        for Entry { path, bytes, permissions } in &self.files {
            writer.start_file(path.as_str(), options.unix_permissions(*permissions)).with_context(writing)?;
            writer.write_all(bytes).with_context(writing)?;
        }
        writer.finish()?.flush().with_context(writing)?;
        Ok(fs::metadata(zip)?.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use tenet_core::bundle::{CONTRACT, File as Named, Rule, VERSION};
    use tenet_core::{HostSettings, Limits};
    use zip::ZipArchive;

    use super::*;

    /// A built bundle of one rule.
    fn bundle() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        let file = |path: &str, text: &str| {
            fs::write(folder.path().join(path), text).unwrap();
            Named { path: path.into(), sha256: tenet_build::sha256(text.as_bytes()) }
        };
        let rule = Rule {
            name: "record".into(),
            description: String::new(),
            component: file("rules/record.wasm", "component"),
            compiled: Some(file("rules/record.cwasm", "code")),
            limits: Limits::default(),
            grants: tenet_core::Grants::default(),
        };
        let index = Index {
            version: VERSION,
            contract: CONTRACT.into(),
            sources: String::new(),
            compiled_for: None,
            host: HostSettings::default(),
            ceilings: tenet_core::Limits::ceilings(),
            operations: Vec::new(),
            rules: vec![rule],
            schema: Vec::new(),
            openapi: Some(file("openapi.json", "{}")),
        };
        tenet_build::write_index(folder.path(), &index).unwrap();
        folder
    }

    fn packed(bundle: &Path) -> anyhow::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let zip = folder.path().join("tenet.zip");
        let size = Deployment::new(b"#!/bin/sh\n".to_vec(), bundle)?.write(&zip)?;
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
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            files.push((file.name().unwrap().into_owned(), file.unix_mode().unwrap(), text));
        }
        let index = fs::read_to_string(bundle.path().join(INDEX)).unwrap();
        let expected = [
            ("bootstrap", 0o100_755, "#!/bin/sh\n"),
            ("index.json", 0o100_644, index.as_str()),
            ("rules/record.cwasm", 0o100_644, "code"),
            ("openapi.json", 0o100_644, "{}"),
        ];
        assert_eq!(files, expected.map(|(name, mode, text)| (name.to_owned(), mode, text.to_owned())));
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
    fn a_file_that_the_index_does_not_describe_is_not_packed() {
        let bundle = bundle();
        fs::write(bundle.path().join("rules/record.cwasm"), "other code").unwrap();
        assert!(packed(bundle.path()).unwrap_err().to_string().contains("rules/record.cwasm"));
    }
}
