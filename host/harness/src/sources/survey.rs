//! What a bundle's rules ask for, are granted and use, before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use tenet_build::Bundle;
use tenet_core::{Catalog, Columns, Grants, TableGrant};
use tenet_policy::Uses;

use super::statements::{self, Found};
use crate::error::{Place, Result};

/// One rule.
pub struct Surveyed {
    /// Its name.
    pub rule: String,
    /// What its manifest asks for.
    pub asked: Grants,
    /// What it is granted.
    pub granted: Grants,
    /// The statements in its sources that it may send.
    pub statements: Vec<Found>,
    /// Those that it may not, each with the reason and its place.
    pub refused: Vec<(String, Place)>,
    /// What the statements use; none where the tables are not known.
    pub used: Option<Grants>,
    /// Whether some are made when it runs, so that what is used is not all of it.
    pub has_templates: bool,
}

/// Every rule of a bundle, and its statements where the tables are known that it is granted.
///
/// # Errors
/// Fails where a source cannot be read.
pub fn survey(bundle: &Bundle, catalog: Option<&Catalog>) -> Result<Vec<Surveyed>> {
    let mut surveyed = Vec::new();
    for (rule, asked, folder) in bundle.rules() {
        let (mut known, mut refused, mut used, mut has_templates) = (Vec::new(), Vec::new(), Uses::default(), false);
        for found in statements::find(folder)? {
            if found.is_template {
                has_templates = true;
                continue;
            }
            let Some(catalog) = catalog else { continue };
            match tenet_policy::check(&found.sql, asked, catalog) {
                Ok(uses) => {
                    used.add(uses);
                    known.push(found);
                }
                Err(refusal) => refused.push((refusal.to_string(), found.place)),
            }
        }
        surveyed.push(Surveyed {
            rule: rule.to_owned(),
            asked: asked.clone(),
            granted: bundle.lock().grants(rule),
            statements: known,
            refused,
            used: catalog.map(|catalog| as_grants(used, asked, catalog)),
            has_templates,
        });
    }
    Ok(surveyed)
}

/// What is used, in the words of what is asked: all columns are `*` where `*` is asked for.
fn as_grants(uses: Uses, asked: &Grants, catalog: &Catalog) -> Grants {
    let table = |(name, uses): (String, tenet_policy::TableUse)| {
        let (asked, known) = (asked.tables.get(&name), catalog.tables.get(&name));
        let columns = |names: BTreeSet<String>, of: fn(&TableGrant) -> &Columns| {
            let is_all = known.is_some_and(|table| table.names().all(|name| names.contains(name)));
            match asked.is_some_and(|asked| of(asked).is_all()) && is_all {
                true => Columns::All,
                false => Columns::Named(names),
            }
        };
        let select = columns(uses.select, |grant| &grant.select);
        let insert = columns(uses.insert, |grant| &grant.insert);
        let update = columns(uses.update, |grant| &grant.update);
        (name, TableGrant { select, insert, update, delete: uses.delete })
    };
    let tables: BTreeMap<_, _> = uses.tables.into_iter().map(table).collect();
    Grants { tables, sequences: uses.sequences, ..Grants::default() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tenet_core::bundle::{INDEX, Index};

    use super::*;

    /// Every statement of the examples and of the tests' guests as it is sent, for people to read:
    /// `TENET_BLESS=1` writes the file anew.
    #[test]
    fn the_statements_of_the_examples_are_sent_as_the_file_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut told = String::new();
        for (bundle, built) in [("guest/rules", "rules"), ("tests/guests", "guests")] {
            let text = std::fs::read_to_string(root.join("target/tenet").join(built).join(INDEX)).unwrap();
            let index = Index::parse(&text).unwrap();
            let rules = survey(&Bundle::open(root.join(bundle)).unwrap(), Some(&index.catalog)).unwrap();
            for Surveyed { rule, asked, statements, .. } in rules {
                for found in statements {
                    let sent = tenet_policy::canonical(&found.sql, &asked, &index.catalog).unwrap();
                    told.push_str(&format!("-- {bundle}, {rule}\n{sent}\n\n"));
                }
            }
        }
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sent.sql");
        if std::env::var_os("TENET_BLESS").is_some() {
            std::fs::write(&file, &told).unwrap();
        }
        assert_eq!(told, std::fs::read_to_string(&file).unwrap());
    }
}
