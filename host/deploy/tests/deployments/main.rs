//! Deployments on an in-memory AWS: what no emulator models, and runs that are interrupted
//! anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test ends where it panics"
)]

mod aws;
mod recorded;

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tenet_deploy::{
    Cluster, Config, Database, DeployError, Deployed, Deployment, DestroyOptions, Finding, Outbox, Package, PollPolicy,
    Prepared, Progress,
};

use crate::aws::{Aws, Bucket, Regional};

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";

const CONFIG: &str = "version = 1\nname = \"shop\"\nregions = [\"us-east-1\", \"us-west-2\"]\n[workflows]\n";

/// A database that is ready at once.
struct Ready;

impl Database for Ready {
    fn prepare<'a>(
        &'a self,
        _: &'a Cluster,
        role: &'a str,
        principals: &'a [String],
    ) -> BoxFuture<'a, Result<Prepared, Box<dyn Error + Send + Sync>>> {
        assert_eq!(role, "tenet_app");
        assert_eq!(principals[1], "arn:aws:iam::123456789012:role/shop-us-west-2-function");
        Box::pin(async { Ok(Prepared { identity: "id".to_owned(), changes: Vec::new() }) })
    }

    fn outbox<'a>(&'a self, _: &'a Cluster) -> BoxFuture<'a, Result<Outbox, Box<dyn Error + Send + Sync>>> {
        Box::pin(async { Ok(Outbox::default()) })
    }
}

/// Records the reported steps.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn say(&self, region: Option<&str>, what: &str) {
        self.0.lock().unwrap().push(format!("{}: {what}", region.unwrap_or_default()));
    }
}

fn package(zip: &str) -> Package {
    Package {
        zip: zip.as_bytes().to_vec(),
        connections: 8,
        takes_events: false,
        follows: None,
        has_vault: true,
        metrics: "Tenet".to_owned(),
        relay_grace_s: 960,
        margin_ms: 300,
    }
}

fn polling() -> PollPolicy {
    let most = Duration::from_secs(20);
    PollPolicy { cluster: most, stack: most, event: most, pause: Duration::from_millis(1) }
}

async fn open(aws: &Aws) -> Result<Deployment, DeployError> {
    configured(aws, CONFIG).await
}

async fn configured(aws: &Aws, config: &str) -> Result<Deployment, DeployError> {
    let config = Config::parse(config).unwrap();
    Deployment::open(config, &aws.config(), Arc::new(Ready), Arc::new(Told::default()), polling()).await
}

async fn deploy(aws: &Aws, zip: &str, canary: Option<u8>) -> Result<Deployed, DeployError> {
    open(aws).await?.deploy(&package(zip), canary).await
}

/// Does something, and returns the number of calls it took.
async fn counted<T>(aws: &Aws, doing: impl Future<Output = T>) -> (T, usize) {
    let before = aws.state(|state| state.calls.len());
    let done = doing.await;
    (done, aws.state(|state| state.calls.len()) - before)
}

#[tokio::test]
async fn the_clusters_come_from_pending_setup_to_active_as_peers_with_a_witness() {
    let aws = Aws::default();
    let deployed = deploy(&aws, "one", None).await.unwrap();
    assert!(deployed.has_changed);
    assert_eq!(deployed.regions.each_ref().map(|served| served.version.as_str()), ["1", "1"]);

    let regions = aws.regions();
    for (region, other) in [(EAST, WEST), (WEST, EAST)] {
        let clusters = &regions[region].clusters;
        let (id, cluster) = clusters.first_key_value().unwrap();
        assert_eq!((clusters.len(), cluster.status.as_str(), cluster.witness.as_str()), (1, "ACTIVE", "us-east-2"));
        assert!(cluster.is_protected && cluster.tags["tenet:deployment"] == "shop", "{cluster:?}");
        let peer = regions[other].clusters.keys().next().unwrap();
        assert_eq!(cluster.peers, [format!("arn:aws:dsql:{other}:123456789012:cluster/{peer}")]);
        let parameters = &regions[region].stacks["shop"].parameters;
        assert_eq!(parameters["Endpoint"], format!("{id}.dsql.{region}.on.aws"));
        assert_eq!(parameters["PeerEndpoint"], format!("{peer}.dsql.{other}.on.aws"));
        assert_eq!(parameters["DatabaseIdentity"], "id");
        // One key in two regions.
        assert_eq!(parameters["VaultKeyArn"], format!("arn:aws:kms:{region}:123456789012:key/mrk-1"));
        let bucket = &regions[region].buckets[&format!("shop-123456789012-{region}-bundles")];
        assert!(bucket.is_closed && bucket.has_policy, "{bucket:?}");
        assert_eq!(parameters["CodeKey"], *bucket.objects.keys().next().unwrap());
    }
}

#[tokio::test]
async fn deployed_again_without_a_change_nothing_is_changed() {
    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    deploy(&aws, "one", None).await.unwrap();
    let before = aws.regions();
    let calls = aws.state(|state| std::mem::take(&mut state.calls));
    let deployed = deploy(&aws, "one", None).await.unwrap();
    assert!(!deployed.has_changed);
    assert_eq!(aws.regions(), before);
    // It checked the state, requested updates that change nothing, and published existing versions.
    let of_cluster = |call: &&String| call.contains("dsql POST") || call.contains("s3 PUT");
    assert_eq!(aws.state(|state| state.calls.iter().filter(of_cluster).count()), 0, "{calls:?}");
}

#[tokio::test]
async fn a_new_zip_is_a_new_version_that_gets_its_part_is_promoted_and_gone_back_from() {
    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    let served = async || {
        let parameters = aws.regions()[WEST].stacks["shop"].parameters.clone();
        ["Version", "PreviousVersion", "CanaryVersion", "CanaryWeight"].map(|name| parameters[name].clone())
    };
    let canary = deploy(&aws, "two", Some(10)).await.unwrap();
    assert_eq!(canary.regions[1].canary, Some(("2".to_owned(), 10)));
    assert_eq!(served().await, ["", "", "2", "0.1"]);
    // A larger share and the same version: there is one canary.
    deploy(&aws, "two", Some(25)).await.unwrap();
    assert_eq!(served().await, ["", "", "2", "0.25"]);
    let deployment = open(&aws).await.unwrap();
    deployment.promote().await.unwrap();
    assert_eq!(served().await, ["2", "1", "", "0"]);
    assert!(deployment.promote().await.unwrap_err().to_string().contains("no canary"));
    deployment.rollback().await.unwrap();
    assert_eq!(served().await, ["1", "2", "", "0"]);
    deploy(&aws, "three", Some(5)).await.unwrap();
    assert_eq!(served().await, ["1", "2", "3", "0.05"]);
    deployment.rollback().await.unwrap();
    assert_eq!(served().await, ["1", "2", "", "0"]);
    deploy(&aws, "three", None).await.unwrap();
    assert_eq!(served().await, ["3", "1", "", "0"]);
}

#[tokio::test]
async fn a_cluster_that_has_failed_is_told_and_so_is_a_stack_with_its_first_reason() {
    let aws = Aws::default();
    aws.state(|state| state.ends_as = Some("FAILED"));
    let error = deploy(&aws, "one", None).await.unwrap_err();
    assert!(error.to_string().contains("has FAILED"), "{error}");
    assert!(error.advice().unwrap().contains("tenet destroy --clusters"), "{error:?}");

    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    aws.state(|state| {
        state.regions.get_mut(WEST).unwrap().stacks.get_mut("shop").unwrap().status =
            "UPDATE_ROLLBACK_IN_PROGRESS".into()
    });
    // It waits for the end of another operation, and then does its own.
    assert!(deploy(&aws, "two", None).await.unwrap().has_changed);
    aws.state(|state| {
        state.regions.get_mut(WEST).unwrap().stacks.get_mut("shop").unwrap().status = "ROLLBACK_COMPLETE".into()
    });
    // A stack whose creation failed is deleted first.
    assert!(deploy(&aws, "two", None).await.unwrap().has_changed);
}

#[tokio::test]
async fn who_is_throttled_or_comes_too_early_asks_again() {
    let aws = Aws::default();
    aws.state(|state| {
        state.refusals = vec![
            ("POST /cluster", "ThrottlingException"),
            ("POST /cluster/", "ConflictException"),
            ("CreateStack", "Throttling"),
            ("DescribeStacks", "Throttling"),
        ];
    });
    deploy(&aws, "one", None).await.unwrap();
    assert_eq!(aws.state(|state| state.refusals.len()), 0);
    assert!(aws.regions().values().all(|region| region.clusters.len() == 1));
}

#[tokio::test]
async fn another_account_another_witness_and_a_stranger_for_a_peer_are_refused() {
    let aws = Aws::default();
    let other = Config::parse(&CONFIG.replace("version = 1", "version = 1\naccount = \"210987654321\"")).unwrap();
    let error = Deployment::open(other, &aws.config(), Arc::new(Ready), Arc::new(Told::default()), polling()).await;
    assert!(error.err().unwrap().to_string().contains("123456789012, and 210987654321 is meant"));

    deploy(&aws, "one", None).await.unwrap();
    let change = |of: fn(&mut aws::Cluster)| {
        aws.state(|state| state.regions.get_mut(EAST).unwrap().clusters.values_mut().for_each(of));
    };
    change(|cluster| cluster.peers = vec!["arn:aws:dsql:us-east-2:123456789012:cluster/x".to_owned()]);
    let error = deploy(&aws, "one", None).await.unwrap_err();
    assert!(error.to_string().contains("is peered with arn:aws:dsql:us-east-2"), "{error}");
    change(|cluster| cluster.witness = "eu-west-1".to_owned());
    let error = deploy(&aws, "one", None).await.unwrap_err();
    assert!(error.to_string().contains("has the witness eu-west-1"), "{error}");
}

#[tokio::test]
async fn a_bucket_of_another_account_gets_no_code_and_gives_no_answer() {
    // Another account guessed the name, and lets everyone read and write there.
    let aws = Aws::default();
    let name = format!("shop-123456789012-{WEST}-bundles");
    let bucket = Bucket { stranger: Some("999999999999"), tags: Some("<Tagging/>".to_owned()), ..Bucket::default() };
    aws.state(|state| state.regions.entry(WEST.to_owned()).or_default().buckets.insert(name.clone(), bucket.clone()));
    let deployment = open(&aws).await.unwrap();
    for error in [
        deployment.plan(&package("one")).await.unwrap_err(),
        deployment.deploy(&package("one"), None).await.unwrap_err(),
        deployment.destroy(&DestroyOptions::default()).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains(&name) && error.advice().unwrap().contains("another `name`"), "{error:?}");
    }
    assert_eq!(aws.regions()[WEST].buckets[&name], bucket);
}

#[tokio::test]
async fn what_lambda_does_not_let_a_function_reserve_is_refused_before_anything_is_made() {
    let reserving = |of: u32| format!("{CONFIG}[function]\nreserved_concurrency = {of}\n");
    let aws = Aws::default();
    // A new account in the second region: nothing can be reserved there.
    aws.state(|state| state.concurrency.insert(WEST.to_owned(), 50));
    let deployment = configured(&aws, &reserving(10)).await.unwrap();
    for error in [
        deployment.plan(&package("one")).await.unwrap_err(),
        deployment.deploy(&package("one"), None).await.unwrap_err(),
    ] {
        assert!(error.to_string().starts_with("us-west-2: function.reserved_concurrency is 10"), "{error}");
        assert!(error.advice().unwrap().starts_with("0 reserves none"), "{error:?}");
    }
    assert!(aws.regions().values().all(|region| *region == Regional::default()), "{:?}", aws.regions());

    // What the function has reserved itself is free for it.
    aws.state(|state| state.concurrency = [EAST, WEST].map(|region| (region.to_owned(), 160)).into());
    configured(&aws, &reserving(60)).await.unwrap().deploy(&package("one"), None).await.unwrap();
    let deployment = configured(&aws, &reserving(60)).await.unwrap();
    deployment.deploy(&package("two"), None).await.unwrap();
    let error = configured(&aws, &reserving(61)).await.unwrap().deploy(&package("two"), None).await.unwrap_err();
    assert!(error.advice().unwrap().starts_with("60 at most"), "{error:?}");

    // Without a reservation the account's quota is the bound of the connections.
    let aws = Aws::default();
    let none = configured(&aws, &reserving(0)).await.unwrap();
    let error = none.deploy(&package("one"), None).await.unwrap_err();
    assert!(error.to_string().contains("1000 in us-east-1 and 1000 in us-west-2"), "{error}");
    assert!(error.advice().unwrap().starts_with("reserve 593 or fewer"), "{error:?}");
    assert!(aws.regions().values().all(|region| *region == Regional::default()), "{:?}", aws.regions());
    aws.state(|state| state.concurrency = [EAST, WEST].map(|region| (region.to_owned(), 10)).into());
    none.deploy(&package("one"), None).await.unwrap();
    assert_eq!(aws.regions()[EAST].stacks["shop"].parameters["ReservedConcurrency"], "0");
}

#[tokio::test]
async fn what_a_deploy_depends_on_is_said_before_anything_is_made() {
    let aws = Aws::default();
    let examine = async || {
        let findings = open(&aws).await.unwrap().examine().await.unwrap();
        let text = |finding: &Finding| format!("{} {} {}", finding.is_wrong, finding.what, finding.text);
        findings.iter().map(text).collect::<Vec<_>>()
    };
    aws.state(|state| {
        state.caller = Some("arn:aws:sts::123456789012:assumed-role/deployer/ann@example.com");
        state.denied = vec!["lambda:PublishVersion", "route53:CreateHealthCheck"];
        state.concurrency.insert(WEST.to_owned(), 50);
    });
    let findings = examine().await;
    let starts = |start: &str| findings.iter().filter(|finding| finding.starts_with(start)).collect::<Vec<_>>();
    assert!(
        starts("false account 123456789012, as arn:aws:sts")[0].ends_with("deployer/ann@example.com"),
        "{findings:#?}"
    );
    assert!(starts("false regions ")[0].ends_with("us-east-1 and us-west-2, with the witness us-east-2"));
    assert_eq!(starts("false clusters ").len(), 2, "{findings:#?}");
    assert!(
        starts("false concurrency us-east-1: of 1000 concurrent executions 1000 are free, and 50").len() == 1,
        "{findings:#?}"
    );
    assert!(starts("true concurrency us-west-2: function.reserved_concurrency is 50")[0].contains("0 reserves none"));
    // Of names there are none of Route 53, since no domain is configured.
    for region in [EAST, WEST] {
        let lacking = format!("true rights {region}: not allowed: lambda:PublishVersion");
        assert!(findings.contains(&lacking), "{findings:#?}");
    }
    assert!(starts("false while idle in each region KMS keys: 2, alarms: ").len() == 1, "{findings:#?}");

    // IAM need not tell, and the root user is not asked about.
    aws.state(|state| state.denied = vec!["iam:SimulatePrincipalPolicy"]);
    let findings = examine().await;
    assert!(findings.contains(&format!("false rights {EAST}: unknown: iam:SimulatePrincipalPolicy is not allowed")));
    aws.state(|state| state.caller = None);
    assert!(examine().await.iter().any(|finding| finding.starts_with("false rights us-east-1: all ")));
    assert!(aws.regions().values().all(|region| *region == Regional::default()), "{:?}", aws.regions());
}

#[tokio::test]
async fn only_the_code_that_was_uploaded_is_published() {
    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    // Other code was put there by hand. The stack's parameters are as before.
    aws.state(|state| {
        let function = state.regions.get_mut(EAST).unwrap().functions.get_mut("shop").unwrap();
        function.latest.insert("CodeKey".to_owned(), format!("bundles/{}.zip", "ab".repeat(32)));
    });
    let error = deploy(&aws, "one", None).await.unwrap_err();
    assert!(error.to_string().contains("PublishVersion: InvalidParameterValueException"), "{error}");
    assert!(error.advice().unwrap().contains("update-function-code --region us-east-1"), "{error:?}");
    assert!(aws.regions().values().all(|region| region.functions["shop"].versions.len() == 1));
}

#[tokio::test]
async fn a_witness_of_no_known_region_set_is_tried_with_a_warning() {
    let (aws, told) = (Aws::default(), Arc::new(Told::default()));
    let config = CONFIG.replace("[workflows]", "witness = \"ca-central-1\"\n[workflows]");
    let config = Config::parse(&config).unwrap();
    let deployment = Deployment::open(config, &aws.config(), Arc::new(Ready), told.clone(), polling()).await.unwrap();
    deployment.deploy(&package("one"), None).await.unwrap();
    let told = told.0.lock().unwrap();
    assert!(told.iter().any(|line| line.contains("warning: ca-central-1 is in no region set")), "{told:?}");
    for region in aws.regions().values() {
        assert!(region.clusters.values().all(|cluster| cluster.witness == "ca-central-1"));
    }
}

/// Interrupts the run after each of its calls, repeats it, and expects the result of an
/// uninterrupted run.
async fn survives<A, B>(prepare: impl AsyncFn(&Aws) -> A, doing: impl AsyncFn(&Aws) -> Result<B, DeployError>) {
    let whole = Aws::default();
    prepare(&whole).await;
    let (done, calls) = counted(&whole, doing(&whole)).await;
    done.unwrap();
    assert!(calls > 5, "{calls}");
    for at in 1..=calls {
        let aws = Aws::default();
        prepare(&aws).await;
        aws.state(|state| state.dies_at = Some(state.calls.len() + at));
        tokio::select! {
            _ = doing(&aws) => panic!("it did not die at {at} of {calls}"),
            () = aws.died() => {}
        }
        aws.state(|state| state.dies_at = None);
        match doing(&aws).await {
            Ok(_) => {}
            // The interrupted run had made its last call.
            Err(error) if error.to_string().contains("there is no canary") => {}
            Err(error) => panic!("after it died at {at} of {calls}: {error}"),
        }
        let last = || aws.state(|state| state.calls[..].last().cloned());
        assert_eq!(aws.regions(), whole.regions(), "after it died at {at} of {calls}: {:?}", last());
    }
}

#[tokio::test]
async fn a_deploy_that_dies_after_any_call_ends_as_one_that_does_not() {
    survives(async |_| (), async |aws| deploy(aws, "one", None).await).await;
}

#[tokio::test]
async fn so_does_one_of_a_new_version() {
    survives(async |aws| deploy(aws, "one", None).await.unwrap(), async |aws| deploy(aws, "two", Some(10)).await).await;
}

#[tokio::test]
async fn so_does_a_promotion() {
    let prepare = async |aws: &Aws| {
        deploy(aws, "one", None).await.unwrap();
        deploy(aws, "two", Some(10)).await.unwrap();
    };
    survives(prepare, async |aws| open(aws).await?.promote().await).await;
}

#[tokio::test]
async fn so_does_everything_that_is_destroyed() {
    let options = DestroyOptions { clusters: true, lift_protection: Some("shop".to_owned()) };
    let prepare = async |aws: &Aws| deploy(aws, "one", None).await.unwrap();
    survives(prepare, async |aws| open(aws).await?.destroy(&options).await).await;
}

#[tokio::test]
async fn what_is_destroyed_leaves_what_it_says_and_data_only_goes_when_it_is_named() {
    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    let deployment = open(&aws).await.unwrap();
    for lift_protection in [None, Some("another".to_owned())] {
        let before = aws.regions();
        let error = deployment.destroy(&DestroyOptions { clusters: true, lift_protection }).await.unwrap_err();
        assert!(error.to_string().starts_with("protected from deletion"), "{error}");
        assert!(error.advice().unwrap().contains("--lift-protection shop"));
        assert_eq!(aws.regions(), before);
    }
    let left = deployment.destroy(&DestroyOptions::default()).await.unwrap();
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left[0].contains("cluster") && left[2].contains("vault's key"), "{left:?}");
    let regions = aws.regions();
    assert!(
        regions
            .values()
            .all(|region| region.stacks.is_empty() && region.buckets.is_empty() && region.clusters.len() == 1)
    );
    // The same database is used if it is deployed again.
    deploy(&aws, "one", None).await.unwrap();
    let again = aws.regions();
    assert_eq!(again[EAST].clusters.keys().collect::<Vec<_>>(), regions[EAST].clusters.keys().collect::<Vec<_>>());
    assert_eq!(again[EAST].keys, regions[EAST].keys);

    let options = DestroyOptions { clusters: true, lift_protection: Some("shop".to_owned()) };
    assert_eq!(deployment.destroy(&options).await.unwrap(), [""; 0]);
    for region in aws.regions().values() {
        assert!(
            region.clusters.is_empty()
                && region.stacks.is_empty()
                && region.buckets.is_empty()
                && region.aliases.is_empty()
        );
        assert!(region.keys.values().all(|key| key.state == "PendingDeletion"), "{region:?}");
    }
}
