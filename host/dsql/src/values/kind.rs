use crate::values::modifier::interval_text;
pub(crate) use crate::values::modifier::{MODIFIER_OFFSET, Modifier, numeric_modifier, pack_numeric_modifier};

/// A type of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// The type of a string constant or a parameter until its context gives it one.
    Unknown,
    Bool,
    Int2,
    Int4,
    Int8,
    Float8,
    Numeric,
    Text,
    Varchar,
    Bpchar,
    Name,
    Oid,
    Bytea,
    Uuid,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Json,
    Jsonb,
    /// `(A, B)`.
    Record,
    /// What a function without a result returns.
    Void,
    /// Of elements of this type, which is none of `Unknown`, `Record`, `Void` and `Array`.
    Array(&'static Kind),
}

/// The types that have an array type, with their OIDs, those of their arrays, and their names:
/// as in messages, and in `pg_type` (`src/include/catalog/pg_type.dat`).
const ELEMENTS: [(Kind, u32, u32, &str, &str); 20] = [
    (Kind::Bool, 16, 1000, "boolean", "bool"),
    (Kind::Int2, 21, 1005, "smallint", "int2"),
    (Kind::Int4, 23, 1007, "integer", "int4"),
    (Kind::Int8, 20, 1016, "bigint", "int8"),
    (Kind::Float8, 701, 1022, "double precision", "float8"),
    (Kind::Numeric, 1700, 1231, "numeric", "numeric"),
    (Kind::Text, 25, 1009, "text", "text"),
    (Kind::Varchar, 1043, 1015, "character varying", "varchar"),
    (Kind::Bpchar, 1042, 1014, "character", "bpchar"),
    (Kind::Name, 19, 1003, "name", "name"),
    (Kind::Oid, 26, 1028, "oid", "oid"),
    (Kind::Bytea, 17, 1001, "bytea", "bytea"),
    (Kind::Uuid, 2950, 2951, "uuid", "uuid"),
    (Kind::Date, 1082, 1182, "date", "date"),
    (Kind::Time, 1083, 1183, "time without time zone", "time"),
    (Kind::Timestamp, 1114, 1115, "timestamp without time zone", "timestamp"),
    (Kind::Timestamptz, 1184, 1185, "timestamp with time zone", "timestamptz"),
    (Kind::Interval, 1186, 1187, "interval", "interval"),
    (Kind::Json, 114, 199, "json", "json"),
    (Kind::Jsonb, 3802, 3807, "jsonb", "jsonb"),
];

/// Types without an array type in the model.
const OTHERS: [(Kind, u32, &str); 3] =
    [(Kind::Unknown, 705, "unknown"), (Kind::Record, 2249, "record"), (Kind::Void, 2278, "void")];

/// Further names that SQL has for types.
const SYNONYMS: [(&str, Kind); 13] = [
    ("int", Kind::Int4),
    ("decimal", Kind::Numeric),
    ("dec", Kind::Numeric),
    ("float", Kind::Float8),
    ("char", Kind::Bpchar),
    ("char varying", Kind::Varchar),
    ("national character", Kind::Bpchar),
    ("national character varying", Kind::Varchar),
    ("nchar", Kind::Bpchar),
    ("time without time zone", Kind::Time),
    ("timestamp without time zone", Kind::Timestamp),
    ("unknown", Kind::Unknown),
    ("void", Kind::Void),
];

impl Kind {
    /// Its number in `pg_type`.
    pub(crate) fn oid(self) -> u32 {
        match self {
            Self::Array(element) => element.array_oid().unwrap_or(0),
            kind => {
                let element = ELEMENTS.iter().find(|entry| entry.0 == kind).map(|entry| entry.1);
                let other = || OTHERS.iter().find(|entry| entry.0 == kind).map(|entry| entry.1);
                element.or_else(other).unwrap_or(0)
            }
        }
    }

    /// The type with this number; `None` for those that the model does not know.
    pub(crate) fn from_oid(oid: u32) -> Option<Self> {
        let element = ELEMENTS.iter().find(|entry| entry.1 == oid).map(|entry| entry.0);
        let array = || ELEMENTS.iter().find(|entry| entry.2 == oid).map(|entry| Self::Array(&entry.0));
        let other = || OTHERS.iter().find(|entry| entry.1 == oid).map(|entry| entry.0);
        element.or_else(array).or_else(other)
    }

    /// The number of the type of arrays of this type, where there is one.
    pub(crate) fn array_oid(self) -> Option<u32> {
        ELEMENTS.iter().find(|entry| entry.0 == self).map(|entry| entry.2)
    }

    /// The type of arrays of this type, where there is one.
    pub(crate) fn array(self) -> Option<Self> {
        ELEMENTS.iter().find(|entry| entry.0 == self).map(|entry| Self::Array(&entry.0))
    }

    /// The type of the elements of an array type.
    pub(crate) fn element(self) -> Option<Self> {
        match self {
            Self::Array(element) => Some(*element),
            _ => None,
        }
    }

    /// The name as messages have it: `integer`, `character varying`, `integer[]`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Array(element) => element.array_name(),
            kind => {
                let element = ELEMENTS.iter().find(|entry| entry.0 == kind).map(|entry| entry.3);
                let other = || OTHERS.iter().find(|entry| entry.0 == kind).map(|entry| entry.2);
                element.or_else(other).unwrap_or("unknown")
            }
        }
    }

    fn array_name(self) -> &'static str {
        match self {
            Self::Bool => "boolean[]",
            Self::Int2 => "smallint[]",
            Self::Int4 => "integer[]",
            Self::Int8 => "bigint[]",
            Self::Float8 => "double precision[]",
            Self::Numeric => "numeric[]",
            Self::Text => "text[]",
            Self::Varchar => "character varying[]",
            Self::Bpchar => "character[]",
            Self::Name => "name[]",
            Self::Oid => "oid[]",
            Self::Bytea => "bytea[]",
            Self::Uuid => "uuid[]",
            Self::Date => "date[]",
            Self::Time => "time without time zone[]",
            Self::Timestamp => "timestamp without time zone[]",
            Self::Timestamptz => "timestamp with time zone[]",
            Self::Interval => "interval[]",
            Self::Json => "json[]",
            Self::Jsonb => "jsonb[]",
            Self::Unknown | Self::Record | Self::Void | Self::Array(_) => "unknown[]",
        }
    }

    /// The name in `pg_type`: `int4`, `varchar`, `_int4`.
    pub(crate) fn internal_name(self) -> String {
        match self {
            Self::Array(element) => format!("_{}", element.internal_name()),
            kind => {
                let element = ELEMENTS.iter().find(|entry| entry.0 == kind).map(|entry| entry.4);
                element.unwrap_or_else(|| kind.name()).to_owned()
            }
        }
    }

    /// The type as `format_type` shows it: `numeric(10,2)`, `timestamp(3) without time zone`.
    pub(crate) fn formatted(self, modifier: Modifier) -> String {
        if let Self::Array(element) = self {
            return format!("{}[]", element.formatted(modifier));
        }
        if modifier < 0 {
            return if self == Self::Bpchar { "bpchar".to_owned() } else { self.name().to_owned() };
        }
        match self {
            Self::Varchar | Self::Bpchar => format!("{}({})", self.name(), modifier - MODIFIER_OFFSET),
            Self::Numeric => {
                let (precision, scale) = numeric_modifier(modifier);
                format!("numeric({precision},{scale})")
            }
            Self::Time => format!("time({modifier}) without time zone"),
            Self::Timestamp => format!("timestamp({modifier}) without time zone"),
            Self::Timestamptz => format!("timestamp({modifier}) with time zone"),
            Self::Interval => format!("interval{}", interval_text(modifier)),
            kind => kind.name().to_owned(),
        }
    }

    /// The size that RowDescription gives: bytes, or -1 where it varies, or -2 for a C string.
    pub(crate) fn size(self) -> i16 {
        match self {
            Self::Bool => 1,
            Self::Int2 => 2,
            Self::Int4 | Self::Oid | Self::Date | Self::Void => 4,
            Self::Int8 | Self::Float8 | Self::Time | Self::Timestamp | Self::Timestamptz => 8,
            Self::Uuid | Self::Interval => 16,
            Self::Name => 64,
            Self::Unknown => -2,
            Self::Numeric
            | Self::Text
            | Self::Varchar
            | Self::Bpchar
            | Self::Bytea
            | Self::Json
            | Self::Jsonb
            | Self::Record
            | Self::Array(_) => -1,
        }
    }

    /// The type with this name, without a modifier: a name of SQL's or of `pg_type`, in lower case,
    /// its words apart by one blank; `[]` after it for arrays.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if let Some(element) = name.strip_suffix("[]") {
            // Any number of dimensions is the same type.
            return Self::parse(element)
                .and_then(|kind| if kind.element().is_some() { Some(kind) } else { kind.array() });
        }
        if let Some(element) = name.strip_prefix('_') {
            return ELEMENTS.iter().find(|entry| entry.4 == element).map(|entry| Self::Array(&entry.0));
        }
        let element = ELEMENTS.iter().find(|entry| entry.3 == name || entry.4 == name).map(|entry| entry.0);
        element.or_else(|| SYNONYMS.iter().find(|entry| entry.0 == name).map(|entry| entry.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_the_type() {
        for (kind, ..) in ELEMENTS {
            assert_eq!(Kind::from_oid(kind.oid()), Some(kind));
            assert_eq!(Kind::parse(kind.name()), Some(kind));
            assert_eq!(Kind::parse(&kind.internal_name()), Some(kind));
            let array = kind.array().unwrap();
            assert_eq!(Kind::from_oid(array.oid()), Some(array));
            assert_eq!(array.element(), Some(kind));
            assert_eq!(Kind::parse(array.name()), Some(array));
            assert_eq!(Kind::parse(&array.internal_name()), Some(array));
        }
    }

    #[test]
    fn a_modifier_of_numeric_is_read_as_it_is_made() {
        for (precision, scale) in [(1, 0), (18, 6), (1000, -1000), (1000, 1000), (3, -2)] {
            assert_eq!(numeric_modifier(pack_numeric_modifier(precision, scale)), (precision, scale));
        }
    }
}
