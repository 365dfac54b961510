use std::path::{Path, PathBuf};

use tenet_build::{PrivatePostgres, Programs};
use tenet_clock::SystemClock;
use tenet_core::Clock as _;
use tenet_core::bundle::Index;
use tenet_database::Endpoint;

use crate::error::Result;
use crate::model::Model;
use crate::progress::Progress;
use crate::schema;

/// The database of one command: a named one, or one of its own that ends with the value.
pub enum Database {
    /// The one with this URL.
    Named(String),
    /// A PostgreSQL of this process.
    Private(PrivatePostgres),
    /// A model of Aurora DSQL in this process.
    Model(Model),
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

    /// A model of Aurora DSQL that is ready for the built bundle in `folder`.
    ///
    /// # Errors
    /// Fails where it refuses a step of the schema.
    pub async fn model(folder: &Path, index: &Index) -> Result<Self> {
        let seed = SystemClock.now().micros().unsigned_abs();
        Ok(Self::Model(Model::start(&[(folder.to_owned(), index.clone())], seed).await?))
    }

    /// Applies the steps of the built bundle in `folder` that it does not have yet, unless it is a named one.
    ///
    /// # Errors
    /// Fails where it refuses a step.
    pub async fn apply(&self, folder: &Path, index: &Index) -> Result<()> {
        let bundles = [(folder.to_owned(), index.clone())];
        match self {
            Self::Named(_) => Ok(()),
            Self::Private(postgres) => schema::apply_to(&postgres.url(PRIVATE), &bundles).await.map(drop),
            Self::Model(model) => model.apply(&bundles).await,
        }
    }

    /// Stops a private database; without this it ends with the value, unasked.
    ///
    /// # Errors
    /// Fails where a private one does not end.
    pub fn close(self) -> Result<()> {
        match self {
            Self::Named(_) | Self::Model(_) => Ok(()),
            Self::Private(postgres) => Ok(postgres.stop()?),
        }
    }

    /// The server of a private one.
    pub fn postgres(&self) -> Option<&PrivatePostgres> {
        match self {
            Self::Named(_) | Self::Model(_) => None,
            Self::Private(postgres) => Some(postgres),
        }
    }

    /// The way into it.
    ///
    /// # Errors
    /// Fails where the URL of a named one is none.
    pub fn endpoint(&self) -> Result<Endpoint> {
        match self {
            Self::Named(url) => Ok(Endpoint::parse(url)?),
            Self::Private(postgres) => Ok(Endpoint::parse(&postgres.url(PRIVATE))?),
            Self::Model(model) => model.endpoint(),
        }
    }

    /// The way into it from another region.
    ///
    /// # Errors
    /// As [`endpoint`](Self::endpoint).
    pub fn peer(&self) -> Result<Endpoint> {
        match self {
            Self::Model(model) => model.peer().endpoint(),
            Self::Named(_) | Self::Private(_) => self.endpoint(),
        }
    }
}

/// The database of a private PostgreSQL.
const PRIVATE: &str = "postgres";

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
