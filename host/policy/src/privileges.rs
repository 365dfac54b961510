use tenet_core::{Columns, Grants, TableGrant, quote_identifier};

/// The schema of a table whose name has none.
const PUBLIC: &str = "public";

/// The GRANTs that give a database role exactly what these grants allow: the second line of defence
/// after the policy. `role` and all names are quoted. The schema `public` needs no grant: every role
/// may use it, and DSQL refuses to grant it.
pub fn privileges(grants: &Grants, role: &str) -> Vec<String> {
    let role = quote_identifier(role);
    let mut statements = Vec::new();
    let mut schemas: Vec<&str> = Vec::new();
    let names = grants.tables.keys().chain(&grants.sequences);
    for schema in names.map(|name| parts(name).0) {
        if schema != PUBLIC && !schemas.contains(&schema) {
            schemas.push(schema);
            statements.push(format!("GRANT USAGE ON SCHEMA {} TO {role}", quote_identifier(schema)));
        }
    }
    for (table, TableGrant { select, insert, update, delete }) in &grants.tables {
        let verbs = [("SELECT", select), ("INSERT", insert), ("UPDATE", update)];
        let mut given: Vec<String> = verbs.iter().filter_map(|(verb, columns)| of_columns(verb, columns)).collect();
        if *delete {
            given.push("DELETE".to_owned());
        }
        if !given.is_empty() {
            statements.push(format!("GRANT {} ON {} TO {role}", given.join(", "), qualified(table)));
        }
    }
    for sequence in &grants.sequences {
        statements.push(format!("GRANT USAGE ON SEQUENCE {} TO {role}", qualified(sequence)));
    }
    statements
}

fn of_columns(verb: &str, columns: &Columns) -> Option<String> {
    if columns.is_all() {
        return Some(verb.to_owned());
    }
    let names: Vec<String> = columns.names().map(quote_identifier).collect();
    (!names.is_empty()).then(|| format!("{verb} ({})", names.join(", ")))
}

fn parts(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((PUBLIC, name))
}

fn qualified(name: &str) -> String {
    let (schema, name) = parts(name);
    format!("{}.{}", quote_identifier(schema), quote_identifier(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_is_granted_once_with_its_verbs_and_columns() {
        let grants: Grants = serde_json::from_str(
            r#"{"tables":{"a":{"select":["x","y\"z"],"update":["x"],"delete":true},"bank.b":{"insert":"*"}},"sequences":["s"]}"#,
        )
        .unwrap();
        assert_eq!(
            privileges(&grants, "app"),
            [
                r#"GRANT USAGE ON SCHEMA "bank" TO "app""#,
                r#"GRANT SELECT ("x", "y""z"), UPDATE ("x"), DELETE ON "public"."a" TO "app""#,
                r#"GRANT INSERT ON "bank"."b" TO "app""#,
                r#"GRANT USAGE ON SEQUENCE "public"."s" TO "app""#,
            ]
        );
    }
}
