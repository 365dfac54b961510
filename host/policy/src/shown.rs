//! The part of the database's errors that a rule may see.
//!
//! The role of the database has the grants of all rules together, so its errors may contain values
//! that only another rule may read. By the class of the error: for a violated constraint
//! PostgreSQL's message has only names, and its detail the row or the key. For bad data the message
//! has the value, which, if the statement writes, may be that of a column computed by a CHECK or a
//! default. For an invalid statement both have only names.

use tenet_core::{Catalog, CatalogTable, Grants, SqlError, TableGrant};

use crate::{Uses, advice};

/// The text around the columns of a key in a detail.
const KEY: &str = "Key (";
const VALUES: &str = ")=(";

/// The text before all values of a row in a detail.
const ROW: &str = "Failing row contains (";

/// The error as a rule with these grants may see it after sending `sql`.
pub(crate) fn shown(sql: &str, grants: &Grants, catalog: &Catalog, mut error: SqlError) -> SqlError {
    let Ok((printed, uses)) = crate::printed(sql, grants, catalog) else {
        // Nothing is known of it, and it was not sent.
        error.details.retain(|(name, _)| name == "statement");
        return error;
    };
    let tables = Tables { uses: &uses, grants, catalog };
    let class = error.sqlstate.class().to_owned();
    let blind = tables.writes_what_it_may_not_read();
    if class == "22" && blind {
        error.message = without_quoted(&error.message);
    }
    let (table, constraint) = (error.table.clone(), error.constraint.clone());
    error.details.retain_mut(|(name, text)| match (name.as_str(), class.as_str()) {
        ("position", _) => match text.parse().ok().and_then(|position| printed.place_of(position)) {
            Some(at) => {
                *text = (sql.char_indices().take_while(|(before, _)| *before < at).count() + 1).to_string();
                true
            }
            None => false,
        },
        ("detail", "23") => {
            table.as_ref().is_some_and(|table| tables.is_readable_detail(text, table, constraint.as_deref()))
        }
        ("detail" | "hint", "22") => !blind,
        ("hint", "23") => false,
        _ => true,
    });
    let position = error.details.iter().find(|(name, _)| name == "position");
    let position = position.and_then(|(_, position)| position.parse::<usize>().ok()?.checked_sub(1));
    let at = position.and_then(|position| sql.char_indices().nth(position)).map(|(at, _)| at);
    if let Some(advice) = advice::of_a_text_for_a_time(sql, at, &error) {
        error.details.retain(|(name, _)| name != "hint");
        error.details.push(("hint".to_owned(), advice));
    }
    error
}

/// The tables that a statement uses.
struct Tables<'a> {
    uses: &'a Uses,
    grants: &'a Grants,
    catalog: &'a Catalog,
}

impl<'a> Tables<'a> {
    fn find(&self, name: &str) -> Option<(&'a TableGrant, &'a CatalogTable)> {
        Some((self.grants.tables.get(name)?, self.catalog.tables.get(name)?))
    }

    /// Whether it writes to a table with columns that the rule may not read.
    fn writes_what_it_may_not_read(&self) -> bool {
        self.uses.tables.iter().any(|(name, uses)| {
            let is_readable = self.find(name).is_some_and(|(grant, table)| is_readable(grant, table.names()));
            !is_readable && (!uses.insert.is_empty() || !uses.update.is_empty() || uses.delete)
        })
    }

    /// Whether a detail contains only values of columns that the rule may read: of the key of one
    /// of the table's constraints, or of a whole row.
    ///
    /// The error names the table without its schema, so all tables of that name that the statement
    /// uses have to allow it. A table that the statement does not use, such as the target of a
    /// cascade, allows nothing.
    fn is_readable_detail(&self, detail: &str, table: &str, constraint: Option<&str>) -> bool {
        let named = |used: &&String| used.rsplit('.').next() == Some(table);
        let mut used = self.uses.tables.keys().filter(named).peekable();
        used.peek().is_some()
            && used.all(|used| {
                let Some((grant, table)) = self.find(used) else { return false };
                if detail.starts_with(ROW) {
                    return is_readable(grant, table.names());
                }
                // An index may cover more columns than the detail names, or expressions over
                // columns.
                constraint.and_then(|constraint| table.constraints.get(constraint)).is_some_and(|columns| {
                    is_readable(grant, columns.iter().map(String::as_str)) && is_readable_key(detail, grant, table)
                })
            })
    }
}

fn is_readable<'a>(grant: &TableGrant, mut columns: impl Iterator<Item = &'a str>) -> bool {
    columns.all(|column| grant.select.has(column))
}

/// Whether a detail is about a key whose columns all belong to the table and may be read.
fn is_readable_key(detail: &str, grant: &TableGrant, table: &CatalogTable) -> bool {
    let Some((columns, values)) = detail.strip_prefix(KEY).and_then(|rest| rest.split_once(VALUES)) else {
        return false;
    };
    // The key of another table, whose row is still referenced.
    !values.contains("is still referenced from")
        && columns
            .split(", ")
            .map(|column| column.trim_matches('"'))
            .all(|column| table.has(column) && grant.select.has(column))
}

/// A message without its quoted part.
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

    fn catalog() -> Catalog {
        let column = |name: &&str| format!(r#"{{"name":"{name}","type":"text"}}"#);
        let table = |columns: &[&str], constraints: &str| {
            let columns: Vec<String> = columns.iter().map(column).collect();
            format!(r#"{{"columns":[{}],"constraints":{{{constraints}}}}}"#, columns.join(","))
        };
        let accounts = r#""of_id":["id"],"of_both":["id","balance"],"of_secret":["id","secret"]"#;
        serde_json::from_str(&format!(
            r#"{{"accounts":{},"open":{},"ledger":{}}}"#,
            table(&["id", "balance", "secret"], accounts),
            table(&["id", "anything", "day", "at"], r#""of_anything":["anything"]"#),
            table(&["account"], r#""to_accounts":["account"]"#)
        ))
        .unwrap()
    }

    /// `of` is the table and one of its constraints: `accounts of_id`.
    fn told(sql: &str, sqlstate: &str, message: &str, of: &str, details: &[(&str, &str)]) -> (String, Vec<String>) {
        let mut error = SqlError::new(SqlState::new(sqlstate).unwrap(), message);
        let (table, constraint) = of.split_once(' ').unwrap_or((of, ""));
        (error.table, error.constraint) = (Some(table.to_owned()), Some(constraint.to_owned()));
        error.details = details.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let shown = shown(sql, &grants(), &catalog(), error);
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
            ("accounts of_id", insert, "Key (id)=(a) already exists.", true),
            ("accounts of_both", insert, "Key (id, balance)=(a, 1) already exists.", true),
            ("accounts of_secret", insert, "Key (id, secret)=(a, zz-secret) already exists.", false),
            // The detail does not decide which columns the constraint has.
            ("accounts of_secret", insert, "Key (id)=(zz-secret) already exists.", false),
            ("accounts of_id", insert, "Key (id, secret)=(a, zz-secret) already exists.", false),
            ("accounts of_id", insert, "Key (lower(secret))=(zz-secret) already exists.", false),
            ("accounts of_id", insert, "Key (lower(id))=(zz-secret) already exists.", false),
            ("accounts unknown", insert, "Key (id)=(a) already exists.", false),
            ("accounts", insert, "Key (id)=(a) already exists.", false),
            ("accounts of_id", insert, "Key (id)=(a) is still referenced from table \"ledger\".", false),
            ("accounts of_id", insert, "Something else of a trigger's", false),
            ("accounts of_id", insert, "Failing row contains (a, 1, zz-secret).", false),
            ("open", "INSERT INTO open (id) VALUES (1)", "Failing row contains (1, null).", true),
            // Nothing is known of a table that the statement does not name.
            ("secrets of_id", insert, "Key (id)=(zz-secret) already exists.", false),
            (
                "ledger to_accounts",
                "INSERT INTO ledger (account) VALUES ('a')",
                "Key (account)=(a) is not present in table \"accounts\".",
                false,
            ),
            ("open of_anything", "INSERT INTO open (id) VALUES (1)", "Key (anything)=(1) already exists.", true),
        ] {
            let (_, details) = told(sql, "23505", "duplicate key", table, &[("detail", detail)]);
            assert_eq!(details.len(), usize::from(is_told), "{detail}");
        }
    }

    #[test]
    fn a_value_is_told_only_where_all_values_may_be_read() {
        let message = "invalid input syntax for type uuid: \"zz-\"secret\"";
        let detail = [("detail", "Token \"zz-secret\" is invalid.")];
        let (cut, details) = told("UPDATE accounts SET balance = 1", "22007", message, "accounts", &detail);
        assert_eq!((cut.as_str(), details.len()), ("invalid input syntax for type uuid: \"...\"", 0));
        let (whole, details) =
            told("SELECT id FROM accounts WHERE CAST(id AS uuid) = $1", "22007", message, "", &detail);
        assert_eq!((whole.as_str(), details.len()), (message, 1));
        let (whole, _) = told("INSERT INTO open (id) VALUES (1)", "22007", message, "open", &detail);
        assert_eq!(whole, message);
    }

    #[test]
    fn where_a_string_with_a_word_of_the_time_is_sent_as_a_text_the_advice_is_a_parameter() {
        let hint = |sql: &str, sqlstate: &str, message: &str| {
            let casts = ("hint", "You might need to add explicit type casts.");
            let (_, mut details) = told(sql, sqlstate, message, "", &[casts]);
            assert_eq!(details.len(), 1, "{details:?}");
            details.remove(0)
        };
        for (sql, sqlstate, message) in [
            ("SELECT coalesce(day, 'today') FROM open", "42804", "COALESCE types date and text cannot be matched"),
            ("SELECT max(day) = 'today' FROM open", "42883", "operator does not exist: date = text"),
            ("SELECT CASE day WHEN 'today' THEN 1 END FROM open", "42883", "operator does not exist: date = text"),
            ("SELECT day IN (VALUES ('today')) FROM open", "42883", "operator does not exist: date = text"),
            (
                "INSERT INTO open (day) SELECT 'today'",
                "42804",
                "column \"day\" is of type date but expression is of type text",
            ),
            (
                "SELECT at FROM open UNION SELECT 'today'",
                "42804",
                "UNION types timestamp with time zone and text cannot be matched",
            ),
            (
                "SELECT date_trunc('day', 'today')",
                "42883",
                "function pg_catalog.date_trunc(unknown, text) does not exist",
            ),
        ] {
            let hint = hint(sql, sqlstate, message);
            assert!(hint.starts_with("hint: a string with `today` in it is sent as a text, "), "{sql}: {hint}");
            assert!(hint.contains("send it as a parameter"), "{hint}");
        }
        for (sql, sqlstate, message) in [
            // There is no such string, or its type is written.
            ("SELECT day = id FROM open", "42883", "operator does not exist: date = text"),
            ("SELECT day = 'today'::text FROM open", "42883", "operator does not exist: date = text"),
            // It is about others.
            ("SELECT id = 1 FROM open WHERE id = 'today'", "42883", "operator does not exist: text = integer"),
            ("SELECT id + 'today' FROM open", "42725", "operator is not unique: date + text"),
        ] {
            assert_eq!(hint(sql, sqlstate, message), "hint: You might need to add explicit type casts.", "{sql}");
        }
    }

    #[test]
    fn the_position_is_that_in_the_text_of_the_rule() {
        let sql = "SELECT /* \u{e4} */ id, anything FROM open WHERE id=id";
        let sent = crate::canonical(sql, &grants(), &catalog()).unwrap();
        assert_eq!(
            sent,
            "SELECT \"open\".\"id\", \"open\".\"anything\" FROM \"public\".\"open\" WHERE \"open\".\"id\" = \"open\".\"id\""
        );
        let at = |position: &str| {
            let mut error = SqlError::new(SqlState::new("42883").unwrap(), "no such operator");
            error.details.push(("position".to_owned(), position.to_owned()));
            shown(sql, &grants(), &catalog(), error).details.pop().map(|(_, position)| position)
        };
        let place = |text: &str| Some((sql.chars().collect::<String>().find(text).unwrap()).to_string());
        let of = |text: &str| (sent.find(text).unwrap() + 1).to_string();
        // The text before it contains one letter of two bytes.
        assert_eq!(at(&of("\"open\".\"anything\"")), place("anything"));
        assert_eq!(at(&of("\"anything\"")), place("anything"));
        assert_eq!(at(&of("\"public\"")), place("open"));
        assert_eq!(at(&of("= ")), place("=id"));
        // In the middle of a name, or out of range.
        assert_eq!((at("9"), at("0"), at("900"), at("x")), (None, None, None, None));
    }
}
