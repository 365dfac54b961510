use std::collections::BTreeSet;
use std::sync::Mutex;

use fastrand::Rng;
use tenet_harm::Harm;

use crate::chance::mix;

/// A fault of a wire, by which it can be kept or left out: the connection, the number of the statement on it, and one in
/// how many statements was harmed then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WireFault {
    /// The connection.
    pub connection: String,
    /// The statement, counted from 1.
    pub statement: u32,
    /// One in how many was harmed.
    pub one_in: u32,
}

/// Decides the faults of all statements. Each decision depends on the seed, the connection and the number of the
/// statement alone, so that one fault that is left out changes no other.
pub(crate) struct WireFaults {
    seed: u64,
    /// If there are some, there are no others.
    only: Option<BTreeSet<WireFault>>,
    done: Mutex<Vec<WireFault>>,
}

impl WireFaults {
    pub(crate) fn new(seed: u64, only: Option<BTreeSet<WireFault>>) -> Self {
        Self { seed, only, done: Mutex::default() }
    }

    /// The fault for a statement. `one_in` is 0 where there are none.
    pub(crate) fn decide(&self, connection: &str, statement: u32, one_in: u32, text: &str) -> Option<Harm> {
        let one_in = match &self.only {
            None if one_in == 0 => return None,
            None => one_in,
            Some(only) => {
                let least = WireFault { connection: connection.to_owned(), statement, one_in: 0 };
                let next = only.range(least..).next()?;
                if next.connection != connection || next.statement != statement {
                    return None;
                }
                next.one_in
            }
        };
        let mut random = Rng::with_seed(mix(self.seed, (connection, statement)));
        let harm = Harm::draw(&mut random, one_in, text)?;
        let fault = WireFault { connection: connection.to_owned(), statement, one_in };
        self.done.lock().unwrap().push(fault);
        Some(harm)
    }

    /// The faults that there were.
    pub(crate) fn done(&self) -> Vec<WireFault> {
        self.done.lock().unwrap().clone()
    }
}
