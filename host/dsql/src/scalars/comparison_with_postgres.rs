//! Every operator over every pair of types, and every function with drawn arguments: on the model
//! and on a real PostgreSQL.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::oracle::{Answer, Oracle, literal};
use crate::scalars::cast::{self, Context};
use crate::scalars::catalog::{ANYARRAY, ANYCOMPATIBLEARRAY, Class, catalog};
use crate::scalars::{Moment, aggregate, function, operator, set_function};
use crate::sql_error::SqlError;
use crate::values::kind::Kind;
use crate::values::text_format;
use crate::values::value::Value;

/// An argument: the constant of a kind, or NULL.
#[derive(Clone, Debug)]
struct Argument {
    kind: Kind,
    text: Option<String>,
}

impl Argument {
    fn sql(&self) -> String {
        let constant = self.text.as_deref().map_or("NULL".to_owned(), literal);
        if self.kind == Kind::Unknown { constant } else { format!("{constant}::{}", self.kind.internal_name()) }
    }

    fn value(&self, kind: Kind) -> Result<Value, SqlError> {
        self.text.as_deref().map_or(Ok(Value::Null), |text| text_format::input(text, kind, -1))
    }

    /// The value as one of the kind that was chosen for it.
    fn become_kind(&self, kind: Kind) -> Result<Value, SqlError> {
        if self.kind == Kind::Unknown {
            return self.value(kind);
        }
        let value = self.value(self.kind)?;
        if self.kind == kind {
            return Ok(value);
        }
        let cast = cast::find(self.kind, kind, Context::Implicit)
            .ok_or_else(|| SqlError::new("XX000", format!("no cast from {:?} to {kind:?}", self.kind)))?;
        cast::apply(cast, &value, -1, false)
    }
}

fn moment() -> Moment {
    Moment {
        transaction: 0,
        statement: 0,
        clock: 0,
        user: "admin".into(),
        schema: Some("public".into()),
        random: RefCell::new(fastrand::Rng::with_seed(1)),
    }
}

fn shown(value: &Value, kind: Kind) -> Answer {
    let text = match value {
        Value::Null => None,
        value => Some(text_format::output(value, kind)?),
    };
    Ok(vec![Some(kind.oid().to_string()), text])
}

fn values(arguments: &[Argument], kinds: &[Kind]) -> Result<Vec<Value>, SqlError> {
    arguments.iter().zip(kinds).map(|(argument, kind)| argument.become_kind(*kind)).collect()
}

fn run_operator(name: &str, left: Option<&Argument>, right: &Argument) -> Answer {
    let operator = operator::resolve(name, left.map(|left| left.kind), right.kind)?;
    let arguments: Vec<Argument> = left.into_iter().chain([right]).cloned().collect();
    let kinds: Vec<Kind> = operator.left.into_iter().chain([operator.right]).collect();
    shown(&operator.call(&moment(), &values(&arguments, &kinds)?)?, operator.result)
}

fn run_function(name: &str, arguments: &[Argument]) -> Answer {
    let kinds: Vec<Kind> = arguments.iter().map(|argument| argument.kind).collect();
    let function = function::resolve(name, &kinds)?;
    shown(&function.call(&moment(), &values(arguments, &function.arguments)?)?, function.result)
}

fn statement(expression: &str) -> String {
    format!("SELECT pg_typeof({expression})::oid, {expression}")
}

/// What is compared, of an answer.
fn essence(answer: &Answer) -> Result<Vec<Option<String>>, (String, String, Option<String>)> {
    match answer {
        Ok(row) => Ok(row.clone()),
        Err(error) => Err((error.sqlstate.to_owned(), error.message.clone(), error.hint.clone())),
    }
}

fn brief(answer: &Answer) -> String {
    match answer {
        Ok(row) => format!("{row:?}"),
        Err(error) => format!("{} {} {:?} {:?}", error.sqlstate, error.message, error.detail, error.hint),
    }
}

/// What PostgreSQL 15 says where 16, and so the model, says it in other words.
fn is_of_15(own: &Answer, real: &Answer) -> bool {
    let (Err(own), Err(real)) = (own, real) else {
        return false;
    };
    let is_hint = real.hint.as_deref() == Some("Object keys should be text.");
    own.message == "null value not allowed for object key" && (is_hint || real.message == "field name must not be null")
}

/// Compares the answers of the model with PostgreSQL's, except where the model refuses.
fn compare(cases: Vec<(String, Answer)>) {
    let oracle = Oracle::connect();
    let statements: Vec<String> =
        cases.iter().map(|(text, _)| if text.starts_with("SELECT") { text.clone() } else { statement(text) }).collect();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut different = Vec::new();
    let mut kinds_of_difference: BTreeMap<String, usize> = BTreeMap::new();
    for ((expression, own), real) in cases.iter().zip(oracle.ask(&statements)) {
        if let Err(error) = own
            && error.sqlstate == "0A000"
            && error.message.ends_with("by this model of Aurora DSQL")
        {
            *refused.entry(error.message.clone()).or_default() += 1;
            continue;
        }
        // PostgreSQL leaves out a cast of a constant where the other operand is NULL.
        let is_left_out = real.as_ref().is_ok_and(|row| row.last() == Some(&None))
            && own.as_ref().is_err_and(|error| error.message == "date out of range for timestamp");
        if essence(own) != essence(&real) && !is_left_out && !is_of_15(own, &real) {
            // A few of each operator and function, and of each kind of error.
            let code =
                |answer: &Answer| answer.as_ref().map_or_else(|error| error.sqlstate.to_owned(), |_| "ok".to_owned());
            let shape: String = if let Some(rest) = expression.strip_prefix("SELECT") {
                let name =
                    rest.rsplit_once("FROM").map_or(rest, |(_, last)| last).split('"').nth(1).unwrap_or_default();
                format!("{name} {} {}", code(own), code(&real))
            } else if expression.starts_with('"') {
                let name = expression.split('(').next().unwrap_or_default();
                format!("{name} {} {}", code(own), code(&real))
            } else {
                expression.split('\'').step_by(2).collect::<Vec<_>>().join("?")
            };
            let count = kinds_of_difference.entry(shape).or_default();
            *count += 1;
            if *count <= 2 {
                different.push(format!("{expression}\n    model      {}\n    PostgreSQL {}", brief(own), brief(&real)));
            }
        }
    }
    let all: usize = kinds_of_difference.values().sum();
    println!("{} compared, {} refused", cases.len(), refused.values().sum::<usize>());
    println!("refused: {refused:#?}");
    different.truncate(number("SHOWN", 40));
    assert!(different.is_empty(), "{all} differences, such as\n{}", different.join("\n"));
}

/// The kinds that arguments have, with edge values of each.
fn edges(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Unknown => vec!["", "1", "a", "2024-02-29", "1 day", "{}", "-7.5"],
        Kind::Bool => vec!["t", "f"],
        Kind::Int2 => vec!["0", "1", "-1", "7", "32767", "-32768"],
        Kind::Int4 => vec!["0", "1", "-1", "3", "10", "65536", "2147483647", "-2147483648"],
        Kind::Int8 => vec!["0", "1", "-1", "12345678901", "9223372036854775807", "-9223372036854775808"],
        Kind::Float8 => vec![
            "0",
            "-0",
            "1",
            "-1",
            "0.5",
            "2.5",
            "-1.5",
            "3.14159",
            "1e300",
            "-1e300",
            "1e-300",
            "NaN",
            "Infinity",
            "-Infinity",
            "123456789.123",
        ],
        Kind::Numeric => vec![
            "0",
            "0.00",
            "1",
            "-1",
            "2",
            "0.5",
            "-2.5",
            "3.14159",
            "100.10",
            "12345678901234567890.123456789",
            "-0.001",
            "1e40",
            "NaN",
            "Infinity",
            "-Infinity",
            "99999.5",
        ],
        Kind::Text => vec![
            "",
            "a",
            "b",
            "abc",
            "ABC",
            "abcabc",
            "a%c",
            "a_c",
            "a\\c",
            "%",
            "_b%",
            "é",
            "naïve Grüße",
            " pad ",
            "x,y,,z",
            ",",
            "1",
            "-5",
            "hex",
            "base64",
            "escape",
            "day",
            "month",
            "epoch",
            "YYYY-MM-DD",
            "%s|%I|%L|%1$s",
            "日本語",
            "{\"a\": 1}",
            "it's",
        ],
        Kind::Varchar => vec!["", "abc", "a ", "é"],
        Kind::Bpchar => vec!["", "abc", "a  ", "a"],
        Kind::Name => vec!["", "abc", "public"],
        Kind::Oid => vec!["0", "23", "4294967295"],
        Kind::Bytea => vec!["", "\\x00", "\\x616263", "\\xff00ff", "\\x61"],
        Kind::Uuid => vec!["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-4fff-8fff-ffffffffffff"],
        Kind::Date => vec![
            "2000-01-01",
            "1999-12-31",
            "2024-02-29",
            "2024-03-31",
            "infinity",
            "-infinity",
            "0044-03-15 BC",
            "5874897-12-31",
            "4714-11-24 BC",
            "2026-11-30",
        ],
        Kind::Time => vec!["00:00:00", "12:34:56.789", "23:59:59.999999", "24:00:00", "06:00"],
        Kind::Timestamp => vec![
            "2000-01-01 00:00:00",
            "2024-02-29 12:34:56.789012",
            "1999-12-31 23:59:59.999999",
            "infinity",
            "-infinity",
            "0044-03-15 10:00:00 BC",
            "294276-12-31 23:59:59.999999",
            "2026-11-30 07:35:39",
            "2024-03-31 23:00:00",
        ],
        Kind::Timestamptz => vec![
            "2000-01-01 00:00:00+00",
            "2024-02-29 12:34:56.789012+02",
            "infinity",
            "-infinity",
            "4714-11-24 00:00:00+00 BC",
            "2026-11-30 07:35:39.5+00",
            "2024-01-31 00:00:00+00",
        ],
        Kind::Interval => vec![
            "0",
            "1 day",
            "1 month",
            "-1 month -3 days 04:05:06.789",
            "1 year 2 months 3 days 04:05:06",
            "00:00:00.000001",
            "-00:00:01",
            "178000000 years",
            "30 days",
            "35 days 30:00:00",
            "13 months -35 days 12:00:00",
            "2 hours",
        ],
        Kind::Json => vec![
            "null",
            "1",
            "\"a\"",
            "[]",
            "[1, 2.50, \"x\", null, {\"a\" : 1}]",
            "{}",
            "{\"a\": 1, \"b\": [1,2], \"a\": \"\\u0041\\n\"}",
            "true",
            " {\"k\" : {\"l\": [true , null]}} ",
            "1.50",
            " 7 ",
            " \"x\" ",
        ],
        Kind::Jsonb => vec![
            "null",
            "1",
            "\"a\"",
            "\"abc\"",
            "[]",
            "[1, 2.50, \"x\", null, {\"a\": 1}]",
            "{}",
            "{\"a\": 1, \"b\": [1, 2], \"cc\": \"\\u0041\\n\"}",
            "true",
            "{\"k\": {\"l\": [true, null]}}",
            "1.50",
            "[\"a\", \"b\"]",
            "{\"a\": null}",
            "[1, 1]",
            "1e20",
        ],
        Kind::Array(Kind::Int4) => vec!["{}", "{1,2,3}", "{1,NULL,3}", "{3}", "{-1,2147483647}"],
        Kind::Array(Kind::Text) => {
            vec!["{}", "{a}", "{a,b,NULL,\"x y\"}", "{b,1}", "{1}", "{k,l,0}", "{\"\",\"NULL\",\"a,b\"}"]
        }
        Kind::Array(Kind::Int8) => vec!["{}", "{1,2}"],
        Kind::Array(Kind::Numeric) => vec!["{1.0,2}", "{NaN}"],
        Kind::Array(Kind::Timestamp) => vec!["{\"2000-01-01 00:00:00\",NULL}"],
        _ => Vec::new(),
    }
}

const KINDS: &[Kind] = &[
    Kind::Unknown,
    Kind::Bool,
    Kind::Int2,
    Kind::Int4,
    Kind::Int8,
    Kind::Float8,
    Kind::Numeric,
    Kind::Text,
    Kind::Varchar,
    Kind::Bpchar,
    Kind::Name,
    Kind::Oid,
    Kind::Bytea,
    Kind::Uuid,
    Kind::Date,
    Kind::Time,
    Kind::Timestamp,
    Kind::Timestamptz,
    Kind::Interval,
    Kind::Json,
    Kind::Jsonb,
    Kind::Array(&Kind::Int4),
    Kind::Array(&Kind::Text),
    Kind::Array(&Kind::Int8),
    Kind::Array(&Kind::Numeric),
    Kind::Array(&Kind::Timestamp),
];

/// Edge values that the model can read. Those of `values` have tests of their own.
fn arguments(kind: Kind) -> Vec<Argument> {
    let some = edges(kind).into_iter().map(|text| Argument { kind, text: Some(text.to_owned()) });
    some.chain([Argument { kind, text: None }]).filter(|argument| argument.value(kind).is_ok()).collect()
}

const OPERATORS: &[&str] = &[
    "=", "<>", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "^", "||", "~~", "!~~", "~~*", "!~~*", "&", "|",
    "#", "<<", ">>", "->", "->>", "#>", "#>>", "@>", "<@", "?", "?|", "?&", "&&", "#-", "^@", "~<~", "~>=~",
];

/// The number that a longer run by hand gives: `PAIRS=1000 SEED=3 cw test ...`.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

fn is_asked_for(name: &str) -> bool {
    std::env::var("ONLY").map_or(true, |only| only.split_whitespace().any(|one| one == name))
}

#[test]
fn an_operator_means_and_does_what_it_does_on_postgres() {
    let mut random = fastrand::Rng::with_seed(number("SEED", 7) as u64);
    let pairs = number("PAIRS", 6);
    let mut cases = Vec::new();
    for name in OPERATORS.iter().filter(|name| is_asked_for(name)) {
        for left in KINDS {
            for right in KINDS {
                let all = |kind: &Kind| arguments(*kind);
                let mut drawn: Vec<(Argument, Argument)> = all(left)
                    .into_iter()
                    .flat_map(|left| all(right).into_iter().map(move |right| (left.clone(), right)))
                    .collect();
                random.shuffle(&mut drawn);
                // What is not there fails for all values alike.
                let is_there = operator::resolve(name, Some(*left), *right).is_ok();
                drawn.truncate(if is_there { pairs } else { 1 });
                for (left, right) in drawn {
                    let expression = format!("({} {name} {})", left.sql(), right.sql());
                    cases.push((expression, run_operator(name, Some(&left), &right)));
                }
            }
        }
    }
    compare(cases);
}

#[test]
fn a_prefix_means_and_does_what_it_does_on_postgres() {
    let mut cases = Vec::new();
    for name in ["-", "+", "@", "~", "|/", "||/"] {
        for right in KINDS.iter().flat_map(|kind| arguments(*kind)) {
            cases.push((format!("({name} {})", right.sql()), run_operator(name, None, &right)));
        }
    }
    compare(cases);
}

/// Functions of the moment and the session, and those whose name is not that of a function call.
const EXCLUDED: &[&str] = &[
    "now",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "timeofday",
    "random",
    "gen_random_uuid",
    "version",
    "current_user",
    "session_user",
    "current_schema",
    "current_schemas",
    "current_database",
    "grouping",
    "xmlagg",
    "col_description",
    "obj_description",
    "inet_client_addr",
];

fn names(class: Class) -> Vec<&'static str> {
    let lines = include_str!("catalog/functions.txt").lines();
    let names: BTreeSet<&str> = lines.filter_map(|line| line.split(' ').next()).collect();
    names.into_iter().filter(|name| function::class(name) == Some(class) && !EXCLUDED.contains(name)).collect()
}

fn draw(random: &mut fastrand::Rng, kind: Kind) -> Option<Argument> {
    let arguments = arguments(kind);
    random.choice(arguments)
}

/// An argument where a type is taken: mostly of that type, sometimes of another one or of none.
fn draw_for(random: &mut fastrand::Rng, oid: u32) -> Option<Argument> {
    let arrays: Vec<Kind> = KINDS.iter().copied().filter(|kind| kind.element().is_some()).collect();
    let kind = match Kind::from_oid(oid) {
        Some(kind) if KINDS.contains(&kind) => kind,
        // An array where any is taken.
        _ if matches!(oid, ANYARRAY | ANYCOMPATIBLEARRAY) => *random.choice(&arrays)?,
        _ => *random.choice(KINDS)?,
    };
    match random.u8(0..20) {
        0 => draw(random, *random.clone().choice(KINDS)?),
        1..=3 => Some(Argument { kind: Kind::Unknown, text: draw(random, kind)?.text }),
        _ => draw(random, kind),
    }
}

#[test]
fn a_function_means_and_does_what_it_does_on_postgres() {
    let draws = number("DRAWS", 12);
    let mut random = fastrand::Rng::with_seed(number("SEED", 7) as u64);
    let mut cases = Vec::new();
    for name in names(Class::Scalar).into_iter().filter(|name| is_asked_for(name)) {
        for row in catalog().functions(name) {
            let taken = row.arguments.len();
            for _ in 0..draws {
                let mut oids = row.arguments.clone();
                if let Some(variadic) = row.variadic {
                    oids.pop();
                    oids.extend(std::iter::repeat_n(variadic, random.usize(0..4)));
                }
                if row.defaults > 0 && random.bool() {
                    oids.truncate(taken - random.usize(0..=row.defaults));
                }
                if *name == *"age" && oids.len() == 1 {
                    // It looks at the clock.
                    continue;
                }
                let Some(arguments) =
                    oids.iter().map(|oid| draw_for(&mut random, *oid)).collect::<Option<Vec<Argument>>>()
                else {
                    continue;
                };
                let own = run_function(name, &arguments);
                // What fills the memory fills PostgreSQL's too.
                if matches!(name, "repeat" | "lpad" | "rpad")
                    && own.as_ref().is_ok_and(|row| row[1].as_ref().is_some_and(|text| text.len() > 10_000))
                {
                    continue;
                }
                let sql: Vec<String> = arguments.iter().map(Argument::sql).collect();
                cases.push((format!("\"{name}\"({})", sql.join(", ")), own));
            }
        }
    }
    compare(cases);
}

/// Parts of templates of moments, and of numbers.
const OF_MOMENTS: &str = "A.D. A.M. AD AM B.C. BC CC DAY DDD DD DY Day Dy D FF1 FF3 FF6 HH24 HH12 HH IDDD ID IW IYYY \
    IYY IY I J MI MM MONTH MON MS Month Mon OF P.M. PM Q RM SSSSS SSSS SS TZH TZM TZ US WW W Y,YYY YYYY YYY YY Y a.d. \
    am bc cc day ddd dd dy d hh24 hh mi mm month mon ms pm q rm ss tz us ww w yyyy y FM TM TH th SP FX - : . , / T \
    \"of\" \"a\\b\" \\\" x";
const OF_NUMBERS: &str = "9 9 9 9 0 0 , . D G FM L MI PL PR S SG TH th V RN rn B C SP - / x \"of\" fm s pr v";

/// A template of some of these parts, sometimes with blanks between them.
fn template(random: &mut fastrand::Rng, parts: &str) -> String {
    let parts: Vec<&str> = parts.split_ascii_whitespace().collect();
    let separator = if random.bool() { "" } else { " " };
    let some: Vec<&str> = (0..random.usize(0..9)).filter_map(|_| random.choice(&parts).copied()).collect();
    some.join(separator)
}

#[test]
fn a_template_shows_what_it_shows_on_postgres() {
    let mut random = fastrand::Rng::with_seed(number("SEED", 7) as u64);
    let mut cases = Vec::new();
    let kinds = [
        (Kind::Timestamp, OF_MOMENTS),
        (Kind::Timestamptz, OF_MOMENTS),
        (Kind::Date, OF_MOMENTS),
        (Kind::Numeric, OF_NUMBERS),
        (Kind::Int4, OF_NUMBERS),
        (Kind::Int8, OF_NUMBERS),
        (Kind::Float8, OF_NUMBERS),
    ];
    for (kind, parts) in kinds {
        for _ in 0..number("DRAWS", 12) * 60 {
            let Some(value) = draw(&mut random, kind) else { continue };
            let template = Argument { kind: Kind::Text, text: Some(template(&mut random, parts)) };
            let arguments = [value, template];
            let own = run_function("to_char", &arguments);
            let sql: Vec<String> = arguments.iter().map(Argument::sql).collect();
            cases.push((format!("\"to_char\"({})", sql.join(", ")), own));
        }
    }
    compare(cases);
}

fn run_aggregate(name: &str, rows: &[Vec<Argument>]) -> Answer {
    let kinds: Vec<Kind> = rows.first().into_iter().flatten().map(|argument| argument.kind).collect();
    let aggregate = aggregate::resolve(name, &kinds)?;
    let mut running = aggregate.start();
    for row in rows {
        running.add(&values(row, &aggregate.arguments)?)?;
    }
    shown(&running.finish()?, aggregate.result)
}

#[test]
fn an_aggregate_means_and_does_what_it_does_on_postgres() {
    let mut random = fastrand::Rng::with_seed(number("SEED", 7) as u64);
    let mut cases = Vec::new();
    for name in names(Class::Aggregate).into_iter().filter(|name| is_asked_for(name)) {
        for row in catalog().functions(name).iter().filter(|row| !row.arguments.is_empty()) {
            for _ in 0..number("DRAWS", 12) {
                let Some(first) =
                    row.arguments.iter().map(|oid| draw_for(&mut random, *oid)).collect::<Option<Vec<Argument>>>()
                else {
                    continue;
                };
                if first.iter().any(|one| one.kind == Kind::Unknown) {
                    // A column has a type.
                    continue;
                }
                let more = (0..random.usize(0..5))
                    .map(|_| first.iter().map(|one| draw(&mut random, one.kind).unwrap()).collect());
                let rows: Vec<Vec<Argument>> = std::iter::once(first.clone()).chain(more).collect();
                let sql = |row: &Vec<Argument>| row.iter().map(Argument::sql).collect::<Vec<_>>().join(", ");
                let lines: Vec<String> =
                    rows.iter().enumerate().map(|(place, row)| format!("({place}, {})", sql(row))).collect();
                let columns: Vec<String> = (0..first.len()).map(|place| format!("c{place}")).collect();
                let columns = columns.join(", ");
                let own = run_aggregate(name, &rows);
                cases.push((
                    format!(
                        "SELECT pg_typeof(a)::oid, a FROM (SELECT \"{name}\"({columns} ORDER BY n) AS a FROM (VALUES {}) \
                         AS v(n, {columns})) AS s",
                        lines.join(", ")
                    ),
                    own,
                ));
            }
        }
    }
    compare(cases);
}

/// Whether a series has more rows than are worth comparing.
fn is_long(name: &str, arguments: &[Argument]) -> bool {
    let number = |place: usize| {
        let text = arguments.get(place)?.text.as_deref()?;
        let year = text.split('-').next().filter(|year| !year.is_empty());
        text.parse::<f64>().ok().or_else(|| year?.parse::<f64>().ok())
    };
    let step = number(2).filter(|step| *step != 0.0).unwrap_or(1.0);
    let rows = number(1).zip(number(0)).map(|(stop, start)| (stop - start).abs() / step.abs());
    name == "generate_series" && rows.is_none_or(|rows| rows.is_nan() || rows >= 2_000.0)
}

fn run_set(name: &str, arguments: &[Argument]) -> Answer {
    let kinds: Vec<Kind> = arguments.iter().map(|argument| argument.kind).collect();
    let function = set_function::resolve(name, &kinds)?;
    let rows = function.call(&values(arguments, &function.arguments)?)?;
    let mut texts = Vec::new();
    for (value, (_, kind)) in rows.iter().flat_map(|row| row.iter().zip(&function.columns)) {
        texts.extend(shown(value, *kind)?);
    }
    Ok(texts)
}

#[test]
fn a_function_that_returns_rows_means_and_does_what_it_does_on_postgres() {
    let mut random = fastrand::Rng::with_seed(number("SEED", 7) as u64);
    let mut cases = Vec::new();
    for name in names(Class::Set).into_iter().filter(|name| is_asked_for(name)) {
        for row in catalog().functions(name) {
            for _ in 0..number("DRAWS", 12) {
                let Some(arguments) =
                    row.arguments.iter().map(|oid| draw_for(&mut random, *oid)).collect::<Option<Vec<Argument>>>()
                else {
                    continue;
                };
                if is_long(name, &arguments) {
                    continue;
                }
                let own = run_set(name, &arguments);
                if own.as_ref().is_err_and(|error| error.message.starts_with("a series of more")) {
                    continue;
                }
                let kinds: Vec<Kind> = arguments.iter().map(|argument| argument.kind).collect();
                let columns = set_function::resolve(name, &kinds).map_or_else(|_| Vec::new(), |own| own.columns);
                let names: Vec<String> =
                    columns.iter().map(|(name, _)| format!("pg_typeof(\"{name}\")::oid, \"{name}\"")).collect();
                let names = if names.is_empty() { "*".to_owned() } else { names.join(", ") };
                let sql: Vec<String> = arguments.iter().map(Argument::sql).collect();
                cases.push((format!("SELECT {names} FROM \"{name}\"({})", sql.join(", ")), own));
            }
        }
    }
    compare(cases);
}
