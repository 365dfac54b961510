use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::session::block::Block;
use crate::session::ending::Gone;
use crate::session::prepared::{Portal, Prepared};
use crate::session::settings::Settings;
use crate::store::Store;
use crate::store::catalog::{Catalog, Objects};

/// The state of one session. Nothing in it waits: what a message leads to is done when
/// [`receive`](Self::receive) returns. A statement may compute for long.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) store: Arc<Store>,
    pub(crate) id: u64,
    /// The role that it began as.
    pub(crate) user: Arc<str>,
    pub(crate) settings: Settings,
    /// The catalogue as the session knows it.
    pub(crate) objects: Arc<Objects>,
    pub(crate) block: Block,
    pub(crate) statements: BTreeMap<String, Arc<Prepared>>,
    pub(crate) portals: BTreeMap<String, Portal>,
    /// An error in the extended protocol: all messages up to the next Sync are dropped.
    pub(crate) is_skipping: bool,
    pub(crate) random: fastrand::Rng,
    pub(crate) gone: Gone,
    /// When it began, on the clock of ages.
    pub(crate) since: Duration,
}

impl Session {
    pub(crate) fn new(store: Arc<Store>, user: Arc<str>, settings: Settings) -> Self {
        let (id, random) = store.new_session();
        let objects = store.objects();
        let since = store.clock.elapsed();
        Self {
            store,
            id,
            user,
            settings,
            objects,
            block: Block::Idle,
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            is_skipping: false,
            random,
            gone: Gone::default(),
            since,
        }
    }

    /// Microseconds since 2000-01-01.
    pub(crate) fn now(&self) -> i64 {
        self.store.now()
    }

    /// The role whose rights count.
    pub(crate) fn role(&self) -> Arc<str> {
        self.settings.role().map_or_else(|| Arc::clone(&self.user), Arc::from)
    }

    /// The catalogue as its statements see it: with what its open transaction changed.
    pub(crate) fn catalog(&self) -> Catalog {
        let user = self.role();
        let search_path = self.settings.search_path(&user);
        let objects = match &self.block {
            Block::Open(open) => Arc::clone(&open.transaction.catalog().objects),
            Block::Idle | Block::Failed => Arc::clone(&self.objects),
        };
        Catalog { objects, search_path, user }
    }

    /// Reads the catalogue anew.
    pub(crate) fn refresh_catalog(&mut self) {
        self.objects = self.store.objects();
    }

    /// Whether the session has to end: it is old, and no transaction runs.
    pub(crate) fn is_over(&self) -> bool {
        let age = self.store.clock.elapsed().saturating_sub(self.since);
        age >= self.store.limits.session_age && matches!(self.block, Block::Idle)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.store.lock().end_session(self.id);
    }
}
