//! Queries over the tables.

use fastrand::Rng;

use crate::expressions::{Column, Expressions};
use crate::kind::Kind;
use crate::schema::{FIRST, TABLES, Table};

/// Writes queries.
pub(crate) struct Queries;

/// A FROM and the columns that it brings.
struct Sources {
    from: String,
    columns: Vec<Column>,
}

/// What a query of operators without parentheses begins with.
pub(crate) const FLAT: &str = "SELECT ALL ";

/// The deepest expression within a query.
const DEPTH: u32 = 3;

impl Queries {
    /// One value, of the rows of a table or of an aggregate.
    pub(crate) fn scalar(rng: &mut Rng, kind: Kind, outer: &[Column], depth: u32) -> String {
        let (table, alias) = (any_table(rng), alias(rng));
        let own = columns_of(table, &alias);
        let mut all = own.clone();
        all.extend_from_slice(outer);
        let mut expressions = Expressions { rng, columns: all, is_risky: false, with_subqueries: false };
        let value = expressions.expression(kind, depth.min(1));
        let filter = expressions.expression(Kind::Bool, depth.min(1));
        let value = match kind {
            Kind::Bool => format!("bool_or({value})"),
            Kind::Json => {
                return format!("SELECT {value} FROM {} {alias} WHERE {filter} ORDER BY 1 LIMIT 1", table.name);
            }
            _ => format!("max({value})"),
        };
        format!("SELECT {value} FROM {} {alias} WHERE {filter}", table.name)
    }

    /// A column of values.
    pub(crate) fn column(rng: &mut Rng, kind: Kind, outer: &[Column], depth: u32) -> String {
        let (table, alias) = (any_table(rng), alias(rng));
        let mut all = columns_of(table, &alias);
        all.extend_from_slice(outer);
        let mut expressions = Expressions { rng, columns: all, is_risky: false, with_subqueries: false };
        let value = expressions.expression(kind, depth.min(1));
        let filter = expressions.expression(Kind::Bool, depth.min(1));
        format!("SELECT {value} FROM {} {alias} WHERE {filter}", table.name)
    }

    /// Rows of which only the existence counts.
    pub(crate) fn exists(rng: &mut Rng, outer: &[Column], depth: u32) -> String {
        let (table, alias) = (any_table(rng), alias(rng));
        let mut all = columns_of(table, &alias);
        all.extend_from_slice(outer);
        let mut expressions = Expressions { rng, columns: all, is_risky: false, with_subqueries: false };
        let filter = expressions.expression(Kind::Bool, depth.min(2));
        format!("SELECT 1 FROM {} {alias} WHERE {filter}", table.name)
    }

    /// A whole query, whose rows are in a certain order where only a part of them is returned.
    pub(crate) fn query(rng: &mut Rng) -> String {
        match rng.u8(..10) {
            0 => Self::constants(rng),
            1 => Self::united(rng),
            2 => Self::with(rng),
            3 => Self::grouped(rng),
            4 => Self::windowed(rng),
            5 => Self::whole(rng),
            _ => Self::plain(rng),
        }
    }

    /// Expressions alone, which may fail.
    fn constants(rng: &mut Rng) -> String {
        let mut expressions = Expressions { rng, columns: Vec::new(), is_risky: true, with_subqueries: false };
        if expressions.rng.bool() {
            return format!("{FLAT}{}", expressions.flat());
        }
        let kind = expressions.any_kind();
        format!("SELECT {}", expressions.expression(kind, DEPTH + 1))
    }

    fn plain(rng: &mut Rng) -> String {
        let Sources { from, columns } = sources(rng);
        let items = rng.usize(1..5);
        let distinct = if rng.u8(..6) == 0 { "DISTINCT " } else { "" };
        let mut expressions = Expressions { rng, columns, is_risky: false, with_subqueries: true };
        let mut list = Vec::with_capacity(items);
        for _ in 0..items {
            let kind = expressions.any_kind();
            list.push(expressions.expression(kind, DEPTH));
        }
        let filter = expressions.expression(Kind::Bool, DEPTH);
        let end = ending(rng, items);
        format!("SELECT {distinct}{} FROM {from} WHERE {filter}{end}", list.join(", "))
    }

    /// `*`, in the order of a key.
    fn whole(rng: &mut Rng) -> String {
        let table = any_table(rng);
        let mut expressions =
            Expressions { rng, columns: columns_of(table, "x"), is_risky: false, with_subqueries: true };
        let filter = expressions.expression(Kind::Bool, 2);
        let key = table.keys.first().map(|key| key.join(", ")).unwrap_or_default();
        let word = expressions.one(&["", " DESC"]);
        let limit = expressions.one(&["", " LIMIT 3", " LIMIT 2 OFFSET 1", " FETCH FIRST ROW ONLY"]);
        let lock = if limit.is_empty() { expressions.one(&["", "", " FOR UPDATE"]) } else { "" };
        format!("SELECT x.* FROM {} AS x WHERE {filter} ORDER BY {key}{word}{limit}{lock}", table.name)
    }

    fn grouped(rng: &mut Rng) -> String {
        let Sources { from, columns } = sources(rng);
        let groups = rng.usize(0..3);
        let mut expressions = Expressions { rng, columns, is_risky: false, with_subqueries: false };
        let keys: Vec<_> = (0..groups)
            .map(|_| {
                let kind = expressions.any_kind();
                let columns = expressions.columns.iter().filter(|column| column.kind == kind).count();
                if columns == 0 { expressions.expression(Kind::Int, 2) } else { expressions.expression(kind, 1) }
            })
            .collect();
        let mut items = keys.clone();
        for _ in 0..expressions.rng.usize(1..4) {
            items.push(aggregate(&mut expressions));
        }
        let having = if expressions.rng.u8(..4) == 0 { " HAVING count(*) > 1" } else { "" };
        let filter = expressions.expression(Kind::Bool, 2);
        let group = if keys.is_empty() {
            String::new()
        } else {
            let numbers: Vec<_> = (1..=keys.len()).map(|number| number.to_string()).collect();
            if rng.bool() && !keys.iter().any(|key| is_constant(key)) {
                format!(" GROUP BY {}", keys.join(", "))
            } else {
                format!(" GROUP BY {}", numbers.join(", "))
            }
        };
        let end = ending(rng, items.len());
        format!("SELECT {} FROM {from} WHERE {filter}{group}{having}{end}", items.join(", "))
    }

    fn windowed(rng: &mut Rng) -> String {
        let table = any_table(rng);
        let key = table.keys.first().map(|key| key.join(", ")).unwrap_or_default();
        let mut expressions =
            Expressions { rng, columns: columns_of(table, table.name), is_risky: false, with_subqueries: false };
        let kind = expressions.any_kind();
        let partition = expressions.expression(kind, 1);
        let value = expressions.expression(Kind::Int, 1);
        let function = match expressions.rng.u8(..11) {
            0 => "row_number()".to_owned(),
            1 => "rank()".to_owned(),
            2 => format!("lag({value})"),
            3 => format!("lead({value}, 2)"),
            4 => format!("first_value({value})"),
            5 => format!("sum({value})"),
            6 => "percent_rank()".to_owned(),
            7 => "cume_dist()".to_owned(),
            8 => format!("ntile({value})"),
            9 => format!("nth_value({value}, {value})"),
            _ => "count(*)".to_owned(),
        };
        let frame = expressions.one(&[
            "",
            "",
            " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        ]);
        format!(
            "SELECT {key}, {function} OVER (PARTITION BY {partition} ORDER BY {key}{frame}) AS x FROM {}",
            table.name
        )
    }

    fn united(rng: &mut Rng) -> String {
        let columns = rng.usize(1..3);
        let kinds: Vec<_> = (0..columns)
            .map(|_| Expressions { rng, columns: Vec::new(), is_risky: false, with_subqueries: false }.any_kind())
            .collect();
        let arm = |rng: &mut Rng| {
            let table = any_table(rng);
            let mut expressions =
                Expressions { rng, columns: columns_of(table, table.name), is_risky: false, with_subqueries: false };
            let items: Vec<_> = kinds
                .iter()
                .map(|kind| {
                    let kind = if kind.is_number() { expressions.any_number() } else { *kind };
                    expressions.expression(kind, 1)
                })
                .collect();
            let filter = expressions.expression(Kind::Bool, 1);
            format!("SELECT {} FROM {} WHERE {filter}", items.join(", "), table.name)
        };
        let (first, second) = (arm(rng), arm(rng));
        let words = ["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"];
        let word = words.get(rng.usize(..words.len())).copied().unwrap_or("UNION");
        let end = ending(rng, columns);
        if rng.u8(..3) == 0 {
            let third = arm(rng);
            return format!("{first} {word} {second} UNION ALL {third}{end}");
        }
        format!("{first} {word} {second}{end}")
    }

    fn with(rng: &mut Rng) -> String {
        let inner = Self::plain(rng);
        let Some((list, _)) = inner.split_once(" FROM ") else { return inner };
        let _ = list;
        match rng.u8(..3) {
            0 => format!("WITH c AS ({inner}) SELECT count(*), (SELECT count(*) FROM c AS d) FROM c"),
            1 => format!("SELECT count(*) FROM ({inner}) AS sub"),
            _ => {
                let to = rng.u8(2..9);
                format!(
                    "WITH RECURSIVE r(n, s) AS (SELECT 1, 'x'::text UNION ALL SELECT n + 1, s || 'y' FROM r WHERE n < {to}) \
                     SELECT n, s, (SELECT count(*) FROM t WHERE id = n) FROM r ORDER BY n"
                )
            }
        }
    }
}

impl Expressions<'_> {
    pub(crate) fn any_number(&mut self) -> Kind {
        match self.rng.u8(..3) {
            0 => Kind::Int,
            1 => Kind::Big,
            _ => Kind::Numeric,
        }
    }
}

fn is_constant(expression: &str) -> bool {
    !expression.contains(['.', '(']) || expression.starts_with('\'') || expression.starts_with("NULL")
}

/// An aggregate whose value does not depend on the order of the rows.
fn aggregate(expressions: &mut Expressions<'_>) -> String {
    let filter = if expressions.rng.u8(..5) == 0 {
        format!(" FILTER (WHERE {})", expressions.expression(Kind::Bool, 1))
    } else {
        String::new()
    };
    let distinct = if expressions.rng.u8(..5) == 0 { "DISTINCT " } else { "" };
    let call = match expressions.rng.u8(..9) {
        0 => "count(*)".to_owned(),
        1 => {
            let kind = expressions.any_kind();
            format!("count({distinct}{})", expressions.expression(kind, 2))
        }
        2 | 3 => {
            let kind = expressions.any_number();
            let name = expressions.one(&["sum", "avg"]);
            format!("{name}({distinct}{})", expressions.expression(kind, 2))
        }
        4 => {
            let name = expressions.one(&["bool_and", "bool_or", "every"]);
            format!("{name}({})", expressions.expression(Kind::Bool, 2))
        }
        5 => {
            let value = expressions.expression(Kind::Text, 1);
            format!("string_agg({value}, ',' ORDER BY {value})")
        }
        6 => {
            let value = expressions.expression(Kind::Int, 1);
            format!("array_agg({value} ORDER BY {value} DESC)")
        }
        _ => {
            let kinds = [Kind::Int, Kind::Numeric, Kind::Text, Kind::Date, Kind::Timestamptz, Kind::Interval];
            let kind = kinds.get(expressions.rng.usize(..kinds.len())).copied().unwrap_or(Kind::Int);
            let name = expressions.one(&["min", "max"]);
            format!("{name}({})", expressions.expression(kind, 2))
        }
    };
    format!("{call}{filter}")
}

/// ORDER BY all columns, and a LIMIT behind it; or neither.
fn ending(rng: &mut Rng, columns: usize) -> String {
    if rng.bool() {
        return String::new();
    }
    let words = ["", " DESC", " NULLS FIRST", " DESC NULLS LAST"];
    let keys: Vec<_> = (1..=columns)
        .map(|number| format!("{number}{}", words.get(rng.usize(..words.len())).copied().unwrap_or_default()))
        .collect();
    let limits = ["", " LIMIT 2", " LIMIT 3 OFFSET 1", " OFFSET 2", " LIMIT 0", " LIMIT NULL"];
    let limit = limits.get(rng.usize(..limits.len())).copied().unwrap_or_default();
    format!(" ORDER BY {}{limit}", keys.join(", "))
}

fn any_table(rng: &mut Rng) -> &'static Table {
    rng.choice(TABLES).copied().unwrap_or(FIRST)
}

/// An alias that hides no other.
fn alias(rng: &mut Rng) -> String {
    format!("z{}", rng.u16(..))
}

pub(crate) fn columns_of(table: &Table, alias: &str) -> Vec<Column> {
    let column = |(name, kind): &(&str, Kind)| Column { text: format!("{alias}.{name}"), kind: *kind };
    table.columns.iter().map(column).collect()
}

fn sources(rng: &mut Rng) -> Sources {
    let first = any_table(rng);
    let mut all = Sources { from: format!("{} AS a1", first.name), columns: columns_of(first, "a1") };
    for number in 2..=rng.usize(1..3) {
        let (table, alias) = (any_table(rng), format!("a{number}"));
        let own = columns_of(table, &alias);
        match rng.u8(..6) {
            0 => all.from.push_str(&format!(" CROSS JOIN {} AS {alias}", table.name)),
            1 => {
                // All have a column `id`, which is one column after this.
                all.from.push_str(&format!(" JOIN {} AS {alias} USING (id)", table.name));
            }
            _ => {
                let words = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"];
                let word = words.get(rng.usize(..words.len())).copied().unwrap_or("JOIN");
                // FULL JOIN needs a condition that can be merged.
                let condition = if word == "FULL JOIN" || rng.bool() {
                    format!("{alias}.id = a1.id")
                } else {
                    let mut both = all.columns.clone();
                    both.extend(own.iter().cloned());
                    Expressions { rng, columns: both, is_risky: false, with_subqueries: false }
                        .expression(Kind::Bool, 1)
                };
                all.from.push_str(&format!(" {word} {} AS {alias} ON {condition}", table.name));
            }
        }
        all.columns.extend(own);
    }
    all
}
