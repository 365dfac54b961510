/// A sequence of the catalogue. Its numbers are kept by the store.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    /// Its OID.
    pub(crate) id: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) start: i64,
    pub(crate) increment: i64,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) cycle: bool,
    /// How many numbers a session takes at once.
    pub(crate) cache: i64,
    /// The table and the column of which it is the identity.
    pub(crate) owned_by: Option<(u32, i16)>,
}

/// How far a sequence has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    /// The last number that was given away.
    pub(crate) last: Option<i64>,
    /// The first one, where `setval` has named it.
    pub(crate) first: Option<i64>,
}

/// The numbers of a sequence that a session holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// What the session took last.
    pub(crate) current: i64,
    /// How many more it has.
    pub(crate) left: i64,
}
