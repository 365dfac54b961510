//! The second wall behind the statement policy. The policy itself is held against PostgreSQL by
//! `tests/fuzz`.

use tenet_pipeline::Status;

use crate::support;
use crate::support::bundle::bundle;
use crate::support::host::Regions;
use crate::support::tenet::tenet;

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
