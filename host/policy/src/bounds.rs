//! Bounds on the cost of any text: steps proportional to its length, and no more stack than a
//! rule's fiber can spare.

use std::sync::LazyLock;

use tenet_core::{Catalog, CatalogColumn, CatalogTable, Grants};

use crate::resolved::LONGEST_SENT;
use crate::{canonical, check, only_reads, steps};

/// The stack that has to be enough without optimisations: a third of what a fiber has in addition
/// to its guest's.
const STACK: usize = 512 << 10;

/// The most steps for each byte of a text, and a constant for any text: the work of one look-up has
/// a bound that does not depend on the text.
const STEPS_A_BYTE: usize = 60;
const STEPS_AT_ALL: usize = 400_000;

static GRANTS: LazyLock<Grants> = LazyLock::new(|| {
    serde_json::from_str(
        r#"{
            "tables": {
                "a": { "select": ["b", "c"], "insert": ["b", "c"], "update": ["b", "c"], "delete": true },
                "o": { "select": "*", "insert": "*", "update": "*" }
            },
            "sequences": ["s"]
        }"#,
    )
    .unwrap()
});

/// `o` has the maximal number of columns.
static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let table = |columns: Vec<String>| CatalogTable {
        columns: columns.into_iter().map(|name| CatalogColumn { name, kind: "text".to_owned() }).collect(),
        ..CatalogTable::default()
    };
    let wide = ["b", "x"].map(str::to_owned).into_iter().chain((0..1598).map(|number| format!("zz{number}")));
    let tables = [("a", table(["b", "c"].map(str::to_owned).into())), ("o", table(wide.collect()))];
    Catalog { tables: tables.map(|(name, table)| (name.to_owned(), table)).into() }
});

/// Texts with a part that is repeated `times` times: `BEFORE PART+ AFTER`. `#` is replaced by the
/// number of the part.
const REPEATED: &[(&str, &str, &str)] = &[
    ("SELECT 1 ", "+", " 1"),
    ("SELECT 1 ", "- ", " 1"),
    ("SELECT 1 ", "~ ", " 1"),
    ("SELECT 1 ", "+/**/", " 1"),
    ("SELECT ", "NOT ", "true"),
    ("SELECT 1", " + 1", ""),
    ("SELECT 1", "||1", ""),
    ("SELECT 1", " OR b = 1", " FROM a"),
    ("SELECT 1", " AND o.x = 1", " FROM o"),
    ("SELECT 1", "::int", ""),
    ("SELECT 1", "[1]", ""),
    ("SELECT 1", " IS NULL", ""),
    ("SELECT 1", " AT TIME ZONE 'x'", ""),
    ("SELECT 1", " BETWEEN 1 AND 2", ""),
    ("SELECT 1", " LIKE 'x'", ""),
    ("SELECT 1", " IN (1)", ""),
    ("SELECT 1", " = ANY (b)", " FROM a"),
    ("SELECT 1", ", 1", ""),
    ("SELECT 1", ", b", " FROM a"),
    ("SELECT 1", ", b AS x#", " FROM a"),
    ("SELECT 1 FROM a", ", a AS a#", ""),
    ("SELECT 1", ", *", " FROM o"),
    ("SELECT 1", ", o.*", " FROM o"),
    ("SELECT 1", ", x.b", " FROM (SELECT b FROM a) x"),
    ("SELECT 1", ", (SELECT 1 FROM (SELECT * FROM o) x)", ""),
    ("SELECT 1", ", (SELECT 1 FROM (SELECT o.* FROM a JOIN o USING (b)) x)", ""),
    ("SELECT 1 FROM (SELECT * FROM o) x", " UNION SELECT b FROM (SELECT * FROM o) x", ""),
    ("SELECT 1", ", b", " FROM a AS a234567890123456789012345678901234567890123456789012345678901"),
    ("SELECT 1", ", (b)", " FROM a JOIN o USING (b)"),
    ("SELECT 1 AS b", ", b AS b", " FROM a ORDER BY b"),
    ("SELECT 1", ", f(1)", ""),
    ("SELECT concat(1", ", 1", ")"),
    ("SELECT ARRAY[1", ", 1", "]"),
    ("SELECT ARRAY[ARRAY[1]", ", ARRAY[1]", "]"),
    ("SELECT CASE", " WHEN b = 1 THEN c", " END FROM a"),
    ("SELECT 1 IN (1", ", 1", ")"),
    ("SELECT extract(year FROM b)", ", extract(year FROM b)", " FROM a"),
    ("SELECT 1", ", (SELECT b FROM a)", ""),
    ("SELECT 1", " UNION SELECT 1", ""),
    ("SELECT 1", " EXCEPT (SELECT b FROM a)", ""),
    ("VALUES (1)", ", (1)", ""),
    ("VALUES (1", ", 1", ")"),
    ("SELECT 1 FROM o", ", o AS o#", ""),
    ("SELECT 1 FROM o", " CROSS JOIN a AS a#", ""),
    ("SELECT 1 FROM o", " JOIN a AS a# ON x = b", ""),
    ("SELECT 1 FROM a", " JOIN a AS a# USING (b)", ""),
    ("SELECT 1 FROM a", ", (SELECT b FROM a) x#", ""),
    ("SELECT 1 FROM a", ", LATERAL (SELECT b) x#", ""),
    ("SELECT 1 FROM a", ", generate_series(1, b) x#", ""),
    ("SELECT 1 FROM a JOIN o USING (b", ", b", ")"),
    ("SELECT 1 FROM o JOIN o AS o0 USING (b", ", zz#", ")"),
    ("SELECT * FROM o JOIN o AS o0 USING (b, x)", " JOIN a AS a# USING (b)", ""),
    ("SELECT -b AS x FROM a GROUP BY b", ", x", ""),
    ("SELECT b FROM a GROUP BY b", ", b", ""),
    ("SELECT b FROM a ORDER BY b", ", b", ""),
    ("SELECT b AS x FROM a ORDER BY b", ", x DESC NULLS LAST", ""),
    ("SELECT DISTINCT ON (b", ", b", ") b FROM a"),
    ("(SELECT b FROM a) ORDER BY b", ", b", ""),
    ("SELECT b FROM a", " LIMIT 1", ""),
    ("SELECT b FROM a", " FOR UPDATE", ""),
    ("SELECT b FROM a FOR UPDATE OF a", ", a", ""),
    ("SELECT b FROM a WINDOW w AS (ORDER BY b)", ", w# AS (PARTITION BY b)", ""),
    ("SELECT count(*) OVER (ROWS", " BETWEEN", ")"),
    ("WITH w AS (SELECT 1)", ", w# AS (SELECT b FROM a)", " SELECT 1"),
    ("WITH RECURSIVE w AS (SELECT 1)", ", w# AS (SELECT * FROM w)", " SELECT 1"),
    ("WITH w AS (SELECT 1), w0 AS (SELECT 1)", ", w# AS (SELECT * FROM w)", " SELECT 1"),
    ("WITH w(x", ", x", ") AS (SELECT 1) SELECT x FROM w"),
    ("INSERT INTO a (b", ", b", ") VALUES (1)"),
    ("INSERT INTO o VALUES (1", ", 1", ")"),
    ("INSERT INTO a VALUES (1) RETURNING *", ", *", ""),
    ("INSERT INTO a (b) VALUES (1)", ", (DEFAULT)", ""),
    ("INSERT INTO a (b) VALUES (1) ON CONFLICT (b", ", b", ") DO NOTHING"),
    ("INSERT INTO a (b) VALUES (1) ON CONFLICT (b) DO UPDATE SET b = 1", ", c = excluded.b", ""),
    ("INSERT INTO a (b) VALUES (1) RETURNING b", ", c", ""),
    ("UPDATE a SET b = 1", ", c = b", ""),
    ("UPDATE a SET (b", ", c", ") = (1)"),
    ("UPDATE a SET b = 1 FROM o", ", o AS o#", ""),
    ("DELETE FROM a USING o", ", o AS o#", ""),
    ("SELECT nextval('s')", ", nextval('s')", ""),
    ("SELECT '", "''", "'"),
    ("SELECT E'", "\\'", "'"),
    ("SELECT $a$", "$b$", "$a$"),
    ("SELECT \"", "\"\"", "\""),
    ("SELECT 1 ", "/*", ""),
    ("SELECT 1 ", "/**/", ""),
    ("SELECT 1 ", "--\n", ""),
    ("SELECT 1 ", "$", ""),
    ("SELECT ", "$1+", "1"),
    ("SELECT ", "1.5e3 , ", "1"),
    ("SELECT x", "x", ""),
    ("SELECT 1 FROM o WHERE true", " AND o.x = 'now'", ""),
    ("SELECT 1 FROM o WHERE o.x IN ('now'", ", 'now'", ")"),
    ("SELECT 1 FROM o WHERE o.x = '(now)'", " AND o.x = '(now)'", ""),
    ("SELECT 1 FROM o WHERE o.x IN ('(now)'", ", '(now)', o.x::text", ")"),
    ("SELECT o.x || '(now)'", " || '(now)' || o.x", " FROM o"),
    ("SELECT coalesce('(now)'", ", '(now)', o.x", ") FROM o"),
    ("VALUES ('(now)')", ", ('(now)'), ('a')", ""),
    ("SELECT 'now'", "::text", "::date"),
    ("INSERT INTO o VALUES ('now'", ", 'now'", ")"),
    ("", ";", ""),
    ("", "a.", ""),
    ("", " ", ""),
];

/// Texts with nested parts: `BEFORE OPEN+ INNERMOST CLOSE+ AFTER`.
const NESTED: &[(&str, &str, &str, &str, &str)] = &[
    ("SELECT ", "(", "1", ")", ""),
    ("SELECT ", "abs(", "1", ")", ""),
    ("SELECT ", "CAST(", "1", " AS int)", ""),
    ("SELECT ", "CAST(", "'now'", " AS text)", ""),
    ("SELECT ", "(", "$1 = 'now'", ")::date", ""),
    ("SELECT ", "CASE WHEN ", "true", " THEN 1 END", ""),
    ("SELECT ", "CASE ", "1", " WHEN 1 THEN 1 END", ""),
    ("SELECT ", "ARRAY[", "1", "]", ""),
    ("SELECT ARRAY", "[", "1", "]", ""),
    ("SELECT 1", "[1", "", "]", ""),
    ("SELECT ", "1 + (", "1", ")", ""),
    ("SELECT ", "1 IN (", "1", ")", ""),
    ("SELECT ", "row(", "1", ")", ""),
    ("SELECT ", "substring('a' FROM ", "1", ")", ""),
    ("SELECT ", "(SELECT ", "1", ")", ""),
    ("SELECT ", "(VALUES (", "1", "))", ""),
    ("SELECT ", "EXISTS (SELECT ", "1", ")", ""),
    ("SELECT ", "ARRAY(SELECT ", "1", ")", ""),
    ("SELECT ", "(WITH x AS (SELECT 1) SELECT ", "1", ")", ""),
    ("SELECT ", "1 = ANY (SELECT ", "1", ")", ""),
    ("SELECT ", "count(*) FILTER (WHERE ", "true", ")", ""),
    ("SELECT ", "count(*) OVER (ORDER BY ", "1", ")", ""),
    ("SELECT ", "mode() WITHIN GROUP (ORDER BY ", "1", ")", ""),
    ("", "(", "SELECT 1", ")", ""),
    ("", "(", "SELECT 1", ") UNION SELECT 1", ""),
    ("", "SELECT 1 UNION (", "SELECT 1", ")", ""),
    ("", "WITH x AS (", "SELECT 1", ") SELECT 1", ""),
    ("SELECT 1 FROM ", "(SELECT 1 FROM ", "a", ") x", ""),
    ("SELECT 1 FROM ", "LATERAL (SELECT b FROM ", "a", ") x", ""),
    ("SELECT 1 FROM ", "(", "a JOIN o ON true", ")", ""),
    ("SELECT 1 FROM ", "a JOIN (", "a JOIN o ON true", ") ON true", ""),
    ("SELECT 1 FROM ", "a CROSS JOIN ", "a", "", ""),
    ("SELECT 1 FROM ", "a JOIN ", "a", " ON true", ""),
    ("SELECT 1 FROM ", "generate_series(1, (SELECT 1 FROM ", "a", ")) x", ""),
    ("SELECT 1 FROM a WHERE ", "b IN (SELECT b FROM a WHERE ", "true", ")", ""),
    ("SELECT 1 ORDER BY ", "(SELECT 1 ORDER BY ", "1", ")", ""),
    ("SELECT 1 LIMIT ", "(SELECT 1 LIMIT ", "1", ")", ""),
    ("INSERT INTO a (b) ", "(", "SELECT 1", ")", ""),
    ("", "WITH x AS (INSERT INTO a (b) ", "VALUES (1)", " RETURNING b) SELECT b FROM x", ""),
    ("UPDATE a SET b = ", "(SELECT ", "1", ")", ""),
    ("", "/*", "", "*/", " SELECT 1"),
];

fn repeated((before, part, after): (&str, &str, &str), bytes: usize) -> String {
    let mut text = before.to_owned();
    let mut number = 0;
    while text.len() + part.len() + after.len() + 4 < bytes {
        number += 1;
        text.push_str(&part.replace('#', &number.to_string()));
    }
    text + after
}

fn nested((before, open, inner, close, after): (&str, &str, &str, &str, &str), times: usize) -> String {
    [before, &open.repeat(times), inner, &close.repeat(times), after].concat()
}

/// The number of steps to check a text, whatever the result.
fn cost(sql: &str) -> usize {
    steps::take();
    if let Ok(sent) = canonical(sql, &GRANTS, &CATALOG) {
        assert!(sent.len() <= LONGEST_SENT, "{} bytes are sent", sent.len());
    }
    only_reads(sql);
    steps::take()
}

#[test]
fn what_a_text_costs_grows_with_its_length_and_no_faster() {
    let mut dearest = (0, String::new());
    let mut hold = |text: &dyn Fn(usize) -> String| {
        for bytes in [1, 4, 16, 64].map(|size| size << 10) {
            let text = text(bytes);
            assert!(text.len() <= bytes.max(2 << 10));
            let (steps, shown) = (cost(&text), text.chars().take(60).collect::<String>());
            assert!(
                steps <= STEPS_AT_ALL + STEPS_A_BYTE * text.len(),
                "{shown}: {steps} steps for {} bytes",
                text.len()
            );
            if bytes == 64 << 10 && steps > dearest.0 {
                dearest = (steps, shown);
            }
        }
    };
    for shape in REPEATED {
        hold(&|bytes| repeated(*shape, bytes));
    }
    for shape @ (_, open, _, close, _) in NESTED {
        hold(&|bytes| nested(*shape, (bytes - 100) / (open.len() + close.len())));
    }
    // Names that are looked up in the largest possible number of scopes.
    hold(&|bytes| repeated(("SELECT 1 FROM o WHERE true", " AND zz# = 1", ""), bytes));
    hold(&|bytes| {
        let many: String =
            (0..99).map(|number| format!(", (SELECT b AS b{number} FROM o LIMIT 1) x{number}")).collect();
        repeated((&format!("SELECT 1 FROM o{}", many.get(..bytes / 4).unwrap_or(&many)), " WHERE b1 = 1", ""), bytes)
    });
    hold(&|bytes| {
        let columns: String = (0..bytes / 20).map(|number| format!(", b x{number}")).collect();
        let many: String = (0..97).map(|number| format!(", w w{number}")).collect();
        format!("WITH w AS (SELECT b{columns} FROM a) SELECT 1 FROM w{}", many.get(..bytes / 8).unwrap_or(&many))
    });
    println!("the dearest text takes {} steps: {}", dearest.0, dearest.1);
}

#[test]
fn twice_the_text_takes_twice_the_steps() {
    for shape in REPEATED {
        let [one, two] = [16, 32].map(|size| cost(&repeated(*shape, size << 10)));
        assert!(two <= 2 * one + one / 4 + 2000, "{shape:?}: {one} steps and {two}");
    }
    for shape @ (_, open, _, close, _) in NESTED {
        let times = |bytes: usize| (bytes - 100) / (open.len() + close.len());
        let [one, two] = [16, 32].map(|size| cost(&nested(*shape, times(size << 10))));
        assert!(two <= 2 * one + one / 4 + 2000, "{shape:?}: {one} steps and {two}");
    }
}

#[test]
fn no_text_takes_more_of_the_stack_than_there_is() {
    let thread = std::thread::Builder::new().stack_size(STACK);
    let run = || {
        let mut deepest = 0;
        for shape in REPEATED {
            cost(&repeated(*shape, 64 << 10));
        }
        for shape @ (_, open, _, close, _) in NESTED {
            for times in 1..60 {
                if check(&nested(*shape, times), &GRANTS, &CATALOG).is_ok() {
                    deepest = deepest.max(times);
                }
            }
            cost(&nested(*shape, (60 << 10) / (open.len() + close.len())));
        }
        deepest
    };
    assert!(thread.spawn(run).unwrap().join().unwrap() > 10);
}

#[test]
fn a_text_has_a_longest() {
    let longest = |more: usize| format!("SELECT 1{}", " ".repeat(crate::token::LONGEST_TEXT - 8 + more));
    check(&longest(0), &GRANTS, &CATALOG).unwrap();
    let refusal = check(&longest(1), &GRANTS, &CATALOG).unwrap_err();
    assert_eq!(refusal.to_string(), "it has 65537 bytes, and 65536 are the most; pass values as parameters");
    let error = refusal.error(&longest(1));
    assert_eq!(error.details, [("position".to_owned(), "65537".to_owned())]);
}
