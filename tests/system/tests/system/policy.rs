//! The second line of defence behind the SQL policy. `tests/fuzz` compares the policy itself with
//! PostgreSQL.

use tenet_core::{Catalog, Grants};
use tenet_pipeline::Status;
use tenet_policy::Group;

use crate::support;
use crate::support::bundle::bundle;
use crate::support::host::Regions;
use crate::support::tenet::tenet;

/// The GRANTs that `tenet schema grants` writes are sufficient for the bundle and its host, and for
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
    // The harness works with this role too.
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

/// All words of the groups that `tenet explain sql` lists.
fn listed(groups: &'static [Group]) -> Vec<&'static str> {
    groups.iter().flat_map(|group| group.words).copied().collect()
}

/// Every function, operator and type of PostgreSQL is either listed by `tenet explain sql` and
/// allowed by the policy, or refused. Everything that is listed exists in PostgreSQL.
#[tokio::test]
async fn what_postgresql_has_is_listed_or_refused() {
    let database = support::database().await;
    let client = database.connect().await;
    let names = async |sql: &str| -> Vec<String> {
        client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let passes = |sql: &str| tenet_policy::check(sql, &Grants::default(), &Catalog::default()).is_ok();

    let functions = listed(tenet_policy::functions());
    let known =
        names("SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace").await;
    assert!(known.len() > 2_000, "{}", known.len());
    for name in &known {
        let sql = format!("SELECT pg_catalog.\"{name}\"($1, $2)");
        assert_eq!(passes(&sql), functions.contains(&name.as_str()), "{sql}");
    }
    let unknown: Vec<_> = functions.into_iter().filter(|name| !known.iter().any(|known| known == name)).collect();
    assert_eq!(unknown, ["coalesce", "greatest", "least", "nullif", "trim", "grouping"], "those of the grammar");

    let operators = listed(tenet_policy::operators());
    let known = names("SELECT DISTINCT oprname::text FROM pg_operator WHERE oprkind = 'b'").await;
    for operator in &known {
        let sql = format!("SELECT $1 {operator} $2");
        assert_eq!(passes(&sql), operators.contains(&operator.as_str()), "{sql}");
    }
    // PostgreSQL reads `!=` as `<>`.
    let unknown: Vec<_> = operators.into_iter().filter(|name| !known.iter().any(|known| known == name)).collect();
    assert_eq!(unknown, ["!="]);

    for name in listed(tenet_policy::types()) {
        let name = if name == "double" { "double precision" } else { name };
        client.query(&format!("SELECT CAST(NULL AS {name})"), &[]).await.unwrap();
    }
}
