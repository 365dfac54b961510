//! An in-memory AWS below the SDK's HTTP client, for what no emulator models. It uses the
//! documented messages of the services, stores what it receives, and fails where a test wants it
//! to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dsql::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::recorded::record;

pub const ACCOUNT: &str = "123456789012";

/// All resources, in all regions.
#[derive(Clone, Debug)]
pub struct Aws(Arc<Mutex<State>>, Arc<Notify>);

#[derive(Clone, Debug, Default)]
pub struct State {
    pub regions: BTreeMap<String, Regional>,
    /// Every call, `REGION SERVICE OPERATION`.
    pub calls: Vec<String>,
    /// The number of the call, from 1, whose response is never received.
    pub dies_at: Option<usize>,
    /// Calls that fail with this error, once each: the operation, the code.
    pub refusals: Vec<(&'static str, &'static str)>,
    /// The ARN of the caller, if it is not the root user.
    pub caller: Option<&'static str>,
    /// Actions that the caller is not allowed. `ACTION VALUE` is denied in requests that have this value.
    pub denied: Vec<&'static str>,
    /// How many functions may run at once in a region, if not 1000.
    pub concurrency: BTreeMap<String, u64>,
    /// What exists by its name although no stack made it: the operation that finds it, the region and the name.
    pub taken: Vec<(&'static str, &'static str, &'static str)>,
    /// The final status of a cluster.
    pub ends_as: Option<&'static str>,
    /// Reasons for which changes of a function's stack fail, once each.
    pub failures: Vec<&'static str>,
    /// Reasons for which a deletion or a rollback of a stack fails, once each.
    pub remains: Vec<&'static str>,
    /// Differences that CloudFormation finds: of which resource, the kind, the expected and the
    /// actual value.
    pub drift: Vec<(&'static str, &'static str, &'static str, &'static str)>,
    /// The names of queues that were deleted, by region, and for how many more calls they are taken.
    queue_names: BTreeMap<String, u32>,
    /// The highest version number of a function, by region. Lambda never uses one twice, also if the
    /// function is deleted and created again
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html>).
    published: BTreeMap<String, usize>,
    /// The payload of the last invocation, whose event the queues of tests get.
    invoked: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regional {
    pub clusters: BTreeMap<String, Cluster>,
    pub stacks: BTreeMap<String, Stack>,
    pub functions: BTreeMap<String, Function>,
    pub buckets: BTreeMap<String, Bucket>,
    pub keys: BTreeMap<String, Key>,
    pub aliases: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub status: String,
    /// After how many more polls it is ready.
    looks: Looks,
    pub is_protected: bool,
    pub tags: Value,
    pub witness: String,
    pub peers: Vec<String>,
    /// It is another team's, and nothing of it may be read but its tags.
    pub is_closed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub status: String,
    looks: Looks,
    pub parameters: BTreeMap<String, String>,
    /// Its only tag: the key and the value.
    pub tag: (String, String),
    /// The digest of its template.
    template: Vec<u8>,
    /// The status in which its current operation ends, if it fails, and the reason.
    fails: Option<(&'static str, String)>,
    /// Change sets, and after how many more polls each is computed.
    change_sets: BTreeMap<String, ChangeSet>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ChangeSet {
    looks: Looks,
    has_changes: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    pub latest: BTreeMap<String, String>,
    pub versions: BTreeMap<usize, BTreeMap<String, String>>,
    /// The versions that the alias has in addition, with their weights.
    pub weights: BTreeMap<String, String>,
    /// How many more calls it answers that it is not ready: its role is new.
    unready: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    pub objects: BTreeMap<String, Vec<u8>>,
    pub is_closed: bool,
    pub has_policy: bool,
    pub tags: Option<String>,
    /// The other account that owns it and lets everyone do everything with it, if it is not
    /// [`ACCOUNT`]'s.
    pub stranger: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub state: String,
    pub description: String,
    /// The region of its primary.
    pub primary: String,
    pub is_rotated: bool,
    /// The value of its only tag, the deployment's.
    pub tag: String,
    /// It may not be read, but for its tags.
    pub is_closed: bool,
    looks: Looks,
}

impl Default for Aws {
    fn default() -> Self {
        let regions = ["us-east-1", "us-west-2"].map(|region| (region.to_owned(), Regional::default()));
        let state = State { regions: BTreeMap::from(regions), ..State::default() };
        Self(Arc::new(Mutex::new(state)), Arc::new(Notify::new()))
    }
}

impl HttpClient for Aws {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Aws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        record(&request);
        let mut state = self.0.lock().unwrap();
        let (status, body) = state.answer(&request);
        if state.dies_at == Some(state.calls.len()) {
            self.1.notify_one();
            return HttpConnectorFuture::new(std::future::pending());
        }
        let status = StatusCode::try_from(status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

impl Aws {
    pub fn config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "test")))
            .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1)))
            .http_client(self.clone())
            .build()
    }

    pub fn state<T>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        of(&mut self.0.lock().unwrap())
    }

    /// Waits until the response that is never received was sent.
    pub async fn died(&self) {
        self.1.notified().await;
    }

    /// Another AWS in the same state.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state(|state| state.clone()))), Arc::new(Notify::new()))
    }

    /// The state of all regions.
    pub fn regions(&self) -> BTreeMap<String, Regional> {
        self.state(|state| state.regions.clone())
    }
}

/// How many more polls an operation takes. It is not a part of a result.
#[derive(Clone, Copy, Debug)]
pub struct Looks(u32);

impl PartialEq for Looks {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Looks {}

impl Looks {
    /// One poll later: whether the operation is finished.
    fn pass(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 == 0
    }
}

type Answered = (u16, String);

impl State {
    fn answer(&mut self, request: &HttpRequest) -> Answered {
        let uri: http::Uri = request.uri().parse().unwrap();
        let host = uri.host().unwrap().to_owned();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let labels: Vec<&str> = host.split('.').collect();
        let (service, region) = match labels.as_slice() {
            ["iam", ..] => ("iam", "us-east-1"),
            [_, "s3", "amazonaws", ..] => ("s3", "us-east-1"),
            [_, "s3", region, ..] => ("s3", *region),
            [service, region, ..] => (*service, *region),
            _ => panic!("{host}"),
        };
        let operation = match service {
            "cloudformation" | "iam" | "sts" => form(&body).remove("Action").unwrap_or_default(),
            "kms" | "events" | "logs" | "sqs" => request
                .headers()
                .get("x-amz-target")
                .unwrap_or_default()
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned(),
            _ => format!("{} {}", request.method(), uri.path_and_query().map_or("", |of| of.as_str())),
        };
        self.calls.push(format!("{region} {service} {operation}"));
        if let Some(place) = self.refusals.iter().position(|(of, _)| operation.starts_with(of)) {
            let (_, code) = self.refusals.remove(place);
            let status = if code.contains("Throttl") { 429 } else { 409 };
            return match service {
                "cloudformation" => xml_error(status, code, "later"),
                _ => (status, json!({"__type": code, "code": code, "message": "later"}).to_string()),
            };
        }
        let region = region.to_owned();
        match service {
            "sts" => {
                let root = format!("arn:aws:iam::{ACCOUNT}:root");
                let arn = self.caller.unwrap_or(&root);
                (
                    200,
                    format!(
                        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
                    ),
                )
            }
            "iam" => self.iam(&operation, &body),
            "dsql" => self.dsql(&region, request.method(), uri.path(), &body),
            "cloudformation" => self.stacks(&region, &operation, &body),
            "lambda" => self.lambda(&region, request.method(), &uri, &body),
            "s3" => {
                let owner = request.headers().get("x-amz-expected-bucket-owner");
                self.s3(&region, request.method(), labels[0], &uri, owner, &body)
            }
            "kms" => self.kms(&region, &operation, &body),
            "events" if operation == "DescribeEventBus" && !self.is_taken(&operation, &region, &body, "Name") => {
                (400, json!({"__type": "ResourceNotFoundException", "message": "no bus"}).to_string())
            }
            "events" if operation == "DescribeEventBus" => (200, json!({"Name": "shop"}).to_string()),
            "events" => (200, json!({"Rules": []}).to_string()),
            "logs" if operation == "FilterLogEvents" && !self.at(&region).functions.contains_key("shop") => {
                (400, json!({"__type": "ResourceNotFoundException", "message": "no log group"}).to_string())
            }
            "logs" => {
                // Of the prefix's own name, and another that begins with it.
                let given: Value = serde_json::from_str(&body).unwrap();
                let name = given["logGroupNamePrefix"].as_str().unwrap();
                let mut groups = vec![json!({"logGroupName": format!("{name}-2")})];
                if self.is_taken(&operation, &region, &body, "logGroupNamePrefix") {
                    groups.insert(0, json!({"logGroupName": name}));
                }
                (200, json!({"logGroups": groups}).to_string())
            }
            "sqs" if operation == "GetQueueUrl" => match self.is_taken(&operation, &region, &body, "QueueName") {
                true => (200, json!({"QueueUrl": "https://queue"}).to_string()),
                false => (400, json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "none"}).to_string()),
            },
            "sqs" if operation == "ReceiveMessage" => {
                (200, json!({"Messages": [{"Body": self.invoked, "ReceiptHandle": "receipt"}]}).to_string())
            }
            "sqs" => (200, json!({}).to_string()),
            other => panic!("{other} is not there"),
        }
    }

    /// The concurrency that no other function than this has reserved, in its region.
    fn unreserved(&self, region: &str, except: &str) -> u64 {
        let functions = self.regions.get(region).map(|region| &region.functions);
        let others = functions.into_iter().flatten().filter(|(name, _)| *name != except);
        let reserved: u64 = others.map(|(_, function)| reserved(&function.latest)).sum();
        self.limit(region).saturating_sub(reserved)
    }

    fn limit(&self, region: &str) -> u64 {
        self.concurrency.get(region).copied().unwrap_or(1000)
    }

    /// Whether what an operation looks for by this member of its request is there.
    fn is_taken(&self, operation: &str, region: &str, body: &str, member: &str) -> bool {
        let given: Value = serde_json::from_str(body).unwrap();
        self.taken.iter().any(|(of, at, name)| *of == operation && *at == region && given[member] == **name)
    }

    fn at(&mut self, region: &str) -> &mut Regional {
        self.regions.entry(region.to_owned()).or_default()
    }

    fn iam(&mut self, operation: &str, body: &str) -> Answered {
        if self.denied.contains(&format!("iam:{operation}").as_str()) {
            return xml_error(403, "AccessDenied", "not authorized");
        }
        let path = "aws-reserved/sso.amazonaws.com";
        match operation {
            "GetRole" => {
                let role = form(body).remove("RoleName").unwrap();
                // The deployment's own, which only a stack makes.
                if role.starts_with("shop-")
                    && !self.taken.iter().any(|(of, _, name)| *of == "GetRole" && role == *name)
                {
                    return xml_error(404, "NoSuchEntity", "no such role");
                }
                (
                    200,
                    format!(
                        "<GetRoleResponse><GetRoleResult><Role><Path>/{path}/</Path><RoleName>{role}</RoleName><RoleId>r</RoleId><Arn>arn:aws:iam::{ACCOUNT}:role/{path}/{role}</Arn><CreateDate>2026-11-01T00:00:00Z</CreateDate></Role></GetRoleResult></GetRoleResponse>"
                    ),
                )
            }
            "SimulatePrincipalPolicy" => {
                let principal = form(body).remove("PolicySourceArn").unwrap();
                assert_eq!(principal, format!("arn:aws:iam::{ACCOUNT}:role/{path}/deployer"));
                // What is allowed by a tag is allowed if the request has it.
                let has = |value: &str| form(body).into_values().any(|of| of == value);
                let is_tagged = has("aws:ResourceTag/tenet:deployment") && has("shop");
                let mut results = String::new();
                for number in 1.. {
                    let Some(action) = form(body).remove(&format!("ActionNames.member.{number}")) else { break };
                    let is_denied = |denied: &&str| match denied.split_once(' ') {
                        Some((of, value)) => *of == action && has(value),
                        None => **denied == action,
                    };
                    let is_denied = self.denied.iter().any(is_denied) || (action == "dsql:DeleteCluster" && !is_tagged);
                    let decision = if is_denied { "implicitDeny" } else { "allowed" };
                    results += &format!(
                        "<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision></member>"
                    );
                }
                (
                    200,
                    format!(
                        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
                    ),
                )
            }
            other => panic!("{other}"),
        }
    }

    fn dsql(&mut self, region: &str, method: &str, path: &str, body: &str) -> Answered {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let arn = |id: &str| format!("arn:aws:dsql:{region}:{ACCOUNT}:cluster/{id}");
        let missing = || {
            (404, json!({"__type": "ResourceNotFoundException", "message": "no such cluster", "resourceId": "x", "resourceType": "cluster"}).to_string())
        };
        let denied = (403, json!({"__type": "AccessDeniedException", "message": "not yours"}).to_string());
        let end = self.ends_as.unwrap_or("ACTIVE").to_owned();
        // What can be updated or deleted now, by the documented errors of both operations.
        let conflict = |cluster: &Cluster| {
            let is_busy = matches!(cluster.status.as_str(), "CREATING" | "UPDATING" | "PENDING_DELETE" | "DELETING");
            is_busy.then(|| (409, json!({"__type": "ConflictException", "message": format!("the cluster is {}", cluster.status), "resourceId": "x", "resourceType": "cluster"}).to_string()))
        };
        let id = path.rsplit('/').next().unwrap_or_default().to_owned();
        match (method, path) {
            ("GET", "/cluster") => {
                let clusters: Vec<_> =
                    self.at(region).clusters.keys().map(|id| json!({"identifier": id, "arn": arn(id)})).collect();
                (200, json!({"clusters": clusters}).to_string())
            }
            ("POST", "/cluster") => {
                let clusters = &mut self.at(region).clusters;
                let id = format!("{:a>26}", clusters.len() + 1);
                let of = &body["multiRegionProperties"];
                let peers: Vec<String> = serde_json::from_value(of["clusters"].clone()).unwrap_or_default();
                let status = if peers.is_empty() { "PENDING_SETUP" } else { "CREATING" };
                let cluster = Cluster {
                    status: status.to_owned(),
                    looks: Looks(2),
                    is_protected: body["deletionProtectionEnabled"] == true,
                    tags: body["tags"].clone(),
                    witness: of["witnessRegion"].as_str().unwrap().to_owned(),
                    peers,
                    is_closed: false,
                };
                clusters.insert(id.clone(), cluster);
                (200, json!({"identifier": id, "arn": arn(&id), "status": status, "creationTime": 1.0, "deletionProtectionEnabled": true}).to_string())
            }
            ("GET", _) if path.starts_with("/tags/") => {
                if self.denied.contains(&"dsql:ListTagsForResource") {
                    return denied;
                }
                let id = decoded(path).rsplit('/').next().unwrap_or_default().to_owned();
                let Some(cluster) = self.at(region).clusters.get(&id) else { return missing() };
                (200, json!({"tags": cluster.tags}).to_string())
            }
            ("GET", _) => {
                let is_denied = self.denied.contains(&"dsql:GetCluster");
                let Some(cluster) = self.at(region).clusters.get_mut(&id) else { return missing() };
                if cluster.is_closed || is_denied {
                    return denied;
                }
                // A cluster that waits for its peer waits permanently.
                if matches!(cluster.status.as_str(), "CREATING" | "UPDATING") && cluster.looks.pass() {
                    cluster.status = end;
                }
                let Cluster { status, is_protected, tags, witness, peers, .. } = cluster.clone();
                let answer = (200, json!({"identifier": id, "arn": arn(&id), "status": status, "creationTime": 1.0, "deletionProtectionEnabled": is_protected, "tags": tags, "multiRegionProperties": {"witnessRegion": witness, "clusters": peers}}).to_string());
                if status == "DELETING" {
                    self.at(region).clusters.remove(&id);
                }
                answer
            }
            ("POST", _) => {
                let Some(cluster) = self.at(region).clusters.get_mut(&id) else { return missing() };
                // Time passes with every call.
                if cluster.status == "UPDATING" && cluster.looks.pass() {
                    cluster.status = end;
                }
                if let Some(conflict) = conflict(cluster) {
                    return conflict;
                }
                (cluster.status, cluster.looks) = ("UPDATING".to_owned(), Looks(3));
                if let Some(is_protected) = body["deletionProtectionEnabled"].as_bool() {
                    cluster.is_protected = is_protected;
                }
                if let Some(key) = body["kmsEncryptionKey"].as_str() {
                    cluster.tags["key"] = key.into();
                }
                if let Ok(peers) = serde_json::from_value(body["multiRegionProperties"]["clusters"].clone()) {
                    cluster.peers = peers;
                    cluster.status = "CREATING".to_owned();
                }
                (
                    200,
                    json!({"identifier": id, "arn": arn(&id), "status": cluster.status, "creationTime": 1.0})
                        .to_string(),
                )
            }
            ("DELETE", _) => {
                let Some(cluster) = self.at(region).clusters.get_mut(&id) else { return missing() };
                if cluster.status == "UPDATING" && cluster.looks.pass() {
                    cluster.status = end;
                }
                if let Some(conflict) = conflict(cluster) {
                    return conflict;
                }
                if cluster.is_protected {
                    return (400, json!({"__type": "ValidationException", "message": "deletion protection", "reason": "deletionProtectionEnabled"}).to_string());
                }
                cluster.status = "PENDING_DELETE".to_owned();
                let all = || ["us-east-1", "us-west-2"].into_iter();
                // Each waits until the deletion of the other is requested too.
                let is_waiting = |cluster: &Cluster| cluster.is_closed || cluster.status == "PENDING_DELETE";
                if all().all(|region| self.at(region).clusters.values().all(is_waiting)) {
                    for region in all() {
                        self.at(region)
                            .clusters
                            .values_mut()
                            .filter(|cluster| !cluster.is_closed)
                            .for_each(|cluster| cluster.status = "DELETING".to_owned());
                    }
                }
                (
                    200,
                    json!({"identifier": id, "arn": arn(&id), "status": "PENDING_DELETE", "creationTime": 1.0})
                        .to_string(),
                )
            }
            _ => panic!("{method} {path}"),
        }
    }

    fn stacks(&mut self, region: &str, operation: &str, body: &str) -> Answered {
        let mut form = form(body);
        let name = form.remove("StackName").unwrap_or_default();
        let mut parameters = BTreeMap::new();
        for number in 1.. {
            let mut part = |part: &str| form.remove(&format!("Parameters.member.{number}.{part}"));
            let Some(key) = part("ParameterKey") else { break };
            parameters.insert(key, part("ParameterValue").unwrap_or_default());
        }
        let template = form.remove("TemplateBody").map(|text| Sha256::digest(text).to_vec()).unwrap_or_default();
        let mut tag = |part: &str| form.remove(&format!("Tags.member.1.{part}")).unwrap_or_default();
        let tag = (tag("Key"), tag("Value"));
        // Lambda keeps 100 unreserved.
        let wanted = reserved(&parameters);
        let is_too_much = wanted > 0 && wanted + 100 > self.unreserved(region, &name);
        // A rule that forwards, made while the bus that it names is not there.
        let forwards = |of: &BTreeMap<String, String>| of.get("PeerBus").is_none_or(|bus| bus == "true");
        let forwarded = self.at(region).stacks.get(&name).is_some_and(|stack| forwards(&stack.parameters));
        let peer = parameters.get("PeerRegion").and_then(|peer| self.regions.get(peer));
        let has_bus = peer.and_then(|peer| peer.stacks.get(&name)).is_some_and(Stack::has_bus);
        let is_astray = forwards(&parameters) && !forwarded && !has_bus;
        let missing = || xml_error(400, "ValidationError", &format!("Stack with id {name} does not exist"));
        let done = |operation: &str| {
            (
                200,
                format!(
                    "<{operation}Response><{operation}Result><StackId>s</StackId></{operation}Result></{operation}Response>"
                ),
            )
        };
        let has_function = !name.ends_with("-workflows");
        let queue_names = self.queue_names.entry(region.to_owned()).or_default();
        *queue_names = queue_names.saturating_sub(1);
        let has_queue_name = *queue_names == 0;
        let last = self.published.get(region).copied().unwrap_or_default();
        // A change fails for the reason that a test has, for a queue that was just deleted, and for a
        // version that does not exist.
        let mut failure = |has_version: &dyn Fn(&str) -> bool| {
            if !has_function {
                return None;
            }
            if is_too_much {
                return Some("too much concurrency is reserved".to_owned());
            }
            // EventBridge looks at the bus and its policy when it gets the target
            // (<https://github.com/ministryofjustice/modernisation-platform-environments/pull/19002>).
            if is_astray {
                return Some("PutTargets: AccessDeniedException: the target's bus".to_owned());
            }
            let version = parameters.get("Version").filter(|version| !version.is_empty());
            if let Some(version) = version.filter(|version| !has_version(version)) {
                return Some(format!("Function not found: shop:{version}"));
            }
            self.failures.pop().map(str::to_owned)
        };
        let regional = self.regions.entry(region.to_owned()).or_default();
        match operation {
            "CreateStack" => {
                // One that waits for a review exists, too.
                if regional.stacks.contains_key(&name) {
                    return xml_error(400, "AlreadyExistsException", &format!("Stack [{name}] already exists"));
                }
                let why = if has_function && !has_queue_name {
                    Some("You must wait 60 seconds after deleting a queue before you can create another with the same name.".to_owned())
                } else {
                    failure(&|_| false)
                };
                if has_function && why.is_none() {
                    let latest = configuration(&parameters);
                    let versions = BTreeMap::from([(last + 1, latest.clone())]);
                    self.published.insert(region.to_owned(), last + 1);
                    let function = Function { latest, versions, weights: BTreeMap::new(), unready: 2 };
                    regional.functions.insert(name.clone(), function);
                }
                let stack = Stack {
                    status: "CREATE_IN_PROGRESS".to_owned(),
                    looks: Looks(2),
                    parameters,
                    tag,
                    template,
                    fails: why.map(|why| ("ROLLBACK_COMPLETE", why)),
                    change_sets: BTreeMap::new(),
                };
                regional.stacks.insert(name, stack);
                done(operation)
            }
            "UpdateStack" => {
                let Some(stack) = regional.stacks.get_mut(&name) else { return missing() };
                if let Some(refusal) = stack.refusal() {
                    return refusal;
                }
                if stack.parameters == parameters && stack.template == template {
                    return xml_error(400, "ValidationError", "No updates are to be performed.");
                }
                (stack.status, stack.looks) = ("UPDATE_IN_PROGRESS".to_owned(), Looks(2));
                let function = regional.functions.get_mut(&name);
                let versions: Vec<_> = function.iter().flat_map(|of| of.versions.keys().copied()).collect();
                let has = |version: &str| versions.iter().any(|of| of.to_string() == version);
                if let Some(why) = failure(&has) {
                    stack.fails = Some(("UPDATE_ROLLBACK_COMPLETE", why));
                    return done(operation);
                }
                if let Some(function) = function {
                    function.latest = configuration(&parameters);
                    // The alias keeps its weights unless it is given others.
                    if let Some(canary) = parameters.get("CanaryVersion").filter(|canary| !canary.is_empty()) {
                        function.weights = BTreeMap::from([(canary.clone(), parameters["CanaryWeight"].clone())]);
                    }
                }
                (stack.parameters, stack.template, stack.fails) = (parameters, template, None);
                done(operation)
            }
            "ContinueUpdateRollback" | "RollbackStack" => {
                let Some(stack) = regional.stacks.get_mut(&name) else { return missing() };
                let from = if operation == "RollbackStack" { "UPDATE_FAILED" } else { "UPDATE_ROLLBACK_FAILED" };
                if stack.status != from {
                    let text = format!("Stack:s is in {} state and can not be rolled back.", stack.status);
                    return xml_error(400, "ValidationError", &text);
                }
                (stack.status, stack.looks) = ("UPDATE_ROLLBACK_IN_PROGRESS".to_owned(), Looks(2));
                stack.fails = self.remains.pop().map(|why| ("UPDATE_ROLLBACK_FAILED", why.to_owned()));
                done(operation)
            }
            "CreateChangeSet" => {
                assert_eq!(form["ChangeSetType"].as_str(), "UPDATE");
                let Some(stack) = regional.stacks.get_mut(&name) else { return missing() };
                if let Some(refusal) = stack.refusal() {
                    return refusal;
                }
                let set = form["ChangeSetName"].clone();
                if stack.change_sets.contains_key(&set) {
                    return xml_error(400, "AlreadyExistsException", &format!("ChangeSet {set} already exists"));
                }
                let has_changes = stack.parameters != parameters || stack.template != template;
                stack.change_sets.insert(set, ChangeSet { looks: Looks(2), has_changes });
                done(operation)
            }
            "DescribeChangeSet" | "DeleteChangeSet" => {
                let Some(stack) = regional.stacks.get_mut(&name) else { return missing() };
                let set = form["ChangeSetName"].clone();
                let Some(of) = stack.change_sets.get_mut(&set) else {
                    return xml_error(404, "ChangeSetNotFound", &format!("ChangeSet [{set}] does not exist"));
                };
                let is_computed = of.looks.pass();
                if operation == "DeleteChangeSet" {
                    if !is_computed {
                        return xml_error(400, "InvalidChangeSetStatus", "it is CREATE_IN_PROGRESS");
                    }
                    stack.change_sets.remove(&set);
                    return done(operation);
                }
                let change = "<member><Type>Resource</Type><ResourceChange><Action>Modify</Action><LogicalResourceId>Function</LogicalResourceId><ResourceType>AWS::Lambda::Function</ResourceType></ResourceChange></member>";
                let (status, reason, change) = match (is_computed, of.has_changes) {
                    (false, _) => ("CREATE_IN_PROGRESS", "", ""),
                    (true, true) => ("CREATE_COMPLETE", "", change),
                    (true, false) => ("FAILED", "The submitted information didn't contain changes.", ""),
                };
                (
                    200,
                    format!(
                        "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>{status}</Status><StatusReason>{reason}</StatusReason><Changes>{change}</Changes></DescribeChangeSetResult></DescribeChangeSetResponse>"
                    ),
                )
            }
            "DetectStackDrift" => (
                200,
                "<DetectStackDriftResponse><DetectStackDriftResult><StackDriftDetectionId>d</StackDriftDetectionId></DetectStackDriftResult></DetectStackDriftResponse>".to_owned(),
            ),
            "DescribeStackDriftDetectionStatus" => (
                200,
                "<DescribeStackDriftDetectionStatusResponse><DescribeStackDriftDetectionStatusResult><StackId>s</StackId><StackDriftDetectionId>d</StackDriftDetectionId><DetectionStatus>DETECTION_COMPLETE</DetectionStatus><Timestamp>2026-11-01T00:00:00Z</Timestamp></DescribeStackDriftDetectionStatusResult></DescribeStackDriftDetectionStatusResponse>".to_owned(),
            ),
            "DescribeStackResourceDrifts" => {
                let drift = |(resource, kind, expected, actual): &(&str, &str, &str, &str)| {
                    format!(
                        "<member><StackId>s</StackId><LogicalResourceId>{resource}</LogicalResourceId><ResourceType>t</ResourceType><StackResourceDriftStatus>MODIFIED</StackResourceDriftStatus><Timestamp>2026-11-01T00:00:00Z</Timestamp><PropertyDifferences><member><PropertyPath>/P</PropertyPath><ExpectedValue>{}</ExpectedValue><ActualValue>{}</ActualValue><DifferenceType>{kind}</DifferenceType></member></PropertyDifferences></member>",
                        escaped(expected),
                        escaped(actual)
                    )
                };
                let drifts: String = self.drift.iter().map(drift).collect();
                (
                    200,
                    format!(
                        "<DescribeStackResourceDriftsResponse><DescribeStackResourceDriftsResult><StackResourceDrifts>{drifts}</StackResourceDrifts></DescribeStackResourceDriftsResult></DescribeStackResourceDriftsResponse>"
                    ),
                )
            }
            "DescribeStacks" => {
                let Some(stack) = regional.stacks.get_mut(&name) else { return missing() };
                if stack.is_busy() && stack.looks.pass() {
                    let end = stack.fails.as_ref().map(|(end, _)| (*end).to_owned());
                    stack.status = end.unwrap_or_else(|| stack.status.replace("_IN_PROGRESS", "_COMPLETE"));
                }
                let Stack { status, parameters, tag: (tag, of), .. } = stack.clone();
                if status == "DELETE_COMPLETE" {
                    regional.stacks.remove(&name);
                    if regional.functions.remove(&name).is_some() {
                        self.queue_names.insert(region.to_owned(), 5);
                    }
                    return missing();
                }
                let parameters: String = parameters
                    .iter()
                    .map(|(key, value)| {
                        format!(
                            "<member><ParameterKey>{key}</ParameterKey><ParameterValue>{}</ParameterValue></member>",
                            escaped(value)
                        )
                    })
                    .collect();
                let output = |key: &str, value: &str| {
                    format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>")
                };
                let first = regional.functions.get(&name).and_then(|function| function.versions.keys().next());
                let first = first.map(|first| output("FirstVersion", &first.to_string())).unwrap_or_default();
                let outputs = [first, output("ApiEndpoint", "https://api"), output("SmokeQueueUrl", "https://queue")].concat();
                (
                    200,
                    format!(
                        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackId>s</StackId><StackName>{name}</StackName><CreationTime>2026-11-01T00:00:00Z</CreationTime><StackStatus>{status}</StackStatus><Parameters>{parameters}</Parameters><Outputs>{outputs}</Outputs><Tags><member><Key>{tag}</Key><Value>{of}</Value></member></Tags></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
                    ),
                )
            }
            "DeleteStack" => {
                if let Some(stack) = regional.stacks.get_mut(&name) {
                    if stack.is_busy() && stack.status != "DELETE_IN_PROGRESS" {
                        let text = format!("Stack [s] cannot be deleted while in status {}", stack.status);
                        return xml_error(400, "ValidationError", &text);
                    }
                    (stack.status, stack.looks) = ("DELETE_IN_PROGRESS".to_owned(), Looks(2));
                    stack.fails = self.remains.pop().map(|why| ("DELETE_FAILED", why.to_owned()));
                }
                (200, "<DeleteStackResponse></DeleteStackResponse>".to_owned())
            }
            "DescribeStackEvents" => {
                let event = |id: &str, logical: &str, status: &str, reason: &str| {
                    format!(
                        "<member><StackId>s</StackId><EventId>{logical}{status}</EventId><StackName>{name}</StackName><LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>{id}</PhysicalResourceId><Timestamp>2026-11-01T00:00:00Z</Timestamp><ResourceStatus>{status}</ResourceStatus><ResourceStatusReason>{reason}</ResourceStatusReason></member>"
                    )
                };
                let why = regional.stacks.get(&name).and_then(|stack| Some(stack.fails.as_ref()?.1.clone()));
                // Newest first.
                let events = [
                    event("s", &name, "ROLLBACK_COMPLETE", ""),
                    event("b", "Bus", "CREATE_FAILED", "Resource creation cancelled"),
                    event("f", "Function", "CREATE_FAILED", &why.unwrap_or_default()),
                    event("s", &name, "CREATE_IN_PROGRESS", "User Initiated"),
                    event("o", "Old", "CREATE_FAILED", "of another time"),
                ];
                (
                    200,
                    format!(
                        "<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents>{}</StackEvents></DescribeStackEventsResult></DescribeStackEventsResponse>",
                        events.concat()
                    ),
                )
            }
            other => panic!("{other}"),
        }
    }

    fn lambda(&mut self, region: &str, method: &str, uri: &http::Uri, body: &str) -> Answered {
        let parts: Vec<&str> = uri.path().split('/').collect();
        if parts[2] == "account-settings" {
            let (limit, unreserved) = (self.limit(region), self.unreserved(region, ""));
            return (
                200,
                json!({"AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": unreserved}})
                    .to_string(),
            );
        }
        let (name, what) = (parts[3].to_owned(), parts[4]);
        let published = self.published.entry(region.to_owned()).or_default();
        let Some(function) = self.regions.entry(region.to_owned()).or_default().functions.get_mut(&name) else {
            return (404, json!({"__type": "ResourceNotFoundException", "Message": "no function"}).to_string());
        };
        match (method, what) {
            ("GET", "configuration") => {
                let version = uri
                    .query()
                    .and_then(|query| query.strip_prefix("Qualifier="))
                    .and_then(|version| version.parse::<usize>().ok());
                let latest = &function.latest;
                let of = version.map_or(latest, |version| &function.versions[&version]);
                (200, json!({"FunctionName": name, "State": "Active", "LastUpdateStatus": "Successful", "CodeSha256": digest(of)}).to_string())
            }
            ("GET", "concurrency") => {
                let reserved = Some(reserved(&function.latest)).filter(|reserved| *reserved > 0);
                (200, json!({"ReservedConcurrentExecutions": reserved}).to_string())
            }
            ("POST", "versions") => {
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                let current = digest(&function.latest);
                if body["CodeSha256"].as_str().is_some_and(|asked| asked != current) {
                    let message = format!(
                        "CodeSHA256 ({}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST.",
                        body["CodeSha256"]
                    );
                    return (
                        400,
                        json!({"__type": "InvalidParameterValueException", "Type": "User", "message": message})
                            .to_string(),
                    );
                }
                // A version is published only if something changed since the last one.
                if function.versions.values().next_back() != Some(&function.latest) {
                    *published += 1;
                    function.versions.insert(*published, function.latest.clone());
                }
                let version = function.versions.keys().next_back().unwrap();
                (201, json!({"FunctionName": name, "Version": version.to_string()}).to_string())
            }
            ("POST", "invocations") => {
                self.invoked = body.to_owned();
                let status = if function.unready == 0 { 200 } else { 503 };
                function.unready = function.unready.saturating_sub(1);
                (200, json!({"statusCode": status, "body": "{\"status\":\"ready\"}"}).to_string())
            }
            (_, "aliases") => {
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                if let Some(weights) = body["RoutingConfig"]["AdditionalVersionWeights"].as_object() {
                    function.weights =
                        weights.iter().map(|(version, weight)| (version.clone(), weight.to_string())).collect();
                }
                let weights: BTreeMap<_, f64> =
                    function.weights.iter().map(|(version, weight)| (version, weight.parse().unwrap())).collect();
                // Without weights there is no configuration
                // (<https://github.com/ministackorg/ministack/issues/440>).
                let routing = (!weights.is_empty()).then(|| json!({"AdditionalVersionWeights": weights}));
                (200, json!({"Name": "live", "FunctionVersion": "1", "RoutingConfig": routing}).to_string())
            }
            _ => panic!("{method} {uri}"),
        }
    }

    fn s3(
        &mut self,
        region: &str,
        method: &str,
        bucket: &str,
        uri: &http::Uri,
        owner: Option<&str>,
        body: &str,
    ) -> Answered {
        let buckets = &mut self.at(region).buckets;
        let query = uri.query().unwrap_or_default();
        let key = uri.path().trim_start_matches('/').to_owned();
        if (method, key.as_str(), query) == ("PUT", "", "") {
            if buckets.entry(bucket.to_owned()).or_default().stranger.is_some() {
                return s3_error(409, "BucketAlreadyExists");
            }
            return (200, String::new());
        }
        let Some(of) = buckets.get_mut(bucket) else {
            return if method == "HEAD" { (404, String::new()) } else { s3_error(404, "NoSuchBucket") };
        };
        if owner.is_some_and(|owner| owner != of.stranger.unwrap_or(ACCOUNT)) {
            return if method == "HEAD" { (403, String::new()) } else { s3_error(403, "AccessDenied") };
        }
        let is = |name: &str| query == name || query.starts_with(&format!("{name}="));
        match method {
            "GET" if is("tagging") => match &of.tags {
                Some(tags) => (200, tags.clone()),
                None => s3_error(404, "NoSuchTagSet"),
            },
            "PUT" if is("publicAccessBlock") => {
                of.is_closed = true;
                (200, String::new())
            }
            "PUT" if is("policy") => {
                of.has_policy = true;
                (204, String::new())
            }
            "PUT" if is("tagging") => {
                of.tags = Some(body.to_owned());
                (204, String::new())
            }
            "HEAD" if key.is_empty() || of.objects.contains_key(&key) => (200, String::new()),
            "HEAD" => (404, String::new()),
            "GET" if query.contains("list-type=2") => {
                let keys: String =
                    of.objects.keys().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
                (200, format!("<ListBucketResult><IsTruncated>false</IsTruncated>{keys}</ListBucketResult>"))
            }
            "GET" => match of.objects.get(&key) {
                Some(object) => (200, String::from_utf8_lossy(object).into_owned()),
                None => s3_error(404, "NoSuchKey"),
            },
            "PUT" => {
                of.objects.insert(key, body.as_bytes().to_vec());
                (200, String::new())
            }
            "POST" if is("delete") => {
                of.objects.clear();
                (200, "<DeleteResult></DeleteResult>".to_owned())
            }
            "DELETE" => {
                assert!(of.objects.is_empty(), "only an empty bucket can be deleted");
                buckets.remove(bucket);
                (204, String::new())
            }
            _ => panic!("{method} {uri}"),
        }
    }

    fn kms(&mut self, region: &str, operation: &str, body: &str) -> Answered {
        let body: Value = serde_json::from_str(body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let metadata = |region: &str, id: &str, key: &Key| json!({"KeyId": id, "Arn": format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}"), "Description": key.description, "KeyState": key.state, "MultiRegion": true, "MultiRegionConfiguration": {"MultiRegionKeyType": if region == key.primary { "PRIMARY" } else { "REPLICA" }, "PrimaryKey": {"Arn": format!("arn:aws:kms:{}:{ACCOUNT}:key/{id}", key.primary), "Region": key.primary}}});
        let error = |code: &str| (400, json!({"__type": code, "message": code}).to_string());
        let is_denied = self.denied.contains(&format!("kms:{operation}").as_str());
        let regional = self.at(region);
        match operation {
            _ if is_denied => error("AccessDeniedException"),
            "ListResourceTags" => {
                let tag = json!({"TagKey": "tenet:deployment", "TagValue": regional.keys[&text("KeyId")].tag});
                (200, json!({"Tags": [tag], "Truncated": false}).to_string())
            }
            "DescribeKey" => {
                let asked = text("KeyId");
                let asked = asked.rsplit_once(":key/").map_or(asked.as_str(), |(_, id)| id);
                let id = regional.aliases.get(asked).cloned().unwrap_or_else(|| asked.to_owned());
                match regional.keys.get_mut(&id) {
                    Some(key) if key.is_closed => error("AccessDeniedException"),
                    Some(key) => {
                        if key.state == "Creating" && key.looks.pass() {
                            key.state = "Enabled".to_owned();
                        }
                        (200, json!({"KeyMetadata": metadata(region, &id, key)}).to_string())
                    }
                    None => (400, json!({"__type": "NotFoundException", "message": "no key"}).to_string()),
                }
            }
            "ListKeys" => {
                let keys: Vec<_> = regional.keys.keys().map(|id| json!({"KeyId": id})).collect();
                (200, json!({"Keys": keys, "Truncated": false}).to_string())
            }
            "CreateKey" => {
                let id = format!("mrk-{}", regional.keys.len() + 1);
                let key = Key::of(region, "Enabled", &body);
                let answer = json!({"KeyMetadata": metadata(region, &id, &key)}).to_string();
                regional.keys.insert(id, key);
                (200, answer)
            }
            // A replica cannot be replicated, and has the rotation of its primary
            // (<https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-manage.html>).
            "ReplicateKey" | "EnableKeyRotation" => match regional.keys.get_mut(&text("KeyId")) {
                None => error("NotFoundException"),
                Some(key) if key.primary != region => error("UnsupportedOperationException"),
                Some(key) if key.state != "Enabled" => error("KMSInvalidStateException"),
                Some(key) if operation == "EnableKeyRotation" => {
                    key.is_rotated = true;
                    (200, "{}".to_owned())
                }
                Some(_) => {
                    let key = Key::of(region, "Creating", &body);
                    let there = &mut self.at(&text("ReplicaRegion")).keys;
                    if there.contains_key(&text("KeyId")) {
                        return error("AlreadyExistsException");
                    }
                    there.insert(text("KeyId"), key);
                    (200, "{}".to_owned())
                }
            },
            "CreateAlias" => {
                if regional.keys[&text("TargetKeyId")].state == "Creating" {
                    return error("KMSInvalidStateException");
                }
                regional.aliases.insert(text("AliasName"), text("TargetKeyId"));
                (200, "{}".to_owned())
            }
            "DeleteAlias" => {
                regional.aliases.remove(&text("AliasName"));
                (200, "{}".to_owned())
            }
            "ScheduleKeyDeletion" => {
                let key = regional.keys.get_mut(&text("KeyId")).unwrap();
                // The replica is not deleted yet: its deletion is only scheduled.
                let state = if key.primary == region { "PendingReplicaDeletion" } else { "PendingDeletion" };
                key.state = state.to_owned();
                (200, json!({"KeyId": text("KeyId")}).to_string())
            }
            other => panic!("{other}"),
        }
    }
}

impl Stack {
    /// Whether its bus is there with its policy.
    fn has_bus(&self) -> bool {
        self.status == "CREATE_COMPLETE" || self.status.starts_with("UPDATE") || self.status.starts_with("IMPORT")
    }

    fn is_busy(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status != "REVIEW_IN_PROGRESS"
    }

    /// Why it cannot be updated: not by UpdateStack, nor by a change set
    /// (<https://github.com/aws/aws-sam-cli/issues/4230>,
    /// <https://github.com/org-formation/org-formation-cli/issues/455>,
    /// <https://github.com/ansible-collections/amazon.aws/issues/1655>).
    fn refusal(&self) -> Option<Answered> {
        let status = &self.status;
        let text = match status.as_str() {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_COMPLETE" => return None,
            "CREATE_FAILED" | "UPDATE_FAILED" => format!(
                "This stack is currently in a non-terminal [{status}] state. To update the stack from this state, please use the disable-rollback parameter with update-stack API."
            ),
            _ => format!("Stack:s is in {status} state and can not be updated."),
        };
        Some(xml_error(400, "ValidationError", &text))
    }
}

impl Key {
    fn of(primary: &str, state: &str, request: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (description, tag) = (text(&request["Description"]), text(&request["Tags"][0]["TagValue"]));
        let (state, primary) = (state.to_owned(), primary.to_owned());
        Self { state, description, primary, is_rotated: false, tag, is_closed: false, looks: Looks(3) }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// The function's own parameters of a stack, without the served versions and the other region's bus.
fn configuration(parameters: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let others = ["Version", "PreviousVersion", "CanaryVersion", "CanaryWeight", "PeerBus"];
    parameters
        .iter()
        .filter(|(name, _)| !others.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What a function reserves.
fn reserved(configuration: &BTreeMap<String, String>) -> u64 {
    configuration.get("ReservedConcurrency").and_then(|value| value.parse().ok()).unwrap_or_default()
}

/// The digest of a function's zip as Lambda reports it. The zip's key in the bucket is its digest.
fn digest(configuration: &BTreeMap<String, String>) -> String {
    let digest = configuration["CodeKey"].trim_start_matches("bundles/").trim_end_matches(".zip");
    let digest: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).unwrap()).collect();
    BASE64_STANDARD.encode(digest)
}

fn xml_error(status: u16, code: &str, message: &str) -> Answered {
    (
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        ),
    )
}

fn s3_error(status: u16, code: &str) -> Answered {
    (status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))
}

/// The parameters of a form. Templates are only compared, and stay encoded: they are long.
fn form(body: &str) -> BTreeMap<String, String> {
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    let value = |name: &str, value: &str| if name == "TemplateBody" { value.to_owned() } else { decoded(value) };
    pairs.map(|(name, of)| (name.to_owned(), value(name, of))).collect()
}

fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}
