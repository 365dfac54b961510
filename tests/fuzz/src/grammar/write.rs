//! `InsertStmt`, `UpdateStmt` and `DeleteStmt`.

use tenet_core::{Columns, TableGrant};

use super::{Grammar, Relation};
use crate::lexicon::Slot;
use crate::world::Kind;

impl Grammar<'_> {
    /// A table with such a grant.
    fn target(&mut self, is_granted: impl Fn(&TableGrant) -> bool) -> usize {
        let all = 0..self.rule.tables.len();
        let granted: Vec<usize> = all
            .clone()
            .filter(|at| self.rule.grants.tables.get(&self.rule.tables[*at].name).is_some_and(&is_granted))
            .collect();
        if granted.is_empty() || (self.tempted() && self.rng.bool()) {
            self.hit("temptation: target");
            return self.rng.usize(all);
        }
        granted[self.rng.usize(0..granted.len())]
    }

    /// At least one column of a table for a verb.
    fn columns(&mut self, at: usize, of: impl Fn(&TableGrant) -> &Columns) -> Vec<(String, Slot)> {
        let table = &self.rule.tables[at];
        let grant = self.rule.grants.tables.get(&table.name);
        let granted = |name: &str| grant.is_some_and(|grant| of(grant).has(name));
        let is_made = |name: &str| table.name == "accounts" && name == "total";
        let mut columns: Vec<(String, Slot)> = table
            .columns
            .iter()
            .filter(|(name, ..)| granted(name) && !is_made(name))
            .map(|(name, kind, _)| (name.clone(), Some(*kind)))
            .collect();
        if columns.is_empty() || self.tempted() {
            self.hit("temptation: column that is written");
            let (name, kind, _) = table.columns[self.rng.usize(0..table.columns.len())].clone();
            columns.push((name, Some(kind)));
        }
        self.rng.shuffle(&mut columns);
        let keep = self.rng.usize(1..=columns.len());
        if self.rng.u8(0..3) == 0 {
            columns.truncate(keep.min(5));
        }
        columns
    }

    /// A column of this kind that the rule may not read, more often one of `excluded`.
    fn tempting_value(&mut self, slot: Slot) -> Option<(String, String)> {
        let rule = self.rule;
        let relation = self.scopes.last()?.last()?.clone();
        let fits = |kind: Kind| Some(kind) == slot || (kind, slot) == (Kind::Int, Some(Kind::Number));
        let is_of_kind = |hidden: &String| {
            let mut columns = rule.tables.iter().flat_map(|table| &table.columns);
            columns.any(|(name, kind, _)| name == hidden && fits(*kind))
        };
        let fitting: Vec<String> = relation.hidden.iter().filter(|hidden| is_of_kind(hidden)).cloned().collect();
        let chance = if relation.name == "excluded" { 600 } else { 200 };
        if fitting.is_empty() || !self.tempted_at(chance) {
            return None;
        }
        let column = self.pick(&fitting);
        Some((relation.name, column))
    }

    /// The value for a column.
    fn value(&mut self, name: &str, slot: Slot) {
        if self.chance(60) {
            self.hit("DEFAULT");
            return self.put("DEFAULT");
        }
        if let Some((relation, column)) = self.tempting_value(slot) {
            self.hit("temptation: value");
            return self.qualified(&relation, &column);
        }
        match (name, slot) {
            // Existing keys and others.
            ("id" | "account", Some(Kind::Text)) if self.rng.bool() => {
                let text = self.one_of(&["'a'", "'b'", "'z'", "'y'"]);
                self.put_one(text);
            }
            ("id", Some(Kind::Int)) if self.rng.bool() => {
                let number = self.rng.u8(1..40);
                self.put_one(number.to_string());
            }
            _ => self.expression(slot),
        }
    }

    fn put_alias(&mut self, at: usize, always_as: bool) -> Relation {
        let mut relation = self.relation(at);
        if self.rng.u8(0..3) == 0 {
            self.hit("target alias");
            let name = self.name();
            if always_as || self.rng.bool() || self.is_keyword(&name) {
                self.put("AS");
            }
            self.put_name(&name);
            relation.name = name;
        }
        relation
    }

    pub(crate) fn with_before(&mut self, is_whole: bool) {
        if is_whole && self.rng.u8(0..8) == 0 {
            self.hit("WITH before a write");
            self.put("WITH");
            let name = self.name();
            self.put_name(&name);
            self.put("AS (");
            let columns = self.query(None, false);
            self.put(")");
            let columns = super::query::known(&columns);
            self.with.push(Relation { name, columns, hidden: Vec::new(), lockable: false, is_table: false });
        }
    }

    pub(crate) fn insert(&mut self, is_whole: bool) {
        self.hit("INSERT");
        self.with_before(is_whole);
        let at = self.target(|grant| !grant.insert.is_none());
        self.put("INSERT INTO");
        self.put_table(at);
        let relation = self.put_alias(at, true);
        let columns = self.columns(at, |grant| &grant.insert);
        let is_open =
            self.rule.grants.tables.get(&self.rule.tables[at].name).is_some_and(|grant| grant.insert.is_all());
        match self.rng.u8(0..12) {
            0 => {
                self.hit("DEFAULT VALUES");
                self.put("DEFAULT VALUES");
            }
            1..=4 => {
                self.hit("INSERT query");
                self.column_list(&columns, is_open);
                let slots = columns.iter().map(|(_, slot)| *slot).collect();
                if self.foolish() {
                    self.put("OVERRIDING SYSTEM VALUE");
                }
                self.query(Some(slots), false);
            }
            _ => {
                self.hit("INSERT VALUES");
                self.column_list(&columns, is_open);
                self.put("VALUES");
                let rows = self.rng.usize(1..3);
                self.comma_list(rows, |this, _| {
                    this.put("(");
                    this.comma_list(columns.len(), |this, which| this.value(&columns[which].0, columns[which].1));
                    this.put(")");
                });
            }
        }
        self.scopes.push(vec![relation.clone()]);
        if self.rng.u8(0..3) == 0 {
            self.conflict(at);
        }
        self.scopes.pop();
        self.returning(vec![relation], is_whole);
    }

    fn column_list(&mut self, columns: &[(String, Slot)], is_open: bool) {
        if is_open && self.chance(60) {
            self.hit("INSERT without columns");
            return;
        }
        if self.tempted() && self.rng.u8(0..4) == 0 {
            self.hit("temptation: no columns");
            return;
        }
        self.put("(");
        self.comma_list(columns.len(), |this, at| this.put_name(&columns[at].0));
        if self.foolish() {
            self.put("[ 1 ]");
        }
        self.put(")");
    }

    fn conflict(&mut self, at: usize) {
        self.hit("ON CONFLICT");
        self.put("ON CONFLICT");
        let constraints = self.rule.tables[at].constraints.clone();
        let reads = |this: &Self, column: &str| this.rule.reads(&this.rule.tables[at].name, column);
        let readable: Vec<Vec<String>> = constraints
            .iter()
            .filter(|(_, columns)| columns.iter().all(|column| reads(self, column)))
            .map(|(_, columns)| columns.clone())
            .collect();
        let mut has_target = true;
        match self.rng.u8(0..8) {
            0 | 1 => has_target = false,
            2 if !constraints.is_empty() => {
                self.hit("ON CONFLICT ON CONSTRAINT");
                let known: Vec<String> = constraints
                    .iter()
                    .filter(|(_, columns)| columns.iter().all(|column| reads(self, column)))
                    .map(|(name, _)| name.clone())
                    .collect();
                let name = if known.is_empty() || self.tempted() || self.chance(40) {
                    constraints[self.rng.usize(0..constraints.len())].0.clone()
                } else {
                    known[self.rng.usize(0..known.len())].clone()
                };
                self.put("ON CONSTRAINT");
                self.put_name(&name);
            }
            _ => {
                let columns = if readable.is_empty() || self.tempted() || self.chance(40) {
                    if constraints.is_empty() {
                        vec![self.any_column()]
                    } else {
                        constraints[self.rng.usize(0..constraints.len())].1.clone()
                    }
                } else {
                    readable[self.rng.usize(0..readable.len())].clone()
                };
                self.hit("ON CONFLICT (columns)");
                self.put("(");
                self.comma_list(columns.len(), |this, which| {
                    this.put_name(&columns[which]);
                    if this.foolish() {
                        let words = this.one_of(&["COLLATE \"C\"", "text_ops", "|| 'x'"]);
                        this.put(words);
                    }
                });
                self.put(")");
                if self.chance(60) {
                    self.hit("ON CONFLICT WHERE");
                    self.put("WHERE");
                    self.expression(Some(Kind::Bool));
                }
            }
        }
        let updates =
            self.rule.grants.tables.get(&self.rule.tables[at].name).is_some_and(|grant| !grant.update.is_none());
        if !has_target || !(updates || self.tempted()) || self.rng.u8(0..3) == 0 {
            self.hit("DO NOTHING");
            return self.put("DO NOTHING");
        }
        self.hit("DO UPDATE");
        let mut excluded = self.relation(at);
        excluded.name = "excluded".to_owned();
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(excluded);
        }
        self.put("DO UPDATE SET");
        self.set(at);
        if self.rng.u8(0..3) == 0 {
            self.hit("DO UPDATE WHERE");
            self.put("WHERE");
            self.expression(Some(Kind::Bool));
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.pop();
        }
    }

    fn set(&mut self, at: usize) {
        let columns = self.columns(at, |grant| &grant.update);
        match self.rng.u8(0..6) {
            0 => {
                self.hit("SET (row)");
                self.put("(");
                self.comma_list(columns.len(), |this, which| this.put_name(&columns[which].0));
                self.put(") =");
                match self.rng.u8(0..3) {
                    0 => {
                        self.hit("SET (row) = (query)");
                        let slots = columns.iter().map(|(_, slot)| *slot).collect();
                        self.sub_query(Some(slots));
                    }
                    number => {
                        if number == 1 || columns.len() == 1 {
                            self.put("ROW");
                        }
                        self.put("(");
                        self.comma_list(columns.len(), |this, which| this.value(&columns[which].0, columns[which].1));
                        self.put(")");
                    }
                }
            }
            _ => self.comma_list(columns.len(), |this, which| {
                this.hit("SET");
                this.put_name(&columns[which].0);
                if this.foolish() {
                    let words = this.one_of(&["[ 1 ]", ". x"]);
                    this.put(words);
                }
                this.put("=");
                this.value(&columns[which].0, columns[which].1);
            }),
        }
    }

    pub(crate) fn update(&mut self, is_whole: bool) {
        self.hit("UPDATE");
        self.with_before(is_whole);
        let at = self.target(|grant| !grant.update.is_none());
        self.put("UPDATE");
        if self.foolish() {
            self.put("ONLY");
        }
        self.put_table(at);
        let relation = self.put_alias(at, false);
        self.put("SET");
        // FROM comes after the part that sees it.
        let start = self.words.len();
        self.scopes.push(vec![]);
        let has_from = self.rng.u8(0..4) == 0;
        if has_from {
            self.hit("UPDATE FROM");
            self.sources("FROM");
        }
        let from = self.words.split_off(start);
        if let Some(scope) = self.scopes.last_mut() {
            scope.retain(|other| other.name != relation.name);
            scope.insert(0, relation);
        }
        self.set(at);
        self.words.extend(from);
        self.write_filter();
        let scope = self.scopes.pop().unwrap_or_default();
        self.returning(scope, is_whole);
    }

    pub(crate) fn delete(&mut self, is_whole: bool) {
        self.hit("DELETE");
        self.with_before(is_whole);
        let at = self.target(|grant| grant.delete);
        self.put("DELETE FROM");
        self.put_table(at);
        let relation = self.put_alias(at, false);
        self.scopes.push(vec![]);
        if self.rng.u8(0..4) == 0 {
            self.hit("DELETE USING");
            self.sources("USING");
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.retain(|other| other.name != relation.name);
            scope.insert(0, relation);
        }
        self.write_filter();
        let scope = self.scopes.pop().unwrap_or_default();
        self.returning(scope, is_whole);
    }

    fn write_filter(&mut self) {
        if self.foolish() {
            self.put("WHERE CURRENT OF x");
        } else if self.rng.u8(0..3) > 0 {
            self.hit("WHERE of a write");
            self.put("WHERE");
            let target = self.scopes.last().and_then(|scope| scope.first()).cloned();
            if let Some(target) = target.filter(|target| !target.hidden.is_empty())
                && self.tempted_at(300)
            {
                self.hit("temptation: WHERE of a write");
                let column = self.pick(&target.hidden);
                self.qualified(&target.name, &column);
                return self.put("IS NOT NULL");
            }
            self.expression(Some(Kind::Bool));
        }
    }

    fn returning(&mut self, scope: Vec<Relation>, is_whole: bool) {
        if self.rng.u8(0..3) == 0 && is_whole {
            return;
        }
        self.hit("RETURNING");
        self.put("RETURNING");
        if (scope.iter().all(|relation| relation.hidden.is_empty()) && self.rng.u8(0..3) == 0) || self.tempted() {
            self.hit("RETURNING *");
            return self.put("*");
        }
        self.scopes.push(scope);
        let count = self.rng.usize(1..3);
        self.comma_list(count, |this, _| {
            let kind = this.any_kind();
            this.expression(Some(kind));
            if this.rng.u8(0..3) == 0 {
                this.put("AS");
                let label = this.name();
                this.put_name(&label);
            }
        });
        self.scopes.pop();
    }
}
