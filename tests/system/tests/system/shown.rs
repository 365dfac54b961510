//! PostgreSQL's errors for failing statements, and the part of them that a rule receives: the
//! host's role may read data that the rule may not.

use serde_json::json;
use tenet_test_support::serve::Served;
use tokio::process::Command;

use crate::support;

/// In a column that the rule may write and not read.
const SECRET: &str = "zz-secret";

#[tokio::test]
async fn a_violation_tells_its_name_and_no_value_that_the_rule_may_not_read() {
    let (database, (folder, _)) = (support::database().await, support::bundle::copy("guests"));
    for sql in [
        "insert into secrets (id, iban, note) values ('ann', 'a', 'zz-secret'), ('bob', 'b', 'zz-secret')",
        "insert into held (id, of_bytea) values ('zz-secret', 'a'), ('zz-secret b', 'b')",
        "alter table secrets add constraint has_iban check (octet_length(iban) < 5)",
        "create unique index once on secrets (iban, note)",
        "alter table held add constraint id_and_bytes unique (id, of_bytea)",
        "alter table secrets add constraint is_held foreign key (note, iban) references held (id, of_bytea) not valid",
        "alter table secrets alter column iban set not null",
    ] {
        database.execute(sql).await;
    }
    let mut command = Command::new(support::path("TENET_TEST_TENET"));
    command.arg("serve").arg(folder.path()).args(["--database-url", database.url(), "--log", "debug"]);
    let served = Served::of(command).await;
    let ask = async |sql: &str| {
        let body = json!({ "do": "sql", "sql": sql }).to_string();
        let answer = served.operate("safe", &[], &body).await;
        assert_eq!(answer.status, 422, "{sql}: {answer:?}");
        assert!(!answer.body.contains(SECRET), "{sql}: {answer:?}");
        let problem = answer.json();
        let text = |of: &serde_json::Value| of.as_str().unwrap_or_default().to_owned();
        (text(&problem["code"]), text(&problem["details"]["constraint"]), text(&problem["details"]["column"]))
    };
    // PostgreSQL's own message for each contains the value.
    let violations = [
        ("UPDATE secrets SET iban = 'abcdef' WHERE id = 'ann'", "23514", "has_iban", ""),
        ("UPDATE secrets SET iban = NULL WHERE id = 'ann'", "23502", "", "iban"),
        ("UPDATE secrets SET iban = 'a' WHERE id = 'bob'", "23505", "once", ""),
        ("UPDATE secrets SET iban = 'c' WHERE id = 'bob'", "23503", "is_held", ""),
    ];
    let client = database.connect().await;
    for (sql, code, constraint, column) in violations {
        let error = client.batch_execute(sql).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert!(error.detail().unwrap().contains(SECRET), "{error:?}");
        assert_eq!(ask(sql).await, (code.to_owned(), constraint.to_owned(), column.to_owned()), "{sql}");
    }
    // A value of the wrong type: PostgreSQL quotes it in the message.
    database.execute("alter table secrets add constraint is_number check (cast(note as int) > 0) not valid").await;
    let sql = "UPDATE secrets SET iban = 'd' WHERE id = 'ann'";
    let error = client.batch_execute(sql).await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains(SECRET), "{error:?}");
    assert_eq!(ask(sql).await.0, "22P02");

    let (told, log) = served.stop().await;
    assert!(!log.contains(SECRET) && !told.iter().any(|line| line.contains(SECRET)), "{log}\n{told:#?}");
    assert!(log.contains("request over"), "{log}");
}
