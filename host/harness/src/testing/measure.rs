use std::path::Path;
use std::sync::Arc;

use tenet_capsule::Tape;
use tenet_core::{IdempotencyKey, Receipt};
use tenet_pipeline::Backoff;

use super::file::{TestFile, What};
use super::site::{Site, request};
use crate::building::Opened;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// What a request cost each time.
#[derive(Debug)]
pub struct Measured {
    /// The cost of each.
    pub receipts: Vec<Receipt>,
    /// The status of the last answer.
    pub status: u16,
}

/// Decides the first request of the test in this file so many times, each with a key of its own on the rows that
/// are given.
///
/// # Errors
/// Fails where the test cannot be read or does not begin with a request, or where the database does not start.
pub async fn measure(opened: Opened, test: &Path, requests: u32, progress: &dyn Progress) -> Result<Measured> {
    let file = TestFile::read(test)?;
    let Some(What::Ask(ask, _)) = file.steps.first().map(|step| &step.what) else {
        return Err(Error::new("the first step of the test is no request", "name a test that begins with one"));
    };
    let site = Arc::new(Site::start(opened, (true, false), progress).await?);
    let rig = site.rig(0).await?;
    rig.given(&file).await?;
    let hosts = site.hosts(&rig, Backoff::default())?;
    let given = rig.tables.contents().await?;
    let mut measured = Measured { receipts: Vec::new(), status: 0 };
    for number in 0..requests {
        rig.tables.restore(&given).await?;
        let mut each = request(ask)?;
        each.key = Some(IdempotencyKey::new(format!("bench-{number}"))?);
        let handled = hosts.decide(each, &Tape::new()).await?;
        measured.status = handled.answer.status.code();
        measured.receipts.push(handled.receipt);
    }
    drop((hosts, rig));
    Arc::into_inner(site).map_or(Ok(()), Site::close)?;
    Ok(measured)
}
