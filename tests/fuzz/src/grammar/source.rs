//! `from_clause`: tables, queries, functions and joins.

use super::query::known;
use super::{Grammar, Relation};
use crate::lexicon::{Slot, Sort};
use crate::world::Kind;

impl Grammar<'_> {
    /// Adds the sources that it names to the innermost scope.
    pub(crate) fn sources(&mut self, word: &str) {
        self.put(word);
        let count = if self.rng.u8(0..5) == 0 { 2 } else { 1 };
        if count > 1 {
            self.hit("FROM list");
        }
        self.comma_list(count, |this, _| this.source(true));
    }

    fn taken(&self) -> Vec<Relation> {
        self.scopes.last().cloned().unwrap_or_default()
    }

    fn add(&mut self, relation: Relation) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(relation);
        }
    }

    fn source(&mut self, may_join: bool) {
        if !self.spend(1) {
            return self.table();
        }
        match self.rng.u8(0..14) {
            0 | 1 => self.derived(),
            2 => self.function(),
            3..=5 if may_join => self.join(),
            6 if may_join && self.foolish() => {
                self.hit("odd source");
                let words = self.one_of(&[
                    "ROWS FROM ( generate_series ( 1 , 2 ) ) AS x",
                    "XMLTABLE ( '/a' PASSING '<a/>' COLUMNS id int ) x",
                    "( SELECT 1 ) AS x TABLESAMPLE SYSTEM ( 9 )",
                    "ONLY accounts",
                    "accounts *",
                    "LATERAL accounts",
                    "JSON_TABLE ( '{}' , '$' COLUMNS ( id int ) ) x",
                    "json_to_record ( '{}' ) AS x ( id int )",
                ]);
                self.put(words);
            }
            _ => self.table(),
        }
    }

    /// A granted table, a query of a WITH, or another table.
    fn table(&mut self) {
        let taken = self.taken();
        if self.tempted() && self.rng.u8(0..3) == 0 {
            self.hit("temptation: table");
            let table = self.any_table();
            self.put_one(table);
            let name = self.fresh(&taken);
            self.put("AS");
            self.put_name(&name);
            let columns = (0..3).map(|_| (self.any_column(), Some(Kind::Text))).collect();
            return self.add(Relation { name, columns, hidden: Vec::new(), lockable: false, is_table: false });
        }
        if !self.with.is_empty() && self.rng.bool() {
            self.hit("FROM name of a WITH");
            let mut relation = self.with[self.rng.usize(0..self.with.len())].clone();
            self.put_name(&relation.name.clone());
            self.alias(&mut relation, &taken);
            return self.add(relation);
        }
        let tables: Vec<usize> = (0..self.rule.tables.len())
            .filter(|at| {
                self.rule.grants.tables.get(&self.rule.tables[*at].name).is_some_and(|grant| !grant.select.is_none())
            })
            .collect();
        let at = tables[self.rng.usize(0..tables.len())];
        let mut relation = self.relation(at);
        self.hit("FROM table");
        self.put_table(at);
        if self.foolish() {
            let words = self.one_of(&["TABLESAMPLE BERNOULLI ( 50 )", "*"]);
            self.hit("odd table");
            self.put(words);
        }
        self.alias(&mut relation, &taken);
        self.add(relation);
    }

    /// A table as the rule sees it.
    pub(crate) fn relation(&self, at: usize) -> Relation {
        let table = &self.rule.tables[at];
        let reads = |column: &str| self.rule.reads(&table.name, column);
        let columns =
            table.columns.iter().filter(|(name, ..)| reads(name)).map(|(name, kind, _)| (name.clone(), Some(*kind)));
        Relation {
            name: table.bare.clone(),
            columns: columns.collect(),
            hidden: table.columns.iter().filter(|(name, ..)| !reads(name)).map(|(name, ..)| name.clone()).collect(),
            lockable: !table.is_view
                && self.rule.grants.tables.get(&table.name).is_some_and(|grant| !grant.update.is_none()),
            is_table: true,
        }
    }

    pub(crate) fn put_table(&mut self, at: usize) {
        let (schema, bare) = (self.rule.tables[at].schema.clone(), self.rule.tables[at].bare.clone());
        let bare = self.written(&bare);
        if schema != "public" || self.rng.u8(0..4) == 0 {
            self.hit("schema.table");
            let schema = if self.rng.u8(0..4) == 0 { format!("\"{schema}\"") } else { schema };
            self.put_one(format!("{schema}.{bare}"));
        } else {
            self.put_one(bare);
        }
    }

    /// An alias for rows. Aliases in one FROM differ.
    fn alias(&mut self, relation: &mut Relation, taken: &[Relation]) {
        if self.rng.bool() || taken.iter().any(|other| other.name == relation.name) {
            self.hit("alias");
            let name = self.fresh(taken);
            if self.rng.bool() || self.is_keyword(&name) {
                self.put("AS");
            }
            self.put_name(&name);
            relation.name = name;
            if !relation.is_table && !relation.columns.is_empty() && self.rng.u8(0..4) == 0 {
                self.rename(relation);
            } else if relation.is_table && self.tempted() {
                self.hit("temptation: columns of a table renamed");
                self.rename(relation);
            }
        }
    }

    fn rename(&mut self, relation: &mut Relation) {
        self.hit("alias (columns)");
        let name = self.name();
        self.put("(");
        self.put_name(&name);
        self.put(")");
        if let Some(first) = relation.columns.first_mut() {
            first.0 = name;
        }
    }

    fn derived(&mut self) {
        let taken = self.taken();
        let lateral = self.rng.u8(0..4) == 0;
        if lateral {
            self.hit("LATERAL (query)");
            self.put("LATERAL");
        }
        self.hit("FROM (query)");
        // Without LATERAL, relations to its left are not visible.
        let beside = if lateral { None } else { self.scopes.pop() };
        let columns = self.sub_query(None);
        self.scopes.extend(beside);
        let mut relation = Relation {
            name: String::new(),
            columns: known(&columns),
            hidden: Vec::new(),
            lockable: false,
            is_table: false,
        };
        let name = self.fresh(&taken);
        if self.rng.bool() {
            self.put("AS");
            self.put_name(&name);
        } else {
            self.put_name(&name);
        }
        relation.name = name;
        if !relation.columns.is_empty()
            && columns.first().is_some_and(|(name, _)| name.is_some())
            && self.rng.u8(0..4) == 0
        {
            self.rename(&mut relation);
        }
        self.add(relation);
    }

    fn function(&mut self) {
        let taken = self.taken();
        if self.tempted() {
            self.hit("temptation: function in FROM");
            let function = self.team_function();
            let words = match self.rng.u8(0..3) {
                0 => format!("public.{function} ( )"),
                1 => format!("{function} ( 'x' )"),
                _ => format!("{} ( )", self.other_function()),
            };
            self.put(&words);
        } else {
            let lexicon = self.lexicon;
            let sets: Vec<_> = lexicon.functions.iter().filter(|function| function.sort == Sort::Set).collect();
            if self.rng.u8(0..3) > 0 || sets.is_empty() {
                self.hit("function generate_series");
                self.put("generate_series ( 1 , 3 )");
                return self.of_function(Some(Kind::Int), "generate_series", &taken);
            }
            let function = sets[self.rng.usize(0..sets.len())].clone();
            if self.rng.u8(0..4) == 0 {
                self.put("LATERAL");
            }
            self.function_name(&function.name);
            self.put("(");
            let count = function.arguments.len();
            let is_series = function.name == "generate_series";
            self.comma_list(count, |this, at| match function.arguments[at].or(Some(Kind::Ints)) {
                // A long series only takes time.
                Some(Kind::Int | Kind::Number) if is_series => {
                    let bound = this.one_of(&["0", "1", "3", "2", "5"]);
                    this.put(bound);
                }
                Some(Kind::Span) if is_series => this.put("INTERVAL '1' day"),
                slot => this.leaf(slot),
            });
            self.put(")");
            return self.of_function(function.gives, &function.name, &taken);
        }
        self.of_function(None, "x", &taken);
    }

    fn of_function(&mut self, gives: Slot, function: &str, taken: &[Relation]) {
        self.hit("FROM function");
        if self.rng.u8(0..5) == 0 {
            self.hit("WITH ORDINALITY");
            self.put("WITH ORDINALITY");
        }
        let columns: Vec<(String, Slot)> = match function {
            "json_each" | "jsonb_each" | "json_each_text" | "jsonb_each_text" => {
                vec![("key".to_owned(), Some(Kind::Text)), ("value".to_owned(), None)]
            }
            _ if function.starts_with("json") => vec![("value".to_owned(), gives)],
            _ => Vec::new(),
        };
        let name = self.fresh(taken);
        let mut relation =
            Relation { name: name.clone(), columns, hidden: Vec::new(), lockable: false, is_table: false };
        self.put("AS");
        self.put_name(&name);
        if relation.columns.is_empty() {
            relation.columns.push((name, gives));
        }
        if self.rng.bool() {
            self.rename(&mut relation);
        }
        self.add(relation);
    }

    fn join(&mut self) {
        self.hit("JOIN");
        let before = self.taken().len();
        let grouped = self.rng.u8(0..5) == 0;
        if grouped {
            self.hit("(join)");
            self.put("(");
        }
        self.source(false);
        let words = self.one_of(&[
            "JOIN",
            "JOIN",
            "LEFT JOIN",
            "RIGHT OUTER JOIN",
            "FULL JOIN",
            "CROSS JOIN",
            "INNER JOIN",
            "NATURAL JOIN",
        ]);
        let words = if words == "NATURAL JOIN" && !self.foolish() { "JOIN" } else { words };
        self.hit(words);
        self.put(words);
        self.source(false);
        if !["CROSS JOIN", "NATURAL JOIN"].contains(&words) {
            let scope = self.taken();
            let shared: Vec<String> = match (scope.get(before), scope.get(before + 1)) {
                (Some(left), Some(right)) => left
                    .columns
                    .iter()
                    .filter(|column| right.columns.contains(column))
                    .map(|(name, _)| name.clone())
                    .collect(),
                _ => Vec::new(),
            };
            if self.tempted_at(150) {
                self.hit("temptation: USING");
                let both: Vec<String> = match (scope.get(before), scope.get(before + 1)) {
                    (Some(left), Some(right)) => {
                        left.hidden.iter().filter(|column| right.hidden.contains(column)).cloned().collect()
                    }
                    _ => Vec::new(),
                };
                let column = if both.is_empty() { self.any_column() } else { self.pick(&both) };
                self.put("USING (");
                self.put_name(&column);
                self.put(")");
            } else if !shared.is_empty() && self.rng.bool() {
                self.hit("USING");
                self.put("USING (");
                let name = shared[self.rng.usize(0..shared.len())].clone();
                self.put_name(&name);
                self.put(")");
                if self.foolish() {
                    self.hit("USING AS");
                    self.put("AS x");
                }
            } else {
                self.hit("ON");
                self.put("ON");
                // Relations to the left of both sides are not visible.
                let beside: Vec<Relation> = match self.scopes.last_mut() {
                    Some(scope) if before <= scope.len() => scope.drain(..before).collect(),
                    _ => Vec::new(),
                };
                self.expression(Some(Kind::Bool));
                if let Some(scope) = self.scopes.last_mut() {
                    scope.splice(0..0, beside);
                }
            }
        }
        if grouped {
            self.put(")");
            if self.foolish() {
                self.put("AS x");
            }
        }
    }
}
