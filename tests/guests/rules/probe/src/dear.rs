//! Sends statements that are dear to read, each another one, and goes on whatever they give.

use serde::Deserialize;
use tenet::params;

#[derive(Deserialize)]
pub(crate) struct Input {
    statements: usize,
    /// The numbers in the list of each.
    numbers: usize,
}

pub(crate) fn run(input: Input) -> tenet::Result<()> {
    let list = ",1".repeat(input.numbers);
    for number in 0..input.statements {
        // One that is refused has been read too.
        let _read = tenet::execute(&format!("SELECT id FROM counters WHERE id IN ({number}{list})"), params![]);
    }
    Ok(())
}
