//! Each type of the model of Aurora DSQL, held against a real PostgreSQL: how texts and bytes are
//! read, how values are shown, sent, cast and ordered, and in which words what is wrong is refused.
//! The inputs are hand-picked ones and what chance makes of them; the seed is fixed.
//!
//! The server is that of `cargo xtask test`. What the model refuses by name
//! (0A000) is no difference, and is counted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends where it panics")]

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, BytesMut};
use futures_util::future::join_all;
use tenet_dsql::SqlError;
use tenet_dsql::trial::{Sample, Type};
use tokio_postgres::types::{Format, IsNull, ToSql};
use tokio_postgres::{Client, NoTls, Row};

#[path = "values/samples.rs"]
mod samples;

/// Inputs in flight at once.
const FLIGHT: usize = 200;
/// Inputs that chance makes for each type; `TENET_TEST_MODEL_INPUTS` asks for more.
const MADE: usize = 1_500;
const SEED: u64 = 23;

fn made() -> usize {
    std::env::var("TENET_TEST_MODEL_INPUTS").map_or(MADE, |count| count.parse().unwrap())
}

/// What became of an input: the text (none for NULL) and the bytes of the value, or the error's
/// SQLSTATE, message, detail and hint.
type Outcome = Result<(Option<String>, Vec<u8>), (String, String, Option<String>, Option<String>)>;

async fn connect() -> Client {
    let name = "TENET_TEST_POSTGRES";
    let url = std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `cargo xtask test`"));
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("SET timezone = 'UTC'; SET bytea_output = 'hex'").await.unwrap();
    client
}

fn of_postgres(result: Result<Row, tokio_postgres::Error>) -> Outcome {
    match result {
        Ok(row) => Ok((row.get(0), row.get::<_, Option<Vec<u8>>>(1).unwrap_or_default())),
        Err(error) => {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
            let text = |text: Option<&str>| text.map(str::to_owned);
            Err((error.code().code().to_owned(), error.message().to_owned(), text(error.detail()), text(error.hint())))
        }
    }
}

fn of_model(result: Result<Sample, SqlError>) -> Outcome {
    let shown = result.and_then(|sample| Ok((sample.text()?, sample.binary()?)));
    shown.map_err(|error| (error.sqlstate.to_owned(), error.message, error.detail, error.hint))
}

/// The differences that were found, and how much was compared.
#[derive(Default)]
struct Tally {
    compared: usize,
    refused: BTreeMap<String, usize>,
    differences: BTreeSet<String>,
}

impl Tally {
    fn add(&mut self, what: impl Fn() -> String, postgres: &Outcome, model: &Outcome) {
        self.compared += 1;
        match model {
            Err((sqlstate, message, ..)) if sqlstate == "0A000" && message.ends_with("model of Aurora DSQL") => {
                let reason = message.split('"').step_by(2).collect::<Vec<_>>().join("...");
                *self.refused.entry(reason).or_default() += 1;
            }
            _ if postgres == model => {}
            _ => {
                self.differences.insert(format!("{}\n  PostgreSQL {postgres:?}\n  model      {model:?}", what()));
            }
        }
    }

    /// Ends the test where there is a difference, or where more than one in `share` was refused.
    fn end(self, name: &str, share: usize) {
        let refused: usize = self.refused.values().sum();
        println!("{name}: {} compared, {refused} refused: {:?}", self.compared, self.refused);
        let shown = self.differences.iter().take(25).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.differences.is_empty(), "{name}: {} differences\n{shown}", self.differences.len());
        assert!(refused * share <= self.compared, "{name}: {refused} of {} refused", self.compared);
    }
}

fn kind(name: &str) -> Type {
    Type::new(name, -1).unwrap()
}

fn send_function(name: &str) -> String {
    match name.strip_suffix("[]") {
        Some(_) => "array_send".to_owned(),
        None => match name {
            "timestamp" | "timestamptz" | "date" | "time" | "interval" | "numeric" | "uuid" | "json" | "jsonb" => {
                format!("{name}_send")
            }
            name => format!("{name}send"),
        },
    }
}

/// What one expression of a text parameter gives for each input.
async fn ask(client: &Client, sql: &str, inputs: &[String]) -> Vec<Outcome> {
    let statement = client.prepare(sql).await.unwrap();
    let mut outcomes = Vec::new();
    for flight in inputs.chunks(FLIGHT) {
        let queries = flight.iter().map(async |input| client.query_one(&statement, &[input]).await);
        outcomes.extend(join_all(queries).await.into_iter().map(of_postgres));
    }
    outcomes
}

/// Hand-picked inputs and what chance makes of them.
fn inputs(name: &str, count: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(SEED + name.len() as u64);
    let picked: Vec<String> = samples::texts(name).into_iter().map(str::to_owned).collect();
    let mut inputs = picked.clone();
    for _ in 0..count {
        inputs.push(samples::mutated(&mut random, &picked));
    }
    inputs.retain(|input| !input.contains('\0'));
    inputs
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_read_and_shown_as_by_postgresql() {
    let client = connect().await;
    let mut tally = Tally::default();
    for name in samples::TYPES {
        let inputs = inputs(name, made());
        let send = send_function(name);
        let sql = format!(
            "SELECT CASE WHEN v IS NOT NULL THEN format('%s', v) END, {send}(v) FROM (SELECT $1::text::{name} AS v) s"
        );
        let of = kind(name);
        for (input, postgres) in inputs.iter().zip(ask(&client, &sql, &inputs).await) {
            let model = of_model(Sample::constant(input, of));
            tally.add(|| format!("{name} {input:?}"), &postgres, &model);
        }
    }
    tally.end("texts", 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn constants_fit_modified_types_as_in_postgresql() {
    let client = connect().await;
    let mut tally = Tally::default();
    for (declared, name, modifier) in samples::MODIFIED {
        let of = Type::new(name, *modifier).unwrap();
        let row = client.query_one("SELECT format_type($1, $2)", &[&of.oid(), modifier]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), of.formatted());
        let send = send_function(name);
        let inputs = inputs(name, made() / 10);
        for flight in inputs.chunks(FLIGHT) {
            // The modifier of an interval matters to how a constant is read.
            let queries = flight.iter().map(|input| {
                let constant = input.replace('\'', "''").replace('\\', "\\\\");
                let sql = format!("SELECT format('%s', v), {send}(v) FROM (SELECT E'{constant}'::{declared} AS v) s");
                let client = &client;
                async move { client.query_one(&sql, &[]).await }
            });
            for (input, postgres) in flight.iter().zip(join_all(queries).await) {
                let model = of_model(Sample::constant(input, of));
                tally.add(|| format!("{declared} {input:?}"), &of_postgres(postgres), &model);
            }
        }
    }
    tally.end("modifiers", 20);
}

/// A parameter in binary, as it is.
#[derive(Debug)]
struct Raw(Vec<u8>);

impl ToSql for Raw {
    fn to_sql(
        &self,
        _: &tokio_postgres::types::Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }

    fn encode_format(&self, _: &tokio_postgres::types::Type) -> Format {
        Format::Binary
    }

    tokio_postgres::types::to_sql_checked!();
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_received_as_by_postgresql() {
    let client = connect().await;
    let mut tally = Tally::default();
    for name in samples::TYPES {
        let of = kind(name);
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut all: Vec<Vec<u8>> = samples::texts(name)
            .into_iter()
            .filter_map(|text| Sample::constant(text, of).ok())
            .filter_map(|sample| sample.binary().ok())
            .collect();
        let whole = all.clone();
        for _ in 0..made() / 3 {
            let mut bytes = random.choice(&whole).unwrap().clone();
            match random.u8(..4) {
                0 => bytes.truncate(random.usize(..=bytes.len())),
                1 => bytes.insert(random.usize(..=bytes.len()), random.u8(..)),
                _ if bytes.is_empty() => {}
                2 => {
                    let at = random.usize(..bytes.len());
                    bytes[at] = random.u8(..);
                }
                _ => {
                    let at = random.usize(..bytes.len());
                    bytes[at] ^= 1 << random.u8(..8);
                }
            }
            all.push(bytes);
        }
        let send = send_function(name);
        let sql = format!(
            "SELECT CASE WHEN v IS NOT NULL THEN format('%s', v) END, {send}(v) FROM (SELECT $1::{name} AS v) s"
        );
        let statement = client.prepare(&sql).await.unwrap();
        for flight in all.chunks(FLIGHT) {
            let raws: Vec<Raw> = flight.iter().cloned().map(Raw).collect();
            let queries = raws.iter().map(async |raw| client.query_one(&statement, &[raw]).await);
            for (bytes, postgres) in flight.iter().zip(join_all(queries).await) {
                let mut postgres = of_postgres(postgres);
                if let Err((_, message, ..)) = &mut postgres {
                    *message = message.replace(" in bind parameter 1", "");
                }
                let model = of_model(Sample::receive(bytes, of));
                tally.add(|| format!("{name} {bytes:02x?}"), &postgres, &model);
            }
        }
    }
    tally.end("bytes", 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_cast_as_by_postgresql() {
    let client = connect().await;
    let mut tally = Tally::default();
    let plain = samples::TYPES.iter().map(|name| (*name, *name, -1));
    let targets: Vec<(&str, &str, i32)> = plain.chain(samples::MODIFIED.iter().copied()).collect();
    for from in samples::TYPES {
        let inputs: Vec<String> = samples::texts(from)
            .into_iter()
            .filter(|text| Sample::constant(text, kind(from)).is_ok())
            .map(str::to_owned)
            .collect();
        for (declared, name, modifier) in &targets {
            let to = Type::new(name, *modifier).unwrap();
            let send = send_function(name);
            let sql = format!(
                "SELECT CASE WHEN v IS NOT NULL THEN format('%s', v) END, {send}(v) \
                 FROM (SELECT CAST($1::text::{from} AS {declared}) AS v) s"
            );
            if let Err(error) = client.prepare(&sql).await {
                let error = error.as_db_error().unwrap();
                let model = Sample::constant(&inputs[0], kind(from)).unwrap().cast(to, true).err();
                let model = model.map(|error| (error.sqlstate, error.message));
                let postgres = (error.code().code(), error.message().to_owned());
                assert_eq!(model, Some(postgres), "{from} to {declared}");
                continue;
            }
            for (input, postgres) in inputs.iter().zip(ask(&client, &sql, &inputs).await) {
                let cast = Sample::constant(input, kind(from)).and_then(|sample| sample.cast(to, true));
                tally.add(|| format!("{from} {input:?} to {declared}"), &postgres, &of_model(cast));
            }
        }
    }
    tally.end("casts", 20);
}

/// A column takes what may be assigned to it, and fits it without cutting.
#[tokio::test(flavor = "multi_thread")]
async fn columns_take_values_as_in_postgresql() {
    let client = connect().await;
    let mut tally = Tally::default();
    let plain = samples::TYPES.iter().map(|name| (*name, *name, -1));
    let targets: Vec<(&str, &str, i32)> = plain.chain(samples::MODIFIED.iter().copied()).collect();
    for (at, (declared, name, modifier)) in targets.iter().enumerate() {
        let to = Type::new(name, *modifier).unwrap();
        client.batch_execute(&format!("CREATE TEMP TABLE t{at} (v {declared})")).await.unwrap();
        for from in samples::TYPES {
            let send = send_function(name);
            let sql = format!("INSERT INTO t{at} SELECT $1::text::{from} RETURNING format('%s', v), {send}(v)");
            let least = kind(from).least_context(to);
            if let Err(error) = client.prepare(&sql).await {
                assert_eq!(error.as_db_error().unwrap().code().code(), "42804", "{from} to {declared}");
                assert!(!matches!(least, Some('i' | 'a')), "{from} to {declared}");
                continue;
            }
            assert!(matches!(least, Some('i' | 'a')), "{from} to {declared}: {least:?}");
            // Where the value fits was compared by the casts; here, where it does not.
            if *modifier < 0 {
                continue;
            }
            let inputs: Vec<String> = samples::texts(from)
                .into_iter()
                .filter(|text| Sample::constant(text, kind(from)).is_ok())
                .map(str::to_owned)
                .collect();
            for (input, postgres) in inputs.iter().zip(ask(&client, &sql, &inputs).await) {
                let cast = Sample::constant(input, kind(from)).and_then(|sample| sample.cast(to, false));
                let mut model = of_model(cast);
                if let Ok((text, _)) = &mut model {
                    text.get_or_insert_default();
                }
                tally.add(|| format!("{from} {input:?} into {declared}"), &postgres, &model);
            }
        }
    }
    let contexts = "SELECT castcontext::text FROM pg_cast WHERE castsource = $1 AND casttarget = $2";
    for from in samples::TYPES {
        for to in samples::TYPES {
            let (source, target) = (kind(from), kind(to));
            let row = client.query_opt(contexts, &[&source.oid(), &target.oid()]).await.unwrap();
            if let Some(row) = row.filter(|_| from != to) {
                let least = source.least_context(target).map(String::from);
                assert_eq!(least, Some(row.get::<_, String>(0)), "{from} to {to}");
            }
        }
    }
    tally.end("columns", 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_ordered_as_by_postgresql() {
    let client = connect().await;
    let mut random = fastrand::Rng::with_seed(SEED);
    for name in samples::TYPES.iter().filter(|name| !name.starts_with("json") || **name == "jsonb") {
        let picked: Vec<String> = samples::texts(name).into_iter().map(str::to_owned).collect();
        let mut texts: Vec<String> = picked.clone();
        texts.extend((0..made() / 2).map(|_| samples::mutated(&mut random, &picked)));
        texts.retain(|text| Sample::constant(text, kind(name)).is_ok() && !text.contains('\0'));
        let pairs: Vec<(String, String)> = (0..made() * 2)
            .map(|_| (random.choice(&texts).unwrap().clone(), random.choice(&texts).unwrap().clone()))
            .collect();
        let (left, right): (Vec<String>, Vec<String>) = pairs.iter().cloned().unzip();
        let sql = format!(
            "SELECT a::{name} < b::{name}, a::{name} = b::{name} \
             FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t(a, b, n) ORDER BY n"
        );
        let rows = client.query(&sql, &[&left, &right]).await.unwrap();
        for ((left, right), row) in pairs.iter().zip(rows) {
            let order =
                Sample::constant(left, kind(name)).unwrap().compare(&Sample::constant(right, kind(name)).unwrap());
            assert_eq!((order.is_lt(), order.is_eq()), (row.get(0), row.get(1)), "{name} {left:?} {right:?}");
        }
        println!("{name}: {} pairs", pairs.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_calculated_as_by_postgresql() {
    let client = connect().await;
    let mut tally = Tally::default();
    let mut random = fastrand::Rng::with_seed(SEED);
    let of = kind("numeric");
    let picked: Vec<&str> =
        samples::texts("numeric").into_iter().filter(|text| Sample::constant(text, of).is_ok()).collect();
    let mut number = || {
        if random.u8(..4) == 0 {
            return (*random.choice(&picked).unwrap()).to_owned();
        }
        let mut digits = |most: usize| (0..random.usize(..most)).map(|_| random.char('0'..='9')).collect::<String>();
        let (integer, fraction) = (digits(30), digits(20));
        let sign = if random.bool() { "-" } else { "" };
        format!("{sign}0{integer}.{fraction}")
    };
    for operation in ["+", "-", "*", "/", "%", "div", "round", "trunc", "ceil", "floor", "abs"] {
        let pairs: Vec<(String, String)> = (0..made()).map(|_| (number(), number())).collect();
        let pairs: Vec<(String, String)> = match operation {
            "round" | "trunc" => pairs
                .into_iter()
                .enumerate()
                .map(|(at, (left, _))| (left, (at % 61).to_string()))
                .map(|(left, right)| (left, format!("{}", right.parse::<i32>().unwrap() - 30)))
                .collect(),
            _ => pairs,
        };
        let expression = match operation {
            "div" => "div(a::numeric, b::numeric)".to_owned(),
            "round" | "trunc" => format!("{operation}(a::numeric, b::integer)"),
            "ceil" | "floor" | "abs" => format!("{operation}(a::numeric)"),
            _ => format!("a::numeric {operation} b::numeric"),
        };
        let sql = format!(
            "SELECT format('%s', v), numeric_send(v) FROM (SELECT {expression} AS v FROM (SELECT $1::text AS a, $2::text AS b) i) s"
        );
        let statement = client.prepare(&sql).await.unwrap();
        for flight in pairs.chunks(FLIGHT) {
            let queries = flight.iter().map(async |(left, right)| client.query_one(&statement, &[left, right]).await);
            for ((left, right), postgres) in flight.iter().zip(join_all(queries).await) {
                let read = |text: &str| Sample::constant(text, of).unwrap();
                let model = of_model(read(left).calculate(operation, &read(right)));
                tally.add(|| format!("{left} {operation} {right}"), &of_postgres(postgres), &model);
            }
        }
    }
    tally.end("numbers", 1_000);
}
