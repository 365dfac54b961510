//! TOML as JSON with its numbers as they are written.

use toml_edit::{Item, Table, Value};

/// A whole document, or what of it has no JSON: a number that is infinite or none.
pub(crate) fn document(table: &Table) -> Result<String, String> {
    members(table.iter().map(|(name, item)| (name, item_json(item))))
}

fn item_json(item: &Item) -> Result<String, String> {
    match item {
        Item::None => Ok("null".to_owned()),
        Item::Value(value) => value_json(value),
        Item::Table(table) => document(table),
        Item::ArrayOfTables(tables) => list(tables.iter().map(document)),
    }
}

pub(crate) fn value_json(value: &Value) -> Result<String, String> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    match value {
        Value::String(string) => Ok(text(string.value())),
        Value::Integer(number) => Ok(number.value().to_string()),
        Value::Float(number) if !number.value().is_finite() => {
            Err(format!("{} is no number that JSON has", number.value()))
        }
        Value::Float(number) => {
            let written = number.display_repr().trim().replace('_', "");
            Ok(written.strip_prefix('+').unwrap_or(&written).to_owned())
        }
        Value::Boolean(value) => Ok(value.value().to_string()),
        Value::Datetime(moment) => Ok(text(&moment.value().to_string())),
        Value::Array(items) => list(items.iter().map(value_json)),
        Value::InlineTable(table) => members(table.iter().map(|(name, value)| (name, value_json(value)))),
    }
}

fn list(items: impl Iterator<Item = Result<String, String>>) -> Result<String, String> {
    Ok(format!("[{}]", items.collect::<Result<Vec<_>, _>>()?.join(",")))
}

fn members<'a>(members: impl Iterator<Item = (&'a str, Result<String, String>)>) -> Result<String, String> {
    let member = |(name, value): (&str, Result<String, String>)| {
        Ok::<_, String>(format!("{}:{}", serde_json::Value::from(name), value?))
    };
    Ok(format!("{{{}}}", members.map(member).collect::<Result<Vec<_>, _>>()?.join(",")))
}

#[cfg(test)]
mod tests {
    use toml_edit::DocumentMut;

    #[test]
    fn a_document_becomes_json_and_no_digit_is_lost() {
        let text = "a = 100.50\nb = 12_345_678_901_234.000_1\nc = 1_000\nd = 2026-03-01T12:00:00Z\n\
                    e = [true, \"\\\"x\"]\nf.g = +1.5\n[[h]]\ni = {j = -1}\n[[h]]\n";
        let document: DocumentMut = text.parse().unwrap();
        assert_eq!(
            super::document(&document).unwrap(),
            r#"{"a":100.50,"b":12345678901234.0001,"c":1000,"d":"2026-03-01T12:00:00Z","e":[true,"\"x"],"f":{"g":1.5},"h":[{"i":{"j":-1}},{}]}"#
        );
        let odd: DocumentMut = "a = nan".parse().unwrap();
        assert!(super::document(&odd).is_err());
    }
}
