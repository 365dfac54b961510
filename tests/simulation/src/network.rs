use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tenet_core::BoxFuture;
use tenet_database::{ByteStream, Connector};
use tenet_dsql::Cluster;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::path::Path;
use crate::sandbox_state::SandboxState;
use crate::story::Story;
use crate::wire::{Terms, Wire};
use crate::wire_faults::WireFaults;

/// The two regions.
pub(crate) const REGIONS: [&str; 2] = ["us-east-1", "us-west-2"];

/// How long a message takes within a region and between two.
const NEAR: Duration = Duration::from_micros(700);
const FAR: Duration = Duration::from_millis(31);

/// The wires between the sandboxes of two regions and the two endpoints of one database.
pub(crate) struct Network {
    seed: u64,
    endpoints: [Cluster; 2],
    /// By the region of the sandbox, and then by that of the endpoint.
    paths: [[Arc<Path>; 2]; 2],
    wires: Mutex<Vec<Open<Weak<Wire>>>>,
    faults: Arc<WireFaults>,
    story: Story,
    has_changed: Arc<Notify>,
}

/// A wire with its endpoint and its sandbox.
type Open<W> = (usize, Arc<SandboxState>, W);

/// The way of one sandbox to one endpoint.
pub(crate) struct Route {
    pub(crate) network: Arc<Network>,
    pub(crate) sandbox: Arc<SandboxState>,
    /// The region of the sandbox, and that of the endpoint.
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Network {
    pub(crate) fn new(seed: u64, endpoints: [Cluster; 2], faults: Arc<WireFaults>, story: Story) -> Self {
        let path = |from: usize, to: usize| Arc::new(Path::new(to, if from == to { NEAR } else { FAR }));
        let paths = [[path(0, 0), path(0, 1)], [path(1, 0), path(1, 1)]];
        Self { seed, endpoints, paths, wires: Mutex::default(), faults, story, has_changed: Arc::default() }
    }

    /// The paths to an endpoint.
    pub(crate) fn to(&self, endpoint: usize) -> [&Path; 2] {
        [&self.paths[0][endpoint], &self.paths[1][endpoint]]
    }

    pub(crate) fn path(&self, from: usize, to: usize) -> &Path {
        &self.paths[from][to]
    }

    /// Tells those who wait that a path has changed.
    pub(crate) fn tell(&self) {
        self.has_changed.notify_waiters();
        self.open().iter().for_each(|(_, _, wire)| wire.wake());
    }

    /// Cuts the connections to an endpoint.
    pub(crate) fn cut(&self, endpoint: usize) {
        self.open().iter().filter(|(to, ..)| *to == endpoint).for_each(|(_, _, wire)| wire.cut());
    }

    /// Makes the connections to an endpoint fall silent. New ones work.
    pub(crate) fn fall_silent(&self, endpoint: usize) {
        self.open().iter().filter(|(to, ..)| *to == endpoint).for_each(|(_, _, wire)| wire.fall_silent());
    }

    /// Cuts the connections of a sandbox.
    pub(crate) fn cut_of(&self, sandbox: &Arc<SandboxState>) {
        self.open().iter().filter(|(_, of, _)| Arc::ptr_eq(of, sandbox)).for_each(|(_, _, wire)| wire.cut());
    }

    /// How many connections are in a transaction.
    pub(crate) fn transactions(&self) -> usize {
        self.open().iter().filter(|(_, _, wire)| wire.is_in_transaction()).count()
    }

    fn open(&self) -> Vec<Open<Arc<Wire>>> {
        let mut wires = self.wires.lock().unwrap();
        wires.retain(|(_, _, wire)| wire.strong_count() > 0);
        wires.iter().filter_map(|(to, of, wire)| Some((*to, Arc::clone(of), wire.upgrade()?))).collect()
    }

    async fn connect(&self, sandbox: Arc<SandboxState>, from: usize, to: usize) -> io::Result<Box<dyn ByteStream>> {
        let path = &self.paths[from][to];
        sleep(path.latency * 2).await;
        loop {
            let changed = self.has_changed.notified();
            if !path.is_silent() {
                break;
            }
            changed.await;
        }
        let name = sandbox.next_connection(REGIONS[to]);
        if path.is_away() {
            self.story.note(&name, format_args!("is refused"));
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let wire = Wire::new(Terms {
            name,
            seed: self.seed,
            path: Arc::clone(path),
            sandbox: Arc::clone(&sandbox),
            faults: Arc::clone(&self.faults),
            story: self.story.clone(),
        });
        let (client, server) = wire.ends();
        self.wires.lock().unwrap().push((to, sandbox, Arc::downgrade(&wire)));
        let endpoint = self.endpoints[to].clone();
        // How a connection ended concerns its client only.
        drop(tokio::spawn(async move { endpoint.serve(server).await }));
        Ok(Box::new(client))
    }
}

impl Connector for Route {
    fn name(&self) -> &str {
        REGIONS[self.to]
    }

    fn connect(&self) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let Self { network, sandbox, from, to } = self;
        let (network, sandbox, from, to) = (Arc::clone(network), Arc::clone(sandbox), *from, *to);
        Box::pin(async move { network.connect(sandbox, from, to).await })
    }
}

/// The way of the database's owner, which has no faults.
pub(crate) struct OwnersRoute(pub(crate) Cluster);

impl Connector for OwnersRoute {
    fn name(&self) -> &str {
        "owner"
    }

    fn connect(&self) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let cluster = self.0.clone();
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(1 << 16);
            drop(tokio::spawn(async move { cluster.serve(far).await }));
            Ok(Box::new(near) as Box<dyn ByteStream>)
        })
    }
}
