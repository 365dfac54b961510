//! Generates statements from a seed, by the productions of PostgreSQL's grammar
//! (`src/backend/parser/gram.y`).
//!
//! Most parts of a statement are granted to its rule and valid in PostgreSQL, so that a part that
//! is not is in a position where it would have an effect. All names come from one small pool.

mod call;
mod expression;
mod query;
mod source;
mod write;

use std::borrow::Cow;
use std::collections::HashMap;

use fastrand::Rng;

use crate::lexicon::{Lexicon, Slot};
use crate::words::{in_quotes, joined};
use crate::world::{Kind, Rule};

/// Names for labels, aliases, queries of a WITH and windows. They are also the names of other
/// objects.
const POOL: [&str; 36] = [
    "id",
    "day",
    "note",
    "secret",
    "balance",
    "total",
    "touch",
    "touch_any",
    "accounts",
    "totals",
    "bank",
    "rates",
    "rate",
    "x",
    "date",
    "value",
    "bank.rates",
    "text",
    "count",
    "key",
    "lower",
    "item",
    "paid",
    "account",
    "a",
    "t",
    "w",
    "open",
    "public",
    "excluded",
    "left",
    "mood",
    "line",
    "Accounts",
    "max",
    "name",
];

/// Rows whose columns can be named.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) columns: Vec<(String, Slot)>,
    /// Its columns that the rule may not read.
    pub(crate) hidden: Vec<String>,
    /// Whether it is a table that may be locked.
    pub(crate) lockable: bool,
    pub(crate) is_table: bool,
}

/// A production, function, operator or type of a statement.
pub type Hit = Cow<'static, str>;

/// A statement and its parts.
#[derive(Clone, Debug)]
pub struct Draft {
    pub words: Vec<String>,
    /// Its productions, functions, operators and types.
    pub hits: Vec<Hit>,
}

/// A generator of statements.
pub struct Grammar<'a> {
    pub rng: Rng,
    rule: &'a Rule,
    lexicon: &'a Lexicon,
    /// The class of each key word.
    classes: HashMap<&'a str, char>,
    types: HashMap<Kind, Vec<usize>>,
    by_kind: HashMap<Slot, Vec<usize>>,
    operators: HashMap<Slot, Vec<usize>>,
    recent: Vec<Vec<String>>,
    words: Vec<String>,
    hits: Vec<Hit>,
    scopes: Vec<Vec<Relation>>,
    with: Vec<Relation>,
    windows: Vec<String>,
    /// Whether an aggregate is allowed here.
    aggregates: bool,
    /// Whether a window function is allowed here.
    windowed: bool,
    /// Whether the current query should return one row.
    one_row: bool,
    parameters: u32,
    budget: i32,
    /// How often, in a thousand, to write something that the rule may not do.
    temptation: u32,
    /// Whether to write it at most once, so that nothing else in the statement is refused.
    tempted_once: bool,
    /// The same for syntax that PostgreSQL is unlikely to accept.
    folly: u32,
}

impl<'a> Grammar<'a> {
    /// Generates the same statements for the same seed, world and policy.
    pub fn new(seed: u64, rule: &'a Rule, lexicon: &'a Lexicon) -> Self {
        let mut by_kind: HashMap<Slot, Vec<usize>> = HashMap::new();
        for (at, function) in lexicon.functions.iter().enumerate() {
            by_kind.entry(function.gives).or_default().push(at);
        }
        let mut operators: HashMap<Slot, Vec<usize>> = HashMap::new();
        for (at, operator) in lexicon.operators.iter().enumerate() {
            operators.entry(operator.gives).or_default().push(at);
        }
        let mut types: HashMap<Kind, Vec<usize>> = HashMap::new();
        for (at, (_, kind)) in lexicon.types.iter().enumerate() {
            types.entry(*kind).or_default().push(at);
        }
        Self {
            classes: lexicon.keywords.iter().map(|(word, class)| (word.as_str(), *class)).collect(),
            types,
            rng: Rng::with_seed(seed),
            rule,
            lexicon,
            by_kind,
            operators,
            recent: Vec::new(),
            words: Vec::new(),
            hits: Vec::new(),
            scopes: Vec::new(),
            with: Vec::new(),
            windows: Vec::new(),
            aggregates: false,
            windowed: false,
            one_row: false,
            parameters: 0,
            budget: 0,
            temptation: 0,
            tempted_once: false,
            folly: 0,
        }
    }

    /// The next statement.
    pub fn next_one(&mut self) -> (String, Vec<Hit>) {
        let draft = self.draft();
        let (mut words, hits) = (draft.words, draft.hits);
        if self.recent.len() < 64 {
            self.recent.push(words.clone());
        } else {
            let at = self.rng.usize(0..64);
            self.recent[at] = words.clone();
        }
        if self.rng.u8(0..5) == 0 {
            for _ in 0..self.rng.usize(1..3) {
                self.mutate(&mut words);
            }
        }
        (joined(&words, &mut self.rng), hits)
    }

    fn draft(&mut self) -> Draft {
        self.words.clear();
        self.hits.clear();
        self.scopes.clear();
        self.with.clear();
        self.windows.clear();
        (self.one_row, self.parameters) = (false, 0);
        (self.aggregates, self.windowed) = (false, false);
        self.budget = [8, 14, 25, 40, 70][self.rng.usize(0..5)];
        (self.temptation, self.folly) = match self.rng.u8(0..10) {
            0..=3 => (0, 0),
            4..=5 => (0, 25),
            6..=7 => (40, 0),
            8 => (120, 10),
            _ => (60, 30),
        };
        self.tempted_once = self.rng.u8(0..3) > 0;
        match self.rng.u8(0..12) {
            0..=6 => {
                self.query(None, true);
            }
            7 | 8 => self.insert(true),
            9 | 10 => self.update(true),
            _ => self.delete(true),
        }
        if self.chance(15) {
            self.put(";");
        }
        if self.chance(3) {
            self.put("; COMMIT");
        }
        Draft { words: std::mem::take(&mut self.words), hits: std::mem::take(&mut self.hits) }
    }

    /// Swaps, removes, doubles or inserts words.
    fn mutate(&mut self, words: &mut Vec<String>) {
        if words.is_empty() {
            return;
        }
        let at = self.rng.usize(0..words.len());
        let other = self.rng.usize(0..words.len());
        match self.rng.u8(0..10) {
            0 => {
                words.remove(at);
            }
            1 => words.swap(at, other),
            2 => {
                let word = words[other].clone();
                words.insert(at, word);
            }
            3 => words[at] = words[other].clone(),
            4 | 5 => {
                // The beginning of this statement and the end of another.
                let from = self.recent[self.rng.usize(0..self.recent.len())].clone();
                let cut = self.rng.usize(0..from.len().max(1));
                words.truncate(at);
                words.extend(from.into_iter().skip(cut));
            }
            6 => {
                let from = self.recent[self.rng.usize(0..self.recent.len())].clone();
                let cut = self.rng.usize(0..from.len().max(1));
                let length = self.rng.usize(1..8);
                words.splice(at..at, from.into_iter().skip(cut).take(length));
            }
            7 => words[at] = self.odd_word(),
            8 => {
                let word = self.odd_word();
                words.insert(at, word);
            }
            _ => words[at] = in_quotes(&words[at].to_ascii_lowercase()),
        }
    }

    fn odd_word(&mut self) -> String {
        match self.rng.u8(0..8) {
            0 | 1 => self.any_keyword(),
            2 | 3 => self.any_column(),
            4 => self.name(),
            5 => self.any_table(),
            6 => self.other_function(),
            _ => [
                "*",
                "(",
                ")",
                ",",
                ".",
                "::",
                "[",
                "]",
                "'",
                "\"",
                "$$",
                "E'\\'",
                "U&\"\\0061\"",
                "--",
                "/*",
                "1a",
                "0x1",
                "1_0",
                "$1",
                ":=",
                "=>",
                "é",
                "\u{a0}",
                "\\",
            ][self.rng.usize(0..24)]
            .to_owned(),
        }
    }

    // Words.

    pub(crate) fn put(&mut self, words: &str) {
        self.words.extend(words.split(' ').map(str::to_owned));
    }

    pub(crate) fn put_one(&mut self, word: impl Into<String>) {
        self.words.push(word.into());
    }

    pub(crate) fn hit(&mut self, production: impl Into<Hit>) {
        self.hits.push(production.into());
    }

    /// True in so many of a thousand cases.
    pub(crate) fn chance(&mut self, of_thousand: u32) -> bool {
        self.rng.u32(0..1000) < of_thousand
    }

    pub(crate) fn tempted(&mut self) -> bool {
        let chance = self.temptation;
        self.tempted_at(chance)
    }

    /// The same with another probability, in a thousand, for places that are more important.
    pub(crate) fn tempted_at(&mut self, chance: u32) -> bool {
        let is_tempted = self.temptation > 0 && self.rng.u32(0..1000) < chance;
        if is_tempted && self.tempted_once {
            self.temptation = 0;
        }
        is_tempted
    }

    pub(crate) fn foolish(&mut self) -> bool {
        self.folly > 0 && self.rng.u32(0..1000) < self.folly
    }

    pub(crate) fn spend(&mut self, cost: i32) -> bool {
        self.budget -= cost;
        self.budget > 0
    }

    pub(crate) fn pick<T: Clone + Default>(&mut self, list: &[T]) -> T {
        if list.is_empty() { T::default() } else { list[self.rng.usize(0..list.len())].clone() }
    }

    pub(crate) fn other_function(&mut self) -> String {
        let lexicon = self.lexicon;
        self.pick(&lexicon.other_functions)
    }

    pub(crate) fn other_type(&mut self) -> String {
        let lexicon = self.lexicon;
        self.pick(&lexicon.other_types)
    }

    pub(crate) fn other_operator(&mut self) -> String {
        let lexicon = self.lexicon;
        self.pick(&lexicon.other_operators)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.rng.usize(0..list.len())]
    }

    pub(crate) fn comma_list(&mut self, count: usize, mut one: impl FnMut(&mut Self, usize)) {
        for number in 0..count {
            if number > 0 {
                self.put(",");
            }
            one(self, number);
        }
    }

    pub(crate) fn in_parentheses(&mut self, inner: impl FnOnce(&mut Self)) {
        self.put("(");
        inner(self);
        self.put(")");
    }

    // Names.

    /// A name for an object of the statement, without quotes.
    pub(crate) fn name(&mut self) -> String {
        match self.rng.u8(0..30) {
            0 => self.any_keyword(),
            1 => self.one_of(&["é", "a b", "a\"b", "\u{a0}", "SELECT", "n'", "$1", "a.b.c", "x--", "/*"]).to_owned(),
            2 => "n".repeat(self.one_of(&[63, 64, 70])),
            _ => self.one_of(&POOL).to_owned(),
        }
    }

    pub(crate) fn any_keyword(&mut self) -> String {
        let at = self.rng.usize(0..self.lexicon.keywords.len().max(1));
        self.lexicon.keywords.get(at).map(|(word, _)| word.clone()).unwrap_or_default()
    }

    /// Writes a name, quoted if necessary.
    pub(crate) fn written(&mut self, name: &str) -> String {
        let plain = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        let class = self.classes.get(name).copied();
        let free = plain && matches!(class, None | Some('U'));
        if !(free || plain && self.foolish()) {
            return in_quotes(name);
        }
        match self.rng.u8(0..24) {
            0..=2 => in_quotes(name),
            3 => name.to_ascii_uppercase(),
            4 if self.foolish() => {
                format!("U&\"\\{:04x}{}\"", u32::from(name.chars().next().unwrap_or('a')), &name[1..])
            }
            _ => name.to_owned(),
        }
    }

    pub(crate) fn is_keyword(&self, name: &str) -> bool {
        self.classes.contains_key(name)
    }

    pub(crate) fn put_name(&mut self, name: &str) {
        let written = self.written(name);
        self.words.push(written);
    }

    /// A name that no relation in this list has.
    pub(crate) fn fresh(&mut self, taken: &[Relation]) -> String {
        for _ in 0..20 {
            let name = self.name();
            if !taken.iter().any(|relation| relation.name == name) {
                return name;
            }
        }
        format!("n{}", self.rng.u16(..))
    }

    /// A column of any table, granted or not.
    pub(crate) fn any_column(&mut self) -> String {
        let table = self.rng.usize(0..self.rule.tables.len());
        let columns = &self.rule.tables[table].columns;
        columns[self.rng.usize(0..columns.len())].0.clone()
    }

    /// A table in one of its spellings.
    pub(crate) fn any_table(&mut self) -> String {
        match self.rng.u8(0..12) {
            0 => self
                .one_of(&[
                    "pg_class",
                    "pg_catalog.pg_roles",
                    "information_schema.tables",
                    "pg_settings",
                    "trace.function",
                ])
                .to_owned(),
            1 => self
                .one_of(&[
                    "\"bank.rates\"",
                    "\"bank\".\"rates\"",
                    "\"public.accounts\"",
                    "\"bank\".rates",
                    "public.\"bank.rates\"",
                ])
                .to_owned(),
            _ => {
                let table = &self.rule.tables[self.rng.usize(0..self.rule.tables.len())];
                let (schema, bare) = (table.schema.clone(), table.bare.clone());
                let bare = self.written(&bare);
                if schema == "public" && self.rng.u8(0..3) > 0 { bare } else { format!("{schema}.{bare}") }
            }
        }
    }

    // Constants.

    pub(crate) fn literal(&mut self, slot: Slot) {
        let kind = slot.unwrap_or_else(|| self.any_kind());
        if self.chance(25) {
            self.hit("NULL");
            return self.put("NULL");
        }
        if self.chance(60) {
            self.hit("parameter");
            // Mostly the next one, because each parameter has one type.
            if self.parameters == 0 || self.rng.u8(0..5) > 0 {
                self.parameters += 1;
            }
            let number = self.parameters;
            return self.put_one(format!("${number}"));
        }
        if self.foolish() {
            self.hit("odd constant");
            let odd = self.one_of(&[
                "B'101'",
                "X'1F'",
                "U&'d\\0061t'",
                "E'\\x61'",
                "1e",
                "0x1f",
                "1_000",
                "1a",
                "'a\\b'",
                "N'x'",
                "$a$ b $a$",
                "E'\\''",
                "1.",
                ".5e-2",
                "e'a' 'b'",
                "'a'\n'b'",
                "$0",
                "$01",
                "$32768",
                "$65535",
                "$65536",
                "$4294967297",
                "$99999999999999999999",
            ]);
            return self.put_one(odd);
        }
        if kind == Kind::Text && self.chance(20) {
            return self.text_of_the_moment();
        }
        if self.chance(15) && self.untyped_string_of_the_moment(kind) {
            return;
        }
        let number = self.rng.u32(0..10);
        let text = match kind {
            Kind::Text | Kind::Other => match self.rng.u8(0..10) {
                0 => "E'a\\nb'".to_owned(),
                1 => "$$a'b$$".to_owned(),
                2 => "''".to_owned(),
                3 => "'it''s'".to_owned(),
                4 => format!("'{number}'"),
                _ => self
                    .one_of(&["'a'", "'b'", "'x'", "'day'", "'2026-01-01'", "'[1]'", "'-- ; /*'", "'{}'"])
                    .to_owned(),
            },
            Kind::Number => {
                self.one_of(&["0", "1", "2.5", ".5", "1e3", "1500", "99999999999999999999", "1.", "0.001"]).to_owned()
            }
            Kind::Int => self.one_of(&["0", "1", "2", "3", "7", "10", "2147483647", "1500"]).to_owned(),
            Kind::Bool => self.one_of(&["true", "FALSE", "true"]).to_owned(),
            Kind::Date | Kind::Stamp if self.foolish() => {
                self.hit("literal of the moment");
                let text = self.one_of(&["'now'", "'today'", "'tomorrow'", "'yesterday'"]);
                return self.typed_literal(if kind == Kind::Date { "date" } else { "timestamptz" }, text);
            }
            Kind::Date => return self.typed_literal("date", "'2026-01-01'"),
            Kind::Stamp => match self.rng.u8(0..4) {
                0 if self.foolish() => {
                    self.one_of(&["CURRENT_TIMESTAMP", "LOCALTIMESTAMP(2)", "CURRENT_TIMESTAMP(0)"]).to_owned()
                }
                1 => return self.typed_literal("timestamp with time zone", "'2026-01-01T00:00:00Z'"),
                _ => return self.typed_literal("timestamptz", "'2026-01-02T00:00:00Z'"),
            },
            Kind::Time => return self.typed_literal("time", "'01:02:03'"),
            Kind::Span => {
                self.hit("INTERVAL");
                self.put("INTERVAL '1'");
                let fields = self.one_of(&["day", "year to month", "", "minute to second", "hour", "SECOND"]);
                if !fields.is_empty() {
                    self.put(fields);
                }
                return;
            }
            Kind::Json => return self.typed_literal("json", "'{\"a\":[1,2]}'"),
            Kind::Jsonb => return self.typed_literal("jsonb", "'{\"id\":{\"b\":2}}'"),
            Kind::Bytes => return self.typed_literal("bytea", "'abc'"),
            Kind::Uuid => return self.typed_literal("uuid", "'00000000-0000-0000-0000-000000000001'"),
            Kind::Texts => {
                self.hit("ARRAY[]");
                return self.put("ARRAY [ 'a' , 'b' ]");
            }
            Kind::Ints => {
                self.hit("ARRAY[]");
                let text = self.one_of(&["ARRAY [ 1 , 2 ]", "ARRAY [ [ 1 ] , [ 2 ] ]", "ARRAY [ ] :: int [ ]"]);
                return self.put(text);
            }
        };
        self.put_one(text);
    }

    /// A string with a word of the time whose type depends on what is next to it; false if such a
    /// string has no meaning for the kind.
    fn untyped_string_of_the_moment(&mut self, kind: Kind) -> bool {
        let texts: &[&str] = match kind {
            Kind::Text => &["'(now)'", "'[today] x'", "'{now}'", "'\"today\"'", "E'(n\\157w)'", "' (tomorrow)'"],
            Kind::Jsonb | Kind::Json => &["'{\"id\": \"now\"}'", "'[\"today\"]'", "'\"now\"'"],
            Kind::Texts => &["'{now,today}'", "'[0:0]={now}'", "E'{to\\144ay}'"],
            Kind::Date | Kind::Stamp => &["'(now)'", "'\"today\"'", "'{now}'", "'[now,)'"],
            _ => return false,
        };
        self.hit(format!("untyped {kind:?} of the moment"));
        let text = self.one_of(texts);
        self.put_one(text);
        true
    }

    fn typed_literal(&mut self, kind: &str, text: &str) {
        self.hit(format!("{kind} 'literal'"));
        match self.rng.u8(0..3) {
            0 => {
                self.put_one(text);
                self.put("::");
                self.put(kind);
            }
            1 => {
                self.put("CAST (");
                self.put_one(text);
                self.put("AS");
                self.put(kind);
                self.put(")");
            }
            _ => {
                self.put(kind);
                self.put_one(text);
            }
        }
    }

    /// A kind that can be sorted.
    pub(crate) fn sortable(&mut self) -> Slot {
        Some(match self.any_kind() {
            Kind::Json => Kind::Text,
            kind => kind,
        })
    }

    pub(crate) fn any_kind(&mut self) -> Kind {
        self.one_of(&[
            Kind::Text,
            Kind::Text,
            Kind::Text,
            Kind::Number,
            Kind::Number,
            Kind::Int,
            Kind::Int,
            Kind::Bool,
            Kind::Date,
            Kind::Stamp,
            Kind::Span,
            Kind::Jsonb,
            Kind::Json,
            Kind::Time,
            Kind::Bytes,
            Kind::Uuid,
            Kind::Texts,
            Kind::Ints,
        ])
    }
}
