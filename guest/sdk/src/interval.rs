use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Interval;
use crate::row::INTERVAL;

const FIELDS: &[&str] = &["months", "days", "microseconds"];

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct(INTERVAL, FIELDS.len())?;
        out.serialize_field("months", &self.months)?;
        out.serialize_field("days", &self.days)?;
        out.serialize_field("microseconds", &self.microseconds)?;
        out.end()
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(INTERVAL, FIELDS, Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Interval;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an interval of months, days and microseconds")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Interval, A::Error> {
        let mut interval = Interval { months: 0, days: 0, microseconds: 0 };
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "months" => interval.months = map.next_value()?,
                "days" => interval.days = map.next_value()?,
                "microseconds" => interval.microseconds = map.next_value()?,
                other => return Err(A::Error::unknown_field(other, FIELDS)),
            }
        }
        Ok(interval)
    }
}
