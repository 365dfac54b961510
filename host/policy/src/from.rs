//! The relations of a FROM and their joins.

use crate::Refusal;
use crate::check::Checker;
use crate::label;
use crate::names::{Verb, no_verb};
use crate::scope::{Level, Names, Relation, Scope};
use crate::tree::{Alias, Join, Name, Source, TableName};

impl<'t> Checker<'t> {
    /// Adds the relations of a FROM to a level.
    pub(crate) fn sources(
        &mut self,
        sources: &'t [Source],
        level: &mut Level<'t>,
        scope: &Scope<'_, 't>,
    ) -> Result<(), Refusal> {
        let from = level.len();
        sources.iter().try_for_each(|source| self.source(source, level, from, scope))
    }

    /// Adds the relations of one source. A function and a LATERAL query see those relations of the
    /// level from `from` on that were already added. `scope` is the scope of a query that is not
    /// LATERAL, and the outer scope of ON.
    fn source(
        &mut self,
        source: &'t Source,
        level: &mut Level<'t>,
        from: usize,
        scope: &Scope<'_, 't>,
    ) -> Result<(), Refusal> {
        match source {
            Source::Table { table, alias } => {
                self.count(table.name.at)?;
                let relation = self.of_name(table, alias.as_ref(), scope)?;
                level.add(relation, alias.as_ref().map_or(&table.name, |alias| &alias.name).at)
            }
            Source::Query { query, alias, lateral } => {
                self.count(query.order_at)?;
                let Some(Alias { name, columns }) = alias else {
                    let what = "a query in FROM has a name: write AS NAME behind it";
                    return Err(Refusal::not_understood(query.order_at, what));
                };
                let names = match lateral {
                    true => self.query(query, &scope.within(level, from))?,
                    false => self.query(query, scope)?,
                };
                level.has_query = true;
                level.add(rows(name, names.renamed(columns)?), name.at)
            }
            Source::Function { call, ordinality, alias } => {
                self.count(call.name.at)?;
                let kind = self.call(call, &scope.within(level, from))?;
                let name = alias.as_ref().map_or_else(|| label::of_call(call).text(), |alias| &alias.name.text);
                let names = Names::of_function(&call.name.text, name, kind, *ordinality);
                let columns = names.renamed(alias.as_ref().map_or(&[][..], |alias| &alias.columns))?;
                let relation = Relation { name: Some(name), table: None, columns };
                level.add(relation, alias.as_ref().map_or(&call.name, |alias| &alias.name).at)
            }
            Source::Joined { first, joins } => {
                let (start, part) = (level.len(), level.parts());
                self.source(first, level, from, scope)?;
                for Join { right, on, using, .. } in joins {
                    let middle = level.len();
                    self.source(right, level, from, scope)?;
                    if !using.is_empty() {
                        self.using(using, level, start, middle)?;
                        level.merge(using, start, middle, part)?;
                    }
                    if let Some(on) = on {
                        self.expression(on, &scope.within(level, start))?;
                    }
                }
                Ok(())
            }
        }
    }

    /// What the name of a table in FROM refers to: a query of a WITH, or a table.
    fn of_name(
        &mut self,
        table: &'t TableName,
        alias: Option<&'t Alias>,
        scope: &Scope<'_, 't>,
    ) -> Result<Relation<'t>, Refusal> {
        let name = alias.map_or(&table.name, |alias| &alias.name);
        let renamed = alias.map_or(&[][..], |alias| &alias.columns);
        if let (None, Some(columns)) = (&table.schema, scope.with.find(&table.name.text)) {
            let Some(columns) = columns else {
                let what = format!(
                    "the columns of {} are not known yet: a query of a WITH is named behind it, or behind UNION in it",
                    table.name.text
                );
                return Err(Refusal::not_understood(table.name.at, what));
            };
            self.resolved.of_with.insert(table.name.at);
            return Ok(rows(name, columns.renamed(renamed)?));
        }
        if let Some(column) = renamed.first() {
            let what = "columns of a table keep their names, which are those that are granted";
            return Err(Refusal::not_understood(column.at, what));
        }
        let granted = self.table(table)?;
        // Even if no column is named: PostgreSQL requires SELECT on some column.
        if granted.grant.select.is_none() {
            return Err(Refusal::not_granted(table.name.at, no_verb("select of", granted.name, "select = [..]")));
        }
        self.table_use(granted.name);
        let columns = granted.columns();
        Ok(Relation { name: Some(&name.text), table: Some(granted), columns })
    }

    /// The columns of both sides that USING reads.
    fn using(&mut self, using: &'t [Name], level: &Level<'t>, start: usize, middle: usize) -> Result<(), Refusal> {
        for name in using {
            for side in [start..middle, middle..level.len()] {
                for relation in level.relations().get(side).unwrap_or_default() {
                    if let (Some(table), Some(false)) = (relation.table, relation.columns.find(&name.text)) {
                        self.touch(table, Verb::Select, &name.text, name.at)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The result of a query that was checked.
fn rows<'t>(name: &'t Name, columns: Names<'t>) -> Relation<'t> {
    Relation { name: Some(&name.text), table: None, columns }
}
