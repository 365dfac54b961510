use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tenet_core::{EventId, FollowUpId};
use tenet_engine::TARGETS;

use crate::template::Language;

/// What one begins with.
const BEGIN: &str = "\
Begin: tenet new shop && cd shop && tenet test      (--lang javascript, --lang python)
Learn: tenet explain book                           tenet explain lists all pages";

/// Builds transaction rules and runs them on this machine.
#[derive(Debug, Parser)]
#[command(name = "tenet", version, arg_required_else_help = true, after_help = BEGIN)]
pub(crate) struct Args {
    /// What is logged to standard error: `info`, or a filter such as `tenet_pipeline=debug`.
    // What AWS's credentials lack is an error of the command that wants them.
    #[arg(long, global = true, env = "TENET_LOG", default_value = "warn,aws_config=off")]
    pub(crate) log: String,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compile the rules of a bundle, first to WebAssembly components, then for a machine.
    Build(BuildArgs),
    /// Make a bundle with one rule, or a rule in a bundle.
    ///
    /// `tenet new NAME` makes a bundle in a new folder; in the folder of a bundle it makes a rule,
    /// with its operation in `tenet.toml`, a step of the schema with its table, and tests. What is
    /// there already is never written over.
    New(NewArgs),
    /// Run the tests of a bundle: the files `tests/*.toml` of the bundle and of its rules.
    ///
    /// Each has a database of its own and runs on the engine, the pipeline, the policy and the SQL
    /// that a region has. Exits with 1 if one fails.
    Test(TestArgs),
    /// Decide the requests of capsules once more, without a database, and show what is not as it
    /// was.
    ///
    /// Exits with 1 if anything is not: verdict, statements, events or log.
    Replay(ReplayArgs),
    /// Say what is missing on this machine, and the command that brings each.
    ///
    /// Exits with 1 if anything is that the bundle here needs, or that every bundle needs.
    Doctor(DoctorArgs),
    /// Replace what the rules of a bundle are written with by what this tenet brings.
    Upgrade(UpgradeArgs),
    /// Show the book, a reference, or the page of an error; without an argument, list them all.
    ///
    /// `tenet explain T0101` explains an error by its code. `rust`, `javascript` and `python` are the
    /// references of the SDKs (`tenet explain python query` shows one item), `sql` and `types` say
    /// what statements may use, `languages` what differs between the three, and `book` teaches all
    /// of it from the beginning.
    Explain(ExplainArgs),
    /// Measure what a rule costs: its share of many requests, apart from the database's.
    Bench(BenchArgs),
    /// Run one operation and print its answer.
    ///
    /// Exits with 0 if the rules accepted, 1 if one rejected, 2 if the request cannot be
    /// served as it is (or its key has another answer), 3 if it failed.
    Run(RunArgs),
    /// Serve the operations over HTTP on this machine, as two regions on one database.
    ///
    /// There is no authoriser on a laptop, so the harness is one: the token of
    /// `Authorization: Bearer NAME` is taken for the caller's name. Ends with Ctrl-C.
    Serve(ServeArgs),
    /// Serve the operations while one writes them: built anew and served as soon as something is
    /// saved, and every request told with its statements.
    Dev(DevArgs),
    /// Tell the story of one transaction: two hosts, one database, two event buses.
    Demo(DemoArgs),
    /// Check a bundle before it is shipped: its rules against the contract, what they ask for
    /// and the statements in their sources against a database, and against each other.
    ///
    /// Shows who writes which columns and who emits and takes which events. Exits with 1 if
    /// there are errors.
    Check(CheckArgs),
    /// Show what each rule asks for, is granted and uses.
    Inspect(InspectArgs),
    /// Compile a bundle for Lambda's machines and pack each with the function into a zip.
    ///
    /// Prints the SHA-256 and the path of each: packing the same again gives the same bytes.
    Pack(PackArgs),
    /// Bring a bundle up in two regions on one database, from whatever is there of it.
    ///
    /// Builds and packs the bundle, shows what there is to do, and does it: clusters, tables and
    /// roles, the zip in each region's bucket, a stack in each region, a new version of the
    /// function, a smoke test. Run again it goes on where it stopped, and changes nothing where
    /// nothing is to be changed.
    Deploy(DeployArgs),
    /// Serve the canary's version for all calls, in both regions.
    Promote(DeploymentArgs),
    /// Serve what was served before, in both regions; where there is a canary, only that goes.
    Rollback(DeploymentArgs),
    /// Show how a deployment stands, in both regions.
    ///
    /// Exits with 0 if all is well, 1 if something is not.
    Status(StatusArgs),
    /// Have both regions show that they serve, and that they are one database.
    ///
    /// What is written in one is answered by the other, and its event arrives.
    Smoke(DeploymentArgs),
    /// Show what the functions of both regions have said of a request.
    Logs(LogsArgs),
    /// Take a deployment down: its stacks and buckets. Clusters and the vault's key stay unless
    /// they are named, and what is left is listed.
    Destroy(DestroyArgs),
    /// Grant the rules what their manifests ask for, by writing grants.lock.
    ///
    /// Shows each grant that is added or removed first. Someone other than the rule's author should
    /// approve them in a review of grants.lock.
    Grant(GrantArgs),
    /// The database's tables.
    Schema {
        #[command(subcommand)]
        command: SchemaCommand,
    },
    /// The operations that follow others and wait in the database.
    Operations {
        #[command(subcommand)]
        command: OperationsCommand,
    },
    /// The events that wait in the database.
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// List the oldest events that the bus has refused for good: their ids, operations, ages and
    /// the reasons.
    Parked(DatabaseArgs),
    /// Have the relay offer parked events to the bus again.
    Release(ReleaseArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperationsCommand {
    /// List the follow-ups that wait: those that are due first, then those that are parked because they kept failing.
    List(DatabaseArgs),
    /// Show a follow-up that waits, and the others of its chain that do.
    Show(FollowUpArgs),
    /// Have the relay run follow-ups again that are parked or have failed.
    Release(FollowUpsArgs),
    /// End follow-ups that wait, so that they never run.
    Cancel(CancelArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Apply Tenet's own steps and those of bundles; what has been applied is left alone.
    Apply(ApplyArgs),
    /// Show each step and how it stands; nothing is changed.
    ///
    /// Exits with 0 if all are applied, 2 if there is something to do, 3 if a step was applied
    /// with another text or the database cannot be read.
    Plan(SchemaArgs),
    /// Write the GRANTs that give a database role what the rules of bundles are granted,
    /// and what the host itself needs.
    ///
    /// They go to standard output, one a line, for the database's administrator to read
    /// and run; on Aurora DSQL each in a transaction of its own.
    Grants(GrantsArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// The folder with `tenet.toml`.
    #[arg(default_value = ".")]
    pub(crate) bundle: PathBuf,

    /// Where the built bundle goes; unless given `target/tenet` in the bundle's folder, and
    /// with --target the folder in there that is called as the target is.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,

    /// Whom the rules are compiled for, as Lambda offers it: `x86_64`, `aarch64`, or the whole
    /// triple. This machine unless given.
    #[arg(long, value_parser = target)]
    pub(crate) target: Option<&'static str>,
}

/// The target of this name: its triple or the first part of it.
fn target(name: &str) -> Result<&'static str, String> {
    let named = |target: &&str| *target == name || target.split('-').next() == Some(name);
    let known = || format!("there are {}", TARGETS.join(" and "));
    TARGETS.into_iter().find(named).ok_or_else(known)
}

#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct NewArgs {
    /// The folder of the new bundle; where a bundle is already, the name of the new rule.
    #[arg(required_unless_present = "rule")]
    pub(crate) path: Option<PathBuf>,

    /// The name of the new bundle's first rule; without NAME that of a rule in the bundle that is here.
    #[arg(long, value_name = "NAME")]
    pub(crate) rule: Option<String>,

    /// What the rule is written in.
    ///
    /// Of TypeScript is a rule in JavaScript whose file is renamed to `rule.ts`: the build puts both, and
    /// the packages of npm that they import, into one module with esbuild, which it installs itself.
    #[arg(long, value_enum, default_value = "rust")]
    pub(crate) lang: Language,

    /// The folder with `tenet.toml` that the rule is made in.
    #[arg(long, default_value = ".")]
    pub(crate) bundle: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The folder with `tenet.toml`, which is built first.
    #[arg(default_value = ".")]
    pub(crate) bundle: PathBuf,

    /// Where the built bundle goes; unless given `target/tenet` in the bundle's folder.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,

    /// Check this component against the contract, and nothing else.
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    pub(crate) component: Option<PathBuf>,

    /// A PostgreSQL to check against, `postgres://USER@HOST:PORT/DATABASE`; its schema has to
    /// be applied. Without it a private one is started and thrown away.
    #[arg(long, env = "TENET_DATABASE_URL")]
    pub(crate) database_url: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// The folder with `tenet.toml`.
    #[arg(default_value = ".")]
    pub(crate) bundle: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PackArgs {
    /// The folder with `tenet.toml`.
    #[arg(default_value = ".")]
    pub(crate) bundle: PathBuf,

    /// Whom to pack for, as Lambda offers it: `x86_64`, `aarch64`, or the whole triple. May be
    /// given again; both unless given.
    #[arg(long = "target", value_name = "TARGET", value_parser = target)]
    pub(crate) targets: Vec<&'static str>,

    /// Where the zips go, each next to the folder with its bundle.
    #[arg(long)]
    pub(crate) out: PathBuf,

    /// The function to pack; unless given `bootstrap-TARGET` next to this program.
    #[arg(long, value_name = "FILE")]
    pub(crate) bootstrap: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeploymentArgs {
    /// What is deployed, where, and how large.
    #[arg(long, value_name = "FILE", default_value = "deploy/tenet.toml")]
    pub(crate) config: PathBuf,

    /// Where the cluster's endpoint of a region is reached, if not at the address of its own
    /// name: `us-east-1=HOST`, with `:PORT` if that is not 5432. May be given again.
    #[arg(long = "dsql-address", value_name = "REGION=HOST", value_parser = address)]
    pub(crate) addresses: Vec<(String, String)>,

    /// A PEM file with the authorities that may sign the endpoints' certificates, in place of those that
    /// browsers trust.
    #[arg(long, value_name = "FILE")]
    pub(crate) dsql_ca: Option<PathBuf>,
}

fn address(text: &str) -> Result<(String, String), &'static str> {
    let (region, host) = text.split_once('=').ok_or("it is REGION=HOST")?;
    Ok((region.to_owned(), host.to_owned()))
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,

    /// Only show what there is to do.
    ///
    /// Exits with 2 if there is something.
    #[arg(long)]
    pub(crate) plan: bool,

    /// Give the new version so many of 100 calls, until `tenet promote` or `tenet rollback`.
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "plan")]
    pub(crate) canary: Option<u8>,

    /// The function; unless given `bootstrap-TARGET` next to this program.
    #[arg(long, value_name = "FILE")]
    pub(crate) bootstrap: Option<PathBuf>,

    /// Where what is built goes; unless given `target/tenet/deploy` of the bundle.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,

    /// Leave the smoke test out.
    #[arg(long)]
    pub(crate) no_smoke: bool,
}

fn percent(text: &str) -> Result<u8, &'static str> {
    let percent = text.strip_suffix('%').unwrap_or(text).parse().ok();
    percent.filter(|percent| (1..100).contains(percent)).ok_or("it is 1% to 99%")
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,

    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,

    /// The request: its id at Lambda, the reference of its answer, or whatever its lines have in
    /// them.
    #[arg(long, value_name = "ID")]
    pub(crate) request: String,

    /// How far back, in hours.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    pub(crate) hours: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DestroyArgs {
    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,

    /// The clusters too, with all their data, and after about 60 days the vault's key.
    #[arg(long)]
    pub(crate) clusters: bool,

    /// The deployment's name: its clusters' protection from deletion is lifted.
    #[arg(long, value_name = "NAME", requires = "clusters")]
    pub(crate) lift_protection: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GrantArgs {
    /// The folder with `tenet.toml`.
    #[arg(default_value = ".")]
    pub(crate) bundle: PathBuf,

    /// Grant only to this rule, and leave the others what they have. May be given again.
    #[arg(long = "rule", value_name = "NAME")]
    pub(crate) rules: Vec<String>,

    /// Only show what would change; exits with 2 if anything would.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// Tests, or folders with tests; all of the bundle unless given.
    pub(crate) paths: Vec<PathBuf>,

    /// The folder with `tenet.toml`, which is built first, or of a built bundle.
    #[arg(long, default_value = ".")]
    pub(crate) bundle: PathBuf,

    /// Where a source is built; unless given `target/tenet` in the bundle's folder.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,

    /// Only tests with this in their name.
    #[arg(long)]
    pub(crate) filter: Option<String>,

    /// Run them again each time that a source or a test is saved; ends with Ctrl-C.
    #[arg(long)]
    pub(crate) watch: bool,

    /// Write what came of a test that failed, or that expects nothing yet, into its file as what is
    /// expected, and show the difference.
    #[arg(long)]
    pub(crate) update: bool,

    /// Show which statements, rejections and events of the rules no test reaches.
    #[arg(long)]
    pub(crate) coverage: bool,

    /// Fail where less than this is reached, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) min_coverage: Option<u8>,

    /// Write the results as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// Tell the results as JSON, one test a line.
    #[arg(long)]
    pub(crate) json: bool,

    /// Tests that run side by side; as many as there are processors unless given.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) jobs: Option<usize>,

    /// Run requests at once in this order of their flights only, as a failed test tells it.
    #[arg(long, value_name = "TURNS")]
    pub(crate) schedule: Option<String>,

    /// Run requests at once on PostgreSQL, and not on the model of Aurora DSQL.
    #[arg(long)]
    pub(crate) postgres: bool,

    /// Print the JSON Schema of test files, and run nothing.
    #[arg(long)]
    pub(crate) schema: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// The folder with `tenet.toml`, if there is one.
    #[arg(default_value = ".", conflicts_with = "deploy")]
    pub(crate) bundle: PathBuf,

    /// Say what a deploy depends on in the account of the credentials, and make nothing.
    ///
    /// The account, the regions, quotas, names, the rights of the credentials, and what will cost
    /// money while nothing is called.
    #[arg(long)]
    pub(crate) deploy: bool,

    /// The function; unless given `bootstrap-TARGET` next to this program.
    #[arg(long, value_name = "FILE", requires = "deploy")]
    pub(crate) bootstrap: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UpgradeArgs {
    /// The folder with `tenet.toml`.
    #[arg(default_value = ".")]
    pub(crate) bundle: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// A code, or a topic: book, rust, javascript, python, types, sql or languages.
    pub(crate) page: Option<String>,

    /// An item of the SDK that the topic is about, such as `query`.
    #[arg(requires = "page")]
    pub(crate) item: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// A test whose first request is measured; its `given` rows are there each time.
    pub(crate) test: PathBuf,

    /// The folder with `tenet.toml`, which is built first, or of a built bundle.
    #[arg(long, default_value = ".")]
    pub(crate) bundle: PathBuf,

    /// Where a source is built; unless given `target/tenet` in the bundle's folder.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,

    /// Requests.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) requests: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// Capsules, or folders with capsules.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// The folder with `tenet.toml`, which is built first, or of a built bundle: its rules decide.
    #[arg(long, default_value = ".")]
    pub(crate) bundle: PathBuf,

    /// Where a source is built; unless given `target/tenet` in the bundle's folder.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,

    /// Put this component in the place of a rule, `NAME=FILE`; where the operation has one rule the
    /// file is enough. May be given again.
    #[arg(long = "rule", value_name = "[NAME=]FILE")]
    pub(crate) rules: Vec<String>,

    /// Replay each so often; each time has to bring the same bytes.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(crate) times: u32,

    /// Make a test of each, in a file next to it, instead of replaying it.
    #[arg(long)]
    pub(crate) as_test: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The operation's name in `tenet.toml`.
    pub(crate) operation: String,

    /// The payload, a JSON object.
    #[arg(long, default_value = "{}")]
    pub(crate) payload: String,

    /// The idempotency key; else the payload's member that `tenet.toml` names, else a new one.
    #[arg(long)]
    pub(crate) key: Option<String>,

    /// The caller, as an authoriser would report it.
    #[arg(long)]
    pub(crate) caller: Option<String>,

    /// The folder with `tenet.toml`, which is built first, or of a built bundle.
    #[arg(long, default_value = ".")]
    pub(crate) bundle: PathBuf,

    /// Where a source is built; unless given `target/tenet` in the bundle's folder.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,

    /// Write a capsule of the request, which `tenet replay` decides once more without a database.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// The region to run in.
    #[arg(long, default_value = "us-east-1")]
    pub(crate) region: String,

    /// A file with 64 hexadecimal digits, the key that the rules' sensitive values are sealed
    /// with. Unless given it is one that everybody knows: for development.
    #[arg(long, value_name = "FILE")]
    pub(crate) vault_key: Option<PathBuf>,

    /// A PostgreSQL to use, `postgres://USER@HOST:PORT/DATABASE`; its schema has to be
    /// applied. Without it a private one is started and thrown away.
    #[arg(long, env = "TENET_DATABASE_URL")]
    pub(crate) database_url: Option<String>,

    /// Use a model of Aurora DSQL in memory, whose transactions conflict as DSQL's do: nothing waits for a lock,
    /// and of two that exclude each other the later COMMIT fails and its request runs again.
    ///
    /// Sources whose schema has changed are still built with a private PostgreSQL, which ends before.
    #[arg(long, conflicts_with = "database_url")]
    pub(crate) dsql: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The folder with `tenet.toml`, which is built first; `serve` takes a built bundle as well.
    #[arg(default_value = ".")]
    pub(crate) bundle: PathBuf,

    /// Where a source is built; unless given `target/tenet` in the bundle's folder.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,

    /// The first region's port on 127.0.0.1; the second has the next one. 0 takes any two
    /// that are free.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,

    /// A file with 64 hexadecimal digits, the key that the rules' sensitive values are sealed
    /// with. Unless given it is one that everybody knows: for development.
    #[arg(long, value_name = "FILE")]
    pub(crate) vault_key: Option<PathBuf>,

    /// A PostgreSQL to use, `postgres://USER@HOST:PORT/DATABASE`; its schema has to be
    /// applied. Without it a private one is started and thrown away.
    #[arg(long, env = "TENET_DATABASE_URL")]
    pub(crate) database_url: Option<String>,

    /// Use a model of Aurora DSQL in memory, whose transactions conflict as DSQL's do: nothing waits for a lock,
    /// and of two that exclude each other the later COMMIT fails and its request runs again.
    ///
    /// Sources whose schema has changed are still built with a private PostgreSQL, which ends before.
    #[arg(long, conflicts_with = "database_url")]
    pub(crate) dsql: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DevArgs {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,

    /// Keep what the database holds for the next time, in `target/tenet/kept.json`.
    #[arg(long, conflicts_with = "database_url")]
    pub(crate) keep: bool,

    /// Write a capsule of every request into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) record: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// The folder of the built example bundle.
    pub(crate) bundle: PathBuf,
}

/// Which database.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which_database").required(true).multiple(true).args(["database_url", "dsql_endpoint"])))]
pub(crate) struct DatabaseArgs {
    /// The database, `postgres://USER@HOST:PORT/DATABASE`.
    #[arg(long, env = "TENET_DATABASE_URL")]
    pub(crate) database_url: Option<String>,

    /// In place of it a cluster of Aurora DSQL, `ID.dsql.REGION.on.aws`, with `:PORT` if that is
    /// not 5432. The AWS credentials found here have to be allowed `dsql:DbConnectAdmin`.
    #[arg(long, value_name = "ENDPOINT", conflicts_with = "database_url")]
    pub(crate) dsql_endpoint: Option<String>,

    /// Where the endpoint is reached, if not at the address of its own name.
    #[arg(long, value_name = "HOST", requires = "dsql_endpoint")]
    pub(crate) dsql_address: Option<String>,

    /// The endpoint's region, if its name does not say it.
    #[arg(long, value_name = "REGION", requires = "dsql_endpoint")]
    pub(crate) dsql_region: Option<String>,

    /// A PEM file with the authorities that may sign the endpoint's certificate, in place of those that
    /// browsers trust.
    #[arg(long, value_name = "FILE", requires = "dsql_endpoint")]
    pub(crate) dsql_ca: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseArgs {
    /// The ids of the events, as `tenet events parked` shows them.
    #[arg(required = true, value_name = "ID", value_parser = event_id)]
    pub(crate) ids: Vec<EventId>,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FollowUpArgs {
    /// The id of the follow-up, as `tenet operations list` shows it.
    #[arg(value_name = "ID", value_parser = follow_up_id)]
    pub(crate) id: FollowUpId,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FollowUpsArgs {
    /// The ids of the follow-ups, as `tenet operations list` shows them.
    #[arg(required = true, value_name = "ID", value_parser = follow_up_id)]
    pub(crate) ids: Vec<FollowUpId>,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CancelArgs {
    #[command(flatten)]
    pub(crate) follow_ups: FollowUpsArgs,

    /// Have what follows a rejection of each follow, as if it had been rejected.
    #[arg(long)]
    pub(crate) undo: bool,
}

fn follow_up_id(text: &str) -> Result<FollowUpId, &'static str> {
    FollowUpId::parse(text).ok_or("a follow-up's id is a UUID")
}

fn event_id(text: &str) -> Result<EventId, &'static str> {
    EventId::parse(text).ok_or("an event's id is a UUID")
}

#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,

    /// The folders of built bundles, whose steps come after Tenet's own. Unless given it is the
    /// bundle that the command is run in, if there is one, which is built first.
    pub(crate) bundles: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GrantsArgs {
    /// The role that the function signs in as.
    #[arg(long)]
    pub(crate) role: String,

    /// The folders of built bundles. Unless given it is the bundle that the command is run in,
    /// which is built first.
    pub(crate) bundles: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) schema: SchemaArgs,

    /// Seconds that all of it may take: an index of a large table takes minutes.
    #[arg(long, default_value_t = 1800)]
    pub(crate) timeout: u64,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_target_goes_by_its_triple_or_its_first_part() {
        assert_eq!(target("aarch64"), Ok("aarch64-unknown-linux-gnu"));
        assert_eq!(target("x86_64-unknown-linux-gnu"), Ok("x86_64-unknown-linux-gnu"));
        assert!(target("riscv64").unwrap_err().contains("aarch64-unknown-linux-gnu"));
    }
}
