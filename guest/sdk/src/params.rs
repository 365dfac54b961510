use crate::{Date, Decimal, Interval, Json, Time, Timestamp, TimestampTz, Uuid, Value, ValueType};

/// A value that can be a parameter of a statement. The Rust type determines the SQL type, also for `None`.
///
/// Unsigned integers have no SQL type: convert them to a signed type. `tenet explain types` has the table of types.
/// [`params!`](crate::params!) calls this trait; a rule's own type may implement it:
///
/// ```
/// use tenet::{ToValue, Value, ValueType, params};
///
/// enum Status {
///     Open,
///     Closed,
/// }
///
/// impl ToValue for Status {
///     const TYPE: Option<ValueType> = Some(ValueType::Text);
///
///     fn to_value(&self) -> Value {
///         match self {
///             Self::Open => "open".to_value(),
///             Self::Closed => "closed".to_value(),
///         }
///     }
/// }
///
/// assert_eq!(params![Status::Open], [Value::Text("open".into())]);
/// # let _ = Status::Closed;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no parameter of a statement",
    note = "parameters are bool, i16, i32, i64, f64, text, bytes, the SQL types of `tenet`, and Options of these; \
            an unsigned number is converted to the one that is meant"
)]
pub trait ToValue {
    /// The SQL type of all values of this Rust type. `None` of this type is NULL of that SQL type. A rule's own type
    /// uses the type of what it contains, such as `String::TYPE`; use none if the values differ in their types.
    const TYPE: Option<ValueType>;

    /// The parameter in the contract's form.
    fn to_value(&self) -> Value;
}

/// The parameters of a statement, `$1` first: `params![id, amount]`.
///
/// ```
/// use tenet::{Decimal, Value, ValueType, params};
///
/// let amount: Decimal = "100.50".parse()?;
/// let none: Option<i32> = None;
/// let params = params![1_i64, "text", amount, none];
/// assert_eq!(params.first(), Some(&Value::Int8(1)));
/// assert_eq!(params.last(), Some(&Value::Null(Some(ValueType::Int4))));
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
    ($($type:ty as $of:expr, $self:ident => $value:expr;)+) => {
        $(
            // The note above covers these, in a shorter form.
            #[diagnostic::do_not_recommend]
            impl ToValue for $type {
                const TYPE: Option<ValueType> = $of;

                fn to_value(&$self) -> Value {
                    $value
                }
            }
        )+
    };
}

to_value! {
    bool as Some(ValueType::Boolean), self => Value::Boolean(*self);
    i16 as Some(ValueType::Int2), self => Value::Int2(*self);
    i32 as Some(ValueType::Int4), self => Value::Int4(*self);
    i64 as Some(ValueType::Int8), self => Value::Int8(*self);
    f64 as Some(ValueType::Float8), self => Value::Float8(*self);
    str as Some(ValueType::Text), self => Value::Text(self.to_owned());
    String as Some(ValueType::Text), self => Value::Text(self.clone());
    [u8] as Some(ValueType::Bytea), self => Value::Bytea(self.to_vec());
    Vec<u8> as Some(ValueType::Bytea), self => Value::Bytea(self.clone());
    Decimal as Some(ValueType::Numeric), self => Value::Numeric(self.to_string());
    Uuid as Some(ValueType::Uuid), self => Value::Uuid(self.to_string());
    Date as Some(ValueType::Date), self => Value::Date(self.days());
    Time as Some(ValueType::Time), self => Value::Time(self.micros());
    Timestamp as Some(ValueType::Timestamp), self => Value::Timestamp(self.micros());
    TimestampTz as Some(ValueType::Timestamptz), self => Value::Timestamptz(self.micros());
    Interval as Some(ValueType::Interval), self => Value::Interval(*self);
    Json as Some(ValueType::Json), self => Value::Json(self.as_str().to_owned());
    serde_json::Value as Some(ValueType::Json), self => Value::Json(self.to_string());
    Value as None, self => self.clone();
}

#[diagnostic::do_not_recommend]
impl<const N: usize> ToValue for [u8; N] {
    const TYPE: Option<ValueType> = Some(ValueType::Bytea);

    fn to_value(&self) -> Value {
        Value::Bytea(self.to_vec())
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    const TYPE: Option<ValueType> = T::TYPE;

    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    const TYPE: Option<ValueType> = T::TYPE;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null(T::TYPE), T::to_value)
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
    fn an_option_is_a_value_or_null_of_its_type() {
        let (some, none): (Option<&str>, Option<Uuid>) = (Some("x"), None);
        assert_eq!(params![some, none], [Value::Text("x".into()), Value::Null(Some(ValueType::Uuid))]);
        let (json, value): (Option<&serde_json::Value>, Option<Value>) = (None, None);
        assert_eq!(params![json, value], [Value::Null(Some(ValueType::Json)), Value::Null(None)]);
        assert!(params![].is_empty());
    }
}
