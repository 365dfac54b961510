//! A statement's tree against what is granted.
//!
//! The schema is not known here, and names are resolved without it. Where PostgreSQL would find
//! a column depends on which columns the tables have; so a name counts as a table's only if
//! that column is granted, and is not looked for further out than a table that may have one of
//! that name which is not granted.

use std::collections::{HashMap, HashSet};

use tenet_core::{Columns, Grants, TableGrant};

use crate::scope::{Frame, Names, Of, Relation, Scope, Tables, relation};
use crate::tree::{
    Assignment, Body, Bound, Call, Conflict, Delete, Expression, Insert, Item, Join, Lock, Name, Order, Piece, Query,
    Select, Source, Statement, TableName, Update, With,
};
use crate::{Refusal, TableUse, Uses, steps, words};

/// The most tables and queries that the FROMs of a statement name together, and `*`. What is looked
/// up for each name in it is bounded by that.
const MOST_RELATIONS: usize = 100;

/// The most columns of one result, as in PostgreSQL
/// (<https://www.postgresql.org/docs/16/limits.html>).
const MOST_COLUMNS: usize = 1664;

/// What is granted, and what a statement uses of it as far as it has been read.
pub(crate) struct Checker<'g> {
    grants: &'g Grants,
    pub(crate) uses: Uses,
    /// Where names stand that are those of a WITH, and of no table.
    pub(crate) of_with: HashSet<usize>,
    relations: usize,
}

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
        Self { grants, uses: Uses::default(), of_with: HashSet::new(), relations: 0 }
    }

    pub(crate) fn check(&mut self, statement: &Statement) -> Result<(), Refusal> {
        let (frame, with) = (Frame::default(), Tables::default());
        self.statement(statement, &Scope { frame: &frame, outer: None, with: &with }).map(drop)
    }

    /// Gives the names of the columns of what comes out.
    fn statement<'t>(&mut self, statement: &'t Statement, scope: &Scope<'_, 'g, 't>) -> Result<Names<'t>, Refusal> {
        match statement {
            Statement::Query(query) => self.query(query, scope),
            Statement::Insert(insert) => self.insert(insert, scope),
            Statement::Update(update) => self.update(update, scope),
            Statement::Delete(delete) => self.delete(delete, scope),
        }
    }

    fn with<'a, 't>(&mut self, with: &'t With, scope: &'a Scope<'a, 'g, 't>) -> Result<Tables<'a, 't>, Refusal> {
        let mut tables = Tables { named: HashMap::new(), outer: Some(scope.with) };
        for table in &with.tables {
            if tables.named.insert(&table.name.text, Names::of_with(table)).is_some() {
                let what = format!("two queries of the WITH have the name {}", table.name.text);
                return Err(Refusal::not_understood(table.name.at, what));
            }
        }
        if !with.recursive {
            // Each is known only to those that come after it.
            tables.named.clear();
        }
        for table in &with.tables {
            let inner = Scope { with: &tables, ..*scope };
            let names = self.statement(&table.statement, &inner)?.renamed(&table.columns);
            tables.named.insert(&table.name.text, names);
        }
        Ok(tables)
    }

    fn query<'t>(&mut self, query: &'t Query, scope: &Scope<'_, 'g, 't>) -> Result<Names<'t>, Refusal> {
        let tables = self.with(&query.with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        let names = match &query.body {
            Body::Select(select) => self.select(select, &query.order, &query.locks, scope)?,
            body => {
                let names = self.body(body, scope)?;
                self.ordered(query, &names, scope)?;
                if let Some(lock) = query.locks.first() {
                    return Err(Refusal::not_understood(lock.at, "FOR UPDATE stands in the SELECT that it is about"));
                }
                names
            }
        };
        self.all(query.limits.iter().filter_map(Bound::expression), scope)?;
        Ok(names)
    }

    fn body<'t>(&mut self, body: &'t Body, scope: &Scope<'_, 'g, 't>) -> Result<Names<'t>, Refusal> {
        match body {
            Body::Select(select) => self.select(select, &[], &[], scope),
            Body::Query(query) => self.query(query, scope),
            Body::Set(arms) => {
                let mut first = None;
                for arm in arms {
                    let names = self.body(&arm.body, scope)?;
                    first.get_or_insert(names);
                }
                Ok(first.unwrap_or_default())
            }
            Body::Values(rows) => {
                self.all(rows.iter().flatten(), scope)?;
                Ok(Names::of_values(rows))
            }
        }
    }

    /// The ORDER BY of what is no SELECT of its own: it takes what comes out of it, by name or
    /// number.
    ///
    /// A query in parentheses and an ORDER BY behind them are one to PostgreSQL, which then finds
    /// the columns of the query's tables; a VALUES has only its own, and further out are those of
    /// others. What comes out goes first, and is all that is taken here.
    fn ordered<'t>(&mut self, query: &'t Query, names: &Names<'t>, scope: &Scope<'_, 'g, 't>) -> Result<(), Refusal> {
        if query.order.is_empty() {
            return Ok(());
        }
        let what = "ORDER BY behind a query in parentheses takes what comes out of it by name or number";
        let known = names.known();
        for Order { by, .. } in &query.order {
            match (by, &query.body) {
                (Expression::Leaf(..), _) => {}
                (Expression::Column(name), _) if known.contains(name.text.as_str()) => {}
                // PostgreSQL finds nothing else here.
                (Expression::Column(_), Body::Set(_)) => {}
                (Expression::Column(name), _) => return Err(Refusal::not_understood(name.at, what)),
                (_, Body::Query(_)) => return Err(Refusal::not_understood(query.order_at, what)),
                (by, _) => self.expression(by, scope)?,
            }
        }
        Ok(())
    }

    fn select<'t>(
        &mut self,
        select: &'t Select,
        order: &'t [Order],
        locks: &[Lock],
        scope: &Scope<'_, 'g, 't>,
    ) -> Result<Names<'t>, Refusal> {
        let frame = self.sources(&select.from, scope)?;
        let inner = &Scope { frame: &frame, outer: Some(scope), with: scope.with };
        let names = self.items(&select.items, inner)?;
        let labels: HashSet<&str> = select.items.iter().filter_map(Item::label).collect();
        // A name alone is that of a column of the result, if there is one.
        for by in order.iter().map(|order| &order.by).chain(&select.distinct_on) {
            match by {
                Expression::Column(name) if labels.contains(name.text.as_str()) => {}
                by => self.expression(by, inner)?,
            }
        }
        self.all(select.filter.iter().chain(&select.group).chain(&select.having), inner)?;
        self.all(select.windows.iter().map(|(_, window)| window), inner)?;
        for lock in locks {
            self.lock(lock, &frame)?;
        }
        Ok(names)
    }

    fn lock(&mut self, lock: &Lock, frame: &Frame<'g, '_>) -> Result<(), Refusal> {
        // PostgreSQL asks for UPDATE of any column.
        let granted = |table: &str, grant: &TableGrant| match grant.update.is_none() {
            true => {
                let what = format!("FOR UPDATE of {table} wants some column of it granted for update");
                Err(Refusal::not_granted(lock.at, what))
            }
            false => Ok(()),
        };
        if lock.of.is_empty() {
            if frame.has_query {
                let what = "FOR UPDATE locks the rows of the query in FROM too: say OF which table";
                return Err(Refusal::not_understood(lock.at, what));
            }
            for (table, grant) in &frame.tables {
                steps::add(1);
                granted(table, grant)?;
                self.table_use(table);
            }
        }
        for of in &lock.of {
            match frame.find(&of.text).map(|relation| &relation.of) {
                Some(Of::Table(table, grant)) => {
                    granted(table, grant)?;
                    self.table_use(table);
                }
                Some(Of::Rows(_)) => return Err(Refusal::not_understood(lock.at, "only rows of tables are locked")),
                None => {
                    return Err(Refusal::not_understood(of.at, format!("there is no table {} in FROM", of.text)));
                }
            }
        }
        Ok(())
    }

    /// One more that names are looked up in.
    fn count(&mut self, at: usize) -> Result<(), Refusal> {
        self.relations += 1;
        if self.relations > MOST_RELATIONS {
            let what = format!("it names tables and queries in FROM more than {MOST_RELATIONS} times");
            return Err(Refusal::not_understood(at, what));
        }
        Ok(())
    }

    /// The relations of a FROM.
    fn sources<'t>(&mut self, sources: &'t [Source], scope: &Scope<'_, 'g, 't>) -> Result<Frame<'g, 't>, Refusal> {
        let mut frame = Frame::default();
        for source in sources {
            let beside = Scope { frame: &frame, outer: Some(scope), with: scope.with };
            let more = self.source(source, &beside, scope)?;
            frame.extend(more)?;
        }
        Ok(frame)
    }

    /// The relations of one source. `beside` are those to the left of it, which a function and a
    /// LATERAL query see; `scope` is what a query sees that is not LATERAL, and ON behind its own.
    fn source<'t>(
        &mut self,
        source: &'t Source,
        beside: &Scope<'_, 'g, 't>,
        scope: &Scope<'_, 'g, 't>,
    ) -> Result<Frame<'g, 't>, Refusal> {
        match source {
            Source::Table { table, alias } => {
                self.count(table.name.at)?;
                let name = alias.as_ref().map_or(&table.name, |alias| &alias.name);
                let renamed = alias.as_ref().map_or(&[][..], |alias| &alias.columns);
                if let (None, Some(names)) = (&table.schema, scope.with.find(&table.name.text)) {
                    self.of_with.insert(table.name.at);
                    return Ok(Frame::of(Some(name), Of::Rows(names.clone().renamed(renamed))));
                }
                if let Some(column) = renamed.first() {
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
                Ok(Frame::of(Some(name), Of::Table(table, grant)))
            }
            Source::Query { query, alias, lateral } => {
                self.count(query.order_at)?;
                let names = self.query(query, if *lateral { beside } else { scope })?;
                let columns = alias.as_ref().map_or(&[][..], |alias| &alias.columns);
                let mut frame = Frame::of(alias.as_ref().map(|alias| &alias.name), Of::Rows(names.renamed(columns)));
                frame.has_query = true;
                Ok(frame)
            }
            Source::Function { call, ordinality, alias } => {
                self.count(call.name.at)?;
                self.call(call, beside)?;
                let name = alias.as_ref().map_or(&call.name, |alias| &alias.name);
                let columns = alias.as_ref().map_or(&[][..], |alias| &alias.columns);
                let names = Names::of_function(&call.name.text, name, *ordinality).renamed(columns);
                Ok(Frame::of(Some(name), Of::Rows(names)))
            }
            Source::Joined { first, joins } => {
                let mut left = self.source(first, beside, scope)?;
                for Join { right, on, using, .. } in joins {
                    let right = {
                        let beside = Scope { frame: &left, outer: Some(beside), with: scope.with };
                        self.source(right, &beside, scope)?
                    };
                    let nothing = Tables::default();
                    for name in using {
                        for side in [&left, &right] {
                            self.column(name, &Scope { frame: side, outer: None, with: &nothing })?;
                        }
                    }
                    left.merges |= !using.is_empty();
                    left.extend(right)?;
                    if let Some(on) = on {
                        self.expression(on, &Scope { frame: &left, outer: Some(scope), with: scope.with })?;
                    }
                }
                Ok(left)
            }
        }
    }

    /// The grant of a table.
    fn table(&mut self, table: &TableName) -> Result<(&'g str, &'g TableGrant), Refusal> {
        let at = table.schema.as_ref().unwrap_or(&table.name).at;
        // A point in quotes is part of one name, and what is granted has it between two.
        if table.schema.iter().chain([&table.name]).any(|name| name.text.contains('.')) {
            return Err(Refusal::not_granted(at, "a table with a point in its name is granted to no rule"));
        }
        let name = match &table.schema {
            // What a name without a schema stands for where nobody changes the search path.
            Some(schema) if schema.text == "public" => table.name.text.clone(),
            Some(schema) => format!("{}.{}", schema.text, table.name.text),
            None => table.name.text.clone(),
        };
        match self.grants.tables.get_key_value(&name) {
            Some((name, grant)) => Ok((name, grant)),
            None => Err(Refusal::not_granted(at, format!("the table {name} is not granted"))),
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

    fn items<'t>(&mut self, items: &'t [Item], scope: &Scope<'_, 'g, 't>) -> Result<Names<'t>, Refusal> {
        let mut names = Names::none();
        for item in items {
            steps::add(1);
            match item {
                Item::All { of: None, at } => {
                    self.count(*at)?;
                    for relation in scope.frame.relations() {
                        self.whole(relation, *at, &mut names)?;
                    }
                    names.is_in_order &= !scope.frame.merges;
                }
                Item::All { of: Some(of), at } => {
                    self.count(*at)?;
                    self.whole(relation(of, scope)?, of.at, &mut names)?;
                }
                Item::One { expression, .. } => {
                    self.expression(expression, scope)?;
                    names.add(item.label());
                }
            }
            if names.len() > MOST_COLUMNS {
                let what = format!("a result has at most {MOST_COLUMNS} columns");
                return Err(Refusal::not_understood(item.at(), what));
            }
        }
        Ok(names)
    }

    /// All columns of what a `*` stands for.
    fn whole<'t>(&mut self, relation: &Relation<'g, 't>, at: usize, names: &mut Names<'t>) -> Result<(), Refusal> {
        match &relation.of {
            Of::Table(table, grant) => {
                names.is_complete = false;
                self.touch_all(table, grant, Verb::Select, at)
            }
            Of::Rows(rows) => {
                names.extend(rows);
                Ok(())
            }
        }
    }

    fn all<'e, 't: 'e>(
        &mut self,
        expressions: impl IntoIterator<Item = &'t Expression>,
        scope: &Scope<'_, 'g, 't>,
    ) -> Result<(), Refusal> {
        expressions.into_iter().try_for_each(|expression| self.expression(expression, scope))
    }

    fn expression<'t>(&mut self, expression: &'t Expression, scope: &Scope<'_, 'g, 't>) -> Result<(), Refusal> {
        steps::add(1);
        match expression {
            Expression::Leaf(..) => Ok(()),
            Expression::Column(name) => self.name(name, scope),
            Expression::Of(of, column) => {
                let relation = relation(of, scope)?;
                match &relation.of {
                    Of::Table(table, grant) => self.touch(table, grant, Verb::Select, column),
                    Of::Rows(_) if relation.has_column(&column.text) => Ok(()),
                    // Where there is no column of that name, PostgreSQL takes it for a function of the row.
                    Of::Rows(_) => {
                        let what = format!("{} is not known to be a column of {}", column.text, of.text);
                        Err(Refusal::not_understood(column.at, what))
                    }
                }
            }
            Expression::Call(call) => self.call(call, scope),
            Expression::Query(query) => self.query(query, scope).map(drop),
            Expression::Row { values, .. } => self.all(values, scope),
            Expression::Made(pieces) => self.all(pieces.iter().filter_map(Piece::inner), scope),
        }
    }

    fn call<'t>(&mut self, call: &'t Call, scope: &Scope<'_, 'g, 't>) -> Result<(), Refusal> {
        let Call { name, pieces, .. } = call;
        if name.text == "nextval" {
            let Some(sequence) = call.sequence().filter(|sequence| self.grants.sequences.contains(sequence)) else {
                let what = "nextval takes the name of a sequence that is granted, as a string";
                return Err(Refusal::not_granted(name.at, what));
            };
            self.uses.sequences.insert(sequence);
            return Ok(());
        }
        if !words::is_function(&name.text) {
            let what = format!("the function {} is not on the list of those that may be called", name.text);
            return Err(Refusal::not_granted(name.at, what));
        }
        self.all(pieces.iter().filter_map(Piece::inner), scope)
    }

    /// A name alone: a column, unless no column has it and a table does.
    fn name(&mut self, name: &Name, scope: &Scope<'_, 'g, '_>) -> Result<(), Refusal> {
        for Scope { frame, .. } in scope.outwards() {
            if let Some(Relation { of: Of::Table(table, grant), .. }) = frame.find(&name.text)
                && !grant.select.is_all()
            {
                let what = format!("{table} alone would be its whole row: write {}.COLUMN", name.text);
                return Err(Refusal::not_granted(name.at, what));
            }
        }
        self.column(name, scope)
    }

    /// A name alone that is a column's. Where it is certain that somebody here has it, nobody
    /// further out is meant. A table of which all columns are granted may have it or not: then
    /// nobody else in sight may have it ungranted.
    fn column(&mut self, name: &Name, scope: &Scope<'_, 'g, '_>) -> Result<(), Refusal> {
        let mut possible = false;
        for Scope { frame, .. } in scope.outwards() {
            let tables = &frame.tables;
            steps::add(tables.len());
            let named = |grant: &&TableGrant| !grant.select.is_all() && grant.select.has(&name.text);
            let certain = frame.has_column(&name.text) || tables.values().any(named);
            possible |= frame.is_open;
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
        }
        if possible {
            return Ok(());
        }
        Err(Refusal::not_understood(name.at, format!("there is no column {} here", name.text)))
    }

    fn insert<'t>(&mut self, insert: &'t Insert, scope: &Scope<'_, 'g, 't>) -> Result<Names<'t>, Refusal> {
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
        let own = Frame::of(Some(alias.as_ref().unwrap_or(&target.name)), Of::Table(table, grant));
        if let Some(conflict) = conflict {
            self.conflict(conflict, &own, (table, grant), scope)?;
        }
        self.items(returning, &Scope { frame: &own, outer: Some(scope), with: scope.with })
    }

    fn conflict<'t>(
        &mut self,
        conflict: &'t Conflict,
        own: &Frame<'g, 't>,
        (table, grant): (&'g str, &'g TableGrant),
        scope: &Scope<'_, 'g, 't>,
    ) -> Result<(), Refusal> {
        let Conflict { columns, constraint, index_filter, set, filter } = conflict;
        for column in columns {
            self.touch(table, grant, Verb::Select, column)?;
        }
        if let Some(constraint) = constraint {
            // Which columns it has is not known here.
            if !grant.select.is_all() {
                let what = "the columns of the constraint are not known here: write ON CONFLICT (COLUMN, ...)";
                return Err(Refusal::not_granted(constraint.at, what));
            }
            self.touch_all(table, grant, Verb::Select, constraint.at)?;
        }
        self.all(index_filter, &Scope { frame: own, outer: Some(scope), with: scope.with })?;
        // The row that was to be inserted: PostgreSQL asks for the select of what is read of it.
        let mut both = own.clone();
        both.extend(Frame::named("excluded", Of::Table(table, grant)))?;
        let here = &Scope { frame: &both, outer: Some(scope), with: scope.with };
        self.set(table, grant, set, here)?;
        self.all(filter, here)
    }

    fn set<'t>(
        &mut self,
        table: &str,
        grant: &TableGrant,
        set: &'t [Assignment],
        scope: &Scope<'_, 'g, 't>,
    ) -> Result<(), Refusal> {
        for Assignment { columns, value, .. } in set {
            for column in columns {
                self.touch(table, grant, Verb::Update, column)?;
            }
            self.expression(value, scope)?;
        }
        Ok(())
    }

    fn update<'t>(&mut self, update: &'t Update, scope: &Scope<'_, 'g, 't>) -> Result<Names<'t>, Refusal> {
        let Update { with, table: target, alias, set, from, filter, returning } = update;
        let tables = self.with(with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        let (table, grant) = self.table(target)?;
        let mut frame = Frame::of(Some(alias.as_ref().unwrap_or(&target.name)), Of::Table(table, grant));
        // The queries and functions in FROM do not see the target.
        frame.extend(self.sources(from, scope)?)?;
        let here = &Scope { frame: &frame, outer: Some(scope), with: scope.with };
        self.set(table, grant, set, here)?;
        self.all(filter, here)?;
        self.items(returning, here)
    }

    fn delete<'t>(&mut self, delete: &'t Delete, scope: &Scope<'_, 'g, 't>) -> Result<Names<'t>, Refusal> {
        let Delete { with, table: target, alias, using, filter, returning } = delete;
        let tables = self.with(with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        let (table, grant) = self.table(target)?;
        if !grant.delete {
            return Err(Refusal::not_granted(target.name.at, format!("delete from {table} is not granted")));
        }
        self.table_use(table).delete = true;
        let mut frame = Frame::of(Some(alias.as_ref().unwrap_or(&target.name)), Of::Table(table, grant));
        frame.extend(self.sources(using, scope)?)?;
        let here = &Scope { frame: &frame, outer: Some(scope), with: scope.with };
        self.all(filter, here)?;
        self.items(returning, here)
    }
}
