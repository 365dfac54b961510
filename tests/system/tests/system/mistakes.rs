//! Mistakes of new users, and the message for each, in a bundle made by `tenet new`.

use std::fs;

use crate::support::shop::{Shop, root};
use crate::support::tenet::Ended;

const RULE: &str = "rules/slip/src/lib.rs";
const MANIFEST: &str = "rules/slip/rule.toml";
const TEST: &str = "rules/slip/tests/changes-a-balance.toml";

/// Makes one mistake in a file, checks the command's message, and reverts it.
fn slip(shop: &Shop, file: &str, (right, wrong): (&str, &str), arguments: &[&str], told: &[&str]) {
    let path = shop.folder.join(file);
    let before = fs::read_to_string(&path).unwrap();
    shop.edit(file, right, wrong);
    let Ended { code, stdout, stderr } = shop.tenet(arguments);
    assert_ne!(code, 0, "{wrong}: {stdout}{stderr}");
    for told in told {
        assert!(stdout.contains(told) || stderr.contains(told), "{wrong}: no {told} in {stdout}{stderr}");
    }
    fs::write(path, before).unwrap();
}

#[test]
fn a_mistake_is_told_with_what_to_write() {
    let shop = Shop::new("slip");
    let test = ["test", "--filter", "changes-a-balance"];
    // A column that is not granted.
    slip(
        &shop,
        MANIFEST,
        ("select = [\"customer\", \"balance\"]", "select = [\"customer\"]"),
        &test,
        &[
            "select of slip_balances.balance is not granted: add \"balance\" to `select` under [tables.slip_balances] in \
             rule.toml, then `tenet grant`",
            "more: tenet explain T0401",
        ],
    );
    let sql = "SELECT balance FROM slip_balances";
    // Misspelt names.
    for (wrong, told) in [
        ("SELECT balence FROM slip_balances", "there is no column balence in slip_balances; did you mean `balance`?"),
        ("SELECT balance FROM slip_balance", "the table slip_balance is not granted; did you mean `slip_balances`?"),
        (
            "SELECT slip_balnces.balance FROM slip_balances",
            "there is no table slip_balnces here; did you mean `slip_balances`?",
        ),
    ] {
        slip(&shop, RULE, (sql, wrong), &test, &[told]);
    }
    // An event that is not granted.
    slip(
        &shop,
        RULE,
        ("\"Balance Changed\"", "\"Balance Moved\""),
        &test,
        &["publishing \"Balance Moved\" of \"slip\" is not granted to this rule: add it to `slip` under [events] in \
           rule.toml, then `tenet grant`"],
    );
    // A value that does not fit its column.
    slip(
        &shop,
        TEST,
        ("balance = 2", "balance = \"two\""),
        &test,
        &["given.slip_balances", "the column balance does not take \"two\": "],
    );
    slip(
        &shop,
        TEST,
        ("changed = [{ customer = \"ada\", balance = 7 }]", "changed = [{ customer = \"ada\", balance = \"seven\" }]"),
        &test,
        &["T0603 rows.slip_balances.changed", "the column balance does not take \"seven\": "],
    );
    // A malformed test file: the message names existing things.
    slip(&shop, TEST, ("accept =", "accpt ="), &test, &["error[T0601]: ", "`tenet explain T0601`", "`#:schema`"]);
    let test_file = fs::read_to_string(shop.folder.join(TEST)).unwrap();
    let schema = test_file.lines().next().unwrap().strip_prefix("#:schema ").unwrap();
    assert!(shop.folder.join("rules/slip/tests").join(schema).is_file(), "{schema}");
    // A statement that ends the transaction, before it runs.
    slip(
        &shop,
        RULE,
        (
            "let customer = input.customer;",
            "tenet::execute(\"COMMIT\", params![])?;\n    let customer = input.customer;",
        ),
        &["check"],
        &["/rules/slip/src/lib.rs:", "error: ", "of statements there are SELECT, VALUES, INSERT"],
    );
}

#[test]
fn money_as_a_binary_fraction_is_warned_of() {
    let shop = Shop::new("fraction");
    let warned = "warning: rule fraction: price of its input is a binary fraction, which holds no 0.10, and its tables \
                  have numeric: declare it as tenet::Decimal";
    let check = || shop.tenet(&["check"]).stdout;
    shop.edit(
        "rules/fraction/src/lib.rs",
        "    points: i64,\n}\n\n#[derive(Serialize, JsonSchema)]",
        "    points: i64,\n    #[serde(default)]\n    price: f64,\n}\n\n#[derive(Serialize, JsonSchema)]",
    );
    // Nothing there is a decimal.
    let told = check();
    assert!(!told.contains("binary fraction"), "{told}");
    fs::write(
        shop.folder.join("schema/0002_price.sql"),
        "ALTER TABLE fraction_balances ADD COLUMN price numeric(10, 2);\n",
    )
    .unwrap();
    let told = check();
    assert!(told.contains(warned), "{told}");
}

#[test]
fn null_has_the_type_of_what_is_none() {
    let shop = Shop::new("nothing");
    let whole = "    let sql = \"SELECT balance";
    shop.edit(
        "rules/nothing/src/lib.rs",
        whole,
        "    for by in [Some(input.id.clone()), None] {\n        \
             let made: String = tenet::query_one(\"SELECT jsonb_build_object('by', $1)::text\", params![by])?;\n        \
             tenet::log::warn!(\"made {made}\");\n    }\n    let sql = \"SELECT balance",
    );
    let payload = r#"{"id":"1","customer":"ada","points":5}"#;
    let ended = shop.tenet(&["run", "nothing", "--payload", payload]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "{\"customer\":\"ada\",\"balance\":5}\n"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(r#"made {"by": "1"}"#) && ended.stderr.contains(r#"made {"by": null}"#),
        "{}",
        ended.stderr
    );
    // The output does not depend on the folder.
    assert!(!ended.stderr.contains(root().to_str().unwrap()), "{}", ended.stderr);
}
