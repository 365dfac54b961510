//! The tables that rules are granted: as the schema's steps create them, and as a database has
//! them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::json;
use tenet_core::bundle::{INDEX, Index};
use tenet_database::{Database, Endpoint};
use tenet_events::Buses;
use tenet_test_support::http::Answer;
use tenet_test_support::serve::Served;
use tenet_test_support::{Relay, awaited};

use crate::lambda::{Lambda, bootstrap};
use crate::support::bundle::bundle;
use crate::support::eventbridge::Bus;
use crate::support::host::{EAST, Host, TIME};
use crate::support::shop::root;
use crate::support::tenet::{Ended, run, tenet};
use crate::support::{self, path};

const MANIFEST: &str = "version = 1\n[operations.show-account]\nrules = [\"show-account\"]\nread_only = true\n";

/// A bundle with one compiled rule and the examples' schema, so that its build compiles no Rust.
struct Finished(tempfile::TempDir);

impl Finished {
    fn new() -> Self {
        let (out, _) = bundle("rules");
        let this = Self(tempfile::tempdir().unwrap());
        let source = root().join("guest/rules");
        fs::create_dir_all(this.path("rules/show-account")).unwrap();
        fs::create_dir(this.path("schema")).unwrap();
        fs::copy(out.join("rules/show-account.wasm"), this.path("rules/show-account/rule.wasm")).unwrap();
        fs::copy(source.join("rules/show-account/rule.toml"), this.path("rules/show-account/rule.toml")).unwrap();
        for step in fs::read_dir(source.join("schema")).unwrap() {
            let step = step.unwrap();
            fs::copy(step.path(), this.path("schema").join(step.file_name())).unwrap();
        }
        fs::write(this.path("tenet.toml"), MANIFEST).unwrap();
        this
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    /// Grants what the rule's manifest requests, including this, and builds.
    fn build_asking(&self, asked: &str) -> Ended {
        let manifest = format!("version = 1\ndescription = \"Shows.\"\n{asked}");
        fs::write(self.path("rules/show-account/rule.toml"), manifest).unwrap();
        self.build()
    }

    fn build(&self) -> Ended {
        let granted = tenet(self.0.path(), &["grant"]);
        assert_eq!(granted.code, 0, "{}", granted.stderr);
        tenet(self.0.path(), &["build"])
    }

    /// The output of a build with this folder for temporary files, where a private server would be.
    fn build_in(&self, temporary: &Path) -> Ended {
        let mut command = Command::new(path("TENET_TEST_TENET"));
        run(command.arg("build").current_dir(self.0.path()).env("TMPDIR", temporary))
    }
}

#[test]
fn what_is_granted_and_not_made_fails_the_build_where_it_stands() {
    let finished = Finished::new();
    let refused = finished.build_asking("[tables.accounts]\nselect = [\"id\", \"balence\"]\n");
    let told = r#"  error[T0303]: the rule show-account is granted balence of accounts, which has no such column
   ,-[rules/show-account/rule.toml:4:17]
 3 | [tables.accounts]
 4 | select = ["id", "balence"]
   :                 ^^^^^^^^^
   `----
  help: did you mean `balance`?
"#;
    assert!(refused.code == 3 && refused.stderr.ends_with(told), "{}", refused.stderr);
    for (asked, what) in [
        ("[tables.acounts]\nselect = [\"id\"]\n", "the table acounts, and no step of the schema makes it"),
        ("[tables.\"bank.rates\"]\ndelete = true\n", "the table bank.rates, and no step of the schema makes it"),
        ("sequences = [\"transaction_number\"]\n", "the sequence transaction_number, and no step of the schema"),
        ("[vault.accounts]\nseal = [\"iban\"]\n", "iban of accounts, which has no such column"),
    ] {
        let refused = finished.build_asking(asked);
        let told = format!("error[T0303]: the rule show-account is granted {what}");
        assert!(refused.code == 3 && refused.stderr.contains(&told), "{asked}: {}", refused.stderr);
    }
    // A column added by a later step belongs to the table.
    fs::write(finished.path("schema/0008_iban.sql"), "ALTER TABLE accounts ADD COLUMN IF NOT EXISTS iban bytea")
        .unwrap();
    let built = finished.build_asking("[vault.accounts]\nseal = [\"iban\"]\n");
    assert_eq!(built.code, 0, "{}", built.stderr);
    // A step that every database refuses is named in the error.
    fs::write(finished.path("schema/0009_more.sql"), "ALTER TABLE acounts ADD COLUMN more int").unwrap();
    let refused = finished.build();
    assert!(refused.code == 3 && refused.stderr.contains("error[T0301]: schema/0009_more.sql cannot be applied"));
    assert!(refused.stderr.contains("relation \"acounts\" does not exist"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_of_the_bundle_that_one_stands_in_and_tells_what_that_no_longer_has() {
    let database = support::empty_database().await;
    let finished = Finished::new();
    fs::write(finished.path("schema/0008_notes.sql"), "CREATE TABLE IF NOT EXISTS notes (id int PRIMARY KEY)").unwrap();
    assert_eq!(finished.build().code, 0);
    let schema = |what: &str| tenet(finished.0.path(), &["schema", what, "--database-url", database.url()]);
    let plan = schema("plan");
    let to_do = "to do    bundle/schema/0008_notes.sql             CREATE TABLE IF NOT EXISTS notes";
    assert!(plan.code == 2 && plan.stdout.contains(to_do), "{}{}", plan.stdout, plan.stderr);
    assert_eq!(schema("apply").code, 0);
    assert_eq!(schema("plan").code, 0);
    // Changes since the last build are built first.
    fs::rename(finished.path("schema/0008_notes.sql"), finished.path("schema/0009_notes.sql")).unwrap();
    let plan = schema("plan");
    assert!(plan.code == 2 && plan.stdout.contains("to do    bundle/schema/0009_notes.sql"), "{}", plan.stdout);
    assert!(plan.stdout.contains("foreign  bundle/schema/0008_notes.sql"), "{}", plan.stdout);
    let told = "schema: what is foreign was applied and is in no bundle that is named: another bundle's, or one whose \
                file is gone";
    assert!(plan.stderr.contains(told), "{}", plan.stderr);
    let grants = tenet(finished.0.path(), &["schema", "grants", "--role", "app"]);
    assert!(grants.stdout.contains("ON \"public\".\"accounts\" TO \"app\";"), "{}{}", grants.stdout, grants.stderr);
}

#[test]
fn a_schema_is_applied_once_and_again_when_it_has_changed() {
    let finished = Finished::new();
    // Also for the user that runs the server if the test runs as root.
    let temporary = tempfile::tempdir().unwrap();
    fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // The files of a first server are copied for the next one.
    let has_started = || {
        let mut left = fs::read_dir(temporary.path()).unwrap().map(|left| left.unwrap().file_name());
        left.any(|name| name.to_str().unwrap().starts_with("tenet-template-"))
    };
    let catalog =
        || Index::parse(&fs::read_to_string(finished.path("target/tenet").join(INDEX)).unwrap()).unwrap().catalog;
    assert_eq!(finished.build().code, 0);
    let table = catalog().tables["accounts"].clone();
    let column = |name| table.columns.iter().find(|column| column.name == name).unwrap().kind.clone();
    assert_eq!((column("id"), column("balance")), ("character varying(64)".into(), "numeric(38,2)".into()));
    assert!(table.constraints["accounts_pkey"].contains("id"), "{table:?}");

    assert_eq!(finished.build_in(temporary.path()).code, 0);
    assert!(!has_started());
    let step = "ALTER TABLE accounts ADD COLUMN IF NOT EXISTS note text";
    fs::write(finished.path("schema/0008_note.sql"), step).unwrap();
    let built = finished.build_in(temporary.path());
    assert!(built.code == 0 && has_started(), "{}", built.stderr);
    assert!(catalog().tables["accounts"].has("note"));
}

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
const ANN: &str = r#"{"account":"ann"}"#;

/// Opens Ann's account, always with the same key.
async fn open(served: &Served) -> Answer {
    served.operate("open-account", &[("idempotency-key", "k")], &account("ann")).await
}

fn account(name: &str) -> String {
    json!({ "account": name, "opening_balance": 1, "daily_ceiling": 1 }).to_string()
}

#[tokio::test]
async fn a_table_that_differs_is_named_and_its_operations_alone_wait_until_it_does_not() {
    let database = support::database().await;
    let served = support::serve("rules", database.url()).await;
    let opened = open(&served).await;
    assert_eq!((opened.status, served.operate("show-account", &[], ANN).await.status), (200, 200));
    served.stop().await;
    for (change, back, told) in [
        (
            "ALTER TABLE accounts ALTER daily_ceiling TYPE numeric(13,2)",
            "ALTER TABLE accounts ALTER daily_ceiling TYPE numeric(12,2)",
            "the column daily_ceiling of the database's table accounts is numeric(13,2), and numeric(12,2) in the bundle",
        ),
        (
            "ALTER TABLE accounts RENAME daily_ceiling TO ceiling",
            "ALTER TABLE accounts RENAME ceiling TO daily_ceiling",
            "the table accounts of the database has no column daily_ceiling, which is numeric(12,2) in the bundle",
        ),
        (
            "ALTER TABLE accounts RENAME TO acounts",
            "ALTER TABLE acounts RENAME TO accounts",
            "the database has no table accounts, which the bundle was built for",
        ),
    ] {
        database.execute(change).await;
        let served = support::serve("rules", database.url()).await;
        let refused = served.operate("show-account", &[], ANN).await;
        assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("schema-differs")), "{refused:?}");
        let health = served.get("/health").await;
        assert_eq!((health.status, &health.json()["code"]), (503, &json!("schema-differs")), "{health:?}");
        assert_eq!(served.operate("read", &[], "").await.status, 200);
        // Answers from before the change are repeated.
        assert_eq!(open(&served).await.body, opened.body);
        database.execute(back).await;
        assert_eq!(served.operate("show-account", &[], ANN).await.status, 200, "{told}");
        assert_eq!(served.get("/health").await.status, 200);
        let (_, log) = served.stop().await;
        assert!(log.contains("T0806") && log.contains(&format!("{told}; `tenet schema apply`")), "{log}");
        assert!(log.contains("the database has the bundle's tables now"), "{log}");
    }
    // A team adds a column before it deploys the rules that use it. A missing column affects the
    // operations whose rules are granted it.
    database.execute("ALTER TABLE accounts ADD COLUMN note text").await;
    let served = support::serve("rules", database.url()).await;
    assert_eq!(served.operate("show-account", &[], ANN).await.status, 200);
    assert_eq!(served.get("/health").await.status, 200);
    served.stop().await;
    database.execute("ALTER TABLE accounts DROP COLUMN opened_at").await;
    let served = support::serve("rules", database.url()).await;
    assert_eq!(served.operate("show-account", &[], ANN).await.status, 200);
    let other = served.operate("open-account", &[("idempotency-key", "other")], &account("bob")).await;
    assert_eq!((other.status, &other.json()["code"]), (503, &json!("schema-differs")), "{other:?}");
    assert_eq!(served.get("/health").await.json()["code"], "schema-differs");
    served.stop().await;
}

#[tokio::test]
async fn a_function_that_is_shipped_before_its_steps_waits_for_them() {
    let database = support::database().await;
    let bus = Bus::create().await;
    database.execute("ALTER TABLE accounts RENAME daily_ceiling TO ceiling").await;
    let lambda = Lambda::of(bootstrap(database.url(), bus.name())).await;
    let refused = lambda.send("POST", "/operations/show-account", &JSON, ANN).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("schema-differs")), "{refused:?}");
    assert_eq!(lambda.send("GET", "/health", &[], "").await.json()["code"], "schema-differs");
    assert_eq!(lambda.send("POST", "/operations/read", &JSON, "").await.status, 200);
    database.execute("ALTER TABLE accounts RENAME ceiling TO daily_ceiling").await;
    // A moment ago it was not ready.
    let ready = async { while lambda.send("GET", "/health", &[], "").await.json()["status"] != "ready" {} };
    awaited(ready, || "it is not ready".to_owned()).await;
    let shown = lambda.send("POST", "/operations/show-account", &JSON, ANN).await;
    assert_eq!((shown.status, &shown.json()["code"]), (422, &json!("no-account")), "{shown:?}");
}

#[tokio::test]
async fn a_new_session_is_set_up_and_the_tables_are_looked_at_without_a_round_trip() {
    let database = support::database().await;
    let relay = Relay::start(database.url()).await;
    let ledger = Database::new(Endpoint::parse(relay.url()).unwrap(), 1);
    ledger.warm(Instant::now() + TIME).await.unwrap();
    let host = Host::over(ledger, "rules", EAST, &Buses::new([EAST]).unwrap());
    for _ in 0..2 {
        relay.reset();
        let read = host.invoke(r#"{"operation":"read"}"#).await;
        assert_eq!((read.answer.status.code(), read.receipt.round_trips, relay.round_trips()), (200, 2, 2));
    }
}

#[tokio::test]
async fn an_operator_of_a_team_s_own_is_not_in_the_sight_of_a_rule_or_of_the_host() {
    let database = support::database().await;
    database
        .execute(
            "CREATE FUNCTION public.spy(varchar, text) RETURNS boolean LANGUAGE plpgsql \
             AS $$ BEGIN RAISE EXCEPTION 'the spy saw %', $1; END $$; \
             CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = text, FUNCTION = public.spy);",
        )
        .await;
    // A session with the default search path finds it.
    let client = database.connect().await;
    client.batch_execute("INSERT INTO public.accounts VALUES ('bob', 1, 1, now())").await.unwrap();
    let met = client.query("SELECT balance FROM public.accounts WHERE id = 'bob'::text", &[]).await.unwrap_err();
    assert_eq!(met.as_db_error().unwrap().message(), "the spy saw bob");

    let served = support::serve("rules", database.url()).await;
    for _ in 0..2 {
        assert_eq!(open(&served).await.status, 200);
        let shown = served.operate("show-account", &[], ANN).await;
        assert_eq!(shown.status, 200, "{shown:?}");
    }
    assert_eq!(served.get("/health").await.status, 200);
    served.stop().await;
}
