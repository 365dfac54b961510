//! What a rule is shown of the database's errors.
//!
//! The role of the database has what all rules together are granted, so that its errors may tell one
//! rule what only another may read. By the class of the error: of a violated constraint
//! PostgreSQL's message has names only, and its detail the row or the key; of bad data the message
//! has the value, which may be a column's that a CHECK or a default computed where the statement
//! writes; of a statement that makes no sense there are names in either.

use tenet_core::{Grants, SqlError};

use crate::Uses;

/// What stands between the columns of a key and their values in a detail.
const KEY: &str = "Key (";
const VALUES: &str = ")=(";

/// The error as a rule with these grants is shown it, that sent `sql`.
pub(crate) fn shown(sql: &str, grants: &Grants, mut error: SqlError) -> SqlError {
    let Ok((printed, uses)) = crate::printed(sql, grants) else {
        // Nothing of it is known, and it was not sent.
        error.details.retain(|(name, _)| name == "statement");
        return error;
    };
    let class = error.sqlstate.class().to_owned();
    let blind = writes_what_it_may_not_read(&uses, grants);
    if class == "22" && blind {
        error.message = without_quoted(&error.message);
    }
    let table = error.table.clone();
    error.details.retain_mut(|(name, text)| match (name.as_str(), class.as_str()) {
        ("position", _) => match text.parse().ok().and_then(|position| printed.place_of(position)) {
            Some(at) => {
                *text = (sql.char_indices().take_while(|(before, _)| *before < at).count() + 1).to_string();
                true
            }
            None => false,
        },
        ("detail", "23") => table.as_ref().is_some_and(|table| is_readable_key(text, table, &uses, grants)),
        ("detail" | "hint", "22") => !blind,
        ("hint", "23") => false,
        _ => true,
    });
    error
}

/// Whether it writes to a table of which not all columns may be read.
fn writes_what_it_may_not_read(uses: &Uses, grants: &Grants) -> bool {
    uses.tables.iter().any(|(table, uses)| {
        let readable = grants.tables.get(table).is_some_and(|grant| grant.select.is_all());
        !readable && (!uses.insert.is_empty() || !uses.update.is_empty() || uses.delete)
    })
}

/// Whether a detail is about a key of the table, the columns of which may all be read.
///
/// The error has the table without its schema; so all tables of that name that the statement uses
/// have to allow it. One that the statement does not use, the target of a cascade, allows nothing.
fn is_readable_key(detail: &str, table: &str, uses: &Uses, grants: &Grants) -> bool {
    let Some((columns, values)) = detail.strip_prefix(KEY).and_then(|rest| rest.split_once(VALUES)) else {
        return false;
    };
    // The key of another table, whose row is still referred to.
    if values.contains("is still referenced from") {
        return false;
    }
    let mut tables = uses
        .tables
        .keys()
        .filter(|used| used.rsplit('.').next() == Some(table))
        .filter_map(|used| grants.tables.get(used))
        .peekable();
    tables.peek().is_some()
        && tables.all(|grant| columns.split(", ").all(|column| grant.select.has(column.trim_matches('"'))))
        && columns.split(", ").all(|column| !column.contains(['(', ' ']))
}

/// A message without what is in quotes in it.
fn without_quoted(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            let (before, after) = (message.get(..=first).unwrap_or_default(), message.get(last..).unwrap_or_default());
            format!("{before}...{after}")
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tenet_core::SqlState;

    use super::*;

    fn grants() -> Grants {
        serde_json::from_str(
            r#"{"tables":{
                "accounts":{"select":["id","balance"],"insert":["id","balance"],"update":["balance"]},
                "open":{"select":"*","insert":"*"},
                "ledger":{"insert":["account"]}
            }}"#,
        )
        .unwrap()
    }

    fn told(sql: &str, sqlstate: &str, message: &str, table: &str, details: &[(&str, &str)]) -> (String, Vec<String>) {
        let mut error = SqlError::new(SqlState::new(sqlstate).unwrap(), message);
        error.table = Some(table.to_owned());
        error.details = details.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let shown = shown(sql, &grants(), error);
        (shown.message, shown.details.into_iter().map(|(name, text)| format!("{name}: {text}")).collect())
    }

    #[test]
    fn of_a_row_that_violates_a_constraint_nothing_is_told_that_may_not_be_read() {
        let insert = "INSERT INTO accounts (id, balance) VALUES ('a', -1)";
        let (message, details) = told(
            insert,
            "23514",
            "new row for relation \"accounts\" violates check constraint \"positive\"",
            "accounts",
            &[
                ("detail", "Failing row contains (a, -1, zz-secret-of-a, 7)."),
                ("hint", "zz-secret"),
                ("statement", "1"),
            ],
        );
        assert_eq!(message, "new row for relation \"accounts\" violates check constraint \"positive\"");
        assert_eq!(details, ["statement: 1"]);
        for (table, sql, detail, is_told) in [
            ("accounts", insert, "Key (id)=(a) already exists.", true),
            ("accounts", insert, "Key (id, balance)=(a, 1) already exists.", true),
            ("accounts", insert, "Key (id, secret)=(a, zz-secret) already exists.", false),
            ("accounts", insert, "Key (lower(secret))=(zz-secret) already exists.", false),
            ("accounts", insert, "Key (lower(id))=(zz-secret) already exists.", false),
            ("accounts", insert, "Key (id)=(a) is still referenced from table \"ledger\".", false),
            ("accounts", insert, "Something else of a trigger's", false),
            // Of a table that the statement does not name, nothing is known.
            ("secrets", insert, "Key (id)=(zz-secret) already exists.", false),
            (
                "ledger",
                "INSERT INTO ledger (account) VALUES ('a')",
                "Key (account)=(a) is not present in table \"accounts\".",
                false,
            ),
            ("open", "INSERT INTO open (id) VALUES (1)", "Key (anything)=(1) already exists.", true),
        ] {
            let (_, details) = told(sql, "23505", "duplicate key", table, &[("detail", detail)]);
            assert_eq!(details.len(), usize::from(is_told), "{detail}");
        }
    }

    #[test]
    fn a_value_is_told_only_where_all_values_may_be_read() {
        let message = "invalid input syntax for type date: \"zz-\"secret\"";
        let detail = [("detail", "Token \"zz-secret\" is invalid.")];
        let (cut, details) = told("UPDATE accounts SET balance = 1", "22007", message, "accounts", &detail);
        assert_eq!((cut.as_str(), details.len()), ("invalid input syntax for type date: \"...\"", 0));
        let (whole, details) =
            told("SELECT id FROM accounts WHERE CAST(id AS date) = $1", "22007", message, "", &detail);
        assert_eq!((whole.as_str(), details.len()), (message, 1));
        let (whole, _) = told("INSERT INTO open (id) VALUES (1)", "22007", message, "open", &detail);
        assert_eq!(whole, message);
    }

    #[test]
    fn the_position_is_that_in_the_text_of_the_rule() {
        let sql = "SELECT /* \u{e4} */ id, gone FROM accounts WHERE id=id";
        let sent =
            crate::canonical(sql, &serde_json::from_str(r#"{"tables":{"accounts":{"select":"*"}}}"#).unwrap()).unwrap();
        assert_eq!(sent, "SELECT \"id\", \"gone\" FROM \"public\".\"accounts\" WHERE \"id\" = \"id\"");
        let all = serde_json::from_str(r#"{"tables":{"accounts":{"select":"*"}}}"#).unwrap();
        let at = |position: &str| {
            let mut error = SqlError::new(SqlState::new("42703").unwrap(), "no such column");
            error.details.push(("position".to_owned(), position.to_owned()));
            shown(sql, &all, error).details.pop().map(|(_, position)| position)
        };
        let place = |text: &str| Some((sql.chars().collect::<String>().find(text).unwrap()).to_string());
        let of = |text: &str| (sent.find(text).unwrap() + 1).to_string();
        // Before it there is one letter of two bytes.
        assert_eq!(at(&of("\"gone\"")), place("gone"));
        assert_eq!(at(&of("\"public\"")), place("accounts"));
        assert_eq!(at(&of("= ")), place("=id"));
        // In the middle of something, or nowhere.
        assert_eq!((at("9"), at("0"), at("900"), at("x")), (None, None, None, None));
    }
}
