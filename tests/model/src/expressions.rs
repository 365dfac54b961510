//! Expressions of a type, over the columns in scope.

use fastrand::Rng;

use crate::kind::Kind;
use crate::queries::Queries;

/// A column that an expression may use.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// As it is written: qualified where that is needed.
    pub(crate) text: String,
    pub(crate) kind: Kind,
}

/// Writes expressions.
pub(crate) struct Expressions<'r> {
    pub(crate) rng: &'r mut Rng,
    pub(crate) columns: Vec<Column>,
    /// Whether what may fail for some rows is written: only where each row is computed for certain.
    pub(crate) is_risky: bool,
    pub(crate) with_subqueries: bool,
}

const TEXTS: [&str; 12] = ["", "a", "b", "ab", "A", "é", "12", " x ", "a%b", "a_b", "null", "Zz"];
const NUMBERS: [&str; 11] = ["0", "1", "-1", "0.00", "1.50", "2.5", "-3.25", "10", "99.99", "0.001", "1000000"];
const DATES: [&str; 5] = ["2026-01-31", "2024-02-29", "1999-12-31", "2000-01-01", "2026-11-30"];
const INTERVALS: [&str; 7] =
    ["1 day", "1 month", "-1 hour", "1 year 2 mons 3 days 04:05:06", "00:00:00", "90 minutes", "-1 mon +1 day"];
const JSON: [&str; 8] =
    ["null", "1", "\"a\"", "[1, 2, \"b\"]", "{\"a\": 1}", "{\"b\": {\"c\": null}, \"a\": [1]}", "{}", "1.50"];

impl Expressions<'_> {
    pub(crate) fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of.get(self.rng.usize(..of.len())).copied().unwrap_or_default()
    }

    pub(crate) fn any_kind(&mut self) -> Kind {
        Kind::ALL.get(self.rng.usize(..Kind::ALL.len())).copied().unwrap_or(Kind::Int)
    }

    fn number_kind(&mut self) -> Kind {
        match self.rng.u8(..3) {
            0 => Kind::Int,
            1 => Kind::Big,
            _ => Kind::Numeric,
        }
    }

    /// A constant.
    pub(crate) fn literal(&mut self, kind: Kind) -> String {
        if self.rng.u8(..12) == 0 {
            return format!("NULL::{}", kind.name());
        }
        match kind {
            Kind::Bool => self.one(&["TRUE", "FALSE"]).to_owned(),
            Kind::Int => {
                let number = self.rng.i32(-3..12);
                if number < 0 { format!("({number})") } else { number.to_string() }
            }
            Kind::Big => format!("{}::bigint", self.rng.i32(0..100)),
            Kind::Numeric => format!("'{}'::numeric", self.one(&NUMBERS)),
            Kind::Float => format!("'{}'::double precision", self.one(&["0", "1.5", "-2", "100", "0.25"])),
            Kind::Text => {
                let text = self.one(&TEXTS);
                if self.rng.bool() { format!("'{text}'") } else { format!("'{text}'::text") }
            }
            Kind::Date => format!("'{}'::date", self.one(&DATES)),
            Kind::Timestamp => format!("'{} {:02}:30:00'::timestamp", self.one(&DATES), self.rng.u8(0..24)),
            Kind::Timestamptz => format!("'{} {:02}:15:00+02'::timestamptz", self.one(&DATES), self.rng.u8(0..24)),
            Kind::Interval => format!("'{}'::interval", self.one(&INTERVALS)),
            Kind::Json => format!("'{}'::jsonb", self.one(&JSON)),
        }
    }

    fn column(&mut self, kind: Kind) -> Option<String> {
        let fitting: Vec<_> = self.columns.iter().filter(|column| column.kind == kind).collect();
        if fitting.is_empty() {
            return None;
        }
        fitting.get(self.rng.usize(..fitting.len())).map(|column| column.text.clone())
    }

    /// An expression of this type.
    pub(crate) fn expression(&mut self, kind: Kind, depth: u32) -> String {
        if depth == 0 || self.rng.u8(..6) == 0 {
            return match self.column(kind) {
                Some(column) if self.rng.u8(..4) > 0 => column,
                _ => self.literal(kind),
            };
        }
        let depth = depth - 1;
        match self.rng.u8(..14) {
            0 => {
                let (test, first, second) =
                    (self.expression(Kind::Bool, depth), self.expression(kind, depth), self.expression(kind, depth));
                format!("CASE WHEN {test} THEN {first} ELSE {second} END")
            }
            1 => {
                let (first, second) = (self.expression(kind, depth), self.expression(kind, depth));
                format!("coalesce({first}, {second})")
            }
            2 => {
                let (first, second) = (self.expression(kind, depth), self.expression(kind, depth));
                format!("nullif({first}, {second})")
            }
            3 if kind != Kind::Json => {
                let name = self.one(&["greatest", "least"]);
                let (first, second) = (self.expression(kind, depth), self.expression(kind, depth));
                format!("{name}({first}, {second})")
            }
            4 if self.with_subqueries => {
                let outer = self.columns.clone();
                let query = Queries::scalar(self.rng, kind, &outer, depth);
                format!("({query})")
            }
            _ => self.of_kind(kind, depth),
        }
    }

    fn of_kind(&mut self, kind: Kind, depth: u32) -> String {
        match kind {
            Kind::Bool => self.boolean(depth),
            Kind::Int => match self.rng.u8(..7) {
                0 => {
                    let text = self.expression(Kind::Text, depth);
                    let name = self.one(&["length", "octet_length", "char_length", "ascii"]);
                    format!("{name}({text})")
                }
                1 => {
                    let (left, right) = (self.expression(Kind::Text, depth), self.expression(Kind::Text, depth));
                    format!("strpos({left}, {right})")
                }
                2 => {
                    let (left, right) = (self.expression(Kind::Date, depth), self.expression(Kind::Date, depth));
                    format!("({left} - {right})")
                }
                3 => format!("extract(year from {})::int", self.expression(Kind::Date, depth)),
                4 => format!("mod({}, 7)", self.expression(Kind::Int, depth)),
                5 if self.is_risky => {
                    let operator = self.one(&["/", "*", "%"]);
                    let (left, right) = (self.expression(Kind::Int, depth), self.expression(Kind::Int, depth));
                    format!("({left} {operator} {right})")
                }
                _ => {
                    let operator = self.one(&["+", "-", "&", "|"]);
                    let (left, right) = (self.small(depth), self.small(depth));
                    format!("({left} {operator} {right})")
                }
            },
            Kind::Big => {
                let operator = self.one(&["+", "-"]);
                let left = format!("mod({}, 100)", self.expression(Kind::Big, depth));
                format!("({left} {operator} {})", self.small(depth))
            }
            Kind::Numeric => match self.rng.u8(..6) {
                0 => {
                    let digits = self.rng.i32(-1..4);
                    let name = self.one(&["round", "trunc"]);
                    format!("{name}({}, {digits})", self.bounded(depth))
                }
                1 => {
                    let name = self.one(&["abs", "ceil", "floor", "sign"]);
                    format!("{name}({})", self.bounded(depth))
                }
                2 => format!("({} / nullif({}, 0))", self.bounded(depth), self.bounded(depth)),
                3 => format!("({} * {})", self.bounded(depth), self.small(depth)),
                4 => format!("(-{})", self.bounded(depth)),
                _ => {
                    let operator = self.one(&["+", "-"]);
                    let number = self.number_kind();
                    format!("({} {operator} {})", self.bounded(depth), self.literal(number))
                }
            },
            Kind::Float => format!("({}::double precision)", self.small(depth)),
            Kind::Text => self.text(depth),
            Kind::Date => match self.rng.u8(..3) {
                0 => format!("({} + {})", self.day(depth), self.small(depth)),
                1 => format!("({}::date)", self.expression(Kind::Timestamp, 0)),
                _ => format!("date_trunc('month', {}::timestamp)::date", self.day(depth)),
            },
            Kind::Timestamp => match self.rng.u8(..3) {
                0 => format!("({}::timestamp)", self.day(depth)),
                1 => format!(
                    "date_trunc('{}', {})",
                    self.one(&["hour", "day", "week", "year"]),
                    self.expression(Kind::Timestamp, 0)
                ),
                _ => format!("({} + {})", self.expression(Kind::Timestamp, 0), self.literal(Kind::Interval)),
            },
            Kind::Timestamptz => match self.rng.u8(..2) {
                0 => format!("({} - {})", self.expression(Kind::Timestamptz, 0), self.literal(Kind::Interval)),
                _ => format!("({} AT TIME ZONE 'UTC')", self.expression(Kind::Timestamp, 0)),
            },
            Kind::Interval => match self.rng.u8(..3) {
                0 => format!("({} + {})", self.literal(Kind::Interval), self.literal(Kind::Interval)),
                1 => format!("({} * 2)", self.literal(Kind::Interval)),
                _ => format!("({} - {})", self.expression(Kind::Timestamp, 0), self.expression(Kind::Timestamp, 0)),
            },
            Kind::Json => match self.rng.u8(..4) {
                0 => format!("jsonb_build_object('k', {})", self.expression(Kind::Int, depth)),
                1 => format!("to_jsonb({})", self.expression(Kind::Text, depth)),
                2 => format!("({} -> 'a')", self.expression(Kind::Json, depth)),
                _ => format!(
                    "jsonb_build_array({}, {})",
                    self.expression(Kind::Bool, depth),
                    self.expression(Kind::Numeric, depth)
                ),
            },
        }
    }

    /// Operators without parentheses: both have to group them alike, or refuse them alike.
    pub(crate) fn flat(&mut self) -> String {
        let mut text = String::new();
        for part in 0..self.rng.usize(2..7) {
            if part > 0 {
                text.push_str(self.one(&[
                    " + ",
                    " - ",
                    " * ",
                    " / ",
                    " % ",
                    " ^ ",
                    " = ",
                    " <> ",
                    " < ",
                    " <= ",
                    " > ",
                    " AND ",
                    " OR ",
                    " || ",
                    " | ",
                    " & ",
                    " # ",
                    " << ",
                    " -> ",
                    " ->> ",
                    " @> ",
                    " LIKE ",
                    " NOT LIKE ",
                    " ILIKE ",
                    " IS DISTINCT FROM ",
                    " IN (1, 2) = ",
                    " BETWEEN 1 AND 2 OR ",
                    " IS NULL = ",
                    " IS NOT NULL AND ",
                    " IS TRUE = ",
                    " NOT IN (1) AND ",
                    " NOT BETWEEN 0 AND 3 = ",
                ]));
            }
            text.push_str(self.one(&["", "", "", "", "- ", "+ ", "NOT ", "~ ", "@ "]));
            text.push_str(self.one(&[
                "1",
                "2",
                "3",
                "0",
                "2.5",
                "TRUE",
                "FALSE",
                "'a'",
                "'1'",
                "'{\"a\": 1}'::jsonb",
                "NULL",
                "(2)",
                "length('ab')",
            ]));
            text.push_str(self.one(&[
                "",
                "",
                "",
                "",
                "",
                " IS NULL",
                " IS NOT NULL",
                " IS TRUE",
                " IS NOT FALSE",
                "::text",
                "::int",
                " IN (1, 2)",
                " BETWEEN 1 AND 2",
                " IS UNKNOWN",
                " NOT IN (1, 3)",
                " COLLATE \"C\"",
                "::numeric::text",
            ]));
        }
        text
    }

    fn small(&mut self, depth: u32) -> String {
        format!("mod({}, 1000)", self.expression(Kind::Int, depth))
    }

    fn bounded(&mut self, depth: u32) -> String {
        format!("mod({}, 100000)", self.expression(Kind::Numeric, depth))
    }

    fn day(&mut self, depth: u32) -> String {
        let _ = depth;
        self.expression(Kind::Date, 0)
    }

    fn boolean(&mut self, depth: u32) -> String {
        match self.rng.u8(..12) {
            0 => {
                let word = self.one(&["AND", "OR"]);
                let (left, right) = (self.expression(Kind::Bool, depth), self.expression(Kind::Bool, depth));
                format!("({left} {word} {right})")
            }
            1 => format!("(NOT {})", self.expression(Kind::Bool, depth)),
            2 => {
                let kind = self.any_kind();
                let word = self.one(&["IS NULL", "IS NOT NULL"]);
                format!("({} {word})", self.expression(kind, depth))
            }
            3 => {
                let word = self.one(&["IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS UNKNOWN"]);
                format!("({} {word})", self.expression(Kind::Bool, depth))
            }
            4 => {
                let word = self.one(&["LIKE", "NOT LIKE", "ILIKE"]);
                let pattern = self.one(&["'a%'", "'%b'", "'_'", "'%'", "''", "'A\\_b'"]);
                format!("({} {word} {pattern})", self.expression(Kind::Text, depth))
            }
            5 => {
                let kind = self.any_kind();
                let values: Vec<_> = (0..self.rng.usize(1..4)).map(|_| self.literal(kind)).collect();
                let word = self.one(&["IN", "NOT IN"]);
                format!("({} {word} ({}))", self.expression(kind, depth), values.join(", "))
            }
            6 => {
                let kind = self.number_kind();
                let word = self.one(&["BETWEEN", "NOT BETWEEN"]);
                let (low, high) = (self.literal(kind), self.literal(kind));
                format!("({} {word} {low} AND {high})", self.expression(kind, depth))
            }
            7 => {
                let kind = self.any_kind();
                let word = self.one(&["IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
                format!("({} {word} {})", self.expression(kind, depth), self.expression(kind, depth))
            }
            8 if self.with_subqueries => {
                let outer = self.columns.clone();
                let query = Queries::exists(self.rng, &outer, depth);
                let word = self.one(&["EXISTS", "NOT EXISTS"]);
                format!("({word} ({query}))")
            }
            9 if self.with_subqueries => {
                let kind = if self.rng.bool() { Kind::Int } else { Kind::Text };
                let outer = self.columns.clone();
                let query = Queries::column(self.rng, kind, &outer, depth);
                let value = self.expression(kind, depth);
                let word = self.one(&["IN", "NOT IN", "= ANY", "<> ALL", "< ALL", ">= ANY"]);
                format!("({value} {word} ({query}))")
            }
            10 => {
                let (left, right) = (self.number_kind(), self.number_kind());
                let operator = self.one(&["=", "<>", "<", "<=", ">", ">="]);
                format!("({} {operator} {})", self.expression(left, depth), self.expression(right, depth))
            }
            _ => {
                let kind = self.any_kind();
                let operator = self.one(&["=", "<>", "<", "<=", ">", ">="]);
                format!("({} {operator} {})", self.expression(kind, depth), self.expression(kind, depth))
            }
        }
    }

    fn text(&mut self, depth: u32) -> String {
        match self.rng.u8(..9) {
            0 => format!("({} || {})", self.expression(Kind::Text, depth), self.expression(Kind::Text, depth)),
            1 => {
                let kind = if self.rng.bool() { Kind::Int } else { Kind::Numeric };
                format!("({}::text)", self.expression(kind, depth))
            }
            2 => format!("left({}, {})", self.expression(Kind::Text, depth), self.rng.i32(-1..4)),
            3 => format!("lpad({}, {}, '*')", self.expression(Kind::Text, depth), self.rng.i32(0..6)),
            4 => {
                let name = self.one(&["btrim", "ltrim", "rtrim", "reverse", "upper", "lower", "md5"]);
                format!("{name}({})", self.expression(Kind::Text, depth))
            }
            5 => format!("replace({}, 'a', 'bb')", self.expression(Kind::Text, depth)),
            6 => format!("split_part({}, 'a', 1)", self.expression(Kind::Text, depth)),
            7 => format!("substring({} from 2 for 2)", self.expression(Kind::Text, depth)),
            _ => {
                let kind = self.any_kind();
                if matches!(kind, Kind::Float) {
                    return self.literal(Kind::Text);
                }
                format!("({}::text)", self.expression(kind, depth))
            }
        }
    }
}
