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
    /// Of a function and a built bundle: the index and every file that the index names. A
    /// bundle that is not as its index says is refused.
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
        for file in index.files() {
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
