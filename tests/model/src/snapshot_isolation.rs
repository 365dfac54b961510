//! Whether a history could have happened under snapshot isolation.
//!
//! The order of writes follows from the lists that were read. Of it, three dependencies between
//! transactions follow: one wrote after the other (ww), read what the other wrote (wr), or wrote
//! after what the other read (rw). A fourth is the order in time: one began after the other had
//! committed (Adya, "Weak Consistency", 1999, section 4.3). A history is one of snapshot isolation if
//! and only if no cycle remains once each rw dependency is only followed after one of the other kinds
//! (Cerone, Gotsman, "Analysing Snapshot Isolation", 2018, theorem 9).
//!
//! This file knows nothing of the model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::history::{History, Operation};

/// What a history shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What snapshot isolation does not allow.
    pub anomalies: Vec<Anomaly>,
    /// Whether no serial order gives the same result: a write skew, which snapshot isolation allows.
    pub is_skewed: bool,
}

/// What snapshot isolation does not allow. The numbers are those of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// A committed number that a later list does not have.
    LostUpdate(usize),
    /// A number was read whose transaction did not commit, or not yet.
    DirtyRead(usize),
    /// A list without its own transaction's writes, or with only a part of another's.
    IntermediateRead(usize),
    /// Two lists of which neither begins the other.
    Diverged(u32),
    /// Transactions that depend on each other.
    Cycle(Vec<usize>),
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LostUpdate(transaction) => write!(f, "an update of transaction {transaction} is lost"),
            Self::DirtyRead(transaction) => write!(f, "transaction {transaction} read what was not committed"),
            Self::IntermediateRead(transaction) => write!(f, "transaction {transaction} read a part of a transaction"),
            Self::Diverged(key) => write!(f, "the list {key} was read in two orders"),
            Self::Cycle(transactions) => write!(f, "the transactions {transactions:?} depend on each other"),
        }
    }
}

/// The dependencies between transactions, as sets of those that come after.
#[derive(Default)]
struct Dependencies {
    /// ww, wr and the order in time.
    firm: BTreeMap<usize, BTreeSet<usize>>,
    /// rw.
    anti: BTreeMap<usize, BTreeSet<usize>>,
}

/// Checks a history.
pub fn check(history: &History) -> Verdict {
    let mut anomalies = Vec::new();
    let writers = writers(history);
    let orders = orders(history, &mut anomalies);
    reads(history, &writers, &mut anomalies);
    updates(history, &orders, &mut anomalies);
    let dependencies = dependencies(history, &writers, &orders);
    let committed: Vec<_> = (0..history.transactions.len()).filter(|at| is_committed(history, *at)).collect();
    let after = |at: usize| dependencies.firm.get(&at).into_iter().flatten().copied();
    let against = |at: usize| dependencies.anti.get(&at).into_iter().flatten().copied();
    if let Some(cycle) =
        cycle(&committed, |at| after(at).flat_map(|next| std::iter::once(next).chain(against(next))).collect())
    {
        anomalies.push(Anomaly::Cycle(cycle));
    }
    let is_skewed = cycle(&committed, |at| after(at).chain(against(at)).collect()).is_some();
    Verdict { anomalies, is_skewed }
}

fn is_committed(history: &History, at: usize) -> bool {
    history.transactions.get(at).is_some_and(|transaction| transaction.is_committed)
}

/// Which transaction appended a number, and its numbers of the same list.
fn writers(history: &History) -> BTreeMap<u64, (usize, Vec<u64>)> {
    let mut writers = BTreeMap::new();
    for (at, transaction) in history.transactions.iter().enumerate() {
        let mut own = BTreeMap::<u32, Vec<u64>>::new();
        for operation in &transaction.operations {
            if let Operation::Append { key, number } = operation {
                own.entry(*key).or_default().push(*number);
            }
        }
        for numbers in own.into_values() {
            for number in &numbers {
                writers.insert(*number, (at, numbers.clone()));
            }
        }
    }
    writers
}

/// The lists that committed transactions read, without what they had appended themselves.
fn committed_reads(history: &History) -> impl Iterator<Item = (usize, u32, Vec<u64>)> + '_ {
    let transactions = history.transactions.iter().enumerate().filter(|(_, transaction)| transaction.is_committed);
    transactions.flat_map(|(at, transaction)| {
        let own: BTreeSet<_> = transaction.operations.iter().filter_map(appended).collect();
        transaction.operations.iter().filter_map(move |operation| match operation {
            Operation::Read { key, list } => {
                let before = list.iter().copied().take_while(|number| !own.contains(number)).collect();
                Some((at, *key, before))
            }
            Operation::Append { .. } => None,
        })
    })
}

fn appended(operation: &Operation) -> Option<u64> {
    match operation {
        Operation::Append { number, .. } => Some(*number),
        Operation::Read { .. } => None,
    }
}

/// The numbers of each list in the order in which they were appended, as far as they were read.
fn orders(history: &History, anomalies: &mut Vec<Anomaly>) -> BTreeMap<u32, Vec<u64>> {
    let mut orders = BTreeMap::<u32, Vec<u64>>::new();
    for (_, key, list) in committed_reads(history) {
        let known = orders.entry(key).or_default();
        let (short, long) = if known.len() < list.len() { (&*known, &list) } else { (&list, &*known) };
        if !long.starts_with(short) {
            anomalies.push(Anomaly::Diverged(key));
        }
        if known.len() < list.len() {
            *known = list;
        }
    }
    orders
}

/// Checks each list that was read on its own.
fn reads(history: &History, writers: &BTreeMap<u64, (usize, Vec<u64>)>, anomalies: &mut Vec<Anomaly>) {
    for (at, transaction) in history.transactions.iter().enumerate() {
        let mut own = BTreeMap::<u32, Vec<u64>>::new();
        for operation in &transaction.operations {
            match operation {
                Operation::Append { key, number } => own.entry(*key).or_default().push(*number),
                Operation::Read { key, list } => {
                    let own = own.get(key).map(Vec::as_slice).unwrap_or_default();
                    let Some(others) = list.strip_suffix(own) else {
                        anomalies.push(Anomaly::IntermediateRead(at));
                        continue;
                    };
                    for (place, number) in others.iter().enumerate() {
                        let Some((writer, numbers)) = writers.get(number) else {
                            anomalies.push(Anomaly::DirtyRead(at));
                            continue;
                        };
                        if *writer == at || !is_committed(history, *writer) {
                            anomalies.push(Anomaly::DirtyRead(at));
                        }
                        // All numbers of one transaction stand together.
                        let is_whole = numbers.iter().position(|own| own == number).is_some_and(|offset| {
                            place >= offset
                                && others.get(place - offset..place - offset + numbers.len()) == Some(numbers)
                        });
                        if !is_whole {
                            anomalies.push(Anomaly::IntermediateRead(at));
                        }
                    }
                }
            }
        }
    }
}

/// Checks that the last list that was read has all that was committed before.
fn updates(history: &History, orders: &BTreeMap<u32, Vec<u64>>, anomalies: &mut Vec<Anomaly>) {
    let last_snapshot =
        history.transactions.iter().filter(|transaction| transaction.is_committed).map(|last| last.began).max();
    for (at, transaction) in history.transactions.iter().enumerate() {
        if !transaction.is_committed || Some(transaction.ended) >= last_snapshot {
            continue;
        }
        for operation in &transaction.operations {
            if let Operation::Append { key, number } = operation
                && !orders.get(key).is_some_and(|order| order.contains(number))
                && is_read_after(history, *key, transaction.ended)
            {
                anomalies.push(Anomaly::LostUpdate(at));
            }
        }
    }
}

fn is_read_after(history: &History, key: u32, time: usize) -> bool {
    let later = history.transactions.iter().filter(|transaction| transaction.is_committed && transaction.began > time);
    later
        .flat_map(|transaction| &transaction.operations)
        .any(|operation| matches!(operation, Operation::Read { key: read, .. } if *read == key))
}

fn dependencies(
    history: &History,
    writers: &BTreeMap<u64, (usize, Vec<u64>)>,
    orders: &BTreeMap<u32, Vec<u64>>,
) -> Dependencies {
    let mut dependencies = Dependencies::default();
    let writer = |number: &u64| writers.get(number).map(|(writer, _)| *writer).filter(|at| is_committed(history, *at));
    let mut firm = |from: Option<usize>, to: Option<usize>| {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            dependencies.firm.entry(from).or_default().insert(to);
        }
    };
    for order in orders.values() {
        for pair in order.windows(2) {
            firm(pair.first().and_then(writer), pair.last().and_then(writer));
        }
    }
    for (at, _, list) in committed_reads(history) {
        firm(list.last().and_then(writer), Some(at));
    }
    for (at, transaction) in history.transactions.iter().enumerate().filter(|(_, transaction)| transaction.is_committed)
    {
        for (later, other) in history.transactions.iter().enumerate() {
            if other.is_committed && transaction.ended < other.began {
                firm(Some(at), Some(later));
            }
        }
    }
    for (at, key, list) in committed_reads(history) {
        let next = orders.get(&key).and_then(|order| order.get(list.len()));
        if let Some(next) = next.and_then(writer)
            && next != at
        {
            dependencies.anti.entry(at).or_default().insert(next);
        }
    }
    dependencies
}

/// Transactions that follow each other in a circle, if there are any.
fn cycle(all: &[usize], after: impl Fn(usize) -> Vec<usize>) -> Option<Vec<usize>> {
    // 1 is on the path, 2 is done.
    let mut state = BTreeMap::<usize, u8>::new();
    for start in all {
        if state.contains_key(start) {
            continue;
        }
        let mut path = vec![(*start, after(*start))];
        state.insert(*start, 1);
        while let Some((at, next)) = path.last_mut() {
            let Some(to) = next.pop() else {
                state.insert(*at, 2);
                path.pop();
                continue;
            };
            match state.get(&to) {
                Some(1) => {
                    let from = path.iter().position(|(known, _)| *known == to).unwrap_or_default();
                    return Some(path.iter().skip(from).map(|(at, _)| *at).collect());
                }
                Some(_) => {}
                None => {
                    state.insert(to, 1);
                    path.push((to, after(to)));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Transaction;

    fn read(key: u32, list: &[u64]) -> Operation {
        Operation::Read { key, list: list.to_vec() }
    }

    fn append(key: u32, number: u64) -> Operation {
        Operation::Append { key, number }
    }

    /// Committed transactions: from when to when, and what they did.
    fn verdict(transactions: &[(usize, usize, &[Operation])]) -> Verdict {
        let transactions = transactions.iter().map(|(began, ended, operations)| Transaction {
            operations: operations.to_vec(),
            is_committed: true,
            began: *began,
            ended: *ended,
        });
        check(&History { transactions: transactions.collect() })
    }

    #[test]
    fn transactions_one_after_the_other_are_in_order() {
        let verdict = verdict(&[
            (0, 1, &[append(1, 1)]),
            (2, 3, &[read(1, &[1]), append(1, 2), read(1, &[1, 2])]),
            (4, 5, &[read(1, &[1, 2])]),
        ]);
        assert_eq!(verdict, Verdict { anomalies: Vec::new(), is_skewed: false });
    }

    #[test]
    fn a_write_skew_is_allowed_and_seen() {
        let verdict = verdict(&[
            (0, 2, &[read(1, &[]), append(2, 1)]),
            (1, 3, &[read(2, &[]), append(1, 2)]),
            (4, 5, &[read(1, &[2]), read(2, &[1])]),
        ]);
        assert_eq!(verdict, Verdict { anomalies: Vec::new(), is_skewed: true });
    }

    #[test]
    fn a_lost_update_is_found() {
        let lost = verdict(&[
            (0, 2, &[read(1, &[]), append(1, 1)]),
            (1, 3, &[read(1, &[]), append(1, 2)]),
            (4, 5, &[read(1, &[2])]),
        ]);
        assert!(lost.anomalies.contains(&Anomaly::LostUpdate(0)), "{lost:?}");
        let kept = verdict(&[
            (0, 2, &[read(1, &[]), append(1, 1)]),
            (1, 3, &[read(1, &[]), append(1, 2)]),
            (4, 5, &[read(1, &[1, 2])]),
        ]);
        assert!(matches!(kept.anomalies.as_slice(), [Anomaly::Cycle(_)]), "{kept:?}");
    }

    #[test]
    fn a_read_skew_is_found() {
        let verdict = verdict(&[
            (1, 2, &[append(1, 1), append(2, 2)]),
            (0, 3, &[read(1, &[]), read(2, &[2])]),
            (4, 5, &[read(1, &[1]), read(2, &[2])]),
        ]);
        assert!(matches!(verdict.anomalies.as_slice(), [Anomaly::Cycle(_)]), "{verdict:?}");
    }

    #[test]
    fn a_long_fork_is_found() {
        let verdict = verdict(&[
            (0, 4, &[append(1, 1)]),
            (1, 5, &[append(2, 2)]),
            (2, 6, &[read(1, &[1]), read(2, &[])]),
            (3, 7, &[read(1, &[]), read(2, &[2])]),
            (8, 9, &[read(1, &[1]), read(2, &[2])]),
        ]);
        assert!(matches!(verdict.anomalies.as_slice(), [Anomaly::Cycle(_)]), "{verdict:?}");
    }

    #[test]
    fn a_stale_snapshot_is_found() {
        let verdict = verdict(&[(0, 1, &[append(1, 1)]), (2, 3, &[read(1, &[])]), (4, 5, &[read(1, &[1])])]);
        assert!(matches!(verdict.anomalies.as_slice(), [Anomaly::Cycle(_)]), "{verdict:?}");
    }

    #[test]
    fn what_was_not_committed_or_not_whole_is_not_read() {
        let mut history = History {
            transactions: vec![
                Transaction { operations: vec![append(1, 1), append(1, 2)], is_committed: false, began: 0, ended: 3 },
                Transaction { operations: vec![read(1, &[1, 2])], is_committed: true, began: 1, ended: 2 },
            ],
        };
        assert!(check(&history).anomalies.contains(&Anomaly::DirtyRead(1)));
        if let [first, second] = history.transactions.as_mut_slice() {
            first.is_committed = true;
            second.operations = vec![read(1, &[1])];
        }
        assert!(check(&history).anomalies.contains(&Anomaly::IntermediateRead(1)));
    }
}
