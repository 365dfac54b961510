//! The statement policy against PostgreSQL itself.
//!
//! Whatever the policy passes is run by a role that has exactly what is granted. PostgreSQL must
//! never miss a right, since it would then have touched what is not granted; nor must the
//! transaction, the session or the canary change.

use std::time::{Duration, Instant};

use tenet_core::{Catalog, Grants};
use tenet_database::{Endpoint, Inventory};
use tenet_pipeline::Status;
use tenet_policy::{canonical, only_reads, privileges};
use tenet_test_support::sentences::{GRANTS, SCHEMA, Sentences};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::support;
use crate::support::bundle::bundle;
use crate::support::database::{Database, empty_database};
use crate::support::host::Regions;
use crate::support::tenet::tenet;

/// How many statements a run of the tests tries.
const SHORT: u64 = 15_000;

/// Minutes and seed of a longer run: `cargo xtask fuzz`.
const MINUTES: &str = "TENET_TEST_FUZZ_MINUTES";
const SEED: &str = "TENET_TEST_FUZZ_SEED";

/// NULL of whatever type is wanted.
#[derive(Debug)]
struct Null;

impl ToSql for Null {
    fn to_sql(
        &self,
        _: &Type,
        _: &mut tokio_postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(IsNull::Yes)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

struct World {
    database: Database,
    grants: Grants,
    catalog: Catalog,
    role: String,
}

impl World {
    async fn new() -> Self {
        let database = empty_database().await;
        database.execute(SCHEMA).await;
        let grants: Grants = serde_json::from_str(GRANTS).unwrap();
        let role = format!("fuzz_{}", database.name());
        database.execute(&format!("CREATE ROLE {role} LOGIN")).await;
        for statement in privileges(&grants, &role) {
            database.execute(&statement).await;
        }
        let catalog = catalog(&database).await;
        Self { database, grants, catalog, role }
    }

    /// Somebody who has what is granted and no more.
    async fn somebody(&self) -> Client {
        let client = self.database.connect().await;
        client
            .batch_execute(&format!("SET SESSION AUTHORIZATION {}; SET statement_timeout = '5s'", self.role))
            .await
            .unwrap();
        client
    }

    /// What must stay as it is.
    async fn canary(&self) -> String {
        let sql = "SELECT (SELECT string_agg(c::text, ',') FROM canary c) || (SELECT is_called FROM canary_trace)::text \
                   || (SELECT count(*) FROM pg_largeobject_metadata)::text";
        self.database.text(sql).await
    }

    async fn end(self) {
        self.database.execute(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role)).await;
    }
}

/// The tables of a database.
async fn catalog(database: &Database) -> Catalog {
    let endpoint = Endpoint::parse(database.url()).unwrap();
    Inventory::read(&endpoint).await.unwrap().tables().clone()
}

/// What a session and its transaction look like from within.
async fn state(client: &Client) -> Result<String, tokio_postgres::Error> {
    let sql = "SELECT concat_ws(',', pg_current_xact_id(), current_setting('search_path'), current_setting('role'), \
               current_setting('transaction_isolation'), current_setting('statement_timeout'), session_user, \
               (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_listening_channels()))";
    Ok(client.query_typed(sql, &[]).await?.first().unwrap().get(0))
}

/// Runs a statement that the policy has passed, and says what is wrong if something is.
async fn run(client: &Client, sql: &str) -> Result<bool, String> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    let before = state(client).await.unwrap();
    let ran = async {
        let statement = client.prepare(sql).await?;
        let nulls: Vec<&(dyn ToSql + Sync)> = statement.params().iter().map(|_| &Null as _).collect();
        client.query(&statement, &nulls).await
    }
    .await;
    let verdict = match &ran {
        Ok(_) => match state(client).await {
            Ok(after) if without_count(&after) == without_count(&before) => Ok(true),
            after => Err(format!("the session was {before} and is {after:?}")),
        },
        Err(error) => {
            let error = error.as_db_error().map(|error| (error.code().code().to_owned(), error.message().to_owned()));
            match error {
                Some((code, message)) if code == "42501" => Err(format!("PostgreSQL misses a right: {message}")),
                Some((_, message)) if message.contains("multiple commands") => Err(message),
                Some(_) => match state(client).await.map_err(|error| error.code().map(|code| code.code().to_owned())) {
                    Err(Some(code)) if code == "25P02" => Ok(false),
                    other => Err(format!("after its error the transaction is not failed: {other:?}")),
                },
                None => Err("the connection was lost".to_owned()),
            }
        }
    };
    client.batch_execute("ROLLBACK").await.unwrap();
    verdict
}

/// What a prepared statement gives, or its error.
fn shape(
    prepared: &Result<tokio_postgres::Statement, Option<SqlState>>,
) -> Result<Vec<(String, Type)>, Option<SqlState>> {
    let columns = |statement: &tokio_postgres::Statement| {
        statement.columns().iter().map(|column| (column.name().to_owned(), column.type_().clone())).collect()
    };
    prepared.as_ref().map(columns).map_err(Clone::clone)
}

/// Without the number of prepared statements, of which ours is one.
fn without_count(state: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = state.split(',').collect();
    parts.remove(parts.len() - 2);
    parts
}

#[tokio::test]
async fn what_the_policy_passes_touches_nothing_that_is_not_granted() {
    let world = World::new().await;
    let client = world.somebody().await;
    let canary = world.canary().await;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number(SEED).unwrap_or(6);
    let until = number(MINUTES).map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    let mut sentences = Sentences::new(seed);
    let (mut tried, mut passed, mut answered, mut findings) = (0_u64, 0_u64, 0_u64, Vec::new());
    while until.map_or(tried < SHORT, |until| Instant::now() < until) {
        let sql = sentences.next_one();
        tried += 1;
        let Ok(sent) = canonical(&sql, &world.grants, &world.catalog) else { continue };
        passed += 1;
        match run(&client, &sent).await {
            Ok(ran) => answered += u64::from(ran),
            Err(why) => findings.push(format!("{sql:?}, sent as {sent:?}: {why}")),
        }
        // What PostgreSQL can read as it was written means the same as it is sent.
        let both = [client.prepare(&sql).await, client.prepare(&sent).await];
        if let [own, sent_form] = both.map(|prepared| prepared.map_err(|error| error.code().cloned()))
            && !matches!(&own, Err(Some(code)) if *code == SqlState::SYNTAX_ERROR)
            && shape(&own) != shape(&sent_form)
        {
            findings.push(format!("{sql:?} is {:?} and {sent:?} is {:?}", shape(&own), shape(&sent_form)));
        }
        // Not at each one: it is another connection.
        if passed % 200 == 0 && world.canary().await != canary {
            findings.push(format!("the canary was touched at or before {sql:?}"));
            break;
        }
    }
    println!(
        "seed {seed}: {tried} statements, {passed} passed, {answered} of those answered, {} findings",
        findings.len()
    );
    assert_eq!(world.canary().await, canary);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    // A policy that passes nothing would pass this test.
    assert!(passed * 10 > tried && answered * 3 > passed, "{tried} {passed} {answered}");
    drop(client);
    world.end().await;
}

/// What the short-cut for first statements says is held against a READ ONLY transaction.
#[tokio::test]
async fn what_is_taken_for_a_read_writes_nothing() {
    let world = World::new().await;
    let client = world.database.connect().await;
    let mut sentences = Sentences::new(7);
    let mut reads = 0;
    for _ in 0..2_000 {
        let sql = sentences.next_one();
        // A lock wants a transaction that may write, and a function that is called by a row's name,
        // as in `a.touch`, no text shows: a column of that name has to be granted first.
        if !only_reads(&sql) || sql.contains("touch") || sql.to_uppercase().contains("UPDATE") {
            continue;
        }
        reads += 1;
        client.batch_execute("BEGIN READ ONLY").await.unwrap();
        if let Ok(statement) = client.prepare(&sql).await {
            let nulls: Vec<&(dyn ToSql + Sync)> = statement.params().iter().map(|_| &Null as _).collect();
            if let Err(error) = client.query(&statement, &nulls).await {
                assert_ne!(error.code().map(|code| code.code()), Some("25006"), "{sql:?}: {error}");
            }
        }
        client.batch_execute("ROLLBACK").await.unwrap();
    }
    assert!(reads > 200, "{reads}");
    drop(client);
    world.end().await;
}

/// The GRANTs that `tenet schema grants` writes are enough for the bundle and its host, and for
/// nothing else.
#[tokio::test]
async fn the_role_of_the_database_is_a_second_wall() {
    let database = support::database().await;
    let (folder, _) = bundle("rules");
    let role = format!("app_{}", database.name());
    database.execute(&format!("CREATE ROLE {role} LOGIN")).await;
    let written = tenet(&folder, &["schema", "grants", "--role", &role, folder.to_str().unwrap()]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    for statement in written.stdout.lines() {
        database.execute(statement).await;
    }
    let url = database.url().replacen("//admin@", &format!("//{role}@"), 1);
    let regions = Regions::start("rules", &url);
    for event in [
        r#"{"operation":"open-account","account":"a","opening_balance":10.00,"daily_ceiling":5.00}"#,
        r#"{"operation":"open-account","account":"b","opening_balance":0.00,"daily_ceiling":5.00}"#,
        r#"{"operation":"transfer","transfer_id":"1","from":"a","to":"b","amount":2.50}"#,
        r#"{"operation":"show-account","account":"b"}"#,
        r#"{"operation":"write","transaction_id":"t","amount":1.50}"#,
        r#"{"operation":"read"}"#,
    ] {
        let handled = regions.east.invoke(event).await;
        assert_eq!(handled.answer.status, Status::Accepted, "{event}: {}", handled.answer.body);
    }
    assert!(regions.east.relay().await.complete);
    // The harness gets by with it too.
    let shown = tenet(
        &folder,
        &["run", "show-account", "--payload", r#"{"account":"b"}"#, "--database-url", &url, "--bundle", "."],
    );
    assert_eq!((shown.code, shown.stdout.contains("2.50")), (0, true), "{}{}", shown.stdout, shown.stderr);
    let client = database.connect().await;
    client.batch_execute(&format!("SET SESSION AUTHORIZATION {role}")).await.unwrap();
    for sql in [
        "SELECT opened_at FROM accounts",
        "UPDATE accounts SET daily_ceiling = 9",
        "DELETE FROM ledger",
        "INSERT INTO transactions (id, status) VALUES ('x', 'y')",
        "UPDATE tenet.keys SET answer = ''",
        "DELETE FROM tenet.steps",
        "CREATE TABLE mine (id int)",
    ] {
        let error = client.batch_execute(sql).await.unwrap_err();
        assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{sql}: {error}");
    }
    drop((client, regions));
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
