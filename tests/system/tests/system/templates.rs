//! The deployer's templates with the parameters of many configurations: what a configuration accepts, cfn-lint accepts
//! of what CloudFormation is given; and the numbers and names of the templates agree with those of the host and of AWS.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tenet_core::{HostSettings, MetricSet};
use tenet_deploy::{Cluster, Config, Names, Package, Settings, region_parameters, workflow_parameters};

use crate::support::matched::matched;
use crate::support::path;
use crate::support::rehearsal::root;
use crate::support::rendered::{Asked, Rendered, rendered};

/// How many configurations are drawn that are accepted.
const DRAWN: usize = 200;

const ACCOUNT: &str = "123456789012";

const ALARM: &str = "AWS::CloudWatch::Alarm";

/// A configuration with the bundle that it deploys.
struct Drawn {
    text: String,
    config: Config,
    package: Package,
}

/// Draws a text of `tenet.toml`, of which about one in two is accepted.
fn text(rng: &mut fastrand::Rng) -> String {
    let pairs = [
        ("us-east-1", "us-west-2", "us-east-2"),
        ("eu-north-1", "eu-west-1", "eu-central-1"),
        ("ap-south-1", "ap-southeast-1", "ap-northeast-1"),
    ];
    let (one, other, witness) = pairs[rng.usize(..pairs.len())];
    let mut of = |all: &[&str]| all[rng.usize(..all.len())].to_owned();
    let name = of(&["tenet", "a", "shop-2", "a1234567890123456789"]);
    let mut text =
        format!("version = 1\nname = \"{name}\"\nregions = [\"{one}\", \"{other}\"]\nwitness = \"{witness}\"\n");
    text += &format!("architecture = \"{}\"\n", of(&["arm64", "x86_64"]));
    text += &format!("[function]\nmemory_mb = {}\n", of(&["128", "512", "1769", "10240", "10240", "10241"]));
    text += &format!("timeout_s = {}\n", of(&["5", "29", "30", "30", "900", "901"]));
    text += &format!("reserved_concurrency = {}\n", of(&["1", "50", "500"]));
    text += &format!("log_level = \"{}\"\n", of(&["TRACE", "INFO", "ERROR", "FATAL", "INFO", "info"]));
    text += &format!("log_retention_days = {}\n", of(&["1", "365", "3653", "400", "30", "100"]));
    let tokens = of(&["", "jwt = { issuer = \"https://login.example.com/\", audience = [\"a\", \"b\"] }\n"]);
    text += &format!("[http]\nrate = {}\nburst = {}\n{tokens}", of(&["1", "500"]), of(&["1", "1000", "5000"]));
    if of(&["yes", "no", "no"]) == "yes" {
        let certificate = |region| format!("{region} = \"arn:aws:acm:{region}:{ACCOUNT}:certificate/c\"");
        text += &format!(
            "domain = {{ name = \"api.example.com\", hosted_zone = \"Z0123\", certificates = {{ {}, {} }} }}\n",
            certificate(one),
            certificate(other)
        );
    }
    text += &format!("[events]\narchive_days = {}\n", of(&["0", "30", "3650"]));
    text += &format!("relay_minutes = {}\n", of(&["2", "5", "10"]));
    text += &of(&[
        "",
        "route = { operation = \"transfer\", amount = 10000 }\n",
        "route = { operation = \"Pay.now_2\", amount = -0.000001 }\n",
        "route = { operation = \"transfer\", amount = 5000000000.0 }\n",
        "route = { operation = \"transfer\", amount = inf }\n",
    ]);
    let topic = |region| format!("{region} = \"arn:aws:sns:{region}:{ACCOUNT}:alarms\"");
    let topics = format!("topics = {{ {}, {} }}\n", topic(one), topic(other));
    text += &format!("[alarms]\np99_ms = {}\n{}", of(&["1", "2000"]), of(&["", &topics]));
    text += &of(&["", "outbox_lag_s = 86400\n"]);
    text +=
        &of(&["", "[smoke]\noperation = \"write\"\nevent = \"transaction_id\"\n", "[smoke]\noperation = \"write\"\n"]);
    if of(&["yes", "yes", "no"]) == "yes" {
        text += &format!("[workflows]\nreview_amount = {}\n", of(&["1", "10000", "5000000000", "0"]));
        text += &of(&["", "review_age_h = 1\n", "review_age_h = 216\n"]);
        text += &format!("source = \"{}\"\n", of(&["dsql.application", "Ünïcode & more", "aws.mine"]));
        text += &format!("settled_type = \"{}\"\n", of(&["Transaction Created", "it's <new>", "a \\\"quoted\\\" one"]));
    }
    text
}

fn package(rng: &mut fastrand::Rng) -> Package {
    let host = HostSettings::default();
    Package {
        zip: Vec::new(),
        takes_events: rng.bool(),
        follows: rng.bool().then(|| json!({"source": ["dsql.application"], "detail-type": ["Transaction Created"]})),
        has_vault: rng.bool(),
        settings: Settings {
            connections: 1,
            metrics: ["Tenet", "Shop/Rules"][rng.usize(..2)].to_owned(),
            relay_grace_s: [host.relay_grace_s, 3600][rng.usize(..2)],
            margin_ms: host.margin_ms,
            // Half of the shortest time that a function may have.
            database_ms: vec![("write".to_owned(), 2_500)],
        },
    }
}

/// Accepted configurations, and the texts that are refused with the reason.
fn draw() -> (Vec<Drawn>, Vec<(String, String)>) {
    let mut rng = fastrand::Rng::with_seed(22);
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    while accepted.len() < DRAWN {
        let (text, package) = (text(&mut rng), package(&mut rng));
        match Config::parse(&text) {
            Ok(config) => {
                config.suits(&package.settings).unwrap();
                accepted.push(Drawn { text, config, package });
            }
            Err(error) => refused.push((text, error.to_string())),
        }
    }
    (accepted, refused)
}

/// The configuration of this repository.
fn own() -> Drawn {
    let text = fs::read_to_string(root().join("deploy/tenet.toml")).unwrap();
    let config = Config::parse(&text).unwrap();
    let package = Package { has_vault: true, ..package(&mut fastrand::Rng::with_seed(0)) };
    let host = HostSettings::default();
    let settings = Settings { relay_grace_s: host.relay_grace_s, metrics: host.metrics, ..package.settings };
    let package = Package { settings, ..package };
    Drawn { text, config, package }
}

fn cluster(region: &str, id: &str) -> Cluster {
    let id = format!("{id:a<26}");
    Cluster {
        arn: format!("arn:aws:dsql:{region}:{ACCOUNT}:cluster/{id}"),
        endpoint: format!("{id}.dsql.{region}.on.aws"),
        id,
        region: region.to_owned(),
        status: "ACTIVE".to_owned(),
        is_protected: true,
        peers: BTreeSet::new(),
        witness: None,
        kms_key: None,
    }
}

/// The stacks of a configuration: of each region its own and then that of the workflows, if there is one.
fn stacks(drawn: &Drawn) -> Vec<Asked> {
    let regions = &drawn.config.regions.served;
    let clusters = [cluster(&regions[0], "one"), cluster(&regions[1], "other")];
    let mut asked = Vec::new();
    for (place, region) in regions.iter().enumerate() {
        let key = drawn.package.has_vault.then(|| format!("arn:aws:kms:{region}:{ACCOUNT}:key/mrk-1"));
        let mut parameters = region_parameters(&drawn.config, place, &clusters, "id", &drawn.package, key);
        parameters.insert("CodeBucket".to_owned(), format!("tenet-{ACCOUNT}-{region}-bundles"));
        parameters.insert("CodeKey".to_owned(), "bundles/0.zip".to_owned());
        parameters.insert("PeerBus".to_owned(), true.to_string());
        asked.push(Asked { template: "region", region: region.clone(), parameters });
        if let Some(parameters) = workflow_parameters(&drawn.config, region) {
            asked.push(Asked { template: "workflows", region: region.clone(), parameters });
        }
    }
    asked
}

#[test]
fn what_a_configuration_accepts_cfn_lint_accepts_of_its_stacks() {
    let (accepted, refused) = draw();
    assert!(refused.len() > DRAWN / 2, "{}", refused.len());
    let keys = ["function.", "http.", "events.", "workflows."];
    for (text, error) in refused {
        assert!(keys.iter().any(|key| error.starts_with(key)), "{text}\n{error}");
    }
    // Of each in one of its regions.
    let one = |number: usize, drawn: &Drawn| {
        let region = drawn.config.regions.served[number % 2].clone();
        stacks(drawn).into_iter().filter(move |asked| asked.region == region).collect::<Vec<_>>()
    };
    let each = accepted.iter().enumerate().map(|(number, drawn)| (one(number, drawn), drawn));
    let (asked, of): (Vec<_>, Vec<_>) =
        each.flat_map(|(asked, drawn)| asked.into_iter().map(move |asked| (asked, drawn))).unzip();
    for ((asked, drawn), rendered) in asked.iter().zip(of).zip(rendered(&asked)) {
        assert_eq!(rendered.problems, Vec::<String>::new(), "{} in {}\n{}", asked.template, asked.region, drawn.text);
        every_json_is_json(&rendered);
        every_metric_exists(&rendered, &drawn.package.settings.metrics);
        a_service_is_bound_by_what_it_sends(&rendered);
        a_key_is_for_the_log_groups_of_its_stack(&rendered);
        dead_letters_outlive_their_queue(&rendered);
        every_alarm_is_sent(&rendered, !drawn.config.alarms.topics.is_empty());
        if asked.template == "region" {
            the_function_answers_before_the_api_gives_up(&rendered, &drawn.package);
            a_recovered_event_is_no_alarm(&rendered, &drawn.package);
            what_anyone_may_ask_has_a_throttle_of_its_own(&rendered);
            a_failed_event_has_one_way(&rendered);
        }
    }
}

#[test]
fn what_a_configuration_refuses_cloudformation_would_refuse() {
    let own = own();
    let changes = [
        ("region", "MemoryMb", "127"),
        ("region", "PeerBus", ""),
        ("region", "TimeoutSeconds", "901"),
        ("region", "LogLevel", "info"),
        ("region", "LogRetentionDays", "100"),
        ("region", "HttpTimeoutMs", "30001"),
        ("region", "CertificateArn", "c"),
        ("workflows", "LogRetentionDays", "0"),
        ("region", "RouteAmount", "1e3"),
        ("region", "RouteAmount", "01"),
        ("region", "RouteAmount", ".5"),
        ("workflows", "ReviewAmount", "5."),
        ("workflows", "ReviewAmount", "+5"),
        ("workflows", "UrgentAmount", "1,000"),
        ("workflows", "ReviewAgeSeconds", "864000"),
        ("region", "Name", "tenet-workflows"),
        ("workflows", "Name", "tenet-workflows"),
    ];
    let mut asked = Vec::new();
    for (template, parameter, value) in changes {
        let mut stack = stacks(&own).into_iter().find(|stack| stack.template == template).unwrap();
        stack.parameters.insert(parameter.to_owned(), value.to_owned());
        if parameter == "CertificateArn" {
            // A domain whose callers sign for one region.
            stack.parameters.insert("HostedZoneId".to_owned(), "Z0123".to_owned());
            stack.parameters.insert("DomainName".to_owned(), "api.example.com".to_owned());
        }
        asked.push(stack);
    }
    for (change, rendered) in changes.iter().zip(rendered(&asked)) {
        assert!(!rendered.problems.is_empty(), "{change:?}");
    }
}

/// The stack of the first region is made before there is a bus to forward to.
#[test]
fn a_stack_forwards_only_to_a_bus_that_is_there() {
    let mut asked: Vec<_> = stacks(&own()).into_iter().filter(|asked| asked.template == "region").collect();
    asked[0].parameters.insert("PeerBus".to_owned(), false.to_string());
    let forwards = |rendered: &Rendered| {
        rendered.resources("AWS::Events::Rule").filter(|(_, rule)| rule["Targets"][0]["RoleArn"].is_object()).count()
    };
    let rendered = rendered(&asked);
    assert_eq!(rendered.iter().map(forwards).collect::<Vec<_>>(), [0, 1]);
    for of in &rendered {
        assert_eq!(of.problems, Vec::<String>::new());
        // What the other region's rule may do is said by the bus.
        assert_eq!(of.resources("AWS::Events::EventBusPolicy").count(), 1);
    }
}

/// Numbers that a person gives the templates are the numbers of their JSON.
#[test]
fn an_amount_with_decimals_is_that_amount() {
    let own = own();
    let mut stacks: Vec<_> = stacks(&own).into_iter().take(2).collect();
    for (stack, name, amount) in [(0, "RouteAmount", "-0.5"), (1, "ReviewAmount", "10.5"), (1, "UrgentAmount", "105.0")]
    {
        stacks[stack].parameters.insert(name.to_owned(), amount.to_owned());
    }
    let rendered = rendered(&stacks);
    for rendered in &rendered {
        assert_eq!(rendered.problems, Vec::<String>::new());
        every_json_is_json(rendered);
    }
    let json = |stack: &Rendered, kind: &str, name: &str, property: &str| -> Value {
        serde_json::from_str(stack.resource(kind, name)[property].as_str().unwrap()).unwrap()
    };
    let route = json(&rendered[0], "AWS::Events::Rule", "RouteRule", "EventPattern");
    assert_eq!(route["detail"]["amount"], json!([{"numeric": [">=", -0.5]}]));
    let review = json(&rendered[1], "AWS::Events::Rule", "ReviewRule", "EventPattern");
    assert_eq!(review["$or"][0]["detail"]["amount"], json!([{"numeric": [">=", 10.5]}]));
    let machine = json(&rendered[1], "AWS::StepFunctions::StateMachine", "Review", "DefinitionString");
    assert_eq!(machine["States"]["How much"]["Choices"][0]["NumericGreaterThanEquals"], json!(105.0));
}

/// A message keeps the time of its arrival when it goes to the dead letters
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>), so that
/// these keep it for days after the latest moment at which it comes.
fn dead_letters_outlive_their_queue(rendered: &Rendered) {
    const KIND: &str = "AWS::SQS::Queue";
    // What SQS keeps by itself.
    let kept = |queue: &Value| queue["MessageRetentionPeriod"].as_u64().unwrap_or(345_600);
    for (name, queue) in rendered.resources(KIND).filter(|(_, queue)| queue["RedrivePolicy"].is_object()) {
        let target = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0].as_str().unwrap();
        assert!(kept(rendered.resource(KIND, target)) >= kept(queue) + 3 * 86_400, "{name}");
    }
}

/// The names of everything that two deployments make differ, whatever both are called, and the rights to deploy one
/// reach all of its own and nothing of the other.
#[test]
fn no_two_deployments_have_a_name_or_a_right_in_common() {
    let mut own = own();
    own.config.name = "thename".to_owned();
    let names = |region: &str, stack: &Rendered| -> Vec<(String, String)> {
        let kinds = [
            ("AWS::IAM::Role", "RoleName"),
            ("AWS::Logs::LogGroup", "LogGroupName"),
            ("AWS::Lambda::Function", "FunctionName"),
            ("AWS::Events::EventBus", "Name"),
            ("AWS::Events::Archive", "ArchiveName"),
            ("AWS::SQS::Queue", "QueueName"),
            ("AWS::Scheduler::Schedule", "Name"),
            ("AWS::StepFunctions::StateMachine", "StateMachineName"),
            (ALARM, "AlarmName"),
            ("AWS::CloudWatch::Dashboard", "DashboardName"),
        ];
        let all = kinds.iter().flat_map(|(kind, property)| {
            stack.resources(kind).filter_map(move |(_, of)| Some((*kind, of[property].as_str()?.to_owned())))
        });
        // Roles are of all regions.
        all.map(|(kind, name)| {
            (if kind == "AWS::IAM::Role" { kind.to_owned() } else { format!("{region} {kind}") }, name)
        })
        .collect()
    };
    let asked = stacks(&own);
    let mut made: Vec<_> = rendered(&asked).iter().zip(&asked).flat_map(|(of, at)| names(&at.region, of)).collect();
    let of = Names { name: own.config.name.clone(), account: ACCOUNT.to_owned() };
    for region in &own.config.regions.served {
        made.push((format!("{region} stack"), of.stack().to_owned()));
        made.push((format!("{region} stack"), of.workflows()));
        made.push((format!("{region} alias"), of.vault_key()));
        made.push(("bucket".to_owned(), of.bucket(region)));
    }
    // CloudFormation names the roles of the second stack after it, its own name for them, and letters.
    for role in ["StartRole", "ReviewRole"] {
        made.push(("AWS::IAM::Role".to_owned(), format!("{}-{role}-A1B2C3D4E5F6", of.workflows())));
    }
    let rights = rights(&own.config);
    assert!(made.len() > 70 && made.iter().all(|(_, name)| name.contains("thename")), "{made:#?}");

    let words = ["a", "b", "workflows", "dead", "letters", "reviews", "review", "vault", "relay", "us", "east", "1"];
    let mut rng = fastrand::Rng::with_seed(5);
    let mut name = || loop {
        let parts: Vec<_> = (0..rng.usize(1..5)).map(|_| words[rng.usize(..words.len())]).collect();
        let name = parts.join("-");
        let text = format!("version = 1\nname = \"{name}\"\nregions = [\"us-east-1\", \"us-west-2\"]\n");
        if Config::parse(&text).is_ok() {
            return name;
        }
    };
    for _ in 0..2000 {
        let (one, other) = (name(), name());
        let all = |name: &str| -> BTreeSet<_> {
            made.iter().map(|(kind, of)| (kind.clone(), of.replace("thename", name))).collect()
        };
        let common: Vec<_> = all(&one).intersection(&all(&other)).cloned().collect();
        assert!(one == other || common.is_empty(), "{one} and {other}: {common:?}");
    }
    for _ in 0..300 {
        let (one, other) = (name(), name());
        let rights: Vec<_> = rights.iter().map(|pattern| pattern.replace("NAME", &one)).collect();
        for (kind, name) in &made {
            let arn = arn(kind, &name.replace("thename", &other));
            let reached = rights.iter().find(|pattern| is_like(arn.as_bytes(), pattern.as_bytes()));
            assert_eq!(reached.is_some(), one == other, "{one} and {other}'s {arn}: {reached:?}");
        }
    }
}

/// The resources that the rights to deploy name by the deployment's name, which is NAME in them.
fn rights(config: &Config) -> BTreeSet<String> {
    let [one, other] = &config.regions.served;
    let mut named = BTreeSet::new();
    for file in fs::read_dir(root().join("deploy/rights")).unwrap() {
        let policy: Value = serde_json::from_reader(File::open(file.unwrap().path()).unwrap()).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            let resources = statement["Resource"].as_array().unwrap().iter().map(|arn| arn.as_str().unwrap());
            let resources = resources.filter(|arn| arn.contains("NAME"));
            named.extend(
                resources.map(|arn| arn.replace("ACCOUNT", ACCOUNT).replace("REGION1", one).replace("REGION2", other)),
            );
        }
    }
    named
}

/// The ARN of something that a deployment makes: of a type, after its region if it is of one, with this name.
fn arn(kind: &str, name: &str) -> String {
    let (region, kind) = kind.split_once(' ').unwrap_or(("", kind));
    let (service, prefix, suffix) = match kind {
        "AWS::IAM::Role" => ("iam", "role/", ""),
        "AWS::Logs::LogGroup" => ("logs", "log-group:", ""),
        "AWS::Lambda::Function" => ("lambda", "function:", ""),
        "AWS::Events::EventBus" => ("events", "event-bus/", ""),
        "AWS::Events::Archive" => ("events", "archive/", ""),
        "AWS::SQS::Queue" => ("sqs", "", ""),
        "AWS::Scheduler::Schedule" => ("scheduler", "schedule/default/", ""),
        "AWS::StepFunctions::StateMachine" => ("states", "stateMachine:", ""),
        ALARM => ("cloudwatch", "alarm:", ""),
        "AWS::CloudWatch::Dashboard" => return format!("arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}"),
        "stack" => ("cloudformation", "stack/", "/0a1b"),
        "alias" => ("kms", "", ""),
        "bucket" => return format!("arn:aws:s3:::{name}"),
        other => panic!("{other}"),
    };
    format!("arn:aws:{service}:{region}:{ACCOUNT}:{prefix}{name}{suffix}")
}

/// Whether a text is like a pattern, in which `*` is any text, as in a policy.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| is_like(&text[skipped..], rest)),
        Some((byte, rest)) => text.first() == Some(byte) && is_like(&text[1..], rest),
    }
}

/// The strings that a service reads as JSON.
fn every_json_is_json(rendered: &Rendered) {
    let kinds = [
        ("AWS::Events::Rule", "EventPattern"),
        ("AWS::CloudWatch::Dashboard", "DashboardBody"),
        ("AWS::StepFunctions::StateMachine", "DefinitionString"),
        ("AWS::Scheduler::Schedule", "Target/Input"),
        ("AWS::ApiGatewayV2::Stage", "AccessLogSettings/Format"),
    ];
    for (kind, property) in kinds {
        for (name, properties) in rendered.resources(kind) {
            if let Some(text) = properties.pointer(&format!("/{property}")).and_then(Value::as_str) {
                let read = serde_json::from_str::<Value>(text);
                assert!(read.is_ok_and(|value| value.is_object()), "{name}: {text}");
                // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
                assert!(property != "EventPattern" || text.len() <= 2048, "{name}: {text}");
            }
        }
    }
}

/// The function gives up `margin_ms` before the API does, and before Lambda.
fn the_function_answers_before_the_api_gives_up(rendered: &Rendered, package: &Package) {
    let integration = rendered.resource("AWS::ApiGatewayV2::Integration", "Integration");
    let function = rendered.resource("AWS::Lambda::Function", "Function");
    let api = integration["TimeoutInMillis"].as_u64().unwrap();
    let told = function["Environment"]["Variables"]["TENET_HTTP_TIMEOUT_MS"].as_u64().unwrap();
    // The most that an HTTP API has: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
    assert!(told == api && api <= 30_000, "{told} {api}");
    let answered = told.min(1000 * function["Timeout"].as_u64().unwrap()) - package.settings.margin_ms;
    assert!(answered < api, "{answered} {api}");
}

/// An event that is left to the relay is delivered after the grace, by the next turn or the one after it.
fn a_recovered_event_is_no_alarm(rendered: &Rendered, package: &Package) {
    let alarm = rendered.resource(ALARM, "OutboxAlarm");
    let schedule = rendered.resource("AWS::Scheduler::Schedule", "RelaySchedule")["ScheduleExpression"].as_str();
    let turn = schedule.unwrap().strip_prefix("rate(").unwrap().strip_suffix(" minutes)").unwrap();
    let turn = turn.parse::<u64>().unwrap() * 60;
    let threshold = alarm["Threshold"].as_u64().unwrap();
    let grace = package.settings.relay_grace_s;
    assert!(threshold > grace + 2 * turn, "{threshold} {grace} {turn}");
    // Each period has a turn in it, and before the first one there is no alarm.
    assert!(alarm["Period"].as_u64().unwrap() > turn && alarm["TreatMissingData"] == "missing", "{alarm}");
}

fn what_anyone_may_ask_has_a_throttle_of_its_own(rendered: &Rendered) {
    let stage = rendered.resource("AWS::ApiGatewayV2::Stage", "Stage");
    let open = rendered.resources("AWS::ApiGatewayV2::Route").filter(|(_, route)| route["AuthorizationType"] == "NONE");
    let mut count = 0;
    for (_, route) in open {
        let own = &stage["RouteSettings"][route["RouteKey"].as_str().unwrap()];
        // Route 53 sends several requests a second at times:
        // https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
        assert!(own["ThrottlingRateLimit"].as_u64() >= Some(5) && own["ThrottlingBurstLimit"].as_u64() >= Some(5));
        count += 1;
    }
    assert_eq!(count, 2);
    let format = stage["AccessLogSettings"]["Format"].as_str().unwrap();
    assert!(format.contains("\"caller\":\"$context."), "{format}");
}

fn a_failed_event_has_one_way(rendered: &Rendered) {
    let invoked = rendered.resource("AWS::Lambda::EventInvokeConfig", "Asynchronous");
    assert!(invoked["DestinationConfig"]["OnFailure"].is_object());
    assert!(rendered.resource("AWS::Lambda::Function", "Function")["DeadLetterConfig"].is_null());
}

/// A service may do what a policy allows it on conditions that it meets: each key is in the table, and each key in the
/// table is asked for.
fn a_service_is_bound_by_what_it_sends(rendered: &Rendered) {
    let rows: Vec<Vec<_>> = include_str!("support/aws_conditions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|row| row.split(' ').collect())
        .collect();
    assert!(rows.iter().all(|row| row.len() == 4 && row[3].starts_with("https://docs.aws.amazon.com/")), "{rows:?}");
    for (policy, kind, pointer) in [
        ("trust", "AWS::IAM::Role", "/AssumeRolePolicyDocument/Statement"),
        ("key", "AWS::KMS::Key", "/KeyPolicy/Statement"),
        ("queue", "AWS::SQS::QueuePolicy", "/PolicyDocument/Statement"),
    ] {
        for (name, properties) in rendered.resources(kind) {
            for statement in properties.pointer(pointer).unwrap().as_array().unwrap() {
                let Some(service) = statement["Principal"]["Service"].as_str() else { continue };
                let service = service.split('.').next().unwrap();
                let conditions = statement["Condition"].as_object();
                let keys = conditions.into_iter().flat_map(|all| all.values().flat_map(|of| of.as_object().unwrap()));
                let keys: BTreeSet<_> = keys.map(|(key, _)| key.as_str()).collect();
                let sent = rows.iter().filter(|row| row[..2] == [service, policy]).map(|row| row[2]).collect();
                assert_eq!(keys, sent, "{name}: {statement}");
            }
        }
    }
    for (name, permission) in rendered.resources("AWS::Lambda::Permission") {
        let service = permission["Principal"].as_str().unwrap().split('.').next().unwrap();
        let sent = rows.iter().any(|row| row[..3] == [service, "function", "aws:SourceArn"]);
        assert!(sent && !permission["SourceArn"].is_null(), "{name}");
    }
}

/// What a key's policy lets CloudWatch Logs encrypt is the stack's own log groups, by their whole names.
fn a_key_is_for_the_log_groups_of_its_stack(rendered: &Rendered) {
    let (_, key) = rendered.resources("AWS::KMS::Key").next().unwrap();
    let statements = key["KeyPolicy"]["Statement"].as_array().unwrap();
    let logs = statements.iter().find(|statement| statement["Sid"] == "Logs").unwrap();
    let allowed = &logs["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"];
    let allowed = allowed.as_array().cloned().unwrap_or_else(|| vec![allowed.clone()]);
    let allowed: BTreeSet<_> = allowed.iter().map(|arn| arn.as_str().unwrap().splitn(7, ':').last().unwrap()).collect();
    let groups = rendered.resources("AWS::Logs::LogGroup");
    assert_eq!(allowed, groups.map(|(_, group)| group["LogGroupName"].as_str().unwrap()).collect());
}

fn every_alarm_is_sent(rendered: &Rendered, has_topics: bool) {
    for (name, alarm) in rendered.resources(ALARM) {
        for actions in ["AlarmActions", "OKActions"] {
            assert_eq!(alarm[actions].as_array().unwrap().len(), usize::from(has_topics), "{name}");
        }
    }
}

/// Each alarm and widget looks at a metric that a service or the host publishes, with exactly its dimensions. The host's
/// are those of the function in the same stack.
fn every_metric_exists(rendered: &Rendered, namespace: &str) {
    let function = rendered.resources("AWS::Lambda::Function").next();
    let function = function.and_then(|(_, properties)| properties["FunctionName"].as_str());
    let exists = |metric: &Metric<'_>, namespace: &str| {
        let is_of_function = |(name, value): &(&str, Option<&str>)| *name != "deployment" || *value == function;
        exists(metric, namespace) && metric.2.iter().all(is_of_function)
    };
    for (name, alarm) in rendered.resources(ALARM) {
        let dimensions = alarm["Dimensions"].as_array().into_iter().flatten();
        let dimensions = dimensions.map(|of| (of["Name"].as_str().unwrap(), of["Value"].as_str())).collect();
        let metric = (alarm["Namespace"].as_str().unwrap(), alarm["MetricName"].as_str().unwrap(), dimensions);
        assert!(exists(&metric, namespace), "{name}: {metric:?}");
    }
    for (name, dashboard) in rendered.resources("AWS::CloudWatch::Dashboard") {
        let body: Value = serde_json::from_str(dashboard["DashboardBody"].as_str().unwrap()).unwrap();
        for widget in body["widgets"].as_array().unwrap() {
            for metric in widget["properties"]["metrics"].as_array().unwrap() {
                let parts: Vec<_> = metric.as_array().unwrap().iter().map_while(Value::as_str).collect();
                let dimensions = parts[2..].chunks(2).map(|pair| (pair[0], Some(pair[1]))).collect();
                let metric = (parts[0], parts[1], dimensions);
                assert!(exists(&metric, namespace), "{name}: {metric:?}");
            }
        }
    }
}

/// A namespace, a metric, and dimensions with their values unless these are another resource's attribute.
type Metric<'a> = (&'a str, &'a str, Vec<(&'a str, Option<&'a str>)>);

fn exists((of, metric, dimensions): &Metric<'_>, namespace: &str) -> bool {
    if *of == namespace {
        let mut names: BTreeSet<_> = dimensions.iter().map(|(name, _)| *name).collect();
        // Each of the host's has the deployment, so that another's are not looked at.
        if !names.remove("deployment") {
            return false;
        }
        let sets: [&[MetricSet]; 3] = [&tenet_pipeline::METRICS, &tenet_database::METRICS, &tenet_vault::METRICS];
        return sets.into_iter().flatten().any(|set| {
            let has = set.metrics.iter().any(|(name, _)| name == metric);
            has && set.dimensions.iter().any(|set| names == set.iter().copied().collect())
        });
    }
    let rows = include_str!("support/aws_metrics.txt").lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| row.split(' ').collect::<Vec<_>>()).any(|row| {
        assert!(row.len() == 4 && row[3].starts_with("https://docs.aws.amazon.com/"), "{row:?}");
        let wanted: Vec<_> =
            row[2].split(',').map(|of| of.split_once('=').map_or((of, None), |(n, v)| (n, Some(v)))).collect();
        let is_wanted = |(name, value): &(&str, Option<&str>)| {
            dimensions
                .iter()
                .any(|(other, is)| other == name && value.zip(*is).is_none_or(|(value, is)| fits(value, is)))
        };
        row[..2] == [*of, *metric] && wanted.len() == dimensions.len() && wanted.iter().all(is_wanted)
    })
}

/// Whether a dimension's value is the one of the table, in which `{id}` is a cluster's id.
fn fits(wanted: &str, is: &str) -> bool {
    let Some(before) = wanted.strip_suffix("{id}") else { return wanted == is };
    is.strip_prefix(before).is_some_and(|id| id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[test]
fn the_table_of_metrics_refuses_what_no_service_publishes() {
    let id = "a".repeat(26);
    let usage = |resource: &str| -> bool {
        let cluster = [("Service", "AuroraDSQL"), ("Type", "Resource"), ("Resource", "ClusterConnectionCount")];
        let mut dimensions: Vec<_> = cluster.map(|(name, value)| (name, Some(value))).to_vec();
        dimensions.push(("Class", Some("None")));
        if !resource.is_empty() {
            dimensions.push(("ResourceId", Some(resource)));
        }
        exists(&("AWS/Usage", "ResourceCount", dimensions), "Tenet")
    };
    assert!(usage(&format!("cluster/{id}")));
    assert!(!usage("") && !usage(&id));
    let host = |metric, dimensions: &[&'static str]| {
        exists(&("Tenet", metric, dimensions.iter().map(|name| (*name, None)).collect()), "Tenet")
    };
    for (metric, dimensions) in [
        ("Requests", &["deployment", "region"][..]),
        ("Lag", &["deployment"]),
        ("Requests", &["deployment", "region", "operation"]),
    ] {
        assert!(host(metric, dimensions), "{metric} {dimensions:?}");
    }
    for (metric, dimensions) in [
        ("Requests", &["region"][..]),
        ("Requests", &["deployment"]),
        ("Lag", &[]),
        ("Lag", &["deployment", "region"]),
        ("Request", &["deployment", "region"]),
    ] {
        assert!(!host(metric, dimensions), "{metric} {dimensions:?}");
    }
}

#[test]
fn the_template_for_sam_has_parameters_and_variables_of_the_region_s() {
    let names = |file: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(root().join("deploy").join(file)).unwrap();
        let parameters = text.split("\nParameters:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let named = parameters.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let variables = text.lines().filter(|line| line.trim_start().starts_with("TENET_"));
        named.chain(variables).map(|line| line.trim().split(':').next().unwrap().to_owned()).collect()
    };
    let (sam, region) = (names("sam.yaml"), names("region.yaml"));
    // `tenet deploy` publishes versions itself.
    let unknown: Vec<_> = sam.difference(&region).filter(|name| *name != "DeploymentId").collect();
    assert!(unknown.is_empty() && sam.len() > 25, "{unknown:?} {sam:?}");
    let variables =
        |names: &BTreeSet<String>| names.iter().filter(|name| name.starts_with("TENET_")).cloned().collect::<Vec<_>>();
    assert_eq!(variables(&sam), variables(&region));
}

/// Each event of the workflows is worked on in one region, whatever it prefers. The patterns were matched once by
/// EventBridge's own engine too (<https://github.com/aws/event-ruler>), with the same result.
#[test]
fn one_region_works_on_an_event_whatever_region_it_prefers() {
    let own = own();
    let [one, other] = &own.config.regions.served;
    let stacks: Vec<_> = rendered(&stacks(&own)).into_iter().skip(1).step_by(2).collect();
    let values = [
        (Some(json!(one)), Some(one)),
        (Some(json!(other)), Some(other)),
        (Some(json!([other])), Some(other)),
        (Some(json!("eu-west-1")), None),
        (Some(json!(one.to_uppercase())), None),
        (Some(json!("")), None),
        (Some(json!(null)), None),
        (Some(json!(3)), None),
        (Some(json!(true)), None),
        (Some(json!({"region": one})), None),
        (None, None),
    ];
    for (rule, amount, is_worked_on) in [("SettleRule", 1, 1), ("ReviewRule", 10_000, 1), ("ReviewRule", 9_999, 0)] {
        let pattern = |stack: &Rendered| stack.resource("AWS::Events::Rule", rule)["EventPattern"].to_string();
        let text = |stack: &Rendered| serde_json::from_str::<String>(&pattern(stack)).unwrap();
        let mut asked = Vec::new();
        let mut ask = |put: &String, tenet: Option<Value>, preferred: &Option<Value>, works: &String| {
            let mut detail = json!({"amount": amount});
            for (name, value) in [("tenet", tenet), ("preferred_region", preferred.clone())] {
                if let Some(value) = value {
                    detail[name] = value;
                }
            }
            let event = json!({
                "source": "dsql.application", "detail-type": "Transaction Created", "region": put, "detail": detail,
            });
            asked.push((event, works.clone()));
        };
        for (value, preferred) in &values {
            for committed in [one, other] {
                let tenet = json!({"region": committed, "bus": committed});
                // A relay may publish in the region that did not commit it.
                for put in [one, other] {
                    ask(put, Some(tenet.clone()), value, preferred.unwrap_or(committed));
                }
                // No host's, and so on the bus that it was put on alone.
                for tenet in [
                    None,
                    Some(json!({})),
                    Some(json!(null)),
                    Some(json!("text")),
                    Some(json!({"region": "eu-west-1"})),
                    Some(json!({"region": 3})),
                ] {
                    ask(committed, tenet, value, committed);
                }
            }
        }
        let events: Vec<_> = asked.iter().map(|(event, _)| event.clone()).collect();
        let all = matched(&stacks.iter().map(text).collect::<Vec<_>>(), &events);
        for ((event, works), places) in asked.iter().zip(all) {
            let worked: Vec<_> = places.into_iter().map(|place| &own.config.regions.served[place]).collect();
            assert_eq!(worked, vec![works; is_worked_on], "{rule}: {event}");
        }
    }
}

#[test]
fn the_template_for_sam_binds_services_by_what_they_send() {
    let own = own();
    let mut stack = stacks(&own).swap_remove(0);
    let text = fs::read_to_string(root().join("deploy/sam.yaml")).unwrap();
    stack.template = "sam";
    stack.parameters.retain(|name, _| text.contains(&format!("\n  {name}:\n")));
    let rendered = rendered(&[stack]).swap_remove(0);
    assert_eq!(rendered.resources("AWS::SQS::QueuePolicy").count(), 1);
    a_service_is_bound_by_what_it_sends(&rendered);
}

#[test]
fn the_commands_of_the_runbook_are_those_of_the_services() {
    let mut python = Command::new(path("TENET_TEST_SCHEMATHESIS").with_file_name("python"))
        .arg(root().join("tests/system/tests/system/support/commands.py"))
        .stdin(File::open(root().join("deploy/README.md")).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    python.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(python.wait().unwrap().success());
    let (count, problems) = said.split_once('\n').unwrap();
    assert_eq!(problems, "");
    assert!(count.parse::<usize>().unwrap() >= 10, "{count}");
}

#[test]
fn the_runbook_counts_what_the_templates_have() {
    let readme = fs::read_to_string(root().join("deploy/README.md")).unwrap();
    let words = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let own = own();
    let stacks = rendered(&stacks(&own));
    let count = |kind: &str| stacks.iter().map(|stack| stack.resources(kind).count()).sum::<usize>();
    let turns = 24 * 60 / own.config.events.relay_minutes;
    let keys = count("AWS::KMS::Key");
    // A health check is only made for a domain, which this configuration does not have.
    let idle = format!(
        "{} keys of KMS ({keys} of the stacks, 2 of the vault), {} alarms, {} dashboards, and {turns} turns of each region's relay a day",
        keys + 2,
        count(ALARM),
        count("AWS::CloudWatch::Dashboard"),
    );
    assert!(words.contains(&idle), "deploy/README.md does not say: {idle}");
    let a_region = format!("{} alarms and a dashboard a region", count(ALARM) / 2);
    assert!(words.contains(&a_region), "deploy/README.md does not say: {a_region}");
    // Each alarm has a row.
    for (_, alarm) in stacks.iter().flat_map(|stack| stack.resources(ALARM)) {
        let name = alarm["AlarmName"].as_str().unwrap().strip_prefix("tenet-").unwrap();
        assert!(readme.lines().any(|line| line.starts_with("| `") && line.contains(&format!("`{name}`"))), "{name}");
    }
}
