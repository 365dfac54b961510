//! A statement's tree against what is granted.
//!
//! The schema is not known here, and names are resolved without it. Where PostgreSQL would find
//! a column depends on which columns the tables have; so a name counts as a table's only if
//! that column is granted, and is not looked for further out than a table that may have one of
//! that name which is not granted.

use tenet_core::{Columns, Grants, TableGrant};

use crate::tree::{
    Assignment, Body, Call, Conflict, Delete, Expression, Insert, Item, Lock, Name, Query, Select, Source, Statement,
    TableName, Update, With,
};
use crate::{Refusal, TableUse, Uses, words};

/// What is granted, and what a statement uses of it as far as it has been read.
pub(crate) struct Checker<'g> {
    grants: &'g Grants,
    pub(crate) uses: Uses,
}

/// The names of the columns of rows, where all are known.
type Names = Option<Vec<String>>;

/// Rows that a name stands for.
#[derive(Clone)]
struct Relation<'g> {
    name: Option<String>,
    of: Of<'g>,
}

#[derive(Clone)]
enum Of<'g> {
    /// A table, by the name under which it is granted.
    Table(&'g str, &'g TableGrant),
    /// What a query or a function gives, which has been checked already.
    Rows(Names),
}

/// What names can stand for in one place.
#[derive(Clone, Copy)]
struct Scope<'a, 'g> {
    relations: &'a [Relation<'g>],
    outer: Option<&'a Scope<'a, 'g>>,
    with: &'a Tables<'a>,
}

/// The queries that WITH has named.
struct Tables<'a> {
    named: Vec<(String, Names)>,
    outer: Option<&'a Tables<'a>>,
}

impl Tables<'_> {
    fn find(&self, name: &str) -> Option<&Names> {
        let here = self.named.iter().rev().find(|(named, _)| named == name);
        here.map(|(_, names)| names).or_else(|| self.outer.and_then(|outer| outer.find(name)))
    }
}

const NOTHING: Tables<'static> = Tables { named: Vec::new(), outer: None };

#[derive(Clone, Copy)]
enum Verb {
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

impl<'g> Checker<'g> {
    pub(crate) fn new(grants: &'g Grants) -> Self {
        Self { grants, uses: Uses::default() }
    }

    pub(crate) fn check(&mut self, statement: &Statement) -> Result<(), Refusal> {
        let scope = Scope { relations: &[], outer: None, with: &NOTHING };
        self.statement(statement, &scope).map(drop)
    }

    /// Gives the names of the columns of what comes out.
    fn statement(&mut self, statement: &Statement, scope: &Scope<'_, 'g>) -> Result<Names, Refusal> {
        match statement {
            Statement::Query(query) => self.query(query, scope),
            Statement::Insert(insert) => self.insert(insert, scope),
            Statement::Update(update) => self.update(update, scope),
            Statement::Delete(delete) => self.delete(delete, scope),
        }
    }

    fn with<'a>(&mut self, with: &With, scope: &'a Scope<'a, 'g>) -> Result<Tables<'a>, Refusal> {
        let mut tables = Tables { named: Vec::new(), outer: Some(scope.with) };
        let named = |names: &[Name]| names.iter().map(|name| name.text.clone()).collect::<Vec<_>>();
        if with.recursive {
            // Each may read all of them, itself included, whose columns are not known yet.
            tables.named.extend(with.tables.iter().map(|table| (table.name.text.clone(), None)));
        }
        for table in &with.tables {
            let inner = Scope { with: &tables, ..*scope };
            let names = self.statement(&table.statement, &inner)?;
            let names = if table.columns.is_empty() { names } else { Some(named(&table.columns)) };
            if !with.recursive {
                tables.named.push((table.name.text.clone(), names));
            }
        }
        Ok(tables)
    }

    fn query(&mut self, query: &Query, scope: &Scope<'_, 'g>) -> Result<Names, Refusal> {
        let tables = self.with(&query.with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        let names = match &query.body {
            Body::Select(select) => self.select(select, &query.order, &query.locks, scope)?,
            Body::Query(inner) if !query.order.is_empty() => {
                let names = self.query(inner, scope)?;
                query.order.iter().try_for_each(|by| ordered(by, &names, query.order_at))?;
                names
            }
            body => {
                let names = self.body(body, scope)?;
                // Only what comes out can be ordered by here, and nothing be locked.
                for by in &query.order {
                    if !matches!(by, Expression::Column(_) | Expression::Leaf) {
                        self.expression(by, scope)?;
                    }
                }
                if let Some(lock) = query.locks.first() {
                    return Err(Refusal::not_understood(lock.at, "FOR UPDATE stands in the SELECT that it is about"));
                }
                names
            }
        };
        for limit in &query.limits {
            self.expression(limit, scope)?;
        }
        Ok(names)
    }

    fn body(&mut self, body: &Body, scope: &Scope<'_, 'g>) -> Result<Names, Refusal> {
        match body {
            Body::Select(select) => self.select(select, &[], &[], scope),
            Body::Query(query) => self.query(query, scope),
            Body::Both(one, other) => {
                let names = self.body(one, scope)?;
                self.body(other, scope)?;
                Ok(names)
            }
            Body::Values(rows) => {
                self.all(rows.iter().flatten(), scope)?;
                Ok(None)
            }
        }
    }

    fn select(
        &mut self,
        select: &Select,
        order: &[Expression],
        locks: &[Lock],
        scope: &Scope<'_, 'g>,
    ) -> Result<Names, Refusal> {
        let relations = self.sources(&select.from, Vec::new(), scope)?;
        let inner = &Scope { relations: &relations, outer: Some(scope), with: scope.with };
        let names = self.items(&select.items, inner)?;
        let aliases: Vec<&str> = select.items.iter().filter_map(label).collect();
        // A name alone is that of a column of the result, if there is one.
        for by in order.iter().chain(&select.distinct_on) {
            match by {
                Expression::Column(name) if aliases.contains(&name.text.as_str()) => {}
                by => self.expression(by, inner)?,
            }
        }
        self.all(select.filter.iter().chain(&select.group).chain(&select.having).chain(&select.windows), inner)?;
        for lock in locks {
            self.lock(lock, &select.from, &relations)?;
        }
        Ok(names)
    }

    fn lock(&mut self, lock: &Lock, from: &[Source], relations: &[Relation<'g>]) -> Result<(), Refusal> {
        fn has_query(source: &Source) -> bool {
            match source {
                Source::Query { .. } => true,
                Source::Join { left, right, .. } => has_query(left) || has_query(right),
                Source::Table { .. } | Source::Function { .. } => false,
            }
        }
        if lock.of.is_empty() && from.iter().any(has_query) {
            return Err(Refusal::not_understood(
                lock.at,
                "FOR UPDATE locks the rows of the query in FROM too: say OF which table",
            ));
        }
        for of in &lock.of {
            if !relations.iter().any(|relation| relation.name.as_deref() == Some(&of.text)) {
                return Err(Refusal::not_understood(of.at, format!("there is no table {} in FROM", of.text)));
            }
        }
        for relation in relations {
            let meant = lock.of.is_empty() || lock.of.iter().any(|of| relation.name.as_deref() == Some(&of.text));
            match relation.of {
                Of::Table(table, grant) if meant => {
                    // PostgreSQL asks for UPDATE of any column.
                    if grant.update.is_none() {
                        let what = format!("FOR UPDATE of {table} wants some column of it granted for update");
                        return Err(Refusal::not_granted(lock.at, what));
                    }
                    self.table_use(table);
                }
                Of::Rows(_) if meant && !lock.of.is_empty() => {
                    return Err(Refusal::not_understood(lock.at, "only rows of tables are locked"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The relations of a FROM, after those that stand before it.
    fn sources(
        &mut self,
        sources: &[Source],
        before: Vec<Relation<'g>>,
        scope: &Scope<'_, 'g>,
    ) -> Result<Vec<Relation<'g>>, Refusal> {
        let mut relations = before;
        for source in sources {
            let more = self.source(source, &relations, scope)?;
            relations.extend(more);
        }
        Ok(relations)
    }

    fn source(
        &mut self,
        source: &Source,
        before: &[Relation<'g>],
        scope: &Scope<'_, 'g>,
    ) -> Result<Vec<Relation<'g>>, Refusal> {
        let beside = &Scope { relations: before, outer: Some(scope), with: scope.with };
        match source {
            Source::Table { table, alias } => {
                let name = alias.as_ref().map_or(&table.name, |alias| &alias.name).text.clone();
                let renamed = alias.iter().flat_map(|alias| &alias.columns);
                if let (None, Some(names)) = (&table.schema, scope.with.find(&table.name.text)) {
                    let renamed: Vec<String> = renamed.map(|name| name.text.clone()).collect();
                    let names = if renamed.is_empty() { names.clone() } else { None };
                    return Ok(vec![Relation { name: Some(name), of: Of::Rows(names) }]);
                }
                if let Some(column) = renamed.into_iter().next() {
                    let what = "columns of a table keep their names, which are those that are granted";
                    return Err(Refusal::not_understood(column.at, what));
                }
                let at = table.name.at;
                let (table, grant) = self.table(table)?;
                // Also where no column is named: PostgreSQL asks for the select of any.
                if grant.select.is_none() {
                    return Err(Refusal::not_granted(at, format!("select of {table} is not granted")));
                }
                self.table_use(table);
                Ok(vec![Relation { name: Some(name), of: Of::Table(table, grant) }])
            }
            Source::Query { query, alias, lateral } => {
                let names = self.query(query, if *lateral { beside } else { scope })?;
                Ok(vec![rows(alias.as_ref(), names, None)])
            }
            Source::Function { call, alias } => {
                self.call(call, beside)?;
                Ok(vec![rows(alias.as_ref(), None, Some(&call.name))])
            }
            Source::Join { left, right, on, using } => {
                let left = self.source(left, before, scope)?;
                let right = self.source(right, &[before, &left].concat(), scope)?;
                for name in using {
                    for side in [&left, &right] {
                        self.column(name, &Scope { relations: side, outer: None, with: &NOTHING })?;
                    }
                }
                let both = [left, right].concat();
                if let Some(on) = on {
                    self.expression(on, &Scope { relations: &both, outer: Some(scope), with: scope.with })?;
                }
                Ok(both)
            }
        }
    }

    /// The grant of a table.
    fn table(&mut self, table: &TableName) -> Result<(&'g str, &'g TableGrant), Refusal> {
        let name = match &table.schema {
            // What a name without a schema stands for where nobody changes the search path.
            Some(schema) if schema.text == "public" => table.name.text.clone(),
            Some(schema) => format!("{}.{}", schema.text, table.name.text),
            None => table.name.text.clone(),
        };
        match self.grants.tables.get_key_value(&name) {
            Some((name, grant)) => Ok((name, grant)),
            None => {
                let at = table.schema.as_ref().unwrap_or(&table.name).at;
                Err(Refusal::not_granted(at, format!("the table {name} is not granted")))
            }
        }
    }

    fn table_use(&mut self, table: &str) -> &mut TableUse {
        if !self.uses.tables.contains_key(table) {
            self.uses.tables.insert(table.to_owned(), TableUse::default());
        }
        self.uses.tables.entry(table.to_owned()).or_default()
    }

    /// One column of a table for one verb.
    fn touch(&mut self, table: &str, grant: &TableGrant, verb: Verb, column: &Name) -> Result<(), Refusal> {
        if words::is_system_column(&column.text) {
            let what = format!("{} is a column of PostgreSQL's own, which DSQL may not have", column.text);
            return Err(Refusal::not_understood(column.at, what));
        }
        if !verb.granted(grant).has(&column.text) {
            let what = format!("{} of {table}.{} is not granted", verb.name(), column.text);
            return Err(Refusal::not_granted(column.at, what));
        }
        self.used(table, verb).insert(column.text.clone());
        Ok(())
    }

    /// All columns of a table for one verb.
    fn touch_all(&mut self, table: &str, grant: &TableGrant, verb: Verb, at: usize) -> Result<(), Refusal> {
        if !verb.granted(grant).is_all() {
            let what = format!("{} of all columns of {table} is not granted: name those that you mean", verb.name());
            return Err(Refusal::not_granted(at, what));
        }
        self.used(table, verb).insert("*".to_owned());
        Ok(())
    }

    fn used(&mut self, table: &str, verb: Verb) -> &mut std::collections::BTreeSet<String> {
        let used = self.table_use(table);
        match verb {
            Verb::Select => &mut used.select,
            Verb::Insert => &mut used.insert,
            Verb::Update => &mut used.update,
        }
    }

    fn items(&mut self, items: &[Item], scope: &Scope<'_, 'g>) -> Result<Names, Refusal> {
        for item in items {
            match item {
                Item::All { of: None, at } => {
                    for relation in scope.relations {
                        if let Of::Table(table, grant) = relation.of {
                            self.touch_all(table, grant, Verb::Select, *at)?;
                        }
                    }
                }
                Item::All { of: Some(of), .. } => {
                    if let Of::Table(table, grant) = relation(of, scope)?.of {
                        self.touch_all(table, grant, Verb::Select, of.at)?;
                    }
                }
                Item::One { expression, .. } => self.expression(expression, scope)?,
            }
        }
        Ok(items.iter().map(|item| label(item).map(str::to_owned)).collect())
    }

    fn all<'e>(
        &mut self,
        expressions: impl IntoIterator<Item = &'e Expression>,
        scope: &Scope<'_, 'g>,
    ) -> Result<(), Refusal> {
        expressions.into_iter().try_for_each(|expression| self.expression(expression, scope))
    }

    fn expression(&mut self, expression: &Expression, scope: &Scope<'_, 'g>) -> Result<(), Refusal> {
        match expression {
            Expression::Leaf => Ok(()),
            Expression::Column(name) => self.name(name, scope),
            Expression::Of(of, column) => match relation(of, scope)?.of {
                Of::Table(table, grant) => self.touch(table, grant, Verb::Select, column),
                // Where there is no column of that name, PostgreSQL takes it for a function of the row.
                Of::Rows(_) if column.text.starts_with("pg_") => {
                    let what = format!("{} is no column that is known here", column.text);
                    Err(Refusal::not_understood(column.at, what))
                }
                Of::Rows(_) => Ok(()),
            },
            Expression::Call(call) => self.call(call, scope),
            Expression::Query(query) => self.query(query, scope).map(drop),
            Expression::Made(parts) => self.all(parts, scope),
        }
    }

    fn call(&mut self, call: &Call, scope: &Scope<'_, 'g>) -> Result<(), Refusal> {
        let Call { name, inside, literal } = call;
        if name.text == "nextval" {
            let granted = |sequence: &&String| self.grants.sequences.contains(*sequence);
            let Some(sequence) = literal.as_ref().filter(granted) else {
                let what = "nextval takes the name of a sequence that is granted, as a string";
                return Err(Refusal::not_granted(name.at, what));
            };
            self.uses.sequences.insert(sequence.clone());
            return Ok(());
        }
        if !words::is_function(&name.text) {
            let what = format!("the function {} is not on the list of those that may be called", name.text);
            return Err(Refusal::not_granted(name.at, what));
        }
        self.all(inside, scope)
    }

    /// A name alone: a column, unless no column has it and a table does.
    fn name(&mut self, name: &Name, scope: &Scope<'_, 'g>) -> Result<(), Refusal> {
        let mut next = Some(scope);
        while let Some(Scope { relations, outer, .. }) = next {
            for relation in relations.iter().filter(|relation| relation.name.as_deref() == Some(&name.text)) {
                if let Of::Table(table, grant) = relation.of
                    && !grant.select.is_all()
                {
                    let what = format!("{table} alone would be its whole row: write {}.COLUMN", name.text);
                    return Err(Refusal::not_granted(name.at, what));
                }
            }
            next = *outer;
        }
        self.column(name, scope)
    }

    /// A name alone that is a column's. Where it is certain that somebody here has it, nobody
    /// further out is meant. A table of which all columns are granted may have it or not: then
    /// nobody else in sight may have it ungranted.
    fn column(&mut self, name: &Name, scope: &Scope<'_, 'g>) -> Result<(), Refusal> {
        let (mut next, mut possible) = (Some(scope), false);
        while let Some(Scope { relations, outer, .. }) = next {
            let (mut certain, mut tables) = (false, Vec::new());
            for Relation { of, .. } in *relations {
                match of {
                    Of::Rows(Some(names)) => certain |= names.contains(&name.text),
                    Of::Rows(None) => possible = true,
                    Of::Table(table, grant) => tables.push((*table, *grant)),
                }
            }
            certain |= tables.iter().any(|(_, grant)| grant.select.names().any(|named| named == name.text));
            let without = tables.iter().find(|(_, grant)| !grant.select.has(&name.text));
            if let (false, Some((table, grant))) = (certain, without) {
                return match tables.len() {
                    1 => self.touch(table, grant, Verb::Select, name),
                    _ => {
                        let what =
                            format!("select of {table}.{0} is not granted, and {0} alone could be it", name.text);
                        Err(Refusal::not_granted(name.at, what))
                    }
                };
            }
            for (table, grant) in tables.iter().filter(|(_, grant)| grant.select.has(&name.text)) {
                self.touch(table, grant, Verb::Select, name)?;
                possible = true;
            }
            if certain {
                return Ok(());
            }
            next = *outer;
        }
        if possible {
            return Ok(());
        }
        Err(Refusal::not_understood(name.at, format!("there is no column {} here", name.text)))
    }

    fn insert(&mut self, insert: &Insert, scope: &Scope<'_, 'g>) -> Result<Names, Refusal> {
        let Insert { with, table: target, alias, columns, rows, conflict, returning } = insert;
        let tables = self.with(with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        let (table, grant) = self.table(target)?;
        if grant.insert.is_none() {
            return Err(Refusal::not_granted(target.name.at, format!("insert into {table} is not granted")));
        }
        self.table_use(table);
        match (columns, rows) {
            (Some(columns), _) => {
                for column in columns {
                    self.touch(table, grant, Verb::Insert, column)?;
                }
            }
            (None, Some(_)) => self.touch_all(table, grant, Verb::Insert, target.name.at)?,
            // Every column has its default, and PostgreSQL asks for the insert of any.
            (None, None) => {}
        }
        if let Some(rows) = rows {
            self.query(rows, scope)?;
        }
        let own = own(target, alias.as_ref(), table, grant);
        if let Some(Conflict { columns, index_filter, set, filter }) = conflict {
            for column in columns {
                self.touch(table, grant, Verb::Select, column)?;
            }
            let relations = [own.clone()];
            let here = &Scope { relations: &relations, outer: Some(scope), with: scope.with };
            self.all(index_filter, here)?;
            // The row that was to be inserted: PostgreSQL asks for the select of what is read of it.
            let excluded = Relation { name: Some("excluded".to_owned()), of: Of::Table(table, grant) };
            let relations = [own.clone(), excluded];
            let here = &Scope { relations: &relations, outer: Some(scope), with: scope.with };
            self.set(table, grant, set, here)?;
            self.all(filter, here)?;
        }
        let relations = [own];
        self.items(returning, &Scope { relations: &relations, outer: Some(scope), with: scope.with })
    }

    fn set(
        &mut self,
        table: &str,
        grant: &TableGrant,
        set: &[Assignment],
        scope: &Scope<'_, 'g>,
    ) -> Result<(), Refusal> {
        for Assignment { columns, value } in set {
            for column in columns {
                self.touch(table, grant, Verb::Update, column)?;
            }
            self.expression(value, scope)?;
        }
        Ok(())
    }

    fn update(&mut self, update: &Update, scope: &Scope<'_, 'g>) -> Result<Names, Refusal> {
        let Update { with, table: target, alias, set, from, filter, returning } = update;
        let tables = self.with(with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        let (table, grant) = self.table(target)?;
        let own = own(target, alias.as_ref(), table, grant);
        let relations = self.beside(own, from, scope)?;
        let here = &Scope { relations: &relations, outer: Some(scope), with: scope.with };
        self.set(table, grant, set, here)?;
        self.all(filter, here)?;
        self.items(returning, here)
    }

    fn delete(&mut self, delete: &Delete, scope: &Scope<'_, 'g>) -> Result<Names, Refusal> {
        let Delete { with, table: target, alias, using, filter, returning } = delete;
        let tables = self.with(with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        let (table, grant) = self.table(target)?;
        if !grant.delete {
            return Err(Refusal::not_granted(target.name.at, format!("delete from {table} is not granted")));
        }
        self.table_use(table).delete = true;
        let own = own(target, alias.as_ref(), table, grant);
        let relations = self.beside(own, using, scope)?;
        let here = &Scope { relations: &relations, outer: Some(scope), with: scope.with };
        self.all(filter, here)?;
        self.items(returning, here)
    }

    /// The target of a statement and what stands beside it. The queries and functions in FROM
    /// do not see the target.
    fn beside(
        &mut self,
        own: Relation<'g>,
        sources: &[Source],
        scope: &Scope<'_, 'g>,
    ) -> Result<Vec<Relation<'g>>, Refusal> {
        let mut relations = self.sources(sources, Vec::new(), scope)?;
        relations.insert(0, own);
        Ok(relations)
    }
}

/// A query in parentheses and an ORDER BY behind them are one to PostgreSQL, which then finds the
/// columns of the query's tables. What comes out goes first, and is all that is taken here.
fn ordered(by: &Expression, names: &Names, at: usize) -> Result<(), Refusal> {
    let what = "ORDER BY behind a query in parentheses takes what comes out of it by name or number";
    match by {
        Expression::Leaf => Ok(()),
        Expression::Column(name) if names.iter().flatten().any(|known| *known == name.text) => Ok(()),
        Expression::Column(name) => Err(Refusal::not_understood(name.at, what)),
        _ => Err(Refusal::not_understood(at, what)),
    }
}

/// What a name before a dot stands for.
fn relation<'a, 'g>(name: &Name, scope: &'a Scope<'a, 'g>) -> Result<&'a Relation<'g>, Refusal> {
    let mut next = Some(scope);
    while let Some(Scope { relations, outer, .. }) = next {
        if let Some(found) = relations.iter().find(|relation| relation.name.as_deref() == Some(&name.text)) {
            return Ok(found);
        }
        next = *outer;
    }
    Err(Refusal::not_understood(name.at, format!("there is no table {} here", name.text)))
}

/// The table that a statement changes.
fn own<'g>(target: &TableName, alias: Option<&Name>, table: &'g str, grant: &'g TableGrant) -> Relation<'g> {
    Relation { name: Some(alias.unwrap_or(&target.name).text.clone()), of: Of::Table(table, grant) }
}

/// The rows of a query or a function under the name that they are given.
fn rows<'g>(alias: Option<&crate::tree::Alias>, names: Names, function: Option<&Name>) -> Relation<'g> {
    let name = alias.map(|alias| &alias.name).or(function).map(|name| name.text.clone());
    // Fewer names than columns leave the others theirs.
    let renamed = alias.is_some_and(|alias| !alias.columns.is_empty());
    Relation { name, of: Of::Rows(names.filter(|_| !renamed)) }
}

/// The name of a column of the result, where it is plain which it has. Not a call's: that of
/// `trim(x)` is `btrim`.
fn label(item: &Item) -> Option<&str> {
    match item {
        Item::One { alias: Some(name), .. }
        | Item::One { expression: Expression::Column(name) | Expression::Of(_, name), alias: None } => Some(&name.text),
        Item::All { .. } | Item::One { .. } => None,
    }
}
