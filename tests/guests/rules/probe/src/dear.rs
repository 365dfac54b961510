//! Sends statements that are expensive to parse, all different, and continues whatever they return.

use serde::Deserialize;
use tenet::params;

#[derive(Deserialize)]
pub(crate) struct Input {
    statements: usize,
    /// The length of the list in each statement.
    numbers: usize,
}

pub(crate) fn run(input: Input) -> tenet::Result<()> {
    let list = ",1".repeat(input.numbers);
    for number in 0..input.statements {
        // A refused statement has been parsed too.
        let _read = tenet::execute(&format!("SELECT id FROM counters WHERE id IN ({number}{list})"), params![]);
    }
    Ok(())
}
