//! `SelectStmt`: everything that returns rows.

use super::{Grammar, Relation};
use crate::lexicon::Slot;

/// Result columns: their names, if known, and kinds.
pub(crate) type Columns = Vec<(Option<String>, Slot)>;

impl Grammar<'_> {
    /// A query in parentheses, with its own aggregates.
    pub(crate) fn sub_query(&mut self, wanted: Option<Vec<Slot>>) -> Columns {
        let (aggregates, windowed) = (self.aggregates, self.windowed);
        let windows = std::mem::take(&mut self.windows);
        self.put("(");
        let columns = self.query(wanted, false);
        self.put(")");
        (self.aggregates, self.windowed) = (aggregates, windowed);
        self.windows = windows;
        columns
    }

    /// A query, with columns of these kinds if they are given.
    pub(crate) fn query(&mut self, wanted: Option<Vec<Slot>>, is_whole: bool) -> Columns {
        let with = self.with.len();
        if self.rng.u8(0..if is_whole { 4 } else { 12 }) == 0 && self.budget > 0 {
            self.with_clause(is_whole);
        }
        let columns = match self.rng.u8(0..16) {
            0 if self.budget > 0 => {
                self.hit("VALUES");
                let slots = self.slots(wanted);
                let columns = self.values(&slots);
                self.tail(&columns);
                columns
            }
            1 | 2 if self.budget > 0 => {
                self.hit("set operation");
                let slots = self.slots(wanted);
                let first = self.arm(&slots);
                for _ in 0..self.rng.usize(1..3) {
                    let word = self.one_of(&[
                        "UNION",
                        "UNION ALL",
                        "INTERSECT",
                        "EXCEPT",
                        "EXCEPT ALL",
                        "UNION DISTINCT",
                        "INTERSECT ALL",
                    ]);
                    self.hit(word);
                    self.put(word);
                    self.arm(&slots);
                }
                self.tail(&first);
                first
            }
            3 if self.budget > 0 => {
                self.hit("(query) with a tail");
                let slots = self.slots(wanted);
                self.put("(");
                let has_tail = self.rng.u8(0..4) == 0;
                let columns = self.select(Some(slots), has_tail);
                self.put(")");
                self.tail(&columns);
                if self.tempted_at(200) {
                    self.hit("temptation: lock behind parentheses");
                    self.put("FOR UPDATE");
                }
                columns
            }
            4 if self.foolish() => {
                self.hit("TABLE");
                self.put("TABLE");
                let table = self.any_table();
                self.put_one(table);
                vec![(None, None)]
            }
            _ => self.select(wanted, true),
        };
        self.with.truncate(with);
        columns
    }

    pub(crate) fn slots(&mut self, wanted: Option<Vec<Slot>>) -> Vec<Slot> {
        match wanted {
            Some(slots) => slots.into_iter().map(|slot| slot.or_else(|| Some(self.any_kind()))).collect(),
            None => (0..self.rng.usize(1..4)).map(|_| Some(self.any_kind())).collect(),
        }
    }

    fn arm(&mut self, slots: &[Slot]) -> Columns {
        match self.rng.u8(0..6) {
            0 => {
                self.put("(");
                let columns = self.query(Some(slots.to_vec()), false);
                self.put(")");
                columns
            }
            1 => self.values(slots),
            _ => self.select(Some(slots.to_vec()), false),
        }
    }

    pub(crate) fn values(&mut self, slots: &[Slot]) -> Columns {
        self.put("VALUES");
        let rows = self.rng.usize(1..4);
        let (aggregates, windowed) = (self.aggregates, self.windowed);
        (self.aggregates, self.windowed) = (false, false);
        self.comma_list(rows, |this, _| {
            this.put("(");
            this.comma_list(slots.len(), |this, at| this.expression(slots[at]));
            this.put(")");
        });
        (self.aggregates, self.windowed) = (aggregates, windowed);
        slots.iter().enumerate().map(|(at, slot)| (Some(format!("column{}", at + 1)), *slot)).collect()
    }

    /// ORDER BY and LIMIT after a query of which only the result columns are visible.
    fn tail(&mut self, columns: &Columns) {
        if self.rng.u8(0..3) == 0 {
            self.hit("tail ORDER BY");
            self.put("ORDER BY");
            let count = self.rng.usize(1..3);
            self.comma_list(count, |this, _| {
                let at = this.rng.usize(0..columns.len().max(1));
                let name = columns.get(at).and_then(|(name, _)| name.clone());
                if this.tempted() {
                    this.expression(None);
                } else if let (Some(name), true) = (name, this.rng.bool()) {
                    this.put_name(&name);
                } else {
                    this.put_one((at + 1).to_string());
                }
                this.direction();
            });
        }
        self.limits();
    }

    fn limits(&mut self) {
        if std::mem::take(&mut self.one_row) {
            let words = self.one_of(&["LIMIT 1", "LIMIT 1", "FETCH FIRST ROW ONLY", "OFFSET 1 LIMIT 1"]);
            self.hit(words);
            return self.put(words);
        }
        match self.rng.u8(0..12) {
            0 => {
                self.hit("LIMIT");
                self.put("LIMIT");
                let limit = self.one_of(&["1", "2", "ALL", "( 1 + 1 )", "$1", "NULL"]);
                self.put(limit);
            }
            1 => {
                self.hit("OFFSET");
                self.put("OFFSET 1");
                if self.rng.bool() {
                    self.put("ROWS");
                }
            }
            2 => {
                self.hit("FETCH");
                let words = self.one_of(&[
                    "FETCH FIRST ROW ONLY",
                    "FETCH NEXT 2 ROWS ONLY",
                    "FETCH FIRST ( 1 + 1 ) ROWS ONLY",
                    "OFFSET 1 ROW FETCH NEXT 1 ROW ONLY",
                ]);
                self.put(words);
                if self.foolish() {
                    self.words.pop();
                    self.put("WITH TIES");
                }
            }
            _ => {}
        }
    }

    pub(crate) fn direction(&mut self) {
        let words = self.one_of(&["", "", "", "ASC", "DESC", "DESC NULLS LAST", "NULLS FIRST", "ASC NULLS LAST"]);
        if !words.is_empty() {
            self.hit(format!("ORDER {words}"));
            self.put(words);
        }
        if self.foolish() {
            self.put("USING <");
        }
    }

    /// One or two expressions for ORDER BY in a place without labels.
    pub(crate) fn sort_by(&mut self, slot: Slot) {
        let count = if slot.is_some() { 1 } else { self.rng.usize(1..3) };
        self.comma_list(count, |this, _| {
            let kind = this.sortable();
            this.expression(slot.or(kind));
            this.direction();
        });
    }

    fn with_clause(&mut self, is_whole: bool) {
        self.hit("WITH");
        self.put("WITH");
        let recursive = self.rng.u8(0..5) == 0;
        if recursive {
            self.hit("WITH RECURSIVE");
            self.put("RECURSIVE");
        }
        let count = self.rng.usize(1..3);
        self.comma_list(count, |this, _| {
            let own: Vec<Relation> = this.with.clone();
            let name = this.fresh(&own);
            this.put_name(&name);
            let is_counter = recursive && this.rng.bool();
            let renamed = if is_counter || this.rng.u8(0..3) == 0 { Some(this.name()) } else { None };
            if let Some(column) = &renamed {
                this.hit("WITH name (columns)");
                this.put("(");
                this.put_name(column);
                this.put(")");
            }
            this.put("AS");
            let words = this.one_of(&["", "", "", "MATERIALIZED", "NOT MATERIALIZED"]);
            if !words.is_empty() {
                this.hit(words);
                this.put(words);
            }
            this.put("(");
            let scopes = std::mem::take(&mut this.scopes);
            let columns = match (&renamed, is_counter) {
                (Some(column), true) => {
                    this.hit("recursion");
                    this.put("SELECT 1 UNION ALL SELECT");
                    this.put_name(column);
                    this.put("+ 1 FROM");
                    this.put_name(&name);
                    this.put("WHERE");
                    this.put_name(column);
                    this.put("< 4");
                    vec![(None, Some(crate::world::Kind::Int))]
                }
                _ if is_whole && this.rng.u8(0..4) == 0 => {
                    this.hit("WITH that writes");
                    match this.rng.u8(0..3) {
                        0 => this.insert(false),
                        1 => this.update(false),
                        _ => this.delete(false),
                    }
                    vec![]
                }
                _ => this.query(None, false),
            };
            this.scopes = scopes;
            this.put(")");
            let mut known = known(&columns);
            if let (Some(column), Some(first)) = (renamed, columns.first()) {
                known.retain(|(name, _)| Some(name) != first.0.as_ref());
                known.insert(0, (column, first.1));
            }
            if this.foolish() {
                this.hit("SEARCH CYCLE");
                let words = this.one_of(&["SEARCH DEPTH FIRST BY id SET day", "CYCLE id SET note USING secret"]);
                this.put(words);
            }
            this.with.push(Relation { name, columns: known, hidden: Vec::new(), lockable: false, is_table: false });
        });
    }

    /// `SELECT ...` with all its clauses. It has its own ORDER BY and locks if `has_tail`.
    pub(crate) fn select(&mut self, wanted: Option<Vec<Slot>>, has_tail: bool) -> Columns {
        let (aggregates, windowed) = (self.aggregates, self.windowed);
        let one_row = std::mem::take(&mut self.one_row);
        let windows = std::mem::take(&mut self.windows);
        let slots = wanted.is_some();
        let kinds = self.slots(wanted);
        self.put("SELECT");
        // The items come first but see the FROM, so FROM is generated first and then moved after
        // them.
        let start = self.words.len();
        self.scopes.push(Vec::new());
        let has_from = self.rng.u8(0..10) > 0 && self.scopes.len() < 5;
        if has_from {
            self.sources("FROM");
        }
        let from = self.words.split_off(start);
        let grouped = has_from && self.rng.u8(0..5) == 0;
        let aggregated = grouped || self.rng.u8(0..8) == 0;
        let has_windows = !aggregated && self.rng.u8(0..4) == 0;
        if has_windows && self.rng.bool() {
            let count = self.rng.usize(1..3);
            self.windows = (0..count).map(|_| self.name()).collect();
        }
        // The grouping expressions, which are written both there and among the items.
        let mut groups: Vec<Vec<String>> = Vec::new();
        if grouped {
            (self.aggregates, self.windowed) = (false, false);
            for _ in 0..self.rng.usize(1..3) {
                if self.rng.u8(0..3) == 0 {
                    self.expression(None)
                } else {
                    self.leaf_column()
                }
                groups.push(self.words.split_off(start));
            }
        }
        let mut distinct_on = Vec::new();
        match self.rng.u8(0..12) {
            0 => {
                self.hit("DISTINCT");
                self.put("DISTINCT");
            }
            1 => self.put("ALL"),
            2 if !aggregated => {
                self.hit("DISTINCT ON");
                (self.aggregates, self.windowed) = (false, false);
                self.put("DISTINCT ON (");
                let begin = self.words.len();
                self.label_or_expression(&[]);
                distinct_on = self.words.get(begin..).unwrap_or_default().to_vec();
                self.put(")");
            }
            _ => {}
        }
        let columns = self.items(&kinds, slots, aggregated, has_windows, &groups);
        if self.foolish() {
            self.hit("INTO");
            self.put("INTO x");
        }
        self.words.extend(from);
        (self.aggregates, self.windowed) = (false, false);
        if self.rng.u8(0..3) == 0 {
            self.hit("WHERE");
            self.put("WHERE");
            let far = self.far_and_hidden();
            if !far.is_empty() && self.tempted_at(300) {
                self.hit("temptation: outer column");
                let column = self.pick(&far);
                self.put_name(&column);
                self.put("IS NOT NULL");
            } else {
                self.expression(Some(crate::world::Kind::Bool));
            }
        }
        if !groups.is_empty() {
            self.group_by(&groups);
        }
        if aggregated && self.rng.u8(0..3) == 0 {
            self.hit("HAVING");
            self.put("HAVING");
            self.aggregates = true;
            self.aggregate_predicate();
            self.aggregates = false;
        }
        if !self.windows.is_empty() {
            self.hit("WINDOW");
            self.put("WINDOW");
            let names = std::mem::take(&mut self.windows);
            self.comma_list(names.len(), |this, at| {
                this.put_name(&names[at]);
                this.put("AS");
                this.window();
                this.windows.push(names[at].clone());
            });
        }
        if has_tail {
            self.order_by(&columns, &distinct_on, aggregated);
            self.one_row = one_row;
            self.limits();
            if !aggregated && distinct_on.is_empty() {
                self.locks();
            }
        }
        self.scopes.pop();
        (self.aggregates, self.windowed) = (aggregates, windowed);
        self.windows = windows;
        columns
    }

    fn leaf_column(&mut self) {
        if !self.column(None) {
            self.put("1");
        }
    }

    fn aggregate_predicate(&mut self) {
        self.call_of(Some(crate::world::Kind::Number));
        let operator = self.one_of(&[">", "<", "="]);
        self.put(operator);
        self.put("1");
    }

    fn group_by(&mut self, groups: &[Vec<String>]) {
        self.hit("GROUP BY");
        self.put("GROUP BY");
        if self.foolish() {
            let words = self.one_of(&["ROLLUP (", "CUBE (", "GROUPING SETS ( ( ) ,", "DISTINCT ("]);
            self.hit(words);
            self.put(words);
            self.comma_list(groups.len(), |this, at| this.words.extend(groups[at].iter().cloned()));
            self.put(")");
        } else {
            self.comma_list(groups.len(), |this, at| this.words.extend(groups[at].iter().cloned()));
        }
    }

    fn items(
        &mut self,
        kinds: &[Slot],
        fixed: bool,
        aggregated: bool,
        windowed: bool,
        groups: &[Vec<String>],
    ) -> Columns {
        let mut columns = Vec::new();
        if !fixed && !aggregated && self.rng.u8(0..9) == 0 && self.scopes.last().is_some_and(|scope| !scope.is_empty())
        {
            return self.star();
        }
        if !fixed && self.chance(10) {
            self.hit("no items");
            return columns;
        }
        self.comma_list(kinds.len(), |this, at| {
            let mut slot = kinds[at];
            let mut name = None;
            if aggregated && !groups.is_empty() && this.rng.bool() && !fixed {
                let group = groups[this.rng.usize(0..groups.len())].clone();
                this.words.extend(group);
                slot = None;
            } else if aggregated {
                this.aggregates = true;
                this.call_of(slot);
                this.aggregates = false;
            } else {
                this.windowed = windowed;
                let begin = this.words.len();
                if this.chance(40) && slot == Some(crate::world::Kind::Int) && this.granted_nextval() {
                } else if windowed && this.rng.u8(0..3) == 0 {
                    this.call_of(slot);
                } else if this.rng.u8(0..3) == 0 {
                    if this.rng.bool() || !this.column(slot) {
                        this.expression(slot)
                    }
                } else {
                    this.expression(slot);
                }
                if let [word] = this.words.get(begin..).unwrap_or_default() {
                    name = word
                        .rsplit('.')
                        .next()
                        .filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
                        .map(str::to_owned);
                }
                this.windowed = false;
            }
            match this.rng.u8(0..6) {
                0..=2 => {
                    this.hit("AS label");
                    this.put("AS");
                    let hidden: Vec<String> = match this.temptation {
                        0 => Vec::new(),
                        _ => this
                            .scopes
                            .last()
                            .into_iter()
                            .flatten()
                            .flat_map(|relation| relation.hidden.clone())
                            .collect(),
                    };
                    // The label is the name of a column that the rule may not read.
                    let label = if hidden.is_empty() || this.rng.bool() { this.name() } else { this.pick(&hidden) };
                    this.put_name(&label);
                    name = Some(label);
                }
                3 if this.foolish() => {
                    let label = this.any_keyword();
                    this.put_one(label);
                }
                3 => {
                    this.hit("label without AS");
                    let label = this.name();
                    if !this.is_keyword(&label) {
                        this.put_name(&label);
                        name = Some(label);
                    }
                }
                _ => {}
            }
            columns.push((name, slot));
        });
        columns
    }

    fn star(&mut self) -> Columns {
        let scope = self.scopes.last().cloned().unwrap_or_default();
        let open: Vec<&Relation> =
            scope.iter().filter(|relation| relation.hidden.is_empty() && !relation.columns.is_empty()).collect();
        let all = open.len() == scope.len();
        let known = |relation: &Relation| {
            relation.columns.iter().map(|(name, slot)| (Some(name.clone()), *slot)).collect::<Columns>()
        };
        if (all && self.rng.bool()) || self.tempted() {
            self.hit("*");
            self.put("*");
            return scope.iter().flat_map(known).collect();
        }
        match open.get(self.rng.usize(0..open.len().max(1))) {
            Some(relation) => {
                self.hit("relation.*");
                let name = self.written(&relation.name);
                self.put_one(format!("{name}.*"));
                known(relation)
            }
            None => {
                if !self.column(None) {
                    self.put("1");
                }
                vec![(None, None)]
            }
        }
    }

    /// An expression of DISTINCT ON or ORDER BY: a label, a number, or an expression, in which a
    /// label's name refers to a column.
    fn label_or_expression(&mut self, columns: &[(Option<String>, Slot)]) {
        let labels: Vec<String> = columns.iter().filter_map(|(name, _)| name.clone()).collect();
        let hidden: Vec<&String> =
            self.scopes.last().into_iter().flatten().flat_map(|relation| &relation.hidden).collect();
        let both: Vec<String> = labels.iter().filter(|label| hidden.contains(label)).cloned().collect();
        if !labels.is_empty() && self.tempted_at(if both.is_empty() { 40 } else { 500 }) {
            self.hit("temptation: label in an expression");
            let label = self.pick(if both.is_empty() { &labels } else { &both });
            let label = self.written(&label);
            let (before, after) = self.one_of(&[
                ("CAST (", "AS date )"),
                ("CAST (", "AS text )"),
                ("lower (", ")"),
                ("(", ") || ''"),
                ("coalesce (", ", NULL )"),
                ("length (", ")"),
            ]);
            self.put(before);
            self.put_one(label);
            return self.put(after);
        }
        match self.rng.u8(0..8) {
            0..=2 if !labels.is_empty() => {
                self.hit("ORDER BY label");
                let label = labels[self.rng.usize(0..labels.len())].clone();
                self.put_name(&label);
            }
            4 => self.put("1"),
            5 => {
                let kind = self.sortable();
                self.call_of(kind);
            }
            _ => {
                if !self.column(None) {
                    self.put("1");
                }
            }
        }
    }

    fn order_by(&mut self, columns: &[(Option<String>, Slot)], distinct_on: &[String], aggregated: bool) {
        if distinct_on.is_empty() && self.rng.u8(0..3) > 0 {
            return;
        }
        if !distinct_on.is_empty() && self.rng.bool() {
            return;
        }
        self.hit("ORDER BY");
        self.put("ORDER BY");
        if !distinct_on.is_empty() {
            self.words.extend(distinct_on.iter().cloned());
            self.direction();
            if self.rng.bool() {
                return;
            }
            self.put(",");
        }
        self.aggregates = aggregated;
        if aggregated && self.rng.bool() {
            self.call_of(Some(crate::world::Kind::Number));
        } else {
            self.label_or_expression(columns);
        }
        self.aggregates = false;
        self.direction();
    }

    fn locks(&mut self) {
        if self.tempted_at(80) {
            self.hit("temptation: lock");
            let words =
                self.one_of(&["FOR UPDATE", "FOR SHARE", "FOR KEY SHARE", "FOR NO KEY UPDATE", "FOR READ ONLY"]);
            self.put(words);
            if self.rng.bool() {
                let relation = self.any_relation();
                self.put("OF");
                self.put_name(&relation);
            }
            return;
        }
        let scope = self.scopes.last().cloned().unwrap_or_default();
        let lockable: Vec<&Relation> = scope.iter().filter(|relation| relation.lockable).collect();
        if lockable.is_empty() || self.rng.u8(0..6) > 0 {
            return;
        }
        self.hit("FOR UPDATE");
        let words = self.one_of(&["FOR UPDATE", "FOR NO KEY UPDATE"]);
        self.put(words);
        if lockable.len() < scope.len() || self.rng.bool() {
            self.hit("FOR UPDATE OF");
            let name = lockable[self.rng.usize(0..lockable.len())].name.clone();
            self.put("OF");
            self.put_name(&name);
        }
        let words = self.one_of(&["", "", "NOWAIT", "SKIP LOCKED"]);
        if !words.is_empty() {
            self.hit(words);
            self.put(words);
        }
    }
}

/// The columns whose names are known.
pub(crate) fn known(columns: &Columns) -> Vec<(String, Slot)> {
    columns.iter().filter_map(|(name, slot)| Some((name.clone()?, *slot))).collect()
}
