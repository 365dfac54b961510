//! Values one by one, for the tests that hold the model against a real PostgreSQL.

use std::cmp::Ordering;

use bytes::BytesMut;

use crate::scalars::cast::{self, Context};
use crate::sql_error::SqlError;
use crate::values::kind::{Kind, Modifier};
use crate::values::numeric::Numeric;
use crate::values::value::Value;
use crate::values::{binary_format, order, text_format};

/// A type, by its name in `pg_type`, and its modifier.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    kind: Kind,
    modifier: Modifier,
}

impl Type {
    /// The type with this name in SQL or `pg_type`, where the model knows it; -1 is no modifier.
    pub fn new(name: &str, modifier: i32) -> Option<Self> {
        Kind::parse(name).map(|kind| Self { kind, modifier })
    }

    /// Its number in `pg_type`.
    pub fn oid(self) -> u32 {
        self.kind.oid()
    }

    /// The type as `format_type` shows it.
    pub fn formatted(self) -> String {
        self.kind.formatted(self.modifier)
    }

    /// The least context in which PostgreSQL casts this type to another: `i`, `a` or `e`, as in
    /// `pg_cast`; `None` where it does not.
    pub fn least_context(self, to: Self) -> Option<char> {
        let contexts = [(Context::Implicit, 'i'), (Context::Assignment, 'a'), (Context::Explicit, 'e')];
        contexts
            .into_iter()
            .find(|(context, _)| cast::find(self.kind, to.kind, *context).is_some())
            .map(|(_, name)| name)
    }
}

/// A value of a type.
#[derive(Clone, Debug)]
pub struct Sample {
    value: Value,
    kind: Kind,
}

impl Sample {
    /// Reads a constant of a type.
    ///
    /// # Errors
    /// Those of PostgreSQL, and what the model refuses.
    pub fn constant(text: &str, of: Type) -> Result<Self, SqlError> {
        Self { value: Value::Text(text.into()), kind: Kind::Unknown }.cast(of, true)
    }

    /// Reads the bytes of a parameter.
    ///
    /// # Errors
    /// Those of PostgreSQL, and what the model refuses.
    pub fn receive(bytes: &[u8], of: Type) -> Result<Self, SqlError> {
        Ok(Self { value: binary_format::receive(bytes, of.kind)?, kind: of.kind })
    }

    /// The value in another type.
    ///
    /// # Errors
    /// Those of PostgreSQL, and what the model refuses.
    pub fn cast(&self, to: Type, is_explicit: bool) -> Result<Self, SqlError> {
        let cast = cast::find(self.kind, to.kind, Context::Explicit).ok_or_else(|| {
            SqlError::new("42846", format!("cannot cast type {} to {}", self.kind.name(), to.kind.name()))
        })?;
        Ok(Self { value: cast::apply(cast, &self.value, to.modifier, is_explicit)?, kind: to.kind })
    }

    /// The value as its type shows it; `None` for NULL.
    ///
    /// # Errors
    /// What the model refuses.
    pub fn text(&self) -> Result<Option<String>, SqlError> {
        match self.value {
            Value::Null => Ok(None),
            _ => text_format::output(&self.value, self.kind).map(Some),
        }
    }

    /// The value as its type sends it.
    ///
    /// # Errors
    /// What the model refuses.
    pub fn binary(&self) -> Result<Vec<u8>, SqlError> {
        let mut bytes = BytesMut::new();
        binary_format::send(&self.value, self.kind, &mut bytes)?;
        Ok(bytes.to_vec())
    }

    /// The order of two values of one type.
    pub fn compare(&self, other: &Self) -> Ordering {
        order::compare(&self.value, &other.value)
    }

    /// The result of an operator or a function of two values of `numeric`, by its name.
    ///
    /// # Errors
    /// Those of PostgreSQL, and what the model refuses.
    pub fn calculate(&self, operation: &str, other: &Self) -> Result<Self, SqlError> {
        let (Value::Numeric(left), Value::Numeric(right)) = (&self.value, &other.value) else {
            return Err(SqlError::unsupported(operation));
        };
        let digits = || right.to_i64("integer").map(|digits| i32::try_from(digits).unwrap_or(i32::MAX));
        let result: Numeric = match operation {
            "+" => left.add(right)?,
            "-" => left.sub(right)?,
            "*" => left.mul(right)?,
            "/" => left.div(right)?,
            "%" => left.rem(right)?,
            "div" => left.div_trunc(right)?,
            "round" => left.round(digits()?)?,
            "trunc" => left.trunc(digits()?)?,
            "ceil" => left.ceil()?,
            "floor" => left.floor()?,
            "abs" => left.abs(),
            _ => return Err(SqlError::unsupported(operation)),
        };
        Ok(Self { value: Value::Numeric(result), kind: Kind::Numeric })
    }
}
