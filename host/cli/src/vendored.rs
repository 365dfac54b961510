//! What rules are written with, as this binary brings it: word for word, in the layout of
//! its own repository, since the crates name each other and the contract by relative paths.

use std::fs;
use std::path::Path;

use include_dir::{Dir, include_dir};

use crate::testing::file;

/// Its version is the binary's.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folders, without tests and without what cargo has built.
static FOLDERS: [(&str, Dir<'_>); 4] = [
    ("guest/sdk/src", include_dir!("$CARGO_MANIFEST_DIR/../../guest/sdk/src")),
    ("guest/macros/src", include_dir!("$CARGO_MANIFEST_DIR/../../guest/macros/src")),
    ("guest/javascript/sdk", include_dir!("$CARGO_MANIFEST_DIR/../../guest/javascript/sdk")),
    ("wit/v1", include_dir!("$CARGO_MANIFEST_DIR/../../wit/v1")),
];

// Of Python's folder one file: a run in it leaves its own beside.
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
    fs::write(folder.join(SCHEMA), file::schema())
}
