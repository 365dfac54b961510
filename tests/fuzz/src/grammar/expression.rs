//! `a_expr`, `b_expr` and `c_expr`, each for a kind of value.

use super::Grammar;
use crate::lexicon::Slot;
use crate::world::Kind;

impl Grammar<'_> {
    /// An expression that has this kind, if possible.
    pub(crate) fn expression(&mut self, slot: Slot) {
        if !self.spend(1) || self.scopes.len() > 6 {
            return self.leaf(slot);
        }
        if self.foolish() {
            return self.odd(slot);
        }
        let kind = slot.unwrap_or_else(|| self.any_kind());
        if self.chance(3) {
            return self.long(kind);
        }
        match self.rng.u8(0..26) {
            0..=7 => self.leaf(slot),
            8..=10 => self.call_of(Some(kind)),
            11 | 12 if kind == Kind::Bool => self.predicate(),
            13 if kind == Kind::Bool => {
                self.hit("AND OR NOT");
                if self.rng.bool() {
                    self.put("NOT");
                }
                self.expression(Some(Kind::Bool));
                let word = self.one_of(&["AND", "OR"]);
                self.put(word);
                self.expression(Some(Kind::Bool));
            }
            11..=15 => self.operation(Some(kind)),
            16 => {
                self.hit("parentheses");
                self.in_parentheses(|this| this.expression(slot));
            }
            17 => self.case(Some(kind)),
            18 => self.cast(kind),
            19 => self.scalar_query(Some(kind)),
            20 => self.conditional(Some(kind)),
            21 => self.special(Some(kind)),
            22 if kind == Kind::Bool => self.predicate(),
            22 => self.subscript(Some(kind)),
            23 => self.at_time_zone(kind),
            24 => self.call_of(Some(kind)),
            _ => self.leaf(slot),
        }
    }

    /// A column or a constant.
    pub(crate) fn leaf(&mut self, slot: Slot) {
        if self.rng.u8(0..4) == 0 || !self.column(slot) {
            self.literal(slot);
        }
    }

    /// A visible column of this kind; false if there is none.
    pub(crate) fn column(&mut self, slot: Slot) -> bool {
        if self.tempted() {
            return self.tempting_column();
        }
        let depth = self.scopes.len();
        if depth == 0 {
            return false;
        }
        let outer = depth > 1 && self.rng.u8(0..4) == 0;
        let level = if outer { self.rng.usize(0..depth - 1) } else { depth - 1 };
        let mut found = Vec::new();
        for (at, relation) in self.scopes[level].iter().enumerate() {
            for (which, (_, kind)) in relation.columns.iter().enumerate() {
                if slot.is_none() || *kind == slot {
                    found.push((at, which));
                }
            }
        }
        if found.is_empty() {
            return false;
        }
        let (at, which) = found[self.rng.usize(0..found.len())];
        let relation = self.scopes[level][at].clone();
        let (name, _) = relation.columns[which].clone();
        let having = self.scopes.iter().skip(level).flatten();
        let same = having
            .filter(|other| {
                other.columns.iter().any(|(column, _)| *column == name)
                    || other.hidden.contains(&name)
                    || other.name == name
            })
            .count();
        if same > 1 || self.rng.bool() {
            self.hit("relation.column");
            self.qualified(&relation.name, &name);
        } else {
            self.hit("column");
            self.put_name(&name);
        }
        true
    }

    pub(crate) fn qualified(&mut self, relation: &str, column: &str) {
        let relation = self.written(relation);
        // After a dot, any word is a name.
        let column = if self.foolish() { column.to_owned() } else { self.written(column) };
        self.put_one(format!("{relation}.{column}"));
    }

    /// A name that is not granted, or that may be something other than a column.
    fn tempting_column(&mut self) -> bool {
        self.hit("temptation: column");
        // Prefers outer relations over their share.
        let outer = self.scopes.len().saturating_sub(usize::from(self.rng.u8(0..3) == 0)).max(1);
        let relations: Vec<_> = self.scopes.iter().take(outer).flatten().cloned().collect();
        let relation =
            if relations.is_empty() { None } else { Some(relations[self.rng.usize(0..relations.len())].clone()) };
        let of = relation.as_ref().map_or_else(|| self.name(), |relation| relation.name.clone());
        let hidden = relation.as_ref().map(|relation| self.pick(&relation.hidden)).filter(|name| !name.is_empty());
        let column = match self.rng.u8(0..6) {
            0..=3 => hidden.unwrap_or_else(|| self.any_column()),
            4 => self.any_column(),
            _ => self.name(),
        };
        if let (Some(relation), true) = (relation.filter(|_| outer < self.scopes.len()), self.rng.bool()) {
            // Without a qualifier it refers to the outer relation, if no nearer one has the name.
            let near: Vec<String> = self
                .scopes
                .iter()
                .skip(outer)
                .flatten()
                .flat_map(|relation| relation.hidden.iter().chain(relation.columns.iter().map(|(name, _)| name)))
                .cloned()
                .collect();
            let far: Vec<String> = relation.hidden.iter().filter(|name| !near.contains(name)).cloned().collect();
            if !far.is_empty() {
                let column = self.pick(&far);
                self.put_name(&column);
                return true;
            }
        }
        match self.rng.u8(0..14) {
            0..=2 => self.put_name(&column),
            3..=5 => self.qualified(&of, &column),
            6 => self.put_name(&of),
            7 | 12 | 13 => {
                let function = self.team_function();
                self.qualified(&of, &function);
            }
            8 => {
                self.put("(");
                self.put_name(&of);
                self.put(")");
                let column = self.written(&column);
                self.put_one(format!(".{column}"));
            }
            9 => {
                let (of, column) = (self.written(&of), self.written(&column));
                let schema = self.one_of(&["public", "bank", "pg_catalog"]);
                self.put_one(format!("{schema}.{of}.{column}"));
            }
            10 => {
                let column = self.one_of(&["ctid", "xmin", "tableoid", "oid", "cmax"]);
                self.qualified(&of, column);
            }
            _ => {
                let of = self.written(&of);
                self.put_one(format!("{of}.*"));
            }
        }
        true
    }

    /// Columns of outer relations that the rule may not read, and whose names no nearer relation has.
    pub(crate) fn far_and_hidden(&self) -> Vec<String> {
        let mut near: Vec<&String> = Vec::new();
        let mut far = Vec::new();
        for (distance, scope) in self.scopes.iter().rev().enumerate() {
            let hidden = scope.iter().flat_map(|relation| &relation.hidden);
            if distance > 0 {
                far.extend(hidden.clone().filter(|name| !near.contains(name)).cloned());
            }
            near.extend(hidden.chain(scope.iter().flat_map(|relation| relation.columns.iter().map(|(name, _)| name))));
        }
        far
    }

    pub(crate) fn team_function(&mut self) -> String {
        self.one_of(&[
            "touch_any",
            "id",
            "secret",
            "note",
            "balance",
            "value",
            "day",
            "total",
            "count",
            "lower",
            "left",
            "max",
            "now",
            "rate",
            "item",
            "date",
            "length",
            "row_to_json",
            "to_jsonb",
            "text",
            "concat",
        ])
        .to_owned()
    }

    fn operation(&mut self, slot: Slot) {
        let Some(choices) = self.operators.get(&slot).filter(|choices| !choices.is_empty()) else {
            return self.leaf(slot);
        };
        let at = choices[self.rng.usize(0..choices.len())];
        let operator = self.lexicon.operators[at].clone();
        if self.foolish() && self.rng.bool() {
            self.hit("OPERATOR()");
            self.expression(operator.left);
            self.put_one(format!("OPERATOR(pg_catalog.{})", operator.name));
            return self.expression(operator.right);
        }
        self.hit(format!("operator {}", operator.name));
        if self.chance(40) && slot == Some(Kind::Number) {
            self.hit("sign");
            let sign = self.one_of(&["-", "+"]);
            self.put(sign);
            return self.leaf(slot);
        }
        let shared = if operator.left.is_none() || operator.right.is_none() { Some(self.any_kind()) } else { None };
        self.operand(operator.left.or(shared));
        self.put_one(operator.name.clone());
        self.operand(operator.right.or(shared));
    }

    /// An operand of an operator.
    fn operand(&mut self, slot: Slot) {
        if self.rng.u8(0..3) == 0 {
            self.in_parentheses(|this| this.expression(slot));
        } else {
            self.leaf(slot);
        }
    }

    /// A Boolean expression.
    pub(crate) fn predicate(&mut self) {
        let kind = self.any_kind();
        let slot = Some(kind);
        let not = if self.rng.u8(0..3) == 0 { "NOT" } else { "" };
        let put_not = |this: &mut Self| {
            if !not.is_empty() {
                this.put(not);
            }
        };
        match self.rng.u8(0..16) {
            0 => {
                self.operand(slot);
                self.put("IS");
                put_not(self);
                self.hit("IS NULL");
                self.put("NULL");
            }
            1 => {
                self.hit("IS DISTINCT FROM");
                self.operand(slot);
                self.put("IS");
                put_not(self);
                self.put("DISTINCT FROM");
                self.operand(slot);
            }
            2 => {
                self.hit("IS TRUE");
                self.operand(Some(Kind::Bool));
                self.put("IS");
                put_not(self);
                let word = self.one_of(&["TRUE", "FALSE", "UNKNOWN"]);
                self.put(word);
            }
            3 => {
                self.hit("BETWEEN");
                self.operand(slot);
                put_not(self);
                self.put("BETWEEN");
                if self.rng.u8(0..3) == 0 {
                    self.hit("BETWEEN SYMMETRIC");
                    let word = self.one_of(&["SYMMETRIC", "ASYMMETRIC"]);
                    self.put(word);
                }
                self.operand(slot);
                self.put("AND");
                self.operand(slot);
            }
            4 | 5 => {
                self.hit("LIKE");
                self.operand(Some(Kind::Text));
                put_not(self);
                let word = self.one_of(&["LIKE", "ILIKE", "SIMILAR TO"]);
                self.hit(word);
                self.put(word);
                self.operand(Some(Kind::Text));
                if self.rng.u8(0..4) == 0 {
                    self.hit("ESCAPE");
                    self.put("ESCAPE '!'");
                }
            }
            6 => {
                self.hit("IN (list)");
                self.operand(slot);
                put_not(self);
                self.put("IN (");
                let count = self.rng.usize(1..4);
                self.comma_list(count, |this, _| this.expression(slot));
                self.put(")");
            }
            7 => {
                self.hit("IN (query)");
                self.operand(slot);
                put_not(self);
                self.put("IN");
                self.sub_query(Some(vec![slot]));
            }
            8 => {
                self.hit("EXISTS");
                self.put("EXISTS");
                self.sub_query(None);
            }
            9 => {
                self.hit("ANY (query)");
                self.operand(slot);
                let words = self.one_of(&["= ANY", "<> ALL", "= SOME", "< ALL"]);
                self.put(words);
                self.sub_query(Some(vec![slot]));
            }
            10 => {
                self.hit("ANY (array)");
                let (one, array) = self.one_of(&[(Kind::Int, Kind::Ints), (Kind::Text, Kind::Texts)]);
                self.operand(Some(one));
                self.put("= ANY (");
                self.expression(Some(array));
                self.put(")");
            }
            11 => {
                self.hit("row comparison");
                let (one, two) = (Some(self.any_kind()), Some(self.any_kind()));
                let named = self.rng.bool();
                for side in 0..2 {
                    if named {
                        self.hit("ROW()");
                        self.put("ROW");
                    }
                    self.in_parentheses(|this| {
                        this.leaf(one);
                        this.put(",");
                        this.leaf(two);
                    });
                    if side == 0 {
                        let operator = self.one_of(&["=", "<", ">=", "<>"]);
                        self.put(operator);
                    }
                }
            }
            12 => {
                self.hit("row IN (query)");
                let (one, two) = (Some(self.any_kind()), Some(self.any_kind()));
                self.in_parentheses(|this| {
                    this.leaf(one);
                    this.put(",");
                    this.leaf(two);
                });
                self.put("IN");
                self.sub_query(Some(vec![one, two]));
            }
            13 => {
                self.hit("OVERLAPS");
                for side in 0..2 {
                    self.in_parentheses(|this| {
                        this.leaf(Some(Kind::Date));
                        this.put(",");
                        this.leaf(Some(Kind::Date));
                    });
                    if side == 0 {
                        self.put("OVERLAPS");
                    }
                }
            }
            14 => {
                self.hit("ISNULL");
                self.operand(slot);
                let word = self.one_of(&["ISNULL", "NOTNULL"]);
                self.put(word);
            }
            _ => {
                self.operand(slot);
                let operator = self.one_of(&["=", "<>", "<", ">", "<=", ">=", "!="]);
                self.hit(format!("operator {operator}"));
                self.put(operator);
                self.operand(slot);
            }
        }
    }

    pub(crate) fn case(&mut self, slot: Slot) {
        self.hit("CASE");
        self.put("CASE");
        let of = if self.rng.bool() { Some(self.any_kind()) } else { None };
        if of.is_some() {
            self.hit("CASE value");
            self.leaf(of);
        }
        for _ in 0..self.rng.usize(1..3) {
            self.put("WHEN");
            if of.is_some() {
                self.leaf(of)
            } else {
                self.expression(Some(Kind::Bool))
            }
            self.put("THEN");
            self.expression(slot);
        }
        if self.rng.bool() {
            self.put("ELSE");
            self.expression(slot);
        }
        self.put("END");
    }

    fn cast(&mut self, kind: Kind) {
        let any = self.rng.u8(0..8) == 0;
        let lexicon = self.lexicon;
        let own = self.types.get(&kind).map_or(&[][..], Vec::as_slice);
        let at = match (any || own.is_empty(), lexicon.types.len()) {
            (true, count) => self.rng.usize(0..count.max(1)),
            _ => own[self.rng.usize(0..own.len())],
        };
        let name = lexicon.types.get(at).map(|(name, _)| name.clone()).unwrap_or_default();
        let name = match name {
            name if !name.is_empty() && !self.tempted() => name,
            _ => match self.rng.u8(0..3) {
                0 => self
                    .one_of(&[
                        "mood",
                        "accounts",
                        "public.mood",
                        "regclass",
                        "pg_catalog.text",
                        "\"text\"",
                        "text[]",
                        "public.accounts",
                        "oid",
                        "xml",
                        "SETOF text",
                    ])
                    .to_owned(),
                _ => self.other_type(),
            },
        };
        self.hit(format!("type {name}"));
        if matches!(kind, Kind::Date | Kind::Stamp | Kind::Time) && self.rng.u8(0..3) == 0 {
            self.hit("cast of a text of the moment");
            let is_array = self.rng.u8(0..4) == 0;
            self.put("(");
            match is_array {
                true => self.put("string_to_array ( 'now,' || 'today' , ',' )"),
                false => self.text_of_the_moment(),
            }
            self.put(") ::");
            self.put(&name);
            if is_array {
                self.put("[ ]");
            }
            return;
        }
        let from = match self.rng.u8(0..3) {
            0 => None,
            1 => Some(Kind::Text),
            _ => Some(kind),
        };
        if self.rng.bool() {
            self.hit("CAST");
            self.put("CAST (");
            self.expression(from);
            self.put("AS");
            self.put(&name);
            self.put(")");
        } else {
            self.hit("::");
            self.operand(from);
            self.put("::");
            self.put(&name);
            if self.chance(30) {
                self.put("[ ]");
            }
        }
    }

    /// A chain of operators, signs or casts, about as long as the limit.
    fn long(&mut self, kind: Kind) {
        let count = self.one_of(&[9, 60, 120, 240, 246, 249, 250, 251, 252, 260, 1200]);
        let (before, behind, of) = match (kind, self.rng.u8(0..4)) {
            (Kind::Bool, 0 | 1) => ("NOT ", "", kind),
            (Kind::Bool, 2) => ("", " OR 1 = 1", kind),
            (Kind::Bool, _) => ("", " AND NOT false", kind),
            (Kind::Int | Kind::Number, 0) => ("- ", "", kind),
            (Kind::Int | Kind::Number, 1) => ("", " + 0", kind),
            (Kind::Int, 2) => ("", ":: bigint :: int", kind),
            (Kind::Int | Kind::Number, _) => ("", " * 1", kind),
            (Kind::Text, 0) => ("", " || 'a'", kind),
            (Kind::Text, _) => ("", ":: varchar(9) :: text", kind),
            (Kind::Jsonb, _) => ("", " -> 'a'", kind),
            (Kind::Stamp, 0) => ("", " AT TIME ZONE 'UTC'", kind),
            (Kind::Date | Kind::Stamp, _) => ("", " + interval '1' day", Kind::Stamp),
            _ => return self.leaf(Some(kind)),
        };
        self.hit(format!("long {before}{behind}"));
        self.put_one(before.repeat(count));
        self.operand(Some(of));
        self.put_one(behind.repeat(count));
    }

    /// A computed text that PostgreSQL reads as its own time when it is cast to a date.
    pub(crate) fn text_of_the_moment(&mut self) {
        self.hit("text of the moment");
        let text = self.one_of(&[
            "( 'to' || 'day' )",
            "lower ( 'TODAY' )",
            "concat ( 'n' , 'ow' )",
            "left ( 'nowx' , 3 )",
            "reverse ( 'yadot' )",
            "replace ( 'toxday' , 'x' , '' )",
            "CASE WHEN true THEN initcap ( 'now' ) ELSE 'x' END",
            "coalesce ( NULL , 'to' || 'morrow' )",
            "nullif ( 'to' || 'day' , 'x' )",
            "( SELECT 'yester' || 'day' )",
            "( SELECT max ( x ) FROM ( VALUES ( 'a' ) , ( 'to' || 'day' ) ) AS v ( x ) )",
            "( '[\"now\"]' :: jsonb ->> 0 )",
            "( '\"now\"' :: jsonb :: text )",
            "( '{\"a\": \"now\"}' :: json #>> '{a}' )",
            "( ARRAY [ 'to' || 'day' ] ) [ 1 ]",
            "( '{to\\day}' :: text [ ] ) [ 1 ]",
            "( string_to_array ( 'a,now' , ',' ) ) [ 2 ]",
            "( 'nowx' :: varchar(3) )",
            "CAST ( 'nowx' AS char(3) )",
            "to_char ( date '2026-01-01' , '\"today\"' )",
            "substring ( 'xnow' FROM 2 )",
            "trim ( BOTH 'x' FROM 'xnowx' )",
            "format ( 'n%s' , 'ow' )",
            "( text 'today' )",
        ]);
        self.put(text);
    }

    fn scalar_query(&mut self, slot: Slot) {
        match (slot, self.rng.u8(0..4)) {
            (Some(Kind::Texts | Kind::Ints), _) | (None, 0) => {
                self.hit("ARRAY(query)");
                self.put("ARRAY");
                let element = if slot == Some(Kind::Texts) { Kind::Text } else { Kind::Int };
                self.sub_query(Some(vec![Some(element)]));
            }
            _ => {
                self.hit("(query)");
                self.one_row = self.rng.u8(0..8) > 0;
                self.sub_query(Some(vec![slot]));
            }
        }
    }

    /// COALESCE and similar expressions.
    fn conditional(&mut self, slot: Slot) {
        let word = self.one_of(&["coalesce", "greatest", "least", "NULLIF", "COALESCE"]);
        self.hit(format!("function {}", word.to_ascii_lowercase()));
        self.put(word);
        self.put("(");
        let count = if word == "NULLIF" { 2 } else { self.rng.usize(1..4) };
        self.comma_list(count, |this, _| this.expression(slot));
        self.put(")");
    }

    fn subscript(&mut self, slot: Slot) {
        let array = match slot {
            Some(Kind::Int) => Kind::Ints,
            Some(Kind::Text) => Kind::Texts,
            Some(Kind::Jsonb) => Kind::Jsonb,
            _ => return self.leaf(slot),
        };
        self.hit("subscript");
        if !self.column(Some(array)) {
            self.in_parentheses(|this| this.expression(Some(array)));
        }
        self.put("[");
        self.expression(Some(if array == Kind::Jsonb { Kind::Text } else { Kind::Int }));
        if self.foolish() {
            self.put(": 2");
        }
        self.put("]");
    }

    fn at_time_zone(&mut self, kind: Kind) {
        if kind != Kind::Stamp {
            return self.leaf(Some(kind));
        }
        self.hit("AT TIME ZONE");
        self.operand(Some(Kind::Stamp));
        self.put("AT TIME ZONE 'UTC'");
    }

    /// Rare syntax of PostgreSQL's grammar.
    fn odd(&mut self, slot: Slot) {
        let number = self.rng.u8(0..24);
        self.hit(format!("odd expression {number}"));
        match number {
            0 => {
                self.operand(Some(Kind::Text));
                self.put("COLLATE \"C\"");
            }
            1 => {
                self.put("(");
                self.expression(slot);
                let name = self.name();
                let name = self.written(&name);
                self.put_one(format!(").{name}"));
            }
            2 => {
                self.put("ROW (");
                self.expression(None);
                self.put(", 1 )");
                if self.rng.bool() {
                    self.put(". f1");
                }
            }
            3 => self.put("XMLELEMENT ( NAME a , 'x' )"),
            4 => self.put("XMLFOREST ( 1 AS a )"),
            5 => self.put("XMLPARSE ( DOCUMENT '<a/>' )"),
            6 => self.put("JSON_OBJECT ( 'a' : 1 )"),
            7 => self.put("JSON_ARRAY ( 1 , 2 )"),
            8 => {
                self.expression(slot);
                self.put("IS JSON");
            }
            9 => self.put("CURRENT_USER"),
            10 => {
                let word = self.one_of(&[
                    "SESSION_USER",
                    "USER",
                    "CURRENT_ROLE",
                    "CURRENT_CATALOG",
                    "CURRENT_SCHEMA",
                    "SYSTEM_USER",
                    "CURRENT_DATE",
                    "LOCALTIME",
                    "CURRENT_TIME ( 1 )",
                ]);
                self.put(word);
            }
            11 => {
                self.put("(");
                self.leaf(None);
                self.put(") . *");
            }
            12 => {
                self.operand(slot);
                let name = self.other_operator();
                self.put_one(name);
                self.operand(slot);
            }
            13 => {
                self.put("ROW (");
                let relation = self.any_relation();
                let relation = self.written(&relation);
                self.put_one(format!("{relation}.*"));
                self.put(")");
            }
            14 => {
                self.operand(slot);
                self.put("IS DOCUMENT");
            }
            15 => {
                self.operand(Some(Kind::Text));
                self.put("IS NFC NORMALIZED");
            }
            16 => {
                self.operand(slot);
                self.put("IS OF ( text )");
            }
            17 => {
                self.put("TREAT (");
                self.expression(slot);
                self.put("AS text )");
            }
            18 => self.put("NORMALIZE ( 'a' )"),
            19 => {
                self.put("(");
                self.put_name("accounts");
                self.put(")");
                let function = self.team_function();
                self.put_one(format!(".{function}"));
            }
            20 => self.put("COLLATION FOR ( 'a' )"),
            21 => {
                self.put("MERGE_ACTION ( )");
            }
            22 => {
                self.put("SETTING :=");
                self.leaf(slot);
            }
            _ => {
                self.put("@@@");
                self.leaf(slot);
            }
        }
    }

    pub(crate) fn any_relation(&mut self) -> String {
        let names: Vec<String> = self.scopes.iter().flatten().map(|relation| relation.name.clone()).collect();
        if names.is_empty() { self.name() } else { names[self.rng.usize(0..names.len())].clone() }
    }
}
