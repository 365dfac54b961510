//! A deployment on stand-ins: the deployer's commands against ministack for AWS, and against the
//! stand-in for DSQL's endpoints in front of PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::Value;
use tenet_engine::OWN_TARGET;
use tenet_test_support::{ACCESS_KEY, Dsql, Roles, SECRET_KEY, Terms};

use super::bundle::bundle;
use super::database::Database;
use super::eventbridge::config;
use super::ministack;
use super::tenet::{Ended, run};
use super::{empty_database, path};

pub(crate) const EAST: &str = "us-east-1";
pub(crate) const WEST: &str = "us-west-2";

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A deployment to be made, with a folder and a database of its own.
pub(crate) struct Rehearsal {
    pub(crate) name: String,
    pub(crate) database: Database,
    /// Both regions' endpoints of the database.
    pub(crate) east: Dsql,
    pub(crate) west: Dsql,
    /// Which IAM roles may sign in as which database role.
    pub(crate) roles: Roles,
    folder: tempfile::TempDir,
}

impl Rehearsal {
    pub(crate) async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("r{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let database = empty_database().await;
        let roles = Roles::default();
        let terms = |region| Terms { every_cluster: true, roles: Some(roles.clone()), ..Terms::of(region) };
        let east = Dsql::start(database.url(), terms(EAST)).await;
        let west = Dsql::start(database.url(), terms(WEST)).await;
        let folder = tempfile::tempdir().unwrap();
        let rehearsal = Self { name, database, east, west, roles, folder };
        std::fs::write(rehearsal.ca(), [rehearsal.east.authority(), rehearsal.west.authority()].concat()).unwrap();
        std::fs::write(rehearsal.folder.path().join("region.yaml"), rehearsal.template()).unwrap();
        std::fs::copy(path("TENET_TEST_BOOTSTRAP"), rehearsal.bootstrap()).unwrap();
        // Existing builds are reused.
        let (built, _) = bundle("rules");
        let out = rehearsal.out().join(OWN_TARGET);
        std::fs::create_dir_all(&out).unwrap();
        assert_eq!(run(Command::new("cp").arg("-r").arg(built.join(".")).arg(&out)).code, 0);
        rehearsal.configure(|config| config.to_owned());
        rehearsal
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn bootstrap(&self) -> PathBuf {
        self.folder.path().join("bootstrap")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The repository's template, with the addresses of the stand-ins for AWS, and without the
    /// features that ministack does not support: only the archive and the bus's policy are left out.
    fn template(&self) -> String {
        let template = std::fs::read_to_string(root().join("deploy/region.yaml")).unwrap();
        let endpoint = "          TENET_DSQL_ENDPOINT: !Ref Endpoint\n";
        let peer = "          TENET_DSQL_PEER_ENDPOINT: !Ref PeerEndpoint\n";
        let (east, west) = (self.east.port(), self.west.port());
        // All have the same address; the port selects the region.
        let here = format!(
            "          TENET_DSQL_ENDPOINT: !Join [\":\", [!Ref Endpoint, !FindInMap [Ports, !Ref \"AWS::Region\", Here]]]\n          \
             TENET_DSQL_ADDRESS: 127.0.0.1\n          \
             TENET_DSQL_CA: {ca}\n          \
             AWS_ENDPOINT_URL: {aws}\n",
            ca = self.ca().display(),
            aws = ministack::endpoint(),
        );
        let there = "          TENET_DSQL_PEER_ENDPOINT: !Join [\":\", [!Ref PeerEndpoint, !FindInMap [Ports, !Ref \"AWS::Region\", There]]]\n          TENET_DSQL_PEER_ADDRESS: 127.0.0.1\n";
        let ports = format!(
            "Mappings:\n  Ports:\n    {EAST}: {{Here: \"{east}\", There: \"{west}\"}}\n    {WEST}: {{Here: \"{west}\", There: \"{east}\"}}\n\nConditions:\n"
        );
        let policy = template.split_once("\n  BusPolicy:\n").unwrap().1.split_once("\n\n").unwrap().0;
        let policy = format!("  BusPolicy:\n{policy}\n\n");
        for part in [endpoint, peer, &policy, "Conditions:\n"] {
            assert_eq!(template.matches(part).count(), 1, "{part}");
        }
        template.replace(&policy, "").replace(endpoint, &here).replace(peer, there).replace("Conditions:\n", &ports)
    }

    /// Writes the repository's configuration with this deployment's own values.
    pub(crate) fn configure(&self, change: impl Fn(&str) -> String) {
        let config = std::fs::read_to_string(root().join("deploy/tenet.toml")).unwrap();
        let architecture = OWN_TARGET.split('-').next().unwrap().replace("aarch64", "arm64");
        let mut config = config;
        for (from, to) in [
            ("name = \"tenet\"", format!("name = \"{}\"\ntemplate = \"region.yaml\"", self.name)),
            ("bundle = \"../guest/rules\"", format!("bundle = {:?}", root().join("guest/rules"))),
            ("architecture = \"arm64\"", format!("architecture = \"{architecture}\"")),
            ("role = \"tenet_app\"", format!("role = \"{}\"", self.role())),
            ("archive_days = 30", "archive_days = 0".to_owned()),
            // Ministack accepts events for a bus in another region and drops them.
            ("seen = \"both\"", "seen = \"home\"".to_owned()),
        ] {
            assert_eq!(config.matches(from).count(), 1, "{from}");
            config = config.replace(from, &to);
        }
        std::fs::write(self.folder.path().join("tenet.toml"), change(&config)).unwrap();
    }

    pub(crate) fn role(&self) -> String {
        format!("app_{}", self.name.replace('-', "_"))
    }

    /// Changes the zip: bytes after a program's end have no effect.
    pub(crate) fn change_the_function(&self) {
        let mut bytes = std::fs::read(self.bootstrap()).unwrap();
        bytes.push(b'\n');
        std::fs::write(self.bootstrap(), bytes).unwrap();
    }

    /// Runs a command of the deployer while the stand-ins run.
    pub(crate) fn tenet(&self, arguments: &[&str]) -> Ended {
        tokio::task::block_in_place(|| run(&mut self.command(arguments)))
    }

    /// The same for a command that has to succeed.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Ended {
        let ended = self.tenet(arguments);
        assert!(
            ended.code == 0,
            "tenet {arguments:?}\n{}\n{}\n{:?}",
            ended.stdout,
            ended.stderr,
            self.east.turned_away()
        );
        ended
    }

    /// A command of the deployer.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(path("TENET_TEST_TENET"));
        command.args(arguments).current_dir(self.folder.path());
        command.args(["--config", "tenet.toml", "--dsql-ca", "ca.pem"]);
        for (region, dsql) in [(EAST, &self.east), (WEST, &self.west)] {
            command.args(["--dsql-address", &format!("{region}=127.0.0.1:{}", dsql.port())]);
        }
        if arguments.first() == Some(&"deploy") {
            command.args(["--bootstrap", "bootstrap", "--out", "out"]);
        }
        if arguments.first() == Some(&"doctor") {
            command.args(["--bootstrap", "bootstrap"]);
        }
        command
            .env("AWS_ENDPOINT_URL", ministack::endpoint())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_REGION", EAST)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        command
    }

    /// The status, one value per region.
    pub(crate) fn status(&self) -> Vec<Value> {
        let ended = self.tenet(&["status", "--json"]);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    }

    /// The messages of a queue of a region, waiting for at least this many, concatenated.
    pub(crate) async fn heard(&self, region: &'static str, queue: &str, count: usize) -> String {
        let sqs = aws_sdk_sqs::Client::new(&config(region, &ministack::endpoint()));
        let queue = sqs.get_queue_url().queue_name(format!("{}-{queue}", self.name)).send().await.unwrap();
        let (mut heard, mut text) = (0, String::new());
        loop {
            let receive = sqs.receive_message().set_queue_url(queue.queue_url.clone()).max_number_of_messages(10);
            let wait = if heard < count { 20 } else { 0 };
            let messages = receive.wait_time_seconds(wait).send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                assert!(heard >= count, "of {count} messages {heard} have come: {text}");
                return text;
            }
            heard += messages.len();
            for message in messages {
                text += message.body.as_deref().unwrap_or_default();
                let delete = sqs.delete_message().set_queue_url(queue.queue_url.clone());
                delete.set_receipt_handle(message.receipt_handle).send().await.unwrap();
            }
        }
    }

    /// Puts an event on the bus of a region.
    pub(crate) async fn put(&self, region: &'static str, source: &str, detail_type: &str, detail: &str) {
        let entry = PutEventsRequestEntry::builder().event_bus_name(&self.name).source(source);
        let entry = entry.detail_type(detail_type).detail(detail).build();
        let client = aws_sdk_eventbridge::Client::new(&config(region, &ministack::endpoint()));
        assert_eq!(client.put_events().entries(entry).send().await.unwrap().failed_entry_count, 0);
    }

    /// Everything on ministack with the deployment's name.
    pub(crate) async fn left_at_ministack(&self) -> Vec<String> {
        let mut left = Vec::new();
        for region in [EAST, WEST] {
            let config = config(region, &ministack::endpoint());
            let queues = aws_sdk_sqs::Client::new(&config).list_queues().queue_name_prefix(&self.name).send().await;
            left.extend(queues.unwrap().queue_urls.unwrap_or_default());
            let events = aws_sdk_eventbridge::Client::new(&config);
            let buses = events.list_event_buses().name_prefix(&self.name).send().await.unwrap();
            left.extend(buses.event_buses.unwrap_or_default().into_iter().filter_map(|bus| bus.arn));
        }
        left
    }
}
