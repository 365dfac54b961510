use std::cell::Cell;

use crate::SqlError;
use crate::values::value::Value;

/// The steps between two looks at whether the statement has to end.
const STEPS: u32 = 1_024;

/// What the list of a row's values takes itself.
const ROW: usize = size_of::<Vec<Value>>();

/// What one statement may use: it ends early where it has to, and holds so many bytes of rows at a time.
///
/// It counts steps and bytes, and not time, so that one statement ends in one way.
pub(crate) struct Budget<'b> {
    /// Fails where the statement has to end.
    check: &'b dyn Fn() -> Result<(), SqlError>,
    /// The bytes of rows that it may hold.
    memory: usize,
    steps: Cell<u32>,
    held: Cell<usize>,
}

impl<'b> Budget<'b> {
    pub(crate) fn new(check: &'b dyn Fn() -> Result<(), SqlError>, memory: usize) -> Self {
        Self { check, memory, steps: Cell::new(0), held: Cell::new(0) }
    }

    /// Counts a step: a call, or a row that is looked at.
    pub(crate) fn step(&self) -> Result<(), SqlError> {
        let steps = self.steps.get() + 1;
        if steps < STEPS {
            self.steps.set(steps);
            return Ok(());
        }
        self.steps.set(0);
        (self.check)()
    }

    /// Counts a row that is held.
    pub(crate) fn hold(&self, row: &[Value]) -> Result<(), SqlError> {
        self.step()?;
        self.hold_bytes(ROW + row.iter().map(Value::bytes).sum::<usize>())
    }

    /// Counts bytes that are held.
    pub(crate) fn hold_bytes(&self, bytes: usize) -> Result<(), SqlError> {
        let held = self.held.get().saturating_add(bytes);
        if held > self.memory {
            return Err(SqlError::new("53200", "Query requires too much temp space, out of memory."));
        }
        self.held.set(held);
        Ok(())
    }

    /// What is held now.
    pub(crate) fn held(&self) -> usize {
        self.held.get()
    }

    /// Of what is held, so many bytes are no longer.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.held.set(self.held.get().saturating_sub(bytes));
    }

    /// No more is held than was before.
    pub(crate) fn release(&self, before: usize) {
        self.held.set(before.min(self.held.get()));
    }

    /// Of what was held since, only these rows are.
    pub(crate) fn keep(&self, before: usize, rows: &[Vec<Value>]) -> Result<(), SqlError> {
        self.release(before);
        rows.iter().try_for_each(|row| self.hold(row))
    }
}
