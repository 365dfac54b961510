use std::path::Path;

use tenet_build::PrivatePostgres;
use tenet_core::bundle::Index;

use crate::schema;

/// The database of one command: a named one, or a private one that ends with the value.
pub(crate) enum Database {
    Named(String),
    Private(PrivatePostgres),
}

impl Database {
    /// The database with this URL as it is; without one, a private one with the schema of
    /// the built bundle in `folder`.
    pub(crate) async fn open(url: Option<&str>, folder: &Path, index: &Index) -> anyhow::Result<Self> {
        if let Some(url) = url {
            return Ok(Self::Named(url.to_owned()));
        }
        let private = Self::Private(PrivatePostgres::start()?);
        schema::apply_to(&private.url(), &[(folder.to_owned(), index.clone())]).await?;
        Ok(private)
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
