/// A deliberate violation of a guarantee, which shows that the test of that guarantee fails.
///
/// Without the feature `mutants`, which no release has, none is ever active and the compiler
/// removes them all. With it, the environment variable `TENET_MUTANT` selects the active one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A rejection is answered without its key row.
    RejectionWithoutKeyRow,
    /// The key row is inserted with DO NOTHING, under READ COMMITTED.
    KeyRowGivesWay,
    /// Events are published before COMMIT.
    EventsBeforeCommit,
    /// Any successful response to COMMIT counts as committed.
    AnyOkIsCommitted,
    /// A first statement that writes is sent together with BEGIN.
    FirstWriteWithBegin,
    /// The id of an event does not depend on the operation.
    EventIdWithoutOperation,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::RejectionWithoutKeyRow,
        Self::KeyRowGivesWay,
        Self::EventsBeforeCommit,
        Self::AnyOkIsCommitted,
        Self::FirstWriteWithBegin,
        Self::EventIdWithoutOperation,
    ];

    /// Its name, as in the variable.
    pub fn name(self) -> &'static str {
        match self {
            Self::RejectionWithoutKeyRow => "rejection-without-key-row",
            Self::KeyRowGivesWay => "key-row-gives-way",
            Self::EventsBeforeCommit => "events-before-commit",
            Self::AnyOkIsCommitted => "any-ok-is-committed",
            Self::FirstWriteWithBegin => "first-write-with-begin",
            Self::EventIdWithoutOperation => "event-id-without-operation",
        }
    }

    /// Whether it is active.
    #[cfg(not(feature = "mutants"))]
    #[inline(always)]
    pub const fn is_alive(self) -> bool {
        false
    }

    /// Whether it is active.
    #[cfg(feature = "mutants")]
    pub fn is_alive(self) -> bool {
        static ALIVE: std::sync::OnceLock<Option<Mutant>> = std::sync::OnceLock::new();
        let alive = ALIVE.get_or_init(|| {
            let name = std::env::var("TENET_MUTANT").ok()?;
            Self::ALL.into_iter().find(|mutant| mutant.name() == name)
        });
        *alive == Some(self)
    }
}
