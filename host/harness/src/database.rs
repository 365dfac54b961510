use std::path::{Path, PathBuf};

use tenet_build::{PrivatePostgres, Programs};
use tenet_core::bundle::Index;

use crate::error::Result;
use crate::progress::Progress;
use crate::schema;

/// The database of one command: a named one, or a private one that ends with the value.
pub enum Database {
    /// The one with this URL.
    Named(String),
    /// One of this process.
    Private(PrivatePostgres),
}

impl Database {
    /// The database with this URL, which has to be ready for the built bundle in `folder`;
    /// without one, a private one that is made so, or was when the bundle was built.
    ///
    /// # Errors
    /// Fails where the database cannot be reached or is not ready for the bundle, or where no private one starts.
    pub async fn open(
        url: Option<&str>,
        folder: &Path,
        index: &Index,
        made: Option<PrivatePostgres>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let bundles = [(folder.to_owned(), index.clone())];
        let Some(url) = url else { return Ok(Self::Private(private_or(made, &bundles, progress).await?)) };
        schema::check(url, &bundles).await?;
        Ok(Self::Named(url.to_owned()))
    }

    /// Stops a private database; without this it ends with the value, unasked.
    ///
    /// # Errors
    /// Fails where a private one does not end.
    pub fn close(self) -> Result<()> {
        match self {
            Self::Named(_) => Ok(()),
            Self::Private(postgres) => Ok(postgres.stop()?),
        }
    }

    /// The server of a private one.
    pub fn postgres(&self) -> Option<&PrivatePostgres> {
        match self {
            Self::Named(_) => None,
            Self::Private(postgres) => Some(postgres),
        }
    }

    /// How a client names it.
    pub fn url(&self) -> String {
        match self {
            Self::Named(url) => url.clone(),
            Self::Private(postgres) => postgres.url("postgres"),
        }
    }
}

/// The private PostgreSQL that was made for these built bundles already, or a new one.
pub(crate) async fn private_or(
    made: Option<PrivatePostgres>,
    bundles: &[(PathBuf, Index)],
    progress: &dyn Progress,
) -> Result<PrivatePostgres> {
    match made {
        Some(postgres) => Ok(postgres),
        None => Ok(private(bundles, progress).await?.0),
    }
}

/// A private PostgreSQL with the tables of the host and of these built bundles, and the number
/// of steps that made them.
///
/// # Errors
/// Fails where PostgreSQL is missing or does not start, or where it refuses a step.
pub async fn private(bundles: &[(PathBuf, Index)], progress: &dyn Progress) -> Result<(PrivatePostgres, usize)> {
    // Where they have to be installed first that is said in lines of its own.
    Programs::find()?;
    let mut work = progress.begin();
    work.show("starting a private PostgreSQL");
    let postgres = PrivatePostgres::start()?;
    work.show("applying the schema");
    let steps = schema::apply_to(&postgres.url("postgres"), bundles).await?;
    Ok((postgres, steps))
}
