//! The page about SQL: its lists are the policy's own.

use tenet_policy::Group;

const PAGE: &str = include_str!("../../../reference/sql.md");

pub(crate) fn page() -> String {
    let moment = Group { about: "Time and chance of the database", words: tenet_policy::of_the_moment() };
    PAGE.replace("{{functions}}", &listed(tenet_policy::functions()))
        .replace("{{operators}}", &listed(tenet_policy::operators()))
        .replace("{{types}}", &listed(tenet_policy::types()))
        .replace("{{moment}}", &listed(&[moment]))
}

fn listed(groups: &[Group]) -> String {
    let line = |group: &Group| {
        let words: Vec<String> = group.words.iter().map(|word| format!("`{word}`")).collect();
        wrapped(&format!("- {}: {}.", group.about, words.join(" ")))
    };
    groups.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// An item of a list in lines that a terminal has room for.
fn wrapped(item: &str) -> String {
    let mut text = String::new();
    let mut length = 0;
    for word in item.split(' ') {
        if length + word.len() > 110 {
            text.push_str("\n ");
            length = 1;
        }
        if length > 0 {
            text.push(' ');
            length += 1;
        }
        text.push_str(word);
        length += word.len();
    }
    text
}

#[cfg(test)]
mod tests {
    use tenet_core::{Catalog, CatalogColumn, CatalogTable, Grants};

    use super::*;
    use crate::commands::explain::table::rows;

    const TABLES: [(&str, &str); 2] =
        [("accounts", "id owner balance opened changed points"), ("totals", "account day paid")];

    fn catalog() -> Catalog {
        let table = |(name, columns): (&str, &str)| {
            let column = |name: &str| CatalogColumn { name: name.to_owned(), kind: "text".to_owned() };
            let columns = columns.split(' ').map(column).collect();
            (name.to_owned(), CatalogTable { columns, constraints: Default::default() })
        };
        Catalog { tables: TABLES.into_iter().map(table).collect() }
    }

    fn grants() -> Grants {
        let all = r#"{ "select": "*", "insert": "*", "update": "*", "delete": true }"#;
        serde_json::from_str(&format!(r#"{{ "tables": {{ "accounts": {all}, "totals": {all} }} }}"#)).unwrap()
    }

    #[test]
    fn what_is_refused_is_and_what_to_write_instead_passes() {
        let rows = rows(PAGE, "| refused |");
        assert!(rows.len() > 20);
        for row in rows {
            let [refused, instead] = row.as_slice() else { panic!("{row:?}") };
            let statement = |cell: &str| cell.split('`').nth(1).map(str::to_owned);
            let refused = statement(refused).unwrap();
            assert!(tenet_policy::check(&refused, &grants(), &catalog()).is_err(), "{refused}");
            let Some(sql) = statement(instead).filter(|sql| sql.contains(' ')) else { continue };
            if let Err(refusal) = tenet_policy::check(&sql, &grants(), &catalog()) {
                panic!("{sql}: {refusal}");
            }
        }
    }

    #[test]
    fn each_word_of_the_policy_is_on_the_page() {
        let page = page();
        let groups = [tenet_policy::functions(), tenet_policy::operators(), tenet_policy::types()];
        for word in groups.into_iter().flatten().flat_map(|group| group.words).chain(tenet_policy::of_the_moment()) {
            assert!(page.contains(&format!("`{word}`")), "{word}");
        }
    }
}
