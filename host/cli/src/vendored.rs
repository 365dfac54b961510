//! What rules are written with, as this binary brings it: word for word, in the layout of
//! its own repository, since the crates name each other and the contract by relative paths.

use std::fs;
use std::path::Path;

use include_dir::{Dir, include_dir};

use tenet_harness::testing::file_schema;

/// Its version is the binary's.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folders, without tests and without what cargo has built.
static FOLDERS: [(&str, Dir<'_>); 4] = [
    ("guest/sdk/src", include_dir!("$CARGO_MANIFEST_DIR/../../guest/sdk/src")),
    ("guest/macros/src", include_dir!("$CARGO_MANIFEST_DIR/../../guest/macros/src")),
    ("guest/javascript/sdk", include_dir!("$CARGO_MANIFEST_DIR/../../guest/javascript/sdk")),
    ("wit/v1", include_dir!("$CARGO_MANIFEST_DIR/../../wit/v1")),
];

// One file of Python's folder: a run leaves others in it.
const FILES: [(&str, &str); 4] = [
    ("guest/python/sdk/tenet.py", include_str!("../../../guest/python/sdk/tenet.py")),
    ("guest/Cargo.toml", include_str!("../../../guest/Cargo.toml")),
    ("guest/sdk/Cargo.toml", include_str!("../../../guest/sdk/Cargo.toml")),
    ("guest/macros/Cargo.toml", include_str!("../../../guest/macros/Cargo.toml")),
];

/// The JSON Schema of test files.
const SCHEMA: &str = "test.schema.json";

/// The folder of it in a bundle.
pub(crate) fn folder() -> String {
    format!("vendor/tenet-{VERSION}")
}

/// A file of an SDK.
pub(crate) struct Source {
    /// Its path below the folder that was asked for.
    pub(crate) path: String,
    pub(crate) text: &'static str,
}

/// The files of one of the folders, in the order of their names.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let found = FOLDERS.iter().filter(|(path, _)| *path == folder).flat_map(|(_, contents)| contents.files());
    let source = |file: &'static include_dir::File<'_>| {
        Some(Source { path: file.path().to_str()?.to_owned(), text: file.contents_utf8()? })
    };
    found.filter_map(source).collect()
}

/// The text of one file, by the path that it has in a bundle's folder of it; empty where there is none.
pub(crate) fn source(path: &str) -> &'static str {
    if let Some((_, text)) = FILES.iter().find(|(known, _)| *known == path) {
        return text;
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or_default();
    sources(folder).into_iter().find(|source| source.path == name).map_or("", |source| source.text)
}

/// Writes it into `folder`, which is not there yet.
pub(crate) fn write(folder: &Path) -> std::io::Result<()> {
    for (path, contents) in &FOLDERS {
        let place = folder.join(path);
        fs::create_dir_all(&place)?;
        contents.extract(&place)?;
    }
    for (path, text) in FILES {
        let place = folder.join(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(place, text)?;
    }
    fs::write(folder.join(SCHEMA), file_schema())
}
