//! What the steps of a bundle's schema create, compared with the grants of its rules.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tenet_core::{Catalog, CatalogTable, Code, Grants};

use crate::bundle::RuleSource;
use crate::manifest::nearest;
use crate::{Bundle, Error};

/// The tables and sequences of a database after the steps of a bundle's schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Its tables and views.
    pub tables: Catalog,
    /// The names of its sequences.
    pub sequences: BTreeSet<String>,
}

impl Made {
    /// The tables that these grants name.
    pub fn granted(&self, grants: &Grants) -> Catalog {
        let named = |table: &String| grants.tables.contains_key(table) || grants.vault.contains_key(table);
        let tables = self.tables.tables.iter().filter(|(table, _)| named(table));
        Catalog { tables: tables.map(|(table, columns)| (table.clone(), columns.clone())).collect() }
    }
}

impl Bundle {
    /// Refuses the first granted table, column or sequence that does not exist.
    pub fn check_made(&self, made: &Made) -> Result<(), Error> {
        self.rules.iter().try_for_each(|rule| check(rule, made))
    }
}

fn check(rule: &RuleSource, made: &Made) -> Result<(), Error> {
    let missing = |path: &[&str], what: String, near: Option<&str>, otherwise: String| {
        let help = near.map_or(otherwise, |near| format!("did you mean `{near}`?"));
        Error::new(what).at(rule.document.place_of(path)).coded(Code::NotInSchema).with_help(help)
    };
    let granted = |what: &str, name: &str| {
        format!("the rule {} is granted the {what} {name}, and no step of the schema makes it", rule.name)
    };
    let column = |path: &[&str], table: &str, of: &CatalogTable, column: &str| {
        let what = format!("the rule {} is granted {column} of {table}, which has no such column", rule.name);
        let otherwise = format!("it has {}", of.names().collect::<Vec<_>>().join(", "));
        missing(&[path, &[column]].concat(), what, nearest(column, of.names()), otherwise)
    };
    let all = &made.tables.tables;
    let table = |kind, name: &str| {
        all.get(name).ok_or_else(|| {
            let near = nearest(name, all.keys().map(String::as_str));
            missing(&[kind, name], granted("table", name), near, "add a step to `schema` that does".to_owned())
        })
    };
    for (name, grant) in &rule.grants.tables {
        let of = table("tables", name)?;
        for (verb, columns) in [("select", &grant.select), ("insert", &grant.insert), ("update", &grant.update)] {
            if let Some(unknown) = columns.names().find(|column| !of.has(column)) {
                return Err(column(&["tables", name, verb], name, of, unknown));
            }
        }
    }
    for (name, grant) in &rule.grants.vault {
        let of = table("vault", name)?;
        for (verb, columns) in [("seal", &grant.seal), ("open", &grant.open)] {
            if let Some(unknown) = columns.iter().find(|column| !of.has(column)) {
                return Err(column(&["vault", name, verb], name, of, unknown));
            }
        }
    }
    if let Some(unknown) = rule.grants.sequences.iter().find(|name| !made.sequences.contains(*name)) {
        let near = nearest(unknown, made.sequences.iter().map(String::as_str));
        let otherwise = "add a step to `schema` that does".to_owned();
        return Err(missing(&["sequences", unknown], granted("sequence", unknown), near, otherwise));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tenet_core::CatalogColumn;

    use super::*;
    use crate::packages::scratch::Scratch;

    fn made() -> Made {
        let column = |name: &str| CatalogColumn { name: name.to_owned(), kind: "text".to_owned() };
        let table = CatalogTable { columns: vec![column("id"), column("amount")], constraints: BTreeMap::new() };
        let tables = Catalog { tables: BTreeMap::from([("accounts".to_owned(), table)]) };
        Made { tables, sequences: BTreeSet::from(["numbers".to_owned()]) }
    }

    #[test]
    fn what_is_granted_and_not_made_is_refused_where_it_is_written() {
        let told = |manifest: &str| {
            let scratch = Scratch::bundle();
            scratch.write("rules/record/rule.toml", &format!("version = 1\ndescription = \"Records.\"\n{manifest}"));
            let refused = Bundle::open(scratch.path()).unwrap().check_made(&made());
            refused.map_err(|error| {
                assert_eq!(error.code(), Some(Code::NotInSchema));
                let (line, character) = error.place().unwrap().line_and_column();
                format!("{line}:{character}: {}; {}", error.what(), error.help().unwrap())
            })
        };
        let all = "sequences = [\"numbers\"]\n[tables.accounts]\nselect = \"*\"\nupdate = [\"amount\"]\n\
                   [vault.accounts]\nseal = [\"amount\"]\n";
        assert_eq!(told(all), Ok(()));
        for (manifest, refused) in [
            (
                "[tables.accounts]\nselect = [\"id\", \"amout\"]\n",
                "4:17: the rule record is granted amout of accounts, which has no such column; did you mean `amount`?",
            ),
            (
                "[tables.accounts]\ninsert = [\"iban\"]\n",
                "4:11: the rule record is granted iban of accounts, which has no such column; it has id, amount",
            ),
            (
                "[vault.accounts]\nopen = [\"amuont\"]\n",
                "4:9: the rule record is granted amuont of accounts, which has no such column; did you mean `amount`?",
            ),
            (
                "[tables.acounts]\nselect = \"*\"\n",
                "3:9: the rule record is granted the table acounts, and no step of the schema makes it; \
                 did you mean `accounts`?",
            ),
            (
                "[tables.\"bank.rates\"]\ndelete = true\n",
                "3:9: the rule record is granted the table bank.rates, and no step of the schema makes it; \
                 add a step to `schema` that does",
            ),
            (
                "sequences = [\"number\"]\n",
                "3:14: the rule record is granted the sequence number, and no step of the schema makes it; \
                 did you mean `numbers`?",
            ),
        ] {
            assert_eq!(told(manifest), Err(refused.to_owned()));
        }
    }
}
