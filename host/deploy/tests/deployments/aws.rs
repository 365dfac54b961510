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
use tokio::sync::Notify;

use crate::recorded::record;

pub const ACCOUNT: &str = "123456789012";

/// All resources, in all regions.
#[derive(Clone, Debug)]
pub struct Aws(Arc<Mutex<State>>, Arc<Notify>);

#[derive(Debug, Default)]
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
    /// Actions that the caller is not allowed.
    pub denied: Vec<&'static str>,
    /// How many functions may run at once in a region, if not 1000.
    pub concurrency: BTreeMap<String, u64>,
    /// The final status of a cluster.
    pub ends_as: Option<&'static str>,
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
    looks: u32,
    pub is_protected: bool,
    pub tags: Value,
    pub witness: String,
    pub peers: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub status: String,
    looks: u32,
    pub parameters: BTreeMap<String, String>,
    template: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    pub latest: BTreeMap<String, String>,
    pub versions: Vec<BTreeMap<String, String>>,
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
}

impl Default for Aws {
    fn default() -> Self {
        Self(Arc::default(), Arc::new(Notify::new()))
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

    /// The state of all regions.
    pub fn regions(&self) -> BTreeMap<String, Regional> {
        self.state(|state| state.regions.clone())
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
            "cloudformation" | "iam" | "sts" => parameter(&body, "Action").unwrap_or_default(),
            "kms" | "events" | "sqs" => request
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
                let role = parameter(body, "RoleName").unwrap();
                (
                    200,
                    format!(
                        "<GetRoleResponse><GetRoleResult><Role><Path>/{path}/</Path><RoleName>{role}</RoleName><RoleId>r</RoleId><Arn>arn:aws:iam::{ACCOUNT}:role/{path}/{role}</Arn><CreateDate>2026-11-01T00:00:00Z</CreateDate></Role></GetRoleResult></GetRoleResponse>"
                    ),
                )
            }
            "SimulatePrincipalPolicy" => {
                let principal = parameter(body, "PolicySourceArn").unwrap();
                assert_eq!(principal, format!("arn:aws:iam::{ACCOUNT}:role/{path}/deployer"));
                let mut results = String::new();
                for number in 1.. {
                    let Some(action) = parameter(body, &format!("ActionNames.member.{number}")) else { break };
                    let decision = if self.denied.contains(&action.as_str()) { "implicitDeny" } else { "allowed" };
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
        let end = self.ends_as.unwrap_or("ACTIVE").to_owned();
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
                    looks: 2,
                    is_protected: body["deletionProtectionEnabled"] == true,
                    tags: body["tags"].clone(),
                    witness: of["witnessRegion"].as_str().unwrap().to_owned(),
                    peers,
                };
                clusters.insert(id.clone(), cluster);
                (200, json!({"identifier": id, "arn": arn(&id), "status": status, "creationTime": 1.0, "deletionProtectionEnabled": true}).to_string())
            }
            ("GET", _) => {
                let Some(cluster) = self.at(region).clusters.get_mut(&id) else { return missing() };
                // A cluster that waits for its peer waits permanently.
                if cluster.status == "CREATING" {
                    cluster.looks = cluster.looks.saturating_sub(1);
                    if cluster.looks == 0 {
                        cluster.status = end;
                    }
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
                if let Some(is_protected) = body["deletionProtectionEnabled"].as_bool() {
                    cluster.is_protected = is_protected;
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
                if cluster.is_protected {
                    return (400, json!({"__type": "ValidationException", "message": "deletion protection", "reason": "deletionProtectionEnabled"}).to_string());
                }
                cluster.status = "PENDING_DELETE".to_owned();
                let all = || ["us-east-1", "us-west-2"].into_iter();
                // Each waits until the deletion of the other is requested too.
                let is_waiting = |cluster: &Cluster| cluster.status == "PENDING_DELETE";
                if all().all(|region| self.at(region).clusters.values().all(is_waiting)) {
                    for region in all() {
                        self.at(region)
                            .clusters
                            .values_mut()
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
        let name = parameter(body, "StackName").unwrap_or_default();
        let mut parameters = BTreeMap::new();
        for number in 1.. {
            let part = |part: &str| parameter(body, &format!("Parameters.member.{number}.{part}"));
            let Some(key) = part("ParameterKey") else { break };
            parameters.insert(key, part("ParameterValue").unwrap_or_default());
        }
        let template = parameter(body, "TemplateBody").unwrap_or_default();
        // Lambda keeps 100 unreserved.
        let wanted = reserved(&parameters);
        let is_too_much = wanted > 0 && wanted + 100 > self.unreserved(region, &name);
        let regional = self.at(region);
        let missing = || xml_error(400, "ValidationError", &format!("Stack with id {name} does not exist"));
        match operation {
            "CreateStack" => {
                if regional.stacks.contains_key(&name) {
                    return xml_error(400, "AlreadyExistsException", "there is one");
                }
                if !name.ends_with("-workflows") {
                    let configuration = configuration(&parameters);
                    let versions = vec![configuration.clone()];
                    regional.functions.insert(name.clone(), Function { latest: configuration, versions });
                }
                regional.stacks.insert(
                    name,
                    Stack {
                        status: if is_too_much { "ROLLBACK_IN_PROGRESS" } else { "CREATE_IN_PROGRESS" }.to_owned(),
                        looks: 2,
                        parameters,
                        template,
                    },
                );
                (200, "<CreateStackResponse><CreateStackResult><StackId>s</StackId></CreateStackResult></CreateStackResponse>".to_owned())
            }
            "UpdateStack" => {
                let Some(stack) = regional.stacks.get_mut(&name) else { return missing() };
                if stack.status.ends_with("_IN_PROGRESS") {
                    return xml_error(400, "ValidationError", &format!("Stack is in {} state", stack.status));
                }
                if stack.parameters == parameters && stack.template == template {
                    return xml_error(400, "ValidationError", "No updates are to be performed.");
                }
                if let Some(function) = regional.functions.get_mut(&name) {
                    function.latest = configuration(&parameters);
                }
                let status = if is_too_much { "UPDATE_ROLLBACK_IN_PROGRESS" } else { "UPDATE_IN_PROGRESS" };
                *stack = Stack { status: status.to_owned(), looks: 2, parameters, template };
                (200, "<UpdateStackResponse><UpdateStackResult><StackId>s</StackId></UpdateStackResult></UpdateStackResponse>".to_owned())
            }
            "DescribeStacks" => {
                let Some(stack) = regional.stacks.get_mut(&name) else { return missing() };
                if stack.status.ends_with("_IN_PROGRESS") {
                    stack.looks = stack.looks.saturating_sub(1);
                    if stack.looks == 0 {
                        stack.status = stack.status.replace("_IN_PROGRESS", "_COMPLETE");
                    }
                }
                let Stack { status, parameters, .. } = stack.clone();
                if status == "DELETE_COMPLETE" {
                    regional.stacks.remove(&name);
                    regional.functions.remove(&name);
                    return missing();
                }
                let parameters: String = parameters
                    .iter()
                    .map(|(key, value)| {
                        format!(
                            "<member><ParameterKey>{key}</ParameterKey><ParameterValue>{}</ParameterValue></member>",
                            value.replace('&', "&amp;").replace('<', "&lt;")
                        )
                    })
                    .collect();
                let output = |key: &str, value: &str| {
                    format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>")
                };
                let outputs = [output("FirstVersion", "1"), output("ApiEndpoint", "https://api")].concat();
                (
                    200,
                    format!(
                        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackId>s</StackId><StackName>{name}</StackName><CreationTime>2026-11-01T00:00:00Z</CreationTime><StackStatus>{status}</StackStatus><Parameters>{parameters}</Parameters><Outputs>{outputs}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
                    ),
                )
            }
            "DeleteStack" => {
                if let Some(stack) = regional.stacks.get_mut(&name) {
                    (stack.status, stack.looks) = ("DELETE_IN_PROGRESS".to_owned(), 2);
                }
                (200, "<DeleteStackResponse></DeleteStackResponse>".to_owned())
            }
            "DescribeStackEvents" => {
                let event = |id: &str, logical: &str, status: &str, reason: &str| {
                    format!(
                        "<member><StackId>s</StackId><EventId>{logical}{status}</EventId><StackName>{name}</StackName><LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>{id}</PhysicalResourceId><Timestamp>2026-11-01T00:00:00Z</Timestamp><ResourceStatus>{status}</ResourceStatus><ResourceStatusReason>{reason}</ResourceStatusReason></member>"
                    )
                };
                // Newest first.
                let events = [
                    event("s", &name, "ROLLBACK_COMPLETE", ""),
                    event("b", "Bus", "CREATE_FAILED", "Resource creation cancelled"),
                    event("f", "Function", "CREATE_FAILED", "too much concurrency is reserved"),
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
        let Some(function) = self.at(region).functions.get_mut(&name) else {
            return (404, json!({"__type": "ResourceNotFoundException", "Message": "no function"}).to_string());
        };
        match (method, what) {
            ("GET", "configuration") => {
                let version = uri
                    .query()
                    .and_then(|query| query.strip_prefix("Qualifier="))
                    .and_then(|version| version.parse::<usize>().ok());
                let latest = &function.latest;
                let of = version.map_or(latest, |version| &function.versions[version - 1]);
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
                if function.versions.last() != Some(&function.latest) {
                    function.versions.push(function.latest.clone());
                }
                (201, json!({"FunctionName": name, "Version": function.versions.len().to_string()}).to_string())
            }
            ("POST", "invocations") => (200, json!({"statusCode": 200, "body": "{\"status\":\"ready\"}"}).to_string()),
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
        let metadata = |region: &str, id: &str, key: &Key| json!({"KeyId": id, "Arn": format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}"), "Description": key.description, "KeyState": key.state, "MultiRegion": true});
        let regional = self.at(region);
        match operation {
            "DescribeKey" => {
                let asked = text("KeyId");
                let id = regional.aliases.get(&asked).cloned().unwrap_or(asked);
                match regional.keys.get(&id) {
                    Some(key) => (200, json!({"KeyMetadata": metadata(region, &id, key)}).to_string()),
                    None => (400, json!({"__type": "NotFoundException", "message": "no key"}).to_string()),
                }
            }
            "ListKeys" => {
                let keys: Vec<_> = regional.keys.keys().map(|id| json!({"KeyId": id})).collect();
                (200, json!({"Keys": keys, "Truncated": false}).to_string())
            }
            "CreateKey" => {
                let id = format!("mrk-{}", regional.keys.len() + 1);
                let key = Key { state: "Enabled".to_owned(), description: text("Description") };
                let answer = json!({"KeyMetadata": metadata(region, &id, &key)}).to_string();
                regional.keys.insert(id, key);
                (200, answer)
            }
            "ReplicateKey" => {
                let key = Key { state: "Enabled".to_owned(), description: text("Description") };
                self.at(&text("ReplicaRegion")).keys.insert(text("KeyId"), key);
                (200, "{}".to_owned())
            }
            "EnableKeyRotation" => (200, "{}".to_owned()),
            "CreateAlias" => {
                regional.aliases.insert(text("AliasName"), text("TargetKeyId"));
                (200, "{}".to_owned())
            }
            "DeleteAlias" => {
                regional.aliases.remove(&text("AliasName"));
                (200, "{}".to_owned())
            }
            "ScheduleKeyDeletion" => {
                regional.keys.get_mut(&text("KeyId")).unwrap().state = "PendingDeletion".to_owned();
                (200, json!({"KeyId": text("KeyId")}).to_string())
            }
            other => panic!("{other}"),
        }
    }
}

/// The function's own parameters of a stack, without the served versions.
fn configuration(parameters: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let of_alias = ["Version", "PreviousVersion", "CanaryVersion", "CanaryWeight"];
    parameters
        .iter()
        .filter(|(name, _)| !of_alias.contains(&name.as_str()))
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

/// A parameter of a form.
fn parameter(form: &str, name: &str) -> Option<String> {
    let value = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
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
    Some(String::from_utf8(bytes).unwrap())
}
