use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenet_core::bundle::Index;
use tenet_core::{Occasion, Timestamp, Vault, VaultCall, VaultField, VaultVerb, unhex};
use tenet_database::Tables;

use super::json::{Json, Row};
use crate::error::{Context, Error, Result};

/// The operation that has sealed what a test gives.
const GIVEN: &str = "given";

/// How a test file writes the value of a column that a rule seals or opens.
const SEALED: &str = "sealed";

/// What tells the row, where it is not the only column of the table's key.
const ROW: &str = "row";

/// The values of a test's rows that are sealed in the table: `{ sealed = "DE89" }`.
pub(crate) struct Sealed {
    vault: Arc<dyn Vault>,
    /// Those that some rule may seal or open: elsewhere such an object is just that.
    columns: BTreeSet<String>,
}

/// A value that is expected, and the key of its row if the test has it.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) column: String,
    text: String,
    row_key: Option<String>,
}

impl Sealed {
    pub(crate) fn new(vault: Arc<dyn Vault>, index: &Index) -> Self {
        Self { vault, columns: index.rules.iter().flat_map(|rule| rule.grants.sealed_columns()).collect() }
    }

    /// Takes the values out of a row that are to be sealed in it.
    pub(crate) fn take(&self, table: &str, row: &mut Row) -> Vec<Wanted> {
        let mut taken = Vec::new();
        row.retain(|column, value| {
            let wanted = self.wanted(table, column, value);
            let stays = wanted.is_none();
            taken.extend(wanted);
            stays
        });
        taken
    }

    fn wanted(&self, table: &str, column: &str, value: &Json) -> Option<Wanted> {
        let Some(Json::Text(text)) = value.get(SEALED) else { return None };
        let row_key = match value.get(ROW) {
            Some(Json::Text(key)) => Some(key.clone()),
            _ => None,
        };
        let is_one = self.columns.contains(&format!("{table}.{column}"));
        is_one.then(|| Wanted { column: column.to_owned(), text: text.clone(), row_key })
    }

    /// A row that is given, with its values sealed.
    pub(crate) async fn given(&self, tables: &Tables, table: &str, mut row: Row) -> Result<Row> {
        for wanted in self.take(table, &mut row) {
            let key = wanted.row_key(tables.key(table), &row).with_context(|| {
                let help = format!("say it: {{ {SEALED} = \"...\", {ROW} = \"...\" }}");
                Error::new(format!("given.{table}.{}: nothing tells what the rule calls its row", wanted.column), help)
            })?;
            let call = wanted.call(VaultVerb::Seal, table, key, wanted.text.as_bytes().to_vec());
            match self.vault.ask(&call, occasion()).await? {
                Ok(sealed) => {
                    row.insert(wanted.column, Json::Text(format!("\\x{}", tenet_core::hex(&sealed))));
                }
                Err(error) => return Err(Error::plain(format!("given.{table}.{}: {error}", wanted.column))),
            }
        }
        Ok(row)
    }

    /// Whether a row that was found holds this value, sealed for its place.
    pub(crate) async fn holds(&self, tables: &Tables, table: &str, found: &Row, wanted: &Wanted) -> bool {
        let Some(Json::Text(text)) = found.get(&wanted.column) else { return false };
        let Some(bytes) = text.strip_prefix("\\x").and_then(unhex) else { return false };
        let Some(key) = wanted.row_key(tables.key(table), found) else { return false };
        let call = wanted.call(VaultVerb::Open, table, key, bytes);
        matches!(self.vault.ask(&call, occasion()).await, Ok(Ok(opened)) if opened == wanted.text.as_bytes())
    }
}

impl Wanted {
    fn row_key(&self, key: &[String], row: &Row) -> Option<String> {
        let of_row = || match (key, row.get(key.first()?)?) {
            ([_], Json::Text(text) | Json::Number(text)) => Some(text.clone()),
            _ => None,
        };
        self.row_key.clone().or_else(of_row)
    }

    fn call(&self, verb: VaultVerb, table: &str, row_key: String, bytes: Vec<u8>) -> VaultCall {
        VaultCall { verb, field: VaultField { table: table.to_owned(), column: self.column.clone(), row_key }, bytes }
    }
}

/// What is given is the same bytes each time.
fn occasion() -> Occasion<'static> {
    let deadline = Instant::now() + Duration::from_secs(60);
    Occasion { operation: GIVEN, now: Timestamp(0), salt: [0; 32], deadline }
}
