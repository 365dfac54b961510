/// A foreign key of a table. Columns are named by their numbers, which stay when others are dropped.
#[derive(Clone, Debug)]
pub(crate) struct ForeignKey {
    /// The OID of the constraint.
    pub(crate) id: u32,
    pub(crate) name: String,
    /// The referencing columns.
    pub(crate) columns: Vec<i16>,
    /// The OID of the referenced table.
    pub(crate) table: u32,
    /// The referenced columns, in the order of those that reference them.
    pub(crate) referenced: Vec<i16>,
    /// The OID of the unique index of the referenced columns.
    pub(crate) index: u32,
    /// MATCH FULL rather than MATCH SIMPLE.
    pub(crate) is_full: bool,
    pub(crate) on_delete: Reaction,
    pub(crate) on_update: Reaction,
    /// The columns that ON DELETE SET NULL or SET DEFAULT sets; empty for all of them.
    pub(crate) set_columns: Vec<i16>,
    pub(crate) is_deferrable: bool,
    /// INITIALLY DEFERRED.
    pub(crate) is_deferred: bool,
    /// Whether the rows that were there before it satisfy it for certain.
    pub(crate) is_valid: bool,
}

/// What is done to the referencing rows when a referenced row goes, or gets another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

impl Reaction {
    /// Its letter in `pg_constraint`.
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::NoAction => "a",
            Self::Restrict => "r",
            Self::Cascade => "c",
            Self::SetNull => "n",
            Self::SetDefault => "d",
        }
    }
}
