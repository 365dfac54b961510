//! Casts between types, as `pg_cast` of PostgreSQL 16 has them.

mod conversion;

use crate::sql_error::SqlError;
use crate::values::date_time;
use crate::values::kind::{Kind, Modifier};
use crate::values::text_format;
use crate::values::value::Value;

/// Where a cast is asked for: how far PostgreSQL goes to make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Context {
    /// Anywhere in an expression.
    Implicit,
    /// A value for a column.
    Assignment,
    /// `CAST (... AS ...)`.
    Explicit,
}

/// A cast from one type to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cast {
    from: Kind,
    to: Kind,
    method: Method,
}

impl Cast {
    /// Whether the result depends on the session's time zone or its form of dates: what PostgreSQL
    /// calls stable.
    pub(crate) fn depends_on_session(self) -> bool {
        let is_shown =
            |kind| matches!(kind, Kind::Date | Kind::Timestamp | Kind::Timestamptz | Kind::Interval | Kind::Array(_));
        let is_read = |kind| is_shown(kind) || kind == Kind::Time;
        let by_text = self.method == Method::Text && (is_shown(self.from) || is_read(self.to));
        let is_zoned = |kind| kind == Kind::Timestamptz;
        by_text || self.from != self.to && (is_zoned(self.from) || is_zoned(self.to))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// By the function of `pg_cast`, or without one.
    Function,
    /// The text of the one is read as the other.
    Text,
    /// Each element by the method of the elements.
    Elements,
}

/// The cast between two types that may be used in this context.
pub(crate) fn find(from: Kind, to: Kind, context: Context) -> Option<Cast> {
    let method = find_method(from, to, context)?;
    Some(Cast { from, to, method })
}

fn find_method(from: Kind, to: Kind, context: Context) -> Option<Method> {
    if from == to {
        return Some(Method::Function);
    }
    if from == Kind::Unknown && !matches!(to, Kind::Record | Kind::Void) {
        return Some(Method::Text);
    }
    // An entry that asks for more leaves no other way.
    if let Some((least, method)) = entry(from, to) {
        return (context >= least).then_some(method);
    }
    if let (Kind::Array(from), Kind::Array(to)) = (from, to) {
        return find_method(*from, *to, context).map(|_| Method::Elements);
    }
    let is_text = |kind| matches!(kind, Kind::Text | Kind::Varchar | Kind::Bpchar | Kind::Name);
    let least = if is_text(to) { Context::Assignment } else { Context::Explicit };
    let is_by_text = is_text(to) || (is_text(from) && !matches!(to, Kind::Unknown | Kind::Record | Kind::Void));
    (is_by_text && context >= least).then_some(Method::Text)
}

/// What `pg_cast` says: the context that a cast asks for at the least, and its method.
fn entry(from: Kind, to: Kind) -> Option<(Context, Method)> {
    use Context::{Assignment, Explicit, Implicit};
    use Kind::{
        Bool, Bpchar, Date, Float8, Int2, Int4, Int8, Interval, Json, Jsonb, Name, Numeric, Oid, Text, Time, Timestamp,
        Timestamptz, Varchar,
    };
    let least = match (from, to) {
        (Json, Jsonb) | (Jsonb, Json) => return Some((Assignment, Method::Text)),
        (Int2, Int4 | Int8 | Float8 | Numeric | Oid)
        | (Int4, Int8 | Float8 | Numeric | Oid)
        | (Int8, Float8 | Numeric | Oid)
        | (Numeric, Float8)
        | (Text | Varchar, Bpchar | Name)
        | (Text, Varchar)
        | (Varchar | Name, Text)
        | (Bpchar, Text | Varchar | Name)
        | (Date, Timestamp | Timestamptz)
        | (Time, Interval)
        | (Timestamp, Timestamptz) => Implicit,
        (Int4, Int2)
        | (Int8, Int2 | Int4)
        | (Float8, Int2 | Int4 | Int8 | Numeric)
        | (Numeric, Int2 | Int4 | Int8)
        | (Oid, Int4 | Int8)
        | (Bool, Text | Varchar | Bpchar)
        | (Name, Varchar | Bpchar)
        | (Interval, Time)
        | (Timestamp, Date | Time)
        | (Timestamptz, Date | Time | Timestamp) => Assignment,
        (Int4, Bool) | (Bool, Int4) | (Jsonb, Bool | Int2 | Int4 | Int8 | Float8 | Numeric) => Explicit,
        _ => return None,
    };
    Some((least, Method::Function))
}

/// Casts a value and fits it to the modifier of its new type; NULL stays NULL. `is_explicit` says
/// whether what is too long is cut silently, as in `CAST`.
pub(crate) fn apply(cast: Cast, value: &Value, modifier: Modifier, is_explicit: bool) -> Result<Value, SqlError> {
    let value = convert(cast, value, modifier)?;
    fit(value, cast.to, modifier, is_explicit)
}

fn convert(cast: Cast, value: &Value, modifier: Modifier) -> Result<Value, SqlError> {
    let Cast { from, to, method } = cast;
    if matches!(value, Value::Null) || from == to {
        return Ok(value.clone());
    }
    match (method, value, from, to) {
        (Method::Function, ..) => conversion::convert(value, from, to),
        (Method::Elements, Value::Array(elements), Kind::Array(from), Kind::Array(to)) => {
            let method = find_method(*from, *to, Context::Explicit).unwrap_or(Method::Text);
            let cast = Cast { from: *from, to: *to, method };
            let elements: Result<_, SqlError> =
                elements.iter().map(|element| convert(cast, element, modifier)).collect();
            Ok(Value::Array(elements?))
        }
        (Method::Text | Method::Elements, ..) => {
            // Only the fields of an interval decide about how its text is read.
            let of_interval = if to == Kind::Interval && from == Kind::Unknown { modifier } else { -1 };
            text_format::input(&text_format::output(value, from)?, to, of_interval)
        }
    }
}

/// Fits a value to the modifier of its type: rounds it, cuts it, fills it with blanks.
pub(crate) fn fit(value: Value, kind: Kind, modifier: Modifier, is_explicit: bool) -> Result<Value, SqlError> {
    if modifier < 0 {
        return Ok(value);
    }
    Ok(match (kind, value) {
        (Kind::Varchar, Value::Text(text)) => Value::Text(text_format::fit(&text, kind, modifier, is_explicit)?),
        (Kind::Bpchar, Value::Bpchar(text)) => Value::Bpchar(text_format::fit(&text, kind, modifier, is_explicit)?),
        (Kind::Numeric, Value::Numeric(number)) => Value::Numeric(number.with_modifier(modifier)?),
        (Kind::Time | Kind::Timestamp | Kind::Timestamptz | Kind::Interval, value) => {
            date_time::with_modifier(value, modifier)?
        }
        (Kind::Array(element), Value::Array(elements)) => {
            let elements = elements.iter().map(|value| fit(value.clone(), *element, modifier, is_explicit));
            Value::Array(elements.collect::<Result<_, SqlError>>()?)
        }
        (_, value) => value,
    })
}
