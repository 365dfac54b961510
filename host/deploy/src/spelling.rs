use serde_json::{Map, Value};

/// Whether two values of a property, as CloudFormation shows them in a drift, differ only in
/// spelling: a number or a truth value as text, one text in a list or alone, the order of texts in a
/// list, the layout of JSON, and what is empty or absent.
pub(crate) fn is_same(expected: &str, actual: &str) -> bool {
    plain(&Value::from(expected)) == plain(&Value::from(actual))
}

/// A value in the one spelling of all that mean the same. What is empty becomes null.
fn plain(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(of) => Value::from(of.to_string()),
        Value::Number(of) => Value::from(number(&of.to_string()).unwrap_or_else(|| of.to_string())),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => plain(&inner),
            _ if text.is_empty() || text == "null" => Value::Null,
            _ => Value::from(number(text).unwrap_or_else(|| text.clone())),
        },
        Value::Array(values) => {
            let mut values: Vec<Value> = values.iter().map(plain).filter(|value| !value.is_null()).collect();
            if values.iter().all(Value::is_string) {
                values.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
            }
            match values.len() {
                0 => Value::Null,
                1 => values.remove(0),
                _ => Value::Array(values),
            }
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), plain(value)));
            let members: Map<_, _> = members.filter(|(_, value)| !value.is_null()).collect();
            if members.is_empty() { Value::Null } else { Value::Object(members) }
        }
    }
}

/// A decimal number without zeros that do not count.
fn number(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.')?;
    let is_number = [whole, part].iter().all(|of| !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_digit()));
    is_number.then(|| text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_no_difference_and_a_value_is() {
        for (one, other) in [
            ("5", "5.0"),
            ("{\"a\":5}", "{ \"a\": \"5\" }"),
            ("{\"a\":true,\"b\":[]}", "{\"a\":\"true\"}"),
            ("{\"Action\":\"x\"}", "{\"Action\":[\"x\"]}"),
            ("[\"a\",\"b\"]", "[\"b\",\"a\"]"),
            ("{\"p\":\"{\\\"a\\\": 1}\"}", "{\"p\":{\"a\":1}}"),
            ("{\"AdditionalVersionWeights\":[]}", "null"),
            ("", "null"),
        ] {
            assert!(is_same(one, other) && is_same(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("5", "50"),
            ("5", "0.5"),
            ("a", ""),
            ("[\"a\",\"b\"]", "[\"a\"]"),
            ("[{\"a\":1},{\"b\":2}]", "[{\"b\":2},{\"a\":1}]"),
            ("{\"a\":true}", "{\"a\":false}"),
            ("{\"Effect\":\"Allow\"}", "{\"Effect\":\"Deny\"}"),
            ("0.10", "0.01"),
        ] {
            assert!(!is_same(one, other) && !is_same(other, one), "{one} {other}");
        }
    }
}
