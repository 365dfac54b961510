use crate::{Date, Decimal, Interval, Json, Time, Timestamp, TimestampTz, Uuid, Value};

/// What can be a parameter of a statement. The Rust type decides the SQL type.
///
/// An unsigned number has no SQL type of its own: convert it to the one that is meant.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no parameter of a statement",
    note = "parameters are bool, i16, i32, i64, f64, text, bytes, the SQL types of `tenet`, and Options of these; \
            an unsigned number is converted to the one that is meant"
)]
pub trait ToValue {
    /// The parameter as the contract has it.
    fn to_value(&self) -> Value;
}

/// The parameters of a statement, `$1` first: `params![id, amount]`.
///
/// ```
/// use tenet::{Decimal, Value, params};
///
/// let amount: Decimal = "100.50".parse()?;
/// let none: Option<i32> = None;
/// let params = params![1_i64, "text", amount, none];
/// assert_eq!(params.first(), Some(&Value::Int8(1)));
/// assert_eq!(params.last(), Some(&Value::Null));
/// # Ok::<(), tenet::Error>(())
/// ```
#[macro_export]
macro_rules! params {
    () => {
        &[] as &[$crate::Value]
    };
    ($($value:expr),+ $(,)?) => {
        &[$($crate::ToValue::to_value(&$value)),+] as &[$crate::Value]
    };
}

macro_rules! to_value {
    ($($type:ty, $self:ident => $value:expr;)+) => {
        $(
            // Told in the note above, and shorter there.
            #[diagnostic::do_not_recommend]
            impl ToValue for $type {
                fn to_value(&$self) -> Value {
                    $value
                }
            }
        )+
    };
}

to_value! {
    bool, self => Value::Boolean(*self);
    i16, self => Value::Int2(*self);
    i32, self => Value::Int4(*self);
    i64, self => Value::Int8(*self);
    f64, self => Value::Float8(*self);
    str, self => Value::Text(self.to_owned());
    String, self => Value::Text(self.clone());
    [u8], self => Value::Bytea(self.to_vec());
    Vec<u8>, self => Value::Bytea(self.clone());
    Decimal, self => Value::Numeric(self.to_string());
    Uuid, self => Value::Uuid(self.to_string());
    Date, self => Value::Date(self.days());
    Time, self => Value::Time(self.micros());
    Timestamp, self => Value::Timestamp(self.micros());
    TimestampTz, self => Value::Timestamptz(self.micros());
    Interval, self => Value::Interval(*self);
    Json, self => Value::Json(self.as_str().to_owned());
    serde_json::Value, self => Value::Json(self.to_string());
    Value, self => self.clone();
}

#[diagnostic::do_not_recommend]
impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value {
        Value::Bytea(self.to_vec())
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rust_type_decides_the_sql_type() {
        let bytes: &[u8] = &[1, 2];
        let params = params![
            true,
            1_i16,
            2,
            3_i64,
            1.5,
            "text",
            String::from("owned"),
            bytes,
            b"ab",
            "1.50".parse::<Decimal>().unwrap(),
            Date::from_days(1),
            Time::from_micros(2),
            Timestamp::from_micros(3),
            TimestampTz::from_micros(4),
            Interval { months: 1, days: 2, microseconds: 3 },
            serde_json::json!({"a": 1}),
        ];
        assert_eq!(
            params,
            [
                Value::Boolean(true),
                Value::Int2(1),
                Value::Int4(2),
                Value::Int8(3),
                Value::Float8(1.5),
                Value::Text("text".into()),
                Value::Text("owned".into()),
                Value::Bytea(vec![1, 2]),
                Value::Bytea(b"ab".to_vec()),
                Value::Numeric("1.50".into()),
                Value::Date(1),
                Value::Time(2),
                Value::Timestamp(3),
                Value::Timestamptz(4),
                Value::Interval(Interval { months: 1, days: 2, microseconds: 3 }),
                Value::Json("{\"a\":1}".into()),
            ]
        );
    }

    #[test]
    fn an_option_is_a_value_or_null() {
        let (some, none): (Option<&str>, Option<Uuid>) = (Some("x"), None);
        assert_eq!(params![some, none], [Value::Text("x".into()), Value::Null]);
        assert!(params![].is_empty());
    }
}
