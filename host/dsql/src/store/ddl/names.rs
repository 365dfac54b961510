//! The names of objects.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, ObjectName, visit_expressions};

use crate::sql_error::SqlError;
use crate::store::catalog::Objects;
use crate::store::ddl::Change;

/// Bytes of a name; what is longer is cut (`NAMEDATALEN` - 1).
const LONGEST: usize = 63;

/// The schemas of the system.
pub(crate) const SYSTEM: [&str; 3] = ["information_schema", "pg_catalog", "sys"];

/// A name as the catalogue has it: in lower case if it is not quoted, and cut.
pub(crate) fn folded(name: &Ident) -> String {
    let name = if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
    cut(&name, LONGEST).to_owned()
}

/// The schema, if one is named, and the name of an object.
pub(crate) fn parts(name: &ObjectName) -> Result<(Option<String>, String), SqlError> {
    let parts: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident().map(folded)).collect();
    match parts.as_deref() {
        Some([name]) => Ok((None, name.clone())),
        Some([schema, name]) => Ok((Some(schema.clone()), name.clone())),
        Some([database, schema, name]) if database == "postgres" => Ok((Some(schema.clone()), name.clone())),
        _ => Err(SqlError::unsupported(format!("the name {name}"))),
    }
}

impl Change<'_> {
    /// The schema and the name of an object that is to be created.
    pub(crate) fn new_name(&self, name: &ObjectName) -> Result<(String, String), SqlError> {
        let (schema, name) = parts(name)?;
        let schema = match schema {
            Some(schema) => schema,
            None => self.catalog.current_schema()?.to_owned(),
        };
        if !self.objects.schemas.contains_key(&schema) {
            return Err(SqlError::new("3F000", format!("schema \"{schema}\" does not exist")));
        }
        if SYSTEM.contains(&schema.as_str()) {
            return Err(SqlError::new("42501", format!("permission denied for schema {schema}")));
        }
        Ok((schema, name))
    }
}

impl Objects {
    /// Whether a table, an index or a sequence has this name.
    pub(crate) fn has_relation(&self, schema: &str, name: &str) -> bool {
        let key = (schema.to_owned(), name.to_owned());
        self.tables.contains_key(&key)
            || self.sequences.contains_key(&key)
            || self
                .tables
                .values()
                .any(|table| table.schema == schema && table.index_names().any(|index| index == name))
    }

    /// A name that no relation of the schema has, for an object that the system names.
    pub(crate) fn free_relation_name(&self, schema: &str, first: &str, second: &str, label: &str) -> String {
        free_name(first, second, label, |name| self.has_relation(schema, name))
    }
}

/// `first_second_label`, with a number if that is taken (`ChooseRelationName` of PostgreSQL's
/// `src/backend/commands/indexcmds.c`).
pub(crate) fn free_name(first: &str, second: &str, label: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut number = 0;
    loop {
        let label = if number == 0 { label.to_owned() } else { format!("{label}{number}") };
        let name = joined(first, second, &label);
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// The parts with underscores between them. The longer of the first two is cut until all fits
/// (`makeObjectName`).
fn joined(first: &str, second: &str, label: &str) -> String {
    let signs = usize::from(!second.is_empty()) + 1 + label.len();
    let room = LONGEST.saturating_sub(signs);
    let (mut of_first, mut of_second) = (first.len(), second.len());
    while of_first + of_second > room {
        if of_first > of_second { of_first -= 1 } else { of_second -= 1 }
    }
    let (first, second) = (cut(first, of_first), cut(second, of_second));
    if second.is_empty() { format!("{first}_{label}") } else { format!("{first}_{second}_{label}") }
}

/// The beginning of a text: at most so many bytes, and whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// The names of the columns that an expression reads, each once.
pub(crate) fn columns_of(expression: &Expr) -> Vec<String> {
    let mut names = Vec::new();
    let _ = visit_expressions(expression, |expression| {
        let name = match expression {
            Expr::Identifier(name) => Some(folded(name)),
            Expr::CompoundIdentifier(names) => names.last().map(folded),
            _ => None,
        };
        if let Some(name) = name
            && !names.contains(&name)
        {
            names.push(name);
        }
        ControlFlow::<()>::Continue(())
    });
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_cuts_the_longer_part_of_a_name_that_it_makes() {
        let long = "a".repeat(70);
        assert_eq!(joined("t", "a_b", "key"), "t_a_b_key");
        assert_eq!(joined("t", "", "pkey"), "t_pkey");
        assert_eq!(joined(&long, "b", "key"), format!("{}_b_key", "a".repeat(57)));
        assert_eq!(joined(&long, "", "pkey"), format!("{}_pkey", "a".repeat(58)));
        assert_eq!(free_name("t", "a", "check", |name| name == "t_a_check"), "t_a_check1");
    }
}
