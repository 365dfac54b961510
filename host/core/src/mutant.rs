/// A way to break a promise on purpose, so that a test that watches over the promise can be
/// seen to notice.
///
/// Without the feature `mutants`, which nothing has that is shipped, none is ever alive and
/// the compiler leaves no trace of them. With it a process has the one that the variable
/// `TENET_MUTANT` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A rejection is answered without its key row.
    RejectionWithoutKeyRow,
    /// The key row is inserted with DO NOTHING, under READ COMMITTED.
    KeyRowGivesWay,
    /// Events leave before COMMIT.
    EventsBeforeCommit,
    /// COMMIT answered, so the transaction is taken for committed.
    AnyOkIsCommitted,
    /// A first statement that writes travels with BEGIN.
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

    /// Its name, as the variable has it.
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

    /// Whether this process has it.
    #[cfg(not(feature = "mutants"))]
    #[inline(always)]
    pub const fn is_alive(self) -> bool {
        false
    }

    /// Whether this process has it.
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
