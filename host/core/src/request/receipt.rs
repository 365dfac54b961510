use std::time::Duration;

/// What one request cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Attempts, including the last.
    pub attempts: u32,
    /// Waits for the database with nothing else of ours in flight, over all attempts.
    pub round_trips: u32,
    /// The rules of the last attempt, in order.
    pub rules: Vec<RuleReceipt>,
    /// Attempts that lost a conflict.
    pub conflicts: u32,
    /// How many of those conflicts a schema change caused: DSQL's OC001.
    pub schema_conflicts: u32,
    /// Attempts whose COMMIT got no response.
    pub unknown_commits: u32,
    /// Statements of rules, over all attempts.
    pub statements: u64,
    /// Rows that they read, over all attempts.
    pub rows_read: u64,
    /// Bytes of values and of the database's errors that they read, over all attempts.
    pub bytes_read: u64,
    /// Rows that they inserted, updated or deleted, over all attempts.
    pub rows_affected: u64,
    /// Events that the last attempt staged.
    pub events: u64,
    /// Operations that the last attempt scheduled.
    pub follow_ups: u64,
    /// The fuel used by the rules of the last attempt, if the engine is metered: about one per
    /// instruction.
    pub fuel: Option<u64>,
    /// Waiting for admission before the first attempt.
    pub queued: Duration,
    /// Waiting for the database, over all attempts.
    pub database: Duration,
    /// The part of [`database`](Self::database) in which verdicts were stored and committed.
    pub commit: Duration,
    /// The rules' processor time, over all attempts: their own, and the host's on their behalf.
    pub computing: Duration,
    /// From the request's arrival to its response.
    pub elapsed: Duration,
}

impl Receipt {
    /// Each part with its name, in a fixed order: counts, and microseconds if the name ends in
    /// `_us`.
    pub fn each(&self) -> Vec<(&'static str, u64)> {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let each = [
            ("attempts", u64::from(self.attempts)),
            ("round_trips", u64::from(self.round_trips)),
            ("conflicts", u64::from(self.conflicts)),
            ("unknown_commits", u64::from(self.unknown_commits)),
            ("statements", self.statements),
            ("rows_read", self.rows_read),
            ("bytes_read", self.bytes_read),
            ("rows_written", self.rows_affected),
            ("events", self.events),
            ("follow_ups", self.follow_ups),
            ("queued_us", micros(self.queued)),
            ("database_us", micros(self.database)),
            ("commit_us", micros(self.commit)),
            ("computing_us", micros(self.computing)),
            ("elapsed_us", micros(self.elapsed)),
        ];
        each.into_iter().chain(self.fuel.map(|fuel| ("fuel", fuel))).collect()
    }
}

/// What one call of one rule cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleReceipt {
    /// Which rule.
    pub rule: String,
    /// Statements it ran.
    pub statements: u64,
    /// Rows it read.
    pub rows_read: u64,
    /// Bytes of values and of the database's errors that it read.
    pub bytes_read: u64,
    /// Rows its statements inserted, updated or deleted, by their command tags.
    pub rows_affected: u64,
    /// Events it staged.
    pub events: u64,
    /// Operations it scheduled.
    pub follow_ups: u64,
    /// Its processor time: its own, and the host's on its behalf.
    pub cpu: Duration,
    /// The peak of its linear memory, in bytes.
    pub memory_bytes: u64,
    /// The fuel it used, if the engine is metered.
    pub fuel: Option<u64>,
}
