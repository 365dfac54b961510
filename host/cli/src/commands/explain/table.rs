//! Tables of the reference pages, as tests read them.

/// The rows of the first table whose head begins like this, each as its cells.
pub(crate) fn rows(page: &str, head: &str) -> Vec<Vec<String>> {
    let lines = page.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let cells = |line: &str| {
        let inner = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')).unwrap_or(line);
        inner.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde::Deserialize;

    use super::*;
    use crate::vendored;

    const TYPES: &str = include_str!("../../../reference/types.md");

    /// What rules of three languages store and copy, which a test of the whole system runs.
    const CASES: &str = include_str!("../../../../../tests/languages/cases.json");

    /// A case, without its value: no number of Rust holds each of them.
    #[derive(Deserialize)]
    struct Case {
        r#type: String,
        stored: Option<String>,
        #[serde(default)]
        refused: BTreeSet<String>,
    }

    #[derive(Deserialize)]
    struct Cases {
        write: Vec<Case>,
        count: Vec<Case>,
        copy: Vec<Case>,
    }

    /// The row of the table of types, by the SQL types of its first cell.
    fn row(rows: &[Vec<String>], sql: &str) -> Vec<String> {
        let is_of =
            |row: &&Vec<String>| row[0].split('`').any(|name| name == sql || name.starts_with(&format!("{sql}(")));
        let mut found = rows.iter().filter(is_of);
        let row = found.next().unwrap_or_else(|| panic!("no row of {sql}"));
        assert!(found.next().is_none(), "two rows of {sql}");
        row.clone()
    }

    /// The cases of a value of the contract, each with the SQL type that its comment begins with.
    fn cases() -> BTreeMap<String, String> {
        let text = vendored::source("wit/v1/types.wit");
        let variant = text.split("variant value {").nth(1).unwrap().split("\n    }").next().unwrap();
        let mut cases = BTreeMap::new();
        let mut sql = None;
        for line in variant.lines().map(str::trim) {
            if let Some(comment) = line.strip_prefix("/// ") {
                sql = sql.or_else(|| comment.strip_prefix('`')?.split('`').next());
            } else if let Some(sql) = line.split_once('(').and(sql.take()) {
                cases.insert(line.split('(').next().unwrap().to_owned(), sql.to_owned());
            }
        }
        cases
    }

    /// The table has each type that crosses the contract, and no other.
    #[test]
    fn the_table_of_types_has_those_of_the_contract() {
        let rows = rows(TYPES, "| column |");
        let cases = cases();
        assert_eq!(cases.len(), 15, "{cases:?}");
        cases.values().for_each(|sql| drop(row(&rows, sql)));
        assert_eq!(rows.len(), cases.len());
    }

    /// Its cells have the types that the SDKs send.
    #[test]
    fn the_table_of_types_is_that_of_the_sdks() {
        let rows = rows(TYPES, "| column |");
        let cases = cases();
        let row = |case: &str| row(&rows, &cases[&case.to_ascii_lowercase()]);
        let mut count = 0;
        for line in vendored::source("guest/sdk/src/params.rs").lines() {
            let Some((kind, value)) = line.trim().split_once(", self => Value::") else { continue };
            let kind = kind.split(" as ").next().unwrap();
            let cell = &row(value.split('(').next().unwrap())[1];
            let forms = [format!("`{kind}`"), format!("`tenet::{kind}`")];
            assert!(forms.iter().any(|form| cell.contains(form)), "{kind}: {cell}");
            count += 1;
        }
        assert!(count > 15, "{count}");

        let javascript = vendored::source("guest/javascript/sdk/tenet.js");
        let sent = javascript.split("= of('").skip(1).map(|rest| rest.split('\'').next().unwrap());
        for case in sent.chain(["json"]) {
            let cell = &row(case)[2];
            assert!(cell.contains(&format!("`{case}(")), "{case}: {cell}");
        }
        for (case, kind) in
            [("boolean", "boolean"), ("text", "string"), ("numeric", "Decimal"), ("bytea", "Uint8Array")]
        {
            assert!(javascript.contains(&format!("tag: '{case}', val:")), "{case}");
            assert!(row(case)[2].contains(&format!("`{kind}`")), "{case}");
        }

        let python = vendored::source("guest/python/sdk/tenet.py");
        let parameter = python.split("def parameter(value):").nth(1).unwrap().split("\ndef ").next().unwrap();
        let mut count = 0;
        for arm in parameter.split("\n        case ").skip(1) {
            let kind = arm.split(['(', ':']).next().unwrap();
            let Some(case) = arm.split("types.Value_").nth(1).filter(|_| kind.starts_with(char::is_alphabetic)) else {
                continue;
            };
            let case = case.split(['(', ' ', ':']).next().unwrap();
            if kind == "None" || kind.starts_with("types.") {
                continue;
            }
            let cell = &row(case)[3];
            let is_there = cell.split(['`', '.', '(']).any(|word| word == kind);
            assert!(is_there, "{kind}: {cell}");
            count += 1;
        }
        assert!(count > 12, "{count}");
    }

    /// What it says that a type does not hold is what the cases of the languages are refused for.
    #[test]
    fn the_table_of_types_has_the_bounds_of_the_cases() {
        let rows = rows(TYPES, "| column |");
        let names = cases();
        let Cases { write, count, copy } = serde_json::from_str(CASES).unwrap();
        for case in write.iter().chain(&count).chain(&copy) {
            assert!(names.contains_key(&case.r#type.replace("jsonb", "json")), "{}", case.r#type);
        }
        let mut refused: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for case in copy {
            let of_type = refused.entry(case.r#type).or_default();
            // What none of them holds is said without a name.
            if case.refused.len() < 3 {
                of_type.extend(case.refused);
            }
        }
        for (case, languages) in refused {
            let cell = row(&rows, &names[&case])[4].to_ascii_lowercase();
            for language in ["rust", "javascript", "python"] {
                assert_eq!(cell.contains(language), languages.contains(language), "{case}: {cell}");
            }
        }
        for case in ["int2", "int4", "int8"] {
            let stored = |case: &Case| case.stored.as_ref().and_then(|stored| stored.parse::<i64>().ok());
            let all = || write.iter().filter(|written| written.r#type == case).filter_map(stored);
            let cell = row(&rows, &names[case])[4].replace(',', "");
            for bound in [all().min().unwrap(), all().max().unwrap()] {
                assert!(cell.split(' ').any(|word| word == bound.to_string()), "{case}: {bound}: {cell}");
            }
        }
    }
}
