//! What the steps of a bundle's schema make: read from a private database, and kept next to the build.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use tenet_build::{Bundle, Made, PrivatePostgres};
use tenet_core::bundle::Index;
use tenet_core::{Catalog, Grants};
use tenet_database::{Endpoint, Inventory};

use crate::database;
use crate::error::{Context, Result};
use crate::progress::Progress;
use crate::schema;

/// The file of a built bundle that it is kept in.
const KEPT: &str = "made.json";

/// How it is read and kept; another number for every change of that.
const VERSION: u32 = 1;

/// What was read, and of which steps.
#[derive(Serialize, Deserialize)]
struct Kept {
    of: String,
    made: Made,
}

/// The tables that the rules of the bundle built in `out` are granted, as its steps make them, and
/// the private PostgreSQL with all its tables, if one had to be started: where one is `running` the
/// steps are applied to a new database of it. An error names the first table, column or sequence that
/// is granted and not made.
pub(crate) async fn catalog(
    bundle: &Bundle,
    out: &Path,
    index: &Index,
    running: Option<&PrivatePostgres>,
    progress: &dyn Progress,
) -> Result<(Catalog, Option<PrivatePostgres>)> {
    let mut grants = Grants::default();
    index.rules.iter().for_each(|rule| grants.add(rule.grants.clone()));
    if grants.tables.is_empty() && grants.sequences.is_empty() && grants.vault.is_empty() {
        return Ok((Catalog::default(), None));
    }
    let of = digest(index);
    if let Some(made) = kept(out, &of) {
        bundle.check_made(&made)?;
        return Ok((made.granted(&grants), None));
    }
    let built = [(out.to_owned(), index.clone())];
    let (url, postgres) = match running {
        Some(running) => {
            static NEXT: AtomicU32 = AtomicU32::new(1);
            let name = format!("made_{}", NEXT.fetch_add(1, Ordering::Relaxed));
            running.create_database(&name)?;
            let url = running.url(&name);
            schema::apply_to(&url, &built).await?;
            (url, None)
        }
        None => {
            let (postgres, _) = database::private(&built, progress).await?;
            (postgres.url("postgres"), Some(postgres))
        }
    };
    let inventory = Inventory::read(&Endpoint::parse(&url)?).await?;
    let made = Made { tables: inventory.tables().clone(), sequences: inventory.sequences().clone() };
    bundle.check_made(&made)?;
    let catalog = made.granted(&grants);
    let kept = serde_json::to_string(&Kept { of, made }).context("what the schema makes cannot be written")?;
    tenet_build::write_whole(&out.join(KEPT), kept.as_bytes())?;
    Ok((catalog, postgres))
}

/// A digest of the steps.
fn digest(index: &Index) -> String {
    let mut steps = VERSION.to_string();
    for step in &index.schema {
        steps.push_str(&format!("\n{} {}", step.sha256, step.path));
    }
    tenet_build::sha256(steps.as_bytes())
}

fn kept(out: &Path, of: &str) -> Option<Made> {
    let text = tenet_build::text_at_most(&out.join(KEPT), tenet_build::MAX_RECORD).ok()?;
    let kept: Kept = serde_json::from_str(&text).ok()?;
    (kept.of == of).then_some(kept.made)
}
