//! Schema steps: on PostgreSQL, and on a stand-in for Aurora DSQL, which builds indexes in the
//! background.

use std::time::{Duration, Instant};

use tenet_database::{Endpoint, Schema, Standing};
use tenet_harness::Model;
use tenet_test_support::{Dsql, Terms};

use crate::follow_ups::run;
use crate::support::database::Database;
use crate::support::host::{EAST, TIME};
use crate::support::{self, tenet};
use crate::{dsql, support::bundle};

fn later() -> Instant {
    Instant::now() + TIME
}

fn step(name: &str, sql: &str) -> (String, String) {
    (name.to_owned(), sql.to_owned())
}

const BY_VALUE: &str = "CREATE UNIQUE INDEX ASYNC IF NOT EXISTS by_value ON counters (value)";

/// A stand-in in front of a database with every schema, and its administrator's endpoint.
async fn cluster() -> (Database, Dsql, Endpoint) {
    let database = support::database().await;
    let stand_in = Dsql::start(database.url(), Terms::of(EAST)).await;
    let endpoint = dsql::endpoint(&stand_in).await;
    (database, stand_in, endpoint)
}

async fn remembered(database: &Database, name: &str) -> i64 {
    database.count(&format!("select count(*) from tenet.steps where name = 'bundle/{name}'")).await
}

#[tokio::test]
async fn an_index_is_waited_for_and_remembered_when_it_is_valid() {
    let (database, stand_in, endpoint) = cluster().await;
    stand_in.slow_jobs(2);
    Schema::apply(&endpoint, &[step("1", BY_VALUE)], later()).await.unwrap();
    assert_eq!(remembered(&database, "1").await, 1);
    assert_eq!(stand_in.refused(), [""; 0]);
    // Another step that finds the index is done at once.
    Schema::apply(&endpoint, &[step("1", BY_VALUE), step("2", BY_VALUE)], later()).await.unwrap();
    assert_eq!(remembered(&database, "2").await, 1);
}

#[tokio::test]
async fn an_index_that_cannot_be_built_is_named_with_what_to_do_and_never_remembered() {
    let (database, _stand_in, endpoint) = cluster().await;
    database.execute("insert into counters values (1, 7), (2, 7)").await;
    for _ in 0..2 {
        // The second time the index exists and is invalid, which is also an error.
        let error = Schema::apply(&endpoint, &[step("1", BY_VALUE)], later()).await.unwrap_err().to_string();
        assert!(error.contains("bundle/1") && error.contains("DROP INDEX by_value"), "{error}");
        assert_eq!(remembered(&database, "1").await, 0);
    }
    database.execute("drop index by_value; delete from counters where id = 2").await;
    Schema::apply(&endpoint, &[step("1", BY_VALUE)], later()).await.unwrap();
}

#[tokio::test]
async fn an_index_that_takes_longer_than_there_is_time_is_named_and_found_again() {
    let (database, stand_in, endpoint) = cluster().await;
    stand_in.slow_jobs(1_000);
    let steps = [step("1", BY_VALUE)];
    let error = Schema::apply(&endpoint, &steps, Instant::now() + Duration::from_secs(3)).await.unwrap_err();
    assert!(error.to_string().contains("bundle/1") && error.to_string().contains("time ran out"), "{error}");
    assert_eq!(remembered(&database, "1").await, 0);
    stand_in.slow_jobs(0);
    Schema::apply(&endpoint, &steps, later()).await.unwrap();
    assert_eq!(remembered(&database, "1").await, 1);
}

#[tokio::test]
async fn two_that_apply_the_same_steps_at_once_do_no_harm() {
    let database = support::empty_database().await;
    let stand_in = Dsql::start(database.url(), Terms::of(EAST)).await;
    let endpoint = dsql::endpoint(&stand_in).await;
    let steps = [step("1", "CREATE TABLE IF NOT EXISTS counters (id int PRIMARY KEY, value int)"), step("2", BY_VALUE)];
    let both = tokio::join!(Schema::apply(&endpoint, &steps, later()), Schema::apply(&endpoint, &steps, later()));
    assert_eq!((both.0.unwrap(), both.1.unwrap()), (11, 11));
    assert_eq!(database.count("select count(*) from tenet.identity").await, 1);
    assert_eq!(database.count("select count(*) from pg_index where not indisvalid").await, 0);
}

#[tokio::test]
async fn one_file_serves_dsql_and_postgresql() {
    let database = support::database().await;
    let endpoint = Endpoint::parse(database.url()).unwrap();
    Schema::apply(&endpoint, &[step("1", BY_VALUE)], later()).await.unwrap();
    assert_eq!(database.count("select count(*) from pg_indexes where indexname = 'by_value'").await, 1);
    let of_recipe = "select count(*) from pg_indexes where indexname in \
                     ('idx_transactions_timestamp', 'idx_transactions_region')";
    assert_eq!(database.count(of_recipe).await, 2);
    assert_eq!(database.count("select count(*) from pg_sequences where cache_size = 65536").await, 1);
}

#[tokio::test]
async fn a_plan_says_how_each_step_stands_and_changes_nothing() {
    let database = support::empty_database().await;
    let endpoint = Endpoint::parse(database.url()).unwrap();
    let table = step("1", "CREATE TABLE IF NOT EXISTS t (i int PRIMARY KEY)");
    let plan = async |steps: &[(String, String)]| {
        let plan = Schema::plan(&endpoint, steps, later()).await.unwrap();
        plan.into_iter()
            .filter(|planned| planned.step.starts_with("bundle/"))
            .map(|planned| planned.standing)
            .collect::<Vec<_>>()
    };
    assert_eq!(plan(std::slice::from_ref(&table)).await, [Standing::ToDo]);
    assert_eq!(database.count("select count(*) from pg_namespace where nspname = 'tenet'").await, 0);
    Schema::apply(&endpoint, std::slice::from_ref(&table), later()).await.unwrap();
    let edited = step("1", "CREATE TABLE IF NOT EXISTS t (i int)");
    let new = step("2", "CREATE TABLE IF NOT EXISTS u (i int PRIMARY KEY)");
    assert_eq!(plan(&[table, new]).await, [Standing::Applied, Standing::ToDo]);
    assert_eq!(plan(&[edited]).await, [Standing::Changed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tenet_shows_what_it_would_do_and_ends_with_2_where_there_is_something() {
    let database = support::empty_database().await;
    let (folder, _) = bundle::bundle("rules");
    let schema = |what: &str| tenet::tenet(&folder, &["schema", what, "--database-url", database.url(), "."]);
    let plan = schema("plan");
    assert_eq!(plan.code, 2, "{}", plan.stderr);
    assert!(plan.stdout.contains("to do    bundle/schema/0001_transactions.sql"), "{}", plan.stdout);
    assert!(plan.stderr.contains("16 of 16 steps are to do"), "{}", plan.stderr);
    assert_eq!(schema("apply").code, 0);
    let plan = schema("plan");
    assert_eq!((plan.code, plan.stdout.matches("applied ").count()), (0, 16), "{}", plan.stdout);
    database.execute("update tenet.steps set sha256 = '' where name like 'bundle/%0001%'").await;
    let plan = schema("plan");
    assert!(plan.code == 3 && plan.stderr.contains("never edited"), "{} {}", plan.code, plan.stderr);
}

#[tokio::test]
async fn a_foreign_key_that_is_added_later_is_validated_by_a_step_of_its_own() {
    let tables = [
        step("1", "CREATE TABLE IF NOT EXISTS makers (id int PRIMARY KEY)"),
        step("2", "CREATE TABLE IF NOT EXISTS lamps (id int PRIMARY KEY, maker int)"),
        step("3", "ALTER TABLE lamps ADD CONSTRAINT of_maker FOREIGN KEY (maker) REFERENCES makers NOT VALID"),
        step("4", "ALTER TABLE ASYNC lamps VALIDATE CONSTRAINT of_maker"),
    ];
    let database = support::empty_database().await;
    let model = Model::start(&[], 1).await.unwrap();
    for endpoint in [Endpoint::parse(database.url()).unwrap(), model.endpoint().unwrap()] {
        Schema::apply(&endpoint, &tables[..2], later()).await.unwrap();
        // A session that has used the tables before gets 40001, because they have changed.
        let anew = || tenet_database::Database::new(endpoint.clone(), 1);
        run(&anew(), "a", "INSERT INTO public.lamps VALUES (1, 7)").await;
        let error = Schema::apply(&endpoint, &tables, later()).await.unwrap_err().to_string();
        assert!(error.contains("bundle/4") && error.contains("of_maker"), "{error}");
        run(&anew(), "b", "INSERT INTO public.makers VALUES (7)").await;
        Schema::apply(&endpoint, &tables, later()).await.unwrap();
        let valid = run(&anew(), "c", "SELECT 1 FROM pg_constraint WHERE conname = 'of_maker' AND convalidated").await;
        assert_eq!(valid.rows.rows, 1, "{endpoint}");
    }
}
