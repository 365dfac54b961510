/// The types of the generated expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Big,
    Numeric,
    Float,
    Text,
    Date,
    Timestamp,
    Timestamptz,
    Interval,
    Json,
}

impl Kind {
    pub(crate) const ALL: [Self; 11] = [
        Self::Bool,
        Self::Int,
        Self::Big,
        Self::Numeric,
        Self::Float,
        Self::Text,
        Self::Date,
        Self::Timestamp,
        Self::Timestamptz,
        Self::Interval,
        Self::Json,
    ];

    /// Its name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int => "integer",
            Self::Big => "bigint",
            Self::Numeric => "numeric",
            Self::Float => "double precision",
            Self::Text => "text",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Interval => "interval",
            Self::Json => "jsonb",
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Big | Self::Numeric)
    }
}
