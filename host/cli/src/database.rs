use std::path::{Path, PathBuf};

use tenet_build::{PrivatePostgres, Programs};
use tenet_core::bundle::Index;

use crate::schema;
use crate::waiting::Waiting;

/// The database of one command: a named one, or a private one that ends with the value.
pub(crate) enum Database {
    Named(String),
    Private(PrivatePostgres),
}

impl Database {
    /// The database with this URL, which has to be ready for the built bundle in `folder`;
    /// without one, a private one that is made so.
    pub(crate) async fn open(url: Option<&str>, folder: &Path, index: &Index) -> anyhow::Result<Self> {
        let bundles = [(folder.to_owned(), index.clone())];
        let Some(url) = url else { return Ok(Self::Private(private(&bundles).await?.0)) };
        schema::check(url, &bundles).await?;
        Ok(Self::Named(url.to_owned()))
    }

    /// Stops a private database; without this it ends with the value, unasked.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Named(_) => Ok(()),
            Self::Private(postgres) => Ok(postgres.stop()?),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Named(url) => url.clone(),
            Self::Private(postgres) => postgres.url("postgres"),
        }
    }
}

/// A private PostgreSQL with the tables of the host and of these built bundles, and the number
/// of steps that made them.
pub(crate) async fn private(bundles: &[(PathBuf, Index)]) -> anyhow::Result<(PrivatePostgres, usize)> {
    // Where they have to be installed first that is said in lines of its own.
    Programs::find()?;
    let mut waiting = Waiting::new();
    waiting.show("starting a private PostgreSQL");
    let postgres = PrivatePostgres::start()?;
    waiting.show("applying the schema");
    let steps = schema::apply_to(&postgres.url("postgres"), bundles).await?;
    Ok((postgres, steps))
}
