use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::row::{Native, native};
use crate::{Result, TextError};

/// JSON text with its numbers as written: the value of a `json` or `jsonb` column.
///
/// In a payload or an output it is the JSON itself, not a string.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tenet::{Decimal, Json, params};
///
/// #[derive(Deserialize, Serialize)]
/// struct Settings {
///     limit: Decimal,
/// }
///
/// let data = Json::of(&Settings { limit: "9.90".parse()? })?;
/// let params = params![data];
/// let settings: Settings = data.read()?;
/// assert_eq!(data.as_str(), r#"{"limit":9.90}"#);
/// # Ok::<(), tenet::Error>(())
/// ```
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Serialises a value.
    pub fn of(value: &impl Serialize) -> Result<Self> {
        Ok(Self(serde_json::value::to_raw_value(value)?))
    }

    /// Deserialises the JSON.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str(self.as_str())?)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        native(deserializer)
    }
}

impl Native for Json {
    const NAME: &'static str = "tenet::Json";
    const EXPECTED: &'static str = "JSON";

    fn from_text(text: &str) -> Result<Self, TextError> {
        RawValue::from_string(text.to_owned()).map(Self).map_err(|_| TextError::because("expected JSON"))
    }

    fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let json: Json = serde_json::from_str(r#"{"a":1.50}"#).unwrap();
        assert_eq!(serde_json::to_string(&[&json]).unwrap(), r#"[{"a":1.50}]"#);
        assert_eq!(Json::of(&vec![1, 2]).unwrap().read::<Vec<i32>>().unwrap(), [1, 2]);
        assert!(json.read::<Vec<i32>>().is_err());
    }
}
