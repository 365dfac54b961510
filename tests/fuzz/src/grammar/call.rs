//! `func_expr`: calls of functions in all their forms.

use super::{Grammar, Relation};
use crate::lexicon::{Function, Slot, Sort};
use crate::world::Kind;

impl Grammar<'_> {
    /// A call that returns this kind.
    pub(crate) fn call_of(&mut self, slot: Slot) {
        if self.tempted() {
            return self.tempting_call();
        }
        let aggregates = self.aggregates && self.rng.bool();
        let windows = self.windowed && self.rng.bool();
        let fits = |function: &Function| match function.sort {
            Sort::Plain => !aggregates,
            Sort::Aggregate | Sort::Ordered => aggregates || windows,
            Sort::Window => windows,
            Sort::Set => false,
        };
        let own = self.by_kind.get(&slot).into_iter().flatten();
        let any = self.by_kind.get(&None).into_iter().flatten();
        let choices: Vec<usize> = own.chain(any).copied().filter(|at| fits(&self.lexicon.functions[*at])).collect();
        if choices.is_empty() {
            return self.leaf(slot);
        }
        // Every name has the same probability, however many signatures it has.
        let name = self.lexicon.functions[choices[self.rng.usize(0..choices.len())]].name.clone();
        let same: Vec<usize> = choices.into_iter().filter(|at| self.lexicon.functions[*at].name == name).collect();
        let function = self.lexicon.functions[same[self.rng.usize(0..same.len())]].clone();
        let window = function.sort == Sort::Window || (windows && function.sort == Sort::Aggregate);
        self.call(&function, slot, window);
    }

    pub(crate) fn function_name(&mut self, name: &str) {
        self.hit(format!("function {name}"));
        let written = self.written(name);
        if self.rng.u8(0..12) == 0 {
            self.hit("pg_catalog.function");
            self.put_one(format!("pg_catalog.{written}"));
        } else {
            self.put_one(written);
        }
    }

    fn call(&mut self, function: &Function, wanted: Slot, window: bool) {
        self.function_name(&function.name);
        let (aggregates, windowed) = (self.aggregates, self.windowed);
        if function.sort != Sort::Plain {
            // Aggregates and window functions cannot be nested.
            (self.aggregates, self.windowed) = (false, false);
        }
        self.put("(");
        let is_aggregate = function.sort == Sort::Aggregate;
        if is_aggregate && function.arguments.is_empty() {
            self.hit("function(*)");
            self.put("*");
        } else {
            if is_aggregate && !window && self.rng.u8(0..5) == 0 {
                self.hit("function(DISTINCT)");
                let word = self.one_of(&["DISTINCT", "ALL"]);
                self.put(word);
            }
            self.arguments(function, wanted);
            if is_aggregate && !window && self.rng.u8(0..6) == 0 {
                self.hit("function(ORDER BY)");
                self.put("ORDER BY");
                self.sort_by(None);
            }
        }
        self.put(")");
        if function.sort == Sort::Ordered {
            self.hit("WITHIN GROUP");
            self.put("WITHIN GROUP ( ORDER BY");
            self.sort_by(wanted.filter(|_| function.gives.is_none()).or(Some(Kind::Number)));
            self.put(")");
        }
        if matches!(function.sort, Sort::Aggregate | Sort::Ordered) && self.rng.u8(0..6) == 0 {
            self.hit("FILTER");
            self.put("FILTER ( WHERE");
            self.expression(Some(Kind::Bool));
            self.put(")");
        }
        if window {
            self.hit("OVER");
            self.put("OVER");
            let names = self.windows.clone();
            if !names.is_empty() && self.rng.bool() {
                self.hit("OVER name");
                let name = names[self.rng.usize(0..names.len())].clone();
                self.put_name(&name);
            } else {
                self.window();
            }
        }
        (self.aggregates, self.windowed) = (aggregates, windowed);
    }

    fn arguments(&mut self, function: &Function, wanted: Slot) {
        let shared = Some(if function.gives.is_none() { wanted.unwrap_or(Kind::Text) } else { self.any_kind() });
        let mut arguments = function.arguments.clone();
        if function.variadic {
            match arguments.last().copied() {
                Some(None | Some(Kind::Other)) => arguments.push(None),
                Some(Some(Kind::Texts)) => {
                    arguments.pop();
                    arguments.push(Some(Kind::Text));
                }
                _ => {}
            }
        }
        let count = arguments.len();
        self.comma_list(count, |this, number| {
            if this.foolish() {
                let name = this.name();
                this.put_name(&name);
                let sign = this.one_of(&["=>", ":="]);
                this.put(sign);
            }
            if this.foolish() && number + 1 == count {
                this.put("VARIADIC");
            }
            match arguments[number] {
                // Arguments such as a pattern of to_char, a part of a date or an index are
                // constants.
                Some(kind) if number > 0 && this.rng.bool() => this.leaf(Some(kind)),
                slot => this.expression(slot.or(shared)),
            }
        });
    }

    /// `( name PARTITION BY ... ORDER BY ... frame )`
    pub(crate) fn window(&mut self) {
        self.put("(");
        let names = self.windows.clone();
        if !names.is_empty() && self.rng.u8(0..3) == 0 {
            self.hit("window of a window");
            let name = names[self.rng.usize(0..names.len())].clone();
            self.put_name(&name);
        } else if self.rng.bool() {
            self.hit("PARTITION BY");
            self.put("PARTITION BY");
            let relations = self.scopes.last().into_iter().flatten();
            let hiding: Vec<Relation> = relations.filter(|relation| !relation.hidden.is_empty()).cloned().collect();
            if !hiding.is_empty() && self.tempted_at(200) {
                self.hit("temptation: window");
                let relation = &hiding[self.rng.usize(0..hiding.len())];
                let column = self.pick(&relation.hidden);
                self.qualified(&relation.name, &column);
            } else {
                self.expression(None);
            }
        }
        if self.rng.bool() {
            self.hit("window ORDER BY");
            self.put("ORDER BY");
            self.sort_by(None);
            if self.rng.u8(0..3) == 0 {
                self.hit("frame");
                let frame = self.one_of(&[
                    "ROWS UNBOUNDED PRECEDING",
                    "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
                    "GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW",
                    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES",
                    "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE NO OTHERS",
                    "RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE GROUP",
                    "ROWS $1 PRECEDING",
                ]);
                self.put(frame);
            }
        }
        self.put(")");
    }

    /// Functions with a syntax of their own.
    pub(crate) fn special(&mut self, slot: Slot) {
        match slot {
            Some(Kind::Number) => {
                self.hit("function extract");
                self.put("EXTRACT (");
                let field = self.one_of(&["year", "month", "'day'", "hour", "\"epoch\"", "dow", "second", "YEAR"]);
                self.put(field);
                self.put("FROM");
                let of = self.one_of(&[Kind::Date, Kind::Stamp, Kind::Span]);
                self.expression(Some(of));
                self.put(")");
            }
            Some(Kind::Int) => {
                self.hit("function position");
                self.put("POSITION (");
                self.leaf(Some(Kind::Text));
                self.put("IN");
                self.leaf(Some(Kind::Text));
                self.put(")");
            }
            Some(Kind::Text) => match self.rng.u8(0..8) {
                0 => {
                    self.hit("function overlay");
                    self.put("OVERLAY (");
                    self.expression(slot);
                    self.put("PLACING");
                    self.expression(slot);
                    self.put("FROM 2");
                    if self.rng.bool() {
                        self.put("FOR 1");
                    }
                    self.put(")");
                }
                1 => {
                    self.hit("function trim");
                    self.put("TRIM (");
                    let words = self.one_of(&["BOTH", "LEADING", "TRAILING", "", "BOTH FROM", "LEADING 'x' FROM"]);
                    if !words.is_empty() {
                        self.put(words);
                    }
                    self.expression(slot);
                    self.put(")");
                }
                2 => {
                    self.hit("substring SIMILAR");
                    self.put("SUBSTRING (");
                    self.leaf(slot);
                    let words = self.one_of(&[
                        "SIMILAR 'a' ESCAPE '!'",
                        "FOR 2",
                        "FOR 2 FROM 1",
                        ", 2",
                        "FROM 'a'",
                        "FROM 1 FOR 2",
                    ]);
                    self.put(words);
                    self.put(")");
                }
                _ => {
                    self.hit("function substring");
                    self.put("SUBSTRING (");
                    self.expression(slot);
                    self.put("FROM");
                    self.expression(Some(Kind::Int));
                    if self.rng.bool() {
                        self.put("FOR");
                        self.expression(Some(Kind::Int));
                    }
                    self.put(")");
                }
            },
            Some(Kind::Bytes) => {
                self.put("TRIM ( BOTH 'a'::bytea FROM");
                self.expression(slot);
                self.put(")");
            }
            _ => self.leaf(slot),
        }
    }

    fn tempting_call(&mut self) {
        let relation = self.any_relation();
        let function = self.team_function();
        let number = self.rng.u8(0..12);
        self.hit("temptation: call");
        match number {
            0 => {
                self.put_one(format!("public.{function}"));
                self.put("( )");
            }
            1 => {
                self.put_name(&function);
                self.put("(");
                self.put_name(&relation);
                self.put(")");
            }
            2 => {
                let name = self.other_function();
                self.put_name(&name);
                self.put("(");
                if self.rng.bool() {
                    self.leaf(None);
                }
                self.put(")");
            }
            3 | 4 => {
                self.put("nextval (");
                let name = self.one_of(&[
                    "'receipts'",
                    "'bank.receipts'",
                    "'count'",
                    "'trace.function'",
                    "'\"bank\".\"receipts\"'",
                    "'\"bank.receipts\"'",
                    "'RECEIPTS'",
                    "'public.receipts'",
                    "$1",
                    "'receipts'::text",
                ]);
                self.put(name);
                self.put(")");
            }
            5 | 10 | 11 => {
                let words = self.one_of(&[
                    "setval ( 'receipts' , 9 )",
                    "pg_advisory_xact_lock ( 7 )",
                    "pg_notify ( 'a' , 'b' )",
                    "set_config ( 'role' , 'none' , true )",
                    "set_config ( 'search_path' , 'public' , true )",
                    "set_config ( 'statement_timeout' , '0' , false )",
                    "lo_creat ( 1 )",
                    "current_setting ( 'role' )",
                    "pg_sleep ( 0 )",
                    "to_regclass ( 'secret' )",
                    "query_to_xml ( 'SELECT 1' , true , true , '' )",
                    "txid_current ( )",
                ]);
                self.put(words);
            }
            6 => {
                let name = self.one_of(&[
                    "row_to_json",
                    "to_json",
                    "to_jsonb",
                    "json_agg",
                    "count",
                    "max",
                    "array_agg",
                    "concat",
                    "coalesce",
                    "json_build_array",
                    "string_agg",
                    "format",
                ]);
                self.put_name(name);
                self.put("(");
                self.put_name(&relation);
                self.put(")");
            }
            7 => {
                self.put_one(format!("bank.{function}"));
                self.put("(");
                self.leaf(Some(Kind::Text));
                self.put(")");
            }
            8 => {
                let relation = self.written(&relation);
                self.put_one(format!("{relation}.{function}"));
            }
            _ => {
                self.put_name("count");
                self.put("(");
                let relation = self.written(&relation);
                self.put_one(format!("{relation}.*"));
                self.put(")");
            }
        }
    }

    /// `nextval` of a granted sequence.
    pub(crate) fn granted_nextval(&mut self) -> bool {
        let names: Vec<String> = self.rule.grants.sequences.iter().cloned().collect();
        if names.is_empty() {
            return false;
        }
        self.hit("nextval");
        let name = names[self.rng.usize(0..names.len())].clone();
        let written = match (name.contains('.'), self.rng.bool()) {
            (false, true) => format!("'public.{name}'"),
            _ => format!("'{name}'"),
        };
        self.put("nextval (");
        self.put_one(written);
        self.put(")");
        true
    }
}
