//! What transactions that ran at the same time read and wrote.

/// A history of transactions over lists: each write appends a number that no other write appends, so
/// that each read shows all writes before it, in their order.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// All transactions, whatever became of them.
    pub transactions: Vec<Transaction>,
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// What it did, in order.
    pub operations: Vec<Operation>,
    /// Whether it was committed.
    pub is_committed: bool,
    /// The step of the history in which it took its snapshot.
    pub began: usize,
    /// The step in which it ended.
    pub ended: usize,
}

/// A read or a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The list that was read.
    Read {
        /// The key of the list.
        key: u32,
        /// Its numbers.
        list: Vec<u64>,
    },
    /// A number that was appended.
    Append {
        /// The key of the list.
        key: u32,
        /// The number.
        number: u64,
    },
}
