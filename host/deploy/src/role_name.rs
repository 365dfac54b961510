use crate::error::DeployError;

/// Names that PostgreSQL gives no role, or that mean a role of its own
/// (`RoleSpec` of its grammar, <https://github.com/postgres/postgres/blob/REL_16_STABLE/src/backend/parser/gram.y>), and
/// roles that are there already: the cluster's administrator, PostgreSQL's first, and the owner of Tenet's schema.
const TAKEN: [&str; 8] =
    ["admin", "current_role", "current_user", "none", "postgres", "public", "session_user", "tenet"];

/// PostgreSQL's reserved words that have only letters and `_`: statements that an operator types would need quotation
/// marks (<https://www.postgresql.org/docs/16/sql-keywords-appendix.html>).
const RESERVED: &str = "all analyse analyze and any array as asc asymmetric both case cast check collate column constraint \
                        create current_catalog current_date current_time current_timestamp default deferrable desc \
                        distinct do else end except false fetch for foreign from grant group having in initially \
                        intersect into lateral leading limit localtime localtimestamp not null offset on only or order \
                        placing primary references returning select some symmetric system_user table then to trailing \
                        true union unique user using variadic when where window with";

/// Refuses a name that no role may have.
pub(crate) fn check(key: &str, name: &str) -> Result<(), DeployError> {
    let is_name = (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let why = if !is_name {
        "it may be 1 to 63 of a-z, 0-9 and _, beginning with a letter"
    } else if name.starts_with("pg_") {
        "PostgreSQL keeps names that begin with pg_"
    } else if TAKEN.contains(&name) {
        "PostgreSQL or Tenet has another meaning for it"
    } else if RESERVED.split(' ').any(|word| word == name) {
        "it is a reserved word of PostgreSQL"
    } else {
        return Ok(());
    };
    Err(DeployError::new(format!("{key} is {name:?}; {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_has_a_name_that_postgresql_keeps() {
        let long = "a".repeat(64);
        for name in [
            "",
            "1a",
            "A",
            "a-b",
            "x\"; DROP",
            &long,
            "pg_x",
            "pg_monitor",
            "public",
            "none",
            "user",
            "current_user",
            "session_user",
            "current_role",
            "postgres",
            "admin",
            "tenet",
            "select",
            "table",
            "with",
        ] {
            let error = check("database.role", name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("database.role is {name:?}; ")), "{error}");
        }
        for name in ["tenet_app", "a", "users", "pg", "pgx_1", &long[1..]] {
            check("database.role", name).unwrap();
        }
    }
}
