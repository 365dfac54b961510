use serde_json::{Map, Value};

/// The JSON of a pattern in TOML. TOML has no null, so `{ null = true }` in a list stands for it.
/// The error says what a pattern cannot contain.
pub(crate) fn json(pattern: toml::Value) -> Result<Value, String> {
    Ok(match pattern {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("{number} is no number of JSON"))?,
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(moment) => {
            return Err(format!("{moment} is a date of TOML, and an event has texts: put it in quotes"));
        }
        toml::Value::Array(values) => Value::Array(values.into_iter().map(value).collect::<Result<_, _>>()?),
        toml::Value::Table(table) => {
            let member = |(name, value)| Ok((name, json(value)?));
            Value::Object(table.into_iter().map(member).collect::<Result<Map<_, _>, String>>()?)
        }
    })
}

/// An element of a list.
fn value(value: toml::Value) -> Result<Value, String> {
    let null = value.as_table().filter(|table| table.len() == 1).and_then(|table| table.get("null"));
    match null {
        // In an alternative of `$or`, the value of a member `null` is a list.
        None | Some(toml::Value::Array(_) | toml::Value::Table(_)) => json(value),
        Some(toml::Value::Boolean(true)) => Ok(Value::Null),
        Some(_) => Err("null is written `{ null = true }`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: &str) -> Result<Value, String> {
        json(toml::Value::Table(toml::from_str(text).unwrap()))
    }

    #[test]
    fn a_pattern_in_toml_can_say_all_that_one_in_json_can() {
        let pattern = of("source = [\"a\", { prefix = \"b\" }]\n\
             detail.n = [1, 100.5, true, { null = true }, { numeric = [\">\", -5e9] }]\n\
             \"$or\" = [{ detail.null = [\"x\"] }, { null = [{ null = true }] }]\n");
        assert_eq!(
            pattern.unwrap(),
            json!({
                "source": ["a", { "prefix": "b" }],
                "detail": { "n": [1, 100.5, true, null, { "numeric": [">", -5e9] }] },
                "$or": [{ "detail": { "null": ["x"] } }, { "null": [null] }],
            })
        );
    }

    #[test]
    fn what_json_has_no_word_for_is_refused() {
        for (pattern, says) in [
            ("a = [nan]", "NaN is no number"),
            ("a = [{ numeric = [\"<\", inf] }]", "inf is no number"),
            ("a = [1979-05-27]", "1979-05-27 is a date"),
            ("a = [{ null = false }]", "`{ null = true }`"),
            ("a = [{ null = \"x\" }]", "`{ null = true }`"),
        ] {
            let error = of(pattern).unwrap_err();
            assert!(error.contains(says), "{pattern}: {error}");
        }
    }
}
