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

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tenet_deploy::{
    Cluster, Config, Database, DeployError, Deployed, Deployment, DestroyOptions, Finding, Outbox, Package, Pending,
    Plan, PollPolicy, Prepared, Progress, Settings, Severity,
};

use crate::aws::{Aws, Bucket, Regional};

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";

const CONFIG: &str = "version = 1\nname = \"shop\"\nregions = [\"us-east-1\", \"us-west-2\"]\n[workflows]\n";

/// A database that is ready, after this many looks at its name.
struct Ready {
    looks: AtomicU32,
    /// What it lacks of the schema, or why it cannot be looked at.
    pending: Result<Pending, &'static str>,
    /// It takes an IAM role only if the stack that makes it is made here.
    roles: Option<Aws>,
}

impl Default for Ready {
    fn default() -> Self {
        Self { looks: AtomicU32::new(2), pending: Ok(Pending::default()), roles: None }
    }
}

impl Database for Ready {
    fn resolves<'a>(&'a self, _: &'a Cluster) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>> {
        let left = self.looks.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        Box::pin(async move { if left.is_ok() { Err("no such name".into()) } else { Ok(()) } })
    }

    fn prepare<'a>(
        &'a self,
        _: &'a Cluster,
        role: &'a str,
        principals: &'a [String],
    ) -> BoxFuture<'a, Result<Prepared, Box<dyn Error + Send + Sync>>> {
        assert_eq!(role, "tenet_app");
        assert_eq!(self.looks.load(Relaxed), 0, "its name does not resolve yet");
        let roles = self.roles.as_ref().map(Aws::regions);
        let role = |region: &str| format!("arn:aws:iam::123456789012:role/shop-{region}-function");
        let is_known = |principal: &String| {
            let region = [EAST, WEST].into_iter().find(|region| *principal == role(region)).unwrap();
            roles.as_ref().is_none_or(|regions| regions[region].functions.contains_key("shop"))
        };
        assert!(roles.is_some() || principals.len() == 2, "{principals:?}");
        let has_roles = roles.is_some();
        let unknown = principals.iter().find(|principal| !is_known(principal)).cloned();
        Box::pin(async move {
            match unknown {
                Some(unknown) => Err(format!("there is no role {unknown}").into()),
                None => {
                    let changes = if has_roles { principals.to_vec() } else { Vec::new() };
                    Ok(Prepared { identity: "id".to_owned(), changes })
                }
            }
        })
    }

    fn pending<'a>(
        &'a self,
        _: &'a Cluster,
        role: &'a str,
        principals: &'a [String],
    ) -> BoxFuture<'a, Result<Pending, Box<dyn Error + Send + Sync>>> {
        assert_eq!((role, principals.len()), ("tenet_app", 2));
        Box::pin(async { self.pending.clone().map_err(Into::into) })
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
        takes_events: false,
        follows: None,
        has_vault: true,
        settings: Settings {
            connections: 8,
            metrics: "Tenet".to_owned(),
            relay_grace_s: 960,
            margin_ms: 300,
            database_ms: vec![("write".to_owned(), 10_000)],
        },
    }
}

fn polling() -> PollPolicy {
    let most = Duration::from_secs(20);
    PollPolicy { cluster: most, name: most, stack: most, event: most, tag: most, pause: Duration::from_millis(1) }
}

async fn open(aws: &Aws) -> Result<Deployment, DeployError> {
    open_as(aws, CONFIG).await
}

async fn open_as(aws: &Aws, config: &str) -> Result<Deployment, DeployError> {
    open_with(aws, config, Ready::default()).await
}

async fn open_with(aws: &Aws, config: &str, database: Ready) -> Result<Deployment, DeployError> {
    let config = Config::parse(config).unwrap();
    Deployment::open(config, &aws.config(), Arc::new(database), Arc::new(Told::default()), polling()).await
}

/// As the command: it plans first.
async fn deploy(aws: &Aws, zip: &str, canary: Option<u8>) -> Result<Deployed, DeployError> {
    let deployment = open(aws).await?;
    deployment.plan(&package(zip), canary).await?;
    deployment.deploy(&package(zip), canary).await
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
    // Nothing is left of a canary that ended.
    let weights = || aws.regions()[WEST].functions["shop"].weights.clone();
    assert_eq!(weights().len(), 1);
    deployment.rollback().await.unwrap();
    assert_eq!(served().await, ["1", "2", "", "0"]);
    assert_eq!(weights().len(), 0);
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
    let error = Deployment::open(
        other,
        &aws.config(),
        Arc::new(Ready { looks: AtomicU32::new(0), ..Ready::default() }),
        Arc::new(Told::default()),
        polling(),
    )
    .await;
    let error = error.err().unwrap();
    assert!(error.to_string().contains("123456789012, and 210987654321 is meant"));
    assert!(error.advice().unwrap().contains("AWS_PROFILE"), "{error:?}");

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
        deployment.plan(&package("one"), None).await.unwrap_err(),
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
    let deployment = open_as(&aws, &reserving(10)).await.unwrap();
    for error in [
        deployment.plan(&package("one"), None).await.unwrap_err(),
        deployment.deploy(&package("one"), None).await.unwrap_err(),
    ] {
        assert!(error.to_string().starts_with("us-west-2: function.reserved_concurrency is 10"), "{error}");
        assert!(error.advice().unwrap().starts_with("0 reserves none"), "{error:?}");
    }
    assert!(aws.regions().values().all(|region| *region == Regional::default()), "{:?}", aws.regions());

    // What the function has reserved itself is free for it.
    aws.state(|state| state.concurrency = [EAST, WEST].map(|region| (region.to_owned(), 160)).into());
    open_as(&aws, &reserving(60)).await.unwrap().deploy(&package("one"), None).await.unwrap();
    let deployment = open_as(&aws, &reserving(60)).await.unwrap();
    deployment.deploy(&package("two"), None).await.unwrap();
    let error = open_as(&aws, &reserving(61)).await.unwrap().deploy(&package("two"), None).await.unwrap_err();
    assert!(error.advice().unwrap().starts_with("60 at most"), "{error:?}");

    // Without a reservation the account's quota is the bound of the connections.
    let aws = Aws::default();
    let none = open_as(&aws, &reserving(0)).await.unwrap();
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
        let text =
            |finding: &Finding| format!("{} {} {}", finding.severity == Severity::Wrong, finding.what, finding.text);
        findings.iter().map(text).collect::<Vec<_>>()
    };
    aws.state(|state| {
        state.caller = Some("arn:aws:sts::123456789012:assumed-role/deployer/ann@example.com");
        state.denied = vec![
            "lambda:PublishVersion",
            "route53:CreateHealthCheck",
            // One value of several of a condition.
            "iam:PassRole scheduler.amazonaws.com",
        ];
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
        let lacking =
            format!("true rights {region}: not allowed: iam:PassRole (scheduler.amazonaws.com), lambda:PublishVersion");
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
async fn names_that_are_taken_are_said_before_anything_is_made() {
    let aws = Aws::default();
    let names = async || -> Vec<String> {
        let findings = open(&aws).await.unwrap().examine().await.unwrap().into_iter();
        findings.filter(|finding| finding.what == "names").map(|of| format!("{:?} {}", of.severity, of.text)).collect()
    };
    let free = |region: &str, stack: &str, count: u8| {
        format!("Fine {region}: there is no stack {stack}, and none of {count} names is taken")
    };
    let all = |region: &str| [free(region, "shop", 8), free(region, "shop-workflows", 4)];
    assert_eq!(names().await, [all(EAST), all(WEST)].concat());
    aws.state(|state| {
        state.taken = vec![
            ("DescribeEventBus", EAST, "shop"),
            ("DescribeLogGroups", EAST, "/aws/lambda/shop"),
            ("GetQueueUrl", WEST, "shop-reviews"),
            ("GetRole", "", "shop-us-east-1-relay"),
        ];
        state.regions.get_mut(WEST).unwrap().functions.insert("shop".to_owned(), aws::Function::default());
    });
    let found = names().await;
    let taken = "it would make what is there already";
    let starts = [
        format!(
            "Wrong {EAST}: there is no stack shop, and {taken}: the log group /aws/lambda/shop, the bus shop, the role shop-us-east-1-relay; "
        ),
        free(EAST, "shop-workflows", 4),
        format!("Wrong {WEST}: there is no stack shop, and {taken}: the function shop; choose another `name`"),
        format!("Wrong {WEST}: there is no stack shop-workflows, and {taken}: the queue shop-reviews; "),
    ];
    assert!(found.len() == 4 && found.iter().zip(&starts).all(|(of, start)| of.starts_with(start)), "{found:#?}");

    // What a stack has made is its own.
    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    let findings = open(&aws).await.unwrap().examine().await.unwrap();
    let is_fine = |of: &&Finding| of.severity == Severity::Fine && of.text.ends_with("E_COMPLETE");
    let complete: Vec<_> = findings.iter().filter(|of| of.what == "names").filter(is_fine).collect();
    assert_eq!(complete.len(), 4, "{findings:#?}");
}

#[tokio::test]
async fn a_region_of_no_known_set_is_no_fine_finding() {
    let config = CONFIG.replace("us-west-2\"]", "us-west-1\"]\nwitness = \"us-east-2\"");
    let findings = open_as(&Aws::default(), &config).await.unwrap().examine().await.unwrap();
    let regions = findings.iter().find(|finding| finding.what == "regions").unwrap();
    assert_eq!(regions.severity, Severity::Unsure);
    assert!(regions.text.contains("us-west-1 is in no region set"), "{regions:?}");
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
    let deployment = Deployment::open(
        config,
        &aws.config(),
        Arc::new(Ready { looks: AtomicU32::new(0), ..Ready::default() }),
        told.clone(),
        polling(),
    )
    .await
    .unwrap();
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
    let prepared = Aws::default();
    prepare(&prepared).await;
    let whole = prepared.copy();
    let (done, calls) = counted(&whole, doing(&whole)).await;
    done.unwrap();
    assert!(calls > 5, "{calls}");
    for at in 1..=calls {
        let aws = prepared.copy();
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

/// Every state in which a stack can be left, and that CloudFormation does not update.
const STUCK: [&str; 7] = [
    "CREATE_FAILED",
    "DELETE_FAILED",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_FAILED",
];

/// Leaves a stack in a state, as another run or another person did.
fn leave(aws: &Aws, region: &str, stack: &str, status: &str) {
    aws.state(|state| {
        let region = state.regions.get_mut(region).unwrap();
        region.stacks.get_mut(stack).unwrap().status = status.to_owned();
        // What is left of a creation has no function.
        if !status.starts_with("UPDATE") && status != "DELETE_FAILED" {
            region.functions.remove(stack);
        }
    });
}

/// Two versions were deployed, and then stacks were left in these states.
async fn stuck(aws: &Aws, left: &[(&str, &str, &str)]) {
    deploy(aws, "one", None).await.unwrap();
    deploy(aws, "two", None).await.unwrap();
    for (region, stack, status) in left {
        leave(aws, region, stack, status);
    }
}

#[tokio::test]
async fn a_stack_in_any_state_is_planned_and_mended() {
    for status in STUCK {
        for (region, stack) in [(EAST, "shop"), (WEST, "shop"), (EAST, "shop-workflows")] {
            let aws = Aws::default();
            stuck(&aws, &[(region, stack, status)]).await;
            let (before, deployment) = (aws.regions(), open(&aws).await.unwrap());
            let plan = deployment.plan(&package("two"), None).await.unwrap();
            assert!(plan.has_changes(), "{plan:?}");
            let line = format!("stack {stack}, which is {status}");
            assert!(plan.lines().iter().any(|of| of.starts_with(region) && of.contains(&line)), "{plan:?}");
            assert_eq!(aws.regions(), before, "a plan changes nothing");

            let deployed = deployment.deploy(&package("two"), None).await.unwrap();
            assert_eq!(deployed.has_changed, !status.starts_with("UPDATE"), "{status}");
            let status = aws.regions()[region].stacks[stack].status.clone();
            assert!(["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"].contains(&status.as_str()));
            let plan = deployment.plan(&package("two"), None).await.unwrap();
            assert!(!plan.has_changes(), "{plan:?}");
        }
    }
}

#[tokio::test]
async fn a_stack_that_cannot_be_mended_is_named_with_what_to_do() {
    let aws = Aws::default();
    stuck(&aws, &[(WEST, "shop", "IMPORT_ROLLBACK_FAILED")]).await;
    let (before, deployment) = (aws.regions(), open(&aws).await.unwrap());
    let planned = deployment.plan(&package("two"), None).await.unwrap_err();
    let deployed = deployment.deploy(&package("two"), None).await.unwrap_err();
    for error in [planned, deployed] {
        assert!(error.to_string().contains("us-west-2: the stack shop is IMPORT_ROLLBACK_FAILED"), "{error}");
        assert!(error.advice().unwrap().contains("_COMPLETE"), "{error:?}");
    }
    assert_eq!(aws.regions(), before);

    for (status, then, help) in [
        ("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED", "continue the rollback without it"),
        ("UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED", "continue the rollback without it"),
        ("DELETE_FAILED", "DELETE_FAILED", "force delete"),
    ] {
        let aws = Aws::default();
        stuck(&aws, &[(EAST, "shop", status)]).await;
        aws.state(|state| state.remains = vec!["the bucket is not empty"]);
        let error = deploy(&aws, "two", None).await.unwrap_err();
        let why = format!("us-east-1: the stack shop is {then}: Function: the bucket is not empty");
        assert!(error.to_string().contains(&why) && error.advice().unwrap().contains(help), "{error:?}");
        // What was in the way is gone.
        deploy(&aws, "two", None).await.unwrap();
    }
    // Nothing is promoted where nothing is served.
    let aws = Aws::default();
    stuck(&aws, &[(EAST, "shop", "DELETE_FAILED")]).await;
    let before = aws.regions();
    let error = open(&aws).await.unwrap().rollback().await.unwrap_err();
    assert!(error.to_string().contains("DELETE_FAILED, and serves nothing"), "{error}");
    assert_eq!(aws.regions(), before);
}

#[tokio::test]
async fn a_deploy_that_dies_while_it_mends_ends_as_one_that_does_not() {
    let left = [
        (EAST, "shop", "ROLLBACK_COMPLETE"),
        (WEST, "shop", "UPDATE_ROLLBACK_FAILED"),
        (EAST, "shop-workflows", "REVIEW_IN_PROGRESS"),
        (WEST, "shop-workflows", "UPDATE_FAILED"),
    ];
    survives(async |aws| stuck(aws, &left).await, async |aws| deploy(aws, "three", None).await).await;
}

#[tokio::test]
async fn so_does_one_that_makes_stacks_again() {
    let left = [
        (EAST, "shop", "CREATE_FAILED"),
        (WEST, "shop", "DELETE_FAILED"),
        (EAST, "shop-workflows", "ROLLBACK_FAILED"),
        (WEST, "shop-workflows", "DELETE_FAILED"),
    ];
    survives(async |aws| stuck(aws, &left).await, async |aws| deploy(aws, "three", None).await).await;
}

#[tokio::test]
async fn a_plan_says_whether_a_deploy_would_change_anything() {
    let aws = Aws::default();
    let plan = async |zip: &str, canary: Option<u8>| {
        let before = aws.regions();
        let plan = open(&aws).await.unwrap().plan(&package(zip), canary).await.unwrap();
        assert_eq!(aws.regions(), before);
        plan
    };
    let has = |plan: &Plan, line: &str| plan.lines().iter().any(|of| of.starts_with(line));
    let first = plan("one", None).await;
    for line in [
        "us-west-2: + a cluster of Aurora DSQL, peered, with the witness us-east-2",
        "us-west-2: + the vault's key alias/shop-vault",
        "us-west-2: + bucket shop-123456789012-us-west-2-bundles",
        "us-west-2: + stack shop with",
        "us-west-2: + stack shop-workflows with",
    ] {
        assert!(first.has_changes() && has(&first, line), "{line}: {first:?}");
    }
    deploy(&aws, "one", None).await.unwrap();
    let same = plan("one", None).await;
    assert!(!same.has_changes() && has(&same, "us-west-2: stack shop-workflows stays as it is"), "{same:?}");
    // A plan that died has left a change set that is still being computed.
    let before = aws.state(|state| state.calls.len());
    plan("two", None).await;
    aws.state(|state| {
        let created = state.calls[before..].iter().position(|call| call == "us-east-1 cloudformation CreateChangeSet");
        state.dies_at = Some(state.calls.len() + created.unwrap() + 1);
    });
    tokio::select! {
        _ = plan("two", None) => panic!("it did not die"),
        () = aws.died() => {}
    }
    aws.state(|state| state.dies_at = None);
    assert_eq!(aws.state(|state| state.calls.last().cloned()).unwrap(), "us-east-1 cloudformation CreateChangeSet");
    let new = open(&aws).await.unwrap().plan(&package("two"), Some(10)).await.unwrap();
    for line in ["us-east-1: ~ AWS::Lambda::Function Function", "us-east-1: ~ a version of this zip gets 10 of 100"] {
        assert!(new.has_changes() && has(&new, line), "{line}: {new:?}");
    }
    deploy(&aws, "two", Some(10)).await.unwrap();
    for (zip, canary, line) in [
        ("two", Some(10), None),
        ("two", Some(20), Some("us-west-2: ~ a version of this zip gets 20 of 100 calls")),
        ("two", None, Some("us-west-2: ~ a version of this zip is served")),
        ("one", None, Some("us-west-2: - the canary version 2")),
    ] {
        let plan = plan(zip, canary).await;
        assert_eq!(plan.has_changes(), line.is_some(), "{plan:?}");
        assert!(line.is_none_or(|line| has(&plan, line)), "{plan:?}");
    }
    // The text of a line is no change of its own.
    deploy(&aws, "two", None).await.unwrap();
    for (change, line) in [
        ("[workflows]\nreview_amount = 7\n", "us-west-2: ~ AWS::Lambda::Function"),
        (
            "[database.kms_keys]\nus-east-1 = \"arn:aws:kms:us-east-1:123456789012:key/1\"\nus-west-2 = \"arn:aws:kms:us-west-2:123456789012:key/2\"\n",
            "us-west-2: ~ cluster aaaaaaaaaaaaaaaaaaaaaaaaa1 is encrypted",
        ),
    ] {
        let config = format!("{}{change}", CONFIG.replace("[workflows]\n", ""));
        let plan = open_as(&aws, &config).await.unwrap().plan(&package("two"), None).await.unwrap();
        assert!(plan.has_changes() && has(&plan, line), "{plan:?}");
    }
}

#[tokio::test]
async fn a_plan_says_which_steps_and_grants_the_database_lacks_or_why_it_cannot_look() {
    let aws = Aws::default();
    let plan = async |pending| {
        let database = Ready { pending, ..Ready::default() };
        open_with(&aws, CONFIG, database).await.unwrap().plan(&package("one"), None).await
    };
    let steps = Pending { to_do: vec!["bundle/2.sql".to_owned(), "bundle/3.sql".to_owned()], ..Pending::default() };
    let grant = "GRANT SELECT ON \"public\".\"accounts\" TO \"tenet_app\"";
    let grants = Pending { grants: vec![grant.to_owned()], ..Pending::default() };
    let first = plan(Ok(steps.clone())).await.unwrap();
    for line in ["+ the schema of the database", "+ the role tenet_app with the grants of the bundle's rules"] {
        assert!(first.lines().contains(&format!("us-east-1: {line}")), "{first:?}");
    }
    deploy(&aws, "one", None).await.unwrap();
    let grant = format!("~ {grant}");
    for (pending, has_changes, of_schema, of_grants) in [
        (
            Ok(Pending::default()),
            false,
            "the schema of the database stays as it is",
            Some("the grants to tenet_app stay as they are"),
        ),
        (
            Ok(steps),
            true,
            "~ 2 steps of the schema: bundle/2.sql, bundle/3.sql",
            Some("the grants to tenet_app stay as they are"),
        ),
        (Ok(grants), true, "the schema of the database stays as it is", Some(grant.as_str())),
        (
            Err("no route to it"),
            false,
            "whether the schema and the grants of the database change is unknown: no route to it",
            None,
        ),
    ] {
        let plan = plan(pending).await.unwrap();
        assert_eq!(plan.has_changes(), has_changes, "{plan:?}");
        let count = |text: &str| plan.lines().iter().filter(|line| line.ends_with(&format!(": {text}"))).count();
        // Both clusters are one database.
        assert_eq!((count(of_schema), of_grants.map_or(1, count)), (2, 1), "{plan:?}");
    }
    let edited = Pending { changed: vec!["bundle/1.sql".to_owned()], ..Pending::default() };
    let error = plan(Ok(edited)).await.unwrap_err();
    assert!(error.to_string().ends_with("applied with another text: bundle/1.sql"), "{error}");
}

/// A database may refuse to let an IAM role sign in that the region's stack has not made yet.
#[tokio::test]
async fn the_functions_roles_may_sign_in_once_they_are_made() {
    let aws = Aws::default();
    for expected in [&[EAST][..], &[]] {
        let told = Arc::new(Told::default());
        let database = Ready { roles: Some(aws.clone()), ..Ready::default() };
        let config = Config::parse(CONFIG).unwrap();
        let deployment =
            Deployment::open(config, &aws.config(), Arc::new(database), told.clone(), polling()).await.unwrap();
        deployment.deploy(&package("one"), None).await.unwrap();
        let told = told.0.lock().unwrap();
        let of = |region: &str| {
            told.iter()
                .filter(|line| line.ends_with(&format!(": arn:aws:iam::123456789012:role/shop-{region}-function")))
                .count()
        };
        // Of the first as soon as it is there, and of both when the second is.
        assert_eq!((of(EAST), of(WEST)), (1 + expected.len(), 1), "{told:#?}");
    }
    // What has another reason is an error.
    let error = aws.copy();
    error.state(|state| state.regions.values_mut().for_each(|region| region.functions.clear()));
    let database = Ready { roles: Some(error.clone()), ..Ready::default() };
    let deployment = open_with(&error, CONFIG, database).await.unwrap();
    let error = deployment.deploy(&package("one"), None).await.unwrap_err();
    assert!(error.to_string().contains("is not ready"), "{error}");
}

/// EventBridge may refuse a target that does not exist, so no rule forwards before the other region's bus is there.
#[tokio::test]
async fn a_region_forwards_once_the_bus_of_the_other_is_there() {
    let aws = Aws::default();
    let changes = || {
        let calls = aws.state(|state| std::mem::take(&mut state.calls));
        let is_change = |call: &String| call.ends_with("CreateStack") || call.ends_with("UpdateStack");
        calls.into_iter().filter(is_change).collect::<Vec<_>>()
    };
    let later = "us-east-1: ~ stack shop: the rule forward, once the bus in us-west-2 is there".to_owned();
    let config = CONFIG.replace("[workflows]\n", "");
    let deployment = open_as(&aws, &config).await.unwrap();
    let forwarding = || aws.regions().values().all(|region| region.stacks["shop"].parameters["PeerBus"] == "true");
    let plan = async || deployment.plan(&package("one"), None).await.unwrap();

    assert!(plan().await.lines().contains(&later));
    deployment.deploy(&package("one"), None).await.unwrap();
    let made = changes();
    let first = ["us-east-1 cloudformation CreateStack", "us-west-2 cloudformation CreateStack"];
    assert_eq!(made, [&first[..], &["us-east-1 cloudformation UpdateStack"]].concat(), "{made:?}");
    assert!(forwarding() && !plan().await.has_changes(), "{:?}", plan().await);
    deployment.deploy(&package("one"), None).await.unwrap();
    assert!(forwarding() && !plan().await.has_changes(), "{:?}", plan().await);

    // A region was lost, in the first and in the second place, and comes back.
    for region in [WEST, EAST] {
        aws.state(|state| {
            let region = state.regions.get_mut(region).unwrap();
            region.stacks.remove("shop");
            region.functions.remove("shop");
        });
        assert_eq!(plan().await.lines().contains(&later), region == WEST, "{:?}", plan().await);
        deployment.deploy(&package("one"), None).await.unwrap();
        assert!(forwarding() && !plan().await.has_changes(), "{:?}", plan().await);
    }
    // Nothing of it moves with a version.
    deployment.deploy(&package("two"), Some(10)).await.unwrap();
    deployment.promote().await.unwrap();
    assert!(forwarding());
    deployment.destroy(&DestroyOptions::default()).await.unwrap();
    deployment.deploy(&package("two"), None).await.unwrap();
    assert!(forwarding());
}

#[tokio::test]
async fn before_anything_is_deployed_each_command_says_what_deploys() {
    let aws = Aws::default();
    let deployment = open(&aws).await.unwrap();
    let none = [
        deployment.smoke().await.unwrap_err(),
        deployment.promote().await.unwrap_err(),
        deployment.rollback().await.unwrap_err(),
    ];
    for error in none {
        assert_eq!(error.to_string(), "us-east-1: there is no stack shop");
        assert_eq!(error.advice(), Some("`tenet deploy` makes it"));
    }
    let error = deployment.logs("id", Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(error.to_string(), "us-east-1 and us-west-2: there is no log group /aws/lambda/shop");
    assert_eq!(error.advice(), Some("`tenet deploy` makes it"));
    for region in deployment.status().await.regions {
        let said = format!("{}  !\n  nothing is deployed: `tenet deploy` does it\n", region.region);
        assert_eq!(region.to_string(), said);
    }
    assert_eq!(deployment.destroy(&DestroyOptions::default()).await.unwrap(), [""; 0]);
    assert!(aws.regions().values().all(|region| *region == Regional::default()), "{:?}", aws.regions());
}

#[tokio::test]
async fn what_passes_by_itself_is_waited_for() {
    let role = "The role defined for the function cannot be assumed by Lambda.";
    let aws = Aws::default();
    aws.state(|state| state.failures = vec![role, role]);
    deploy(&aws, "one", None).await.unwrap();
    aws.state(|state| state.failures = vec![role]);
    deploy(&aws, "two", None).await.unwrap();
    // The names of the queues are taken for a while.
    let deployment = open(&aws).await.unwrap();
    deployment.destroy(&DestroyOptions::default()).await.unwrap();
    deploy(&aws, "one", None).await.unwrap();
    // The first is updated for the bus of the second.
    let statuses = [EAST, WEST].map(|region| aws.regions()[region].stacks["shop"].status.clone());
    assert_eq!(statuses, ["UPDATE_COMPLETE", "CREATE_COMPLETE"]);
    // What does not pass is an error.
    aws.state(|state| state.failures = vec![role; 9]);
    let error = deploy(&aws, "two", None).await.unwrap_err();
    assert!(error.to_string().contains(role), "{error}");
}

#[tokio::test]
async fn a_smoke_test_waits_until_the_tag_of_the_queues_key_counts() {
    let aws = Aws::default();
    let config = format!("{CONFIG}[smoke]\noperation = \"write\"\npayload = {{ id = \"{{id}}\" }}\nevent = \"id\"\n");
    let deployment = open_as(&aws, &config).await.unwrap();
    deployment.deploy(&package("one"), None).await.unwrap();
    let refused = ("ReceiveMessage", "KMS.AccessDeniedException");
    let calls = || aws.state(|state| std::mem::take(&mut state.calls));
    calls();
    aws.state(|state| state.refusals = vec![refused; 4]);
    let tested = deployment.smoke().await.unwrap();
    assert_eq!(tested.failure, None);
    assert_eq!(aws.state(|state| state.refusals.len()), 0);
    // Nothing is sent before both queues may be read: a queue forgets an event after five minutes.
    let calls = calls();
    let write = |call: &String| call.contains("/invocations") && call.contains("lambda POST");
    // The first two ask whether the functions are ready.
    let first = calls.iter().enumerate().filter(|(_, call)| write(call)).nth(2).unwrap().0;
    let is_refused = |call: &&String| call.ends_with("ReceiveMessage");
    assert_eq!(calls[..first].iter().filter(is_refused).count(), 6, "{calls:#?}");
    // Another refusal, of the queue itself, does not pass by itself.
    aws.state(|state| state.refusals = vec![("ReceiveMessage", "AccessDenied")]);
    let error = deployment.smoke().await.unwrap_err();
    assert!(error.to_string().contains("ReceiveMessage: AccessDenied"), "{error}");
    // The error at the end of the wait has the reason. The wait for an event is another.
    aws.state(|state| state.refusals = vec![refused; 9]);
    let polling = PollPolicy { tag: Duration::ZERO, ..polling() };
    let (config, sdk, told) = (Config::parse(&config).unwrap(), aws.config(), Arc::new(Told::default()));
    let deployment = Deployment::open(config, &sdk, Arc::new(Ready::default()), told, polling).await.unwrap();
    let error = deployment.smoke().await.unwrap_err();
    assert!(
        error.to_string().contains("may not be read: us-east-1: ReceiveMessage: KMS.AccessDeniedException"),
        "{error}"
    );
}

/// As the tag of a key may take five minutes, so long is waited for it, and an event is waited for after that.
#[test]
fn the_tag_of_a_key_is_waited_for_longer_than_it_takes() {
    let polling = PollPolicy::default();
    assert!(polling.tag > Duration::from_secs(5 * 60), "{polling:?}");
}

#[tokio::test]
async fn a_cluster_takes_one_update_after_another() {
    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    aws.state(|state| {
        state.regions.values_mut().flat_map(|of| of.clusters.values_mut()).for_each(|of| of.is_protected = false);
    });
    let config = format!(
        "{CONFIG}[database.kms_keys]\nus-east-1 = \"arn:aws:kms:us-east-1:123456789012:key/1\"\nus-west-2 = \"arn:aws:kms:us-west-2:123456789012:key/2\"\n"
    );
    open_as(&aws, &config).await.unwrap().deploy(&package("one"), None).await.unwrap();
    for (region, key) in
        [(EAST, "arn:aws:kms:us-east-1:123456789012:key/1"), (WEST, "arn:aws:kms:us-west-2:123456789012:key/2")]
    {
        let clusters = aws.regions()[region].clusters.clone();
        assert!(clusters.values().all(|of| of.is_protected && of.tags["key"] == key), "{clusters:?}");
    }
}

#[tokio::test]
async fn what_belongs_to_others_and_may_not_be_read_is_left_alone() {
    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    let taken: BTreeMap<_, _> = aws.regions();
    let aws = Aws::default();
    aws.state(|state| {
        for (region, of) in taken {
            let region = state.regions.entry(region).or_default();
            region.clusters = of.clusters;
            region.keys = of.keys;
            for cluster in region.clusters.values_mut() {
                (cluster.is_closed, cluster.tags) = (true, serde_json::json!({"tenet:deployment": "other"}));
            }
            region.keys.values_mut().for_each(|of| (of.is_closed, of.tag) = (true, "other".to_owned()));
        }
    });
    let before = aws.regions();
    deploy(&aws, "one", None).await.unwrap();
    let options = DestroyOptions { clusters: true, lift_protection: Some("shop".to_owned()) };
    for (region, of) in aws.regions() {
        assert_eq!((of.clusters.len(), of.keys.len()), (2, 2));
        assert!(before[&region].clusters.iter().all(|(id, cluster)| of.clusters[id] == *cluster));
    }
    open(&aws).await.unwrap().destroy(&options).await.unwrap();
    assert!(aws.regions().iter().all(|(region, of)| of.clusters == before[region].clusters));
}

/// A run that died before the vault's key had its alias left a key that only its tag shows.
#[tokio::test]
async fn beside_a_key_that_may_be_the_vaults_none_is_made_in_silence() {
    let prepared = Aws::default();
    deploy(&prepared, "one", None).await.unwrap();
    prepared.state(|state| {
        for region in state.regions.values_mut() {
            region.aliases.clear();
            region.keys.values_mut().for_each(|of| of.is_closed = true);
        }
    });
    // The stacks have the key, if only its alias was deleted.
    let (aws, before) = (prepared.copy(), prepared.regions());
    let error = deploy(&aws, "one", None).await.unwrap_err();
    assert!(error.to_string().starts_with("us-east-1: DescribeKey: AccessDeniedException"), "{error}");
    assert_eq!(aws.regions(), before);
    prepared.state(|state| {
        for region in state.regions.values_mut() {
            region.stacks.clear();
            region.functions.clear();
        }
    });
    let (aws, before) = (prepared.copy(), prepared.regions());
    let error = deploy(&aws, "one", None).await.unwrap_err();
    assert!(error.to_string().starts_with("us-east-1: DescribeKey mrk-1, which has the tag tenet:deployment=shop"));
    assert!(error.advice().unwrap().contains("allow kms:DescribeKey"), "{error:?}");
    assert_eq!(aws.regions(), before);
    // Once it may be read it is the key, and gets its alias.
    aws.state(|state| {
        state.regions.values_mut().flat_map(|of| of.keys.values_mut()).for_each(|of| of.is_closed = false);
    });
    deploy(&aws, "one", None).await.unwrap();
    assert!(aws.regions().values().all(|of| of.keys.len() == 1 && of.aliases["alias/shop-vault"] == "mrk-1"));

    // Where not even the tags tell, the run says of which keys.
    let (aws, told) = (prepared.copy(), Arc::new(Told::default()));
    aws.state(|state| state.denied = vec!["kms:ListResourceTags"]);
    let config = Config::parse(CONFIG).unwrap();
    let deployment =
        Deployment::open(config, &aws.config(), Arc::new(Ready::default()), told.clone(), polling()).await.unwrap();
    deployment.deploy(&package("one"), None).await.unwrap();
    let told = told.0.lock().unwrap();
    let text = "these may not be looked at: mrk-1 in us-east-1, mrk-1 in us-west-2. If one of them";
    assert!(told.iter().any(|line| line.contains(text)), "{told:?}");
}

/// An own cluster that may not be read is not another's: no second one is made, and `destroy` does not say that
/// nothing is left.
#[tokio::test]
async fn beside_a_cluster_that_may_be_the_deployments_none_is_made() {
    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    let before = aws.regions();
    for (denied, why) in [
        ("dsql:GetCluster", "us-east-1: GetCluster: AccessDeniedException"),
        ("dsql:ListTagsForResource", "may not be read, so that it may be the deployment's"),
    ] {
        aws.state(|state| state.denied = vec![denied]);
        let deployment = open(&aws).await.unwrap();
        let planned = deployment.plan(&package("one"), None).await.unwrap_err();
        let deployed = deployment.deploy(&package("one"), None).await.unwrap_err();
        for error in [planned, deployed] {
            assert!(error.to_string().contains(why) && error.advice().is_some(), "{error:?}");
        }
        assert_eq!(aws.regions(), before, "{denied}");
    }
    let options = DestroyOptions { clusters: true, lift_protection: Some("shop".to_owned()) };
    let left = open(&aws).await.unwrap().destroy(&options).await.unwrap();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|line| line.contains("may be the deployment's")), "{left:?}");
}

#[tokio::test]
async fn a_stack_of_the_same_name_that_is_not_the_deployments_is_left_alone() {
    let aws = Aws::default();
    stuck(&aws, &[(WEST, "shop-workflows", "ROLLBACK_COMPLETE")]).await;
    for tag in [("team", "shop"), ("tenet:deployment", "shop-2")] {
        aws.state(|state| {
            let stack = state.regions.get_mut(WEST).unwrap().stacks.get_mut("shop-workflows").unwrap();
            stack.tag = (tag.0.to_owned(), tag.1.to_owned());
        });
        let (before, deployment) = (aws.regions(), open(&aws).await.unwrap());
        for error in [
            deployment.plan(&package("two"), None).await.unwrap_err(),
            deployment.deploy(&package("two"), None).await.unwrap_err(),
            deployment.destroy(&DestroyOptions::default()).await.unwrap_err(),
        ] {
            assert!(
                error.to_string().contains("us-west-2: the stack shop-workflows is not the deployment's"),
                "{error}"
            );
            assert!(error.advice().unwrap().contains("another `name`"), "{error:?}");
        }
        let (after, before) = (aws.regions(), before);
        assert_eq!(after[WEST].stacks["shop-workflows"], before[WEST].stacks["shop-workflows"]);
    }
}

#[tokio::test]
async fn the_vaults_key_is_rotated_at_its_primary_and_exists_once() {
    let swapped = CONFIG.replace("[\"us-east-1\", \"us-west-2\"]", "[\"us-west-2\", \"us-east-1\"]");
    for lost in [None, Some(WEST), Some(EAST)] {
        let aws = Aws::default();
        deploy(&aws, "one", None).await.unwrap();
        aws.state(|state| {
            state.regions.get_mut(EAST).unwrap().keys.get_mut("mrk-1").unwrap().is_rotated = false;
            // The replica, or the alias of the primary, is not there yet.
            if let Some(lost) = lost {
                let region = state.regions.get_mut(lost).unwrap();
                region.aliases.clear();
                if lost == WEST {
                    region.keys.clear();
                }
            }
        });
        let deployment = open_as(&aws, &swapped).await.unwrap();
        deployment.deploy(&package("one"), None).await.unwrap();
        for (region, of) in aws.regions() {
            assert_eq!((of.keys.len(), &of.aliases["alias/shop-vault"]), (1, &"mrk-1".to_owned()));
            assert_eq!((of.keys["mrk-1"].primary.as_str(), of.keys["mrk-1"].is_rotated), (EAST, region == EAST));
        }
    }
    // A key that goes is not used.
    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    aws.state(|state| {
        state.regions.get_mut(EAST).unwrap().keys.get_mut("mrk-1").unwrap().state = "PendingReplicaDeletion".into()
    });
    let error = deploy(&aws, "one", None).await.unwrap_err();
    assert!(error.to_string().contains("the vault's key mrk-1 is PendingReplicaDeletion"), "{error}");
    assert!(error.advice().unwrap().contains("cancel-key-deletion"), "{error:?}");
}

#[tokio::test]
async fn another_spelling_is_no_drift() {
    let aws = Aws::default();
    deploy(&aws, "one", None).await.unwrap();
    aws.state(|state| {
        state.drift = vec![
            ("Live", "REMOVE", "{\"AdditionalVersionWeights\":[]}", ""),
            (
                "Role",
                "NOT_EQUAL",
                "{\"Action\":\"a\",\"Resource\":[\"x\",\"y\"]}",
                "{\"Action\":[\"a\"],\"Resource\":[\"y\",\"x\"]}",
            ),
            ("Function", "NOT_EQUAL", "512", "1024"),
        ];
    });
    let status = open(&aws).await.unwrap().status().await;
    let drift: Vec<_> = status.regions.iter().map(|of| of.drift.clone().unwrap()).collect();
    assert_eq!(drift, [["Function is MODIFIED"]; 2], "{status:?}");
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

    let told = Arc::new(Told::default());
    let config = Config::parse(CONFIG).unwrap();
    let deployment =
        Deployment::open(config, &aws.config(), Arc::new(Ready::default()), told.clone(), polling()).await.unwrap();
    let options = DestroyOptions { clusters: true, lift_protection: Some("shop".to_owned()) };
    assert_eq!(deployment.destroy(&options).await.unwrap(), [""; 0]);
    // A primary's waiting period begins when its last replica is gone.
    let said = |region: &str, when: &str| {
        told.0.lock().unwrap().iter().any(|line| line.starts_with(region) && line.contains(when))
    };
    assert!(said(EAST, "goes 30 days after its replica, about 60 days from now"));
    assert!(said(WEST, "goes in 30 days"));
    for region in aws.regions().values() {
        assert!(
            region.clusters.is_empty()
                && region.stacks.is_empty()
                && region.buckets.is_empty()
                && region.aliases.is_empty()
        );
        assert!(region.keys.values().all(|key| key.state.starts_with("Pending")), "{region:?}");
    }
}
