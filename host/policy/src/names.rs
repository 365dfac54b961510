//! What the names of columns refer to, and whether that is granted.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tenet_core::{Columns, TableGrant};

use crate::check::{Checker, ambiguous};
use crate::kind::Kind;
use crate::resolved::Column;
use crate::scope::{Found, Names, Relation, Scope, Table};
use crate::tree::{Call, Name, Piece, TableName};
use crate::{Refusal, TableUse, steps, untyped, words};

/// The most columns that a refusal names.
const MOST_NAMED: usize = 8;

/// The most columns that an unknown name is compared with.
const MOST_COMPARED: usize = 2000;

#[derive(Clone, Copy)]
pub(crate) enum Verb {
    Select,
    Insert,
    Update,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
        }
    }

    fn granted(self, grant: &TableGrant) -> &Columns {
        match self {
            Self::Select => &grant.select,
            Self::Insert => &grant.insert,
            Self::Update => &grant.update,
        }
    }
}

impl<'t> Checker<'t> {
    /// Looks up a granted table.
    pub(crate) fn table(&mut self, table: &TableName) -> Result<Table<'t>, Refusal> {
        let at = table.schema.as_ref().unwrap_or(&table.name).at;
        // A quoted dot is part of one name; in the grants a dot separates two names.
        if table.schema.iter().chain([&table.name]).any(|name| name.text.contains('.')) {
            return Err(Refusal::not_granted(at, "a table with a point in its name is granted to no rule"));
        }
        let name = match &table.schema {
            // The same as a name without a schema.
            Some(schema) if schema.text == "public" => table.name.text.clone(),
            Some(schema) => format!("{}.{}", schema.text, table.name.text),
            None => table.name.text.clone(),
        };
        let Some((name, grant)) = self.grants.tables.get_key_value(&name) else {
            return Err(Refusal::not_granted(at, self.no_table(&name)));
        };
        let Some(known) = self.catalog.tables.get(name) else {
            let what = format!("no schema step of the bundle makes the table {name}");
            return Err(Refusal::not_granted(at, what));
        };
        Ok(Table { name, grant, known })
    }

    /// Why the rule has no such table, and what to write.
    fn no_table(&self, name: &str) -> String {
        if self.catalog.tables.contains_key(name) {
            return format!(
                "the table {name} is not granted: add [tables.{}] to rule.toml with the columns to `select`, `insert` or \
                 `update`, or `delete = true`, then `tenet grant`",
                key(name)
            );
        }
        let known: Vec<&str> = self.catalog.tables.keys().map(String::as_str).collect();
        match near(name, &known) {
            Some(_) => format!("the table {name} is not granted{}", meant(name, &known)),
            None => format!("the table {name} is not granted: no rule.toml of the bundle names it"),
        }
    }

    pub(crate) fn table_use(&mut self, table: &str) -> &mut TableUse {
        if !self.uses.tables.contains_key(table) {
            self.uses.tables.insert(table.to_owned(), TableUse::default());
        }
        self.uses.tables.entry(table.to_owned()).or_default()
    }

    /// A column of a table that is written to, by its name.
    pub(crate) fn touch_named(
        &mut self,
        table: Table<'t>,
        columns: &Names<'t>,
        verb: Verb,
        column: &Name,
    ) -> Result<(), Refusal> {
        if columns.find(&column.text).is_none() {
            return Err(unknown(column, Some(table.name), columns.list()));
        }
        self.touch(table, verb, &column.text, column.at)
    }

    /// Checks a column of the table for one verb.
    pub(crate) fn touch(&mut self, table: Table<'t>, verb: Verb, column: &str, at: usize) -> Result<(), Refusal> {
        if !verb.granted(table.grant).has(column) {
            let (verb, table) = (verb.name(), table.name);
            let what = format!(
                "{verb} of {table}.{column} is not granted: add {column:?} to `{verb}` under [tables.{}] in rule.toml, \
                 then `tenet grant`",
                key(table)
            );
            return Err(Refusal::not_granted(at, what));
        }
        let used = self.used(table.name, verb);
        if !used.contains(column) {
            used.insert(column.to_owned());
        }
        Ok(())
    }

    fn used(&mut self, table: &str, verb: Verb) -> &mut BTreeSet<String> {
        let used = self.table_use(table);
        match verb {
            Verb::Select => &mut used.select,
            Verb::Insert => &mut used.insert,
            Verb::Update => &mut used.update,
        }
    }

    /// The columns of a `*`.
    pub(crate) fn star<'a>(
        &mut self,
        columns: impl Iterator<Item = (Option<&'a Relation<'t>>, &'t str)>,
        scope: &Scope<'_, 't>,
        at: usize,
    ) -> Result<Vec<(&'t str, Kind)>, Refusal>
    where
        't: 'a,
    {
        let (mut names, mut missing) = (Vec::new(), Vec::new());
        for (relation, name) in columns {
            steps::add(1);
            // In a `*`, PostgreSQL distinguishes two columns with the same name; the name alone
            // does not.
            let one = match relation {
                Some(relation) => relation.columns.kind_of(name).filter(|(_, is_doubled)| !is_doubled),
                None if matches!(scope.column(name), Some(Found::Merged)) => {
                    Some((scope.level.kind_of_merged(name), false))
                }
                None => None,
            };
            let Some((kind, _)) = one else {
                let what = format!("`*` stands for two columns that {name} means: name those that you mean");
                return Err(Refusal::not_understood(at, what));
            };
            match relation.and_then(|relation| relation.table) {
                Some(table) if !table.grant.select.has(name) => missing.push(format!("{}.{name}", table.name)),
                Some(table) => self.touch(table, Verb::Select, name, at)?,
                None => {}
            }
            self.resolved.star(at, relation.and_then(|relation| relation.name), name)?;
            names.push((name, kind));
        }
        if missing.is_empty() {
            return Ok(names);
        }
        let more = missing.len().saturating_sub(MOST_NAMED);
        missing.truncate(MOST_NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let what = format!(
            "`*` stands for {}{more} too, whose select is not granted: name the columns that you mean",
            missing.join(", ")
        );
        Err(Refusal::not_granted(at, what))
    }

    /// Checks a column of a relation.
    pub(crate) fn column_of(&mut self, relation: &Relation<'t>, column: &Name) -> Result<(), Refusal> {
        match (relation.columns.find(&column.text), relation.table) {
            (Some(true), _) => Err(ambiguous(column)),
            (Some(false), Some(table)) => self.touch(table, Verb::Select, &column.text, column.at),
            (Some(false), None) => Ok(()),
            (None, Some(_)) if words::is_system_column(&column.text) => Err(of_the_system(column)),
            // PostgreSQL would look for a function of the row.
            (None, _) => Err(unknown(column, relation.name, relation.columns.list())),
        }
    }

    /// A name alone: a column, from the innermost level outwards.
    pub(crate) fn name(&mut self, name: &'t Name, scope: &Scope<'_, 't>) -> Result<Kind, Refusal> {
        for (distance, outer) in scope.outwards().enumerate() {
            match outer.column(&name.text) {
                Some(Found::Two) => return Err(ambiguous(name)),
                // A name without its relation would be hidden by a column of the same name in a
                // nearer table.
                Some(Found::Merged) if distance > 0 => return Err(far(name)),
                Some(Found::Merged) => {
                    self.resolved.column(name.at, Column::Alone)?;
                    return Ok(outer.level.kind_of_merged(&name.text));
                }
                Some(Found::Column(relation)) => {
                    let kind = relation.kind(&name.text);
                    self.column_of(relation, name).map_err(|refusal| {
                        let mut further = scope.outwards().skip(distance + 1);
                        let hidden = further.find_map(|scope| match scope.column(&name.text) {
                            Some(Found::Column(hidden)) => hidden.name,
                            _ => None,
                        });
                        refusal.hiding(&name.text, relation.name, hidden)
                    })?;
                    let Some(alias) = relation.name else {
                        return if distance > 0 {
                            Err(far(name))
                        } else {
                            self.resolved.column(name.at, Column::Alone).map(|()| kind)
                        };
                    };
                    if scope.outwards().take(distance).any(|nearer| nearer.relation(alias).is_some()) {
                        let what = format!(
                            "{} is a column of {alias} further out, and another {alias} is nearer: give one another name with AS",
                            name.text
                        );
                        return Err(Refusal::not_understood(name.at, what));
                    }
                    return self.resolved.column(name.at, Column::Of(alias)).map(|()| kind);
                }
                None if outer.is_of_the_system(&name.text) => return Err(of_the_system(name)),
                None => {}
            }
        }
        if let Some(relation) = scope.outwards().find_map(|scope| scope.relation(&name.text)) {
            let columns = relation.columns.list();
            let qualified = |column: &&str| format!("{}.{column}", name.text);
            let write = match relation.table {
                // Not all of its columns may be granted.
                None if columns.len() <= MOST_NAMED => columns.iter().map(qualified).collect::<Vec<_>>().join(" or "),
                _ => qualified(&"COLUMN"),
            };
            let what = format!("{} alone would be a whole row: write {write}", name.text);
            return Err(Refusal::not_understood(name.at, what));
        }
        let seen = scope.outwards().flat_map(|scope| scope.level.all().map(|(_, name)| name));
        let seen: Vec<&str> = seen.take(MOST_COMPARED).collect();
        let relation = match scope.level.relations() {
            [alone] => alone.table.map(|table| table.name),
            _ => None,
        };
        Err(unknown(name, relation, &seen))
    }

    /// Returns what is known of its value.
    pub(crate) fn call(&mut self, call: &'t Call, scope: &Scope<'_, 't>) -> Result<Kind, Refusal> {
        let Call { name, pieces, .. } = call;
        if name.text == "nextval" {
            let Some(sequence) = call.sequence() else {
                let what = "nextval takes the name of a sequence that is granted, as a string";
                return Err(Refusal::not_granted(name.at, what));
            };
            if !self.grants.sequences.contains(&sequence) {
                let what = format!(
                    "the sequence {sequence} is not granted: add {sequence:?} to `sequences` in rule.toml, then `tenet grant`"
                );
                return Err(Refusal::not_granted(name.at, what));
            }
            self.uses.sequences.insert(sequence);
            return Ok(Kind::Scalar);
        }
        if words::is_of_the_moment(&name.text) {
            return Err(Refusal::not_granted(name.at, words::instead_of_the_moment(&name.text)));
        }
        // With one argument it counts from today.
        if name.text == "age" && pieces.iter().filter_map(Piece::inner).count() < 2 {
            return Err(Refusal::not_granted(name.at, words::instead_of_the_moment("age with one argument")));
        }
        if !words::is_function(&name.text) {
            let what = format!("the function {} is not on the list of those that may be called", name.text);
            return Err(Refusal::not_granted(name.at, what));
        }
        let inner = pieces.iter().filter_map(Piece::inner);
        let kinds = inner.map(|inner| Ok(self.part(inner, scope)?.kind)).collect::<Result<Vec<_>, _>>()?;
        untyped::check_call(call, &kinds, &mut self.resolved)?;
        Ok(Kind::of_call(call, &kinds))
    }
}

/// The refusal of a verb on a table, with the line that the manifest needs.
pub(crate) fn no_verb(verb: &str, table: &str, line: &str) -> String {
    format!(
        "{verb} {table} is not granted: add `{line}` under [tables.{}] in rule.toml, then `tenet grant`",
        key(table)
    )
}

/// A name as a key of TOML, quoted if necessary (<https://toml.io/en/v1.0.0#keys>).
fn key(name: &str) -> Cow<'_, str> {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.chars().all(is_bare) { name.into() } else { format!("{name:?}").into() }
}

fn far(name: &Name) -> Refusal {
    let what = format!("{0} is made by USING or VALUES further out: write TABLE.{0}", name.text);
    Refusal::not_understood(name.at, what)
}

fn of_the_system(column: &Name) -> Refusal {
    let what = format!("{} is a column of PostgreSQL's own, which DSQL may not have", column.text);
    Refusal::not_understood(column.at, what)
}

/// The most similar of the known names. One difference is allowed for every four letters, and one
/// more: another letter, one too many, one missing, or two neighbours exchanged.
fn near<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    steps::add(known.len().min(MOST_COMPARED));
    let distances = known.iter().take(MOST_COMPARED).map(|other| (strsim::osa_distance(name, other), *other));
    distances.filter(|(distance, _)| *distance <= 1 + name.len() / 4).min().map(|(_, other)| other)
}

/// The similar known name as a question; empty if there is none.
pub(crate) fn meant(name: &str, known: &[&str]) -> String {
    near(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

fn unknown(column: &Name, relation: Option<&str>, known: &[&str]) -> Refusal {
    let of = relation.map_or_else(|| " here".to_owned(), |relation| format!(" in {relation}"));
    let meant = meant(&column.text, known);
    Refusal::no_column(column.at, format!("there is no column {}{of}{meant}", column.text))
}
