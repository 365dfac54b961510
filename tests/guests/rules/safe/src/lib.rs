//! Stores an account's IBAN sealed, returns it, and tries to read values of other places.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::{params, reject, vault};

const IBAN: vault::Field = vault::Field::of("secrets", "iban");
const BIC: vault::Field = vault::Field::of("secrets", "bic");

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum Input {
    /// Seals the IBAN of an account, and writes it.
    Put { id: String, iban: String },
    /// The IBAN of an account, as it was.
    Get { id: String },
    /// The same, opened as the IBAN of another account.
    GetAs { id: String, other: String },
    /// The same, opened as another column of the account.
    GetAsBic { id: String },
    /// Seals for a column that is not granted.
    PutBic { id: String },
    /// Seals this many values, and returns their total sealed size.
    Many { values: u32, bytes: u32 },
    /// Runs a statement, and returns everything in its error.
    Sql { sql: String },
}

#[derive(Serialize, JsonSchema)]
struct Output {
    iban: Option<String>,
    bytes: Option<u64>,
}

#[tenet::rule]
fn safe(input: Input) -> tenet::Result<Output> {
    let mut output = Output { iban: None, bytes: None };
    match input {
        Input::Put { id, iban } => {
            let sealed = vault::seal(IBAN.row(&id), &iban)?;
            let sql = "INSERT INTO secrets (id, iban) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET iban = $2";
            tenet::execute(sql, params![id, sealed])?;
        }
        Input::Get { id } => output.iban = Some(told(vault::open_text(IBAN.row(&id), &stored(&id)?))?),
        Input::GetAs { id, other } => output.iban = Some(told(vault::open_text(IBAN.row(other), &stored(&id)?))?),
        Input::GetAsBic { id } => output.iban = Some(told(vault::open_text(BIC.row(&id), &stored(&id)?))?),
        Input::PutBic { id } => drop(told(vault::seal(BIC.row(id), "X"))?),
        Input::Many { values, bytes } => {
            let value = vec![b'7'; usize::try_from(bytes).unwrap_or(usize::MAX)];
            let mut all = 0;
            for number in 0..values {
                all += told(vault::seal(IBAN.row(number), &value))?.len() as u64;
            }
            output.bytes = Some(all);
        }
        Input::Sql { sql } => drop(tenet::execute(&sql, params![]).map_err(shown)?),
    }
    Ok(output)
}

/// A rejection with all details of an error.
fn shown(error: tenet::Error) -> tenet::Error {
    let code = error.sqlstate().unwrap_or("none").to_owned();
    let parts = ["detail", "hint", "position"].map(|name| (name, error.detail(name)));
    let names = [("constraint", error.constraint()), ("table", error.table()), ("column", error.column())];
    let told = names.into_iter().chain(parts).filter_map(|(name, text)| Some((name, text?)));
    let told: Vec<_> = told.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let rejection = tenet::reject(code, format!("{error}; {error:?}"));
    told.into_iter().fold(rejection, |rejection, (name, text)| rejection.with_detail(name, text))
}

fn stored(id: &str) -> tenet::Result<Vec<u8>> {
    let sealed: Option<Vec<u8>> = tenet::query_opt("SELECT iban FROM secrets WHERE id = $1", params![id])?;
    let Some(sealed) = sealed else { reject!("no-account", "there is no account {id}") };
    Ok(sealed)
}

/// Turns a refusal of the vault into a rejection.
fn told<T>(asked: tenet::Result<T>) -> tenet::Result<T> {
    asked.map_err(|error| match error.vault_code() {
        Some(code) => tenet::reject(code, "the vault refused"),
        None => error,
    })
}
