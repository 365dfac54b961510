use std::fmt;
use std::iter::Take;
use std::marker::PhantomData;
use std::mem::take;
use std::slice::IterMut;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::bindings::tenet::rule::types::{Column, ColumnValues, PackedRows, RowSet, Texts};
use crate::{Date, Decimal, Error, Json, Result, TextError, Time, Timestamp, TimestampTz, Uuid};

/// The newtype name with which [`Interval`](crate::Interval) is requested.
pub(crate) const INTERVAL: &str = "tenet::Interval";

/// A type that a column holds directly, and that has its own form in JSON.
///
/// serde's data model has no such types. They are requested as a newtype with [`Native::NAME`]: a
/// row recognizes the name, and every other format deserialises the newtype's content.
pub(crate) trait Native: Sized {
    /// A unique name of the newtype.
    const NAME: &'static str;
    /// What an error message names as expected.
    const EXPECTED: &'static str;

    /// Reads the text of a column or of a JSON string.
    fn from_text(text: &str) -> Result<Self, TextError>;

    /// Converts the number that a column holds.
    fn from_number(_: i64) -> Option<Self> {
        None
    }

    /// Reads it from a format other than a row.
    fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(OfText(PhantomData))
    }
}

/// Deserialises a native type.
pub(crate) fn native<'de, T: Native, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_newtype_struct(T::NAME, OfAny(PhantomData))
}

struct OfAny<T>(PhantomData<T>);
struct OfText<T>(PhantomData<T>);

impl<'de, T: Native> Visitor<'de> for OfAny<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::from_json(deserializer)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        T::from_number(number).ok_or_else(|| E::invalid_type(Unexpected::Signed(number), &self))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).map_err(E::custom)
    }
}

impl<T: Native> Visitor<'_> for OfText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).map_err(E::custom)
    }
}

/// Deserialises every row by moving the values out of the columns.
pub(crate) fn rows<T: DeserializeOwned>(set: RowSet) -> Result<Vec<T>> {
    packed_rows(PackedRows { rows: set, texts: Vec::new() })
}

/// The same for packed rows, whose texts are concatenated.
pub(crate) fn packed_rows<T: DeserializeOwned>(PackedRows { rows: set, texts }: PackedRows) -> Result<Vec<T>> {
    let mut texts = texts.into_iter();
    let mut held = |column: Column| {
        let texts = if column.holds_texts() { texts.next() } else { None };
        Held { column, texts }
    };
    let count = set.rows as usize;
    let columns = set.columns.into_iter().map(&mut held).collect();
    let mut set = Set { columns, order: Order::Unknown, touched: false };
    let mut rows = Vec::with_capacity(count);
    for row in 0..count {
        set.touched = false;
        let read = match T::deserialize(Row { set: &mut set, row }) {
            // A type that identifies fields only by name.
            Err(_) if !set.touched && matches!(set.order, Order::Fields(_)) => {
                set.order = Order::Names;
                T::deserialize(Row { set: &mut set, row })
            }
            read => read,
        };
        rows.push(read.map_err(Error::from)?);
    }
    Ok(rows)
}

/// A result while it is deserialised.
struct Set {
    columns: Vec<Held>,
    order: Order,
    /// Whether a value of the row has been taken.
    touched: bool,
}

/// A column, with its texts if they are concatenated.
struct Held {
    column: Column,
    texts: Option<Texts>,
}

/// How columns are matched with fields.
enum Order {
    /// By name, for the first row: serde lets a struct skip a field, rename it or give it several
    /// names, which only its deserialiser knows.
    Unknown,
    /// By name.
    Names,
    /// By position: the first columns are these fields, in order. Names are compared once per
    /// result instead of once per row.
    Fields(&'static [&'static str]),
}

impl Set {
    /// Puts the columns into the order of the fields, after a row that was read by name.
    ///
    /// A field with several names appears in `fields` with all of them. If each of them were a
    /// column, that row would have had a duplicate field, which is an error. So if each name is a
    /// column, each is a separate field.
    fn arrange(&mut self, fields: &'static [&'static str]) {
        self.order = Order::Names;
        for (place, field) in fields.iter().enumerate() {
            let mut named = (0..self.columns.len())
                .filter(|at| self.columns.get(*at).is_some_and(|held| held.column.name == *field));
            let (Some(at), None) = (named.next(), named.next()) else { return };
            // A duplicate name among the fields finds a column before its position.
            if at < place {
                return;
            }
            self.columns.swap(place, at);
        }
        self.order = Order::Fields(fields);
    }
}

/// Why a row does not fit the requested type. It contains types and names but never a value,
/// because it is logged.
#[derive(Debug)]
struct RowError {
    /// The column, and the type of its value.
    column: Option<String>,
    what: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "{column}: {}", self.what),
            None => write!(f, "a row does not fit: {}", self.what),
        }
    }
}

impl std::error::Error for RowError {}

impl serde::de::Error for RowError {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self { column: None, what: what.to_string() }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("expected one of {}", expected.join(", ")))
    }
}

struct Row<'a> {
    set: &'a mut Set,
    row: usize,
}

impl<'a> Row<'a> {
    fn only(self) -> Result<Cell<'a>, RowError> {
        let count = self.set.columns.len();
        match self.set.columns.as_mut_slice() {
            [held] => Ok(Cell { held, row: self.row }),
            _ => Err(RowError::custom(format_args!("the result has {count} columns, and one was expected"))),
        }
    }

    fn cells(self) -> Cells<'a> {
        self.first_cells(usize::MAX)
    }

    fn first_cells(self, count: usize) -> Cells<'a> {
        let columns = self.set.columns.iter_mut().take(count);
        Cells { columns, row: self.row, next: None, touched: &mut self.set.touched }
    }
}

macro_rules! of_the_only_column {
    ($($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
            let mut cell = self.only()?;
            cell.told(|cell| cell.$method(visitor))
        })+
    };
}

impl<'de> Deserializer<'de> for Row<'_> {
    type Error = RowError;

    of_the_only_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_map(self.cells())
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_map(self.cells())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        if name == INTERVAL {
            return self.only()?.told(|cell| cell.deserialize_struct(name, fields, visitor));
        }
        match self.set.order {
            Order::Fields(known) if std::ptr::eq(known, fields) => visitor.visit_seq(self.first_cells(fields.len())),
            Order::Unknown => {
                let Self { set, row } = self;
                let value = visitor.visit_map(Row { set: &mut *set, row }.cells())?;
                set.arrange(fields);
                Ok(value)
            }
            _ => visitor.visit_map(self.cells()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match self.set.columns.as_slice() {
            [held] if held.column.is_null(self.row) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, RowError> {
        if name.starts_with("tenet::") {
            return self.only()?.told(|cell| cell.deserialize_newtype_struct(name, visitor));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if let [Held { column: Column { values: ColumnValues::Bytea(_), .. }, .. }] = self.set.columns.as_slice() {
            return self.only()?.told(|cell| cell.deserialize_seq(visitor));
        }
        visitor.visit_seq(self.cells())
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, RowError> {
        let count = self.set.columns.len();
        if count != length {
            return Err(RowError::custom(format_args!("the result has {count} columns, and {length} were expected")));
        }
        visitor.visit_seq(self.cells())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, RowError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        self.only()?.told(|cell| cell.deserialize_enum(name, variants, visitor))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { identifier }
}

/// The cells of one row, with or without the names of their columns.
struct Cells<'a> {
    columns: Take<IterMut<'a, Held>>,
    row: usize,
    next: Option<&'a mut Held>,
    touched: &'a mut bool,
}

impl<'de> MapAccess<'de> for Cells<'_> {
    type Error = RowError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, RowError> {
        self.next = self.columns.next();
        let Some(held) = &self.next else { return Ok(None) };
        let name: StrDeserializer<'_, RowError> = held.column.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, RowError> {
        let held = self.next.take().ok_or_else(|| RowError::custom("a value was asked for before its name"))?;
        *self.touched = true;
        Cell { held, row: self.row }.told(|cell| seed.deserialize(cell))
    }
}

impl<'de> SeqAccess<'de> for Cells<'_> {
    type Error = RowError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, RowError> {
        let Some(held) = self.columns.next() else { return Ok(None) };
        *self.touched = true;
        Cell { held, row: self.row }.told(|cell| seed.deserialize(cell)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.columns.len())
    }
}

impl Column {
    fn is_null(&self, row: usize) -> bool {
        u32::try_from(row).is_ok_and(|row| self.nulls.binary_search(&row).is_ok())
    }

    fn holds_texts(&self) -> bool {
        matches!(
            self.values,
            ColumnValues::Numeric(_) | ColumnValues::Text(_) | ColumnValues::Uuid(_) | ColumnValues::Json(_)
        )
    }

    fn type_name(&self) -> &'static str {
        match self.values {
            ColumnValues::Boolean(_) => "boolean",
            ColumnValues::Int2(_) => "smallint",
            ColumnValues::Int4(_) => "integer",
            ColumnValues::Int8(_) => "bigint",
            ColumnValues::Float8(_) => "double precision",
            ColumnValues::Numeric(_) => "numeric",
            ColumnValues::Text(_) => "text",
            ColumnValues::Bytea(_) => "bytea",
            ColumnValues::Uuid(_) => "uuid",
            ColumnValues::Date(_) => "date",
            ColumnValues::Time(_) => "time",
            ColumnValues::Timestamp(_) => "timestamp",
            ColumnValues::Timestamptz(_) => "timestamptz",
            ColumnValues::Interval(_) => "interval",
            ColumnValues::Json(_) => "json",
        }
    }
}

/// One value of one row.
struct Cell<'a> {
    held: &'a mut Held,
    row: usize,
}

impl Cell<'_> {
    /// Adds the column to an error of reading the cell.
    fn told<T>(&mut self, read: impl FnOnce(Cell<'_>) -> Result<T, RowError>) -> Result<T, RowError> {
        let row = self.row;
        read(Cell { held: self.held, row }).map_err(|error| {
            let column = &self.held.column;
            let holds = if column.is_null(row) { "NULL" } else { column.type_name() };
            RowError { column: Some(format!("column `{}` holds {holds}", column.name)), ..error }
        })
    }

    fn is_null(&self) -> bool {
        self.held.column.is_null(self.row)
    }

    /// Takes the value out. Each value can be taken once.
    fn take<T: Default>(row: usize, values: &mut [T]) -> Result<T, RowError> {
        values.get_mut(row).map(take).ok_or_else(too_short)
    }

    /// Visits a text in either form.
    fn text<'de, V: Visitor<'de>>(
        row: usize,
        texts: Option<&Texts>,
        values: &mut [String],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        match texts {
            Some(texts) => visitor.visit_str(texts.get(row).ok_or_else(too_short)?),
            None => visitor.visit_string(Self::take(row, values)?),
        }
    }
}

/// Whether two names are equal. Usually both are the same static string, and comparing bytes is
/// slow in WebAssembly.
fn is(name: &'static str, known: &'static str) -> bool {
    std::ptr::eq(name, known) || name == known
}

fn too_short() -> RowError {
    RowError::custom("the column is shorter than the result")
}

impl Texts {
    fn get(&self, row: usize) -> Option<&str> {
        let end = |row: usize| self.ends.get(row).map(|end| *end as usize);
        let start = row.checked_sub(1).map_or(Some(0), end)?;
        self.all.get(start..end(row)?)
    }
}

impl<'de> Deserializer<'de> for Cell<'_> {
    type Error = RowError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if self.is_null() {
            return visitor.visit_unit();
        }
        let (row, Held { column, texts }) = (self.row, self.held);
        match &mut column.values {
            ColumnValues::Boolean(values) => visitor.visit_bool(Self::take(row, values)?),
            ColumnValues::Int2(values) => visitor.visit_i16(Self::take(row, values)?),
            ColumnValues::Int4(values) => visitor.visit_i32(Self::take(row, values)?),
            ColumnValues::Int8(values) => visitor.visit_i64(Self::take(row, values)?),
            ColumnValues::Float8(values) => visitor.visit_f64(Self::take(row, values)?),
            ColumnValues::Bytea(values) => visitor.visit_byte_buf(Self::take(row, values)?),
            ColumnValues::Numeric(values)
            | ColumnValues::Text(values)
            | ColumnValues::Uuid(values)
            | ColumnValues::Json(values) => Self::text(row, texts.as_ref(), values, visitor),
            ColumnValues::Date(values) => visitor.visit_string(Date::from_days(Self::take(row, values)?).to_string()),
            ColumnValues::Time(values) => visitor.visit_string(Time::from_micros(Self::take(row, values)?).to_string()),
            ColumnValues::Timestamp(values) => {
                visitor.visit_string(Timestamp::from_micros(Self::take(row, values)?).to_string())
            }
            ColumnValues::Timestamptz(values) => {
                visitor.visit_string(TimestampTz::from_micros(Self::take(row, values)?).to_string())
            }
            ColumnValues::Interval(values) => {
                let interval = values.get(row).ok_or_else(too_short)?;
                let parts = [
                    ("months", i64::from(interval.months)),
                    ("days", i64::from(interval.days)),
                    ("microseconds", interval.microseconds),
                ];
                visitor.visit_map(MapDeserializer::new(parts.into_iter()))
            }
        }
    }

    // serde's floats accept any integer and round it.
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if matches!(self.held.column.values, ColumnValues::Float8(_)) {
            return self.deserialize_any(visitor);
        }
        Err(RowError::invalid_type(Unexpected::Other("no float"), &visitor))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, RowError> {
        let (row, null) = (self.row, self.is_null());
        let Held { column, texts } = &mut *self.held;
        // The column's type is checked first, which leaves one name to compare.
        match &mut column.values {
            ColumnValues::Numeric(values) if !null && is(name, Decimal::NAME) => {
                Self::text(row, texts.as_ref(), values, visitor)
            }
            ColumnValues::Uuid(values) if !null && is(name, Uuid::NAME) => {
                Self::text(row, texts.as_ref(), values, visitor)
            }
            ColumnValues::Json(values) if !null && is(name, Json::NAME) => {
                Self::text(row, texts.as_ref(), values, visitor)
            }
            ColumnValues::Timestamptz(values) if !null && is(name, TimestampTz::NAME) => {
                visitor.visit_i64(Self::take(row, values)?)
            }
            ColumnValues::Timestamp(values) if !null && is(name, Timestamp::NAME) => {
                visitor.visit_i64(Self::take(row, values)?)
            }
            ColumnValues::Time(values) if !null && is(name, Time::NAME) => visitor.visit_i64(Self::take(row, values)?),
            ColumnValues::Date(values) if !null && is(name, Date::NAME) => {
                visitor.visit_i64(Self::take(row, values)?.into())
            }
            ColumnValues::Int2(values) if !null && is(name, Decimal::NAME) => {
                visitor.visit_i64(Self::take(row, values)?.into())
            }
            ColumnValues::Int4(values) if !null && is(name, Decimal::NAME) => {
                visitor.visit_i64(Self::take(row, values)?.into())
            }
            ColumnValues::Int8(values) if !null && is(name, Decimal::NAME) => {
                visitor.visit_i64(Self::take(row, values)?)
            }
            _ if !name.starts_with("tenet::") => visitor.visit_newtype_struct(self),
            _ if null => visitor.visit_unit(),
            _ => Err(RowError::invalid_type(Unexpected::Other("another type"), &visitor)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        let (row, null) = (self.row, self.is_null());
        match &mut self.held.column.values {
            ColumnValues::Bytea(values) if !null => {
                visitor.visit_seq(SeqDeserializer::new(Self::take(row, values)?.into_iter()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        let (row, null) = (self.row, self.is_null());
        let Held { column, texts } = self.held;
        match (&mut column.values, texts) {
            (ColumnValues::Text(_), Some(texts)) if !null => {
                let name: StrDeserializer<'_, RowError> = texts.get(row).ok_or_else(too_short)?.into_deserializer();
                visitor.visit_enum(name)
            }
            (ColumnValues::Text(values), None) if !null => {
                let name: StringDeserializer<RowError> = Self::take(row, values)?.into_deserializer();
                visitor.visit_enum(name)
            }
            _ => Err(RowError::invalid_type(Unexpected::Other("no text"), &visitor)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::Interval;

    fn column(name: &str, values: ColumnValues, nulls: &[u32]) -> Column {
        Column { name: name.into(), values, nulls: nulls.to_vec() }
    }

    fn set(rows: u32, columns: Vec<Column>) -> RowSet {
        RowSet { rows, columns }
    }

    fn texts(values: &[&str]) -> ColumnValues {
        ColumnValues::Text(values.iter().map(|value| (*value).to_owned()).collect())
    }

    fn one<T: DeserializeOwned>(values: ColumnValues) -> Result<T, String> {
        let set = set(1, vec![column("c", values, &[])]);
        rows(set).map(|mut rows| rows.remove(0)).map_err(|error| error.to_string())
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Account {
        id: i64,
        owner: Option<String>,
        #[serde(rename = "saldo")]
        balance: Decimal,
    }

    fn accounts() -> RowSet {
        set(
            2,
            vec![
                column("saldo", ColumnValues::Numeric(vec!["1.50".into(), "2".into()]), &[]),
                column("unknown", ColumnValues::Boolean(vec![true, false]), &[]),
                column("owner", texts(&["ann", ""]), &[1]),
                column("id", ColumnValues::Int4(vec![1, 2]), &[]),
            ],
        )
    }

    #[test]
    fn rows_become_structs_by_the_names_of_columns() {
        let balance = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(
            rows::<Account>(accounts()).unwrap(),
            [
                Account { id: 1, owner: Some("ann".into()), balance: balance("1.50") },
                Account { id: 2, owner: None, balance: balance("2") },
            ]
        );
    }

    /// The same rows in packed form.
    fn packed(mut set: RowSet) -> PackedRows {
        let mut texts = Vec::new();
        for column in &mut set.columns {
            if let ColumnValues::Numeric(values)
            | ColumnValues::Text(values)
            | ColumnValues::Uuid(values)
            | ColumnValues::Json(values) = &mut column.values
            {
                let mut all = Texts { all: String::new(), ends: Vec::new() };
                for value in values.drain(..) {
                    all.all += &value;
                    all.ends.push(all.all.len() as u32);
                }
                texts.push(all);
            }
        }
        PackedRows { rows: set, texts }
    }

    #[test]
    fn packed_rows_are_the_same_rows() {
        assert_eq!(packed_rows::<Account>(packed(accounts())).unwrap(), rows::<Account>(accounts()).unwrap());
        #[derive(Debug, PartialEq, Deserialize)]
        enum Status {
            Pending,
            Done,
        }
        let uuid = "0f5d8c1a-02b3-4c4d-9e5f-00a1b2c3d4e5";
        let mixed = || {
            set(
                2,
                vec![
                    column("status", texts(&["Done", "Pending"]), &[]),
                    column("text", texts(&["Grüße", ""]), &[1]),
                    column("json", ColumnValues::Json(vec!["[1.50]".into(), "null".into()]), &[]),
                    column("uuid", ColumnValues::Uuid(vec![uuid.into(), uuid.into()]), &[]),
                ],
            )
        };
        let read = packed_rows::<(Status, Option<String>, Json, Uuid)>(packed(mixed())).unwrap();
        let told: Vec<_> = read.iter().map(|(.., json, uuid)| (json.as_str(), uuid.to_string())).collect();
        assert_eq!(told, [("[1.50]", uuid.to_owned()), ("null", uuid.to_owned())]);
        assert_eq!((&read[0].0, read[0].1.as_deref()), (&Status::Done, Some("Grüße")));
        assert_eq!((&read[1].0, &read[1].1), (&Status::Pending, &None));
    }

    #[test]
    fn packed_texts_that_do_not_fit_are_an_error() {
        let mut short = packed(set(1, vec![column("c", texts(&["ü"]), &[])]));
        short.texts[0].ends = vec![1];
        assert!(packed_rows::<String>(short.clone()).unwrap_err().to_string().contains("shorter"));
        short.texts[0].ends.clear();
        assert!(packed_rows::<String>(short).unwrap_err().to_string().contains("shorter"));
    }

    #[test]
    fn rows_become_tuples_scalars_and_newtypes() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Id(i64);
        let two =
            || set(2, vec![column("a", ColumnValues::Int8(vec![1, 2]), &[]), column("b", texts(&["x", "y"]), &[1])]);
        assert_eq!(rows::<(Id, Option<String>)>(two()).unwrap(), [(Id(1), Some("x".to_owned())), (Id(2), None)]);
        let ids = || set(3, vec![column("id", ColumnValues::Int8(vec![1, 0, 3]), &[1])]);
        assert_eq!(rows::<Option<i64>>(ids()).unwrap(), [Some(1), None, Some(3)]);
        assert_eq!(rows::<Option<Id>>(ids()).unwrap(), [Some(Id(1)), None, Some(Id(3))]);
        assert_eq!(rows::<(Option<i64>,)>(ids()).unwrap().len(), 3);
        assert_eq!(rows::<()>(ids()).unwrap().len(), 3);
        assert!(rows::<Account>(set(0, Vec::new())).unwrap().is_empty());
    }

    #[test]
    fn every_type_of_the_contract_has_a_type_here() {
        let uuid = "0f5d8c1a-02b3-4c4d-9e5f-00a1b2c3d4e5";
        let interval = Interval { months: 1, days: -2, microseconds: 3 };
        assert_eq!(one(ColumnValues::Boolean(vec![true])), Ok(true));
        assert_eq!(one(ColumnValues::Int2(vec![-3])), Ok(-3_i16));
        assert_eq!(one(ColumnValues::Int8(vec![300])), Ok(300_u32));
        assert_eq!(one(ColumnValues::Float8(vec![0.5])), Ok(0.5));
        assert_eq!(one(ColumnValues::Numeric(vec!["1.50".into()])), Ok("1.50".parse::<Decimal>().unwrap()));
        assert_eq!(one(ColumnValues::Int4(vec![7])), Ok(Decimal::from(7)));
        assert_eq!(one(texts(&["x"])), Ok("x".to_owned()));
        assert_eq!(one(ColumnValues::Bytea(vec![vec![1, 2]])), Ok(vec![1_u8, 2]));
        assert_eq!(one(ColumnValues::Uuid(vec![uuid.into()])), Ok(uuid.parse::<Uuid>().unwrap()));
        assert_eq!(one(ColumnValues::Uuid(vec![uuid.into()])), Ok(uuid.to_owned()));
        assert_eq!(one(ColumnValues::Date(vec![1])), Ok(Date::from_days(1)));
        assert_eq!(one(ColumnValues::Time(vec![1])), Ok(Time::from_micros(1)));
        assert_eq!(one(ColumnValues::Timestamp(vec![-1])), Ok(Timestamp::from_micros(-1)));
        assert_eq!(one(ColumnValues::Timestamptz(vec![0])), Ok(TimestampTz::from_micros(0)));
        assert_eq!(one(ColumnValues::Timestamptz(vec![0])), Ok("1970-01-01T00:00:00Z".to_owned()));
        assert_eq!(one(ColumnValues::Interval(vec![interval])), Ok(interval));
        let json: Json = one(ColumnValues::Json(vec!["{\"a\": 1.50}".into()])).unwrap();
        assert_eq!(json.as_str(), "{\"a\": 1.50}");
    }

    #[test]
    fn native_types_work_in_structs_and_behind_options() {
        #[derive(Debug, Deserialize)]
        struct Holder {
            at: Option<Timestamp>,
            bytes: Option<Vec<u8>>,
            span: Option<Interval>,
            amount: Option<Decimal>,
        }
        let nulls: &[u32] = &[1];
        let holders: Vec<Holder> = rows(set(
            2,
            vec![
                column("at", ColumnValues::Timestamp(vec![5, 0]), nulls),
                column("bytes", ColumnValues::Bytea(vec![vec![1], vec![]]), nulls),
                column(
                    "span",
                    ColumnValues::Interval(vec![Interval { months: 1, days: 1, microseconds: 1 }; 2]),
                    nulls,
                ),
                column("amount", ColumnValues::Numeric(vec!["1.5".into(), String::new()]), nulls),
            ],
        ))
        .unwrap();
        let [full, empty] = &holders[..] else { panic!("two rows") };
        assert_eq!((full.at, full.bytes.as_deref()), (Some(Timestamp::from_micros(5)), Some(&[1_u8][..])));
        assert!(full.span.is_some() && full.amount.is_some());
        assert!(empty.at.is_none() && empty.bytes.is_none() && empty.span.is_none() && empty.amount.is_none());
    }

    #[test]
    fn an_enum_is_read_from_text() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Status {
            Pending,
            Done,
        }
        assert_eq!(one(texts(&["pending"])), Ok(Status::Pending));
        assert_eq!(one(texts(&["done"])), Ok(Status::Done));
        assert_eq!(
            one::<Status>(texts(&["secret"])).unwrap_err(),
            "column `c` holds text: expected one of pending, done"
        );
    }

    #[test]
    fn errors_name_the_column_and_the_type_and_tell_no_value() {
        assert_eq!(one::<i64>(texts(&["secret"])).unwrap_err(), "column `c` holds text: expected i64");
        assert_eq!(one::<i16>(ColumnValues::Int8(vec![70_000])).unwrap_err(), "column `c` holds bigint: expected i16");
        assert_eq!(one::<f64>(ColumnValues::Int8(vec![1])).unwrap_err(), "column `c` holds bigint: expected f64");
        assert_eq!(
            one::<f64>(ColumnValues::Numeric(vec!["1".into()])).unwrap_err(),
            "column `c` holds numeric: expected f64"
        );
        assert_eq!(
            one::<i64>(ColumnValues::Timestamp(vec![1])).unwrap_err(),
            "column `c` holds timestamp: expected i64"
        );
        assert_eq!(one::<Uuid>(texts(&["x"])).unwrap_err(), "column `c` holds text: expected a UUID");
        assert_eq!(
            one::<Decimal>(ColumnValues::Float8(vec![0.1])).unwrap_err(),
            "column `c` holds double precision: expected a decimal number"
        );
    }

    #[test]
    fn null_needs_an_option() {
        let null = |values| set(1, vec![column("c", values, &[0])]);
        let error = |error: Error| error.to_string();
        assert_eq!(
            rows::<i64>(null(ColumnValues::Int8(vec![0]))).map_err(error),
            Err("column `c` holds NULL: expected i64".into())
        );
        assert_eq!(
            rows::<String>(null(texts(&[""]))).map_err(error),
            Err("column `c` holds NULL: expected a string".into())
        );
        assert_eq!(
            rows::<Vec<u8>>(null(ColumnValues::Bytea(vec![vec![]]))).map_err(error),
            Err("column `c` holds NULL: expected a sequence".into())
        );
        assert_eq!(
            rows::<Decimal>(null(ColumnValues::Numeric(vec![String::new()]))).map_err(error),
            Err("column `c` holds NULL: expected a decimal number".into())
        );
    }

    #[test]
    fn a_result_of_another_shape_is_told() {
        let error = rows::<i64>(accounts()).unwrap_err().to_string();
        assert_eq!(error, "a row does not fit: the result has 4 columns, and one was expected");
        let error = rows::<(i64, i64)>(accounts()).unwrap_err().to_string();
        assert_eq!(error, "a row does not fit: the result has 4 columns, and 2 were expected");
        let error = rows::<Account>(set(1, vec![column("id", ColumnValues::Int4(vec![1]), &[])])).unwrap_err();
        assert_eq!(error.to_string(), "a row does not fit: missing field `saldo`");
        let twice =
            vec![column("id", ColumnValues::Int4(vec![1]), &[]), column("id", ColumnValues::Int4(vec![2]), &[])];
        assert!(rows::<Account>(set(1, twice)).unwrap_err().to_string().contains("duplicate field `id`"));
    }

    /// Three rows with these columns; each number encodes the column's name and the row.
    fn numbered(names: &[&str]) -> RowSet {
        let values =
            |name: &str| ColumnValues::Int4((0..3).map(|row| row * 100 + i32::from(name.as_bytes()[0])).collect());
        set(3, names.iter().map(|name| column(name, values(name), &[])).collect())
    }

    const A: i32 = b'a' as i32;

    #[test]
    fn every_row_finds_its_fields_whatever_the_columns_order_is() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Three {
            c: i32,
            a: i32,
            b: i32,
        }
        let of = |row| Three { c: A + 2 + row * 100, a: A + row * 100, b: A + 1 + row * 100 };
        for names in [&["a", "b", "c"][..], &["c", "b", "a"], &["x", "b", "y", "c", "a", "z"]] {
            assert_eq!(rows::<Three>(numbered(names)).unwrap(), [of(0), of(1), of(2)], "{names:?}");
            assert_eq!(rows::<Option<Three>>(numbered(names)).unwrap(), [Some(of(0)), Some(of(1)), Some(of(2))]);
        }
    }

    #[test]
    fn fields_that_are_left_out_or_have_several_names_are_found_in_every_row() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Odd {
            #[serde(skip)]
            skipped: i32,
            #[serde(alias = "b", alias = "other")]
            first: i32,
            #[serde(default)]
            a: i32,
        }
        let of = |row, a| Odd { skipped: 0, first: A + 1 + row * 100, a };
        assert_eq!(rows::<Odd>(numbered(&["a", "b"])).unwrap(), [of(0, A), of(1, A + 100), of(2, A + 200)]);
        assert_eq!(rows::<Odd>(numbered(&["skipped", "b"])).unwrap(), [of(0, 0), of(1, 0), of(2, 0)]);
        assert!(rows::<Odd>(numbered(&["a", "b", "other", "first"])).is_err(), "one field twice");
    }

    #[test]
    fn a_type_that_knows_its_fields_by_name_only_is_read_too() {
        #[derive(Debug, PartialEq)]
        struct ByName(i32);

        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = ByName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<ByName, M::Error> {
                let mut sum = 0;
                while let Some((_, value)) = map.next_entry::<String, i32>()? {
                    sum += value;
                }
                Ok(ByName(sum))
            }
        }

        impl<'de> Deserialize<'de> for ByName {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_struct("ByName", &["b", "a"], Names)
            }
        }

        let of = |row: i32| ByName(2 * A + 1 + row * 200);
        assert_eq!(rows::<ByName>(numbered(&["a", "b"])).unwrap(), [of(0), of(1), of(2)]);
    }

    #[test]
    fn an_error_in_a_later_row_names_the_column_too() {
        #[derive(Debug, Deserialize)]
        struct Pair {
            #[expect(dead_code, reason = "read, and not looked at")]
            a: i32,
            #[expect(dead_code, reason = "read, and not looked at")]
            b: i32,
        }
        let mut pairs = numbered(&["b", "a"]);
        pairs.columns[1].nulls = vec![2];
        assert_eq!(rows::<Pair>(pairs).unwrap_err().to_string(), "column `a` holds NULL: expected i32");
    }

    #[test]
    fn a_row_can_be_json() {
        let values: Vec<serde_json::Value> = rows(accounts()).unwrap();
        assert_eq!(values[1], serde_json::json!({"saldo": "2", "unknown": false, "owner": null, "id": 2}));
    }
}
